/**
 * Disks that hold less than they said, or other bytes: on one machine at a time, while all that counts is elsewhere. From
 * then on the models are not asked, for they know no such disk; what is promised to clients stays absolute.
 */

import {
  FILE_HEAD_BYTES,
  FRAME_HEADER_BYTES,
  FRAME_MAGIC,
  FRAME_UNIT_BYTES,
  parseFileName,
} from '../../impl/core/storage/format.ts';
import type { Node } from '../../impl/node/node.ts';
import { isFounder, type Machine } from '../cluster.ts';
import { neverUnheard, survivesLossOf, whenWholeWithout } from './budget.ts';
import { OPERATOR_MS, sayReplaced } from './members.ts';
import {
  crash,
  type Faults,
  fraction,
  type Inject,
  later,
  type Measure,
  rest,
  type Scene,
} from './scene.ts';

const POLL_MS = 5;

type Damage = (machine: Machine, newest: string, amount: number, frames: readonly number[]) => void;

/** The newest log file loses what it was told to keep, while the process is away: some of these frames. */
const lostTail =
  (damage: Damage): Inject =>
  (scene, machines, { forMs, amount }) =>
    whileAway(scene, machines[0], forMs, (machine) => {
      const newest = newestLog(machine);
      if (newest !== undefined)
        damage(
          machine,
          newest,
          amount,
          losableFrames(scene, machine, machine.disk.files(), newest),
        );
    });

export type DamageFault =
  | 'LostFrames'
  | 'CutFile'
  | 'ZeroedFile'
  | 'LostFile'
  | 'LostVote'
  | 'OldDirectory'
  | 'LoseTail'
  | 'BitRot'
  | 'BadSectors'
  | 'HeadRot'
  | 'MisdirectedWrites'
  | 'LyingSyncs';

export const DAMAGE_FAULTS: Faults<DamageFault> = {
  /** Its last frames, up to eight, do not verify. */
  LostFrames: lostTail(({ disk }, newest, amount, frames) => {
    for (const at of frames.slice(-1 - Math.floor(amount * 8)))
      disk.rotBit(newest, at + FRAME_HEADER_BYTES, 3);
  }),
  /** It is cut. */
  CutFile: lostTail(({ disk }, newest, amount, frames) => {
    const at = frames[Math.floor(amount * frames.length)];
    if (at !== undefined) disk.truncate(newest, at);
  }),
  /** Its end is zeros. */
  ZeroedFile: lostTail(({ disk }, newest, amount, frames) => {
    const at = frames[Math.floor(amount * frames.length)];
    if (at !== undefined) disk.zero(newest, at);
  }),
  /** It is gone. */
  LostFile: lostTail(({ disk }, newest) => disk.remove(newest)),
  /** As soon as its term rises it loses the frame that said so, and is back in time for the next candidate. */
  LostVote: (scene, machines, { amount }) => {
    const machine = machines[0];
    if (machine === undefined) return;
    let term = machine.node?.raft?.term;
    machine.onDiskUse = () => {
      const before = term;
      term = machine.node?.raft?.term;
      if (term === undefined || before === undefined || term === before) return;
      machine.onDiskUse = undefined;
      scene.time.after(50 * amount, () => {
        whileAway(scene, machine, 1, ({ disk }) => {
          const newest = newestLog(machine);
          const at =
            newest === undefined
              ? undefined
              : losableFrames(scene, machine, machine.disk.files(), newest).at(-1);
          if (at !== undefined) disk.rotBit(newest!, at + FRAME_HEADER_BYTES, 3);
        });
      });
    };
  },
  /** The whole directory is the one of a while ago. */
  OldDirectory: (scene, machines, { forMs, amount }) => {
    const machine = machines[0];
    if (machine?.node === undefined || machine.disk.isRenewed) return;
    const old = machine.disk.files();
    if (isAlone(machine.node) && !scene.beyond) return;
    scene.time.after(1000 + 20_000 * amount, () => {
      if (machine.disk.isRenewed) return;
      whileAway(scene, machine, forMs, ({ disk }) => disk.restore(old));
    });
  },
  /**
   * Likewise, of up to twenty seconds ago, and every other one was told of more: so that the models know of it. What they
   * were told two seconds ago they still know, whatever happens to them.
   */
  LoseTail: (scene, machines, { amount }) => {
    const machine = machines[0];
    const endLsn = machine?.node?.storage?.writtenLsn;
    if (machine?.node === undefined || endLsn === undefined) return;
    if (isAlone(machine.node) && !scene.beyond) return;
    const old = machine.disk.stableFiles();
    const all = scene.cluster.machines;
    const lives = all.map(({ life }) => life);
    const isStill = (): boolean =>
      !scene.healed &&
      all.every(({ life }, i) => life === lives[i]) &&
      survivesLossOf(scene, machine);
    scene.time.after(20_000 * amount, () => {
      const told = rest(scene, [machine]).map(({ node }) => node?.reachOf(machine.id)?.lsn ?? 0);
      if (!isStill() || told.some((lsn) => lsn <= endLsn)) return;
      scene.time.after(2000, () => {
        if (!isStill()) return;
        scene.loseTail(machine, old);
        scene.restart(machine);
      });
    });
  },
  /** Bits flip in frames of its log files, up to 64; below an amount of 0.5 it starts again afterwards. */
  BitRot: (scene, machines, fault) =>
    rot(scene, machines[0], fault, (machine, name, at) => machine.disk.rotBit(name, at, 5)),
  /** Sectors of its log files cannot be read, up to 64. */
  BadSectors: (scene, machines, fault) =>
    rot(scene, machines[0], fault, (machine, name, at) => machine.disk.loseSector(name, at)),
  /** Bits flip in the heads of files, or in a checkpoint. */
  HeadRot: (scene, machines, { forMs, amount }) =>
    whileAway(scene, machines[0], forMs, ({ disk }) => {
      const names = [...disk.files().keys()];
      const name = names[Math.floor(amount * names.length)];
      if (name !== undefined) disk.rotBit(name, Math.floor(fraction(amount * 977) * 64), 2);
    }),
  /** Writes of one machine land elsewhere now and then; below an amount of 0.5 it starts again afterwards. */
  MisdirectedWrites: (scene, machines, { forMs, amount }) => {
    const machine = machines[0];
    whenWholeWithout(scene, machine, () => {
      scene.damaged(machine!);
      machine!.disk.faults.misdirectedWrite = 0.2;
      scene.time.after(forMs, () => {
        machine!.disk.faults.misdirectedWrite = 0;
        if (amount < 0.5 && !scene.healed) crash(scene, [machine!], { forMs: 100, amount }, false);
      });
    });
  },
  /** Syncs of one machine lie, and then the power goes. */
  LyingSyncs: (scene, machines, { forMs }) => {
    const machine = machines[0];
    whenWholeWithout(scene, machine, () => {
      scene.damaged(machine!);
      machine!.disk.faults.lyingSync = 0.5;
      scene.time.after(forMs, () => {
        machine!.disk.faults.lyingSync = 0;
        if (!scene.healed) crash(scene, [machine!], { forMs: 100, amount: 0 }, true);
      });
    });
  },
};

