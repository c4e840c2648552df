/**
 * `make scenario FILE=traces/counterexamples/X.json`: plays a counterexample of TLC against the code and prints what came of it,
 * as JSON. With `--as-bug` only the invariant that the scenario breaks is looked at. Exit code 1 if a property failed, 2 if there is no such scenario.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { playScenario } from './scenario.ts';
import type { Scenario } from './scenario-steps.ts';

const { values, positionals } = parseArgs({
  options: { 'as-bug': { type: 'boolean', default: false } },
  allowPositionals: true,
});
if (positionals.length === 0) {
  console.error('make scenario: which one? FILE=traces/counterexamples/x.json');
  process.exitCode = 2;
}
for (const file of positionals) {
  const scenario = readScenario(file);
  if (scenario === undefined) {
    console.error(`make scenario: no scenario in ${file}; they are in traces/counterexamples`);
    process.exitCode = 2;
    break;
  }
  const played = playScenario(scenario, values['as-bug'] ? scenario.breaks : undefined);
  console.log(JSON.stringify(played));
  if (played.violated !== undefined) process.exitCode = 1;
}

function readScenario(file: string): Scenario | undefined {
  try {
    const scenario = JSON.parse(readFileSync(file, 'utf8')) as Scenario;
    return scenario.steps === undefined ? undefined : scenario;
  } catch {
    return undefined;
  }
}
