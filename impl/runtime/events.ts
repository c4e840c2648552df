/**
 * What an operator is told: each event is a line of the log, and the last ones are kept for `/status`. A line has the event's
 * name, its facts as fields, and a sentence. Payloads of records never appear.
 */
import type { Logger } from 'pino';
import type { EventReport } from '../client/status-report.ts';
import type { Notice } from '../node/notices.ts';
import type { LinkEvent } from './tcp-network.ts';

/** Events that are kept. */
const KEPT = 100;

export class Events {
  private readonly node: number;
  private readonly log: Logger;
  private readonly directory: string;
  private readonly count: (event: string, reason: string | undefined) => void;
  private readonly kept: EventReport[] = [];
  private fullSinceMs = 0;
  private excludedSinceMs = 0;

  /** `count` is told the name of each event, and its reason if it has one. */
  constructor(
    node: number,
    log: Logger,
    directory: string,
    count: (event: string, reason: string | undefined) => void,
  ) {
    this.count = count;
    this.node = node;
    this.log = log;
    this.directory = directory;
  }

  /** The last events, oldest first. */
  get last(): readonly EventReport[] {
    return this.kept;
  }

  notice(notice: Notice): void {
    const { kind, ...facts } = notice;
    // `node` of a line is the one that tells.
    const member = 'node' in facts ? { node: undefined, member: facts.node } : {};
    this.tell(LEVELS[kind] ?? 'info', kind, sentence(notice), { ...facts, ...member });
  }

  /** A node whose disk is full goes on reading, and leaves the writing to others that have room. */
  diskFull(isFull: boolean): void {
    const { directory } = this;
    if (isFull) {
      this.fullSinceMs = performance.now();
      const mend = 'no more records are taken here until space is freed; reads go on';
      this.tell('warn', 'DiskFull', `the disk is full: ${mend}`, { directory });
    } else {
      const fullForMs = performance.now() - this.fullSinceMs;
      this.tell('info', 'DiskHasRoom', `the disk has room again, after ${span(fullForMs)}`, {
        directory,
        fullForMs,
      });
    }
  }

  /** Mostly an operator has to do something; the node goes on asking. */
  excluded(reason: string | undefined): void {
    if (reason !== undefined) {
      this.excludedSinceMs = performance.now();
      this.tell('error', 'Excluded', `the cluster takes nothing of this node: ${reason}`, {
        reason,
      });
    } else {
      const excludedForMs = performance.now() - this.excludedSinceMs;
      const text = `the cluster takes this node again, after ${span(excludedForMs)}`;
      this.tell('info', 'Included', text, { excludedForMs });
    }
  }

  /** Links come and go with the nodes behind them, which are told of; only what is refused needs somebody. */
  link({ what, peer, reason }: LinkEvent): void {
    if (what === 'refused') {
      const mend = LINK_MENDS.find(([begin]) => reason?.startsWith(begin))?.[1];
      const advice = mend === undefined ? '' : `; ${mend}`;
      const text = `refused a link with ${peer}: ${reason}${advice}`;
      this.tell('warn', 'LinkRefused', text, { peer, reason });
    } else {
      this.log.debug({ peer, reason }, `link ${what}`);
    }
  }

  private tell(
    level: EventReport['level'],
    event: string,
    text: string,
    facts: Readonly<Record<string, unknown>>,
  ): void {
    this.count(event, typeof facts.reason === 'string' ? facts.reason : undefined);
    this.kept.push({ time: new Date().toISOString(), node: this.node, level, text });
    if (this.kept.length > KEPT) this.kept.shift();
    this.log[level]({ event, ...shown(facts) }, text);
  }
}

/** By how the reason begins: what to do about a link that is refused. */
const LINK_MENDS: readonly (readonly [string, string])[] = [
  ['cluster ', 'give one of the two clusters other ports or addresses'],
  ['version ', 'bring all nodes to one version'],
  [
    'meant for node ',
    'an address has changed hands: it is learned anew as soon as its node is heard',
  ],
  ['node ', 'if there is a second process under this number, end one of the two'],
];

const LEVELS: Readonly<Partial<Record<Notice['kind'], EventReport['level']>>> = {
  LeaderLost: 'warn',
  QuorumLost: 'error',
  NodeSuspected: 'warn',
  NodeRefused: 'warn',
  DamageFound: 'warn',
};

