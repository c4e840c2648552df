import { expect, test } from 'vitest';
import type { DataEvent } from '../impl/core/trace.ts';
import { tellLog } from './log-trace.ts';
import { collect } from './trace-line.ts';

const event = (fields: object): DataEvent => fields as DataEvent;
const restart = (boot: number, incarnation: number): DataEvent =>
  event({ name: 'Restart', node: 1, boot, incarnation, applied: 0, ends: [] });
const replaced = event({ name: 'ReplaceDisk', node: 1 });
const crash = event({ name: 'Crash', node: 1 });
const append = (record: number, sequence: number, index: number): DataEvent =>
  event({
    name: 'AppendRecord',
    node: 1,
    topic: 't',
    segment: 1,
    epoch: 7,
    index,
    record,
    request: { node: 1, boot: 9, sequence },
  });

/** The lines but for the founding of the cluster, which is nobody's event. */
function linesOf(events: readonly DataEvent[]) {
  return collect((tell) => tellLog(events, tell)).lines.slice(1);
}

test('two requests are two records, though both bring the same bytes; one request is one record', () => {
  const records = linesOf([append(55, 1, 0), append(55, 2, 1), append(55, 1, 2)]).map(
    ({ record }) => record,
  );
  expect(records).toEqual([1, 2, 1]);
});

test('a disk that is replaced before a process has told of it was never there', () => {
  const lines = linesOf([replaced, restart(5, 50), crash, replaced, replaced, restart(6, 60)]);
  expect(lines.map(({ e }) => e)).toEqual(['Restart', 'Crash', 'ReplaceDisk', 'Restart']);
  expect(lines.map(({ incarnation }) => incarnation)).toEqual([1, undefined, undefined, 2]);
});

test('a process that was killed from outside ends before the next one starts, or its disk is replaced', () => {
  const lines = linesOf([restart(5, 50), restart(6, 50), replaced, restart(7, 60)]);
  const names = ['Restart', 'Crash', 'Restart', 'Crash', 'ReplaceDisk', 'Restart'];
  expect(lines.map(({ e }) => e)).toEqual(names);
});
