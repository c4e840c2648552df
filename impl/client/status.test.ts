import { expect, test } from 'vitest';
import { bytes, statusOf } from './status.ts';
import type { MemberReport, NodeReport, TopicReport } from './status-report.ts';
import { screen } from './status-screen.ts';
import type { Heard } from './status-source.ts';

const FREE = 80e9;

function member(node: number, change: Partial<MemberReport> = {}): MemberReport {
  const raftAddress = `10.0.0.${node}:6000`;
  const clientAddress = `10.0.0.${node}:9091`;
  return {
    node,
    voter: true,
    live: true,
    hasRoom: true,
    raftAddress,
    clientAddress,
    owns: 1,
    ...change,
  };
}

function topic(change: Partial<TopicReport> = {}): TopicReport {
  const groups = [{ group: 'default', offset: 3 }];
  return {
    topic: 'logs',
    owner: 1,
    state: 'open',
    deleting: false,
    segments: 2,
    records: 7,
    shortSegments: 0,
    groups,
    ...change,
  };
}

type Change = Partial<Omit<NodeReport, 'raft' | 'disk'>> & {
  raft?: Partial<NodeReport['raft']>;
  disk?: Partial<NodeReport['disk']>;
};

function heard(node: number, { raft, disk, ...change }: Change = {}): Heard {
  const report: NodeReport = {
    node,
    status: 'running',
    reasons: [],
    boot: 'abc',
    upSeconds: 100,
    raft: { role: node === 1 ? 'leader' : 'follower', term: 2, leader: 1, ...raft },
    disk: {
      directory: '/data',
      full: false,
      freeBytes: FREE,
      logFiles: 1,
      logBytes: 65_536,
      liveBytes: null,
      damagedRecords: 0,
      ...disk,
    },
    members: [member(1), member(2), member(3)],
    topics: [topic()],
    topicCount: 1,
    events: [
      { time: `2026-01-01T00:00:0${4 - node}.000Z`, node, level: 'info', text: `of ${node}` },
    ],
    ...change,
  };
  return { address: `10.0.0.${node}:9091`, report };
}

const silent = (node: number): Heard => ({ address: `10.0.0.${node}:9091`, silence: 'refused' });

/** Nodes with which all is right. */
const OTHERS = [heard(2), heard(3)];

test('a cluster that is well', () => {
  const status = statusOf([heard(1), heard(2), heard(3)]);
  expect(status).toMatchObject({ ok: true, problems: [], topicCount: 1 });
  expect(status.nodes.map(({ state, role }) => [state, role])).toEqual([
    ['ready', 'leader'],
    ['ready', 'voter'],
    ['ready', 'voter'],
  ]);
  expect(status.topics[0]!.groups).toEqual([{ group: 'default', lag: 4 }]);
  expect(status.events.map(({ node }) => node)).toEqual([3, 2, 1]);
  expect(screen(status, false)).toMatch(/^Everything is all right: 3 nodes, 1 topic\.\n/);
});

test.each<[string, Heard[], RegExp[]]>([
  ['nobody', [silent(1), silent(2)], [/^10\.0\.0\.1:9091: refused$/, /^10\.0\.0\.2:9091/]],
  [
    'a silent node',
    [
      heard(1, { members: [member(1), member(2), member(3, { live: false })] }),
      heard(2),
      silent(3),
    ],
    [/^node 3 \(10\.0\.0\.3:9091\) is silent$/],
  ],
  [
    'no quorum: its leaders are not told of one by one',
    [
      heard(1, {
        raft: { role: 'follower', leader: 0 },
        reasons: ['no Raft leader is known'],
        members: [member(1), member(2, { live: false }), member(3, { live: false })],
        topics: [topic({ state: 'stuck' })],
      }),
    ],
    [
      /^no quorum: node 1 does not hear nodes 2, 3 \(of 3 voters\)/,
      /^topic logs cannot be written/,
      /^node 2 .* is silent/,
      /^node 3 .* is silent/,
    ],
  ],
  [
    'no leader',
    [heard(1, { raft: { role: 'follower', leader: 0 } }), ...OTHERS],
    [/^no node leads/],
  ],
  ['a full disk', [heard(1, { disk: { full: true } }), ...OTHERS], [/^the disk of node 1 is full/]],
  [
    'little room',
    [heard(1, { disk: { freeBytes: 5e8 } }), ...OTHERS],
    [/^the disk of node 1 has 500 MB left/],
  ],
  [
    'damage',
    [heard(1, { disk: { damagedRecords: 3 } }), ...OTHERS],
    [/^3 records on node 1 are damaged/],
  ],
  [
    'a topic without an owner',
    [heard(1, { topics: [topic({ state: 'recovering' })] }), ...OTHERS],
    [/^topic logs has no owner/],
  ],
  [
    'a copy short',
    [heard(1, { topics: [topic({ shortSegments: 1 })] }), ...OTHERS],
    [/^topic logs: 1 segment lacks a copy/],
  ],
  [
    'a node that was refused',
    [
      heard(1),
      ...OTHERS,
      heard(4, { members: [], raft: { term: 0, leader: 0 }, reasons: ['refused: x'] }),
    ],
    [/^node 4 is no member of the cluster: refused: x/],
  ],
  [
    'a node that starts',
    [heard(1), heard(2, { reasons: ['the node is starting'] }), heard(3)],
    [/^node 2: the node is starting/],
  ],
])('%s', (_, each, expected) => {
  const status = statusOf(each);
  expect(status.ok).toBe(false);
  expect(status.problems).toHaveLength(expected.length);
  for (const [at, what] of expected.entries()) expect(status.problems[at]!.what).toMatch(what);
  for (const { mend } of status.problems) expect(mend).not.toBe('');
});

