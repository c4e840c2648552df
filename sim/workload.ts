/**
 * The clients of a run: what each will ask is planned before it begins. Most ask one thing at a time: when an answer says for
 * certain that nothing was done, they ask another node, else they let the outcome stand as unknown. Others keep many questions
 * under way on one connection, or put a record again, under another number, if they do not know what became of it.
 * Every record is unique.
 */
import type { Operation, Reply } from '../impl/core/controller/operations.ts';
import { ERRORS } from '../impl/core/errors.ts';
import type { Offset } from '../impl/core/ids.ts';
import type { TopicPolicy } from '../impl/core/metadata/policy.ts';
import { encodeRecord } from '../impl/core/record.ts';
import type { Call } from '../properties/history.ts';
import type { Refused } from './calm.ts';
import type { VirtualTime } from './clock.ts';
import type { Cluster } from './cluster.ts';
import { CLIENT_LATENCY_MS, Connection } from './connection.ts';
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
  /** Questions that each client may have under way on its connection; absent: one, and it waits for the answer. */
  readonly pipeline?: number;
  /** Puts that a client has for a topic at a time, at most; absent: one. */
  readonly burst?: number;
  /** Records that a put has, and a fetch asks for, at most 31; absent: one. */
  readonly batch?: number;
  /** How often a put is conditional, and a fetch waits; absent: never. */
  readonly demanding?: number;
  /** Every topic is made, and gets a record, as fast as a client can: for worlds of thousands. */
  readonly populate?: boolean;
  /** How often a client deletes its topic instead of what it was about to ask; absent: never. */
  readonly deletes?: number;
  /** How often a client trims its topic instead, up to anywhere; absent: never. */
  readonly trims?: number;
  /** How often a client changes its topic's policy instead; absent: never. */
  readonly policies?: number;
  /** Whether a client that does not know what became of its put asks for it again. */
  readonly repeats?: boolean;
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
  /** In [0, 1): length of the records, or how far into the topic to read. */
  readonly amount: number;
  /** Of a put or a fetch: how many; absent: one. */
  readonly records?: number;
  /** Of a fetch: so long it waits at the end of its topic, if that is not 0. */
  readonly waitMs?: number;
  /** Of a put: it is to stand where the client takes the end of the topic to be. */
  readonly isConditional?: boolean;
}

export function planWorkload(
  random: RandomStream,
  options: WorkloadOptions,
  nodes: number,
  durationMs: number,
): PlannedCall[] {
  const calls: PlannedCall[] = options.populate ? planPopulation(options, nodes) : [];
  const {
    weights,
    burst = 1,
    deletes = 0,
    trims = 0,
    policies = 0,
    batch = 1,
    demanding = 0,
  } = options;
  const total = weights.put + weights.get + weights.fetch;
  const isEarly = (): boolean => !options.populate && calls.length < options.topics * 4;
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
        isEarly() || draw > total * 0.998
          ? 'register'
          : draw < weights.put
            ? 'put'
            : draw < weights.put + weights.get
              ? 'get'
              : 'fetch',
      topic: isEarly() ? `topic-${1 + (calls.length % options.topics)}` : topic,
      group: `group-${1 + random.below(options.groups)}`,
      node: 1 + random.below(nodes),
      amount: Math.round(random.unit() * 1000) / 1000,
    });
    const last = calls.at(-1)!;
    if (deletes > 0 && !isEarly() && random.chance(deletes)) {
      calls[calls.length - 1] = { ...last, kind: 'delete' };
      continue;
    }
    if (trims > 0 && !isEarly() && random.chance(trims)) {
      calls[calls.length - 1] = { ...last, kind: 'trim' };
      continue;
    }
    if (policies > 0 && !isEarly() && random.chance(policies)) {
      calls[calls.length - 1] = { ...last, kind: 'set' };
      continue;
    }
    if (batch > 1) calls[calls.length - 1] = { ...last, records: 1 + random.below(batch) };
    if (demanding > 0 && random.chance(demanding)) {
      const waitMs = 1 + random.below(3000);
      calls[calls.length - 1] = { ...calls.at(-1)!, isConditional: true, waitMs };
    }
    if (burst === 1 || last.kind !== 'put') continue;
    for (let more = random.below(burst); more > 0; more--) {
      calls.push({
        ...calls.at(-1)!,
        id: calls.length + 1,
        amount: Math.round(random.unit() * 1000) / 1000,
      });
    }
  }
}

