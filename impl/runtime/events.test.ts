/** What three live nodes tell their operator: each change once, at its place, in the log, in `walrus status` and in the metrics. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Status } from '../client/status.ts';
import { TestCluster } from './test-cluster.test-support.ts';

const PROGRAM = new URL('../../dist/impl/runtime/main.js', import.meta.url).pathname;
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start({
    env: { WALRUS_MAX_SEGMENT_ENTRIES: '5', WALRUS_MONITOR_CHECK_MS: '200' },
  });
});
afterAll(() => cluster.destroy());

interface Line {
  readonly node: number;
  readonly event: string;
  readonly [field: string]: unknown;
}

function events(name: string): Line[] {
  // What follows the last line break is a line that is still being written.
  const lines = cluster.nodes.flatMap(({ log }) =>
    log
      .split('\n')
      .slice(0, -1)
      .filter((line) => line.startsWith('{')),
  );
  return lines.map((line) => JSON.parse(line) as Line).filter(({ event }) => event === name);
}

async function walrus(...args: readonly string[]): Promise<{ code: number; out: string }> {
  const child = spawn(process.execPath, [
    PROGRAM,
    ...args,
    '--addr',
    cluster.addresses().join(','),
  ]);
  let out = '';
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  const [code] = await once(child, 'close');
  return { code, out };
}

const status = async (): Promise<Status> => JSON.parse((await walrus('status', '--json')).out);

async function metric(id: number, line: RegExp): Promise<boolean> {
  const { http_address: http } = await cluster.metrics(id);
  return line.test(await (await fetch(`http://${http}/metrics`)).text());
}

test('a cluster that came up: one leader, two nodes let in, each with a vote, once', async () => {
  expect(events('LeaderElected')).toHaveLength(1);
  expect(
    events('NodeAdmitted')
      .map(({ member }) => member)
      .sort(),
  ).toEqual([2, 3]);
  expect(events('NodeSuspected')).toEqual([]);
  await cluster.until('both have votes', async () => events('NodeJoined').length === 2);
  await cluster.until('all is right', async () => (await status()).ok);
  expect((await walrus('status')).code).toBe(0);
});

test('topics: who owns them and why that changed, by the new owner', async () => {
  const client = cluster.client();
  await client.register('t');
  for (let i = 0; i < 12; i++) await client.put('t', `${i}`);
  await client.get('t');
  await cluster.until('both rollovers are told', async () => events('OwnerChanged').length === 3);
  const changes = events('OwnerChanged').sort((a, b) => Number(a.segment) - Number(b.segment));
  expect(changes.map(({ reason }) => reason)).toEqual(['created', 'rollover', 'rollover']);
  const ofTopic = async (): Promise<object | undefined> => (await status()).topics[0];
  await cluster.until('the lag is shown', async () => {
    expect(await ofTopic()).toMatchObject({
      topic: 't',
      state: 'open',
      records: 12,
      groups: [{ group: 'default', lag: 11 }],
    });
    return true;
  });
});

test('a node that is killed: suspected once, its topic moved once, and all of it is over when it is back', async () => {
  const owner = (await status()).topics[0]!.owner;
  const others = cluster.nodes.map(({ id }) => id).filter((id) => id !== owner);
  const before = events('OwnerChanged').length;
  await cluster.kill(owner);
  await cluster.until(
    'its topic has another owner',
    async () => events('OwnerChanged').length > before,
  );
  const moved = events('OwnerChanged').slice(before);
  expect(events('OwnerChanged').filter(({ reason }) => reason === 'failover')).toMatchObject([
    { topic: 't', before: owner },
  ]);
  expect(moved).toHaveLength(1);
  await cluster.until('it is suspected', async () => events('NodeSuspected').length > 0);
  await cluster.until('status says so', async () => {
    const { ok, problems } = await status();
    return (
      !ok &&
      problems.some(({ what }) => what.startsWith(`node ${owner} `) && what.endsWith('is silent'))
    );
  });
  expect((await walrus('status')).code).toBe(1);
  expect(
    await metric(others[0]!, new RegExp(`^walrus_member_up\\{member="${owner}"\\} 0$`, 'm')),
  ).toBe(true);
  expect(
    (await metric(others[0]!, /^walrus_owner_changes_total\{reason="failover"\} 1$/m)) ||
      (await metric(others[1]!, /^walrus_owner_changes_total\{reason="failover"\} 1$/m)),
  ).toBe(true);

  cluster.launch(owner);
  await cluster.until('it is heard', async () => events('NodeHeard').length > 0);
  await cluster.until('all is right again', async () => (await status()).ok);
  // By one leader, or by two if the first one was killed.
  expect(events('NodeSuspected')).toHaveLength(1);
  expect(events('NodeHeard')).toHaveLength(1);
});

test('two nodes that are killed: the third has no quorum, says so once, and when it is over', async () => {
  await cluster.kill(2);
  await cluster.kill(3);
  const lost = (): Line[] => events('QuorumLost');
  await cluster.until('the quorum is lost', async () => lost().length === 1);
  expect(lost()[0]).toMatchObject({ voters: 3, silent: [2, 3] });
  const { problems } = await status();
  expect(problems[0]!.what).toMatch(/^no quorum: node 1 does not hear nodes 2, 3 \(of 3 voters\)/);
  expect(await metric(1, /^walrus_quorum 0$/m)).toBe(true);
  cluster.launch(2);
  cluster.launch(3);
  const found = (): Line[] => events('QuorumFound');
  await cluster.until('the quorum is found', async () => found().length === 1);
  await cluster.until('all is right again', async () => (await status()).ok);
  expect(lost()).toHaveLength(1);
  expect(await metric(1, /^walrus_quorum 1$/m)).toBe(true);
});

test('a second process under a number is refused, and that is told once', async () => {
  const { current_leader: leader } = await cluster.metrics(1);
  const number = leader === 2 ? 3 : 2;
  const stranger = spawn(process.execPath, [
    PROGRAM,
    'node',
    ...[
      '--node-id',
      `${number}`,
      '--data-dir',
      `${cluster.directory}/stranger`,
      '--http-port',
      'off',
    ],
    ...['--raft-port', `${cluster.node(1).raftPort + 20}`, '--client-port', '0'],
    ...['--join', `127.0.0.1:${cluster.node(1).raftPort}`],
  ]);
  let log = '';
  stranger.stdout.on('data', (chunk) => {
    log += chunk;
  });
  await cluster.until('it is refused', async () => log.includes('"event":"Excluded"'));
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  stranger.kill('SIGKILL');
  await once(stranger, 'close');
  expect(log.match(/"event":"Excluded"/g)).toHaveLength(1);
  expect(events('NodeRefused')).toHaveLength(1);
  expect(events('NodeRefused')[0]!.msg).toMatch(
    new RegExp(`^node ${number} asked to be let in and is refused: .*--replace`),
  );
});
