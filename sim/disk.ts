/**
 * One machine's disk, with a page cache that power loss takes away. The hardware (`SimDisk`) outlives the processes
 * (`start`), so that the next one finds what the last one left: all it had written if only the process died,
 * what was synced and any part of the rest if the power went.
 *
 * A file is two images: `cached`, which reads see, and `stable`, which power loss leaves, and the ranges in which
 * they may differ. A sync copies ranges from one to the other; power loss decides sector by sector which one stays. So
 * a write costs one copy, whatever the size of the file.
 *
 * What it does not model: reordering of two writes to one sector between two syncs (old or newest stays), seeks, queue
 * depth, read-only remounts.
 */
import type {
  Disk,
  DiskCompletion,
  DiskCompletions,
  DiskError,
  DiskFile,
  DiskRequest,
  FileHandle,
} from '../impl/ports/disk.ts';
import type { Random } from '../impl/ports/random.ts';

export const SECTOR_BYTES = 512;
/** What a file system sets aside at a time. */
const BLOCK_BYTES = 4096;

/** Each fault by name, as it is counted. */
export type DiskFault =
  | 'writeError'
  | 'readError'
  | 'syncError'
  | 'noSpace'
  | 'shortage'
  | 'lyingSync'
  | 'misdirectedWrite'
  | 'bitRot'
  | 'badSector'
  | 'damage'
  | 'lostSector'
  | 'tornWrite'
  | 'lostName'
  | 'held'
  | 'processCrash'
  | 'powerLoss'
  | 'wipe';

/** What goes wrong from now on. Chances are per request, in [0, 1]; all off to begin with. */
export interface DiskFaults {
  writeError: number;
  readError: number;
  syncError: number;
  /** A sync that says it succeeded and did nothing. */
  lyingSync: number;
  /** A write that lands elsewhere in its file, and says it succeeded. */
  misdirectedWrite: number;
  /** Something that passes (descriptors, memory) is short: nothing is done. Never of a sync or a close. */
  shortage: number;
  /** All files together may not be larger. */
  capacityBytes: number;
  /** Every request takes so many times as long. */
  slowness: number;
  /** Requests wait until this is false again. */
  hung: boolean;
}

/** Mean times. Each request draws from half to one and a half of its mean; one in a hundred takes ten times as long. */
export interface DiskLatency {
  readonly writeMs: number;
  readonly readMs: number;
  readonly syncMs: number;
  /** Of everything else. */
  readonly otherMs: number;
  readonly msPerMegabyte: number;
}

export const FAST_DISK: DiskLatency = {
  writeMs: 0.02,
  readMs: 0.05,
  syncMs: 0.2,
  otherMs: 0.05,
  msPerMegabyte: 0.5,
};

export interface SimDiskOptions {
  readonly random: Random;
  /** Hears of each request, and of how many bytes it moves. */
  readonly onRequest?: (bytes: number) => void;
  /** Does `task` so much later in virtual time, never within this call. */
  readonly schedule: (delayMs: number, task: () => void) => void;
  readonly latency?: DiskLatency;
  readonly alignmentBytes?: number;
  /** What the disk holds at first, durably. */
  readonly files?: ReadonlyMap<string, Uint8Array>;
}

type WriteRequest = Extract<DiskRequest, { op: 'write' }>;

/** A range of a file that has been written and not synced. */
interface Range {
  readonly from: number;
  readonly to: number;
  /** How many syncs of the file had been asked for when its write was. */
  readonly epoch: number;
}

class Inode {
  /** Of both images, as much as was ever written; what lies behind that, up to the size, reads as zero. */
  cached: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  stable: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  cachedBytes = 0;
  stableBytes = 0;
  epoch = 0;
  unsynced: Range[] = [];
  /** Ranges of which a failed or lying sync made the cache forget that they are unsynced. */
  forgotten: Range[] = [];
  /** Sectors that cannot be read until they are written again. */
  readonly lost: Set<number> = new Set();

