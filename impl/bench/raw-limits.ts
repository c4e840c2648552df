/**
 * What the machine can do at all: bare system calls, one after the other, from memory that is ready. Everything else is a ratio to
 * these, taken in the same minute.
 */
import { closeSync, constants, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { loadNative } from '../../native/index.ts';
import { type Job, quantiles, type Sample } from './job.ts';

export type RawLimit =
  | 'memcpy'
  | 'pwrite 256 KiB'
  | 'pwrite 1 MiB'
  | 'direct 256 KiB'
  | 'direct 1 MiB'
  | 'direct 1 MiB, new blocks'
  | 'write+fdatasync'
  | 'direct write+fdatasync'
  | 'direct write+fdatasync, new blocks';

const KIB = 1024;
const MIB = 1024 * KIB;
/** Laid out before, so that a direct write and a sync find written blocks: what a log can come to at best. */
const WRITTEN_BYTES = 64 * MIB;

interface Shape {
  readonly blockBytes: number;
  readonly isDirect: boolean;
  readonly isSynced: boolean;
  /** The file grows: each sync then has a new place of its blocks to write, too. */
  readonly isGrowing: boolean;
}

const SHAPES: Readonly<Record<Exclude<RawLimit, 'memcpy'>, Shape>> = {
  'pwrite 256 KiB': { blockBytes: 256 * KIB, isDirect: false, isSynced: false, isGrowing: true },
  'pwrite 1 MiB': { blockBytes: MIB, isDirect: false, isSynced: false, isGrowing: true },
  'direct 256 KiB': { blockBytes: 256 * KIB, isDirect: true, isSynced: false, isGrowing: false },
  'direct 1 MiB': { blockBytes: MIB, isDirect: true, isSynced: false, isGrowing: false },
  'direct 1 MiB, new blocks': {
    blockBytes: MIB,
    isDirect: true,
    isSynced: false,
    isGrowing: true,
  },
  'write+fdatasync': { blockBytes: 4 * KIB, isDirect: false, isSynced: true, isGrowing: false },
  'direct write+fdatasync': {
    blockBytes: 4 * KIB,
    isDirect: true,
    isSynced: true,
    isGrowing: false,
  },
  'direct write+fdatasync, new blocks': {
    blockBytes: 4 * KIB,
    isDirect: true,
    isSynced: true,
    isGrowing: true,
  },
};

export function measureRawLimit(limit: RawLimit, job: Job): Sample {
  const memory = alignedMemory(16 * MIB);
  for (let i = 0; i < memory.length; i += 4) memory[i] = i >>> 8;
  if (limit === 'memcpy') return timed(job, MIB, memcpy(memory));
  const { blockBytes, isDirect, isSynced, isGrowing } = SHAPES[limit];
  const flags = constants.O_RDWR | constants.O_CREAT | (isDirect ? constants.O_DIRECT : 0);
  const fd = openSync(join(job.directory, 'raw'), flags, 0o600);
  if (!isGrowing) {
    for (let at = 0; at < WRITTEN_BYTES; at += memory.length) {
      writeSync(fd, memory, 0, memory.length, at);
    }
    fdatasyncSync(fd);
  }
  let at = 0;
  const sample = timed(job, blockBytes, () => {
    writeSync(fd, memory, at % memory.length, blockBytes, isGrowing ? at : at % WRITTEN_BYTES);
    if (isSynced) fdatasyncSync(fd);
    at += blockBytes;
  });
  closeSync(fd);
  return sample;
}

function memcpy(memory: Uint8Array): () => void {
  const from = new Uint8Array(64 * MIB).fill(7);
  let at = 0;
  return () => {
    memory.set(from.subarray(at, at + MIB), at % memory.length);
    at = (at + MIB) % from.length;
  };
}

function timed(job: Job, blockBytes: number, one: () => void): Sample {
  const latencies: number[] = [];
  const cpu = process.cpuUsage();
  const begun = performance.now();
  const deadline = begun + job.seconds * 1e3;
  let now = begun;
  let bytes = 0;
  while (now < deadline && bytes < job.maxBytes) {
    one();
    bytes += blockBytes;
    const before = now;
    now = performance.now();
    latencies.push(now - before);
  }
  const { user, system } = process.cpuUsage(cpu);
  const entries = bytes / blockBytes;
  return {
    entries,
    payloadBytes: bytes,
    seconds: (now - begun) / 1e3,
    cpuSeconds: (user + system) / 1e6,
    latency: quantiles(latencies),
    verified: entries,
  };
}

/** Begins where a direct write may begin. */
function alignedMemory(sizeBytes: number): Uint8Array {
  const native = loadNative();
  if ('unavailable' in native) return new Uint8Array(sizeBytes);
  const room = new Uint8Array(sizeBytes + native.directAlignment);
  const from = native.bytesToAlignment(room);
  return room.subarray(from, from + sizeBytes);
}
