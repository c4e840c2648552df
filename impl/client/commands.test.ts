import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseAddress } from './address.ts';
import { Session } from './repl.ts';
import { type ScriptedNode, startScriptedNode } from './scripted-node.test-support.ts';

const TOPICS = {
  count: 3,
  topics: [
    { topic: 'logs', owner: 1, segments: 3, records: 2000, deleting: false },
    { topic: 'old', owner: 2, segments: 1, records: null, deleting: true },
  ],
};

const NODES = {
  nodes: [
    {
      ...{ node: 1, state: 'active', voter: true, live: true, clientAddress: 'a:1' },
      ...{ copies: 12, coming: 1, owns: 2 },
    },
    {
      ...{ node: 3, state: 'gone', voter: false, live: false, clientAddress: 'c:3' },
      ...{ copies: 4, coming: 0, owns: 0 },
    },
  ],
};

let node: ScriptedNode;
let home: string;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'walrus-cli-'));
  node = await startScriptedNode((request) => {
    if (request.kind === 'malformed') return `ERR ${request.message}`;
    if (request.kind === 'metrics') return '{\n  "id": 1\n}';
    if (request.kind === 'topics') return JSON.stringify(TOPICS);
    if (request.kind === 'nodes') return JSON.stringify(NODES);
    if (request.kind === 'node') {
      return request.node === 9 ? 'ERR WouldLose: node 9 lives; drain it first' : 'OK';
    }
    if (request.topic === 'missing') return 'ERR unknown topic missing';
    if (request.topic === 'empty') return 'EMPTY';
    return {
      register: 'OK',
      put: 'OK',
      get: 'OK hello',
      fetch: 'OK 4 hello',
      state: '{"a":1}',
      delete: 'OK',
      trim: 'OK 4',
      create: 'OK',
      set: 'OK',
    }[request.kind];
  });
});

afterAll(async () => {
  await node.close();
  rmSync(home, { recursive: true });
});

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

const cli = (args: readonly string[], input = ''): Promise<Ended> =>
  run('client/walrus-cli.js', args, input);

const walrus = (args: readonly string[], addr = node.address): Promise<Ended> =>
  run('runtime/main.js', [...args, '--addr', addr]);

/** Runs a built program as a user would. */
async function run(path: string, args: readonly string[], input = ''): Promise<Ended> {
  const program = new URL(`../../dist/impl/${path}`, import.meta.url).pathname;
  const child = spawn(process.execPath, [program, ...args], {
    env: { ...process.env, WALRUS_HISTORY: join(home, 'history') },
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk) => (out += chunk));
  child.stderr.on('data', (chunk) => (err += chunk));
  child.stdin.end(input);
  const [code] = await once(child, 'close');
  return { code, out, err };
}

const connected = (): string => `→ connected target: ${node.address}\n`;

test.each<[string[], string]>([
  [['register', 't'], ''],
  [['put', 't', 'some data'], ''],
  [['get', 't'], 'hello\n'],
  [['get', 'empty'], 'EMPTY\n'],
  [['fetch', 't', '3'], 'hello\n'],
  [['state', 't'], '{"a":1}\n'],
  [['metrics'], '{\n  "id": 1\n}\n'],
])('%j', async (args, out) => {
  const expected = { code: 0, out: connected() + out, err: '' };
  expect(await cli(['--addr', node.address, ...args])).toEqual(expected);
});

test.each<[string[], string]>([
  [['register', 't'], '{"ok":true,"topic":"t"}'],
  [['put', 't', 'some data'], '{"ok":true,"topic":"t","bytes":9}'],
  [['get', 't'], '{"payload":"hello"}'],
  [['get', 'empty'], '{"payload":null}'],
  [['fetch', 't', '3'], '{"next":4,"payload":"hello"}'],
  [['fetch', 'empty', '3'], '{"next":3,"payload":null}'],
  [['metrics'], '{"id":1}'],
])('--json %j', async (args, out) => {
  const expected = { code: 0, out: `${out}\n`, err: '' };
  expect(await cli(['--json', '--addr', node.address, ...args])).toEqual(expected);
});

test('a refusal goes to stderr, says what to do, and ends in 1', async () => {
  for (const args of [
    ['put', 'missing', 'x'],
    ['get', 'missing'],
  ]) {
    expect(await cli(['--addr', node.address, ...args])).toEqual({
      code: 1,
      out: connected(),
      err: 'Error: unknown topic missing; make it with: walrus register missing\n',
    });
  }
  const json = await cli(['--json', '--addr', node.address, 'get', 'missing']);
  expect(json.code).toBe(1);
  expect(JSON.parse(json.err).error).toMatchObject({ code: 'UnknownTopic', committed: 'no' });
});

