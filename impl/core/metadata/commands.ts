/**
 * What may be asked of the metadata log. Every command names what it expects (segment, epoch, cursor) and changes
 * nothing if it finds something else, so any command may be proposed twice, late, or by a node that is wrong.
 */
import { ByteReader, ByteWriter, MalformedError } from '../codec.ts';
import type {
  BootId,
  Epoch,
  Incarnation,
  LogIndex,
  NodeId,
  Offset,
  SegmentId,
  TopicId,
} from '../ids.ts';
import { readPolicy, type TopicPolicy, writePolicy } from './policy.ts';

export type Command =
  /** A process says that it lives. Grants made to an earlier boot of the same node are void from here on. */
  | {
      readonly kind: 'RegisterNode';
      readonly node: NodeId;
      readonly boot: BootId;
      readonly incarnation: Incarnation;
      readonly raftAddress: string;
      readonly clientAddress: string;
    }
  /** Makes a topic, whose id is the index of this command, and opens its segment 1 under `owner`. Expects the name to be free. */
  | {
      readonly kind: 'CreateTopic';
      readonly name: string;
      readonly owner: NodeId;
      readonly replicas: readonly NodeId[];
      readonly policy: TopicPolicy;
    }
  /**
   * Ends the segment at `count` records and opens the next under `nextOwner`. Expects `epoch`. Of one without records nothing is
   * kept. Of a topic that is being deleted no next segment is opened: nothing is kept of any.
   */
  | {
      readonly kind: 'SealSegment';
      readonly topic: TopicId;
      readonly segment: SegmentId;
      readonly epoch: Epoch;
      readonly count: number;
      /** About so many bytes are its records. */
      readonly bytes: number;
      /** By the wall clock of who proposes it. */
      readonly atMs: number;
      readonly nextOwner: NodeId;
      readonly nextReplicas: readonly NodeId[];
    }
  /** Takes the segment from its owner and gives it to `recoverer` to end it. Expects `expectedEpoch`. */
  | {
      readonly kind: 'FenceSegment';
      readonly topic: TopicId;
      readonly segment: SegmentId;
      readonly expectedEpoch: Epoch;
      readonly recoverer: NodeId;
    }
  /** Moves a group's cursor from `expected` to `next`. */
  | {
      readonly kind: 'AdvanceCursor';
      readonly topic: TopicId;
      readonly group: string;
      readonly expected: Offset;
      readonly next: Offset;
    }
  /** A replica of a sealed segment whose disk was replaced holds the whole segment again. */
  | {
      readonly kind: 'RestoreReplica';
      readonly topic: TopicId;
      readonly segment: SegmentId;
      readonly node: NodeId;
      readonly incarnation: Incarnation;
    }
  /**
   * A copy of a sealed segment is to be made on `to`, in place of the one on `from`, which counts until the new one is whole. The index
   * of this command is the move's epoch. Expects that no other move of the segment is under way.
   */
  | {
      readonly kind: 'BeginMove';
      readonly topic: TopicId;
      readonly segment: SegmentId;
      readonly from: NodeId;
      readonly to: NodeId;
    }
  /** The copy that the move of that epoch makes is whole and durable: it takes the place of the other one. */
  | {
      readonly kind: 'MoveReplica';
      readonly topic: TopicId;
      readonly segment: SegmentId;
      readonly epoch: Epoch;
    }
  /** The move of that epoch is given up: all copies stay where they are. */
  | {
      readonly kind: 'CancelMove';
      readonly topic: TopicId;
      readonly segment: SegmentId;
      readonly epoch: Epoch;
    }
  /** All that the disk holds is to move to others, and nothing new is placed on it; or not any more. Expects another one that is active. */
  | {
      readonly kind: 'DrainNode';
      readonly node: NodeId;
      readonly incarnation: Incarnation;
      readonly isDraining: boolean;
    }
  /** The disk is out of the cluster for ever, and counts for nothing. Expects that it has the last copy of nothing. */
  | { readonly kind: 'RemoveNode'; readonly node: NodeId; readonly incarnation: Incarnation }
  /** Ends the topic: with the seal of its current segment it is gone, and its name is free. */
  | { readonly kind: 'DeleteTopic'; readonly topic: TopicId }
  /**
   * Forgets the sealed segments at the front of the topic whose records all lie before `start`; cursors before it move up to it. Expects the
   * topic to begin at `expectedStart`, and a segment that begins at `start`.
   */
  | {
      readonly kind: 'TrimTopic';
      readonly topic: TopicId;
      readonly expectedStart: Offset;
      readonly start: Offset;
    }
  /** Gives the topic another policy. Expects it to have the one that the command at `expected` gave it. */
  | {
      readonly kind: 'SetTopicPolicy';
      readonly topic: TopicId;
      readonly expected: LogIndex;
      readonly policy: TopicPolicy;
    };

/** Who asked first, and which of its questions it was: a proposer knows its own command when the log brings it back. */
export interface Origin {
  readonly node: NodeId;
  readonly boot: BootId;
  readonly sequence: number;
}

export interface Proposal {
  readonly origin: Origin;
  readonly command: Command;
}

const KINDS = [
  'RegisterNode',
  'CreateTopic',
  'SealSegment',
  'FenceSegment',
  'AdvanceCursor',
  'RestoreReplica',
  'DeleteTopic',
  'TrimTopic',
  'BeginMove',
  'MoveReplica',
  'CancelMove',
  'SetTopicPolicy',
  'DrainNode',
  'RemoveNode',
] as const satisfies readonly Command['kind'][];

