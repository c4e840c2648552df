/** The sub-commands that talk to a running node, for both programs: `walrus` and `walrus-cli`. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { WalrusError } from '../core/errors.ts';
import { type Address, formatAddress, parseAddress } from './address.ts';
import { Connection } from './connection.ts';
import type { FrameWriter } from './frames.ts';
import { errorFromText, type Request, writeRequest } from './protocol.ts';
import { runRepl } from './repl.ts';

/** Upstream's default, and the first node of `walrus dev`. */
const DEFAULT_ADDRESS = '127.0.0.1:9091';

interface Options {
  readonly addr: Address;
  readonly json?: true;
  readonly timeout: number;
}

type Sendable = Exclude<Request, { kind: 'malformed' }>;

/**
 * Adds `repl`, `register`, `put`, `get`, `fetch`, `state` and `metrics`. A failure sets exit code 1.
 * As upstream's `walrus-cli` has it: options stand before the sub-command, `repl` is what runs without one,
 * and the node asked is named first.
 */
export function addClientCommands(program: Command, asUpstream: boolean): void {
  if (asUpstream) addOptions(program);
  const command = (usage: string, description: string, isDefault = false): Command => {
    const added = program.command(usage, { isDefault }).description(description);
    return asUpstream ? added : addOptions(added);
  };
  const run = (self: Command, request: Sendable): Promise<void> => {
    const options = self.optsWithGlobals<Options>();
    if (asUpstream && !options.json) announce(options.addr);
    return runOneShot(options, request);
  };

  command('repl', 'talk to a node line by line', asUpstream).action((_, self: Command) => {
    const options = self.optsWithGlobals<Options>();
    if (asUpstream) announce(options.addr);
    return runRepl((line) => askOnce(options, (writer) => writer.frame(line)));
  });
  command('register <topic>', 'create a topic if it does not exist').action((topic, _, self) =>
    run(self, { kind: 'register', topic }),
  );
  command('put <topic> <data>', 'append one record').action((topic, data: string, _, self) =>
    run(self, { kind: 'put', topic, payload: Buffer.from(data) }),
  );
  command('get <topic>', 'take the next record, for all readers of the topic').action(
    (topic, _, self) => run(self, { kind: 'get', topic }),
  );
  command('fetch <topic> <offset>', 'read the record at an offset, without taking it').action(
    (topic, text: string, _, self) => {
      if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError(`not an offset: ${text}`);
      return run(self, { kind: 'fetch', topic, segment: 1, offset: Number(text) });
    },
  );
  command('state <topic>', 'show segments and owners of a topic').action((topic, _, self) =>
    run(self, { kind: 'state', topic }),
  );
  command('metrics', "show the node's Raft metrics").action((_, self) =>
    run(self, { kind: 'metrics' }),
  );
}

function addOptions(command: Command): Command {
  const address = new Option('--addr <host:port>', 'client address of any node')
    .default(parseAddress(DEFAULT_ADDRESS), DEFAULT_ADDRESS)
    .env('WALRUS_ADDR')
    .argParser(readAddress);
  const timeout = new Option('--timeout <ms>', 'how long to wait for the node')
    .default(30_000)
    .argParser(readTimeout);
  return command
    .addOption(address)
    .option('--json', 'answer and errors as one line of JSON')
    .addOption(timeout);
}

function readAddress(text: string): Address {
  const address = parseAddress(text);
  if (address === undefined) throw new InvalidArgumentError('expected HOST:PORT');
  return address;
}

function readTimeout(text: string): number {
  const timeoutMs = Number(text);
  if (Number.isInteger(timeoutMs) && timeoutMs >= 1 && timeoutMs < 2 ** 31) return timeoutMs;
  throw new InvalidArgumentError('expected milliseconds');
}

function announce(address: Address): void {
  process.stdout.write(`→ connected target: ${formatAddress(address)}\n`);
}

async function runOneShot(options: Options, request: Sendable): Promise<void> {
  try {
    const answer = await askOnce(options, (writer) => writeRequest(writer, request));
    if (answer.startsWith('ERR '))
      fail(options, errorFromText(answer.slice(4)), refusal(request, answer));
    else if (options.json) print(JSON.stringify(answerAsJson(request, answer)));
    else if (request.kind !== 'register' && request.kind !== 'put') print(shown(request, answer));
  } catch (error) {
    if (!(error instanceof WalrusError)) throw error;
    fail(options, error, error.message);
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function fail(options: Options, error: WalrusError, text: string): void {
  const { code, message, retriable, committed } = error;
  const line = options.json
    ? JSON.stringify({ error: { code, message, retriable, committed } })
    : `Error: ${text}`;
  process.stderr.write(`${line}\n`);
  process.exitCode = 1;
}

/** Upstream's words for an answer that is an error. */
function refusal(request: Sendable, answer: string): string {
  return request.kind === 'get' ? `unexpected GET response: ${answer}` : answer;
}

/** The payload, `EMPTY`, or the JSON as it came. */
function shown(request: Sendable, answer: string): string {
  if (request.kind === 'get') return answer.replace(/^OK /, '');
  if (request.kind === 'fetch') return answer.replace(/^OK \d+ /, '');
  return answer;
}

function answerAsJson(request: Sendable, answer: string): unknown {
  switch (request.kind) {
    case 'register':
    case 'put':
      return { ok: true };
    case 'get':
      return { payload: answer === 'EMPTY' ? null : shown(request, answer) };
    case 'fetch': {
      const next = /^OK (\d+) /.exec(answer)?.[1];
      if (next === undefined) return { next: request.offset, payload: null };
      return { next: Number(next), payload: shown(request, answer) };
    }
    default:
      return JSON.parse(answer);
  }
}

/** One request on a connection of its own. Never repeated: what became of it is for the caller to judge. */
async function askOnce(options: Options, write: (writer: FrameWriter) => void): Promise<string> {
  const connection = await Connection.open(options.addr, {
    connectTimeoutMs: options.timeout,
    requestTimeoutMs: options.timeout,
  });
  try {
    return Buffer.from(await connection.request(write)).toString();
  } finally {
    connection.close();
  }
}
