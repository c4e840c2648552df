/** What is said of a trace that was refused is what is wrong with it. */
import { expect, test } from 'vitest';
import type { DataEvent } from '../impl/core/trace.ts';
import { hasJava, projected, twoLeaders, writing } from './small-traces.test-support.ts';
import type { Prepared, SpecName } from './trace-case.ts';
import { explain } from './trace-explanation.ts';
import type { Projected } from './trace-line.ts';

const GOOD = writing({ synced: true });

/** The lines of what is said, without the line of the event itself. */
async function told(spec: SpecName, trace: Projected): Promise<string[]> {
  const prepared: Prepared = {
    ...trace,
    tampered: undefined,
    placeOf: (line) => `, line ${1000 + line}`,
  };
  const lines = (await explain(spec, prepared, 'the trace')).split('\n');
  return lines.filter((_, i) => i !== 1);
}

function without(name: DataEvent['name']): DataEvent[] {
  const at = GOOD.findIndex((event) => event.name === name);
  return GOOD.filter((_, i) => i !== at);
}

/** Place of the first event of this name among the lines of the projection, whose first is nobody's event. */
function placeOf(events: readonly DataEvent[], name: DataEvent['name']): number {
  return events.findIndex((event) => event.name === name) + 2;
}

test.skipIf(!hasJava)('a value that is another one than the action makes it', async () => {
  const events = writing({ synced: false });
  const at = placeOf(events, 'SendReplicateAck');
  const [first, ...rest] = await told('DistributedLog', projected(events));
  expect(first).toBe(
    `the trace, line ${1000 + at}: no action of DistributedLog explains event ${at}`,
  );
  expect(rest).toContain('  node 2 before it');
  expect(rest).toContain('    durable          0');
  expect(rest).toContain('    records          1');
  expect(rest.at(-2)).toMatch(/variable +\| by the action \| by the event/);
  expect(rest.at(-1)).toMatch(/^ {2}\* durableEnd \| 0 +\| 1 *$/);
});

test.skipIf(!hasJava)('a condition of the action that does not hold', async () => {
  const lines = await told('DistributedLog', projected(without('RenewLease')));
  const at = lines.indexOf('  AppendRecord asks for what does not hold');
  expect(at).toBeGreaterThan(0);
  expect(lines[at + 1]).toMatch(/^ {4}DistributedLog\.tla:\d+ {2}MayAppend\(n, s\)$/);
  expect(lines).toContain('    lease            FALSE');
});

test.skipIf(!hasJava)('a message that nobody sent', async () => {
  const events = without('SendReplicate');
  const lines = await told('DistributedLog', projected(events));
  expect(lines[0]).toContain(`event ${placeOf(events, 'HandleReplicate')}`);
  expect(lines).toContain('  its message was not sent before');
});

test.skipIf(!hasJava)(
  'a step of Raft: what it asks for, and what it would make of the node',
  async () => {
    const { sizes, lines, origins } = twoLeaders();
    const early = await told('MetadataRaft', { sizes, lines, origins });
    expect(early[0]).toBe('the trace, line 1002: no action of MetadataRaft explains event 2');
    expect(early).toContain('  Timeout asks for what does not hold');
    expect(early.find((line) => line.includes('MetadataRaft.tla:'))).toMatch(/PreVoteWon\(n\)$/);
    expect(early).toContain('    votes            {1}');

    const altered = [{ ...lines[0]!, s: [1, 0, 'precandidate', 1, 9, 1, 1] }];
    const wrong = await told('MetadataRaft', { sizes, lines: altered, origins });
    expect(wrong.find((line) => line.startsWith('  *'))).toMatch(
      /^ {2}\* last index \| 1 +\| 9 *$/,
    );
  },
);