function sentence(notice: Notice): string {
  switch (notice.kind) {
    case 'LeaderElected': {
      const { term, before, leaderlessMs } = notice;
      const after =
        before === undefined
          ? ''
          : `, after node ${before}; ${span(leaderlessMs!)} without a leader`;
      return `this node leads the cluster in term ${term}${after}`;
    }
    case 'LeaderLost':
      return {
        'no majority': 'this node leads no more: it hears no majority',
        'handed over': 'this node leads no more: it has handed over',
        'another term': `this node leads no more: term ${notice.term} has begun`,
      }[notice.reason];
    case 'QuorumLost':
      return `no quorum: ${nodes(notice.silent)} (of ${notice.voters} voters) ${notice.silent.length === 1 ? 'is' : 'are'} silent; nothing is written until ${notice.silent.length === 1 ? 'it is' : 'they are'} back`;
    case 'QuorumFound':
      return `there is a quorum again, after ${span(notice.lostForMs)}`;
    case 'NodeSuspected':
      return `node ${notice.node} is silent; what it owns goes to others`;
    case 'NodeHeard':
      return `node ${notice.node} is heard again, after ${span(notice.silentForMs)}`;
    case 'NodeAdmitted':
      return `node ${notice.node} at ${notice.address} is let in; it gets a vote when it has the log`;
    case 'NodeJoined':
      return `node ${notice.node} has joined: it has a vote`;
    case 'NodeLeft':
      return `node ${notice.node} is no member any more`;
    case 'NodeRefused':
      return `node ${notice.node} asked to be let in and is refused: ${notice.reason}`;
    case 'OwnerChanged':
      return ownerSentence(notice);
    case 'TopicTrimmed':
      return trimmedSentence(notice);
    case 'SnapshotSent':
      return `node ${notice.node} was sent a snapshot of the metadata, up to entry ${notice.index}`;
    case 'RepairBegun':
      return `repair begins: copies of ${segments(notice.segments)} are incomplete here`;
    case 'RepairDone':
      return `repair is done, in ${span(notice.tookMs)}`;
    case 'ScrubBegun':
      return `scrub begins: ${segments(notice.segments)} are read to find damage`;
    case 'ScrubDone':
      return `scrub is done: ${notice.records} records were read in ${span(notice.tookMs)}`;
    case 'DamageFound': {
      const { topic, segment, from, to, reason } = notice;
      const which = `topic ${topic}, segment ${segment}, records ${from} to ${to - 1}`;
      return `records are damaged: ${which}; they are fetched from another node. If it comes again, replace the disk (${reason})`;
    }
    case 'DamageMended': {
      const { topic, segment, from, to, source } = notice;
      const which = `topic ${topic}, segment ${segment}, records ${from} to ${to - 1}`;
      return `damaged records are mended from node ${source}: ${which}`;
    }
  }
}

function ownerSentence(notice: Extract<Notice, { kind: 'OwnerChanged' }>): string {
  const { topic, segment, before, reason, tookMs } = notice;
  if (reason === 'created') return `topic ${topic} is new, and this node owns it`;
  const why = {
    rollover: 'the segment before is full',
    failover: `node ${before ?? '?'} is gone`,
    'full disk': `a disk of the segment before is full`,
    'more copies': 'there are more disks for copies than before',
    handover: `node ${before} hands over`,
  }[reason];
  const took = tookMs === undefined ? '' : `, recovered in ${span(tookMs)}`;
  return `this node owns topic ${topic} from segment ${segment} on: ${why}${took}`;
}

function trimmedSentence(notice: Extract<Notice, { kind: 'TopicTrimmed' }>): string {
  const { topic, from, start, skipped } = notice;
  const groups = skipped.map(({ group, records }) => `group ${group} skips ${records} records`);
  const told = [`topic ${topic} has forgotten offsets ${from} to ${start - 1}`, ...groups];
  return told.join('; ');
}

function nodes(ids: readonly number[]): string {
  return `${ids.length === 1 ? 'node' : 'nodes'} ${ids.join(', ')}`;
}

function segments(count: number): string {
  return count === 1 ? '1 segment' : `${count} segments`;
}

/** A time in the unit that a person would say. */
export function span(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} minutes`;
  return `${(ms / 3_600_000).toFixed(1)} hours`;
}

/** Those that there are; times to the millisecond. */
function shown(facts: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(facts)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [key, typeof value === 'number' ? Math.round(value) : value]),
  );
}
