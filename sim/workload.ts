/**
 * The clients of a run: what each will ask is planned before it begins; when an answer says for certain that nothing was
 * done, the client asks another node, else it lets the outcome stand as unknown. Every record is unique.
 */
import type { Operation, Reply } from '../impl/core/controller/operations.ts';
import { ERRORS } from '../impl/core/errors.ts';
import type { Offset } from '../impl/core/ids.ts';
import type { Call } from '../properties/history.ts';
import type { VirtualTime } from './clock.ts';
import type { Cluster } from './cluster.ts';
import type { Randomness, RandomStream } from './random.ts';

export interface WorkloadOptions {
  readonly clients: number;
  readonly topics: number;
  readonly groups: number;
  /** Operations of all clients together, in a second of ordinary load. */
  readonly perSecond: number;
  readonly recordBytesMax: number;
  /** How often each comes, relative to the others. */
  readonly weights: { readonly put: number; readonly get: number; readonly fetch: number };
  /** The load changes after about so long: idle, ordinary, or a burst ten times as dense. */
  readonly phaseMs: number;
}

/** One thing that a client will ask. It waits for its time, and for the answer to what it asked before. */
export interface PlannedCall {
  /** Counts from 1 and names the record of a put. */
  readonly id: number;
  readonly client: number;
  readonly atMs: number;
  readonly kind: Operation['kind'];
  readonly topic: string;
  readonly group: string;
  /** The node asked first. */
  readonly node: number;
  /** In [0, 1): length of the record, or how far into the topic to read. */
  readonly amount: number;
}

export function planWorkload(
  random: RandomStream,
  options: WorkloadOptions,
  nodes: number,
  durationMs: number,
): PlannedCall[] {
  const calls: PlannedCall[] = [];
  const { weights } = options;
  const total = weights.put + weights.get + weights.fetch;
  let rate = 1;
  let phaseEndMs = 0;
  for (let atMs = 1000; ; ) {
    while (atMs >= phaseEndMs) {
      phaseEndMs += random.exponential(options.phaseMs);
      rate = random.pick([0.02, 1, 1, 1, 1, 10]);
    }
    atMs += random.exponential(1000 / (options.perSecond * rate));
    if (atMs >= durationMs) return calls;
    const draw = random.unit() * total;
    const topic = `topic-${1 + random.below(options.topics)}`;
    calls.push({
      id: calls.length + 1,
      client: 1 + random.below(options.clients),
      atMs: Math.round(atMs),
      // A topic is registered by whoever comes to it early, and now and then again.
      kind:
        calls.length < options.topics * 4 || draw > total * 0.998
          ? 'register'
          : draw < weights.put
            ? 'put'
            : draw < weights.put + weights.get
              ? 'get'
              : 'fetch',
      topic:
        calls.length < options.topics * 4 ? `topic-${1 + (calls.length % options.topics)}` : topic,
      group: `group-${1 + random.below(options.groups)}`,
      node: 1 + random.below(nodes),
      amount: Math.round(random.unit() * 1000) / 1000,
    });
  }
}

/** How clients reach nodes, which is not what is tested here: nothing is lost, and each way takes so long. */
const CLIENT_LATENCY_MS = 0.5;
const ATTEMPTS_MAX = 20;

export class Workload {
  readonly history: Call[] = [];
  /** Calls that are not answered yet. */
  waiting = 0;
  private readonly cluster: Cluster;
  private readonly time: VirtualTime;
  private readonly randomness: Randomness;
  private readonly recordBytesMax: number;
  private stopped = false;
  /** One past the highest offset that a client was told of, by topic. */
  private readonly ends = new Map<string, number>();

  constructor(cluster: Cluster, time: VirtualTime, randomness: Randomness, recordBytesMax: number) {
    this.cluster = cluster;
    this.time = time;
    this.randomness = randomness;
    this.recordBytesMax = recordBytesMax;
  }

