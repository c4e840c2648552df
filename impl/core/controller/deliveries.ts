/**
 * The shared cursors of the topics that this node owns. A record is handed out once: its place is committed as
 * consumed before anybody sees it, so a crash or a lost answer may lose a delivery but never repeats one.
 * Those who wait for the same group are served together, in the order of their arrival.
 */
import type { WalrusError } from '../errors.ts';
import type { Offset, TopicId } from '../ids.ts';
import type { ClusterState, Outcome } from '../metadata/cluster-state.ts';
import type { Command } from '../metadata/commands.ts';
import { Queue } from '../queue.ts';
import type { Tracer } from '../tracer.ts';
import { errorReply, type Reply } from './operations.ts';

export interface DeliveryPorts {
  readonly trace: Tracer | undefined;
  cluster(): ClusterState;
  /** Records from an offset of a topic that this node owns: none if there is none to be read yet, or no such topic any more. */
  read(
    topic: TopicId,
    offset: Offset,
    records: number,
    done: (error: WalrusError | undefined, records: readonly Uint8Array[]) => void,
  ): void;
  /** Whether this node may say that a topic ends where it thinks; if not, the answer to give instead. */
  confirmEnd(topic: TopicId, done: (refusal: Reply | undefined) => void): void;
  /** Sees a command through the log. */
  pursue(command: Command, done: (outcome: Outcome | 'unknown') => void): void;
}

type Answer = (reply: Reply) => void;

/** Requests that may wait for one cursor. */
const WAITING_MAX = 4096;

interface Line {
  readonly topic: TopicId;
  readonly group: string;
  readonly waiting: Queue<Answer>;
  busy: boolean;
}

export class Deliveries {
  private readonly ports: DeliveryPorts;
  private readonly queues = new Map<string, Line>();

  constructor(ports: DeliveryPorts) {
    this.ports = ports;
  }

  /** Gives the group's next record, or `empty` if all that can be read was given. */
  get(topic: TopicId, group: string, answer: Answer): void {
    const key = `${topic}/${group}`;
    let queue = this.queues.get(key);
    if (queue === undefined) {
      queue = { topic, group, waiting: new Queue(), busy: false };
      this.queues.set(key, queue);
    }
    if (queue.waiting.length >= WAITING_MAX) {
      answer(errorReply('Overloaded', `${WAITING_MAX} readers wait for group ${group}`));
      return;
    }
    queue.waiting.push(answer);
    this.serve(key, queue);
  }

  private serve(key: string, queue: Line): void {
    if (queue.busy) return;
    if (queue.waiting.length === 0) {
      this.queues.delete(key);
      return;
    }
    queue.busy = true;
    const { topic, group } = queue;
    const cursor = this.ports.cluster().cursor(topic, group);
    // Who comes later may have heard of records that come later.
    const asking = queue.waiting.length;
    this.ports.read(topic, cursor, asking, (error, records) => {
      if (this.ports.cluster().cursor(topic, group) !== cursor) {
        // What was read was trimmed meanwhile, and maybe is no more.
        this.finish(key, queue, 0, () => ({ kind: 'empty' }));
        return;
      }
      if (error !== undefined) {
        const reply = errorReply(error.code, error.message);
        this.finish(key, queue, asking, () => reply);
        return;
      }
      if (records.length === 0) {
        this.ports.confirmEnd(topic, (refusal) =>
          this.finish(key, queue, asking, () => refusal ?? { kind: 'empty' }),
        );
        return;
      }
      const next = (cursor + records.length) as Offset;
      const command: Command = { kind: 'AdvanceCursor', topic, group, expected: cursor, next };
      this.ports.pursue(command, (outcome) => {
        if (outcome === 'unknown') {
          const reply = errorReply('OutcomeUnknown', `the cursor of group ${group} may have moved`);
          this.finish(key, queue, records.length, () => reply);
        } else if (outcome.applied) {
          this.finish(key, queue, records.length, (i) =>
            this.deliverRecord(queue, (cursor + i) as Offset, records[i]!),
          );
        } else {
          this.finish(key, queue, 0, () => ({ kind: 'empty' }));
        }
      });
    });
  }

  /** @spec DistributedLog!DeliverRecord */
  private deliverRecord({ topic, group }: Line, offset: Offset, record: Uint8Array): Reply {
    this.ports.trace?.deliverRecord(topic, group, offset);
    return { kind: 'record', offset, record };
  }

  /** Answers the first `count` of those who wait and goes on with the rest. */
  private finish(key: string, queue: Line, count: number, reply: (i: number) => Reply): void {
    for (let i = 0; i < count; i++) queue.waiting.shift()!(reply(i));
    queue.busy = false;
    this.serve(key, queue);
  }
}
