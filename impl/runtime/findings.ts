/** What `walrus verify`, `inspect` and `salvage` find in a directory that nobody has open. They change nothing in it. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { loadNative } from '../../native/index.ts';
import { type ErrorCode, WalrusError } from '../core/errors.ts';
import { crc32c } from '../core/storage/crc32c.ts';
import { parseFileName } from '../core/storage/format.ts';
import { Store } from '../core/storage/store.ts';
import type { StreamIndex } from '../core/storage/stream-index.ts';
import { type CutTail, type Damage, type LostRecords, Survey } from '../core/storage/survey.ts';
import type { Checksum } from '../ports/disk.ts';
import { OfflineFiles } from './offline-files.ts';
import { openReadOnly } from './open-disk.ts';
import { systemRandom } from './system-random.ts';

export interface FoundStream {
  readonly name: string;
  /** Index of the first record, and the one that the next would get. */
  readonly start: number;
  readonly end: number;
  /** Those that verify. */
  readonly records: number;
  readonly bytes: number;
}

export interface Findings {
  readonly directory: string;
  /** It opens, and every byte that counts verifies. */
  readonly isWhole: boolean;
  /** Why opening it is refused; null if it opens. */
  readonly refusal: { readonly code: ErrorCode; readonly message: string } | null;
  readonly damage: readonly Damage[];
  readonly lost: readonly LostRecords[];
  readonly cut: CutTail | null;
  /** Files behind the end that have no header, or no room for frames. */
  readonly headless: readonly string[];
  readonly identity: number | null;
  readonly files: readonly {
    readonly name: string;
    readonly beginLsn: number;
    readonly sizeBytes: number;
  }[];
  readonly checkpoints: readonly string[];
  readonly endLsn: number;
  readonly keys: number;
  readonly streams: readonly FoundStream[];
}

/** Hears how far the work is, in bytes read of so many. */
export type OnProgress = (readBytes: number, ofBytes: number) => void;

/** A directory, and what was found in it. */
export interface Found {
  readonly findings: Findings;
  readonly survey: Survey;
  readonly files: OfflineFiles;
}

/**
 * Reads all of the directory. With `takesCut`, whole frames count also where opening would cut them. Throws `InvalidArgument` if no log is
 * there, `UnsupportedVersion` if a newer version wrote it, and what the system says if the directory cannot be read. The caller closes
 * the files.
 */
export async function find(
  directory: string,
  takesCut: boolean,
  onProgress: OnProgress,
): Promise<Found> {
  let readBytes = 0;
  let ofBytes = 0;
  const files = new OfflineFiles(directory, (bytes) => {
    readBytes += bytes;
    ofBytes = Math.max(ofBytes, readBytes);
    onProgress(readBytes, ofBytes);
  });
  try {
    if (!files.files.some(({ name }) => parseFileName(name) !== undefined)) throw noLog(directory);
    // Once for what frames say, and once for their records.
    for (const { name, sizeBytes } of files.files) {
      if (parseFileName(name) !== undefined) ofBytes += 2 * sizeBytes;
    }
    const refusal = await refusalOf(directory);
    const survey = new Survey(files, fastestChecksum(), takesCut);
    const lost: LostRecords[] = [];
    const streams = survey.streams.map((stream) => count(survey, stream, lost));
    const damage = [...survey.damage, ...files.unreadable].sort(byPlace);
    const findings: Findings = {
      directory,
      isWhole: damage.length === 0 && lost.length === 0 && refusal === null,
      refusal,
      damage,
      lost,
      cut: survey.cut ?? null,
      headless: survey.headless,
      identity: survey.identity ?? null,
      files: survey.files.map(({ name, begin, sizeBytes }) => ({
        name,
        beginLsn: begin,
        sizeBytes,
      })),
      checkpoints: survey.checkpoints,
      endLsn: survey.end,
      keys: survey.pairs.size,
      streams,
    };
    return { findings, survey, files };
  } catch (error) {
    files.close();
    throw error;
  }
}

function count(survey: Survey, stream: StreamIndex, lost: LostRecords[]): FoundStream {
  let records = 0;
  let bytes = 0;
  for (const part of survey.recordsOf(stream)) {
    if ('records' in part) {
      records += part.records.length;
      for (const record of part.records) bytes += record.length;
      continue;
    }
    const last = lost.at(-1);
    const goesOn = last?.stream === part.stream && last.to === part.from;
    if (goesOn) lost[lost.length - 1] = { ...last, to: part.to };
    else lost.push(part);
  }
  const { name, start, end } = stream;
  return { name, start, end, records, bytes };
}

/** Opens it as a log would be, but to read only. */
async function refusalOf(directory: string): Promise<Findings['refusal']> {
  const disk = openReadOnly(directory, (completions) => store.complete(completions));
  const store = new Store(disk.disk, {
    checksum: fastestChecksum(),
    random: systemRandom,
    fileBytes: 2 ** 26,
    batchBytes: 2 ** 18,
    checkpointBytes: 2 ** 24,
    syncOnCommit: false,
    onProgress: () => {},
    onFailed: () => {},
  });
  try {
    const error = await new Promise<WalrusError | undefined>((resolve) => store.open(resolve));
    return error === undefined ? null : { code: error.code, message: error.message };
  } finally {
    await disk.close();
  }
}

/** That of the native disk, if it is here. */
function fastestChecksum(): Checksum {
  const native = loadNative();
  return 'unavailable' in native ? crc32c : native.checksum;
}

/** Names those below it that hold one: of the nodes of a cluster, of namespaces. */
function noLog(directory: string): WalrusError {
  const below = [directory, join(directory, 'namespaces')].flatMap(directoriesIn);
  const places = below.filter((path) =>
    readdirSync(path).some((name) => parseFileName(name) !== undefined),
  );
  const hint = places.length === 0 ? '' : `; there is one in ${places.slice(0, 5).join(', ')}`;
  return new WalrusError('InvalidArgument', `${directory} holds no log${hint}`);
}

function directoriesIn(path: string): string[] {
  if (!existsSync(path)) return [];
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(path, name))
    .sort();
}

function byPlace(a: Damage, b: Damage): number {
  if (a.file !== b.file) return a.file < b.file ? -1 : 1;
  return a.offsetBytes - b.offsetBytes;
}
