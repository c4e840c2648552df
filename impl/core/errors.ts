/**
 * Every operating error that a caller can meet. Bugs are assertions; these are the world's ways.
 *
 * `retriable`: the same call may succeed later without anybody changing anything but time.
 * `committed`: whether the effect asked for has happened. `unknown` means that it may have, or may still:
 * whoever sends it again may do it twice.
 */
export const ERRORS = {
  UnknownTopic: { retriable: false, committed: 'no' },
  InvalidTopic: { retriable: false, committed: 'no' },
  InvalidArgument: { retriable: false, committed: 'no' },
  RecordTooLarge: { retriable: false, committed: 'no' },
  BatchTooLarge: { retriable: false, committed: 'no' },
  /** A batch was to stand at another offset than the one that is next. */
  OffsetMismatch: { retriable: false, committed: 'no' },
  /** This node does not own the open segment, or owns it no more. */
  NotOwner: { retriable: true, committed: 'no' },
  /** The owner has not heard from the Raft leader for the length of its lease. */
  LeaseExpired: { retriable: true, committed: 'no' },
  /** A replica has promised a higher epoch. */
  Fenced: { retriable: true, committed: 'no' },
  /** The segment is being sealed or recovered. */
  SegmentSealing: { retriable: true, committed: 'no' },
  NotLeader: { retriable: true, committed: 'no' },
  NoLeader: { retriable: true, committed: 'no' },
  /** Too much is waiting already. */
  Overloaded: { retriable: true, committed: 'no' },
  /** The node asked is leaving, or the data asked for is held by nodes that do not answer. */
  Unavailable: { retriable: true, committed: 'no' },
  /** The record was forgotten, with all before it; the error tells the offset of the first one that is kept. */
  Trimmed: { retriable: false, committed: 'no' },
  /** Nobody had begun it when its time was up. */
  Expired: { retriable: true, committed: 'no' },
  /** No answer in time; the work may have been done or may yet be. */
  Timeout: { retriable: true, committed: 'unknown' },
  /** The node lost its right to answer after the record was handed on, or the disk refuses what it had promised room for. */
  OutcomeUnknown: { retriable: true, committed: 'unknown' },
  /** The cluster could lose something by it, or stand still; the message says what. */
  WouldLose: { retriable: false, committed: 'no' },
  /** No such node is a member, or was registered. */
  UnknownNode: { retriable: false, committed: 'no' },
  /** A data directory under this id exists, and this is not it. */
  WrongIncarnation: { retriable: false, committed: 'no' },
  NoSpace: { retriable: true, committed: 'no' },
  /** The system is short of descriptors or memory, or the device is busy. The log goes on when that has passed. */
  Exhausted: { retriable: true, committed: 'no' },
  /** A write or sync failed; the store accepts nothing more until it is opened again. */
  StorageFailed: { retriable: false, committed: 'unknown' },
  /** Bytes that were durable do not verify. The message names file and place. */
  Corrupt: { retriable: false, committed: 'no' },
  /** The files were written by a newer version. */
  UnsupportedVersion: { retriable: false, committed: 'no' },
  /** Another live process has the directory. */
  Locked: { retriable: true, committed: 'no' },
  Closed: { retriable: false, committed: 'no' },
  Aborted: { retriable: true, committed: 'unknown' },
} as const;

/** A name of `ERRORS`. */
export type ErrorCode = keyof typeof ERRORS;

/** What every call fails with: `ERRORS` tells what its `code` means for the caller. */
export class WalrusError extends Error {
  override readonly name = 'WalrusError';
  readonly code: ErrorCode;
  /** Of `Trimmed`: offset of the first record that is kept. */
  readonly start: number | undefined;

  constructor(code: ErrorCode, message: string, start?: number) {
    super(message);
    this.code = code;
    this.start = start;
  }

  get retriable(): boolean {
    return ERRORS[this.code].retriable;
  }

  get committed(): 'yes' | 'no' | 'unknown' {
    return ERRORS[this.code].committed;
  }
}
