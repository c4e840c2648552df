/**
 * The protocol told as stories: a cluster is set up in silence, the interesting part happens, the outcome is looked at.
 * Every story runs under all the checks that a random run has.
 */
import { expect, test } from 'vitest';
import { ONE_RECORD, type Operation, type Reply } from '../impl/core/controller/operations.ts';
import type { Offset, SegmentId, TopicId } from '../impl/core/ids.ts';
import type { SegmentRecord } from '../impl/core/metadata/cluster-state.ts';
import { decodeRecord, encodeRecord } from '../impl/core/record.ts';
import { crc32c } from '../impl/core/storage/crc32c.ts';
import type { DataEvent } from '../impl/core/trace.ts';
import { utf8Decode, utf8Encode } from '../impl/core/utf8.ts';
import type { Envelope } from '../impl/node/messages.ts';
import type { Node } from '../impl/node/node.ts';
import { Checker } from '../properties/checker.ts';
import { VirtualTime } from './clock.ts';
import { Cluster, type ClusterOptions, type Machine } from './cluster.ts';
import { FAST_DISK } from './disk.ts';
import { CALM_NETWORK } from './network.ts';
import { Randomness } from './random.ts';

const OPTIONS: ClusterOptions = {
  nodes: 3,
  clockDrift: 0,
  network: CALM_NETWORK,
  disk: FAST_DISK,
  config: {
    replicationFactor: 3,
    maxSegmentEntries: 5,
    monitorCheckMs: 500,
    leaseMs: 400,
    failoverMs: 600,
    electionTimeoutMs: 400,
    heartbeatMs: 100,
    operationTimeoutMs: 5000,
    snapshotEveryEntries: 50,
    fileBytes: 65_536,
    batchBytes: 16_384,
    checkpointBytes: 65_536,
  },
  encode: undefined,
};

const recordOf = (text: string): Uint8Array => encodeRecord({ value: utf8Encode(text) });
const textOf = (record: Uint8Array): string => utf8Decode(decodeRecord(record).value);

class Story {
  readonly time: VirtualTime = new VirtualTime();
  readonly checker: Checker = new Checker(crc32c);
  readonly cluster: Cluster;
  readonly said: DataEvent[] = [];
  /** Messages that get lost. */
  loses: (envelope: Envelope) => boolean = () => false;

  constructor(seed: string, options: Partial<ClusterOptions> = {}) {
    this.cluster = new Cluster(
      { ...OPTIONS, ...options },
      this.time,
      new Randomness(seed),
      crc32c,
      this,
    );
    for (const machine of this.cluster.machines) this.cluster.start(machine);
    const all = this.cluster.machines;
    this.until(() =>
      all.every(
        ({ node }) =>
          node?.clusterState?.nodes.size === all.length &&
          node.raft!.membership.filter(({ learner }) => !learner).length === all.length,
      ),
    );
    expect(this.ask(1, { kind: 'register', topic: 't' })).toEqual({ kind: 'registered' });
    this.until(() => all.every(({ node }) => node!.clusterState!.topicNamed('t') !== undefined));
  }

  /** Lets time pass until it is so; a minute of it at most. */
  until(done: () => boolean): void {
    const lastMs = this.time.nowMs + 60_000;
    while (!done()) {
      if (this.time.nextMs > lastMs) throw new Error('it did not come about within a minute');
      this.time.step();
    }
  }

  pass(ms: number): void {
    const endMs = this.time.nowMs + ms;
    while (this.time.nextMs <= endMs) this.time.step();
  }

  /** Asks a node and waits for its answer; undefined if it died. */
  ask(node: number, operation: Operation): Reply | undefined {
    let answer: { reply: Reply | undefined } | undefined;
    this.cluster.request(this.machine(node), operation, (reply) => {
      answer = { reply };
    });
    this.until(() => answer !== undefined);
    return answer!.reply;
  }

  put(node: number, text: string): Reply | undefined {
    return this.ask(node, { kind: 'put', topic: 't', records: [recordOf(text)] });
  }

  get(node: number): string | undefined {
    const reply = this.ask(node, { kind: 'get', topic: 't', group: 'default' });
    return reply?.kind === 'record' ? textOf(reply.record) : reply?.kind;
  }