  write(offset: number, bytes: Uint8Array, epoch: number): void {
    const to = offset + bytes.length;
    for (const sector of this.lost) {
      if (sector * SECTOR_BYTES < to && (sector + 1) * SECTOR_BYTES > offset)
        this.lost.delete(sector);
    }
    this.extend(to);
    if (to > this.cached.length) this.cached = larger(this.cached, to);
    this.cached.set(bytes, offset);
    const last = this.unsynced.at(-1);
    if (last !== undefined && last.to === offset && last.epoch === epoch) {
      this.unsynced[this.unsynced.length - 1] = { from: last.from, to, epoch };
    } else {
      this.unsynced.push({ from: offset, to, epoch });
    }
  }

  /** Makes the file at least this long. */
  extend(sizeBytes: number): void {
    this.cachedBytes = Math.max(this.cachedBytes, sizeBytes);
  }

  settle(ranges: readonly Range[], sizeBytes: number): void {
    const endBytes = ranges.reduce((end, { to }) => Math.max(end, to), sizeBytes);
    this.setStableBytes(Math.max(this.stableBytes, endBytes));
    for (const { from, to } of ranges) {
      if (to > this.stable.length) this.stable = larger(this.stable, to);
      this.stable.set(this.cached.subarray(from, to), from);
    }
  }

  setStableBytes(sizeBytes: number): void {
    if (sizeBytes < this.stableBytes) this.stable.fill(0, sizeBytes, this.stableBytes);
    this.stableBytes = sizeBytes;
  }

  /** What reads see of `[from, to)`. */
  read(from: number, to: number, into: Uint8Array): void {
    const written = this.cached.subarray(from, to);
    into.set(written);
    into.fill(0, written.length, to - from);
  }

  /** Where the block with the next byte begins that is not zero, or the end. */
  dataFrom(offset: number): number {
    let at = offset;
    while (at < this.cached.length && this.cached[at] === 0) at++;
    return at < this.cached.length ? Math.floor(at / BLOCK_BYTES) * BLOCK_BYTES : this.cachedBytes;
  }

  flip(offset: number, bit: number): void {
    if (offset >= this.cached.length) this.cached = larger(this.cached, offset + 1);
    this.cached[offset]! ^= 1 << bit;
    if (offset >= this.stableBytes) return;
    if (offset >= this.stable.length) this.stable = larger(this.stable, offset + 1);
    this.stable[offset]! ^= 1 << bit;
  }

  /** What was stable is all there is. */
  forgetCache(): void {
    this.cached = this.stable.slice(0, this.stableBytes);
    this.cachedBytes = this.stableBytes;
    this.unsynced = [];
    this.forgotten = [];
  }
}

type NameChange =
  | { readonly kind: 'create'; readonly name: string; readonly inode: Inode }
  | { readonly kind: 'rename'; readonly from: string; readonly name: string; readonly inode: Inode }
  | { readonly kind: 'unlink'; readonly name: string; readonly inode: Inode };

interface InFlight {
  readonly request: DiskRequest;
  /** Of `write`: when it was asked for. Of `sync`: it covers what was asked for in this epoch or before, and this length. */
  epoch: number;
  sizeBytes: number;
  /** Of `sync`: writes before it that are still under way. */
  awaited: number;
  /** Of `write`: syncs that wait for it. */
  syncs: InFlight[];
  /** Of `syncDirectory`: it covers the changes before this one, counted from the beginning. */
  changes: number;
}

/** The disk as one process sees it. */
class SimProcess implements Disk {
  readonly alignmentBytes: number;
  readonly deliver: DiskCompletions;
  readonly open: Map<FileHandle, Inode> = new Map();
  readonly inFlight: Set<InFlight> = new Set();
  alive = true;
  private readonly machine: SimDisk;

  constructor(machine: SimDisk, alignmentBytes: number, deliver: DiskCompletions) {
    this.machine = machine;
    this.alignmentBytes = alignmentBytes;
    this.deliver = deliver;
  }