test('no node, no success', async () => {
  const one = await cli(['--addr', '127.0.0.1:1', 'get', 't']);
  expect(one.code).toBe(69);
  expect(one.err).toMatch(/^Error: connect to 127\.0\.0\.1:1: .*walrus dev/);
  const two = await cli(['--addr', '127.0.0.1:1,127.0.0.1:2', 'get', 't']);
  expect(two.code).toBe(69);
  expect(two.err).toMatch(/^Error: no node answers at 127\.0\.0\.1:1, 127\.0\.0\.1:2; /);
});

test('one of several nodes is enough', async () => {
  const { code, out } = await cli(['--addr', `127.0.0.1:1,${node.address}`, 'get', 't']);
  expect(code).toBe(0);
  expect(out).toBe(`→ connected target: 127.0.0.1:1,${node.address}\nhello\n`);
});

test('what may have been done is not asked of another node', async () => {
  const silent = await startScriptedNode((_, socket) => {
    socket.destroy();
    return undefined;
  });
  const before = node.requests.length;
  const both = `${silent.address},${node.address}`;
  const { code, err } = await cli(['--json', '--addr', both, 'put', 't', 'x']);
  expect(code).toBe(75);
  expect(JSON.parse(err).error).toMatchObject({ code: 'OutcomeUnknown', committed: 'unknown' });
  expect(node.requests.length).toBe(before);
  await silent.close();
});

test.each([
  [['--addr', 'nonsense', 'get', 't']],
  [['fetch', 't', '-1x']],
  [['fetch', 't', '1e3']],
  [['put', 't']],
  [['fly']],
])('usage error: %j', async (args) => {
  const { code, err } = await cli(args);
  expect(code).toBe(64);
  expect(err).toMatch(/^error: [^\n]*\n(\(.*\)\n)?$/i);
});

test("the other program's words: success says something", async () => {
  expect((await walrus(['register', 't'])).out).toBe('topic t is there\n');
  expect((await walrus(['put', 't', 'some data'])).out).toBe(
    'put into t: 9 bytes, on a quorum of disks\n',
  );
  expect((await walrus(['get', 't'])).out).toBe('hello\n');
  expect((await walrus(['put', '--help'])).out).toMatch(/Exit codes: 0 done; 1 refused/);
});

test.each<[string[], object, string, string]>([
  [
    ['create', 't'],
    { kind: 'create', topic: 't', policy: {} },
    'topic t is there',
    '{"ok":true,"topic":"t"}',
  ],
  [['describe', 't'], { kind: 'state', topic: 't' }, '{"a":1}', '{"a":1}'],
  [
    ['delete', 't'],
    { kind: 'delete', topic: 't' },
    'deleted topic t, with its records and cursors',
    '{"ok":true,"topic":"t"}',
  ],
  [
    ['create', 't', 'retention.bytes=800', 'retention.consumed=true'],
    { kind: 'create', topic: 't', policy: { retentionBytes: 800, retentionConsumed: true } },
    'topic t is there',
    '{"ok":true,"topic":"t"}',
  ],
  [
    ['set', 't', 'segment.ms=0'],
    { kind: 'set', topic: 't', policy: { segmentMs: 0 } },
    'topic t has that policy',
    '{"ok":true,"topic":"t"}',
  ],
  [
    ['trim', 't', '7'],
    { kind: 'trim', topic: 't', before: 7 },
    'topic t begins at offset 4',
    '{"ok":true,"topic":"t","start":4}',
  ],
  [
    ['list'],
    { kind: 'topics' },
    [
      'topic  owner   segments  records',
      'logs   node 1  3         2000',
      'old    node 2  1         ?        being deleted',
      'and 1 more',
    ].join('\n'),
    JSON.stringify(TOPICS),
  ],
])('walrus topic %j', async (args, request, out, json) => {
  expect(await walrus(['topic', ...args])).toEqual({ code: 0, out: `${out}\n`, err: '' });
  expect(node.requests.at(-1)).toEqual(request);
  const scripted = await walrus(['topic', ...args, '--json']);
  expect(scripted).toEqual({ code: 0, out: `${json}\n`, err: '' });
});

test('walrus topic fails as the others do', async () => {
  expect(await walrus(['topic', 'delete', 'missing'])).toEqual({
    code: 1,
    out: '',
    err: 'Error: unknown topic missing\n',
  });
  expect((await walrus(['topic', 'describe', 'missing'])).err).toContain('walrus register missing');
  expect((await walrus(['topic', 'delete', 't'], '127.0.0.1:1')).code).toBe(69);
  for (const args of [['delete'], ['fly'], [], ['set', 't'], ['set', 't', 'x=1']]) {
    const { code, out } = await run('runtime/main.js', ['topic', ...args]);
    expect([code, out]).toEqual([64, '']);
  }
  const help = await run('runtime/main.js', ['topic', 'delete', '--help']);
  expect(help.out).toMatch(/Exit codes: 0 done; 1 refused/);
});

