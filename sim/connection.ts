/**
 * One connection: what is asked reaches its node in that order, many questions may be under way, and of wire v1 the
 * answers come back in the order of the questions, whichever is ready first; of v2 each comes when it is ready. When the node's process ends the connection
 * breaks: whatever the client has not heard by then it never will. Nothing else goes wrong on it.
 */
import type { Operation, Reply } from '../impl/core/controller/operations.ts';
import type { VirtualTime } from './clock.ts';
import type { Cluster, Machine } from './cluster.ts';

/** Each way takes so long. */
export const CLIENT_LATENCY_MS = 0.5;

const REFUSED: Reply = { kind: 'error', code: 'Unavailable', message: 'no process' };

/** The place of one answer in the order of the questions. */
interface Slot {
  readonly answered: (reply: Reply | undefined) => void;
  reply: Reply | undefined;
}

export class Connection {
  broken = false;
  private readonly cluster: Cluster;
  private readonly time: VirtualTime;
  private readonly machine: Machine;
  private readonly version: 1 | 2;
  private slots: Slot[] = [];
  private sending: { operation: Operation; answered: (reply: Reply | undefined) => void }[] = [];

  constructor(cluster: Cluster, time: VirtualTime, machine: Machine, version: 1 | 2) {
    this.version = version;
    this.cluster = cluster;
    this.time = time;
    this.machine = machine;
  }

  /** Questions that are not answered yet. */
  get underWay(): number {
    return this.slots.length;
  }

  /** `answered` is called once, with undefined if the connection broke before an answer came. */
  ask(operation: Operation, answered: (reply: Reply | undefined) => void): void {
    const slot: Slot = { answered, reply: undefined };
    this.slots.push(slot);
    const heard = (reply: Reply | undefined): void => {
      if (this.broken) return;
      slot.reply = reply;
      if (reply === undefined) this.break(undefined);
      else this.deliver();
    };
    // What is asked at one time arrives together.
    if (this.sending.push({ operation, answered: heard }) > 1) return;
    this.time.after(0, () => {
      const { sending } = this;
      this.sending = [];
      this.time.after(CLIENT_LATENCY_MS, () => {
        if (this.broken) return;
        if (!this.cluster.requestAll(this.machine, sending)) this.break(REFUSED);
      });
    });
  }

  /** The answers that are ready; of v1 up to the first that is not. */
  private deliver(): void {
    const isReady = ({ reply }: Slot): boolean => reply !== undefined;
    const gap = this.slots.findIndex((slot) => !isReady(slot));
    const end = this.version === 2 || gap < 0 ? this.slots.length : gap;
    const ready = this.slots.slice(0, end).filter(isReady);
    this.slots = this.slots.filter((slot, i) => i >= end || !isReady(slot));
    for (const { answered, reply } of ready) {
      this.time.after(CLIENT_LATENCY_MS, () => answered(reply));
    }
  }

  private break(reply: Reply | undefined): void {
    this.broken = true;
    const lost = this.slots;
    this.slots = [];
    for (const { answered } of lost) this.time.after(CLIENT_LATENCY_MS, () => answered(reply));
  }
}