  submit(request: DiskRequest): void {
    this.machine.begin(this, request);
  }
}

/** Requests that take memory or a descriptor of the system's. */
const CAN_LACK: ReadonlySet<DiskRequest['op']> = new Set([
  'list',
  'open',
  'allocate',
  'write',
  'read',
  'rename',
  'unlink',
]);

const NO_FAULTS: DiskFaults = {
  writeError: 0,
  readError: 0,
  syncError: 0,
  lyingSync: 0,
  misdirectedWrite: 0,
  shortage: 0,
  capacityBytes: Infinity,
  slowness: 1,
  hung: false,
};

const NO_COUNTS: Record<DiskFault, number> = {
  writeError: 0,
  readError: 0,
  syncError: 0,
  noSpace: 0,
  shortage: 0,
  lyingSync: 0,
  misdirectedWrite: 0,
  bitRot: 0,
  badSector: 0,
  damage: 0,
  lostSector: 0,
  tornWrite: 0,
  lostName: 0,
  held: 0,
  processCrash: 0,
  powerLoss: 0,
  wipe: 0,
};

export class SimDisk {
  readonly faults: DiskFaults = { ...NO_FAULTS };
  /** How often each fault has happened. */
  readonly counts: Record<DiskFault, number> = { ...NO_COUNTS };
  /** Requests begun, over all processes. */
  requests = 0;
  /** Bytes that reads have filled, over all processes. */
  readBytes = 0;
  private readonly options: SimDiskOptions;
  private readonly random: Random;
  private readonly latency: DiskLatency;
  private names = new Map<string, Inode>();
  private stableNames = new Map<string, Inode>();
  private nameChanges: NameChange[] = [];
  private settledChanges = 0;
  private processes: SimProcess[] = [];
  private holder: SimProcess | undefined;
  private nextHandle = 1;
  /** It took the place of another. */
  isRenewed = false;
  /** It holds less, or other bytes, than it said. */
  isDamaged = false;

  constructor(options: SimDiskOptions) {
    this.options = options;
    this.random = options.random;
    this.latency = options.latency ?? FAST_DISK;
    this.fill(options.files ?? new Map());
  }

  /** The disk for one more process. Its completions stop when it crashes, is stopped, or the power goes. */
  start(deliver: DiskCompletions): Disk {
    const process = new SimProcess(this, this.options.alignmentBytes ?? 1, deliver);
    this.processes.push(process);
    return process;
  }

  /** One process ends in good order: what it asked for is done, its lock is free. */
  stop(disk: Disk): void {
    const process = disk as SimProcess;
    for (const item of process.inFlight) {
      if (item.request.op === 'write') this.applyWrite(process, item.request, item.epoch);
    }
    this.end(process);
  }

  /** All processes die. The page cache stays; of each write in flight any front part is in it. */
  processCrash(): void {
    this.counts.processCrash++;
    for (const process of this.processes) {
      for (const { request, epoch } of process.inFlight) {
        if (request.op !== 'write') continue;
        const kept = this.random.below(3);
        const length =
          kept === 0 ? 0 : kept === 1 ? request.bytes.length : this.below(request.bytes.length);
        if (length < request.bytes.length) this.counts.tornWrite++;
        const inode = process.open.get(request.file);
        if (length > 0) inode?.write(request.offsetBytes, request.bytes.subarray(0, length), epoch);
      }
      process.alive = false;
      process.inFlight.clear();
    }
    this.processes = [];
    this.holder = undefined;
  }

