/**
 * A snapshot that is written a few topics at a time: thousands take longer than a node may be deaf. What it is given must not
 * change meanwhile.
 */
import type { ByteWriter } from '../codec.ts';
import type { LogIndex } from '../ids.ts';

export class SnapshotWriter<Topic> {
  /** The last log entry that is in it. */
  readonly index: LogIndex;
  private readonly out: ByteWriter;
  private readonly topics: readonly Topic[];
  private readonly writeTopic: (out: ByteWriter, topic: Topic) => void;
  private written = 0;

  /** `out` has what comes before the topics. */
  constructor(
    index: LogIndex,
    out: ByteWriter,
    topics: readonly Topic[],
    writeTopic: (out: ByteWriter, topic: Topic) => void,
  ) {
    this.index = index;
    this.out = out.whole(topics.length);
    this.topics = topics;
    this.writeTopic = writeTopic;
  }

  /** Topics that are not written yet. */
  get left(): number {
    return this.topics.length - this.written;
  }

  /** Goes on with so many topics at most. True if none is left. */
  write(topicsMax: number): boolean {
    const end = this.written + Math.min(topicsMax, this.left);
    while (this.written < end) this.writeTopic(this.out, this.topics[this.written++]!);
    return this.left === 0;
  }

  /** Called when none is left. */
  finish(): Uint8Array {
    return this.out.finish();
  }
}
