import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { NdjsonTraceSink } from './ndjson-trace-sink.ts';
import { TracedDisk } from './traced-disk.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'walrus-trace-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const failed = (error: Error): void => {
  throw error;
};

test('one line per event, on the file before the turn ends, the rest at close', async () => {
  const file = join(directory, 'trace.ndjson');
  const sink = new NdjsonTraceSink<object>(file, failed);
  // The network sends at the end of the turn, and has asked for it before.
  const sent = new Promise<string>((resolve) => {
    setImmediate(() => resolve(readFileSync(file, 'utf8')));
  });
  sink.emit({ name: 'Crash', node: 1 });
  sink.emit({ name: 'Restart', node: 1, ends: ['line\nbreak'] });
  expect((await sent).split('\n')).toHaveLength(3);
  sink.emit({ name: 'Crash', node: 2 });
  sink.close();
  sink.emit({ name: 'TooLate' });
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line).name)).toEqual(['Crash', 'Restart', 'Crash']);
});

test('the next life goes on in the same file, on a line of its own', () => {
  const file = join(directory, 'trace.ndjson');
  writeFileSync(file, '{"name":"Crash"}\n{"name":"Rest');
  for (const name of ['Recover', 'Restart']) {
    const sink = new NdjsonTraceSink<object>(file, failed);
    sink.emit({ name });
    sink.close();
  }
  expect(readFileSync(file, 'utf8')).toBe(
    '{"name":"Crash"}\n{"name":"Rest\n{"name":"Recover"}\n{"name":"Restart"}\n',
  );
});

test('a disk gets nothing before the trace has what led to it', async () => {
  const file = join(directory, 'trace.ndjson');
  const sink = new NdjsonTraceSink<object>(file, failed);
  const atSubmit: string[] = [];
  const disk = new TracedDisk(
    { alignmentBytes: 1, submit: () => atSubmit.push(readFileSync(file, 'utf8')) },
    () => sink.flush(),
  );
  disk.submit({ op: 'list', id: 1 });
  sink.emit({ name: 'Persist' });
  expect(atSubmit).toEqual([]);
  await Promise.resolve();
  expect(atSubmit).toEqual(['{"name":"Persist"}\n']);
});

test('a device without space ends the trace and is told', () => {
  const errors: Error[] = [];
  const sink = new NdjsonTraceSink<object>('/dev/full', (error) => errors.push(error));
  sink.emit({ name: 'Crash' });
  sink.flush();
  sink.emit({ name: 'Crash' });
  sink.close();
  expect(errors.map((error) => (error as NodeJS.ErrnoException).code)).toEqual(['ENOSPC']);
});
