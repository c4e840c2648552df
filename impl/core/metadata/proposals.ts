/**
 * Commands on their way into the metadata log. A proposal may be lost anywhere, so it is sent again until the log
 * brings it back; since every command is a compare-and-set, coming back twice does no harm. What became
 * of it is learned from the log itself as this node applies it, not from an answer.
 */
import type { BootId, NodeId } from '../ids.ts';
import type { Tracer } from '../tracer.ts';
import type { Outcome } from './cluster-state.ts';
import { type Command, encodeProposal, type Origin } from './commands.ts';

/** Pause before a proposal that did not come back is sent again, in milliseconds. */
const RESEND_MS = 500;

export interface ProposalPorts {
  readonly node: NodeId;
  readonly boot: BootId;
  readonly trace: Tracer | undefined;
  nowMs(): number;
  /** Hands it to the Raft leader, wherever that is. May be lost. */
  submit(proposal: Uint8Array): void;
}

/** What the proposer hears: the outcome at apply, or that it will not be told. */
export type Proposed = (outcome: Outcome | 'unknown') => void;

interface Pending {
  readonly bytes: Uint8Array;
  readonly done: Proposed;
  readonly deadlineMs: number;
  resendAtMs: number;
}

export class Proposals {
  private readonly ports: ProposalPorts;
  private readonly pending = new Map<number, Pending>();
  private nextSequence = 1;
  private wakeAtMs = Infinity;

  constructor(ports: ProposalPorts) {
    this.ports = ports;
  }

  /**
   * Sends the command once, without looking after it: for those who ask again as long as they see a need.
   * @spec DistributedLog!ProposeCommand
   */
  proposeCommand(command: Command): Origin & { readonly bytes: Uint8Array } {
    const { node, boot } = this.ports;
    const origin = { node, boot, sequence: this.nextSequence++ };
    const proposal = { origin, command };
    const bytes = encodeProposal(proposal);
    this.ports.trace?.proposeCommand(proposal);
    this.ports.submit(bytes);
    return { ...origin, bytes };
  }

  /** Sends the command until the log brings it back, and tells `done` once, by `deadlineMs` at the latest. */
  pursue(command: Command, deadlineMs: number, done: Proposed): void {
    const { sequence, bytes } = this.proposeCommand(command);
    const resendAtMs = this.ports.nowMs() + RESEND_MS;
    this.pending.set(sequence, { bytes, done, deadlineMs, resendAtMs });
    this.wakeAtMs = Math.min(this.wakeAtMs, resendAtMs, deadlineMs);
  }

  /** The log brought a command back. */
  applied(origin: Origin, outcome: Outcome): void {
    if (origin.node !== this.ports.node || origin.boot !== this.ports.boot) return;
    const pending = this.pending.get(origin.sequence);
    if (pending === undefined) return;
    this.pending.delete(origin.sequence);
    pending.done(outcome);
  }

  /** A snapshot stands for part of the log: what was in that part will not come back one by one. */
  skipped(): void {
    const all = [...this.pending.values()];
    this.pending.clear();
    for (const each of all) each.done('unknown');
  }

  tick(nowMs: number): void {
    if (nowMs < this.wakeAtMs) return;
    this.wakeAtMs = Infinity;
    for (const [sequence, each] of [...this.pending]) {
      if (nowMs >= each.deadlineMs) {
        this.pending.delete(sequence);
        each.done('unknown');
        continue;
      }
      if (nowMs >= each.resendAtMs) {
        each.resendAtMs = nowMs + RESEND_MS;
        this.ports.submit(each.bytes);
      }
      this.wakeAtMs = Math.min(this.wakeAtMs, each.resendAtMs, each.deadlineMs);
    }
  }

  deadlineMs(): number {
    return this.wakeAtMs;
  }
}