test('a node that the others hear and that cannot be asked from here is not called all right', () => {
  const status = statusOf([heard(1), heard(3), silent(2)]);
  expect(status.ok).toBe(false);
  expect(status.nodes[1]).toMatchObject({ state: 'lives', own: null });
  const [{ what, mend }] = status.problems as [{ what: string; mend: string }];
  expect(what).toMatch(/^node 2 lives, but nothing more is known from here/);
  expect(mend).toContain('--http-host');
});

test('nodes that answer and do not hear each other are not to be started again', () => {
  const alone = (node: number): Heard =>
    heard(node, {
      raft: { role: 'follower', leader: 0 },
      members: [1, 2, 3].map((each) => member(each, { live: each === node })),
    });
  const [problem] = statusOf([alone(1), alone(2), alone(3)]).problems;
  expect(problem!.what).toMatch(/^no quorum: node 1 does not hear nodes 2, 3 \(of 3 voters\)/);
  expect(problem!.mend).toBe('mend the network between node 1 and nodes 2, 3: they run');
  const [ofTwo] = statusOf([alone(1), silent(2), silent(3)]).problems;
  expect(ofTwo!.mend).toBe('start 1 of nodes 2, 3 again');
});

test('copies that are missing while all nodes are there need nobody', () => {
  const short = [topic({ shortSegments: 2 })];
  const [all] = statusOf([heard(1, { topics: short }), heard(2), heard(3)]).problems;
  expect(all!.mend).toMatch(/^nothing: all nodes are there/);
  const members = [member(1), member(2), member(3, { live: false })];
  const [away] = statusOf([heard(1, { topics: short, members }), heard(2)]).problems;
  expect(away!.mend).toMatch(/^start node 3 again/);
});

test('a full disk and damage are told once', () => {
  const { problems } = statusOf([
    heard(1, { disk: { full: true }, reasons: ['the disk is full'] }),
    heard(2, { disk: { damagedRecords: 2 }, reasons: ['records that are damaged: 2'] }),
    heard(3),
  ]);
  expect(problems.map(({ what }) => what)).toEqual([
    expect.stringMatching(/^the disk of node 1 is full/),
    expect.stringMatching(/^2 records on node 2 are damaged/),
  ]);
});

test('a name that would move the cursor does not', () => {
  const topics = [topic({ topic: 'a\u001b[2Jb\u009bc\u202ed' })];
  const shown = screen(statusOf([heard(1, { topics }), heard(2), heard(3)]), false);
  expect(shown).toContain('a\\u001b[2Jb\\u009bc\\u202ed');
});

test('who leads is believed, not who was cut off; the end of a topic is the highest that anybody knows', () => {
  const cutOff = heard(3, {
    raft: { term: 1, leader: 0 },
    members: [member(1, { live: false }), member(2, { live: false }), member(3)],
    topics: [topic({ records: 3 })],
  });
  const status = statusOf([cutOff, heard(1, { topics: [topic({ records: null })] }), heard(2)]);
  expect(status.nodes.map(({ state }) => state)).toEqual(['ready', 'ready', 'ready']);
  expect(status.topics[0]!.records).toBe(7);
});

test('one screen fits a terminal, whatever it shows', () => {
  const topics = Array.from({ length: 1000 }, (_, i) =>
    topic({ topic: `${'long-'.repeat(30)}${i}`, state: i < 5 ? 'stuck' : 'open' }),
  );
  const events = Array.from({ length: 50 }, (_, i) => ({
    time: '2026-01-01T00:00:00.000Z',
    node: 1,
    level: 'warn' as const,
    text: `${'long '.repeat(40)}${i}`,
  }));
  const members = [1, 2, 3, 4, 5, 6, 7].map((node) => member(node, { live: node < 5 }));
  const shown = screen(statusOf([heard(1, { topics, topicCount: 1000, events, members })]), false);
  const lines = shown.split('\n');
  expect(lines.length).toBeLessThanOrEqual(50);
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(100);
  expect(shown).toContain('… and 988 more topics');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control characters.
  expect(shown).not.toMatch(/\u001b/);
});

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1500, '1.5 kB'],
  [81_234_567_890, '81 GB'],
])('%i bytes are %s', (count, text) => expect(bytes(count)).toBe(text));
