/**
 * `make scenarios`: turns what TLC found in models that must fail into scenarios for the simulator, one file each in
 * `traces/counterexamples`. Takes names of models (default: those that are there); TLC has to have looked at them before.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { WORK } from './jar.ts';
import { MODELS } from './models.ts';
import { scenarioOf } from './scenario.ts';
import { readTlcOutput } from './tlc-output.ts';

const FILES = join('traces', 'counterexamples');

const asked = process.argv.slice(2);
const kept = readdirSync(FILES)
  .filter((file) => file.endsWith('.json'))
  .map((file) => basename(file, '.json'));
for (const name of asked.length > 0 ? asked : kept) {
  const model = MODELS.find((each) => each.name === name);
  const output = join(WORK, name, 'output.txt');
  if (model === undefined || !existsSync(output)) {
    console.error(`${name}: TLC has not looked at it: make tlc MODEL=${name}`);
    process.exitCode = 2;
    continue;
  }
  const { trace } = readTlcOutput(readFileSync(output, 'utf8'), model.properties ?? []);
  const file = join(FILES, `${name}.json`);
  writeFileSync(file, `${JSON.stringify(scenarioOf(model, trace), undefined, 2)}\n`);
  console.log(`${file}: ${trace.length - 1} steps`);
}
