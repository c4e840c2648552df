/** All of Raft's messages that ever left their senders. What they say is kept as a number where it fits into one. */

const KINDS = [
  'PreVoteRequest',
  'PreVoteResponse',
  'VoteRequest',
  'VoteResponse',
  'AppendRequest',
  'AppendResponse',
  'SnapshotRequest',
  'SnapshotResponse',
  'TimeoutNow',
] as const;
export type MessageKind = (typeof KINDS)[number];

/** A message: its place among those sent. */
export interface Outgoing {
  readonly link: number | string;
  readonly content: number | string;
}

type Content = Outgoing['content'];

export class RaftMessages {
  /** What was said in each place: mostly one thing. */
  private readonly sent = new Map<number | string, Content | Set<Content>>();

  leave({ link, content }: Outgoing): void {
    const known = this.sent.get(link);
    if (known === content) return;
    if (known === undefined) this.sent.set(link, content);
    else if (known instanceof Set) known.add(content);
    else this.sent.set(link, new Set([known, content]));
  }

  has({ link, content }: Outgoing): boolean {
    const known = this.sent.get(link);
    return known instanceof Set ? known.has(content) : known === content;
  }
}

/**
 * Where a message stands. `from` and `to` are numbers of members, `to` 0 for requests, which name nobody; `round` is 0 where
 * there is none; `a`, `b` and `c` are whole numbers that mean something to the kind.
 */
export function place(
  kind: MessageKind,
  from: number,
  to: number,
  term: number,
  round: number,
  a = 0,
  b = 0,
  c = 0,
): Outgoing {
  const code = KINDS.indexOf(kind);
  const linkFits = from < 2 ** 6 && to < 2 ** 6 && term < 2 ** 17 && round < 2 ** 19;
  const link = linkFits
    ? (((term * 2 ** 19 + round) * 2 ** 6 + from) * 2 ** 6 + to) * KINDS.length + code
    : `${kind} ${from} ${to} ${term} ${round}`;
  const contentFits = a < 2 ** 21 && b < 2 ** 10 && c < 2 ** 21;
  const content = contentFits ? (a * 2 ** 21 + c) * 2 ** 10 + b : `${a} ${b} ${c}`;
  return { link, content };
}
