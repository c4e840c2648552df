/** Puts together what the nodes of a cluster say: is everything all right, and if not, what is to be done. */

import type { EventReport, MemberReport, NodeReport, TopicReport } from './status-report.ts';
import type { Heard } from './status-source.ts';

export interface Status {
  readonly ok: boolean;
  /** The worst first. */
  readonly problems: readonly Problem[];
  readonly nodes: readonly NodeStatus[];
  /** Those with trouble first. */
  readonly topics: readonly TopicStatus[];
  readonly topicCount: number;
  /** Oldest first. */
  readonly events: readonly EventReport[];
}

export interface Problem {
  readonly what: string;
  readonly mend: string;
}

export interface NodeStatus {
  readonly node: number;
  /** `lives`: the others hear it, and from here its own report cannot be had. */
  readonly state: 'ready' | 'not ready' | 'lives' | 'silent';
  readonly role: 'leader' | 'voter' | 'learner';
  readonly clientAddress: string;
  readonly owns: number;
  /** What only the node itself knows; null if it does not say. */
  readonly own: Pick<NodeReport, 'boot' | 'upSeconds' | 'disk' | 'reasons'> | null;
}

export interface TopicStatus extends Omit<TopicReport, 'groups'> {
  /** By group, in records; null if nobody who answers knows the topic's end. */
  readonly groups: readonly { readonly group: string; readonly lag: number | null }[];
}

const LITTLE_BYTES = 1024 ** 3;
/** The reason of a node that is not ready because of that. */
const NO_LEADER = 'no Raft leader is known';
/** Reasons that the state of the disk tells, with the mend. */
const SAID_OF_DISK = ['the disk is full', 'records that are damaged'];

export function statusOf(heard: readonly Heard[]): Status {
  const reports = [...heard.flatMap((each) => ('report' in each ? [each.report] : []))];
  const base = mostCurrent(reports);
  if (base === undefined) return silence(heard);
  const nodes = base.members.map((member) =>
    nodeStatus(
      member,
      base,
      reports.find(({ node }) => node === member.node),
    ),
  );
  const topics = base.topics.map((topic) => topicStatus(topic, reports));
  const ofCluster = clusterProblems(base, reports);
  const ofNodes = nodes
    .flatMap((node) => nodeProblems(node))
    // That there is no leader was said of the cluster.
    .filter(({ what }) => ofCluster.length === 0 || !what.includes(NO_LEADER));
  const problems = [
    ...ofCluster,
    ...topicProblems(topics, base.members),
    ...ofNodes,
    ...unheard(nodes),
    ...strangers(base, reports),
  ];
  const events = reports.flatMap((report) => report.events);
  events.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
  return {
    ok: problems.length === 0,
    problems,
    nodes,
    topics,
    topicCount: base.topicCount,
    events,
  };
}

/** Of those that take part, who leads; else who knows the highest term. */
function mostCurrent(reports: readonly NodeReport[]): NodeReport | undefined {
  const rank = ({ node, raft, members }: NodeReport): number =>
    (members.length > 0 ? 1e12 : 0) + raft.term * 2 + (raft.leader === node ? 1 : 0);
  return reports.toSorted((a, b) => rank(b) - rank(a))[0];
}

function silence(heard: readonly Heard[]): Status {
  const problems = heard.map((each) => ({
    what: `${each.address}: ${'silence' in each ? each.silence : 'silent'}`,
    mend: 'start a node there, or name another with --addr HOST:PORT',
  }));
  return { ok: false, problems, nodes: [], topics: [], topicCount: 0, events: [] };
}

function nodeStatus(
  member: MemberReport,
  base: NodeReport,
  report: NodeReport | undefined,
): NodeStatus {
  const { node, voter, live, clientAddress, owns } = member;
  const isReady = report?.reasons.length === 0;
  return {
    node,
    state: report === undefined ? (live ? 'lives' : 'silent') : isReady ? 'ready' : 'not ready',
    role: base.raft.leader === node ? 'leader' : voter ? 'voter' : 'learner',
    clientAddress,
    owns,
    own: report === undefined ? null : own(report),
  };
}

function own({ boot, upSeconds, disk, reasons }: NodeReport): NonNullable<NodeStatus['own']> {
  return { boot, upSeconds, disk, reasons };
}

function topicStatus(
  { groups, ...topic }: TopicReport,
  reports: readonly NodeReport[],
): TopicStatus {
  const all = reports.flatMap(({ topics }) => topics.filter((each) => each.topic === topic.topic));
  const ends = all.flatMap(({ records }) => (records === null ? [] : [records]));
  const records = ends.length === 0 ? null : Math.max(...ends);
  return {
    ...topic,
    records,
    groups: groups.map(({ group, offset }) => ({
      group,
      lag: records === null ? null : Math.max(0, records - offset),
    })),
  };
}

