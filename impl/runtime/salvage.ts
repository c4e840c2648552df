/**
 * Copies what is whole in a directory into a new log, which the library opens. Every record keeps its offset: a topic goes on behind its last
 * lost record, as if what was before had been trimmed, and records between lost ones become topics of their own, named for their offsets.
 * Cursors and marks come along. Streams of a node become topics of the same name, without what the node knows of itself, so that no
 * node takes the copy for its own disk.
 */
import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { ByteReader } from '../core/codec.ts';
import { WalrusError } from '../core/errors.ts';
import type { StreamId } from '../core/storage/ids.ts';
import { Store } from '../core/storage/store.ts';
import type { StreamIndex } from '../core/storage/stream-index.ts';
import type { LostRecords } from '../core/storage/survey.ts';
import { type Findings, type Found, find, type OnProgress } from './findings.ts';
import { isLibraryKey, parseCursorKey, topicOfStream, topicStream } from './library-names.ts';
import { type OpenedDisk, openDisk } from './open-disk.ts';
import { systemRandom } from './system-random.ts';

const FRAME_BYTES = 256 * 1024;

/** Records `[from, to)` that were copied, and the topic that has them now. */
export interface SalvagedRun {
  readonly stream: string;
  readonly from: number;
  readonly to: number;
  readonly topic: string;
}

export interface Salvaged {
  readonly findings: Findings;
  readonly into: string;
  readonly runs: readonly SalvagedRun[];
}

/**
 * Throws `InvalidArgument` if there is no log, or `into` is not empty or lies inside of the directory, `NoSpace` and the like if the copy cannot
 * be written; then the copy is not whole, and can be removed.
 */
export async function salvage(
  directory: string,
  into: string,
  onProgress: OnProgress,
): Promise<Salvaged> {
  assertFree(directory, into);
  const found = await find(directory, true, onProgress);
  try {
    const copy = await Copy.open(into);
    try {
      return { findings: found.findings, into, runs: await copyAll(found, copy) };
    } finally {
      await copy.close();
    }
  } finally {
    found.files.close();
  }
}

