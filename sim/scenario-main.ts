/**
 * `make scenario FILE=traces/counterexamples/X.json`: plays a counterexample of TLC against the code and prints what came of it,
 * as JSON. With `--as-bug` only the invariant that the scenario breaks is looked at. Exit code 1 if a property failed.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { playScenario } from './scenario.ts';
import type { Scenario } from './scenario-steps.ts';

const { values, positionals } = parseArgs({
  options: { 'as-bug': { type: 'boolean', default: false } },
  allowPositionals: true,
});
for (const file of positionals) {
  const scenario = JSON.parse(readFileSync(file, 'utf8')) as Scenario;
  const played = playScenario(scenario, values['as-bug'] ? scenario.breaks : undefined);
  console.log(JSON.stringify(played));
  if (played.violated !== undefined) process.exitCode = 1;
}
