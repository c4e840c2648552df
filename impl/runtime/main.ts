#!/usr/bin/env node
import { Command } from 'commander';
import { addClientCommands } from '../client/commands.ts';
import { addDevCommand } from './dev-command.ts';
import { addDirectoryCommands } from './directory-commands.ts';
import { addNodeCommand } from './node-command.ts';

const program = new Command('walrus')
  .description('a distributed message log')
  .version('0.1.0')
  .showHelpAfterError();
addNodeCommand(program);
addDevCommand(program);
addDirectoryCommands(program);
addClientCommands(program, false);
await program.parseAsync();
