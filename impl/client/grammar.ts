/** What the command line and the REPL can ask a node: the words for it, and what is shown of the answer. */

import type { Wish } from '../core/controller/operations.ts';
import { WalrusError } from '../core/errors.ts';
import type { Nodes, TopicSummary, Topics } from './client.ts';
import { printable } from './printable.ts';
import type { Request } from './protocol.ts';
import { parseSettings } from './settings.ts';

export type Sendable = Exclude<Request, { kind: 'malformed' }>;

export interface Verb {
  readonly name: Sendable['kind'];
  /** The arguments, as `--help` shows them. */
  readonly usage: string;
  readonly description: string;
  /** What `walrus topic` calls it. */
  readonly topicCommand?: string;
  /** Upstream's client has no such command. The command line has it below `walrus topic` only. */
  readonly isOurs?: true;
  /** Throws `InvalidArgument`. There are as many arguments as `usage` has. */
  request(args: readonly string[]): Sendable;
}

export const VERBS: readonly Verb[] = [
  {
    name: 'register',
    usage: '<topic>',
    description: 'create a topic if it does not exist',
    request: ([topic]) => ({ kind: 'register', topic: topic! }),
  },
  {
    name: 'put',
    usage: '<topic> <data>',
    description: 'append one record',
    request: ([topic, data]) => ({ kind: 'put', topic: topic!, payload: Buffer.from(data!) }),
  },
  {
    name: 'get',
    usage: '<topic>',
    description: 'take the next record, for all readers of the topic',
    request: ([topic]) => ({ kind: 'get', topic: topic! }),
  },
  {
    name: 'fetch',
    usage: '<topic> <offset>',
    description: 'read the record at an offset, without taking it',
    request: ([topic, offset]) => ({
      kind: 'fetch',
      topic: topic!,
      segment: 1,
      offset: readOffset(offset!),
    }),
  },
  {
    name: 'state',
    usage: '<topic>',
    description: 'show segments and owners of a topic',
    topicCommand: 'describe',
    request: ([topic]) => ({ kind: 'state', topic: topic! }),
  },
  {
    name: 'topics',
    usage: '',
    description: 'list the topics, as the node asked knows them',
    topicCommand: 'list',
    isOurs: true,
    request: () => ({ kind: 'topics' }),
  },
  {
    name: 'delete',
    usage: '<topic>',
    description: 'delete a topic, with all its records and cursors',
    topicCommand: 'delete',
    isOurs: true,
    request: ([topic]) => ({ kind: 'delete', topic: topic! }),
  },
  {
    name: 'create',
    usage: '<topic> [settings...]',
    description: 'create a topic if it does not exist, with a policy: NAME=VALUE …',
    topicCommand: 'create',
    isOurs: true,
    request: ([topic, ...words]) => ({
      kind: 'create',
      topic: topic!,
      policy: parseSettings(words),
    }),
  },
  {
    name: 'set',
    usage: '<topic> <settings...>',
    description: 'change the policy of a topic: NAME=VALUE …',
    topicCommand: 'set',
    isOurs: true,
    request: ([topic, ...words]) => ({ kind: 'set', topic: topic!, policy: parseSettings(words) }),
  },
  {
    name: 'trim',
    usage: '<topic> <offset>',
    description: 'forget the records before an offset, in whole segments',
    topicCommand: 'trim',
    isOurs: true,
    request: ([topic, before]) => ({ kind: 'trim', topic: topic!, before: readOffset(before!) }),
  },
  {
    name: 'nodes',
    usage: '',
    description: 'list the nodes, and what each has',
    isOurs: true,
    request: () => ({ kind: 'nodes' }),
  },
  {
    name: 'node',
    usage: '<can-stop|drain|cancel-drain|remove> <n>',
    description: 'whether a node may stop; empty it; take it out for ever',
    isOurs: true,
    request: ([wish, number]) => nodeRequest(wish!, number!, false),
  },
  {
    name: 'metrics',
    usage: '',
    description: "show the node's Raft metrics",
    request: () => ({ kind: 'metrics' }),
  },
];

/** What the words of an operator mean. */
const WISHES: Readonly<Record<string, Wish>> = {
  'can-stop': 'stop',
  drain: 'drain',
  'cancel-drain': 'undrain',
  remove: 'remove',
};

/** Throws `InvalidArgument`. */
export function nodeRequest(word: string, number: string, dryRun: boolean): Sendable {
  const wish = WISHES[word];
  if (wish === undefined || !/^[1-9]\d{0,9}$/.test(number)) {
    throw new WalrusError(
      'InvalidArgument',
      `expected ${Object.keys(WISHES).join(', ')}, and the number of a node`,
    );
  }
  return { kind: 'node', wish, node: Number(number), dryRun };
}

function readOffset(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new WalrusError('InvalidArgument', `not an offset: ${text}; the first record has 0`);
}