  /** All that can be read at a node, in order. */
  readAll(node: number): string[] {
    const texts: string[] = [];
    for (;;) {
      const reply = this.ask(node, {
        ...ONE_RECORD,
        kind: 'fetch',
        topic: 't',
        offset: texts.length as Offset,
      });
      if (reply?.kind !== 'records' || reply.records.length === 0) return texts;
      texts.push(...reply.records.map(textOf));
    }
  }

  segments(node = 1): readonly SegmentRecord[] {
    return this.machine(node).node!.clusterState!.topicNamed('t')!.segments;
  }

  /** Until it is done, whichever node it takes. */
  delete(node: number): void {
    this.insist(node, { kind: 'delete', topic: 't' }, 'deleted');
  }

  register(node: number): void {
    this.insist(node, { kind: 'register', topic: 't' }, 'registered');
  }

  private insist(node: number, operation: Operation, kind: Reply['kind']): void {
    this.until(() => this.ask(node, operation)?.kind === kind);
  }

  /** What the disk of a machine that runs has of a topic. */
  held(machine: Machine, topic: TopicId): number {
    return [...machine.node!.replicas()].filter((each) => each.topic === topic).length;
  }

  get topic(): TopicId {
    return this.machine(1).node!.clusterState!.topicNamed('t')!.id;
  }

  /** The machine of the open segment's owner, as most nodes see it. */
  owner(): Machine {
    const views = this.cluster.machines.flatMap(
      ({ node }) => node?.clusterState?.topicNamed('t')?.segments.at(-1) ?? [],
    );
    const newest = views.reduce((a, b) => (b.epoch > a.epoch ? b : a));
    return this.machine(newest.owner);
  }

  others(machine: Machine): readonly Machine[] {
    return this.cluster.machines.filter((each) => each !== machine);
  }

  machine(id: number): Machine {
    return this.cluster.machine(id);
  }

  powerLoss(machine: Machine): void {
    this.cluster.crash(machine, true);
    this.checker.crashed(machine.id);
  }

  replaceDisk(machine: Machine): void {
    this.cluster.replaceDisk(machine);
    this.checker.diskReplaced(machine.id);
    this.cluster.start(machine);
  }

  /** The disk of a node whose process is dead goes back to what it was when it had these files. */
  loseTail(machine: Machine, files: ReadonlyMap<string, Uint8Array>): void {
    machine.disk.restore(files);
    this.checker.tailLost(machine.id);
  }

  isolate(machine: Machine): void {
    for (const { id } of this.others(machine)) {
      this.cluster.network.cut(machine.id, id);
      this.cluster.network.cut(id, machine.id);
    }
  }

  // What the cluster tells its observer.

  traced(event: DataEvent): void {
    this.said.push(event);
    this.checker.emit(event);
    if (event.name === 'ReplaceDisk') this.cluster.diskEmptied(this.machine(event.node));
  }

  sent(): void {}

  withholds(_: number, __: number, envelope: Envelope): boolean {
    return this.loses(envelope);
  }

  afterInput(node: Node, envelope: Envelope | undefined): void {
    const body = envelope?.body;
    this.checker.afterInput(node, body !== undefined && 'records' in body ? body : undefined);
  }

  replied(): void {}

  ended(machine: Machine): void {
    this.checker.crashed(machine.id);
  }
}

const letters = (count: number): string[] => Array.from({ length: count }, (_, i) => `m${i}`);

test('a full segment is sealed at its exact count and the next one opens elsewhere', () => {
  const story = new Story('rollover');

  for (const text of letters(23)) expect(story.put(2, text)?.kind).toBe('appended');
  story.pass(1000);

  const segments = story.segments();
  expect(segments.map(({ state, count }) => [state, count])).toEqual([
    ['sealed', 5],
    ['sealed', 5],
    ['sealed', 5],
    ['sealed', 5],
    ['open', 0],
  ]);
  expect(new Set(segments.map(({ owner }) => owner)).size).toBe(3);
  for (const node of [1, 2, 3]) expect(story.readAll(node)).toEqual(letters(23));
});

test('appends that meet a rollover wait for the next owner, and none is lost or doubled', () => {
  const story = new Story('appends-meet-rollover');
  const replies: (Reply | undefined)[] = [];

  for (const text of letters(40)) {
    const operation: Operation = { kind: 'put', topic: 't', records: [recordOf(text)] };
    story.cluster.request(story.machine(1), operation, (reply) => replies.push(reply));
  }
  story.until(() => replies.length === 40);

  expect(replies.every((reply) => reply?.kind === 'appended')).toBe(true);
  expect(story.readAll(1)).toEqual(letters(40));
});

