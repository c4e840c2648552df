/** The bytes of Raft's messages between nodes. Entries travel without their index, which follows from the first's. */
import { type ByteReader, type ByteWriter, MalformedError } from '../codec.ts';
import type { LogIndex, Term } from '../ids.ts';
import type { Entry, EntryKind } from './entry.ts';
import { decodeMembership, readMembership, writeMembership } from './membership.ts';
import type { RaftMessage } from './messages.ts';

const KINDS = [
  'RequestVoteRequest',
  'RequestVoteResponse',
  'AppendEntriesRequest',
  'AppendEntriesResponse',
  'InstallSnapshotRequest',
  'InstallSnapshotResponse',
  'TimeoutNow',
] as const satisfies readonly RaftMessage['kind'][];

const ENTRY_KINDS = ['noop', 'command', 'membership'] as const satisfies readonly EntryKind[];

export function encodeRaftMessage(out: ByteWriter, message: RaftMessage): void {
  out.byte(KINDS.indexOf(message.kind)).whole(message.term);
  switch (message.kind) {
    case 'RequestVoteRequest':
      out.bool(message.preVote).bool(message.transfer);
      out.whole(message.lastIndex).whole(message.lastTerm);
      break;
    case 'RequestVoteResponse':
      out.bool(message.preVote).bool(message.granted);
      break;
    case 'AppendEntriesRequest':
      out.whole(message.prevIndex).whole(message.prevTerm);
      out.list(message.entries, (entry) => encodeEntry(out, entry));
      out.whole(message.commitIndex).whole(message.round);
      break;
    case 'AppendEntriesResponse':
      out.bool(message.success).whole(message.prevIndex).whole(message.matchIndex);
      out.whole(message.hintIndex).whole(message.hintTerm).whole(message.round);
      break;
    case 'InstallSnapshotRequest':
      out.whole(message.snapshotIndex).whole(message.snapshotTerm);
      writeMembership(out, message.membership);
      out.whole(message.sizeBytes).whole(message.offsetBytes).bytes(message.chunk);
      out.whole(message.round);
      break;
    case 'InstallSnapshotResponse':
      out.whole(message.snapshotIndex).whole(message.offsetBytes).bool(message.installed);
      out.whole(message.round);
      break;
    case 'TimeoutNow':
      break;
  }
}

/**
 * Byte strings of the result are views into the input. Throws `MalformedError` for anything that no node sends,
 * such as terms that fall along the log; the core may rely on what passes here.
 */
export function decodeRaftMessage(input: ByteReader): RaftMessage {
  const kind = KINDS[input.byte()];
  if (kind === undefined) throw new MalformedError('no such Raft message');
  const term = input.whole() as Term;
  switch (kind) {
    case 'RequestVoteRequest':
      return {
        kind,
        term,
        preVote: input.bool(),
        transfer: input.bool(),
        lastIndex: input.whole() as LogIndex,
        lastTerm: wholeUpTo(input, term) as Term,
      };
    case 'RequestVoteResponse':
      return { kind, term, preVote: input.bool(), granted: input.bool() };
    case 'AppendEntriesRequest': {
      const prevIndex = input.whole() as LogIndex;
      const prevTerm = wholeUpTo(input, term) as Term;
      let last = { index: prevIndex, term: prevTerm };
      const entries = input.list(() => {
        const entry = decodeEntry(input, (last.index + 1) as LogIndex, last.term, term);
        last = entry;
        return entry;
      });
      return {
        kind,
        term,
        prevIndex,
        prevTerm,
        entries,
        commitIndex: input.whole() as LogIndex,
        round: input.whole(),
      };
    }
    case 'AppendEntriesResponse':
      return {
        kind,
        term,
        success: input.bool(),
        prevIndex: input.whole() as LogIndex,
        matchIndex: input.whole() as LogIndex,
        hintIndex: input.whole() as LogIndex,
        hintTerm: input.whole() as Term,
        round: input.whole(),
      };
    case 'InstallSnapshotRequest': {
      const snapshotIndex = input.whole() as LogIndex;
      const snapshotTerm = wholeUpTo(input, term) as Term;
      const membership = readMembership(input);
      const sizeBytes = input.whole();
      const offsetBytes = wholeUpTo(input, sizeBytes);
      const chunk = input.bytes();
      if (chunk.length > sizeBytes - offsetBytes)
        throw new MalformedError('piece beyond its snapshot');
      if (chunk.length === 0 && sizeBytes > 0) throw new MalformedError('empty piece');
      return {
        kind,
        term,
        snapshotIndex,
        snapshotTerm,
        membership,
        sizeBytes,
        offsetBytes,
        chunk,
        round: input.whole(),
      };
    }
    case 'InstallSnapshotResponse':
      return {
        kind,
        term,
        snapshotIndex: input.whole() as LogIndex,
        offsetBytes: input.whole(),
        installed: input.bool(),
        round: input.whole(),
      };
    case 'TimeoutNow':
      return { kind, term };
  }
}

function encodeEntry(out: ByteWriter, entry: Entry): void {
  out.whole(entry.term).byte(ENTRY_KINDS.indexOf(entry.kind)).bytes(entry.data);
}

function decodeEntry(input: ByteReader, index: LogIndex, previous: Term, leaders: Term): Entry {
  const term = wholeUpTo(input, leaders) as Term;
  if (term < previous || term === 0) throw new MalformedError('terms fall along the log');
  const kind = ENTRY_KINDS[input.byte()];
  if (kind === undefined) throw new MalformedError('no such kind of entry');
  const data = input.bytes();
  if (kind === 'membership') decodeMembership(data);
  return { index, term, kind, data };
}

function wholeUpTo(input: ByteReader, most: number): number {
  const value = input.whole();
  if (value > most) throw new MalformedError('number out of range');
  return value;
}
