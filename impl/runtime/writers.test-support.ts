/** Clients that write to one topic without end, and remember what they were told. */

import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { WalrusError } from '../core/errors.ts';
import type { TestCluster } from './test-cluster.test-support.ts';

export interface Written {
  readonly acknowledged: number;
  /** Puts of unknown outcome: each may be there, once. */
  readonly unknown: number;
  /** Between two acknowledgements, whoever got them. */
  readonly longestPauseMs: number;
  /** Whether what was read agrees with what was told. */
  check(records: readonly string[]): void;
}

export interface Writers {
  /** Resolves after so many more acknowledgements. */
  progressed(count: number): Promise<void>;
  stop(): Promise<Written>;
}

export interface WriterOptions {
  /** What each writer waits before each of its records. */
  readonly pauseMs?: number;
  /** What records begin with, before the writer's number. */
  readonly name?: string;
  /** What each record ends with. */
  readonly padding?: string;
  /** Those that are written to; all unless told otherwise. */
  readonly nodes?: readonly number[];
}

const PROGRESS_WITHIN_MS = 40_000;

export function startWriters(
  cluster: TestCluster,
  topic: string,
  count: number,
  { pauseMs = 0, name = 'w', padding = '', nodes }: WriterOptions = {},
): Writers {
  const acknowledged: string[][] = [];
  const unknown = new Set<string>();
  let total = 0;
  let lastMs = performance.now();
  let longestPauseMs = 0;
  let stopped = false;

  const write = async (writer: number): Promise<void> => {
    const client =
      nodes === undefined
        ? cluster.client((writer % cluster.nodes.length) + 1, { retryForMs: 60_000 })
        : cluster.clientOf(nodes[writer % nodes.length]!, { retryForMs: 60_000 });
    const mine: string[] = [];
    acknowledged.push(mine);
    for (let sequence = 0; !stopped; sequence++) {
      if (pauseMs > 0) await sleep(pauseMs);
      const record = `${name}${writer} ${sequence} ${padding}`.trimEnd();
      try {
        await client.put(topic, record);
      } catch (error) {
        if (!(error instanceof WalrusError) || error.committed !== 'unknown') throw error;
        unknown.add(record);
        continue;
      }
      mine.push(record);
      total++;
      const nowMs = performance.now();
      longestPauseMs = Math.max(longestPauseMs, nowMs - lastMs);
      lastMs = nowMs;
    }
  };
  const running = Promise.all(Array.from({ length: count }, (_, writer) => write(writer)));
  // A writer that fails fails the test that waits for it, not the process.
  let failure: unknown;
  running.catch((error: unknown) => {
    failure = error;
  });

  return {
    async progressed(more) {
      const goal = total + more;
      const giveUpMs = performance.now() + PROGRESS_WITHIN_MS;
      while (total < goal) {
        if (failure !== undefined) throw failure;
        if (performance.now() > giveUpMs) {
          throw new Error(`${goal - total} acknowledgements short\n${cluster.logs()}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
    async stop() {
      stopped = true;
      await running;
      return {
        acknowledged: total,
        unknown: unknown.size,
        longestPauseMs: Math.round(longestPauseMs),
        check: (records) => check(records, acknowledged, unknown),
      };
    },
  };
}

function check(
  records: readonly string[],
  acknowledged: readonly (readonly string[])[],
  unknown: ReadonlySet<string>,
): void {
  const found = new Set(records);
  expect(records.length, 'no record twice').toBe(found.size);
  const missing = acknowledged.flat().filter((record) => !found.has(record));
  expect(missing, 'acknowledged and missing').toEqual([]);
  const told = new Set(acknowledged.flat());
  const invented = records.filter((record) => !told.has(record) && !unknown.has(record));
  expect(invented, 'read and never written').toEqual([]);
  for (const mine of acknowledged) {
    const prefix = `${mine[0]?.split(' ')[0]} `;
    const asRead = records.filter((record) => record.startsWith(prefix) && told.has(record));
    expect(asRead, 'the order of one writer').toEqual(mine);
  }
}
