/**
 * Where messages are handed over by hand, step by step: a new life of a process is made known to the others at once, since
 * no specification speaks of how they come to believe it.
 */
import type { Incarnation, NodeId } from '../impl/core/ids.ts';
import type { Envelope } from '../impl/node/messages.ts';
import { type Cluster, type Machine, raftAddress } from './cluster.ts';

/** The others hear of the machine's new process, and it recalls what they remember. */
export function introduce(cluster: Cluster, machine: Machine): void {
  const { id: from, node } = machine;
  const { incarnation, boot: fromBoot } = node!;
  const fromIncarnation = incarnation as Incarnation;
  for (const { id: to } of cluster.machines) {
    if (to === from) continue;
    const body = { kind: 'Ping', address: raftAddress(from), full: false, leaving: false } as const;
    const envelope = {
      from,
      fromIncarnation,
      fromBoot,
      fromLsn: 0,
      sentAtMs: 0,
      to,
      toIncarnation: 0,
      body,
    } as const;
    cluster.deliver(to, envelope);
  }
}

/** Whether the message is a part of that; then it has arrived. */
export function passes(cluster: Cluster, to: NodeId, envelope: Envelope): boolean {
  const { kind } = envelope.body;
  if (kind !== 'Remind' && kind !== 'Recall') return false;
  cluster.deliver(to, envelope);
  return true;
}