const big = (i: number): string => `${i} ${'x'.repeat(4000)}`;
const LONG_SEGMENTS = { config: { ...OPTIONS.config, maxSegmentEntries: 30 } };

test('an owner whose disk is full hands over, and gets nothing again while others have room', () => {
  const story = new Story('owner-is-full', LONG_SEGMENTS);
  const full = story.owner();
  full.disk.faults.capacityBytes = full.disk.usedBytes;

  let taken = 0;
  const put = (): void => expect(story.put(full.id, big(taken++))?.kind).toBe('appended');
  while (!full.node!.diskIsFull || story.owner() === full) put();
  story.pass(500);
  const { length } = story.segments(story.others(full)[0]!.id);
  while (taken < 200) put();

  const later = story.segments(story.others(full)[0]!.id).slice(length);
  expect(later.length).toBeGreaterThan(3);
  expect(later.map(({ owner }) => owner)).not.toContain(full.id);
  full.disk.faults.capacityBytes = Infinity;
  story.pass(3000);
  for (const { id } of story.cluster.machines) expect(story.readAll(id)).toHaveLength(taken);
});

test('a cluster that is full says so, loses nothing, and goes on where it was when there is room', () => {
  const story = new Story('all-are-full', LONG_SEGMENTS);
  for (const { disk } of story.cluster.machines) disk.faults.capacityBytes = disk.usedBytes;

  let taken = 0;
  let reply = story.put(1, big(0));
  while (reply?.kind === 'appended') reply = story.put(1, big(++taken));
  expect(reply).toMatchObject({ kind: 'error', code: 'NoSpace' });
  const { length } = story.segments();
  story.pass(20_000);
  expect(story.segments()).toHaveLength(length);

  for (const { disk } of story.cluster.machines) disk.faults.capacityBytes = Infinity;
  story.pass(2000);
  expect(story.put(1, 'again')?.kind).toBe('appended');
  expect(story.readAll(1)).toHaveLength(taken + 1);
});

test('the owner loses power: what it acknowledged is there, and another one goes on', () => {
  const story = new Story('owner-dies');
  for (const text of letters(3)) story.put(1, text);
  const owner = story.owner();
  const [witness] = story.others(owner);

  story.powerLoss(owner);
  const diedAtMs = story.time.nowMs;
  story.until(
    () => story.owner() !== owner && story.segments(witness!.id).at(-1)!.state === 'open',
  );

  expect(story.time.nowMs - diedAtMs).toBeLessThan(2000);
  expect(story.put(witness!.id, 'm3')?.kind).toBe('appended');
  expect(story.readAll(witness!.id)).toEqual(letters(4));

  story.cluster.start(owner);
  story.until(() => owner.node?.clusterState?.topicNamed('t')?.segments.length === 2);
  story.pass(2000);
  expect(owner.node!.replica(story.topic, 1 as SegmentId)).toMatchObject({ end: 3, durableEnd: 3 });
  expect(story.readAll(owner.id)).toEqual(letters(4));
});

test('an owner that is cut off refuses soon, and what it took alone is never read', () => {
  const story = new Story('cut-off');
  for (const text of letters(2)) story.put(1, text);
  const owner = story.owner();
  const [witness] = story.others(owner);

  story.isolate(owner);
  const alone = story.put(owner.id, 'alone');
  expect(alone).toMatchObject({ kind: 'error' });
  story.pass(1000);
  expect(story.put(owner.id, 'refused')).toMatchObject({ kind: 'error', code: 'LeaseExpired' });
  expect(story.put(witness!.id, 'm2')?.kind).toBe('appended');

  story.cluster.network.heal();
  story.until(() => story.segments(owner.id).length === story.segments(witness!.id).length);
  story.pass(1000);
  expect(story.put(owner.id, 'm3')?.kind).toBe('appended');
  expect(story.readAll(owner.id)).toEqual(letters(4));
});