  /**
   * All processes die and the page cache is lost: of what was not synced any sectors, of unsynced names any, may remain.
   * Each does with a chance of `chance` in 256.
   */
  powerLoss(chance: number = this.keepChance()): void {
    this.counts.powerLoss++;
    for (const process of this.processes) {
      for (const { request, epoch } of process.inFlight) {
        if (request.op !== 'write') continue;
        process.open.get(request.file)?.write(request.offsetBytes, request.bytes, epoch);
      }
      process.alive = false;
      process.inFlight.clear();
    }
    this.processes = [];
    this.holder = undefined;
    const inodes = new Set([...this.stableNames.values(), ...this.names.values()]);
    for (const inode of inodes) this.loseCache(inode, chance);
    this.loseNames(chance);
  }

  /** All processes die, all files are gone: another disk in the same place. */
  wipe(): void {
    this.counts.wipe++;
    this.renew();
    this.clear();
  }

  /** It is another one from now on, or as good as that: it does what it says. */
  renew(): void {
    this.isRenewed = true;
    this.isDamaged = false;
    this.faults.lyingSync = 0;
    this.faults.misdirectedWrite = 0;
  }

  /** All files as power loss would leave them, if nothing survived of what was not synced. */
  stableFiles(): Map<string, Uint8Array> {
    return new Map(
      [...this.stableNames].map(([name, { stable, stableBytes }]) => {
        const bytes = new Uint8Array(stableBytes);
        bytes.set(stable.subarray(0, stableBytes));
        return [name, bytes];
      }),
    );
  }

  /** All processes die, and the disk holds these files, durably, and no others. */
  restore(files: ReadonlyMap<string, Uint8Array>): void {
    this.clear();
    this.fill(files);
  }

  private fill(files: ReadonlyMap<string, Uint8Array>): void {
    for (const [name, bytes] of files) {
      const inode = new Inode();
      inode.write(0, bytes, 0);
      inode.settle(inode.unsynced, bytes.length);
      inode.unsynced = [];
      this.names.set(name, inode);
      this.stableNames.set(name, inode);
    }
  }

  private clear(): void {
    for (const process of this.processes) {
      process.alive = false;
      process.inFlight.clear();
    }
    this.processes = [];
    this.holder = undefined;
    this.names = new Map();
    this.stableNames = new Map();
    this.nameChanges = [];
  }

  /** Turns one bit over, in cache and on the platter. Returns false if the file is not that long. */
  rotBit(name: string, offsetBytes: number, bit: number): boolean {
    const inode = this.names.get(name);
    if (inode === undefined || offsetBytes >= inode.cachedBytes) return false;
    this.counts.bitRot++;
    inode.flip(offsetBytes, bit);
    return true;
  }

  /** The sector with this byte cannot be read any more until it is written. */
  loseSector(name: string, offsetBytes: number): void {
    const inode = this.names.get(name);
    if (inode === undefined) return;
    this.counts.badSector++;
    inode.lost.add(Math.floor(offsetBytes / SECTOR_BYTES));
  }

  /** What lies behind `from` is zeros, in cache and on the platter. */
  zero(name: string, from: number): void {
    const inode = this.names.get(name);
    inode?.cached.fill(0, from);
    inode?.stable.fill(0, from);
  }

  /** The file is gone. */
  remove(name: string): void {
    this.names.delete(name);
    this.stableNames.delete(name);
    this.nameChanges = this.nameChanges.filter((change) => change.name !== name);
  }

  /** Cuts the file, in cache and on the platter. */
  truncate(name: string, sizeBytes: number): void {
    const inode = this.names.get(name);
    if (inode === undefined || sizeBytes >= inode.cachedBytes) return;
    inode.cached = inode.cached.slice(0, sizeBytes);
    inode.cachedBytes = sizeBytes;
    inode.unsynced = inode.unsynced.filter((range) => range.to <= sizeBytes);
    if (sizeBytes < inode.stableBytes) inode.setStableBytes(sizeBytes);
  }

  /** All files as a process would read them now, sorted by name. */
  files(): Map<string, Uint8Array> {
    const sorted = [...this.names].sort(([a], [b]) => (a < b ? -1 : 1));
    return new Map(
      sorted.map(([name, inode]) => {
        const bytes = new Uint8Array(inode.cachedBytes);
        inode.read(0, bytes.length, bytes);
        return [name, bytes];
      }),
    );
  }

