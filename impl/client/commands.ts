/** The sub-commands that talk to a running node, for both programs: `walrus` and `walrus-cli`. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { WalrusError } from '../core/errors.ts';
import { type Address, formatAddress, parseAddresses } from './address.ts';
import { ask } from './asking.ts';
import { clientExitCode, clientExitCodes } from './exit-code.ts';
import {
  asJson,
  bare,
  errorAsJson,
  nodeRequest,
  type Sendable,
  shown,
  told,
  VERBS,
} from './grammar.ts';
import { writeRequest } from './protocol.ts';
import { runRepl } from './repl.ts';

/** The three nodes of `walrus dev`; the first is where a node listens that is told nothing else. */
const DEFAULT_ADDRESSES = '127.0.0.1:9091,127.0.0.1:9092,127.0.0.1:9093';
/** The one that upstream's client knows. */
const UPSTREAM_ADDRESS = '127.0.0.1:9091';

/** What every command that talks to a node is told. */
export interface ClientFlags {
  readonly addr: readonly Address[];
  readonly json?: true;
  /** Milliseconds. */
  readonly timeout: number;
}

/**
 * Adds `repl`, `register`, `put`, `get`, `fetch`, `state` and `metrics`, and, unless it is as upstream's, `topic`.
 * As upstream's `walrus-cli` has it: options stand before the sub-command, `repl` is what runs without one, the node asked
 * is named first, and `register` and `put` say nothing more.
 */
export function addClientCommands(program: Command, asUpstream: boolean): void {
  if (asUpstream) addClientFlags(program, UPSTREAM_ADDRESS);
  const command = (usage: string, description: string, isDefault = false): Command => {
    const added = program.command(usage, { isDefault }).description(description);
    return asUpstream ? added : addClientFlags(added);
  };
  command('repl', 'talk to the cluster line by line', asUpstream).action(
    async (_, self: Command) => {
      const flags = self.optsWithGlobals<ClientFlags>();
      const isInteractive = process.stdin.isTTY === true && process.stdout.isTTY === true;
      if (asUpstream && isInteractive) announce(flags.addr);
      process.exitCode = await runRepl(flags, isInteractive);
    },
  );
  for (const { name, usage, description, request, isOurs } of VERBS) {
    if (isOurs) continue;
    command(`${name} ${usage}`.trim(), description).action((...given) => {
      const self = given.at(-1) as Command;
      const flags = self.optsWithGlobals<ClientFlags>();
      if (asUpstream && !flags.json) announce(flags.addr);
      return runOneShot(flags, request(self.args), asUpstream);
    });
  }
  if (!asUpstream) addTopicCommands(program);
}

function addTopicCommands(program: Command): void {
  const topic = program.command('topic').description('list, create, describe and delete topics');
  for (const { topicCommand, usage, description, request } of VERBS) {
    if (topicCommand === undefined) continue;
    const added = topic.command(`${topicCommand} ${usage}`.trim()).description(description);
    addClientFlags(added).action((...given) => {
      const self = given.at(-1) as Command;
      return runOneShot(self.optsWithGlobals<ClientFlags>(), request(self.args), false);
    });
  }
}

/** Below `walrus node`, which by itself runs one: what is asked of a cluster about its nodes. */
export function addNodeCommands(node: Command): void {
  const ask = (usage: string, description: string, request: (self: Command) => Sendable): Command =>
    addClientFlags(node.command(usage).description(description)).action((...given) => {
      const self = given.at(-1) as Command;
      return runOneShot(self.optsWithGlobals<ClientFlags>(), request(self), false);
    });
  const wish = (word: string, self: Command): Sendable =>
    nodeRequest(word, self.args[0]!, self.opts<{ dryRun?: true }>().dryRun ?? false);
  const dryRun = ['--dry-run', 'only say whether it could be done'] as const;
  ask('list', 'the nodes, and what each has, as the node asked knows', () => ({ kind: 'nodes' }));
  ask('can-stop <n>', 'whether the cluster can do without a node now', (self) =>
    wish('can-stop', self),
  );
  ask('drain <n>', 'have all that a node holds moved to others', (self) =>
    wish(self.opts<{ cancel?: true }>().cancel ? 'cancel-drain' : 'drain', self),
  )
    .option('--cancel', 'it is to stay, with what it still has')
    .option(...dryRun);
  ask('remove <n>', 'take a node out for ever: a lost one, or one that was drained', (self) =>
    wish('remove', self),
  ).option(...dryRun);
}

/** `--addr`, `--json`, `--timeout`, and what the exit codes mean. */
export function addClientFlags(
  command: Command,
  defaultAddresses: string = DEFAULT_ADDRESSES,
): Command {
  const address = new Option(
    '--addr <host:port,...>',
    'client addresses of nodes; if one is dead the next is asked',
  )
    .default(readAddresses(defaultAddresses), defaultAddresses)
    .env('WALRUS_ADDR')
    .argParser(readAddresses);
  const timeout = new Option('--timeout <ms>', 'how long to wait for an answer')
    .default(30_000)
    .argParser(readTimeout);
  return command
    .addOption(address)
    .option('--json', 'answer and errors as one line of JSON')
    .addOption(timeout)
    .addHelpText('after', `\n${clientExitCodes()}`);
}

function readAddresses(text: string): Address[] {
  const addresses = parseAddresses(text);
  if (addresses === undefined)
    throw new InvalidArgumentError('expected HOST:PORT, or several with commas');
  return addresses;
}

function readTimeout(text: string): number {
  const timeoutMs = Number(text);
  if (Number.isInteger(timeoutMs) && timeoutMs >= 1 && timeoutMs < 2 ** 31) return timeoutMs;
  throw new InvalidArgumentError('expected milliseconds');
}

function announce(addresses: readonly Address[]): void {
  print(`→ connected target: ${addresses.map(formatAddress).join(',')}`);
}

async function runOneShot(
  flags: ClientFlags,
  request: Sendable,
  asUpstream: boolean,
): Promise<void> {
  const asked = { addresses: flags.addr, timeoutMs: flags.timeout };
  try {
    const { answer } = await ask(asked, (writer) => writeRequest(writer, request));
    if (flags.json) print(JSON.stringify(asJson(request, answer)));
    else if (!asUpstream) print(shown(request, answer));
    else if (request.kind !== 'register' && request.kind !== 'put') print(bare(request, answer));
  } catch (error) {
    if (!(error instanceof WalrusError)) throw error;
    fail(flags, error, request);
  }
}

/** Says what was wrong, as one line on stderr. */
export function fail(
  flags: Pick<ClientFlags, 'json'>,
  error: WalrusError,
  request: Sendable,
): void {
  const line = flags.json ? JSON.stringify(errorAsJson(error)) : `Error: ${told(error, request)}`;
  process.stderr.write(`${line}\n`);
  process.exitCode = clientExitCode(error);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
