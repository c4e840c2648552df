/**
 * The network between the nodes: every directed link loses, repeats, delays and reorders by itself, and can be cut or
 * clogged for a while. A cut link loses what is on it; a clogged one holds it back.
 */
import type { VirtualTime } from './clock.ts';
import type { Randomness, RandomStream } from './random.ts';

export interface NetworkOptions {
  readonly latencyMinMs: number;
  /** On top of the least latency, exponentially distributed. */
  readonly latencyMeanMs: number;
  /** Share of messages that take fifty times as long. */
  readonly spikeProbability: number;
  readonly lossProbability: number;
  readonly duplicateProbability: number;
  /** Messages between two nodes arrive in the order of sending, as over one TCP connection. */
  readonly inOrder: boolean;
  /** Messages that may be on one link; more are lost. */
  readonly linkCapacity: number;
}

/** Nothing goes wrong on it. */
export const CALM_NETWORK: NetworkOptions = {
  latencyMinMs: 0.2,
  latencyMeanMs: 0.3,
  spikeProbability: 0,
  lossProbability: 0,
  duplicateProbability: 0,
  inOrder: true,
  linkCapacity: 10_000,
};

export interface NetworkCounts {
  sent: number;
  delivered: number;
  lost: number;
  duplicated: number;
  cut: number;
  overflowed: number;
}

interface Link {
  readonly random: RandomStream;
  /** How many faults cut it now. */
  cuts: number;
  cloggedUntilMs: number;
  underway: number;
  lastArrivalMs: number;
}

export class SimNetwork<Message> {
  readonly counts: NetworkCounts = {
    sent: 0,
    delivered: 0,
    lost: 0,
    duplicated: 0,
    cut: 0,
    overflowed: 0,
  };
  private options: NetworkOptions;
  private jitterMs = 0;
  private readonly time: VirtualTime;
  private readonly randomness: Randomness;
  private readonly deliver: (from: number, to: number, message: Message) => void;
  private readonly links = new Map<number, Link>();

  constructor(
    options: NetworkOptions,
    time: VirtualTime,
    randomness: Randomness,
    deliver: (from: number, to: number, message: Message) => void,
  ) {
    this.options = options;
    this.time = time;
    this.randomness = randomness;
    this.deliver = deliver;
  }

  send(from: number, to: number, message: Message): void {
    const link = this.link(from, to);
    this.counts.sent++;
    if (link.cuts > 0) {
      this.counts.cut++;
      return;
    }
    const { lossProbability, duplicateProbability } = this.options;
    if (lossProbability > 0 && link.random.chance(lossProbability)) {
      this.counts.lost++;
      return;
    }
    this.carry(link, from, to, message);
    if (duplicateProbability > 0 && link.random.chance(duplicateProbability)) {
      this.counts.duplicated++;
      this.carry(link, from, to, message);
    }
  }

  /** Loses everything from one node to another until `mend` is called as often. */
  cut(from: number, to: number): void {
    this.link(from, to).cuts++;
  }

  mend(from: number, to: number): void {
    const link = this.link(from, to);
    link.cuts = Math.max(0, link.cuts - 1);
  }

  /** Whether what is sent there now arrives soon, if it is not lost. */
  isSwift(from: number, to: number): boolean {
    const { latencyMeanMs, spikeProbability } = this.options;
    const link = this.link(from, to);
    const isOpen = link.cuts === 0 && link.cloggedUntilMs <= this.time.nowMs;
    return isOpen && this.jitterMs === 0 && latencyMeanMs * (spikeProbability > 0 ? 50 : 1) < 50;
  }

  /** Whether it loses nothing by itself: silence says something then. */
  get isReliable(): boolean {
    return this.options.lossProbability === 0;
  }

  /** Holds back everything from one node to another until so much later. */
  clog(from: number, to: number, durationMs: number): void {
    const link = this.link(from, to);
    // In whole microseconds, so that the time may be reached exactly.
    const untilMs = Math.ceil((this.time.nowMs + durationMs) * 1000) / 1000;
    link.cloggedUntilMs = Math.max(link.cloggedUntilMs, untilMs);
  }

  /** From now on every message takes longer by so much in the mean, exponentially distributed. */
  setJitter(meanMs: number): void {
    this.jitterMs = meanMs;
  }

  /**
   * From now on nothing is lost, repeated or held back, until a link is cut again, and the mean latency is at most
   * `latencyMeanMaxMs`.
   */
  heal(latencyMeanMaxMs: number = Infinity): void {
    this.options = {
      ...this.options,
      latencyMeanMs: Math.min(this.options.latencyMeanMs, latencyMeanMaxMs),
      lossProbability: 0,
      duplicateProbability: 0,
      spikeProbability: 0,
      linkCapacity: Infinity,
    };
    this.jitterMs = 0;
    for (const link of this.links.values()) {
      link.cuts = 0;
      link.cloggedUntilMs = 0;
    }
  }

  private carry(link: Link, from: number, to: number, message: Message): void {
    if (link.underway >= this.options.linkCapacity) {
      this.counts.overflowed++;
      return;
    }
    const { latencyMinMs, latencyMeanMs, spikeProbability } = this.options;
    let latencyMs = latencyMinMs + link.random.exponential(latencyMeanMs);
    if (spikeProbability > 0 && link.random.chance(spikeProbability)) latencyMs *= 50;
    if (this.jitterMs > 0) latencyMs += link.random.exponential(this.jitterMs);
    link.underway++;
    this.arrive(link, from, to, message, this.time.nowMs + latencyMs);
  }

  private arrive(link: Link, from: number, to: number, message: Message, atMs: number): void {
    let arrivalMs = Math.max(atMs, link.cloggedUntilMs);
    if (this.options.inOrder) arrivalMs = Math.max(arrivalMs, link.lastArrivalMs);
    link.lastArrivalMs = arrivalMs;
    this.time.at(arrivalMs, () => {
      if (link.cloggedUntilMs > this.time.nowMs) {
        this.arrive(link, from, to, message, link.cloggedUntilMs);
        return;
      }
      link.underway--;
      if (link.cuts > 0) {
        this.counts.cut++;
        return;
      }
      this.counts.delivered++;
      this.deliver(from, to, message);
    });
  }

  private link(from: number, to: number): Link {
    const key = from * 1024 + to;
    let link = this.links.get(key);
    if (link === undefined) {
      link = {
        random: this.randomness.stream(`network/${from}>${to}`),
        cuts: 0,
        cloggedUntilMs: 0,
        underway: 0,
        lastArrivalMs: 0,
      };
      this.links.set(key, link);
    }
    return link;
  }
}