  get usedBytes(): number {
    let used = 0;
    for (const inode of this.names.values()) used += inode.cachedBytes;
    return used;
  }

  /** Of a process's disk: takes one request. */
  begin(process: SimProcess, request: DiskRequest): void {
    if (!process.alive) return;
    this.requests++;
    this.options.onRequest?.(bytesOf(request));
    const item: InFlight = { request, epoch: 0, sizeBytes: 0, awaited: 0, syncs: [], changes: 0 };
    if (request.op === 'write') {
      item.epoch = process.open.get(request.file)?.epoch ?? 0;
    } else if (request.op === 'sync') {
      const inode = process.open.get(request.file);
      if (inode !== undefined) {
        item.epoch = inode.epoch++;
        item.sizeBytes = inode.cachedBytes;
      }
      this.awaitWrites(process, item, request.file);
    } else if (request.op === 'syncDirectory') {
      item.changes = this.settledChanges + this.nameChanges.length;
    }
    process.inFlight.add(item);
    if (item.awaited === 0) this.carryOut(process, item);
  }

  /** A sync begins when the writes of its handle that were asked for before it are done. */
  private awaitWrites(process: SimProcess, sync: InFlight, file: FileHandle): void {
    for (const other of process.inFlight) {
      if (other.request.op !== 'write' || other.request.file !== file) continue;
      other.syncs.push(sync);
      sync.awaited++;
    }
  }

  private carryOut(process: SimProcess, item: InFlight): void {
    this.options.schedule(this.delayMs(item.request), () => this.finish(process, item));
  }

  private finish(process: SimProcess, item: InFlight): void {
    if (!process.alive) return;
    if (this.faults.hung) {
      this.counts.held++;
      this.options.schedule(10, () => this.finish(process, item));
      return;
    }
    process.inFlight.delete(item);
    const completion = this.perform(process, item);
    for (const sync of item.syncs) {
      sync.awaited--;
      if (sync.awaited === 0) this.carryOut(process, sync);
    }
    process.deliver([completion]);
  }

