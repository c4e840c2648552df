/** `walrus verify`, `inspect` and `salvage`: what they say, and their exit codes. */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { SingleBar } from 'cli-progress';
import { WalrusError } from '../core/errors.ts';
import { holderOf } from './directory-lock.ts';
import { EXAMINED } from './exit-code.ts';
import { type Findings, type FoundStream, find, type OnProgress } from './findings.ts';
import { topicOfStream } from './library-names.ts';
import { type Salvaged, salvage } from './salvage.ts';

export type Examination =
  | { readonly kind: 'verify' | 'inspect'; readonly dir: string }
  | { readonly kind: 'salvage'; readonly dir: string; readonly out: string };

/** Of a list, for people; `--json` has all. */
const LINES_MAX = 20;

/** Says what was found and returns the exit code. */
export async function runExamination(examination: Examination, asJson: boolean): Promise<number> {
  const { dir } = examination;
  try {
    if (!statSync(dir).isDirectory())
      throw new WalrusError('InvalidArgument', `${dir} is no directory`);
    const before = await holderOf(resolve(dir));
    const salvaged =
      examination.kind === 'salvage'
        ? await withProgress((onProgress) => salvage(dir, examination.out, onProgress))
        : undefined;
    const findings = salvaged?.findings ?? (await withProgress((hears) => findOnly(dir, hears)));
    const { isWhole } = findings;
    // One that came meanwhile may have written as well.
    const holder = before ?? (await holderOf(resolve(dir)));
    if (holder !== undefined) warn(`${holder} has it open: what it is writing may look damaged`);
    if (asJson) print(JSON.stringify(salvaged ?? findings));
    else {
      const state = isWhole ? 'whole' : holder === undefined ? 'damaged' : `in use by ${holder}`;
      print(`${dir}: ${state}, ${summary(findings)}`);
      if (examination.kind === 'inspect') tellContents(findings);
      tellDamage(findings);
      if (salvaged !== undefined) tellSalvaged(salvaged);
      else if (!isWhole && holder === undefined)
        print(`to copy what is whole: walrus salvage ${dir} NEW-DIRECTORY`);
    }
    if (isWhole) return EXAMINED.whole;
    return holder === undefined ? EXAMINED.damaged : EXAMINED.inUse;
  } catch (error) {
    const { code = 'Failed', message } = error as { code?: string; message: string };
    const line = asJson ? JSON.stringify({ error: { code, message } }) : `Error: ${message}`;
    process.stderr.write(`${line.replaceAll('\n', ' ')}\n`);
    if (await isInUse(dir)) return EXAMINED.inUse;
    return ['InvalidArgument', 'ENOENT', 'ENOTDIR'].includes(code)
      ? EXAMINED.usage
      : EXAMINED.failed;
  }
}

/** What is made anew meanwhile may be missing, too. */
async function isInUse(dir: string): Promise<boolean> {
  return holderOf(resolve(dir)).then(
    (holder) => holder !== undefined,
    () => false,
  );
}

async function findOnly(dir: string, onProgress: OnProgress): Promise<Findings> {
  const { findings, files } = await find(dir, false, onProgress);
  files.close();
  return findings;
}

function tellContents({ identity, endLsn, keys, files, checkpoints, streams }: Findings): void {
  print(`  identity ${identity ?? 'unknown'}, the log ends at ${endLsn}, ${keys} keys`);
  for (const { name, beginLsn, sizeBytes } of files)
    print(`  ${name} from ${beginLsn}, ${sizeBytes} bytes`);
  for (const name of checkpoints) print(`  ${name}`);
  for (const stream of streams) print(`  ${described(stream)}`);
}

function tellSalvaged({ into, runs }: Salvaged): void {
  print(`${into}: a new log with what is whole`);
  list(
    runs
      .filter(({ stream, topic }) => (topicOfStream(stream) ?? stream) !== topic)
      .map(({ topic }) => `without what followed them: topic ${quoted(topic)}`),
  );
}

function warn(text: string): void {
  process.stderr.write(`Warning: ${text}\n`);
}

function tellDamage({ damage, lost, cut, headless, refusal }: Findings): void {
  if (refusal !== null) print(`  it does not open: ${refusal.code}: ${refusal.message}`);
  list(
    damage.map(({ file, offsetBytes, lengthBytes, what }) => {
      const length = lengthBytes === 0 ? '' : `, ${lengthBytes} bytes`;
      return `${file} at byte ${offsetBytes}${length}: ${what}`;
    }),
  );
  list(
    lost.map(({ stream, from, to, file, offsetBytes }) => {
      const records = to - from === 1 ? `record ${from}` : `records ${from} to ${to - 1}`;
      return `lost: ${records} of ${nameOf(stream)}, ${file} at byte ${offsetBytes}`;
    }),
  );
  list(
    headless.map(
      (name) =>
        `${name} is empty: it was being made when its process ended, or the end of the log was in it and is lost`,
    ),
  );
  if (cut !== null) {
    const { file, offsetBytes, frameBytes } = cut;
    const place = `the log ends at ${file} byte ${offsetBytes}`;
    print(
      `  ${place}; opening cuts ${frameBytes} bytes of frames behind it that were never known to be durable, salvage takes them`,
    );
  }
}

function summary({ streams, files, checkpoints }: Findings): string {
  const records = streams.reduce((sum, stream) => sum + stream.records, 0);
  const bytes = streams.reduce((sum, stream) => sum + stream.bytes, 0);
  const parts = [
    `${counted(records, 'record')} of ${counted(bytes, 'byte')}`,
    counted(streams.length, 'stream'),
    counted(files.length, 'file'),
    counted(checkpoints.length, 'checkpoint'),
  ];
  return parts.join(', ');
}

function described({ name, start, end, records, bytes }: FoundStream): string {
  return `${nameOf(name)}: offsets ${start} to ${end}, ${counted(records, 'record')} of ${counted(bytes, 'byte')}`;
}

function nameOf(stream: string): string {
  const topic = topicOfStream(stream);
  return topic === undefined ? `stream ${quoted(stream)}` : `topic ${quoted(topic)}`;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

function quoted(name: string): string {
  return JSON.stringify(name);
}

function list(lines: readonly string[]): void {
  for (const line of lines.slice(0, LINES_MAX)) print(`  ${line}`);
  const more = lines.length - LINES_MAX;
  if (more > 0) print(`  and ${more} more, which --json lists`);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** A bar where somebody looks at it. */
async function withProgress<Value>(
  work: (onProgress: OnProgress) => Promise<Value>,
): Promise<Value> {
  if (!process.stderr.isTTY) return work(() => {});
  const bar = new SingleBar({
    format: '{bar} {percentage} % of {total} bytes read',
    stream: process.stderr,
    clearOnComplete: true,
  });
  bar.start(1, 0);
  try {
    return await work((readBytes, ofBytes) => {
      bar.setTotal(ofBytes);
      bar.update(readBytes);
    });
  } finally {
    bar.stop();
  }
}
