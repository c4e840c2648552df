/** What a machine has to have for a node, looked at one by one. Nothing is left behind. */
import { once } from 'node:events';
import {
  closeSync,
  constants,
  existsSync,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  type StatsFs,
  statfsSync,
  writeSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import { totalmem } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Address, formatAddress, parseAddress } from '../client/address.ts';
import { ask } from '../client/asking.ts';
import { writeRequest } from '../client/protocol.ts';
import { bytes } from '../client/status.ts';
import { WalrusError } from '../core/errors.ts';
import type { ProcessConfig } from './config.ts';
import { type DiskChoice, type OpenedDisk, openDisk } from './open-disk.ts';

/** `bad`: a node does not run so, or promises what it cannot hold. `warn`: it runs, worse than it could. */
export type Level = 'ok' | 'warn' | 'bad';

export interface Finding {
  readonly check: string;
  readonly level: Level;
  readonly what: string;
  /** What to do about it; empty if all is right. */
  readonly mend: string;
}

const GIB = 1024 ** 3;
const SYNCS = 100;
/** Quicker than any disk that keeps what it was given. */
const SYNC_TOO_QUICK_MS = 0.02;
const SYNC_SLOW_MS = 20;
/** An owner that stands still for longer than this loses its lease at most settings. */
const PAUSE_LONG_MS = 200;
const FILES_ENOUGH = 65_536;
const CONNECT_MS = 2_000;
/** File systems that forget everything with the power, by their magic numbers. */
const MEMORY_FILE_SYSTEMS: Readonly<Record<number, string>> = {
  16914836: 'tmpfs',
  2240043254: 'ramfs',
};
/** Reading them takes nanoseconds and no system call. */
const QUICK_CLOCKS = ['tsc', 'kvm-clock', 'arch_sys_counter', 'hyperv_clocksource_tsc_page', 'xen'];

