/** `walrus verify`, `inspect` and `salvage`: directories of a log or of a node, that nobody has open. */
import type { Command } from 'commander';
import type { Examination } from './examine.ts';
import { EXAMINED } from './exit-code.ts';

interface Flags {
  readonly json?: true;
}

export function addDirectoryCommands(program: Command): void {
  const command = (usage: string, description: string, more = ''): Command =>
    program
      .command(usage)
      .description(description)
      .option('--json', 'all that was found, and errors, as one line of JSON')
      .addHelpText(
        'after',
        `\nDIR is the directory of a log of the library, or of a node (DATA-DIR/node_N). Nothing in it is changed.\nStop who writes there first.${more}\n\nExit codes: ${outcomes()}`,
      )
      .exitOverride((ended) => process.exit(ended.exitCode === 0 ? 0 : EXAMINED.usage));
  command('verify <dir>', 'read all of a directory, and tell what in it is not whole').action(
    (dir: string, flags: Flags) => examine({ kind: 'verify', dir }, flags),
  );
  command('inspect <dir>', 'tell what a directory holds: files, topics, records').action(
    (dir: string, flags: Flags) => examine({ kind: 'inspect', dir }, flags),
  );
  const offsets = `

Records keep their offsets. A topic goes on behind its last lost record; records between lost ones become topics
of their own, named for their offsets. Cursors and marks come along.`;
  command(
    'salvage <dir> <out>',
    'copy what is whole into a new log, and list what is not',
    offsets,
  ).action((dir: string, out: string, flags: Flags) =>
    examine({ kind: 'salvage', dir, out }, flags),
  );
}

async function examine(examination: Examination, flags: Flags): Promise<void> {
  // Loaded only now: the client's sub-commands, which share this program, start the faster.
  const { runExamination } = await import('./examine.ts');
  process.exitCode = await runExamination(examination, flags.json === true);
}

function outcomes(): string {
  return Object.entries(EXAMINED)
    .map(([what, code]) => `${code} ${what}`)
    .join(', ');
}
