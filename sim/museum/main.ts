/**
 * `make museum`: puts each known bug into a copy of the tree, builds it, and plays seeds until a property fails. A bug
 * that no seed finds is a hole in the simulator: exit code 1.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { hasFailed, type playAll } from '../fleet.ts';
import { play as playSeed, runOfSeed } from '../seed.ts';

const MUSEUM = 'sim/museum';
const SEEDS = Array.from({ length: 1000 }, (_, i) => String(i + 1));
const DURATION_MS = 100_000;
const TREE = ['impl', 'native', 'properties', 'sim', 'dist', 'package.json'] as const;

interface Found {
  readonly property: string;
  readonly seeds: number;
  readonly seconds: number;
}

process.exitCode = await main(process.argv.slice(2));

async function main(names: readonly string[]): Promise<number> {
  const bugs = readdirSync(MUSEUM)
    .filter((file) => file.endsWith('.patch'))
    .map((file) => file.slice(0, -'.patch'.length))
    .filter((name) => names.length === 0 || names.includes(name));
  console.log('| bug | caught by | seeds | seconds |\n|---|---|---|---|');
  let missed = 0;
  for (const name of bugs) {
    const found = await hunt(join(MUSEUM, `${name}.patch`));
    const { property, seeds, seconds } = found ?? {
      property: '**nothing**',
      seeds: '',
      seconds: '',
    };
    console.log(`| ${title(name)} (\`${name}\`) | ${property} | ${seeds} | ${seconds} |`);
    if (found === undefined) missed++;
  }
  console.log(`${bugs.length - missed} found, ${missed} not found`);
  return missed === 0 && bugs.length > 0 ? 0 : 1;
}

/** The first line of a patch says what is wrong. */
function title(name: string): string {
  return readFileSync(join(MUSEUM, `${name}.patch`), 'utf8').split('\n', 1)[0]!;
}

async function hunt(patch: string): Promise<Found | undefined> {
  const tree = mkdtempSync(join(tmpdir(), 'walrus-museum-'));
  try {
    for (const part of TREE) cpSync(part, join(tree, part), { recursive: true });
    for (const file of readdirSync('.').filter((each) => each.startsWith('tsconfig'))) {
      cpSync(file, join(tree, file));
    }
    symlinkSync(join(process.cwd(), 'node_modules'), join(tree, 'node_modules'));
    execFileSync('git', ['apply', join(process.cwd(), patch)], { cwd: tree });
    execFileSync(join(tree, 'node_modules/.bin/tsc'), ['-b', 'sim'], {
      cwd: tree,
      stdio: 'inherit',
    });
    return await play(pathToFileURL(join(tree, 'dist/sim/fleet.js')));
  } finally {
    rmSync(tree, { recursive: true });
  }
}

async function play(fleet: URL): Promise<Found | undefined> {
  const patched = (await import(fleet.href)) as { playAll: typeof playAll };
  const startMs = performance.now();
  let seeds = 0;
  let property: string | undefined;
  await patched.playAll({
    seeds: SEEDS,
    durationMs: DURATION_MS,
    jobs: availableParallelism(),
    onPlayed: (played) => {
      if (property !== undefined) return false;
      seeds++;
      // A seed that fails without the bug as well has not found it.
      if (!hasFailed(played) || hasFailed(playSeed(runOfSeed(played.seed, DURATION_MS))))
        return true;
      property = played.outcome?.failure?.property ?? 'a crash';
      return false;
    },
  });
  const seconds = Math.round((performance.now() - startMs) / 100) / 10;
  return property === undefined ? undefined : { property, seeds, seconds };
}
