import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
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

/** Runs the built program as a user would. */
async function cli(
  args: readonly string[],
  input = '',
): Promise<{ code: number; out: string; err: string }> {
  const program = new URL('../../dist/impl/client/walrus-cli.js', import.meta.url).pathname;
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
  [['register', 't'], '{"ok":true}'],
  [['get', 't'], '{"payload":"hello"}'],
  [['get', 'empty'], '{"payload":null}'],
  [['fetch', 't', '3'], '{"next":4,"payload":"hello"}'],
  [['fetch', 'empty', '3'], '{"next":3,"payload":null}'],
  [['metrics'], '{"id":1}'],
])('--json %j', async (args, out) => {
  const expected = { code: 0, out: `${out}\n`, err: '' };
  expect(await cli(['--json', '--addr', node.address, ...args])).toEqual(expected);
});

test('a refusal goes to stderr and ends in 1', async () => {
  expect(await cli(['--addr', node.address, 'put', 'missing', 'x'])).toEqual({
    code: 1,
    out: connected(),
    err: 'Error: ERR unknown topic missing\n',
  });
  expect((await cli(['--addr', node.address, 'get', 'missing'])).err).toBe(
    'Error: unexpected GET response: ERR unknown topic missing\n',
  );
  const json = await cli(['--json', '--addr', node.address, 'get', 'missing']);
  expect(json.code).toBe(1);
  expect(JSON.parse(json.err).error).toMatchObject({ code: 'UnknownTopic', committed: 'no' });
});

test('no node, no success', async () => {
  const { code, err } = await cli(['--addr', '127.0.0.1:1', 'get', 't']);
  expect(code).toBe(1);
  expect(err).toMatch(/^Error: connect to 127\.0\.0\.1:1: /);
});

test.each([[['--addr', 'nonsense', 'get', 't']], [['fetch', 't', '-1x']], [['fly']]])(
  'usage error: %j',
  async (args) => {
    const { code, err } = await cli(args);
    expect(code).toBe(1);
    expect(err).toMatch(/error:/);
  },
);

test('the REPL answers line by line and leaves on exit', async () => {
  const input = 'PUT t "x"\n\n  GET t  \nbogus\nexit\nGET t\n';
  const { code, out } = await cli(['--addr', node.address], input);
  expect(code).toBe(0);
  expect(out.startsWith(`${connected()}\n\u001b[38;5;80m`)).toBe(true);
  const answers = out.split('\n').filter((line) => /OK|ERR/.test(line));
  expect(answers.map((line) => line.replace(/^.* > /, ''))).toEqual([
    'OK',
    'OK hello',
    'ERR unknown command',
  ]);
  const put = node.requests.findLast((request) => request.kind === 'put');
  expect(put).toMatchObject({ payload: Buffer.from('"x"') });
});
