/** All messages that were ever sent. There are many, so what they say is kept as a number where it fits into one. */
import type { Epoch, NodeId } from '../../impl/core/ids.ts';

const KINDS = [
  'Replicate',
  /** Sent with each Replicate: who writes under which epoch, whatever it is that is written. */
  'Writer',
  'ReplicateAck',
  'PromiseRequest',
  'Promise',
  'CopyRequest',
  'Copy',
] as const;
type Kind = (typeof KINDS)[number];

const NODES_MAX = 1024;

export class Messages {
  /** By segment; by epoch, sender, addressee and kind; what they say. */
  private readonly sent = new Map<string, Map<number, Set<number | string>>>();
  /** Nodes, counted from 0 in the order in which they come up. */
  private readonly numbers = new Map<NodeId, number>();

  /** `a`, `b` and `c` are whole numbers that mean something to the kind. */
  put(kind: Kind, from: NodeId, to: NodeId, key: string, epoch: Epoch, a = 0, b = 0, c = 0): void {
    let links = this.sent.get(key);
    if (links === undefined) {
      links = new Map();
      this.sent.set(key, links);
    }
    const link = this.link(kind, from, to, epoch);
    const contents = links.get(link);
    if (contents === undefined) links.set(link, new Set([content(a, b, c)]));
    else contents.add(content(a, b, c));
  }

  has(
    kind: Kind,
    from: NodeId,
    to: NodeId,
    key: string,
    epoch: Epoch,
    a = 0,
    b = 0,
    c = 0,
  ): boolean {
    const contents = this.sent.get(key)?.get(this.link(kind, from, to, epoch));
    return contents?.has(content(a, b, c)) ?? false;
  }

  private link(kind: Kind, from: NodeId, to: NodeId, epoch: Epoch): number {
    const ends = this.number(from) * NODES_MAX + this.number(to);
    return (epoch * NODES_MAX ** 2 + ends) * KINDS.length + KINDS.indexOf(kind);
  }

  private number(node: NodeId): number {
    let number = this.numbers.get(node);
    if (number === undefined) {
      number = this.numbers.size;
      this.numbers.set(node, number);
    }
    return number;
  }
}

function content(a: number, b: number, c: number): number | string {
  const fits = a < 2 ** 21 && b < 2 ** 10 && c < 2 ** 21;
  return fits ? (a * 2 ** 21 + c) * 2 ** 10 + b : `${a} ${b} ${c}`;
}
