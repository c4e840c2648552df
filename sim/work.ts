/**
 * What it costs a node to handle an input, in virtual time: so that overload, slow starts, and timers that fire too late exist.
 * A cost is a sum over what the input touched. Messages, disk requests and bytes are counted at the ports; what goes on inside is
 * counted by wrapping the methods of the core that everything goes through, so that the core knows nothing of it. A loop that touches
 * none of these is free: the model is kinder than the world, never harsher.
 *
 * An input is handled when all before it are done; what it sends leaves at once, and what comes after it waits.
 */
import { ClusterState } from '../impl/core/metadata/cluster-state.ts';
import { SnapshotWriter } from '../impl/core/metadata/snapshot-writer.ts';
import { Replicas } from '../impl/core/segment/replicas.ts';
import { Store } from '../impl/core/storage/store.ts';
import type { Message } from '../impl/node/messages.ts';

/**
 * Microseconds each. They are rough: a least-squares fit to some half a million inputs of simulated nodes (which are the real ones) on
 * a busy machine, rounded by hand. What a socket costs (15 of `input`, 12 of `message`) and `snapshotTopic` are estimates.
 */
const COST_US = {
  input: 20,
  message: 15,
  messageKb: 2,
  diskRequest: 9,
  diskKb: 0.25,
  lookup: 0.15,
  command: 6,
  record: 6,
  snapshotTopic: 5,
  replica: 2.5,
} as const;

type Touched = { -readonly [Kind in keyof typeof COST_US]: number };

const KINDS = Object.keys(COST_US) as (keyof Touched)[];

/** Since the program began, by all nodes: a handler is alone while it runs. */
export const touched: Touched = {
  input: 0,
  message: 0,
  messageKb: 0,
  diskRequest: 0,
  diskKb: 0,
  lookup: 0,
  command: 0,
  record: 0,
  snapshotTopic: 0,
  replica: 0,
};

/** What `act` touches costs so many milliseconds. */
export function costMs(act: () => void): number {
  const before = { ...touched };
  act();
  let us: number = COST_US.input;
  for (const kind of KINDS) us += COST_US[kind] * (touched[kind] - before[kind]);
  return us / 1000;
}

export function touchMessage(message: Message): void {
  touched.message++;
  touched.messageKb += bytesOf(message) / 1024;
}

export function touchDisk(bytes: number): void {
  touched.diskRequest++;
  touched.diskKb += bytes / 1024;
}

function bytesOf(message: Message): number {
  switch (message.kind) {
    case 'Replicate':
    case 'Copy':
      return message.records.reduce((sum, { length }) => sum + length, 0);
    case 'AppendEntriesRequest':
      return message.entries.reduce((sum, { data }) => sum + data.length, 0);
    case 'InstallSnapshotRequest':
      return message.chunk.length;
    default:
      return 64;
  }
}

/** Has each call of the method counted. */
function count<Self extends object>(
  owner: Self,
  method: keyof Self & string,
  kind: keyof Touched,
  amount: (self: Self, ...args: never[]) => number = () => 1,
): void {
  const original = owner[method] as (...args: unknown[]) => unknown;
  if (typeof original !== 'function') throw new Error(`there is no ${method} to count`);
  Object.defineProperty(owner, method, {
    value(this: Self, ...args: unknown[]): unknown {
      touched[kind] += amount(this, ...(args as never[]));
      return original.apply(this, args);
    },
  });
}

for (const method of [
  'node',
  'topic',
  'topicNamed',
  'currentSegment',
  'segment',
  'segmentAt',
] as const) {
  count(ClusterState.prototype, method, 'lookup');
}
count(ClusterState.prototype, 'applyCommand', 'command');
count(SnapshotWriter.prototype, 'write', 'snapshotTopic', ({ left }, topicsMax: number) =>
  Math.min(topicsMax, left),
);
count(Replicas.prototype, 'open', 'replica');
for (const method of ['append', 'put', 'stream'] as const) count(Store.prototype, method, 'record');