/** All checks, in the order in which they are shown. */
export async function examineMachine(config: ProcessConfig): Promise<Finding[]> {
  const findings = [checkNode(process.versions.node)];
  const place = existing(config.directory);
  const scratch = makeScratch(place);
  if (typeof scratch !== 'string') findings.push(scratch);
  else {
    try {
      findings.push(
        ok('directory', `${config.directory} can be written`),
        await checkDisk(scratch),
        checkSync(place, measureSyncs(scratch), process.env.LD_PRELOAD ?? ''),
        checkRoom(place, statfsSync(place)),
      );
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  }
  findings.push(
    checkMemory(memoryBytes()),
    checkOpenFiles(readOr('/proc/self/limits', '')),
    await checkClock(),
  );
  findings.push(
    await checkPort('--raft-port', config.raft, config.client),
    await checkPort('--client-port', config.client, config.client),
  );
  if (config.http !== undefined) {
    findings.push(await checkPort('--http-port', config.http, config.client));
  }
  for (const peer of config.node.join) findings.push(await checkPeer(peer));
  return findings;
}

const ok = (check: string, what: string): Finding => ({ check, level: 'ok', what, mend: '' });

export function checkNode(version: string): Finding {
  const [major, minor] = version.split('.').map(Number) as [number, number];
  if (major > 20 || (major === 20 && minor >= 19)) return ok('node.js', version);
  return { check: 'node.js', level: 'bad', what: version, mend: 'install 20.19 or newer' };
}

/** The directory, or the nearest above it that is there. */
function existing(directory: string): string {
  let place = resolve(directory);
  while (!existsSync(place)) place = dirname(place);
  return place;
}

function makeScratch(place: string): string | Finding {
  try {
    return mkdtempSync(join(place, '.walrus-doctor-'));
  } catch (error) {
    return {
      check: 'directory',
      level: 'bad',
      what: (error as Error).message,
      mend: 'name another with --data-dir, or give it to the user who runs the node',
    };
  }
}

/** Which way to the disk a node takes here, and whether it had the choice. */
async function checkDisk(scratch: string): Promise<Finding> {
  const { way, reason } = await probe(scratch, 'auto');
  const taken = `a node takes ${way}: ${reason}`;
  if (way === 'portable') {
    return {
      check: 'disk',
      level: 'warn',
      what: taken,
      mend: 'install the package of the native disk, or a compiler and: make native',
    };
  }
  try {
    await probe(scratch, 'io_uring');
    return ok('disk', way === 'io_uring' ? taken : `${taken}. io_uring is permitted, too`);
  } catch (error) {
    if (!(error instanceof WalrusError)) throw error;
    return {
      check: 'disk',
      level: 'warn',
      what: `${taken}. ${error.message}`,
      mend: 'nothing for a node, which syncs each batch; the library gains by it: sysctl kernel.io_uring_disabled=0, the seccomp profile of the container',
    };
  }
}

async function probe(
  scratch: string,
  choice: DiskChoice,
): Promise<Pick<OpenedDisk, 'way' | 'reason'>> {
  const opened = openDisk(scratch, choice, () => {}, { inline: false, syncsEach: true });
  const { way, reason } = opened;
  await opened.close();
  return { way, reason };
}

/** How long each of some small writes took until it was durable, in milliseconds, sorted. */
function measureSyncs(scratch: string): number[] {
  const file = join(scratch, 'syncs');
  const fd = openSync(file, constants.O_CREAT | constants.O_RDWR);
  const page = Buffer.alloc(4_096, 1);
  const tookMs: number[] = [];
  try {
    for (let at = 0; at < SYNCS; at++) writeSync(fd, page, 0, page.length, at * page.length);
    fdatasyncSync(fd);
    // Over what is there already, as a node writes.
    for (let at = 0; at < SYNCS; at++) {
      const startMs = performance.now();
      writeSync(fd, page, 0, page.length, at * page.length);
      fdatasyncSync(fd);
      tookMs.push(performance.now() - startMs);
    }
  } finally {
    closeSync(fd);
  }
  return tookMs.sort((a, b) => a - b);
}

/** Whether what the disk says is durable can be believed. Only pulling the plug proves it. */
export function checkSync(place: string, tookMs: readonly number[], preload: string): Finding {
  const check = 'fsync';
  const bad = (what: string, mend: string): Finding => ({ check, level: 'bad', what, mend });
  const memory = MEMORY_FILE_SYSTEMS[statfsSync(place).type];
  if (memory !== undefined) {
    return bad(
      `${place} is on ${memory}, which forgets all when the machine restarts`,
      'name a directory on a disk with --data-dir',
    );
  }
  if (preload.includes('eatmydata')) {
    return bad('libeatmydata makes syncs do nothing', 'start the node without LD_PRELOAD');
  }
  const options = mountOptions(place, readOr('/proc/self/mounts', ''));
  if (options.includes('nobarrier') || options.includes('barrier=0')) {
    return bad(
      'the file system is mounted without barriers, so the disk may lose what was synced',
      'mount it without nobarrier',
    );
  }
  const medianMs = tookMs[Math.floor(tookMs.length / 2)]!;
  const slowestMs = tookMs[Math.floor(tookMs.length * 0.99)]!;
  const what = `half of ${tookMs.length} syncs took less than ${shownMs(medianMs)}, one in a hundred more than ${shownMs(slowestMs)}`;
  if (medianMs < SYNC_TOO_QUICK_MS) {
    return {
      check,
      level: 'warn',
      what: `${what}: no disk that keeps what it was given is so quick`,
      mend: 'see that the disk, or the host of this virtual machine, does not cache writes that are to be durable',
    };
  }
  if (medianMs > SYNC_SLOW_MS) {
    return {
      check,
      level: 'warn',
      what: `${what}; each acknowledged record waits for one`,
      mend: 'use a faster disk, best one with protection against power loss',
    };
  }
  return ok(check, what);
}

const shownMs = (ms: number): string => `${ms < 10 ? ms.toFixed(2) : Math.round(ms)} ms`;

/** Of the mount that holds the place: the longest path that it begins with. */
export function mountOptions(place: string, mounts: string): string[] {
  let found = { at: '', options: '' };
  for (const line of mounts.split('\n')) {
    const [, at = '', , options = ''] = line.split(' ');
    const holds = at === '/' || place === at || place.startsWith(`${at}/`);
    if (holds && at.length >= found.at.length) found = { at, options };
  }
  return found.options.split(',');
}

export function checkRoom(
  place: string,
  { bavail, blocks, bsize, ffree, files }: StatsFs,
): Finding {
  const freeBytes = bavail * bsize;
  const what = `${bytes(freeBytes)} of ${bytes(blocks * bsize)} free at ${place}`;
  const mend = 'free some space, or name a larger disk with --data-dir';
  if (freeBytes < GIB) return { check: 'room', level: 'bad', what, mend };
  if (bavail < blocks / 10) return { check: 'room', level: 'warn', what, mend };
  // Some file systems know no number of files.
  if (files > 0 && ffree < 1_000) {
    return { check: 'room', level: 'bad', what: `${ffree} more files fit at ${place}`, mend };
  }
  return ok('room', what);
}

/** Of the machine, or of the container if that may have less. */
function memoryBytes(): number {
  const limit = Number(readOr('/sys/fs/cgroup/memory.max', 'max'));
  return Number.isFinite(limit) ? Math.min(limit, totalmem()) : totalmem();
}

export function checkMemory(memory: number): Finding {
  const what = bytes(memory);
  if (memory >= GIB) return ok('memory', what);
  return { check: 'memory', level: 'warn', what, mend: 'give the node 1 GiB' };
}

/** Takes `/proc/self/limits`; empty where there is none. */
export function checkOpenFiles(limits: string): Finding {
  const [, text] = /^Max open files\s+(\S+)/m.exec(limits) ?? [];
  if (text === undefined) return ok('open files', 'this system does not tell');
  const most = text === 'unlimited' ? Number.POSITIVE_INFINITY : Number(text);
  const what = `${text} at one time`;
  if (most >= FILES_ENOUGH) return ok('open files', what);
  return {
    check: 'open files',
    level: most < 1_024 ? 'bad' : 'warn',
    what: `${what}; each client connection takes one`,
    mend: `raise it to ${FILES_ENOUGH} (LimitNOFILE=, ulimit -n), or lower --max-connections`,
  };
}

/** Whether time passes evenly here. What the time of day is matters to nobody but readers of the log. */
async function checkClock(): Promise<Finding> {
  const clock = readOr(
    '/sys/devices/system/clocksource/clocksource0/current_clocksource',
    '',
  ).trim();
  let pauseMs = 0;
  for (let round = 0; round < 20; round++) {
    const startMs = performance.now();
    await sleep(10);
    pauseMs = Math.max(pauseMs, performance.now() - startMs - 10);
  }
  return clockFinding(clock, pauseMs);
}

export function clockFinding(clock: string, pauseMs: number): Finding {
  if (pauseMs > PAUSE_LONG_MS) {
    return {
      check: 'clock',
      level: 'warn',
      what: `a timer was ${Math.round(pauseMs)} ms late: this machine is busy, or stands still`,
      mend: 'give the node a core of its own, or raise --lease-ms, --failover-ms and --election-timeout-ms',
    };
  }
  if (clock !== '' && !QUICK_CLOCKS.some((each) => clock.startsWith(each))) {
    return {
      check: 'clock',
      level: 'warn',
      what: `the kernel reads ${clock}, which is slow`,
      mend: 'boot with clocksource=tsc, if the processor has one that is stable',
    };
  }
  return ok('clock', `timers at most ${Math.ceil(pauseMs)} ms late${clock && `, ${clock}`}`);
}

/** Whether a node can listen there. If one does already, it answers at its client port. */
async function checkPort(flag: string, address: Address, client: Address): Promise<Finding> {
  const check = `port ${address.port}`;
  const server = createServer();
  server.listen(address.port, address.host);
  try {
    await once(server, 'listening');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE') {
      const node = await nodeAt(client);
      if (node !== undefined) return ok(check, `node ${node} listens there`);
    }
    return {
      check,
      level: 'bad',
      what: message,
      mend: `choose another ${flag}, or end who has it`,
    };
  }
  server.close();
  await once(server, 'close');
  return ok(check, `${flag} ${formatAddress(address)} is free`);
}

/** The number of the node whose clients are to connect there; undefined if none answers. */
async function nodeAt(address: Address): Promise<number | undefined> {
  const host = address.host === '0.0.0.0' ? '127.0.0.1' : address.host;
  try {
    const { answer } = await ask(
      { addresses: [{ ...address, host }], timeoutMs: CONNECT_MS },
      (writer) => writeRequest(writer, { kind: 'metrics' }),
    );
    return (JSON.parse(answer) as { id: number }).id;
  } catch {
    return undefined; // Whoever it is, it is no node.
  }
}

async function checkPeer(peer: string): Promise<Finding> {
  const { host, port } = parseAddress(peer)!;
  const socket = connect({ host, port, timeout: CONNECT_MS });
  try {
    await Promise.race([
      once(socket, 'connect'),
      once(socket, 'timeout').then(() => Promise.reject(new Error('no answer in time'))),
    ]);
    return ok('peer', `${peer} can be reached`);
  } catch (error) {
    return {
      check: 'peer',
      level: 'warn',
      what: `${peer}: ${(error as Error).message}`,
      mend: 'start that node, or open its port for this machine',
    };
  } finally {
    socket.destroy();
  }
}

function readOr(file: string, otherwise: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return otherwise;
  }
}