test('the whole cluster loses power three times in a row', () => {
  const story = new Story('all-die');
  let written = 0;

  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 7; i++) {
      expect(story.put(1 + (i % 3), `m${written++}`)?.kind).toBe('appended');
    }
    for (const machine of story.cluster.machines) {
      story.powerLoss(machine);
    }
    story.pass(500);
    for (const machine of story.cluster.machines) story.cluster.start(machine);
    story.until(() => {
      const current = story.machine(1).node?.clusterState?.topicNamed('t')?.segments.at(-1);
      const boots = story.cluster.machines.map(({ node }) => node?.boot);
      return current?.state === 'open' && boots.includes(current.boot);
    });
    expect(story.readAll(2)).toEqual(letters(written));
  }
});

test('a new disk under an old name does not vote its emptiness, and gets its copies back', () => {
  const story = new Story('new-disk');
  for (const text of letters(8)) story.put(1, text);
  const owner = story.owner();
  const [replaced, witness] = story.others(owner);

  story.replaceDisk(replaced!);
  const { incarnation } = replaced!.node!;
  story.powerLoss(owner);
  story.pass(5000);
  expect(replaced!.node!.incarnation).not.toBe(incarnation);

  // The witness alone cannot promise for a majority, and the new disk may not help it: nothing is sealed too short.
  expect(story.segments(witness!.id).at(-1)!.state).not.toBe('sealed');
  story.cluster.start(owner);
  story.until(() => story.readAll(witness!.id).length === 8);
  expect(story.readAll(witness!.id)).toEqual(letters(8));

  story.until(() => {
    const [first] = story.segments(witness!.id);
    return first!.replicas.some((each) => each.incarnation === replaced!.node?.incarnation);
  });
  expect(replaced!.node!.replica(story.topic, 1 as SegmentId)).toMatchObject({
    end: 5,
    durableEnd: 5,
  });
});

test('a process that the cluster has refused is dead to it, and says why', () => {
  const story = new Story('stranger');
  expect(story.put(1, 'm0')?.kind).toBe('appended');
  const owner = story.owner();
  const [other] = story.others(owner);
  story.cluster.replaceDisk(owner);
  story.checker.diskReplaced(owner.id);
  owner.replaced = false;
  story.cluster.start(owner);

  story.until(() => story.put(other!.id, 'm1')?.kind === 'appended');
  expect(story.owner()).not.toBe(owner);
  story.until(() => owner.node?.exclusion !== undefined);
  const why = `node ${owner.id} is a member with another disk; start it with --replace if that is lost`;
  expect(owner.node!.exclusion).toBe(`refused: ${why}`);
  expect(story.ask(owner.id, { kind: 'register', topic: 'u' })).toMatchObject({
    code: 'Unavailable',
  });

  // The operator has read it.
  story.replaceDisk(owner);
  story.until(() => owner.node!.raft?.self?.learner === false);
  expect(owner.node!.exclusion).toBeUndefined();
});

test('whoever lives is not replaced', () => {
  const story = new Story('double');
  const second = story.machine(2);
  const { incarnation, boot } = second.node!;
  const leader = story.cluster.machines.find(({ node }) => node?.raft?.role === 'leader')!;
  const fields = { address: 'elsewhere', replace: true, amnesiac: false, founder: 0 } as const;
  const body = { kind: 'Join', ...fields } as const;
  const double = { from: second.id, fromIncarnation: ((incarnation as number) + 1) as never };
  const to = { to: leader.id, toIncarnation: 0 } as const;
  if (leader === second) throw new Error('another seed');
  story.cluster.deliver(leader.id, {
    ...double,
    fromBoot: boot,
    fromLsn: 0,
    sentAtMs: 0,
    ...to,
    body,
  });
  story.pass(3000);
  expect(leader.node!.raft!.membership.find(({ id }) => id === 2)).toMatchObject({ incarnation });
});

test('a copy of the disk of a node that lives is told that it is one, and the node goes on', () => {
  const story = new Story('copy');
  const owner = story.owner();
  const { boot } = owner.node!;
  story.put(1, 'm0');
  story.pass(2000);
  const copy = story.cluster.startDouble(owner, owner.disk.stableFiles())!;
  story.until(() => copy.node!.exclusion !== undefined);
  expect(copy.node!.exclusion).toBe(
    `refused: its disk is a copy: node ${owner.id} lives, with the same one`,
  );
  story.pass(5000);
  expect(story.put(1, 'm1')).toMatchObject({ kind: 'appended' });
  expect(story.owner()).toBe(owner);
  expect(owner.node!).toMatchObject({ boot, status: 'running', exclusion: undefined });

  // When the node has died its copy, which has less than the node said, is not taken for it.
  story.powerLoss(owner);
  story.until(() => copy.node!.status === 'amnesiac');
});

