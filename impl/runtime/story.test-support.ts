import { expect } from 'vitest';
import type { WalrusClient } from '../client/client.ts';
import { WalrusError } from '../core/errors.ts';
import { fetchAll, type TestCluster } from './test-cluster.test-support.ts';

/** One client that writes and reads in turn, and keeps apart what it does not know. */
export class Story {
  readonly written: string[] = [];
  readonly taken: string[] = [];
  private readonly unknown = new Set<string>();
  private lostGets = 0;
  private next = 0;
  private readonly client: WalrusClient;
  private readonly topic: string;

  constructor(of: TestCluster, topic: string) {
    this.client = of.client(2, { retryForMs: 30_000 });
    this.topic = topic;
  }

  /** Until so many are acknowledged. */
  async put(count: number): Promise<void> {
    for (const goal = this.written.length + count; this.written.length < goal; ) {
      const message = `msg-${this.next++}`;
      const known = await outcome(this.client.put(this.topic, message));
      if (known === 'unknown') this.unknown.add(message);
      else this.written.push(message);
    }
  }

  async get(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const known = await outcome(this.client.get(this.topic));
      if (known === 'unknown') this.lostGets++;
      else if (known.value !== undefined) this.taken.push(known.value);
    }
  }

  async getUntilEmpty(): Promise<void> {
    for (let before = -1; before !== this.taken.length + this.lostGets; ) {
      before = this.taken.length + this.lostGets;
      await this.get(1);
    }
  }

  async check(): Promise<void> {
    const records = await fetchAll(this.client, this.topic);
    expect(new Set(records).size).toBe(records.length);
    expect(records.filter((record) => !this.unknown.has(record))).toEqual(this.written);
    expect(records.filter((record) => this.taken.includes(record))).toEqual(this.taken);
    // At most once: what is not taken went with a GET whose answer was lost.
    expect(records.length - this.taken.length).toBeLessThanOrEqual(this.lostGets);
  }
}

export async function outcome<Value>(call: Promise<Value>): Promise<{ value: Value } | 'unknown'> {
  try {
    return { value: await call };
  } catch (error) {
    if (error instanceof WalrusError && error.committed === 'unknown') return 'unknown';
    throw error;
  }
}