function whileAway(
  scene: Scene,
  machine: Machine | undefined,
  forMs: number,
  damage: (machine: Machine) => void,
): void {
  whenWholeWithout(scene, machine, () => {
    // What the process itself says is 0 as long as it is starting.
    const incarnation = scene.checker.record.incarnations.get(machine!.id);
    scene.crash(machine!, false);
    scene.damaged(machine!);
    damage(machine!);
    later(scene, Math.min(forMs, 5000), [machine!], (each) => scene.restart(each));
    neverUnheard(scene, machine!);
    if (incarnation === undefined) return;
    whenEmptied(scene, machine!, incarnation, () => {
      scene.disturbed(forMs + OPERATOR_MS);
      later(scene, forMs + OPERATOR_MS, [machine!], (each) => sayReplaced(scene, each));
    });
  });
}

/** What was damaged may have been all there was: the disk is an empty one then, and is refused until somebody says that it is. */
function whenEmptied(scene: Scene, machine: Machine, incarnation: number, act: () => void): void {
  const look = (): void => {
    const { node, disk } = machine;
    if (disk.isRenewed || node?.incarnation === incarnation) return;
    if (node === undefined || node.incarnation === 0) {
      scene.time.after(POLL_MS, look);
      return;
    }
    disk.isRenewed = true;
    act();
  };
  look();
}

function rot(
  scene: Scene,
  machine: Machine | undefined,
  { amount, forMs }: Measure,
  spoil: (machine: Machine, name: string, offsetBytes: number) => void,
): void {
  whenWholeWithout(scene, machine, () => {
    scene.damaged(machine!);
    const files = machine!.disk.files();
    const names = logFiles(machine!);
    for (let i = 0; i <= amount * 64 && names.length > 0; i++) {
      const name = names[Math.floor(fraction(amount * 31 + i * 0.618) * names.length)]!;
      const bytes = files.get(name)!;
      const frames = losableFrames(scene, machine!, files, name);
      const frame = frames[Math.floor(fraction(amount * 977 + i * 0.382) * frames.length)];
      if (frame === undefined) continue;
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      // Sections, and what it says of them.
      const bodyBytes = view.getUint32(frame + 36, true) + view.getUint32(frame + 40, true);
      const at = frame + FRAME_HEADER_BYTES + Math.floor(fraction(i * 0.236) * bodyBytes);
      spoil(machine!, name, at);
    }
    if (amount < 0.5) crash(scene, [machine!], { amount, forMs: Math.min(forMs, 5000) }, false);
  });
}

export function logFiles({ disk }: Machine): string[] {
  return [...disk.files().keys()].filter((name) => name.endsWith('.wal'));
}

/** The last one that anything was written to: the next is made before it is needed. */
export function newestLog(machine: Machine): string | undefined {
  const files = machine.disk.files();
  return logFiles(machine).findLast((name) => framesOf(files.get(name)!).length > 0);
}

/**
 * Where frames of a log file begin that it may lose. Without the very first one of a log the disk is an empty one, as
 * after `LostFile`; with that alone, a founder knows nobody, and leads a cluster of its own.
 */
function losableFrames(
  { beyond }: Scene,
  machine: Machine,
  files: ReadonlyMap<string, Uint8Array>,
  name: string,
): number[] {
  const frames = framesOf(files.get(name)!);
  const isFirst =
    name === logFiles(machine)[0] &&
    ![...files.keys()].some((each) => parseFileName(each)?.kind === 'checkpoint');
  if (beyond || !isFirst) return frames;
  return isFounder(machine) ? [] : frames.slice(1);
}

/** Whether it knows nobody yet: it has no place, or has founded and nobody else has a vote. */
function isAlone({ raft }: Node): boolean {
  const voters = raft?.membership.filter(({ learner }) => !learner) ?? [];
  return voters.length < 2;
}

/** Where frames begin. */
export function framesOf(bytes: Uint8Array): number[] {
  const frames: number[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const last = bytes.length - FRAME_HEADER_BYTES;
  for (let at = FILE_HEAD_BYTES; at <= last; at += FRAME_UNIT_BYTES) {
    if (view.getUint32(at, true) === FRAME_MAGIC) frames.push(at);
  }
  return frames;
}
