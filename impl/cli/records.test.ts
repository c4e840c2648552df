/** `produce`, `consume` and `bench` against a node, as they are built. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PROGRAM, TestCluster } from '../runtime/test-cluster.test-support.ts';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.start({
    nodes: 1,
    env: { WALRUS_MAX_SEGMENT_ENTRIES: '100', WALRUS_MONITOR_CHECK_MS: '200' },
  });
});
afterAll(() => cluster.destroy());

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function walrus(words: string, input = ''): Promise<Ended> {
  const args = [PROGRAM, ...words.split(' '), '--addr', cluster.node(1).address];
  const child = spawn(process.execPath, args);
  const said = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => {
    said.out += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    said.err += chunk.toString();
  });
  child.stdin.end(input);
  const [code] = await once(child, 'close');
  return { code: code as number, ...said };
}

const lines = (count: number): string =>
  Array.from({ length: count }, (_, index) => `line ${index}\n`).join('');

test('lines that are produced are consumed, in order', async () => {
  await walrus('register lines');
  const produced = await walrus('produce lines', lines(300));
  expect(produced).toMatchObject({ code: 0, err: '' });
  expect(produced.out).toMatch(/^300 records, 2\.3 kB, put into lines in /);
  expect((await walrus('consume lines')).out).toBe(lines(300));
  expect((await walrus('consume lines --from 298')).out).toBe('line 298\nline 299\n');
  expect((await walrus('consume lines --from 7 --count 1')).out).toBe('line 7\n');
  expect(await walrus('consume lines --from end')).toMatchObject({ code: 0, out: '' });
});

test('a topic that was trimmed is consumed from what it keeps, and what it forgot is refused', async () => {
  await walrus('register trimmed');
  await walrus('produce trimmed --in-flight 50', lines(250));
  const { out } = await walrus('topic trim trimmed 150');
  expect(out).toContain('begins at offset 100');
  expect((await walrus('consume trimmed --count 1')).out).toBe('line 100\n');
  expect(await walrus('consume trimmed --from end')).toMatchObject({ code: 0, out: '' });
  expect(await walrus('consume trimmed --from 7')).toMatchObject({ code: 1, out: '' });
});

test('JSON out of one topic goes into another', async () => {
  await walrus('register one');
  await walrus('register two');
  await walrus('produce one', 'first\nsecond\n');
  const { out } = await walrus('consume one --json');
  expect(out).toBe('{"offset":0,"payload":"first"}\n{"offset":1,"payload":"second"}\n');
  const { out: said } = await walrus('produce two --json', out);
  expect(JSON.parse(said)).toEqual({ ok: true, topic: 'two', records: 2, bytes: 11 });
  expect((await walrus('consume two')).out).toBe('first\nsecond\n');
});

test('a line that cannot be a record ends it, and says where to go on', async () => {
  await walrus('register strict');
  const { code, out, err } = await walrus('produce strict', 'good\n\nbad  \nlater\n');
  expect(code).toBe(64);
  expect(out).toMatch(/^1 record, .*; 1 empty line left out\n$/);
  expect(err).toMatch(/^Error: line 3: .*; go on from line 3\n$/);
  expect((await walrus('consume strict')).out).toBe('good\n');
});

test('a topic that is not there is refused, with the command that makes it', async () => {
  for (const words of ['produce nowhere', 'consume nowhere', 'consume nowhere --from end']) {
    const { code, err } = await walrus(words, 'x\n');
    expect(code, words).toBe(1);
    expect(err, words).toContain('make it with: walrus register nowhere');
  }
});

test('a consumer that follows shows what comes, until it is told to end', async () => {
  await walrus('register followed');
  const args = ['consume', 'followed', '--follow', '--addr', cluster.node(1).address];
  const child = spawn(process.execPath, [PROGRAM, ...args]);
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  await walrus('produce followed', 'one\ntwo\n');
  await cluster.until('both are shown', async () => out === 'one\ntwo\n');
  child.kill('SIGINT');
  const [code] = await once(child, 'close');
  expect(code).toBe(0);
});

test('a bench reads back what it wrote before it shows a figure, and leaves no topic', async () => {
  const { code, out } = await walrus('bench --seconds 1 --connections 2 --depth 2 --json');
  expect(code).toBe(0);
  const figures = JSON.parse(out) as Record<string, number>;
  expect(figures.acknowledged).toBeGreaterThan(0);
  expect(figures.recordsPerSecond).toBeGreaterThan(0);
  const shown = await walrus('bench --seconds 1 --connections 1 --depth 1');
  expect(shown.out).toContain('read back  all, and as written');
  expect((await walrus('topic list')).out).not.toContain('bench-');
});
