/** Where mutants are judged: each is bundled with the simulator and plays seeds in a process of its own; then the unit tests beside it are run. */
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { rolldown } from 'rolldown';
import { type Mutant, mutated } from './mutate.ts';
import type { Trial } from './trial.ts';

/** What the unit tests of the core read. */
const TREE = ['impl', 'properties', 'sim', 'spec', 'traces', 'package.json', 'vitest.config.ts'];
/** CPU seconds beyond the trial's own: a mutant that goes round in a circle is ended then. */
const STUCK_S = 20;
const TESTS_STUCK_S = 300;
const HEAP_MIB = 2048;

export interface CourtOptions {
  /** The first seed. */
  readonly first: number;
  readonly durationMs: number;
  /** Of each trial. */
  readonly cpuMs: number;
  /** Whether unit tests are asked about what the simulator let pass. */
  readonly tests: boolean;
  /** Whether a seed holds without any mutant: one that does not says nothing about it. */
  isSound(seed: string): boolean;
}

export interface Verdict {
  readonly by: 'simulator' | 'tests' | 'nobody';
  readonly cpuMs: number;
}

export class Court {
  private readonly options: CourtOptions;
  private readonly directory = mkdtempSync(join(tmpdir(), 'walrus-mutants-'));
  private readonly tree = join(this.directory, 'tree');
  private bundles = 0;
  /** Unit tests share one tree: they are run one mutant after the other. */
  private testing: Promise<unknown> = Promise.resolve();

  constructor(options: CourtOptions) {
    this.options = options;
    if (!options.tests) return;
    for (const part of TREE) cpSync(part, join(this.tree, part), { recursive: true });
    symlinkSync(resolve('node_modules'), join(this.tree, 'node_modules'));
  }

  async judge(mutant: Mutant): Promise<Verdict> {
    const simulated = await this.simulate(mutant);
    if (simulated.by !== 'nobody' || !this.options.tests) return simulated;
    const tested = this.testing.then(() => this.test(mutant));
    this.testing = tested;
    return (await tested) ? { ...simulated, by: 'tests' } : simulated;
  }

  close(): void {
    rmSync(this.directory, { recursive: true });
  }

  private async simulate(mutant: Mutant): Promise<Verdict> {
    const bundle = join(this.directory, `${this.bundles++}.mjs`);
    await bundled(mutant, bundle);
    const { first, durationMs, cpuMs, isSound } = this.options;
    try {
      for (let seed = first, spentMs = 0; ; ) {
        const limitS = Math.ceil((cpuMs - spentMs) / 1000) + STUCK_S;
        const { code, stdout } = await run(
          limitS,
          [`--max-old-space-size=${HEAP_MIB}`, bundle, seed, durationMs, cpuMs - spentMs],
          '.',
        );
        if (code !== 0) return { by: 'simulator', cpuMs: spentMs + limitS * 1000 };
        const trial = JSON.parse(stdout) as Trial;
        spentMs += trial.cpuMs;
        if (trial.failedSeed === undefined) return { by: 'nobody', cpuMs: spentMs };
        if (isSound(trial.failedSeed)) return { by: 'simulator', cpuMs: spentMs };
        seed += trial.seeds;
      }
    } finally {
      rmSync(bundle);
    }
  }

  /** Whether a unit test beside the file fails. */
  private async test(mutant: Mutant): Promise<boolean> {
    const source = readFileSync(mutant.file, 'utf8');
    const file = join(this.tree, mutant.file);
    writeFileSync(file, mutated(source, mutant));
    try {
      const { code } = await run(
        TESTS_STUCK_S,
        [
          'node_modules/vitest/vitest.mjs',
          'run',
          '--bail=1',
          '--project=pure',
          `${dirname(mutant.file)}/`,
        ],
        this.tree,
      );
      return code !== 0;
    } finally {
      writeFileSync(file, source);
    }
  }
}

async function bundled(mutant: Mutant, to: string): Promise<void> {
  const path = resolve(mutant.file);
  const code = mutated(readFileSync(path, 'utf8'), mutant);
  const build = await rolldown({
    input: 'sim/mutants/trial.ts',
    platform: 'node',
    tsconfig: false,
    plugins: [{ name: 'mutant', load: (id) => (id === path ? { code, moduleType: 'ts' } : null) }],
  });
  await build.write({ file: to, format: 'esm' });
  await build.close();
}

/** A process of Node that is ended when it has used so much CPU time. */
function run(
  cpuS: number,
  args: readonly (string | number)[],
  cwd: string,
): Promise<{ code: number | null; stdout: string }> {
  const limited = `ulimit -t ${cpuS}; exec "$0" "$@"`;
  const child = spawn('sh', ['-c', limited, process.execPath, ...args.map(String)], {
    cwd,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  return new Promise((done) => child.once('close', (code) => done({ code, stdout })));
}
