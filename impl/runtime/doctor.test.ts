import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, type StatsFs, statfsSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  checkMemory,
  checkNode,
  checkOpenFiles,
  checkRoom,
  checkSync,
  clockFinding,
  type Finding,
  mountOptions,
} from './doctor.ts';
import { freePorts } from './free-ports.test-support.ts';
import { PROGRAM, TestCluster } from './test-cluster.test-support.ts';

const scratch = mkdtempSync(join(tmpdir(), 'walrus-doctor-test-'));
afterAll(() => rmSync(scratch, { recursive: true }));

interface Report {
  readonly ok: boolean;
  readonly findings: readonly Finding[];
}

function doctor(...flags: readonly string[]): { code: number | null; report: Report } {
  const { status, stdout } = spawnSync(process.execPath, [PROGRAM, 'doctor', '--json', ...flags], {
    encoding: 'utf8',
  });
  return { code: status, report: JSON.parse(stdout) as Report };
}

const find = ({ findings }: Report, check: string): Finding =>
  findings.find((each) => each.check === check)!;

describe('what each check makes of what it measured', () => {
  test('node.js', () => {
    expect(checkNode('20.18.3').level).toBe('bad');
    expect(checkNode('20.19.0').level).toBe('ok');
    expect(checkNode('24.1.0').level).toBe('ok');
  });

  test('fsync: too quick to be true, slow, switched off', () => {
    const at = import.meta.dirname;
    const took = (ms: number): number[] => Array.from({ length: 100 }, () => ms);
    expect(checkSync(at, took(0.5), '').level).toBe('ok');
    expect(checkSync(at, took(0.005), '')).toMatchObject({ level: 'warn' });
    expect(checkSync(at, took(40), '')).toMatchObject({ level: 'warn' });
    expect(checkSync(at, took(0.5), '/usr/lib/libeatmydata.so')).toMatchObject({ level: 'bad' });
  });

  test('the mount that a directory is on is the innermost', () => {
    const mounts = '/dev/a / ext4 rw 0 0\n/dev/b /srv ext4 rw,nobarrier 0 0\nx /srvx ext4 ro 0 0\n';
    expect(mountOptions('/srv/walrus', mounts)).toEqual(['rw', 'nobarrier']);
    expect(mountOptions('/var', mounts)).toEqual(['rw']);
  });

  test('room, memory, open files, clock', () => {
    const disk = (free: number): StatsFs =>
      ({ bavail: free, blocks: 1000, bsize: 1e9, ffree: 1e6, files: 1e7 }) as StatsFs;
    expect(checkRoom('/x', disk(500)).level).toBe('ok');
    expect(checkRoom('/x', disk(50)).level).toBe('warn');
    expect(checkRoom('/x', disk(1)).level).toBe('bad');
    expect(checkMemory(5e8).level).toBe('warn');
    const limits = (most: string): string => `Max open files            ${most}     4096   files\n`;
    expect(checkOpenFiles(limits('512')).level).toBe('bad');
    expect(checkOpenFiles(limits('1024')).level).toBe('warn');
    expect(checkOpenFiles(limits('unlimited')).level).toBe('ok');
    expect(clockFinding('tsc', 3).level).toBe('ok');
    expect(clockFinding('hpet', 3).level).toBe('warn');
    expect(clockFinding('tsc', 900).level).toBe('warn');
  });
});

test('a directory that cannot be, a port that is taken, a peer that is silent: each with its mend', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as AddressInfo;
  const [free, silent] = (await freePorts(2)) as [number, number];
  const { code, report } = doctor(
    ...['--data-dir', '/proc/x', '--client-port', `${port}`, '--raft-port', `${free}`],
    ...['--http-port', 'off', '--node-id', '2', '--join', `127.0.0.1:${silent}`],
  );
  taken.close();
  expect(code).toBe(1);
  expect(report.ok).toBe(false);
  expect(find(report, 'directory')).toMatchObject({ level: 'bad' });
  expect(find(report, `port ${port}`)).toMatchObject({ level: 'bad' });
  expect(find(report, `port ${free}`)).toMatchObject({ level: 'ok' });
  expect(find(report, 'peer')).toMatchObject({ level: 'warn' });
  for (const { level, mend } of report.findings) expect(mend === '').toBe(level === 'ok');
});

test('beside a node that runs its port is no trouble, and nothing is left in the directory', async () => {
  const cluster = await TestCluster.start({ nodes: 1 });
  try {
    const { clientPort, raftPort } = cluster.node(1);
    const before = readdirSync(cluster.directory);
    const flags = ['--client-port', `${clientPort}`, '--raft-port', `${raftPort}`];
    const { report } = doctor('--data-dir', cluster.directory, '--http-port', 'off', ...flags);
    expect(find(report, `port ${clientPort}`)).toMatchObject({
      level: 'ok',
      what: 'node 1 listens there',
    });
    expect(readdirSync(cluster.directory)).toEqual(before);
    expect(readdirSync(join(cluster.directory, 'node_1')).join()).not.toContain('doctor');
  } finally {
    await cluster.destroy();
  }
});

test.runIf(existsSync('/dev/shm') && statfsSync('/dev/shm').type === 16914836)(
  'a directory in memory is bad',
  () => {
    const { code, report } = doctor('--data-dir', '/dev/shm/walrus-doctor', '--http-port', 'off');
    expect(code).toBe(1);
    expect(find(report, 'fsync').what).toContain('tmpfs');
  },
);

test('for people it is one line for each check, with the mend', () => {
  const words = [PROGRAM, 'doctor', '--data-dir', scratch, '--http-port', 'off'];
  const { stdout } = spawnSync(process.execPath, words, { encoding: 'utf8' });
  const lines = stdout.trimEnd().split('\n');
  for (const line of lines) expect(line).toMatch(/^(ok {2}|bad |warn) {2}\S/);
  expect(lines.length).toBeGreaterThan(8);
  expect(() =>
    execFileSync(process.execPath, [PROGRAM, 'doctor', '--raft-port', 'x'], { stdio: 'pipe' }),
  ).toThrow(/--raft-port/);
});
