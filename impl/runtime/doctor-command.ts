/** `walrus doctor`: its flags, and how what it finds is shown. */
import { type Command, Option } from 'commander';
import type { Finding, Level } from './doctor.ts';
import { FLAG_DEFAULTS } from './flag-defaults.ts';

interface DoctorFlags {
  readonly json?: true;
  readonly [flag: string]: unknown;
}

const COLOURS: Readonly<Record<Level, number>> = { ok: 32, warn: 33, bad: 31 };

export function addDoctorCommand(program: Command): void {
  const list = (value: string, before: readonly string[]): string[] => [...before, value];
  const defaults = FLAG_DEFAULTS;
  program
    .command('doctor')
    .description('show whether this machine is fit for a node, and if not, what to do')
    .option('--node-id <n>', 'as of walrus node, which takes the same', String(defaults.nodeId))
    .option('--data-dir <dir>', 'where data is to be kept', defaults.dataDir)
    .option('--raft-host <host>', 'where it is to listen for other nodes', defaults.raftHost)
    .option('--raft-port <port>', 'TCP port for other nodes', String(defaults.raftPort))
    .addOption(new Option('--raft-advertise-host <host>').hideHelp())
    .option('--client-host <host>', 'where it is to listen for clients', defaults.clientHost)
    .option('--client-port <port>', 'TCP port for clients', String(defaults.clientPort))
    .option('--http-host <host>', 'where it is to listen for HTTP', defaults.httpHost)
    .option('--http-port <port>', 'TCP port for HTTP, or off (default: client port + 100)')
    .option('--join <host:port>', 'a member that has to be reached; may be repeated', list, [])
    .option('--json', 'what was found as one line of JSON')
    .addHelpText('after', '\nExit codes: 0 fit; 1 something is bad; 64 wrong command line')
    .action(async ({ json, ...flags }: DoctorFlags) => {
      // Loaded only now: the client's sub-commands, which share this program, start the faster.
      const { readConfig } = await import('./config.ts');
      const { examineMachine } = await import('./doctor.ts');
      const findings = await examineMachine(readConfig(flags, process.env));
      const isFit = findings.every(({ level }) => level !== 'bad');
      const isScreen = process.stdout.isTTY === true;
      process.stdout.write(
        json ? `${JSON.stringify({ ok: isFit, findings })}\n` : shown(findings, isScreen),
      );
      process.exitCode = isFit ? 0 : 1;
    });
}

function shown(findings: readonly Finding[], coloured: boolean): string {
  const width = Math.max(...findings.map(({ check }) => check.length));
  return findings
    .map(({ check, level, what, mend }) => {
      const word = level.padEnd(4);
      const begin = coloured ? `\u001b[${COLOURS[level]}m${word}\u001b[0m` : word;
      return `${begin}  ${check.padEnd(width)}  ${what}${mend && ` → ${mend}`}\n`;
    })
    .join('');
}