test('whether a topic was deleted may be unknown', async () => {
  const silent = await startScriptedNode((_, socket) => {
    socket.destroy();
    return undefined;
  });
  expect((await walrus(['topic', 'delete', 't'], silent.address)).code).toBe(75);
  await silent.close();
});

test('the REPL lists and deletes', async () => {
  const { code, out, err } = await cli(
    ['--addr', node.address],
    'topics\ndelete t\nDELETE t\ndelete missing\n',
  );
  expect(out).toMatch(/^topic .*\n.*\n.*\nand 1 more\ndeleted topic t, .*\nOK\n$/);
  expect([code, err]).toEqual([1, 'Error: unknown topic missing\n']);
});

test('into a pipe the REPL prints answers alone, and ends as its first failure does', async () => {
  const input = 'put t "x y"\n\n  get t  \nPUT t "x y"\nexit\nget t\n';
  expect(await cli(['--addr', node.address], input)).toEqual({
    code: 0,
    out: 'put into t: 3 bytes, on a quorum of disks\nhello\nOK\n',
    err: '',
  });
  // Words of the command line are quoted; a line in capitals goes out as it is.
  const puts = node.requests.filter((request) => request.kind === 'put').slice(-2);
  expect(puts.map(({ payload }) => Buffer.from(payload).toString())).toEqual(['x y', '"x y"']);

  const failing = await cli(['--addr', node.address], 'get missing\nfly\nget t\n');
  expect(failing.code).toBe(1);
  expect(failing.out).toBe('hello\n');
  expect(failing.err).toMatch(/^Error: unknown topic missing.*\nError: unknown command: fly.*\n$/);
  expect((await cli(['--addr', node.address], 'put t\n')).code).toBe(64);
});

test('the REPL gives JSON if it is told to', async () => {
  const { out, err } = await cli(['--json', '--addr', node.address], 'GET t\nget empty\nfly\n');
  expect(out).toBe('{"payload":"hello"}\n{"payload":null}\n');
  expect(JSON.parse(err).error.code).toBe('InvalidArgument');
});

test('the REPL shows the status, and ends with 1 if something is wrong', async () => {
  const { code, out } = await cli(['--addr', '127.0.0.1:1'], 'status\n');
  expect(out).toMatch(
    /^One thing is not all right:\n {2}! 127\.0\.0\.1:1: .*\n {4}→ start a node there/,
  );
  expect(code).toBe(1);
});

test('the REPL lists its words and completes them', async () => {
  const { out } = await cli(['--addr', node.address], 'help\n');
  for (const word of ['register', 'put', 'get', 'fetch', 'state', 'topics', 'delete', 'status']) {
    expect(out).toMatch(new RegExp(`^  ${word}\\b`, 'm'));
  }
  const session = new Session({ addr: [parseAddress(node.address)!], timeout: 5000 });
  expect(await session.complete('ge')).toEqual([['get '], 'ge']);
  expect(await session.complete('')).toEqual([expect.arrayContaining(['put ', 'help ']), '']);
  expect(await session.complete('get t')).toEqual([[], 't']);
  await session.answer('get topic-of-mine');
  expect(await session.complete('get t')).toEqual([['topic-of-mine '], 't']);
  expect(await session.complete('metrics t')).toEqual([[], 't']);
});

test('walrus node asks about nodes, and says what it did or why not', async () => {
  const list = await walrus(['node', 'list']);
  expect(list).toEqual({
    code: 0,
    err: '',
    out: [
      'node  state   vote  heard  owns  copies  coming  address',
      '1     active  yes   yes    2     12      1       a:1',
      '3     gone    no    no     0     4       0       c:3',
      '',
    ].join('\n'),
  });
  expect((await walrus(['node', 'can-stop', '3'])).out).toContain('node 3 may stop');
  expect((await walrus(['node', 'drain', '3'])).out).toContain('is being drained');
  expect((await walrus(['node', 'drain', '3', '--dry-run'])).out).toContain('can be drained');
  expect((await walrus(['node', 'drain', '3', '--cancel'])).out).toContain('is to stay');
  expect((await walrus(['node', 'remove', '3', '--json'])).out).toBe(
    '{"ok":true,"node":3,"dryRun":false}\n',
  );
  const refused = { code: 1, out: '', err: 'Error: node 9 lives; drain it first\n' };
  expect(await walrus(['node', 'remove', '9', '--dry-run'])).toEqual(refused);
  expect((await walrus(['node', 'remove', 'x'])).code).toBe(64);
});