export function encodeProposal({ origin, command }: Proposal): Uint8Array {
  const out = new ByteWriter();
  out
    .whole(origin.node)
    .whole(origin.boot)
    .whole(origin.sequence)
    .byte(KINDS.indexOf(command.kind));
  switch (command.kind) {
    case 'RegisterNode':
      out.whole(command.node).whole(command.boot).whole(command.incarnation);
      out.text(command.raftAddress).text(command.clientAddress);
      break;
    case 'CreateTopic':
      out
        .text(command.name)
        .whole(command.owner)
        .list(command.replicas, (id) => out.whole(id));
      writePolicy(out, command.policy);
      break;
    case 'SealSegment':
      out.whole(command.topic).whole(command.segment).whole(command.epoch).whole(command.count);
      out.whole(command.bytes).whole(command.atMs);
      out.whole(command.nextOwner).list(command.nextReplicas, (id) => out.whole(id));
      break;
    case 'FenceSegment':
      out
        .whole(command.topic)
        .whole(command.segment)
        .whole(command.expectedEpoch)
        .whole(command.recoverer);
      break;
    case 'AdvanceCursor':
      out.whole(command.topic).text(command.group).whole(command.expected).whole(command.next);
      break;
    case 'RestoreReplica':
      out
        .whole(command.topic)
        .whole(command.segment)
        .whole(command.node)
        .whole(command.incarnation);
      break;
    case 'DeleteTopic':
      out.whole(command.topic);
      break;
    case 'TrimTopic':
      out.whole(command.topic).whole(command.expectedStart).whole(command.start);
      break;
    case 'DrainNode':
      out.whole(command.node).whole(command.incarnation).bool(command.isDraining);
      break;
    case 'RemoveNode':
      out.whole(command.node).whole(command.incarnation);
      break;
    case 'BeginMove':
      out.whole(command.topic).whole(command.segment).whole(command.from).whole(command.to);
      break;
    case 'MoveReplica':
    case 'CancelMove':
      out.whole(command.topic).whole(command.segment).whole(command.epoch);
      break;
    case 'SetTopicPolicy':
      out.whole(command.topic).whole(command.expected);
      writePolicy(out, command.policy);
      break;
  }
  return out.finish();
}

/** Throws `MalformedError` for bytes that `encodeProposal` does not write. */
export function decodeProposal(bytes: Uint8Array): Proposal {
  const input = new ByteReader(bytes);
  const origin = {
    node: input.whole() as NodeId,
    boot: input.whole() as BootId,
    sequence: input.whole(),
  };
  const command = decodeCommand(input);
  input.end();
  return { origin, command };
}

function decodeCommand(input: ByteReader): Command {
  const kind = KINDS[input.byte()];
  switch (kind) {
    case 'RegisterNode':
      return {
        kind,
        node: input.whole() as NodeId,
        boot: input.whole() as BootId,
        incarnation: input.whole() as Incarnation,
        raftAddress: input.text(),
        clientAddress: input.text(),
      };
    case 'CreateTopic':
      return {
        kind,
        name: input.text(),
        owner: input.whole() as NodeId,
        replicas: input.list(() => input.whole() as NodeId),
        policy: readPolicy(input),
      };
    case 'SealSegment':
      return {
        kind,
        topic: input.whole() as TopicId,
        segment: input.whole() as SegmentId,
        epoch: input.whole() as Epoch,
        count: input.whole(),
        bytes: input.whole(),
        atMs: input.whole(),
        nextOwner: input.whole() as NodeId,
        nextReplicas: input.list(() => input.whole() as NodeId),
      };
    case 'FenceSegment':
      return {
        kind,
        topic: input.whole() as TopicId,
        segment: input.whole() as SegmentId,
        expectedEpoch: input.whole() as Epoch,
        recoverer: input.whole() as NodeId,
      };
    case 'AdvanceCursor':
      return {
        kind,
        topic: input.whole() as TopicId,
        group: input.text(),
        expected: input.whole() as Offset,
        next: input.whole() as Offset,
      };
    case 'RestoreReplica':
      return {
        kind,
        topic: input.whole() as TopicId,
        segment: input.whole() as SegmentId,
        node: input.whole() as NodeId,
        incarnation: input.whole() as Incarnation,
      };
    case 'DeleteTopic':
      return { kind, topic: input.whole() as TopicId };
    case 'TrimTopic':
      return {
        kind,
        topic: input.whole() as TopicId,
        expectedStart: input.whole() as Offset,
        start: input.whole() as Offset,
      };
    case 'DrainNode':
    case 'RemoveNode': {
      const node = input.whole() as NodeId;
      const incarnation = input.whole() as Incarnation;
      if (kind === 'RemoveNode') return { kind, node, incarnation };
      return { kind, node, incarnation, isDraining: input.bool() };
    }
    case 'BeginMove':
      return {
        kind,
        topic: input.whole() as TopicId,
        segment: input.whole() as SegmentId,
        from: input.whole() as NodeId,
        to: input.whole() as NodeId,
      };
    case 'MoveReplica':
    case 'CancelMove':
      return {
        kind,
        topic: input.whole() as TopicId,
        segment: input.whole() as SegmentId,
        epoch: input.whole() as Epoch,
      };
    case 'SetTopicPolicy':
      return {
        kind,
        topic: input.whole() as TopicId,
        expected: input.whole() as LogIndex,
        policy: readPolicy(input),
      };
    default:
      throw new MalformedError('no such command');
  }
}
