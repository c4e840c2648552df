import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseAddress } from './address.ts';
import { Session } from './repl.ts';
import { type ScriptedNode, startScriptedNode } from './scripted-node.test-support.ts';

let node: ScriptedNode;
let home: string;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'walrus-cli-'));
  node = await startScriptedNode((request) => {
    if (request.kind === 'malformed') return `ERR ${request.message}`;
    if (request.kind === 'metrics') return '{\n  "id": 1\n}';
    if (request.topic === 'missing') return 'ERR unknown topic missing';
    if (request.topic === 'empty') return 'EMPTY';
    return { register: 'OK', put: 'OK', get: 'OK hello', fetch: 'OK 4 hello', state: '{"a":1}' }[
      request.kind
    ];
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
  const walrus = (args: readonly string[]): Promise<Ended> => run('runtime/main.js', args);
  const at = ['--addr', node.address];
  expect((await walrus(['register', 't', ...at])).out).toBe('topic t is there\n');
  expect((await walrus(['put', 't', 'some data', ...at])).out).toBe(
    'put into t: 9 bytes, on a quorum of disks\n',
  );
  expect((await walrus(['get', 't', ...at])).out).toBe('hello\n');
  expect((await walrus(['put', '--help'])).out).toMatch(/Exit codes: 0 done; 1 refused/);
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
  for (const word of ['register', 'put', 'get', 'fetch', 'state', 'metrics', 'status', 'exit']) {
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
