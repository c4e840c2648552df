#!/usr/bin/env node
import { Command } from 'commander';
import { addBenchCommand } from '../cli/bench.ts';
import { addCompletionCommand } from '../cli/completion.ts';
import { addConsumeCommand } from '../cli/consume.ts';
import { addProduceCommand } from '../cli/produce.ts';
import { addClientCommands, addNodeCommands } from '../client/commands.ts';
import { prepare, run } from '../client/program.ts';
import { addStatusCommand } from '../client/status-command.ts';
import { addDevCommand } from './dev-command.ts';
import { addDirectoryCommands } from './directory-commands.ts';
import { addDoctorCommand } from './doctor-command.ts';
import { addNodeCommand } from './node-command.ts';

const program = prepare(new Command('walrus'))
  .description('a distributed message log')
  .version('0.1.0');
addNodeCommands(addNodeCommand(program));
addDevCommand(program);
addDirectoryCommands(program);
addDoctorCommand(program);
addStatusCommand(program);
addClientCommands(program, false);
addProduceCommand(program);
addConsumeCommand(program);
addBenchCommand(program);
addCompletionCommand(program);
await run(program);