  private perform(process: SimProcess, item: InFlight): DiskCompletion {
    const { request } = item;
    const { id } = request;
    if (CAN_LACK.has(request.op) && this.happens('shortage')) {
      return failed(id, 'Exhausted', 'injected shortage');
    }
    switch (request.op) {
      case 'lock':
        if (this.holder !== undefined && this.holder !== process) {
          return failed(id, 'Locked', 'another process holds the directory');
        }
        this.holder = process;
        return { id };
      case 'list':
        return { id, files: this.list() };
      case 'open': {
        const found = this.names.get(request.name);
        if (request.create && found !== undefined) return failed(id, 'Exists', request.name);
        if (!request.create && found === undefined) return failed(id, 'NotFound', request.name);
        const inode = found ?? new Inode();
        if (found === undefined) {
          this.names.set(request.name, inode);
          this.nameChanges.push({ kind: 'create', name: request.name, inode });
        }
        const file = this.nextHandle++;
        process.open.set(file, inode);
        return { id, file, lengthBytes: inode.cachedBytes };
      }
      case 'allocate': {
        const inode = this.inode(process, request.file);
        if (!this.fits(inode, request.sizeBytes)) return this.noSpace(id);
        inode.extend(request.sizeBytes);
        return { id };
      }
      case 'write': {
        if (this.happens('writeError')) return failed(id, 'Io', 'injected write error');
        const inode = this.inode(process, request.file);
        if (!this.fits(inode, request.offsetBytes + request.bytes.length)) return this.noSpace(id);
        this.applyWrite(process, request, item.epoch);
        return { id };
      }
      case 'read': {
        if (this.happens('readError')) return failed(id, 'Io', 'injected read error');
        const inode = this.inode(process, request.file);
        const from = Math.min(request.offsetBytes, inode.cachedBytes);
        const to = Math.min(from + request.into.length, inode.cachedBytes);
        for (const sector of inode.lost) {
          if (sector * SECTOR_BYTES < to && (sector + 1) * SECTOR_BYTES > from) {
            this.counts.readError++;
            return failed(id, 'Io', `sector ${sector} cannot be read`);
          }
        }
        inode.read(from, to, request.into);
        this.readBytes += to - from;
        return { id, lengthBytes: to - from };
      }
      case 'seekData': {
        const inode = this.inode(process, request.file);
        const { offsetBytes } = request;
        return { id, offsetBytes: Math.max(offsetBytes, inode.dataFrom(offsetBytes)) };
      }
      case 'sync': {
        const inode = this.inode(process, request.file);
        const covered = inode.unsynced.filter((range) => range.epoch <= item.epoch);
        inode.unsynced = inode.unsynced.filter((range) => range.epoch > item.epoch);
        const failure = this.happens('syncError');
        if (failure || this.happens('lyingSync')) inode.forgotten.push(...covered);
        else inode.settle(covered, item.sizeBytes);
        return failure ? failed(id, 'Io', 'injected sync error') : { id };
      }
      case 'close':
        process.open.delete(request.file);
        return { id };
      case 'rename': {
        const inode = this.names.get(request.from);
        if (inode === undefined) return failed(id, 'NotFound', request.from);
        this.names.delete(request.from);
        this.names.set(request.to, inode);
        this.nameChanges.push({ kind: 'rename', from: request.from, name: request.to, inode });
        return { id };
      }
      case 'unlink': {
        const inode = this.names.get(request.name);
        if (inode === undefined) return failed(id, 'NotFound', request.name);
        this.names.delete(request.name);
        this.nameChanges.push({ kind: 'unlink', name: request.name, inode });
        return { id };
      }
      case 'syncDirectory':
        if (this.happens('syncError')) return failed(id, 'Io', 'injected sync error');
        if (this.happens('lyingSync')) return { id };
        this.settleNames(item.changes - this.settledChanges);
        return { id };
    }
  }

  private applyWrite(process: SimProcess, request: WriteRequest, epoch: number): void {
    const inode = process.open.get(request.file);
    if (inode === undefined) return;
    let { offsetBytes } = request;
    if (this.happens('misdirectedWrite')) {
      const sectors = Math.max(1, Math.floor(inode.cachedBytes / SECTOR_BYTES));
      const to = this.random.below(sectors) * SECTOR_BYTES;
      offsetBytes = Math.max(0, Math.min(to, inode.cachedBytes - request.bytes.length));
    }
    inode.write(offsetBytes, request.bytes, epoch);
  }

  private inode(process: SimProcess, file: FileHandle): Inode {
    const inode = process.open.get(file);
    if (inode === undefined) throw new Error(`file ${file} is not open`);
    return inode;
  }

