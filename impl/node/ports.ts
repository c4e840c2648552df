/** What one cluster member asks of the world. */
import type { HostedRaftEvent } from '../core/raft/trace.ts';
import type { DataEvent } from '../core/trace.ts';
import type { Clock } from '../ports/clock.ts';
import type { Checksum, Disk } from '../ports/disk.ts';
import type { Network } from '../ports/network.ts';
import type { Random } from '../ports/random.ts';
import type { TraceSink } from '../ports/trace-sink.ts';
import type { Envelope } from './messages.ts';
import type { Notice } from './notices.ts';

export interface NodePorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly network: Network<Envelope>;
  readonly disk: Disk;
  readonly checksum: Checksum;
  /** Memory that the disk can write from without copying. */
  readonly arena?: Uint8Array | undefined;
  /** Takes what the operator should hear of. */
  readonly notice?: ((notice: Notice) => void) | undefined;
  readonly trace?: TraceSink<DataEvent> | undefined;
  /** Raft's part of the trace: it has several events to each message, so whoever does not read it may leave it out. */
  readonly raftTrace?: TraceSink<HostedRaftEvent> | undefined;
}
