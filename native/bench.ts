/**
 * What each engine costs above the bare system calls: `node dist/native/bench.js [DIRECTORY]`.
 *
 * Every workload runs on all of them in turn, round after round, next to its raw loop in this very process: the same
 * calls from the same memory with nothing between. Medians; the machine is shared and drifts, so read the ratios.
 */
import {
  closeSync,
  constants,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import type { DiskRequest, FileHandle } from '../impl/ports/disk.ts';
import { NativeDisk } from './index.ts';

const ROUNDS = 5;
const FILE_BYTES = 64 << 20;

interface Workload {
  readonly name: string;
  readonly blockBytes: number;
  readonly blocks: number;
  /** Blocks in flight at a time. */
  readonly depth: number;
  /** `hops`: each write is waited for, then synced. `turn`: write and sync are submitted together. */
  readonly sync: 'never' | 'hops' | 'turn';
}

const WORKLOADS: readonly Workload[] = [
  { name: '256 KiB, 16 in flight', blockBytes: 256 << 10, blocks: 512, depth: 16, sync: 'never' },
  { name: '64 KiB, 16 in flight', blockBytes: 64 << 10, blocks: 2048, depth: 16, sync: 'never' },
  {
    name: '4 KiB durable, sync after the write',
    blockBytes: 4 << 10,
    blocks: 500,
    depth: 1,
    sync: 'hops',
  },
  {
    name: '4 KiB durable, sync with the write',
    blockBytes: 4 << 10,
    blocks: 500,
    depth: 1,
    sync: 'turn',
  },
  {
    name: '256 KiB durable, 2 in flight',
    blockBytes: 256 << 10,
    blocks: 512,
    depth: 2,
    sync: 'turn',
  },
];

interface Sample {
  readonly megabytesPerSecond: number;
  readonly p50Us: number;
  readonly cores: number;
}

type Loop = (workload: Workload) => Promise<Sample>;

/** Times `count` blocks; `start` begins one and calls back when it is done. */
function timed(
  workload: Workload,
  start: (block: number, done: () => void) => void,
): Promise<Sample> {
  const { blocks, depth, blockBytes } = workload;
  const latenciesUs: number[] = [];
  const cpu = process.cpuUsage();
  const begun = process.hrtime.bigint();
  let next = 0;
  return new Promise((resolve) => {
    const one = (): void => {
      if (next === blocks) return;
      const from = process.hrtime.bigint();
      start(next++, () => {
        latenciesUs.push(Number(process.hrtime.bigint() - from) / 1e3);
        if (latenciesUs.length < blocks) return one();
        const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
        const { user, system } = process.cpuUsage(cpu);
        resolve({
          megabytesPerSecond: (blocks * blockBytes) / seconds / 1e6,
          p50Us: median(latenciesUs),
          cores: (user + system) / 1e6 / seconds,
        });
      });
    };
    for (let i = 0; i < depth; i++) one();
  });
}

/** The bare calls, one after the other on this thread, on a file that was written before. */
function rawLoop(fd: number, arena: Uint8Array): Loop {
  for (let at = 0; at < FILE_BYTES; at += arena.length) writeSync(fd, arena, 0, arena.length, at);
  fdatasyncSync(fd);
  return (workload) => {
    const { blockBytes, sync } = workload;
    return timed({ ...workload, depth: 1 }, (block, done) => {
      const at = (block * blockBytes) % FILE_BYTES;
      writeSync(fd, arena, at % arena.length, blockBytes, at);
      if (sync !== 'never') fdatasyncSync(fd);
      unwind(block, done);
    });
  };
}

/** Calls straight back, but not from ever deeper in the stack. */
function unwind(block: number, done: () => void): void {
  if (block % 64 === 63) setImmediate(done);
  else done();
}

class Bench {
  readonly disk: NativeDisk;
  readonly #waiting = new Map<number, (file: FileHandle | undefined) => void>();
  #lastId = 0;

  constructor(directory: string, engine: 'io_uring' | 'pwrite', direct: boolean) {
    this.disk = new NativeDisk({ directory, engine, direct }, (completions) => {
      for (const { id, error, detail, file } of completions) {
        if (error !== undefined) throw new Error(detail);
        const done = this.#waiting.get(id)!;
        this.#waiting.delete(id);
        done(file);
      }
    });
  }

  submit(request: DiskRequest, done: (file: FileHandle | undefined) => void): void {
    this.#waiting.set(request.id, done);
    this.disk.submit(request);
  }

  run(make: (id: number) => DiskRequest): Promise<FileHandle | undefined> {
    return new Promise((resolve) => this.submit(make(this.nextId()), resolve));
  }

  nextId(): number {
    return ++this.#lastId;
  }

  async loop(): Promise<Loop> {
    const arena = this.disk.alignedArena(4 << 20).fill(7);
    await this.run((id) => ({ op: 'lock', id }));
    const file = (await this.run((id) => ({ op: 'open', id, name: 'log', create: true })))!;
    for (let offsetBytes = 0; offsetBytes < FILE_BYTES; offsetBytes += arena.length) {
      await this.run((id) => ({ op: 'write', id, file, offsetBytes, bytes: arena }));
    }
    await this.run((id) => ({ op: 'sync', id, file }));
    return (workload) => {
      const { blockBytes, sync } = workload;
      return timed(workload, (block, done) => {
        const offsetBytes = (block * blockBytes) % FILE_BYTES;
        const at = offsetBytes % arena.length;
        const bytes = arena.subarray(at, at + blockBytes);
        const write: DiskRequest = { op: 'write', id: this.nextId(), file, offsetBytes, bytes };
        if (sync === 'never') return this.submit(write, done);
        const syncIt = (after: () => void): void =>
          this.submit({ op: 'sync', id: this.nextId(), file }, after);
        if (sync === 'hops') return this.submit(write, () => syncIt(done));
        this.submit(write, () => {});
        syncIt(done);
      });
    };
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

const [directory] = new Command('bench')
  .description('Measures both ways to the disk beside bare system calls, in about half a minute.')
  .argument('[directory]', 'where to write: which disk is measured', tmpdir())
  .parse().processedArgs as [string];
const scratch = mkdtempSync(join(directory, 'walrus-bench-'));
const benches: Bench[] = [];
const fds: number[] = [];
const loops = new Map<string, Loop>();
for (const direct of [false, true]) {
  const kind = direct ? 'direct' : 'buffered';
  for (const engine of ['pwrite', 'io_uring'] as const) {
    const bench = new Bench(join(scratch, `${engine}-${kind}`), engine, direct);
    benches.push(bench);
    loops.set(`${kind} ${engine}`, await bench.loop());
  }
  const flags = constants.O_RDWR | constants.O_CREAT | (direct ? constants.O_DIRECT : 0);
  const fd = openSync(join(scratch, `raw-${kind}`), flags, 0o600);
  fds.push(fd);
  loops.set(`${kind} raw`, rawLoop(fd, benches[0]!.disk.alignedArena(4 << 20).fill(7)));
}
for (const workload of WORKLOADS) {
  const samples = new Map<string, Sample[]>([...loops.keys()].map((name) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, loop] of loops) samples.get(name)!.push(await loop(workload));
  }
  console.log(`\n${workload.name}`);
  for (const [name, runs] of samples) {
    const rate = median(runs.map((it) => it.megabytesPerSecond));
    const p50Us = median(runs.map((it) => it.p50Us));
    const cores = median(runs.map((it) => it.cores));
    const raw = samples.get(`${name.split(' ')[0]} raw`)!;
    const ratio = rate / median(raw.map((it) => it.megabytesPerSecond));
    console.log(
      `  ${name.padEnd(18)} ${rate.toFixed(0).padStart(5)} MB/s  ${ratio.toFixed(2)} x raw  ` +
        `p50 ${p50Us.toFixed(0).padStart(5)} us  ${cores.toFixed(2)} cores`,
    );
  }
}
for (const bench of benches) await bench.disk.close();
for (const fd of fds) closeSync(fd);
rmSync(scratch, { recursive: true });