test('a disk that lost what it had said is found out, takes part in nothing, and is made anew', () => {
  const story = new Story('amnesia');
  for (const text of letters(3)) story.put(1, text);
  const owner = story.owner();
  const [victim, third] = story.others(owner);
  const files = victim!.disk.stableFiles();
  for (const text of letters(7).slice(3)) story.put(1, text);
  story.pass(1500);
  const { incarnation } = victim!.node!;
  story.powerLoss(victim!);
  story.loseTail(victim!, files);
  story.cluster.start(victim!);

  story.until(() => victim!.node!.status === 'amnesiac');
  expect(victim!.node!.exclusion).toMatch(
    /^amnesiac: the disk has less than it told node \d it had/,
  );
  story.until(() => victim!.node!.raft?.self?.learner === false);
  expect(victim!.node!.incarnation).not.toBe(incarnation);
  expect(victim!.node!.exclusion).toBeUndefined();

  // It counts again, so the third may go.
  story.until(() => !JSON.stringify(story.segments()).includes(`${incarnation}`));
  story.powerLoss(third!);
  story.until(() => story.put(owner.id, 'm7')?.kind === 'appended');
  expect(story.readAll(victim!.id)).toEqual(letters(8));
});

test('that it forgot is told by whoever comes back and remembers, also to a later life of it', () => {
  const story = new Story('amnesia-later');
  story.put(1, 'm0');
  const [victim, second, third] = story.cluster.machines as [Machine, Machine, Machine];
  const files = victim.disk.stableFiles();
  for (const text of letters(4).slice(1)) story.put(1, text);
  story.pass(1500);
  for (const machine of story.cluster.machines) story.powerLoss(machine);
  story.loseTail(victim, files);
  story.cluster.start(victim);
  story.pass(2000);
  expect(victim.node!.status).toBe('running');
  story.powerLoss(victim);
  story.cluster.start(victim);
  story.pass(1000);
  story.cluster.start(third);
  story.until(() => victim.node!.status === 'amnesiac');

  // Until the second is back there is no leader, who could agree to anything.
  story.pass(5000);
  expect(victim.node!.status).toBe('amnesiac');
  story.powerLoss(victim);
  story.cluster.start(victim);
  story.until(() => victim.node!.status === 'amnesiac');
  story.cluster.start(second);
  story.until(() => victim.node!.raft?.self?.learner === false);
  expect(story.readAll(victim.id)).toEqual(letters(4));
});

test('an amnesiac keeps what it has as long as the others could not do without', () => {
  const story = new Story('last-copy');
  for (const text of letters(8)) story.put(1, text);
  const leader = story.cluster.machines.find(({ node }) => node?.raft?.role === 'leader')!;
  const [victim, replaced] = story.others(leader);
  const files = victim!.disk.stableFiles();
  for (const text of letters(11).slice(8)) story.put(1, text);
  story.pass(1500);

  // Its copies are not made again yet.
  story.loses = ({ body }) => body.kind === 'Copy';
  story.replaceDisk(replaced!);
  story.until(() => replaced!.node!.raft?.self?.learner === false);
  story.powerLoss(victim!);
  story.loseTail(victim!, files);
  story.cluster.start(victim!);
  story.until(() => victim!.node?.exclusion?.includes('last copy') === true);
  expect(victim!.node!.exclusion).toMatch(
    /it may have the last copy of segments: [23] of topic "t"$/,
  );
  const { incarnation } = victim!.node!;
  story.pass(10_000);
  expect(victim!.node!.status).toBe('amnesiac');

  story.loses = () => false;
  story.until(() => victim!.node!.raft?.self?.learner === false);
  expect(victim!.node!.incarnation).not.toBe(incarnation);
  expect(story.readAll(victim!.id)).toEqual(letters(11));
});

