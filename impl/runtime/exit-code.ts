import { type ErrorCode, WalrusError } from '../core/errors.ts';

/** Exit codes of `walrus node`, after sysexits where there is one. */
export const EXIT = {
  stopped: 0,
  usage: 64,
  /** A failed assertion, or anything else that was never to happen. */
  bug: 70,
  /** The disk failed, or its bytes do not verify. */
  storage: 74,
  /** Another process has the directory or the port, or the system lacks something: may work later. */
  taken: 75,
} as const;

/** Of `walrus verify`, `inspect` and `salvage`, after sysexits where there is one. */
export const EXAMINED = {
  whole: 0,
  damaged: 1,
  usage: 64,
  /** The directory cannot be read, or the copy or the output not be written. */
  failed: 74,
  /** Somebody writes there: what does not verify may be what is just being written. */
  inUse: 75,
} as const;

const STORAGE: ReadonlySet<ErrorCode> = new Set([
  'StorageFailed',
  'Corrupt',
  'UnsupportedVersion',
  'NoSpace',
  'WrongIncarnation',
]);

/** Of listening: it may work once somebody has done something elsewhere. */
const LATER: ReadonlySet<string> = new Set(['EADDRINUSE', 'EADDRNOTAVAIL', 'EACCES', 'EAI_AGAIN']);
/** Of listening: nobody can ever listen there. */
const NO_ADDRESS: ReadonlySet<string> = new Set(['ENOTFOUND', 'EAFNOSUPPORT', 'EINVAL']);

export function exitCodeOf(reason: Error | undefined): number {
  if (reason === undefined) return EXIT.stopped;
  if (reason instanceof WalrusError) {
    if (STORAGE.has(reason.code)) return EXIT.storage;
    if (reason.code === 'Locked' || reason.code === 'Exhausted') return EXIT.taken;
    if (reason.code === 'InvalidArgument') return EXIT.usage;
    return EXIT.bug;
  }
  const { code } = reason as NodeJS.ErrnoException;
  if (code !== undefined && LATER.has(code)) return EXIT.taken;
  if (code !== undefined && NO_ADDRESS.has(code)) return EXIT.usage;
  return EXIT.bug;
}
