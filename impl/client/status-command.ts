/** `walrus status`: is everything all right, and if not, what is to be done. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { addClientFlags, type ClientFlags } from './commands.ts';
import { CLIENT_EXIT } from './exit-code.ts';
import { statusOf } from './status.ts';
import { screen } from './status-screen.ts';
import { hearAll } from './status-source.ts';

interface StatusFlags extends ClientFlags {
  /** Seconds. */
  readonly watch?: number;
}

const CLEAR = '\u001b[H\u001b[2J';

export function addStatusCommand(program: Command): void {
  const watch = new Option('--watch [seconds]', 'show it again and again')
    .preset('2')
    .argParser(readSeconds);
  addClientFlags(program.command('status'))
    .description('show whether everything is all right, and if not, what to do')
    .addOption(watch)
    .action(async (flags: StatusFlags) => {
      do {
        process.exitCode = await show(flags);
        if (flags.watch !== undefined) await sleep(flags.watch * 1000);
      } while (flags.watch !== undefined);
    });
}

/** Gives the exit code: done if all is right, refused if something is not, unavailable if nobody answers. */
async function show({ addr, json, watch }: StatusFlags): Promise<number> {
  const status = statusOf(await hearAll(addr));
  const isScreen = process.stdout.isTTY === true && json === undefined;
  const shown = json ? `${JSON.stringify(status)}\n` : screen(status, isScreen);
  process.stdout.write(watch !== undefined && isScreen ? CLEAR + shown : shown);
  if (status.ok) return CLIENT_EXIT.done;
  return status.nodes.length === 0 ? CLIENT_EXIT.unavailable : CLIENT_EXIT.refused;
}

function readSeconds(text: string): number {
  const seconds = Number(text);
  if (seconds >= 0.1 && seconds <= 86_400) return seconds;
  throw new InvalidArgumentError('expected seconds');
}
