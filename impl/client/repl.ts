/**
 * The line-by-line client. A line is one of the commands, with the words that the command line has; quotes hold words
 * together as in a shell. A line whose first word is in capitals goes to the node as it is, as upstream's client sends it.
 *
 * Between people and a terminal there are a banner, a prompt, a history that lasts, and completion. Into a pipe go
 * answers alone.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { WalrusError } from '../core/errors.ts';
import type { Address } from './address.ts';
import { ask } from './asking.ts';
import { CLIENT_EXIT, clientExitCode } from './exit-code.ts';
import { asJson, errorAsJson, type Sendable, shown, told, VERBS, type Verb } from './grammar.ts';
import { parseRequest, writeRequest } from './protocol.ts';
import { statusOf } from './status.ts';
import { screen } from './status-screen.ts';
import { hearAll, topicNames } from './status-source.ts';

const TEAL = '\u001b[38;5;80m';
const RESET = '\u001b[0m';
const BANNER = [
  '██╗    ██╗ █████╗ ██╗     ██████╗ ██╗   ██╗███████╗',
  '██║    ██║██╔══██╗██║     ██╔══██╗██║   ██║██╔════╝',
  '██║ █╗ ██║███████║██║     ██████╔╝██║   ██║███████╗',
  '██║███╗██║██╔══██║██║     ██╔══██╗██║   ██║╚════██║',
  '╚███╔███╔╝██║  ██║███████╗██║  ██║╚██████╔╝███████║',
  ' ╚══╝╚══╝ ╚═╝  ╚═╝╚══════╝╚═╝  ╚═╝ ╚═════╝ ╚══════╝',
  '',
];
const HINT = 'help lists the commands · Tab completes · exit leaves';
const HELP = [
  ...VERBS.map(({ name, usage, description }) => [`${name} ${usage}`.trim(), description]),
  ['status', 'show whether everything is all right, and if not, what to do'],
  ['help', 'print this list'],
  ['exit', 'leave; also quit, q, Ctrl-D'],
]
  .map(([words, what]) => `  ${words!.padEnd(26)}${what}`)
  .concat(
    'Data with spaces stands in quotes. A line in CAPITALS goes to the node as it is: PUT logs hello',
  );
const HISTORY_LINES = 1000;

export interface ReplFlags {
  readonly addr: readonly Address[];
  readonly json?: true;
  /** Milliseconds. */
  readonly timeout: number;
}

/**
 * Does what the lines of stdin say, one after another, until `exit`, Ctrl-C or the end. Gives the exit code: that of the first
 * line that failed, but 0 between people. The history is in `WALRUS_HISTORY` or `~/.walrus_history`.
 */
export async function runRepl(flags: ReplFlags, isInteractive: boolean): Promise<number> {
  const session = new Session(flags);
  if (!isInteractive) return session.script();
  const rows = BANNER.map((row) => `${TEAL}${row}${RESET}\n`);
  process.stdout.write(`\n${rows.join('')}\n${HINT}\n`);
  const historyFile = process.env.WALRUS_HISTORY ?? join(homedir(), '.walrus_history');
  const lines = createInterface({
    input: process.stdin,
    output: process.stdout,
    prompt: '🦭 > ',
    history: loadHistory(historyFile),
    historySize: HISTORY_LINES,
    removeHistoryDuplicates: true,
    completer: (line: string, done: (error: null, found: [string[], string]) => void) => {
      session.complete(line).then((found) => done(null, found));
    },
  });
  lines.on('history', (history) => saveHistory(historyFile, history));
  lines.on('SIGINT', () => lines.close());
  lines.prompt();
  for await (const line of lines) {
    if (isExit(line)) break;
    await session.answer(line);
    lines.prompt();
  }
  lines.close();
  return CLIENT_EXIT.done;
}

/** What the lines of one sitting have in common. */
export class Session {
  private readonly flags: ReplFlags;
  /** Topics that lines of this session have named. */
  private readonly named = new Set<string>();

  constructor(flags: ReplFlags) {
    this.flags = flags;
  }

  async script(): Promise<number> {
    let code: number = CLIENT_EXIT.done;
    for await (const line of createInterface({ input: process.stdin, terminal: false })) {
      if (isExit(line)) break;
      const became = await this.answer(line);
      if (code === CLIENT_EXIT.done) code = became;
    }
    return code;
  }