/** An answer for people. `put` and `register` say as much as the wire does: nothing of offset or segment. */
export function shown(request: Sendable, answer: string): string {
  switch (request.kind) {
    case 'topics':
      return listed(JSON.parse(answer) as Topics);
    case 'nodes':
      return listedNodes(JSON.parse(answer) as Nodes);
    case 'node':
      return granted(request);
    case 'delete':
      return `deleted topic ${printable(request.topic)}, with its records and cursors`;
    case 'trim':
      return `topic ${printable(request.topic)} begins at offset ${answer.replace(/^OK /, '')}`;
    case 'register':
    case 'create':
      return `topic ${printable(request.topic)} is there`;
    case 'set':
      return `topic ${printable(request.topic)} has that policy`;
    case 'put':
      return `put into ${printable(request.topic)}: ${bytes(request.payload.length)}, on a quorum of disks`;
    default:
      return bare(request, answer);
  }
}

type NodeRequest = Extract<Sendable, { kind: 'node' }>;

function granted({ wish, node, dryRun }: NodeRequest): string {
  switch (wish) {
    case 'stop':
      return `node ${node} may stop: the others can do without it`;
    case 'drain':
      return dryRun
        ? `node ${node} can be drained: others would take what it has`
        : `node ${node} is being drained; what it still has: walrus node list`;
    case 'undrain':
      return `node ${node} is to stay`;
    case 'remove':
      return dryRun
        ? `node ${node} can be removed: nothing would be lost`
        : `node ${node} is out of the cluster; what is still to be made again: walrus node list`;
  }
}

function listedNodes({ nodes }: Nodes): string {
  return columns([
    ['node', 'state', 'vote', 'heard', 'owns', 'copies', 'coming', 'address'],
    ...nodes.map(({ node, state, voter, live, owns, copies, coming, clientAddress }) => [
      `${node}`,
      state,
      voter ? 'yes' : 'no',
      live ? 'yes' : 'no',
      `${owns}`,
      `${copies}`,
      `${coming}`,
      clientAddress,
    ]),
  ]).join('\n');
}

function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
}

/** A line for each topic, in columns. */
function listed({ count, topics }: Topics): string {
  if (count === 0) return 'no topics';
  const rows = [
    ['topic', 'owner', 'segments', 'records', ''],
    ...topics.map(({ topic, owner, segments, records, deleting }: TopicSummary) => [
      printable(topic),
      `node ${owner}`,
      `${segments}`,
      `${records ?? '?'}`,
      deleting ? 'being deleted' : '',
    ]),
  ];
  const lines = columns(rows);
  if (count > topics.length) lines.push(`and ${count - topics.length} more`);
  return lines.join('\n');
}

/** The payload, `EMPTY`, or the JSON as it came: what scripts want. */
export function bare(request: Sendable, answer: string): string {
  if (request.kind === 'get') return answer.replace(/^OK /, '');
  if (request.kind === 'fetch') return answer.replace(/^OK \d+ /, '');
  return answer;
}

/** The same for scripts. */
export function asJson(request: Sendable, answer: string): unknown {
  switch (request.kind) {
    case 'register':
    case 'create':
    case 'set':
    case 'delete':
      return { ok: true, topic: request.topic };
    case 'node':
      return { ok: true, node: request.node, dryRun: request.dryRun };
    case 'trim':
      return { ok: true, topic: request.topic, start: Number(answer.replace(/^OK /, '')) };
    case 'put':
      return { ok: true, topic: request.topic, bytes: request.payload.length };
    case 'get':
      return { payload: answer === 'EMPTY' ? null : bare(request, answer) };
    case 'fetch': {
      const next = /^OK (\d+) /.exec(answer)?.[1];
      if (next === undefined) return { next: request.offset, payload: null };
      return { next: Number(next), payload: bare(request, answer) };
    }
    default:
      return JSON.parse(answer);
  }
}

export function errorAsJson({ code, message, retriable, committed, start }: WalrusError): unknown {
  return { error: { code, message, retriable, committed, start } };
}

/** What went wrong with the request, and what to do about it where that is plain. */
export function told(error: WalrusError, request?: Sendable): string {
  return printable(advised(error, request));
}

function advised({ code, message }: WalrusError, request: Sendable | undefined): string {
  if (code === 'UnknownTopic' && request?.kind !== 'delete') {
    const topic = /^unknown topic (\S+)/.exec(message)?.[1];
    if (topic !== undefined) return `${message}; make it with: walrus register ${topic}`;
  }
  if (code === 'Unavailable' && /^(no node answers|connect to) /.test(message)) {
    return `${message}; start a cluster with: walrus dev, or name a node with --addr HOST:PORT`;
  }
  return message;
}

function bytes(count: number): string {
  return count === 1 ? '1 byte' : `${count} bytes`;
}