test('a founder that lost its disk founds no second cluster, and gets its number back when somebody says so', () => {
  const story = new Story('blank-founder');
  const founder = story.machine(1);
  for (const text of letters(4)) story.put(2, text);
  story.cluster.replaceDisk(founder);
  story.checker.diskReplaced(founder.id);
  founder.replaced = false;
  story.cluster.start(founder);

  const why =
    'refused: node 1 is a member with another disk; start it with --replace if that is lost';
  story.until(() => founder.node!.exclusion === why);
  expect(founder.node!.raft!.membership).toEqual([]);
  expect(story.put(1, 'nowhere')).toMatchObject({ kind: 'error', code: 'Unavailable' });
  expect(story.put(2, 'm4')?.kind).toBe('appended');

  story.powerLoss(founder);
  founder.replaced = true;
  story.cluster.start(founder);
  story.until(() => founder.node!.raft?.self?.learner === false);
  expect(story.readAll(1)).toEqual(letters(5));
});

/** Turns over a bit of every place in the machine's log files where this text stands. */
function rotText({ disk }: Machine, text: string): void {
  let times = 0;
  for (const [name, bytes] of disk.files()) {
    const within = Buffer.from(bytes);
    for (let at = within.indexOf(text); at >= 0; at = within.indexOf(text, at + 1), times++)
      disk.rotBit(name, at, 1);
  }
  expect(times).toBeGreaterThan(0);
}

test('records that rotted where a node reads its log back are mended from the others, and it goes on', () => {
  const story = new Story('rot-at-start');
  const texts = Array.from({ length: 4 }, (_, i) => `needle ${i}`);
  for (const text of texts) story.put(1, text);
  story.pass(1500);
  const [victim] = story.others(story.owner());
  const { incarnation } = victim!.node!;
  const { topic } = story;
  const { id } = story.segments().at(-1)!;
  story.powerLoss(victim!);
  rotText(victim!, 'needle 2');
  story.cluster.start(victim!);
  story.until(() => victim!.node!.raft?.self?.learner === false);
  expect(victim!.node!.incarnation).toBe(incarnation);

  story.until(() => victim!.node!.replica(topic, id) !== undefined);
  const replica = victim!.node!.replica(topic, id)!;
  const copy = (): unknown => {
    const told: unknown[] = [];
    victim!.node!.readCopy(replica, 2, (error, records) =>
      told.push(error?.code ?? records.map(textOf)),
    );
    story.until(() => told.length > 0);
    return told[0];
  };
  expect(copy()).toBe('Corrupt');
  story.until(() => JSON.stringify(copy()) === '["needle 2"]');
  story.until(() => victim!.node!.damage!.mended === 1);
});

test('a node whose Raft log rotted takes part in nothing, says so, and is made anew', () => {
  const story = new Story('rot-in-raft');
  story.ask(1, { kind: 'register', topic: 'haystack' });
  for (const text of letters(4)) story.put(1, text);
  story.pass(1500);
  const [victim] = story.others(story.owner());
  const { incarnation } = victim!.node!;
  story.powerLoss(victim!);
  rotText(victim!, 'haystack');
  story.cluster.start(victim!);
  story.until(() => victim!.node!.status === 'amnesiac');
  expect(victim!.node!.exclusion).toMatch(/^amnesiac: what the disk kept of raft cannot be read/);
  story.until(() => victim!.node!.raft?.self?.learner === false);
  expect(victim!.node!.incarnation).not.toBe(incarnation);
  story.until(() => story.readAll(victim!.id).length === 4);
});

test('readers on different nodes share one cursor: each record goes to one of them', () => {
  const story = new Story('shared-cursor');
  for (const text of letters(9)) story.put(1, text);

  const taken = Array.from({ length: 10 }, (_, i) => story.get(1 + (i % 3)));

  expect(taken).toEqual([...letters(9), 'empty']);
});

test('a cursor survives the death of the node that served it', () => {
  const story = new Story('cursor-survives');
  for (const text of letters(4)) story.put(1, text);
  expect([story.get(1), story.get(2)]).toEqual(['m0', 'm1']);
  const owner = story.owner();
  const [witness] = story.others(owner);

  story.powerLoss(owner);

  // The first one was handed to the dead node: nobody can say what became of it.
  expect(story.get(witness!.id)).toBe('error');
  expect(story.get(witness!.id)).toBe('m2');
  expect(story.get(witness!.id)).toBe('m3');
  expect(story.get(witness!.id)).toBe('empty');
});

test('a network that repeats everything does nothing twice', () => {
  const network = { ...OPTIONS.network, duplicateProbability: 1, inOrder: false };
  const story = new Story('everything-twice', { network });

  for (const text of letters(17)) expect(story.put(3, text)?.kind).toBe('appended');

  expect(story.readAll(1)).toEqual(letters(17));
});

