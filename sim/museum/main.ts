/**
 * `make museum`: puts each known bug into a copy of the tree, builds it, and plays seeds until a property fails. A bug
 * that no seed finds is a hole in the simulator: exit code 1. With `--traces` the trace of the run that failed is given
 * to the specification as well, by its twin and by TLC: one that TLC allows is a hole in the specification.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Command } from 'commander';
import { Refinement } from '../../properties/refinement.ts';
import { Violation } from '../../properties/violation.ts';
import { hasFailed, type playAll } from '../fleet.ts';
import { play as playSeed, runOfSeed } from '../seed.ts';
import { eventsOf } from '../trace.ts';

const MUSEUM = 'sim/museum';
const SEEDS = Array.from({ length: 1000 }, (_, i) => String(i + 1));
const DURATION_MS = 100_000;
const TREE = ['impl', 'native', 'properties', 'sim', 'dist', 'package.json'] as const;
const TRACE_CHECK = fileURLToPath(new URL('../../spec/trace-check.js', import.meta.url));
/** A trace that takes TLC longer is not judged. */
const TRACE_CHECK_MS = 600_000;
/** The line of a patch whose bug shows only where something happens that no cluster survives. */
const HARM = 'Hunted where no cluster survives.';
/** Begins the line of a patch that says why the specification allows the bug. */
const UNSAID = 'Not in the specification: ';

interface Found {
  readonly property: string;
  readonly seed: string;
  readonly seeds: number;
  readonly seconds: number;
}

interface Judged {
  /** The action at which the twin refuses the trace. */
  readonly twin: string;
  readonly tlc: string;
  readonly refused: boolean;
}

const command = new Command('museum')
  .description('Puts known bugs into the core and sees that they are found.')
  .argument('[bugs...]', 'names of patches (default: all)')
  .option('--traces', 'let the specification judge the trace of each', false)
  .parse();

process.exitCode = await main(command.args, command.opts<{ traces: boolean }>().traces);

async function main(names: readonly string[], traces: boolean): Promise<number> {
  const known = readdirSync(MUSEUM)
    .filter((file) => file.endsWith('.patch'))
    .map((file) => file.slice(0, -'.patch'.length));
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    console.error(`make museum: no bug is called ${unknown.join(' or ')}; there are:`);
    for (const name of known) console.error(`  ${name}`);
    return 2;
  }
  const bugs = known.filter((name) => names.length === 0 || names.includes(name));
  const heads = ['bug', 'caught by', 'seeds', 'seconds'];
  if (traces) heads.push('refused by the twin at', 'refused by TLC at');
  console.log(`${row(heads)}\n${'|---'.repeat(heads.length)}|`);
  let missed = 0;
  let allowed = 0;
  for (const name of bugs) {
    const { found, judged } = await hunt(name, traces);
    const cells = [`${title(name)} (\`${name}\`)`, found?.property ?? '**nothing**'];
    cells.push(`${found?.seeds ?? ''}`, `${found?.seconds ?? ''}`);
    if (traces) cells.push(judged?.twin ?? 'not asked', judged?.tlc ?? 'not asked');
    console.log(row(cells));
    if (found === undefined) missed++;
    if (judged?.refused === false) allowed++;
  }
  console.log(`${bugs.length - missed} found, ${missed} not found`);
  if (traces) console.log(`${allowed} allowed by the specification that should not be`);
  return missed + allowed === 0 && bugs.length > 0 ? 0 : 1;
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

function linesOf(name: string): readonly string[] {
  return readFileSync(join(MUSEUM, `${name}.patch`), 'utf8').split('\n');
}

/** The first line of a patch says what is wrong. */
function title(name: string): string {
  return linesOf(name)[0]!;
}

async function hunt(name: string, traces: boolean): Promise<{ found?: Found; judged?: Judged }> {
  const tree = mkdtempSync(join(tmpdir(), 'walrus-museum-'));
  try {
    for (const part of TREE) cpSync(part, join(tree, part), { recursive: true });
    for (const file of readdirSync('.').filter((each) => each.startsWith('tsconfig'))) {
      cpSync(file, join(tree, file));
    }
    symlinkSync(join(process.cwd(), 'node_modules'), join(tree, 'node_modules'));
    execFileSync('git', ['apply', join(process.cwd(), MUSEUM, `${name}.patch`)], { cwd: tree });
    execFileSync(join(tree, 'node_modules/.bin/tsc'), ['-b', 'sim'], {
      cwd: tree,
      stdio: 'inherit',
    });
    const harm = linesOf(name).includes(HARM);
    const found = await play(pathToFileURL(join(tree, 'dist/sim/fleet.js')), harm);
    if (found === undefined) return {};
    // Of a cluster that no protocol could save the specification is not asked.
    return traces && !harm ? { found, judged: judge(name, tree, found.seed) } : { found };
  } finally {
    rmSync(tree, { recursive: true });
  }
}

/** What the specification says of the seed as it is played in `tree`. */
function judge(name: string, tree: string, seed: string): Judged {
  const file = join(tree, 'trace.ndjson');
  const flags = ['--seed', seed, '--duration', `${DURATION_MS / 1000}`, '--trace', file];
  spawnSync(process.execPath, ['dist/sim/main.js', ...flags], { cwd: tree, stdio: 'ignore' });
  const twin = refusedByTwin(file) ?? 'no';
  const unsaid = linesOf(name).find((line) => line.startsWith(UNSAID));
  if (unsaid !== undefined) {
    return { twin, tlc: `not said: ${unsaid.slice(UNSAID.length)}`, refused: true };
  }
  const { status, stdout } = spawnSync(process.execPath, [TRACE_CHECK, '--controls', '1', file], {
    encoding: 'utf8',
    timeout: TRACE_CHECK_MS,
    maxBuffer: 2 ** 28,
  });
  const [, spec, at, action] =
    /no action of (\w+) explains event (\d+)\n.*?"e":"(\w+)"/.exec(stdout) ?? [];
  if (action !== undefined) {
    return { twin, tlc: `${action} (event ${at}, ${spec})`, refused: true };
  }
  return { twin, tlc: status === 0 ? '**allowed**' : '**not judged**', refused: false };
}

/** The action of the first event that is no step of the model. */
function refusedByTwin(file: string): string | undefined {
  const refinement = new Refinement();
  try {
    for (const event of eventsOf(readFileSync(file, 'utf8').split('\n'))) refinement.event(event);
    return undefined;
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    return error.property.slice('RefinementProp.'.length);
  }
}

async function play(fleet: URL, harm: boolean): Promise<Found | undefined> {
  const patched = (await import(fleet.href)) as { playAll: typeof playAll };
  const startMs = performance.now();
  let seeds = 0;
  let property: string | undefined;
  let seed = '';
  await patched.playAll({
    seeds: SEEDS,
    durationMs: DURATION_MS,
    harm,
    jobs: availableParallelism(),
    onPlayed: (played) => {
      if (property !== undefined) return false;
      seeds++;
      // A seed that fails without the bug as well has not found it.
      if (!hasFailed(played)) return true;
      if (hasFailed(playSeed(runOfSeed(played.seed, DURATION_MS, { harm })))) return true;
      property = played.outcome?.failure?.property ?? 'a crash';
      seed = played.seed;
      return false;
    },
  });
  const seconds = Math.round((performance.now() - startMs) / 100) / 10;
  return property === undefined ? undefined : { property, seed, seeds, seconds };
}
