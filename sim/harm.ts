/**
 * What may not happen whatever has happened: that somebody is told something else than the truth. A record that was acknowledged is
 * read as it was, or its reader gets an error, or waits. That there is no such record, or no such topic, is never said. And if
 * records cannot be read any more, some node says that it is not as it should be.
 */
import { ONE_RECORD, type Reply } from '../impl/core/controller/operations.ts';
import type { Offset } from '../impl/core/ids.ts';
import type { Call } from '../properties/history.ts';
import { demand } from '../properties/violation.ts';
import type { Machine } from './cluster.ts';
import type { Scene } from './faults/scene.ts';

/** All find out what they can find out by then. */
const SETTLE_MS = 30_000;
/** Who waits longer for an answer waits for ever; an operation's time is up before. */
const ANSWER_MS = 6_000;

interface Acknowledged {
  readonly topic: string;
  readonly offset: number;
  readonly record: Uint8Array;
}

export class HarmIsTold {
  done = false;
  private readonly scene: Scene;
  private readonly acknowledged: readonly Acknowledged[];
  private unread = new Set<Acknowledged>();

  constructor(scene: Scene, history: readonly Call[]) {
    this.scene = scene;
    this.acknowledged = history.flatMap(({ operation, reply }) =>
      operation.kind === 'put' && reply?.kind === 'appended'
        ? operation.records.map((record, i) => ({
            topic: operation.topic,
            offset: reply.offset + i,
            record,
          }))
        : [],
    );
  }

  /** Asks every node for every record, once the dust has settled. */
  begin(): void {
    const { time } = this.scene;
    time.after(SETTLE_MS, () => {
      this.unread = new Set(this.acknowledged);
      for (const machine of this.scene.cluster.machines) {
        for (const each of this.acknowledged) this.ask(machine, each);
      }
      time.after(ANSWER_MS, () => this.end());
    });
  }

  private ask(machine: Machine, each: Acknowledged): void {
    const { topic } = each;
    const operation = {
      ...ONE_RECORD,
      kind: 'fetch',
      topic,
      offset: each.offset as Offset,
    } as const;
    this.scene.cluster.request(machine, operation, (reply) => {
      this.answered(machine, each, reply);
    });
  }

  private answered(machine: Machine, each: Acknowledged, reply: Reply | undefined): void {
    const what = (): string =>
      `node ${machine.id}, asked for offset ${each.offset} of ${each.topic},`;
    const [record] = reply?.kind === 'records' ? reply.records : [];
    const isEmpty = reply?.kind === 'records' && record === undefined;
    const code = reply?.kind === 'error' ? reply.code : (reply?.kind ?? 'nothing');
    this.scene.checker.probe(`harm: ${code}`);
    demand(!isEmpty, 'EmptyIsTrueProp', () => `${what()} says that there is no such record`);
    demand(code !== 'UnknownTopic', 'TopicIsKnownProp', () => `${what()} knows no such topic`);
    if (code === 'Trimmed') this.unread.delete(each);
    if (record === undefined) return;
    demand(isSame(record, each.record), 'ReadIsTrueProp', () => `${what()} has another record`);
    this.unread.delete(each);
  }

  private end(): void {
    const { machines } = this.scene.cluster;
    const told = machines.flatMap((machine) => reasonOf(machine) ?? []);
    for (const reason of told) this.scene.checker.probe(`harm: ${reason}`);
    demand(
      this.unread.size === 0 || told.length > 0,
      'HarmIsToldProp',
      () => `${this.unread.size} records cannot be read, and every node says that it is well`,
    );
    this.done = true;
  }
}

/** What an operator can see of a node: `/readyz`, its log, or that it has ended. Undefined if all is well. */
function reasonOf({ node }: Machine): string | undefined {
  if (node === undefined) return 'ended';
  if (node.exclusion !== undefined) return node.exclusion.split(/[:;]/)[0];
  if (node.status !== 'running') return node.status;
  if (node.raft?.leader === 0) return 'no leader';
  return (node.damage?.standing ?? 0) > 0 ? 'damaged records' : undefined;
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