test('a node that is asked to stop hands over first: nobody has to time out', () => {
  const story = new Story('hand-over');
  for (const text of letters(2)) story.put(1, text);
  const owner = story.owner();
  const [witness] = story.others(owner);

  story.cluster.stop(owner);
  story.until(() => owner.node === undefined);

  const fences = story.said.filter(
    (event) => event.name === 'ProposeCommand' && event.proposal.command.kind === 'FenceSegment',
  );
  expect(fences).toEqual([]);
  expect(story.put(witness!.id, 'm2')?.kind).toBe('appended');
  expect(story.readAll(witness!.id)).toEqual(letters(3));
});

test('a topic that is made again after its deletion is another one, also for a node that was away', () => {
  const story = new Story('deleted-while-away');
  for (const text of letters(9)) story.put(1, text);
  const { topic } = story;
  const leader = story.cluster.machines.find(({ node }) => node?.raft?.role === 'leader')!;
  const [absent, witness] = story.others(leader);
  expect(story.get(witness!.id)).toBe('m0');
  story.powerLoss(absent!);
  story.pass(2000);

  story.delete(witness!.id);
  expect(story.get(leader.id)).toBe('error');
  story.register(leader.id);
  expect(story.put(witness!.id, 'another')?.kind).toBe('appended');
  story.cluster.start(absent!);
  story.until(() => absent!.node?.clusterState?.topic(topic) === undefined);
  story.until(() => absent!.node?.clusterState?.topicNamed('t') !== undefined);
  story.pass(2000);

  expect(story.cluster.machines.map((machine) => story.held(machine, topic))).toEqual([0, 0, 0]);
  expect(story.readAll(absent!.id)).toEqual(['another']);
  expect(story.get(absent!.id)).toBe('another');
  expect(story.get(witness!.id)).toBe('empty');
});

test('a dead owner keeps no topic from being deleted, and comes back as the owner of nothing', () => {
  const story = new Story('deleted-without-owner');
  for (const text of letters(3)) story.put(1, text);
  const { topic } = story;
  const owner = story.owner();
  const [witness] = story.others(owner);
  story.powerLoss(owner);

  story.delete(witness!.id);
  story.register(witness!.id);
  expect(story.readAll(witness!.id)).toEqual([]);
  story.cluster.start(owner);
  story.until(() => owner.node?.clusterState?.topicNamed('t') !== undefined);
  story.pass(2000);

  expect(story.held(owner, topic)).toBe(0);
  expect(story.put(owner.id, 'another')?.kind).toBe('appended');
  expect(story.readAll(owner.id)).toEqual(['another']);
});

test('an owner that is cut off while its topic is deleted and made again acknowledges nothing of either', () => {
  const story = new Story('deleted-behind-the-back');
  for (const text of letters(3)) story.put(1, text);
  const owner = story.owner();
  const [witness] = story.others(owner);
  for (const { id } of story.others(owner)) {
    story.cluster.network.cut(owner.id, id);
    story.cluster.network.cut(id, owner.id);
  }
  story.delete(witness!.id);
  story.register(witness!.id);
  const operation: Operation = { kind: 'put', topic: 't', records: [recordOf('late')] };
  const heard: (Reply | undefined)[] = [];
  story.cluster.request(owner, operation, (reply) => heard.push(reply));
  story.pass(300);
  story.cluster.network.heal();
  story.until(() => heard.length > 0);
  story.pass(2000);

  // It was refused, or is in the topic that there is now: in no case in the one that is no more.
  const all = story.readAll(witness!.id);
  expect(all).toEqual(heard[0]?.kind === 'appended' ? ['late'] : []);
});

