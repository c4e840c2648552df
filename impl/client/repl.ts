import { readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { WalrusError } from '../core/errors.ts';

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
const HINT = 'commands: REGISTER, PUT, GET, FETCH, STATE, METRICS · exit to leave';
const HISTORY_LINES = 1000;

/**
 * Reads lines until `exit`, Ctrl-C or Ctrl-D and prints what `ask` answers to each. Lines are sent as they are,
 * so commands are in upper case and quotes are part of the payload. The history outlives the session, in
 * `WALRUS_HISTORY` or `~/.walrus_history`.
 */
export async function runRepl(ask: (line: string) => Promise<string>): Promise<void> {
  process.stdout.write(`\n${BANNER.map((row) => `${TEAL}${row}${RESET}\n`).join('')}\n${HINT}\n`);
  const historyFile = process.env.WALRUS_HISTORY ?? join(homedir(), '.walrus_history');
  const lines = createInterface({
    input: process.stdin,
    output: process.stdout,
    prompt: '🦭 > ',
    history: loadHistory(historyFile),
    historySize: HISTORY_LINES,
    removeHistoryDuplicates: true,
  });
  lines.on('history', (history) => saveHistory(historyFile, history));
  lines.on('SIGINT', () => lines.close());
  lines.prompt();
  for await (const raw of lines) {
    const line = raw.trim();
    if (/^(exit|quit|q)$/i.test(line)) break;
    if (line !== '') await answer(ask, line);
    lines.prompt();
  }
  lines.close();
}

async function answer(ask: (line: string) => Promise<string>, line: string): Promise<void> {
  try {
    process.stdout.write(`${await ask(line)}\n`);
  } catch (error) {
    if (!(error instanceof WalrusError)) throw error;
    process.stderr.write(`ERR ${error.message}\n`);
  }
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
