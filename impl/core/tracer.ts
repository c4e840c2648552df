/**
 * Tells what one node does: a method for each event of `trace.ts`, under its name, which takes what the acting function
 * has at hand. It is called after the state has changed. A node that nobody traces has no tracer, so that nothing is
 * built in vain.
 */
import type { TraceSink } from '../ports/trace-sink.ts';
import type { BootId, Incarnation, LogIndex, NodeId, Offset, TopicId } from './ids.ts';
import type { ReplicaRecord } from './metadata/cluster-state.ts';
import type { Origin, Proposal } from './metadata/commands.ts';
import type {
  Copy,
  CopyRequest,
  OfSegment,
  PromiseResponse,
  Replicate,
  ReplicateAck,
} from './segment/messages.ts';
import type { Replica } from './segment/replica.ts';
import type { Writer } from './segment/writer.ts';
import type { DataEvent, DurableChange } from './trace.ts';

export class Tracer {
  private readonly sink: TraceSink<DataEvent>;
  private readonly node: NodeId;
  /** Stands for the bytes of a record. */
  private readonly digest: (record: Uint8Array) => number;

  constructor(sink: TraceSink<DataEvent>, node: NodeId, digest: (record: Uint8Array) => number) {
    this.sink = sink;
    this.node = node;
    this.digest = digest;
  }

  // Metadata

  proposeCommand(proposal: Proposal): void {
    this.sink.emit({ name: 'ProposeCommand', node: this.node, proposal });
  }

  commitCommand(index: LogIndex, proposal: Proposal | null): void {
    this.sink.emit({ name: 'CommitCommand', node: this.node, index, proposal });
  }

  applyCommand(index: LogIndex, applied: boolean): void {
    this.sink.emit({ name: 'ApplyCommand', node: this.node, index, applied });
  }

  restoreMetadata(index: LogIndex): void {
    this.sink.emit({ name: 'RestoreMetadata', node: this.node, index });
  }

  // Leases

  renewLease(): void {
    this.sink.emit({ name: 'RenewLease', node: this.node });
  }

  expireLease(): void {
    this.sink.emit({ name: 'ExpireLease', node: this.node });
  }

  // Writing

  appendRecord(
    writer: Writer,
    index: number,
    bytes: Uint8Array,
    origin: Origin,
    part: number,
    parts: number,
  ): void {
    const record = this.digest(bytes);
    const request = parts === 1 ? origin : { ...origin, part, parts };
    this.sink.emit({ name: 'AppendRecord', ...this.under(writer), index, record, request });
  }

  syncCompleted(replicas: readonly Replica[]): void {
    this.sink.emit({ name: 'SyncCompleted', node: this.node, durable: replicas.map(durablePart) });
  }

  sendReplicate(to: ReplicaRecord, message: Replicate): void {
    const { from, records, highWatermark } = message;
    const count = records.length;
    const at = this.at(message);
    this.sink.emit({ name: 'SendReplicate', ...at, to: to.node, from, count, highWatermark });
  }

  handleReplicate(sender: ReplicaRecord, message: Replicate, replica: Replica): void {
    this.sink.emit({
      name: 'HandleReplicate',
      ...this.at(message),
      sender: sender.node,
      from: message.from,
      count: message.records.length,
      highWatermark: message.highWatermark,
      end: replica.end,
      promised: replica.promised,
    });
  }

  sendReplicateAck(to: ReplicaRecord, message: ReplicateAck): void {
    const { durableEnd } = message;
    this.sink.emit({ name: 'SendReplicateAck', ...this.at(message), to: to.node, durableEnd });
  }

  handleReplicateAck(sender: ReplicaRecord, message: ReplicateAck): void {
    const at = this.at(message);
    const { durableEnd } = message;
    this.sink.emit({ name: 'HandleReplicateAck', ...at, sender: sender.node, durableEnd });
  }

  advanceHighWatermark(writer: Writer): void {
    const { highWatermark } = writer;
    this.sink.emit({ name: 'AdvanceHighWatermark', ...this.under(writer), highWatermark });
  }

  acknowledgeRecord(writer: Writer, index: number): void {
    this.sink.emit({ name: 'AcknowledgeRecord', ...this.under(writer), index });
  }

  stopAppending(writer: Writer): void {
    this.sink.emit({ name: 'StopAppending', ...this.under(writer), end: writer.replica.end });
  }

  // Failover

  sendPromiseRequest(to: ReplicaRecord, request: OfSegment): void {
    this.sink.emit({ name: 'SendPromiseRequest', ...this.at(request), to: to.node });
  }

  handlePromiseRequest(sender: ReplicaRecord, request: OfSegment): void {
    this.sink.emit({ name: 'HandlePromiseRequest', ...this.at(request), sender: sender.node });
  }

  sendPromise(to: ReplicaRecord, message: PromiseResponse): void {
    const { durableEnd } = message;
    this.sink.emit({ name: 'SendPromise', ...this.at(message), to: to.node, durableEnd });
  }

  handlePromise(sender: ReplicaRecord, recovery: Writer, durableEnd: number): void {
    const at = this.under(recovery);
    this.sink.emit({ name: 'HandlePromise', ...at, sender: sender.node, durableEnd });
  }

  sendCopyRequest(to: ReplicaRecord, request: CopyRequest): void {
    const { from } = request;
    this.sink.emit({ name: 'SendCopyRequest', ...this.at(request), to: to.node, from });
  }

  sendCopy(to: ReplicaRecord, message: Copy): void {
    const { from, records } = message;
    const at = this.at(message);
    this.sink.emit({ name: 'SendCopy', ...at, to: to.node, from, count: records.length });
  }

  handleCopy(sender: ReplicaRecord, message: Copy, { end }: Replica): void {
    this.sink.emit({
      name: 'HandleCopy',
      ...this.at(message),
      sender: sender.node,
      from: message.from,
      count: message.records.length,
      end,
    });
  }

  // Moves of copies

  beginCopy({ topic, segment, promised: epoch }: Replica): void {
    this.sink.emit({ name: 'BeginCopy', ...this.at({ topic, segment, epoch }) });
  }

  dropReplica({ topic, segment }: Replica, index: LogIndex): void {
    this.sink.emit({ name: 'DropReplica', node: this.node, topic, segment, index });
  }

  // Reading

  deliverRecord(topic: TopicId, group: string, offset: Offset): void {
    this.sink.emit({ name: 'DeliverRecord', node: this.node, topic, group, offset });
  }

  readRecord(topic: TopicId, offset: Offset): void {
    this.sink.emit({ name: 'ReadRecord', node: this.node, topic, offset });
  }

  // Process

  restart(
    boot: BootId,
    incarnation: Incarnation,
    applied: LogIndex,
    replicas: Iterable<Replica>,
  ): void {
    const ends = Array.from(replicas, durablePart);
    this.sink.emit({ name: 'Restart', node: this.node, boot, incarnation, applied, ends });
  }

  private at({ topic, segment, epoch }: OfSegment): OfSegment & { readonly node: NodeId } {
    return { node: this.node, topic, segment, epoch };
  }

  private under({ replica, epoch }: Writer): OfSegment & { readonly node: NodeId } {
    return { node: this.node, topic: replica.topic, segment: replica.segment, epoch };
  }
}

function durablePart({ topic, segment, durableEnd, durablePromise }: Replica): DurableChange {
  return { topic, segment, end: durableEnd, promised: durablePromise };
}
