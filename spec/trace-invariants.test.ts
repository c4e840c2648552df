/**
 * That invariants are looked at: a specification that lacks one guard follows the trace of a node that lacks it, and the
 * invariant that the guard is there for is what refuses it, by its name.
 */
import { expect, test } from 'vitest';
import { hasJava, projected, twoLeaders, writing } from './small-traces.test-support.ts';
import type { SpecName } from './trace-case.ts';
import type { Projected } from './trace-line.ts';
import { judge, TraceFiles, type Verdict } from './trace-tlc.ts';

interface Weakened {
  readonly definitions: string;
  readonly replaced: string;
}

const ACKS_WHAT_IS_WRITTEN: Weakened = {
  definitions: 'WrittenEnd(m, s) == End(m, s)',
  replaced: 'CONSTANT AckedEnd <- WrittenEnd',
};
const ONE_VOTE_IS_ENOUGH: Weakened = {
  definitions: 'Somebody(set, voters) == set # {}',
  replaced: 'CONSTANT IsQuorum <- Somebody',
};

async function verdictOn(
  spec: SpecName,
  trace: Projected,
  weakened: Weakened | undefined,
): Promise<Verdict> {
  const file = new TraceFiles();
  file.add(trace);
  const module = weakened && {
    text: `---- MODULE Weakened ----\nEXTENDS Trace${spec}\n${weakened.definitions}\n====\n`,
    configuration: `SPECIFICATION TraceSpec\n${weakened.replaced}\n`,
  };
  const how = { invariants: true, ...(module && { module }) };
  const { verdicts } = await judge(`Trace${spec}`, file, how);
  return verdicts[0]!;
}

test.skipIf(!hasJava)('a record that is acknowledged and not durable', async () => {
  const good = projected(writing({ synced: true }));
  const bad = projected(writing({ synced: false }));
  const accepted = { accepted: true, violated: undefined };
  expect(await verdictOn('DistributedLog', good, undefined)).toEqual(accepted);
  expect(await verdictOn('DistributedLog', good, ACKS_WHAT_IS_WRITTEN)).toEqual(accepted);
  // It shows when the high watermark has moved, which is before the last event.
  expect(await verdictOn('DistributedLog', bad, ACKS_WHAT_IS_WRITTEN)).toEqual({
    accepted: false,
    violated: { invariant: 'AckedIsDurableInv', event: bad.lines.length },
  });
  // As it is, the specification does not let it come so far.
  expect(await verdictOn('DistributedLog', bad, undefined)).toEqual({
    accepted: false,
    violated: undefined,
  });
});

test.skipIf(!hasJava)('two leaders of one term, the last event of the trace', async () => {
  const both = twoLeaders();
  const one = { ...both, lines: both.lines.slice(0, 5) };
  expect(await verdictOn('MetadataRaft', one, ONE_VOTE_IS_ENOUGH)).toEqual({
    accepted: true,
    violated: undefined,
  });
  expect(await verdictOn('MetadataRaft', both, ONE_VOTE_IS_ENOUGH)).toEqual({
    accepted: false,
    violated: { invariant: 'ElectionSafetyInv', event: both.lines.length + 1 },
  });
  expect((await verdictOn('MetadataRaft', one, undefined)).accepted).toBe(false);
});