test('what a topic forgot is gone from all disks, also from that of a node that was away, and offsets stay', () => {
  const story = new Story('trimmed-while-away');
  for (const text of letters(9)) story.put(1, text);
  const { topic } = story;
  const [first] = story.segments(1);
  const leader = story.cluster.machines.find(({ node }) => node?.raft?.role === 'leader')!;
  const [absent, witness] = story.others(leader);
  story.powerLoss(absent!);
  story.pass(2000);
  const fetch = (node: number, offset: number): Reply | undefined =>
    story.ask(node, { ...ONE_RECORD, kind: 'fetch', topic: 't', offset: offset as Offset });
  const held = (machine: Machine): boolean => machine.node?.replica(topic, first!.id) !== undefined;
  expect(held(witness!)).toBe(true);

  const before = first!.count as Offset;
  expect(story.ask(witness!.id, { kind: 'trim', topic: 't', before })).toEqual({
    kind: 'trimmed',
    start: first!.count,
  });
  story.cluster.start(absent!);
  const start = ({ node }: Machine): number | undefined =>
    node?.clusterState?.topics.get(topic)?.segments[0]?.baseOffset;
  story.until(() => start(absent!) === before);
  story.until(() => story.cluster.machines.every((machine) => !held(machine)));

  for (const { id } of story.cluster.machines) {
    expect(fetch(id, first!.count - 1)).toMatchObject({ code: 'Trimmed', start: first!.count });
    expect(fetch(id, first!.count)).toMatchObject({ kind: 'records', offset: first!.count });
  }
  expect(story.get(absent!.id)).toBe(`m${first!.count}`);
  expect(story.put(absent!.id, 'm9')).toMatchObject({ kind: 'appended', offset: 9 });
});

test('copies of a machine that stays away are made again on another one, and dropped where they were when it is back', () => {
  const story = new Story('repaired-elsewhere', {
    nodes: 4,
    config: { ...OPTIONS.config, repairAfterMs: 3000 },
  });
  for (const text of letters(20)) story.put(1, text);
  const sealed = (node: number): readonly SegmentRecord[] =>
    story.segments(node).filter(({ state }) => state === 'sealed');
  const absent = story.machine(sealed(1)[0]!.replicas[0]!.node);
  const [witness] = story.others(absent);
  const copiesOn = (id: number): number =>
    sealed(witness!.id).filter(({ replicas }) => replicas.some(({ node }) => node === id)).length;
  expect(copiesOn(absent.id)).toBeGreaterThan(0);

  story.powerLoss(absent);
  story.until(() => copiesOn(absent.id) === 0);
  for (const { replicas, move } of sealed(witness!.id)) {
    expect(replicas).toHaveLength(3);
    expect(move).toBe(undefined);
  }
  story.cluster.start(absent);
  story.until(() => absent.node?.clusterState?.topicNamed('t') !== undefined);
  const { topic } = story;
  story.until(() => sealed(1).every(({ id }) => absent.node!.replica(topic, id) === undefined));
  expect(story.readAll(absent.id)).toEqual(letters(20));
});

test('a put that names its offset gets that one, or is told the true end', () => {
  const story = new Story('expected-offset');
  const put = (node: number, expected: number, ...texts: string[]): Reply | undefined => {
    const records = texts.map((text, i) =>
      encodeRecord({ value: utf8Encode(text) }, i < texts.length - 1),
    );
    return story.ask(node, { kind: 'put', topic: 't', records, expected: expected as Offset });
  };
  expect(put(1, 0, 'a', 'b')).toMatchObject({ kind: 'appended', offset: 0 });
  for (const node of [1, 2, 3]) expect(put(node, 0, 'c')).toEqual({ kind: 'mismatched', end: 2 });
  expect(put(2, 2, 'c')).toMatchObject({ kind: 'appended', offset: 2 });
  expect(put(3, 9, 'd')).toEqual({ kind: 'mismatched', end: 3 });
  expect(story.readAll(1)).toEqual(['a', 'b', 'c']);
});

test.each([1, 2, 3])(
  'a read at the end, at node %i, waits for a record, and no longer than it was to',
  (node) => {
    const story = new Story('long-poll');
    const heard: (Reply | undefined)[] = [];
    const read = (waitMs: number): void => {
      const range = { offset: 1 as Offset, records: 10, bytes: 1000, waitMs };
      const operation: Operation = { kind: 'fetch', topic: 't', ...range };
      story.cluster.request(story.machine(node), operation, (reply) => heard.push(reply));
    };
    story.put(1, 'a');
    read(1500);
    story.pass(1400);
    expect(heard).toEqual([]);
    story.pass(500);
    expect(heard).toMatchObject([{ kind: 'records', records: [], highWatermark: 1 }]);
    read(2000);
    story.pass(1000);
    story.put(2, 'b');
    story.pass(100);
    expect(heard[1]).toMatchObject({ records: [recordOf('b')], highWatermark: 2 });
  },
);
