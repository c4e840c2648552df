#!/usr/bin/env node
/** Upstream's command line client, with its flags and its output. */
import { Command } from 'commander';
import { addClientCommands } from './commands.ts';
import { prepare, run } from './program.ts';

const program = prepare(new Command('walrus-cli'))
  .description('talk to a Walrus node')
  .version('0.1.0');
addClientCommands(program, true);
await run(program);