/** All topics are registered, then each gets a record, by clients of their own, one at each node. */
function planPopulation({ clients, topics }: WorkloadOptions, nodes: number): PlannedCall[] {
  const calls: PlannedCall[] = [];
  for (const kind of ['register', 'put'] as const) {
    for (let i = 0; i < topics; i++) {
      const node = 1 + (i % nodes);
      const id = calls.length + 1;
      const topic = `topic-${1 + i}`;
      calls.push({
        id,
        client: clients + node,
        atMs: 1000,
        kind,
        topic,
        group: '',
        node,
        amount: 0,
      });
    }
  }
  return calls;
}

const ATTEMPTS_MAX = 20;
/** A call that is made again has a number so much higher: plans are shorter. */
const AGAIN = 10_000_000;
const AGAIN_MAX = 5;
/** Numbers of calls are lower, those made again too; and no batch has more than 31 records. */
const PART = 2 ** 27;

export class Workload {
  readonly history: Call[] = [];
  /** Every error that a client heard, also where another node then did what was asked. */
  readonly refused: Refused[] = [];
  /** Calls that are not answered yet. */
  waiting = 0;
  private readonly cluster: Cluster;
  private readonly time: VirtualTime;
  private readonly randomness: Randomness;
  private readonly options: WorkloadOptions;
  private stopped = false;
  /** One past the highest offset that a client was told of, by topic. */
  private readonly ends = new Map<string, number>();

  constructor(
    cluster: Cluster,
    time: VirtualTime,
    randomness: Randomness,
    options: WorkloadOptions,
  ) {
    this.cluster = cluster;
    this.time = time;
    this.randomness = randomness;
    this.options = options;
  }

  /** Sets all clients to work, each on its own calls, in their order. */
  run(plan: readonly PlannedCall[]): void {
    const byClient = new Map<number, PlannedCall[]>();
    for (const call of plan) {
      const calls = byClient.get(call.client);
      if (calls === undefined) byClient.set(call.client, [call]);
      else calls.push(call);
    }
    const { pipeline = 1 } = this.options;
    for (const calls of byClient.values()) {
      if (pipeline === 1) this.next(calls, 0);
      else this.stream(calls, pipeline);
    }
  }

  /** Makes one call, now. `done` hears the answer, or undefined if nobody knows what became of it. */
  ask(planned: PlannedCall, done: (reply: Reply | undefined) => void): void {
    const call = this.begin(planned);
    this.attempt(call, planned.node, 1, (reply) => {
      if (this.isRepeated(call, reply)) this.ask({ ...planned, id: planned.id + AGAIN }, done);
      else done(reply);
    });
  }

  private begin(planned: PlannedCall): Call {
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
    return call;
  }

