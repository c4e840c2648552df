/**
 * Disks that hold less than they said, or other bytes: on one machine at a time, while all that counts is elsewhere. From
 * then on the models are not asked, for they know no such disk; what is promised to clients stays absolute.
 */

import { FILE_HEAD_BYTES } from '../../impl/core/storage/format.ts';
import type { Machine } from '../cluster.ts';
import { isWholeWithout } from './budget.ts';
import {
  crash,
  type Faults,
  fraction,
  type Inject,
  later,
  type Measure,
  type Scene,
} from './scene.ts';

/** "WFRL", which begins a frame. */
const FRAME_MAGIC = [0x57, 0x46, 0x52, 0x4c];

type Damage = (machine: Machine, newest: string, amount: number) => void;

/** The newest log file loses what it was told to keep, while the process is away. */
const lostTail =
  (damage: Damage): Inject =>
  (scene, machines, { forMs, amount }) =>
    whileAway(scene, machines[0], forMs, (machine) => {
      const newest = logFiles(machine).at(-1);
      if (newest !== undefined) damage(machine, newest, amount);
    });

export type DamageFault =
  | 'LostFrames'
  | 'CutFile'
  | 'ZeroedFile'
  | 'LostFile'
  | 'OldDirectory'
  | 'BitRot'
  | 'BadSectors'
  | 'HeadRot'
  | 'MisdirectedWrites'
  | 'LyingSyncs';

export const DAMAGE_FAULTS: Faults<DamageFault> = {
  /** Its last frames, up to eight, do not verify. */
  LostFrames: lostTail(({ disk }, newest, amount) => {
    const frames = framesOf(disk.files().get(newest)!);
    for (const at of frames.slice(-1 - Math.floor(amount * 8))) disk.rotBit(newest, at + 60, 3);
  }),
  /** It is cut. */
  CutFile: lostTail(({ disk }, newest, amount) => {
    const frames = framesOf(disk.files().get(newest)!);
    const at = frames[Math.floor(amount * frames.length)];
    if (at !== undefined) disk.truncate(newest, at);
  }),
  /** Its end is zeros. */
  ZeroedFile: lostTail(({ disk }, newest, amount) => {
    const frames = framesOf(disk.files().get(newest)!);
    const at = frames[Math.floor(amount * frames.length)];
    if (at !== undefined) disk.zero(newest, at);
  }),
  /** It is gone. */
  LostFile: lostTail(({ disk }, newest) => disk.remove(newest)),
  /** The whole directory is the one of a while ago. */
  OldDirectory: (scene, machines, { forMs, amount }) => {
    const machine = machines[0];
    if (machine?.node === undefined || machine.disk.isRenewed) return;
    const old = machine.disk.files();
    scene.time.after(1000 + 20_000 * amount, () => {
      if (machine.disk.isRenewed) return;
      whileAway(scene, machine, forMs, ({ disk }) => disk.restore(old));
    });
  },
  /** Bits flip somewhere in its log files, up to eight; below an amount of 0.5 it starts again afterwards. */
  BitRot: (scene, machines, fault) =>
    rot(scene, machines[0], fault, (machine, name, at) => machine.disk.rotBit(name, at, 5)),
  /** Sectors of its log files cannot be read, up to eight. */
  BadSectors: (scene, machines, fault) =>
    rot(scene, machines[0], fault, (machine, name, at) => machine.disk.loseSector(name, at)),
  /** Bits flip in the heads of files, or in a checkpoint. */
  HeadRot: (scene, machines, { forMs, amount }) =>
    whileAway(scene, machines[0], forMs, ({ disk }) => {
      const names = [...disk.files().keys()];
      const name = names[Math.floor(amount * names.length)];
      if (name !== undefined) disk.rotBit(name, Math.floor(fraction(amount * 977) * 64), 2);
    }),
  /** Writes of one machine land elsewhere now and then. */
  MisdirectedWrites: (scene, machines, { forMs }) => {
    const machine = machines[0];
    if (machine === undefined || !isWholeWithout(scene, machine)) return;
    scene.damaged(machine);
    machine.disk.faults.misdirectedWrite = 0.02;
    later(scene, forMs, [machine], ({ disk }) => {
      disk.faults.misdirectedWrite = 0;
    });
  },
  /** Syncs of one machine lie, and then the power goes. */
  LyingSyncs: (scene, machines, { forMs }) => {
    const machine = machines[0];
    if (machine === undefined || !isWholeWithout(scene, machine)) return;
    scene.damaged(machine);
    machine.disk.faults.lyingSync = 0.5;
    scene.time.after(forMs, () => {
      machine.disk.faults.lyingSync = 0;
      if (!scene.healed) crash(scene, [machine], { forMs: 100, amount: 0 }, true);
    });
  },
};

function whileAway(
  scene: Scene,
  machine: Machine | undefined,
  forMs: number,
  damage: (machine: Machine) => void,
): void {
  if (machine === undefined || scene.healed || !isWholeWithout(scene, machine)) return;
  scene.crash(machine, false);
  scene.damaged(machine);
  damage(machine);
  later(scene, Math.min(forMs, 5000), [machine], (each) => scene.restart(each));
}

function rot(
  scene: Scene,
  machine: Machine | undefined,
  { amount, forMs }: Measure,
  spoil: (machine: Machine, name: string, offsetBytes: number) => void,
): void {
  if (machine === undefined || !isWholeWithout(scene, machine)) return;
  scene.damaged(machine);
  const files = machine.disk.files();
  const names = logFiles(machine);
  for (let i = 0; i <= amount * 8 && names.length > 0; i++) {
    const name = names[Math.floor(fraction(amount * 31 + i * 0.618) * names.length)]!;
    const lengthBytes = lastByteOf(files.get(name)!);
    const at =
      FILE_HEAD_BYTES + fraction(amount * 977 + i * 0.382) * (lengthBytes - FILE_HEAD_BYTES);
    if (lengthBytes > FILE_HEAD_BYTES) spoil(machine, name, Math.floor(at));
  }
  if (amount < 0.5) crash(scene, [machine], { amount, forMs: Math.min(forMs, 5000) }, false);
}

function logFiles({ disk }: Machine): string[] {
  return [...disk.files().keys()].filter((name) => name.endsWith('.wal'));
}

/** Where frames begin. */
function framesOf(bytes: Uint8Array): number[] {
  const frames: number[] = [];
  for (let at = FILE_HEAD_BYTES; at < bytes.length; at += 8) {
    if (FRAME_MAGIC.every((byte, i) => bytes[at + i] === byte)) frames.push(at);
  }
  return frames;
}

function lastByteOf(bytes: Uint8Array): number {
  let length = bytes.length;
  while (length > 0 && bytes[length - 1] === 0) length--;
  return length;
}
