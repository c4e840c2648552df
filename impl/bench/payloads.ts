/**
 * What is written: 4,096 random payloads of 500 to 1,024 bytes, taken in turn, each stamped with its index when it is used. So every
 * record of a run is different, its expected bytes follow from its index alone, and making it costs one store.
 */
import { writeFileSync } from 'node:fs';
import seedrandom from 'seedrandom';

const POOL = 4096;
const BYTES_MIN = 500;
const BYTES_MAX = 1024;

export class Payloads {
  readonly #bytes: Uint8Array;
  readonly #stamps: Float64Array;
  readonly #views: Buffer[] = [];
  readonly #lengths: Uint32Array = new Uint32Array(POOL);

  constructor(seed: string) {
    const random = seedrandom(seed);
    let sizeBytes = 0;
    for (let i = 0; i < POOL; i++) {
      this.#lengths[i] = BYTES_MIN + Math.floor(random() * (BYTES_MAX - BYTES_MIN + 1));
      sizeBytes += alignedLength(this.#lengths[i]!);
    }
    const words = new Int32Array(sizeBytes / 4);
    for (let i = 0; i < words.length; i++) words[i] = random.int32();
    this.#bytes = new Uint8Array(words.buffer);
    this.#stamps = new Float64Array(words.buffer);
    let at = 0;
    for (const length of this.#lengths) {
      this.#views.push(Buffer.from(words.buffer, at, length));
      at += alignedLength(length);
    }
  }

  /** Record `index`. Its bytes stay as they are until 4,095 others have been asked for. */
  at(index: number): Buffer {
    const view = this.#views[index % POOL]!;
    this.#stamps[view.byteOffset / 8] = index;
    return view;
  }

  /** Throws if `data` is not record `index`, bit by bit. */
  check(index: number, data: Uint8Array): void {
    if (this.at(index).equals(data)) return;
    throw new Error(`record ${index} came back as other bytes than were written`);
  }

  /** For drivers in other languages: the lengths, 32 bits each, then the payloads, each padded to 8 bytes. */
  save(path: string): void {
    writeFileSync(path, Buffer.concat([new Uint8Array(this.#lengths.buffer), this.#bytes]));
  }
}

function alignedLength(length: number): number {
  return (length + 7) & ~7;
}