  /** Prints what becomes of a line, and gives the exit code that it would have as a command. */
  async answer(line: string): Promise<number> {
    const text = line.trim();
    if (text === '') return CLIENT_EXIT.done;
    if (/^(help|\?)$/i.test(text)) {
      print(HELP.join('\n'));
      return CLIENT_EXIT.done;
    }
    if (/^status$/i.test(text)) return this.status();
    let request: Sendable | undefined;
    try {
      const isRaw = /^[A-Z]+( |$)/.test(text);
      const asked = isRaw ? rawRequest(text) : requestOf(text);
      request = asked;
      const { addr: addresses, timeout: timeoutMs, json } = this.flags;
      const { answer } = await ask({ addresses, timeoutMs }, (writer) => {
        if (isRaw) writer.frame(text);
        else writeRequest(writer, asked);
      });
      if (asked.kind === 'delete') this.named.delete(asked.topic);
      else if ('topic' in asked) this.named.add(asked.topic);
      if (json) print(JSON.stringify(asJson(asked, answer)));
      else print(isRaw ? answer : shown(asked, answer));
      return CLIENT_EXIT.done;
    } catch (error) {
      if (!(error instanceof WalrusError)) throw error;
      const said = this.flags.json
        ? JSON.stringify(errorAsJson(error))
        : `Error: ${told(error, request)}`;
      process.stderr.write(`${said}\n`);
      return error.code === 'InvalidArgument' ? CLIENT_EXIT.usage : clientExitCode(error);
    }
  }

  private async status(): Promise<number> {
    const status = statusOf(await hearAll(this.flags.addr));
    if (this.flags.json) print(JSON.stringify(status));
    else process.stdout.write(screen(status, process.stdout.isTTY === true));
    return status.ok ? CLIENT_EXIT.done : CLIENT_EXIT.refused;
  }

  /** The words that may stand at the end of the line, and the beginning of them that is there. */
  async complete(line: string): Promise<[string[], string]> {
    const [, verb, begun] = /^\s*(\S+)\s+(\S*)$/.exec(line) ?? [];
    if (verb === undefined) {
      const words = [...VERBS.map(({ name }) => name), 'status', 'help', 'exit'];
      const start = line.trimStart();
      return [words.filter((word) => word.startsWith(start)).map((word) => `${word} `), start];
    }
    const takesTopic = VERBS.some((each) => each.name === verb && each.usage.startsWith('<topic>'));
    if (!takesTopic) return [[], begun!];
    const known = await topicNames(this.flags.addr).catch(() => []);
    const topics = [...new Set([...known, ...this.named])].sort();
    return [topics.filter((topic) => topic.startsWith(begun!)).map((topic) => `${topic} `), begun!];
  }
}

function isExit(line: string): boolean {
  return /^(exit|quit|q)$/i.test(line.trim());
}

/** Throws `InvalidArgument`. */
function requestOf(line: string): Sendable {
  const [word, ...args] = wordsOf(line);
  const verb = VERBS.find(({ name }) => name === word!.toLowerCase());
  if (verb === undefined)
    throw new WalrusError('InvalidArgument', `unknown command: ${word}; try: help`);
  if (!isComplete(verb, args.length)) {
    throw new WalrusError('InvalidArgument', `usage: ${`${verb.name} ${verb.usage}`.trim()}`);
  }
  return verb.request(args);
}

/** `<x...>` stands for one or more, `[x...]` for any number. */
function isComplete({ usage }: Verb, args: number): boolean {
  const wanted = usage === '' ? 0 : usage.split(' ').length;
  if (!usage.includes('...')) return args === wanted;
  return args >= (usage.includes('[') ? wanted - 1 : wanted);
}

/** What the line is to the node. Throws `InvalidArgument` with what the node would answer if it is nothing. */
function rawRequest(line: string): Sendable {
  const request = parseRequest(Buffer.from(line));
  if (request.kind === 'malformed') throw new WalrusError('InvalidArgument', request.message);
  return request;
}

/** As a shell cuts a line: at white space, but not inside single or double quotes. Nothing is an escape. */
function wordsOf(line: string): string[] {
  const words: string[] = [];
  for (const [word] of line.matchAll(/(?:[^\s'"]|'[^']*'|"[^"]*")+|['"]/g)) {
    if (word === "'" || word === '"') {
      throw new WalrusError('InvalidArgument', `a quote that does not end: ${word}`);
    }
    words.push(word.replace(/'([^']*)'|"([^"]*)"/g, (_, single, double) => single ?? double));
  }
  return words;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Newest first, as readline wants it. */
function loadHistory(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n').filter(Boolean).reverse();
  } catch {
    return []; // The first session, or a file that is not ours to read: the REPL works without.
  }
}

function saveHistory(file: string, history: readonly string[]): void {
  try {
    writeFileSync(file, `${history.toReversed().join('\n')}\n`, { mode: 0o600 });
  } catch {
    // A home that cannot be written costs the history and nothing else.
  }
}