function clusterProblems(base: NodeReport, reports: readonly NodeReport[]): Problem[] {
  const { raft, members } = base;
  const voters = members.filter(({ voter }) => voter);
  const silent = voters.filter(({ live }) => !live);
  const needed = Math.floor(voters.length / 2) + 1;
  const missing = needed - (voters.length - silent.length);
  if (missing > 0) {
    // Who answers us runs, and is cut off from the one that misses it.
    const cutOff = silent.filter(({ node }) => reports.some((report) => report.node === node));
    const gone = silent.filter((member) => !cutOff.includes(member));
    const start = gone.length === missing ? list(gone) : `${missing} of ${list(gone)}`;
    return [
      {
        what: `no quorum: node ${base.node} does not hear ${list(silent)} (of ${voters.length} voters), and nothing can be written`,
        mend:
          cutOff.length > 0
            ? `mend the network between node ${base.node} and ${list(cutOff)}: they run`
            : `start ${start} again`,
      },
    ];
  }
  if (raft.leader !== 0) return [];
  return [
    {
      what: 'no node leads the cluster',
      mend: 'it elects one within seconds; if it does not, mend the network between the nodes',
    },
  ];
}

function topicProblems(
  topics: readonly TopicStatus[],
  members: readonly MemberReport[],
): Problem[] {
  const stuck = topics.filter(({ state }) => state === 'stuck');
  const recovering = topics.filter(({ state }) => state === 'recovering');
  const short = topics.filter(({ state, shortSegments }) => state === 'open' && shortSegments > 0);
  const segments = short.reduce((sum, { shortSegments }) => sum + shortSegments, 0);
  const silent = members.filter(({ live }) => !live);
  return [
    ...some(stuck, (which) => ({
      what: `${which} cannot be written: too few copies are alive`,
      mend:
        silent.length === 0
          ? 'nothing: it goes on as soon as the nodes that hold them are heard'
          : `start ${list(silent)} again`,
    })),
    ...some(recovering, (which) => ({
      what: `${which} has no owner at the moment`,
      mend: 'nothing: another node takes over within seconds',
    })),
    ...some(short, (which) => ({
      what: `${which}: ${segments} ${segments === 1 ? 'segment lacks' : 'segments lack'} a copy`,
      mend:
        silent.length === 0
          ? 'nothing: all nodes are there, and the copies are being made'
          : `start ${list(silent)} again, or give it an empty disk with --replace; copies are made by themselves then`,
    })),
  ];
}

function nodeProblems({ node, state, own, clientAddress }: NodeStatus): Problem[] {
  const problems: Problem[] = [];
  if (state === 'silent') {
    problems.push({
      what: `node ${node}${clientAddress === '' ? '' : ` (${clientAddress})`} is silent`,
      mend: 'start it again; if its disk is lost, with --replace on an empty directory',
    });
  }
  for (const reason of own?.reasons ?? []) {
    if (SAID_OF_DISK.some((begin) => reason.startsWith(begin))) continue;
    problems.push({ what: `node ${node}: ${reason}`, mend: mendOf(reason) });
  }
  if (own === null) return problems;
  const { full, freeBytes, damagedRecords, directory } = own.disk;
  if (full) {
    problems.push({
      what: `the disk of node ${node} is full, it takes no more records`,
      mend: `free space under ${directory}; it goes on by itself`,
    });
  } else if (freeBytes !== null && freeBytes < LITTLE_BYTES) {
    problems.push({
      what: `the disk of node ${node} has ${bytes(freeBytes)} left`,
      mend: `free space under ${directory} before it is full`,
    });
  }
  if (damagedRecords > 0) {
    problems.push({
      what: `${damagedRecords} records on node ${node} are damaged`,
      mend: 'they are fetched from other nodes; if it comes again, replace the disk',
    });
  }
  return problems;
}

/** Nodes that the others hear, and of which nothing is known here: whether all is right with them they alone can say. */
function unheard(nodes: readonly NodeStatus[]): Problem[] {
  const lives = nodes.filter(({ state }) => state === 'lives');
  if (lives.length === 0) return [];
  return [
    {
      what: `${list(lives)} ${lives.length === 1 ? 'lives' : 'live'}, but nothing more is known from here`,
      mend: 'ask on that machine, or start the node with --http-host',
    },
  ];
}

/** Nodes that answer and are no members as the cluster sees it: refused, or still to join. */
function strangers(base: NodeReport, reports: readonly NodeReport[]): Problem[] {
  const known = new Set(base.members.map(({ node }) => node));
  return reports
    .filter(({ node }) => !known.has(node))
    .map(({ node, reasons }) => ({
      what: `node ${node} is no member of the cluster: ${reasons[0] ?? 'it has not joined yet'}`,
      mend: mendOf(reasons[0] ?? ''),
    }));
}

function mendOf(reason: string): string {
  if (reason.includes('--replace')) return 'do what the reason says, or start it on its own disk';
  if (reason.startsWith('refused')) return 'end the other process under this number, or this one';
  if (reason.startsWith('amnesiac')) return 'nothing: its disk is made anew from the others';
  if (reason === NO_LEADER) return 'see that it reaches the other nodes';
  return 'see its log';
}

function some(
  topics: readonly TopicStatus[],
  problem: (which: string) => Problem,
): readonly Problem[] {
  if (topics.length === 0) return [];
  const [first] = topics;
  const which =
    topics.length === 1 ? `topic ${first!.topic}` : `${topics.length} topics (${first!.topic}, …)`;
  return [problem(which)];
}

function list(members: readonly { readonly node: number }[]): string {
  return `${members.length === 1 ? 'node' : 'nodes'} ${members.map(({ node }) => node).join(', ')}`;
}

/** In the unit that a person would say. */
export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}
