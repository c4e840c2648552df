/** The twin follows the real thing, and nothing else: runs are accepted, damaged ones are not. */
import { describe, expect, test } from 'vitest';
import type { TraceEvent } from '../impl/core/trace.ts';
import { play, runOfSeed } from '../sim/seed.ts';
import { actionOf } from '../sim/trace.ts';
import { tamper } from '../spec/tampering.ts';
import { RaftCluster } from './raft-cluster.ts';
import { Refinement } from './refinement.ts';
import { Violation } from './violation.ts';

const DURATION_MS = 15_000;

/** What the nodes of a simulated run said. */
function eventsOfSeed(seed: string): TraceEvent[] {
  const events: TraceEvent[] = [];
  play(runOfSeed(seed, DURATION_MS), (event) => {
    const action = actionOf(event);
    if (action !== undefined) events.push(action);
  });
  return events;
}

function isAllowed(events: readonly TraceEvent[]): boolean {
  const refinement = new Refinement();
  try {
    for (const event of events) refinement.event(event);
    return true;
  } catch (error) {
    if (error instanceof Violation) return false;
    throw error;
  }
}

describe('refinement', () => {
  const runs = ['1', '2', '5', '7'].map((seed) => ({ seed, events: eventsOfSeed(seed) }));

  test.each(runs)('seed $seed takes steps of the model only', ({ events }) => {
    const refinement = new Refinement();
    for (const event of events) refinement.event(event);
    expect(events.length).toBeGreaterThan(500);
  });

  /** Each specification by itself; of Raft up to the first disk that is replaced, since by itself it does not show which is meant. */
  const sides: Record<string, (events: readonly TraceEvent[]) => TraceEvent[]> = {
    'the data plane': (events) => events.filter((event) => !('state' in event)),
    Raft: (events) => {
      const end = events.findIndex(({ name }) => name === 'ReplaceDisk');
      return events.slice(0, end < 0 ? events.length : end).filter((event) => 'state' in event);
    },
  };

  test.each(Object.entries(sides))(
    '%s: of tampered runs at least 99 of 100 are refused',
    (_, of) => {
      const accepted: string[] = [];
      let tried = 0;
      for (const { events } of runs) {
        const side = of(events);
        expect(isAllowed(side)).toBe(true);
        for (let i = 0; i < 90; i++) {
          const tampered = tamper(side, i, i * 7919 + 1);
          if (tampered === undefined) continue;
          tried++;
          if (isAllowed(tampered.events)) accepted.push(tampered.what);
        }
      }
      expect(tried).toBeGreaterThan(150);
      expect(accepted.length, accepted.join('\n')).toBeLessThanOrEqual(tried / 100);
    },
  );
});

test('a compaction that a crash kept from being told was one nevertheless, if what it dropped was decided', () => {
  const events: TraceEvent[] = [];
  const trace = { emit: (event: TraceEvent): unknown => events.push(event) };
  const cluster = new RaftCluster([1, 2, 3], { trace });
  cluster.elect(1);
  cluster.propose(1, 'a');
  cluster.deliver();
  cluster.compact(1);
  cluster.crash(1);
  cluster.restart(1);
  const untold = events.filter(({ name }) => name !== 'Compact');
  expect(untold).toHaveLength(events.length - 1);
  expect(isAllowed(untold)).toBe(true);

  const undecided = untold.map((event) => {
    if (event.name !== 'Recover' || event.state.snapshotIndex === 1) return event;
    const state = { ...event.state, snapshotIndex: event.state.lastIndex + 1 };
    return { ...event, state } as TraceEvent;
  });
  expect(isAllowed(undecided)).toBe(false);
});