  private list(): DiskFile[] {
    return [...this.names]
      .map(([name, inode]) => ({ name, sizeBytes: inode.cachedBytes }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  private fits(inode: Inode, sizeBytes: number): boolean {
    if (this.faults.capacityBytes === Infinity || sizeBytes <= inode.cachedBytes) return true;
    return this.usedBytes + sizeBytes - inode.cachedBytes <= this.faults.capacityBytes;
  }

  private noSpace(id: number): DiskCompletion {
    this.counts.noSpace++;
    return failed(id, 'NoSpace', 'the disk is full');
  }

  /** Draws only for faults that are switched on, so that a run without them needs no randomness for them. */
  private happens(
    fault: 'writeError' | 'readError' | 'syncError' | 'lyingSync' | 'misdirectedWrite' | 'shortage',
  ): boolean {
    const chance = this.faults[fault];
    if (chance === 0 || this.random.below(1_000_000) >= chance * 1_000_000) return false;
    this.counts[fault]++;
    return true;
  }

  private delayMs(request: DiskRequest): number {
    const { latency } = this;
    let meanMs = latency.otherMs;
    if (request.op === 'write') {
      meanMs = latency.writeMs + (request.bytes.length * latency.msPerMegabyte) / 2 ** 20;
    } else if (request.op === 'read') {
      meanMs = latency.readMs + (request.into.length * latency.msPerMegabyte) / 2 ** 20;
    } else if (request.op === 'sync' || request.op === 'syncDirectory') {
      meanMs = latency.syncMs;
    }
    const draw = this.random.below(100_000);
    const tail = draw % 100 === 0 ? 10 : 1;
    return meanMs * (0.5 + draw / 100_000) * tail * this.faults.slowness;
  }

  /** How likely an unsynced sector stays, in 256ths: all gone, all there, or a mix that differs from time to time. */
  private keepChance(): number {
    const draw = this.random.below(8);
    if (draw < 2) return 0;
    if (draw < 3) return 256;
    return [8, 64, 128, 192, 248][draw - 3]!;
  }

  private loseCache(inode: Inode, chance: number): void {
    let sizeBytes = inode.stableBytes;
    // Lengthening a file is one change of its metadata: it was written back or it was not.
    if (this.keeps(chance)) sizeBytes = inode.cachedBytes;
    const kept: Range[] = [];
    const { epoch } = inode;
    for (const range of [...inode.forgotten, ...inode.unsynced]) {
      for (let from = range.from; from < range.to; ) {
        const to = Math.min(range.to, (Math.floor(from / SECTOR_BYTES) + 1) * SECTOR_BYTES);
        if (this.keeps(chance) && to <= sizeBytes) kept.push({ from, to, epoch });
        else this.counts.lostSector++;
        from = to;
      }
    }
    inode.settle(kept, sizeBytes);
    inode.forgetCache();
  }

  private loseNames(chance: number): void {
    const prefixOnly = this.random.below(2) === 0;
    let lost = false;
    for (const change of this.nameChanges) {
      if ((prefixOnly && lost) || !this.keeps(chance)) {
        lost = true;
        this.counts.lostName++;
      } else {
        applyNameChange(this.stableNames, change);
      }
    }
    this.nameChanges = [];
    this.names = new Map(this.stableNames);
  }

  private settleNames(count: number): void {
    if (count <= 0) return;
    this.settledChanges += count;
    for (const change of this.nameChanges.splice(0, count)) {
      applyNameChange(this.stableNames, change);
    }
  }

  private keeps(chance: number): boolean {
    if (chance === 0) return false;
    return chance === 256 || this.random.below(256) < chance;
  }

  private below(bound: number): number {
    return bound === 0 ? 0 : this.random.below(bound);
  }

  private end(process: SimProcess): void {
    process.alive = false;
    process.inFlight.clear();
    this.processes = this.processes.filter((other) => other !== process);
    if (this.holder === process) this.holder = undefined;
  }
}

/** A change whose ground was lost (a rename of a file whose creation was) has no effect. */
function applyNameChange(names: Map<string, Inode>, change: NameChange): void {
  if (change.kind === 'create') {
    names.set(change.name, change.inode);
  } else if (change.kind === 'rename') {
    if (names.get(change.from) !== change.inode) return;
    names.delete(change.from);
    names.set(change.name, change.inode);
  } else if (names.get(change.name) === change.inode) {
    names.delete(change.name);
  }
}

function bytesOf(request: DiskRequest): number {
  if (request.op === 'write') return request.bytes.length;
  return request.op === 'read' ? request.into.length : 0;
}

function larger(bytes: Uint8Array, sizeBytes: number): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(
    Math.max(sizeBytes, Math.min(bytes.length * 2, bytes.length + 2 ** 20)),
  );
  copy.set(bytes);
  return copy;
}

function failed(id: number, error: DiskError, detail: string): DiskCompletion {
  return { id, error, detail };
}
