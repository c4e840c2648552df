/** Surveys of files in memory, as values that can be compared. */

import { crc32c } from '../impl/core/storage/crc32c.ts';
import { type LostRecords, Survey } from '../impl/core/storage/survey.ts';
import type { StoreState } from './store-world.ts';

export function surveyOf(files: ReadonlyMap<string, Uint8Array>, takesCut = false): Survey {
  const source = {
    files: [...files].map(([name, bytes]) => ({ name, sizeBytes: bytes.length })),
    read: (name: string, offsetBytes: number, length: number) =>
      (files.get(name) ?? new Uint8Array(0)).subarray(offsetBytes, offsetBytes + length),
  };
  return new Survey(source, crc32c, takesCut);
}

export interface Surveyed {
  /** Records by their index, of each stream. */
  readonly records: ReadonlyMap<string, ReadonlyMap<number, Uint8Array>>;
  readonly lost: readonly LostRecords[];
}

export function readSurvey(survey: Survey): Surveyed {
  const records = new Map<string, Map<number, Uint8Array>>();
  const lost: LostRecords[] = [];
  for (const stream of survey.streams) {
    const found = new Map<number, Uint8Array>();
    records.set(stream.name, found);
    for (const part of survey.recordsOf(stream)) {
      if (!('records' in part)) lost.push(part);
      else for (const [i, record] of part.records.entries()) found.set(part.from + i, record);
    }
  }
  return { records, lost };
}

/** What an open store would show. Throws if anything is lost. */
export function stateOf(survey: Survey): StoreState {
  const { records, lost } = readSurvey(survey);
  if (lost.length > 0 || survey.damage.length > 0) {
    throw new Error(`damage: ${JSON.stringify([...survey.damage, ...lost])}`);
  }
  const streams = survey.streams.map(
    ({ name, start }) => [name, { start, records: [...records.get(name)!.values()] }] as const,
  );
  return { streams: new Map(streams), pairs: survey.pairs };
}
