import { expect, test } from 'vitest';
import { linesOf, NoText } from './lines.ts';

async function read(...chunks: (string | number[])[]): Promise<(string | NoText)[]> {
  const seen: (string | NoText)[] = [];
  const bytes = chunks.map((chunk) => Buffer.from(chunk as string));
  try {
    for await (const line of linesOf(streamOf(bytes))) seen.push(line);
  } catch (error) {
    seen.push(error as NoText);
  }
  return seen;
}

async function* streamOf(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

test('lines end where they end, however the bytes come', async () => {
  expect(await read('a\nb', 'c\r\n', '\nlast')).toEqual(['a', 'bc', '', 'last']);
  expect(await read()).toEqual([]);
  // A letter of two bytes that comes in two pieces.
  expect(await read([0xc3], [0xa4, 0x0a])).toEqual(['ä']);
});

test('what is no UTF-8 is no line, and nothing behind it is read', async () => {
  expect(await read('a\n', [0xff, 0xfe, 0x0a], 'c\n')).toEqual(['a', expect.any(NoText)]);
  expect(await read('a\nbeginning', [0xff])).toEqual(['a', expect.any(NoText)]);
});
