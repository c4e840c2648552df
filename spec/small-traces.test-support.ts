/** Two traces, short enough to be read, of three nodes each; and whether there is a Java to judge them. */
import { spawnSync } from 'node:child_process';
import type { DataEvent } from '../impl/core/trace.ts';
import { tellLog } from './log-trace.ts';
import { collect, type Line, type Projected } from './trace-line.ts';

export const hasJava: boolean = spawnSync('java', ['-version'], { stdio: 'ignore' }).status === 0;
if (!hasJava) console.log('Skipped: TLC, which judges traces, needs Java 11 or newer.');

const NODES = [1, 2, 3];
/** A topic and a grant are known by the index of their entry: the founding, three registrations, and then the topic. */
const at = { topic: 5, segment: 1, epoch: 5 };

/** One record is appended, copied, and below the high watermark. `synced`: the replicas sync it before they say so. */
export function writing({ synced }: { synced: boolean }): DataEvent[] {
  const proposals = [
    ...NODES.map((node) => proposal(node, 1, { kind: 'RegisterNode', boot: node, node })),
    proposal(1, 2, { kind: 'CreateTopic', name: 't', owner: 1, replicas: NODES }),
  ];
  const applied = (index: number): object[] => [
    { name: 'CommitCommand', node: 1, index, proposal: proposals[index - 2] },
    ...NODES.map((node) => ({ name: 'ApplyCommand', node, index, applied: true })),
  ];
  const replicated = [2, 3].flatMap((node) => {
    const message = { from: 0, count: 1, highWatermark: 0 };
    const end = synced ? 1 : 0;
    return [
      { name: 'SendReplicate', node: 1, ...at, to: node, ...message },
      { name: 'HandleReplicate', node, ...at, sender: 1, ...message, end: 1, promised: 5 },
      { name: 'SyncCompleted', node, durable: [{ topic: 5, segment: 1, end, promised: 5 }] },
      { name: 'SendReplicateAck', node, ...at, to: 1, durableEnd: 1 },
      { name: 'HandleReplicateAck', node: 1, ...at, sender: node, durableEnd: 1 },
    ];
  });
  const events = [
    ...NODES.map((node) => {
      return { name: 'Restart', node, boot: node, incarnation: 10 + node, applied: 0, ends: [] };
    }),
    ...NODES.map((node) => ({ name: 'ApplyCommand', node, index: 1, applied: false })),
    ...proposals.map((each) => ({
      name: 'ProposeCommand',
      node: each.origin.node,
      proposal: each,
    })),
    ...[2, 3, 4, 5].flatMap(applied),
    { name: 'RenewLease', node: 1 },
    { name: 'AppendRecord', node: 1, ...at, index: 0, record: 77, request: origin(1, 1) },
    ...replicated,
    { name: 'AdvanceHighWatermark', node: 1, ...at, highWatermark: 1 },
    { name: 'AcknowledgeRecord', node: 1, ...at, index: 0 },
  ];
  return events as unknown as DataEvent[];
}

function origin(node: number, sequence: number) {
  return { node, boot: node, sequence };
}

function proposal(node: number, sequence: number, command: object) {
  const disk = { incarnation: 10 + node, raftAddress: '', clientAddress: '' };
  return { origin: origin(node, sequence), command: { ...disk, ...command } };
}

export function projected(events: readonly DataEvent[]): Projected {
  return collect((tell) => tellLog(events, tell));
}

/** Nodes 1 and 2 of three founders become leaders of term 2, each by its own vote alone. */
export function twoLeaders(): Projected {
  const alone = (n: number): Line[] => {
    const state = (term: number, vote: number, role: string, last: number): Line['s'] => {
      return [term, vote, role, 1, last, last === 1 ? 1 : term, 1];
    };
    return [
      { e: 'StartPreVote', n, s: state(1, 0, 'precandidate', 1) },
      { e: 'Timeout', n, s: state(2, n, 'candidate', 1) },
      { e: 'Persist', n, s: state(2, n, 'candidate', 1) },
      { e: 'PersistCompleted', n, s: state(2, n, 'candidate', 1), batches: 1, durable: 1 },
      { e: 'BecomeLeader', n, s: state(2, n, 'leader', 2) },
    ];
  };
  const lines = [...alone(1), ...alone(2)];
  const sizes = { nodes: 3, founders: 3 };
  return { sizes, lines, origins: lines.map((_, i) => i) };
}
