import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { NdjsonTraceSink } from './ndjson-trace-sink.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'walrus-trace-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const failed = (error: Error): void => {
  throw error;
};

test('one line per event, on the file by the end of the turn, the rest at close', async () => {
  const file = join(directory, 'trace.ndjson');
  const sink = new NdjsonTraceSink<object>(file, failed);
  sink.emit({ name: 'Crash', node: 1 });
  sink.emit({ name: 'Restart', node: 1, ends: ['line\nbreak'] });
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  expect(readFileSync(file, 'utf8').split('\n')).toHaveLength(3);
  sink.emit({ name: 'Crash', node: 2 });
  sink.close();
  sink.emit({ name: 'TooLate' });
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line).name)).toEqual(['Crash', 'Restart', 'Crash']);
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
