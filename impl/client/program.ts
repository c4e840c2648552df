/** How both programs end: one line for what was wrong, and the exit code that `--help` lists. */
import { type Command, CommanderError } from 'commander';
import { WalrusError } from '../core/errors.ts';
import { CLIENT_EXIT, clientExitCode } from './exit-code.ts';

/** A program whose commands throw where they would end the process; for `run`. Its commands are added after this. */
export function prepare(program: Command): Command {
  return program
    .exitOverride()
    .showHelpAfterError(`(walrus --help lists what there is)`)
    .showSuggestionAfterError();
}

/** Does what the command line says, and sets the process's exit code. */
export async function run(program: Command): Promise<void> {
  // Who read the output has gone (`walrus state t | head -1`): there is nobody to tell.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit();
    process.stderr.write(`error: the output cannot be written: ${error.message}\n`);
    process.exit(CLIENT_EXIT.output);
  });
  try {
    await program.parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) {
      // It has said what was wrong.
      process.exitCode = error.exitCode === 0 ? CLIENT_EXIT.done : CLIENT_EXIT.usage;
    } else if (error instanceof WalrusError) {
      process.stderr.write(`error: ${error.message}\n`);
      process.exitCode =
        error.code === 'InvalidArgument' ? CLIENT_EXIT.usage : clientExitCode(error);
    } else {
      process.stderr.write(`a bug in walrus: ${(error as Error).stack ?? error}\n`);
      process.exitCode = CLIENT_EXIT.bug;
    }
  }
}