  /** Whether the client puts it once more, not knowing whether it is there: another record, to the checks. */
  private isRepeated({ id, operation }: Call, reply: Reply | undefined): boolean {
    if (!this.options.repeats || this.stopped || operation.kind !== 'put') return false;
    const isUnknown =
      reply === undefined || (reply.kind === 'error' && ERRORS[reply.code].committed === 'unknown');
    return isUnknown && id < AGAIN_MAX * AGAIN;
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

  /** A client that does not wait: it asks on one connection, and on another if that breaks. */
  private stream(calls: readonly PlannedCall[], pipeline: number): void {
    const { cluster, time } = this;
    const random = this.randomness.stream(`client/${calls[0]!.client}`);
    const again: PlannedCall[] = [];
    let at = 0;
    let sleeping = false;
    // Who waits for records speaks version 2, where others do not wait behind that.
    const version = this.options.demanding === undefined ? 1 : 2;
    let connection = new Connection(cluster, time, cluster.machine(calls[0]!.node), version);
    const goOn = (): void => {
      while (!this.stopped && connection.underWay < pipeline) {
        const planned = again.shift() ?? calls[at];
        if (planned === undefined) return;
        if (planned === calls[at]) {
          if (planned.atMs > time.nowMs) {
            if (!sleeping) time.at(planned.atMs, wake);
            sleeping = true;
            return;
          }
          at++;
        }
        if (connection.broken) {
          const node = 1 + random.below(cluster.machines.length);
          connection = new Connection(cluster, time, cluster.machine(node), version);
        }
        const call = this.begin(planned);
        connection.ask(call.operation, (reply) => {
          this.note(call, reply);
          this.finish(call, reply, () => {});
          if (this.isRepeated(call, reply)) again.push({ ...planned, id: planned.id + AGAIN });
          goOn();
        });
      }
    };
    const wake = (): void => {
      sleeping = false;
      goOn();
    };
    goOn();
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
        this.note(call, reply);
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

  private note(call: Call, reply: Reply | undefined): void {
    if (reply?.kind !== 'error') return;
    this.refused.push({ call, atMs: this.time.nowMs, code: reply.code });
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
      const end = reply.offset + call.operation.records.length;
      this.ends.set(topic, Math.max(this.ends.get(topic) ?? 0, end));
    }
    if (reply?.kind === 'deleted') this.ends.delete(call.operation.topic);
    const isUnknown = reply?.kind === 'error' && reply.code === 'UnknownTopic';
    if (isUnknown && call.operation.kind !== 'delete') this.register(call);
    done(reply);
  }

  /** Whoever finds that a topic does not exist has it made. */
  private register({ id, client, operation }: Call): void {
    const node = 1 + this.randomness.stream(`client/${client}`).below(this.cluster.machines.length);
    const kind = 'register';
    const { topic } = operation;
    this.ask({ id, client, atMs: 0, kind, topic, group: '', node, amount: 0 }, () => {});
  }

  private operationOf({ kind, id, topic, group, amount, ...more }: PlannedCall): Operation {
    const { records, waitMs = 0, isConditional } = more;
    const end = this.ends.get(topic) ?? 0;
    const expected = isConditional ? (end as Offset) : undefined;
    const paddingBytes = Math.floor(amount * this.options.recordBytesMax);
    switch (kind) {
      case 'register':
      case 'delete':
        return { kind, topic };
      case 'put':
        return { kind, topic, records: batchOf(id, records ?? 1, paddingBytes), expected };
      case 'get':
        return { kind, topic, group };
      case 'set':
        return { kind, topic, policy: policyOf(amount) };
      case 'trim':
        return { kind, topic, before: Math.floor(amount * (end + 1)) as Offset };
      case 'fetch': {
        const isBehind = this.options.demanding !== undefined && amount > 0.9;
        const at = isBehind ? end + 1000 : waitMs > 0 ? end : Math.floor(amount * (end + 1));
        const offset = at as Offset;
        return { kind, topic, offset, records: records ?? 1, bytes: 1000, waitMs };
      }
    }
  }
}

/** Any policy, out of a number in [0, 1): each digit chooses one setting. */
function policyOf(amount: number): Partial<TopicPolicy> {
  const [keep, by, cut] = amount.toFixed(3).slice(2);
  return {
    ...{ retentionBytes: 0, retentionMs: 0, retentionConsumed: Number(keep) >= 8 },
    ...(Number(keep) < 3 ? { retentionBytes: 100 * (1 + Number(by)) } : {}),
    ...(Number(keep) === 3 ? { retentionMs: 1000 * (1 + Number(by)) } : {}),
    ...{ segmentEntries: [0, 0, 0, 0, 1, 2, 5, 10, 0, 0][Number(cut)]! },
    ...{ segmentMs: Number(cut) === 8 ? 2000 : 0, segmentBytes: Number(cut) === 9 ? 100 : 0 },
  };
}

/** The batch of a put: each record carries the number of the call and its own place, and about so many bytes more. */
function batchOf(id: number, count: number, paddingBytes: number): readonly Uint8Array[] {
  return Array.from({ length: count }, (_, part) => {
    const value = new Uint8Array(4 + paddingBytes);
    new DataView(value.buffer).setUint32(0, part * PART + id);
    value.fill(id & 0xff, 4);
    return encodeRecord({ value }, part < count - 1);
  });
}