function assertFree(directory: string, into: string): void {
  const inside = relative(realpathSync(directory), realPath(resolve(into)));
  if (inside !== '..' && !inside.startsWith(`..${sep}`)) {
    throw new WalrusError('InvalidArgument', `${into} lies in the directory that is salvaged`);
  }
  let names: readonly string[] = [];
  try {
    names = readdirSync(into);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  if (names.length > 0) throw new WalrusError('InvalidArgument', `${into} is not empty`);
}

/** Where a path leads of which the end may not be there yet. */
function realPath(path: string): string {
  const parent = dirname(path);
  if (existsSync(path) || parent === path) return realpathSync(path);
  return join(realPath(parent), basename(path));
}

async function copyAll({ findings, survey }: Found, copy: Copy): Promise<SalvagedRun[]> {
  const names = new Set(survey.streams.map(({ name }) => name));
  const runs: SalvagedRun[] = [];
  const ends = cursorEnds(survey.pairs);
  const lostOf = new Map<string, LostRecords[]>();
  for (const one of findings.lost) {
    const known = lostOf.get(one.stream);
    if (known === undefined) lostOf.set(one.stream, [one]);
    else known.push(one);
  }
  for (const stream of survey.streams) {
    const lost = lostOf.get(stream.name) ?? [];
    const own = topicOfStream(stream.name) ?? stream.name;
    // A cursor stood there: what it had passed was lost with the end.
    const end = Math.max(stream.end, ends.get(stream.name) ?? 0);
    const planned = runsOf(stream, lost).map(({ from, to }) => {
      if (to === end) return { from, to, topic: own };
      let topic = `${own} (records ${from} to ${to - 1})`;
      while (names.has(topicStream(topic))) topic += "'";
      names.add(topicStream(topic));
      return { from, to, topic };
    });
    if (planned.at(-1)?.topic !== own) await copy.begin(own, end);
    for (const run of planned) await copy.begin(run.topic, run.from);
    let at = 0;
    for (const part of survey.recordsOf(stream)) {
      if (!('records' in part)) continue;
      while (part.from >= planned[at]!.to) at++;
      await copy.append(planned[at]!.topic, part.records);
    }
    for (const run of planned) runs.push({ stream: stream.name, ...run });
  }
  for (const [key, value] of survey.pairs) if (isLibraryKey(key)) await copy.put(key, value);
  return runs;
}

/** What is whole between what is lost. */
function runsOf(
  { start, end }: StreamIndex,
  lost: readonly LostRecords[],
): { readonly from: number; readonly to: number }[] {
  const runs: { from: number; to: number }[] = [];
  let from = start;
  for (const gap of [...lost, { from: end, to: end }]) {
    if (gap.from > from) runs.push({ from, to: gap.from });
    from = gap.to;
  }
  return runs;
}

/** How far the cursors of each topic's stream have come. */
function cursorEnds(pairs: ReadonlyMap<string, Uint8Array>): Map<string, number> {
  const ends = new Map<string, number>();
  for (const [key, value] of pairs) {
    const cursor = parseCursorKey(key);
    if (cursor === undefined) continue;
    const stream = topicStream(cursor.topic);
    ends.set(stream, Math.max(ends.get(stream) ?? 0, new ByteReader(value).whole()));
  }
  return ends;
}

/** The new log. */
class Copy {
  readonly #directory: string;
  readonly #store: Store;
  readonly #disk: OpenedDisk;
  #wake: () => void = () => {};

  private constructor(directory: string) {
    this.#directory = directory;
    this.#disk = openDisk(directory, 'auto', (completions) => this.#store.complete(completions), {
      inline: false,
      syncsEach: false,
    });
    this.#store = new Store(this.#disk.disk, {
      checksum: this.#disk.checksum,
      random: systemRandom,
      fileBytes: 2 ** 26,
      batchBytes: FRAME_BYTES,
      checkpointBytes: 2 ** 26,
      syncOnCommit: false,
      arena: this.#disk.arena(32 * FRAME_BYTES),
      onProgress: () => this.#wake(),
      onFailed: () => this.#wake(),
    });
  }

  static async open(directory: string): Promise<Copy> {
    const copy = new Copy(directory);
    const error = await new Promise<WalrusError | undefined>((resolve) =>
      copy.#store.open(resolve),
    );
    if (error === undefined) return copy;
    await copy.#disk.close();
    throw error;
  }

  /** The topic's first record is `start`. */
  async begin(topic: string, start: number): Promise<void> {
    await this.#room(topic.length * 3);
    this.#store.reset(this.#stream(topic), start);
    this.#store.commit();
  }

  async append(topic: string, records: readonly Uint8Array[]): Promise<void> {
    for (const record of records) {
      await this.#room(record.length);
      this.#store.append(this.#stream(topic), 0, record);
    }
    this.#store.commit();
  }

  async put(key: string, value: Uint8Array): Promise<void> {
    await this.#room(key.length * 3 + value.length);
    this.#store.put(key, value);
    this.#store.commit();
  }

  /** Makes all of it durable. */
  async close(): Promise<void> {
    const error = await new Promise<WalrusError | undefined>((resolve) => {
      this.#store.close(resolve);
    });
    await this.#disk.close();
    if (error !== undefined) throw error;
  }

  #stream(topic: string): StreamId {
    return this.#store.stream(topicStream(topic));
  }

  async #room(bytes: number): Promise<void> {
    for (;;) {
      const room = this.#store.room(bytes);
      if (room === 'yes') return;
      if (room === 'full') {
        const { code, message } = this.#store.refusal();
        throw new WalrusError(code, `${this.#directory}: ${message}; what is there is not whole`);
      }
      const progress = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#store.commit();
      await progress;
    }
  }
}