  /** Sets all clients to work, each on its own calls, one after another. */
  run(plan: readonly PlannedCall[]): void {
    const byClient = new Map<number, PlannedCall[]>();
    for (const call of plan) {
      const calls = byClient.get(call.client);
      if (calls === undefined) byClient.set(call.client, [call]);
      else calls.push(call);
    }
    for (const calls of byClient.values()) this.next(calls, 0);
  }

  /** Makes one call, now. `done` hears the answer, or undefined if nobody knows what became of it. */
  ask(planned: PlannedCall, done: (reply: Reply | undefined) => void): void {
    const call: Call = {
      id: planned.id,
      client: planned.client,
      operation: this.operationOf(planned),
      invokedMs: this.time.nowMs,
      repliedMs: Infinity,
      reply: undefined,
    };
    this.history.push(call);
    this.waiting++;
    this.attempt(call, planned.node, 1, done);
  }

  /** Begins no more of the planned calls. */
  stop(): void {
    this.stopped = true;
  }

  private next(calls: readonly PlannedCall[], at: number): void {
    const planned = calls[at];
    if (planned === undefined) return;
    this.time.at(planned.atMs, () => {
      if (!this.stopped) this.ask(planned, () => this.next(calls, at + 1));
    });
  }

  /** Asks one node; asks another one if the answer says that nothing was done and that this may change. */
  private attempt(
    call: Call,
    node: number,
    attempt: number,
    done: (reply: Reply | undefined) => void,
  ): void {
    const answered = (reply: Reply | undefined): void => {
      this.time.after(CLIENT_LATENCY_MS, () => {
        if (reply?.kind === 'error' && attempt < ATTEMPTS_MAX) {
          const { retriable, committed } = ERRORS[reply.code];
          if (retriable && committed === 'no') return this.again(call, attempt, done);
        }
        this.finish(call, reply, done);
      });
    };
    this.time.after(CLIENT_LATENCY_MS, () => {
      const taken = this.cluster.request(this.cluster.machine(node), call.operation, answered);
      if (!taken) answered({ kind: 'error', code: 'Unavailable', message: 'no process' });
    });
  }

  private again(call: Call, attempt: number, done: (reply: Reply | undefined) => void): void {
    const random = this.randomness.stream(`client/${call.client}`);
    const node = 1 + random.below(this.cluster.machines.length);
    const waitMs = random.exponential(20 * Math.min(attempt, 10));
    this.time.after(waitMs, () => this.attempt(call, node, attempt + 1, done));
  }

  private finish(
    call: Call,
    reply: Reply | undefined,
    done: (reply: Reply | undefined) => void,
  ): void {
    this.waiting--;
    call.reply = reply;
    call.repliedMs = this.time.nowMs;
    if (reply?.kind === 'appended' && call.operation.kind === 'put') {
      const { topic } = call.operation;
      this.ends.set(topic, Math.max(this.ends.get(topic) ?? 0, reply.offset + 1));
    }
    if (reply?.kind === 'error' && reply.code === 'UnknownTopic') this.register(call);
    done(reply);
  }

  /** Whoever finds that a topic does not exist has it made. */
  private register({ id, client, operation }: Call): void {
    const node = 1 + this.randomness.stream(`client/${client}`).below(this.cluster.machines.length);
    const kind = 'register';
    const { topic } = operation;
    this.ask({ id, client, atMs: 0, kind, topic, group: '', node, amount: 0 }, () => {});
  }

  private operationOf({ kind, id, topic, group, amount }: PlannedCall): Operation {
    switch (kind) {
      case 'register':
        return { kind, topic };
      case 'put':
        return { kind, topic, record: recordOf(id, Math.floor(amount * this.recordBytesMax)) };
      case 'get':
        return { kind, topic, group };
      case 'fetch': {
        const end = this.ends.get(topic) ?? 0;
        return { kind, topic, offset: Math.floor(amount * (end + 1)) as Offset };
      }
    }
  }
}

/** The bytes that carry this number, and about so many more. */
export function recordOf(id: number, paddingBytes: number): Uint8Array {
  const bytes = new Uint8Array(4 + paddingBytes);
  new DataView(bytes.buffer).setUint32(0, id);
  bytes.fill(id & 0xff, 4);
  return bytes;
}
