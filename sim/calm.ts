/**
 * What may not happen where nothing has happened: each fault is noted with the time until which it excuses what clients hear.
 * A call that no fault touched has a certain outcome; and in a world that is calm nothing fails at all, nobody waits long, and
 * nobody stands for election.
 */
import { ERRORS } from '../impl/core/errors.ts';
import type { Call } from '../properties/history.ts';
import { demand } from '../properties/violation.ts';

/** The cluster comes together first. */
const BEGIN_MS = 10_000;
/** How long a fault may be felt when it is over: an operation's time, and an election or two. */
const AFTER_MS = 10_000;
/** Many times a round trip, two syncs and a rollover. */
const LATENCY_MAX_MS = 1000;

interface Span {
  readonly fromMs: number;
  toMs: number;
}

/** An answer that made a client ask elsewhere. */
export interface Refused {
  readonly call: Call;
  readonly atMs: number;
  readonly code: string;
}

export class Calm {
  private readonly spans: Span[] = [{ fromMs: 0, toMs: BEGIN_MS }];
  /** What a stop in good order excuses: somebody may be refused, and wait, but hears what became of what was asked. */
  private readonly handovers: Span[] = [];
  private readonly elections: { readonly atMs: number; readonly node: number }[] = [];

  private readonly away = new Map<number, Span>();

  /** Something goes wrong from now on. */
  disturbed(nowMs: number, forMs: number): void {
    this.spans.push({ fromMs: nowMs, toMs: nowMs + forMs + AFTER_MS });
  }

  /** A node was asked to leave, and will be back. */
  handedOver(nowMs: number, forMs: number): void {
    this.handovers.push({ fromMs: nowMs, toMs: nowMs + forMs + AFTER_MS });
  }

  /** A node is away: what had few replicas waits for it. `inGoodOrder`: it was asked to leave, and the others can do without it. */
  gone(nowMs: number, node: number, inGoodOrder = false): void {
    if (this.away.has(node)) return;
    const span: Span = { fromMs: nowMs, toMs: Infinity };
    (inGoodOrder ? this.handovers : this.spans).push(span);
    this.away.set(node, span);
  }

  back(nowMs: number, node: number): void {
    const span = this.away.get(node);
    if (span !== undefined) span.toMs = nowMs + AFTER_MS;
    this.away.delete(node);
  }

  stoodForElection(nowMs: number, node: number): void {
    this.elections.push({ atMs: nowMs, node });
  }

  /** An unknown outcome needs something that could have hidden it. For worlds whose network and disks do nothing by themselves. */
  UnknownHasCauseProp(history: readonly Call[]): void {
    for (const { id, operation, reply, invokedMs, repliedMs } of history) {
      const isUnknown =
        reply === undefined ||
        (reply.kind === 'error' && ERRORS[reply.code].committed === 'unknown');
      // What a node that was away proposes may be part of the snapshot that brings it up to date, and does not come back then.
      const isProposed = operation.kind === 'delete' || operation.kind === 'register';
      const isExcused = isProposed
        ? this.isExcused(invokedMs, repliedMs)
        : isWithin(this.spans, invokedMs, repliedMs);
      if (!isUnknown || isExcused) continue;
      const said = reply === undefined ? 'nothing' : reply.kind === 'error' ? reply.message : '';
      demand(
        false,
        'UnknownHasCauseProp',
        () =>
          `call ${id} at ${invokedMs} ms had an unknown outcome (${said}), and nothing was wrong`,
      );
    }
  }

  /** Where nothing is wrong, nothing is refused, nobody waits long, and nobody stands for election. */
  CalmProp(history: readonly Call[], refused: readonly Refused[]): void {
    for (const { atMs, node } of this.elections) {
      demand(
        this.isExcused(atMs, atMs),
        'CalmProp',
        () => `node ${node} stood for election at ${atMs} ms, and nothing was wrong`,
      );
    }
    for (const { call, atMs, code } of refused) {
      demand(
        code === 'UnknownTopic' || code === 'Trimmed' || this.isExcused(call.invokedMs, atMs),
        'CalmProp',
        () => `call ${call.id} was refused at ${atMs} ms by ${code}, and nothing was wrong`,
      );
    }
    for (const { id, operation, invokedMs, repliedMs } of history) {
      const waitMs = operation.kind === 'fetch' ? operation.waitMs : 0;
      demand(
        repliedMs - invokedMs - waitMs <= LATENCY_MAX_MS || this.isExcused(invokedMs, repliedMs),
        'CalmProp',
        () =>
          `call ${id} at ${invokedMs} ms took ${repliedMs - invokedMs} ms, and nothing was wrong`,
      );
    }
  }

  private isExcused(fromMs: number, toMs: number): boolean {
    return isWithin(this.spans, fromMs, toMs) || isWithin(this.handovers, fromMs, toMs);
  }
}

function isWithin(spans: readonly Span[], fromMs: number, toMs: number): boolean {
  return spans.some((span) => fromMs <= span.toMs && toMs >= span.fromMs);
}
