/** `walrus produce`: lines of stdin become records. */
import { type Command, Option } from 'commander';
import { formatAddress } from '../client/address.ts';
import { WalrusClient } from '../client/client.ts';
import { addClientFlags, type ClientFlags } from '../client/commands.ts';
import { CLIENT_EXIT, clientExitCode } from '../client/exit-code.ts';
import { errorAsJson, told } from '../client/grammar.ts';
import { bytes } from '../client/status.ts';
import { WalrusError } from '../core/errors.ts';
import { BadLine, linesOf, NoText } from './lines.ts';
import { counted, wholeFrom } from './numbers.ts';
import { Progress } from './progress.ts';

interface ProduceFlags extends ClientFlags {
  readonly inFlight: number;
  readonly repeatUnknown?: true;
}

export function addProduceCommand(program: Command): void {
  const inFlight = new Option(
    '--in-flight <n>',
    'records sent before the first is answered; more is faster, but if a node dies they may change places',
  )
    .default(1)
    .argParser(wholeFrom(1, 10_000));
  addClientFlags(program.command('produce <topic>'))
    .description('append each line of stdin as a record; with --json, its "payload"')
    .addOption(inFlight)
    .option('--repeat-unknown', 'send again what may have been written: then it may be there twice')
    .action(async (topic: string, flags: ProduceFlags) => {
      process.exitCode = await produce(topic, flags);
    });
}

/** Sends lines until the end, or the first that fails. Gives the exit code. */
async function produce(topic: string, flags: ProduceFlags): Promise<number> {
  const client = new WalrusClient({
    addresses: flags.addr.map(formatAddress),
    requestTimeoutMs: flags.timeout,
  });
  const startMs = performance.now();
  let records = 0;
  let sentBytes = 0;
  let empty = 0;
  /** The first line, counted from 1, that is not known to be written, and why. */
  let failed: { readonly line: number; readonly error: Error } | undefined;
  const underWay = new Set<Promise<void>>();
  const progress = new Progress(() => `${counted(records, 'record')}, ${bytes(sentBytes)}`);

  const send = async (line: number, payload: string): Promise<void> => {
    try {
      await client.put(topic, payload, { repeatUnknown: flags.repeatUnknown ?? false });
      records++;
      sentBytes += Buffer.byteLength(payload);
    } catch (error) {
      if (!(error instanceof WalrusError)) throw error;
      if (failed === undefined || line < failed.line) failed = { line, error };
    }
  };
  let line = 0;
  try {
    for await (const text of linesOf(process.stdin)) {
      line++;
      if (failed !== undefined) break;
      if (text === '') {
        empty++;
        continue;
      }
      const sent = send(line, payloadOf(text, flags.json === true)).finally(() =>
        underWay.delete(sent),
      );
      underWay.add(sent);
      if (underWay.size >= flags.inFlight) await Promise.race(underWay);
    }
  } catch (error) {
    if (!(error instanceof BadLine)) throw error;
    // One that is no text was not counted yet.
    failed ??= { line: error instanceof NoText ? line + 1 : line, error };
  }
  await Promise.all(underWay);
  progress.end();
  await client.close();
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  const leftOut = empty === 0 ? '' : `; ${counted(empty, 'empty line')} left out`;
  if (flags.json) {
    process.stdout.write(`${JSON.stringify({ ok: !failed, topic, records, bytes: sentBytes })}\n`);
  } else {
    process.stdout.write(
      `${counted(records, 'record')}, ${bytes(sentBytes)}, put into ${topic} in ${seconds} s${leftOut}\n`,
    );
  }
  return failed === undefined ? CLIENT_EXIT.done : tell(failed, flags, topic);
}

/** Throws `BadLine` if there is none, or none that arrives as it is: wire protocol 1 cuts white space off its end. */
function payloadOf(line: string, isJson: boolean): string {
  const payload = isJson ? jsonPayload(line) : line;
  if (payload.trimEnd() === payload && payload !== '') return payload;
  throw new BadLine(
    'a record cannot be empty or end in white space: wire protocol 1 cuts that off',
  );
}

function jsonPayload(line: string): string {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new BadLine('no JSON');
  }
  const payload = (value as { payload?: unknown } | null)?.payload;
  if (typeof payload === 'string') return payload;
  throw new BadLine('expected {"payload":"…"}');
}

function tell(
  { line, error }: { readonly line: number; readonly error: Error },
  { json }: ClientFlags,
  topic: string,
): number {
  const isKnown = !(error instanceof WalrusError) || error.committed === 'no';
  if (json) {
    const { error: shown } = (
      error instanceof WalrusError ? errorAsJson(error) : { error: { message: error.message } }
    ) as { error: object };
    process.stderr.write(`${JSON.stringify({ error: { ...shown, line } })}\n`);
  } else {
    const what =
      error instanceof WalrusError ? told(error, { kind: 'register', topic }) : error.message;
    const next = isKnown
      ? `go on from line ${line}`
      : `line ${line} may be in the topic: look before you go on`;
    process.stderr.write(`Error: line ${line}: ${what}; ${next}\n`);
  }
  return error instanceof WalrusError ? clientExitCode(error) : CLIENT_EXIT.usage;
}
