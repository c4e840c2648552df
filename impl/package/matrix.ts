/**
 * Installs the package in every way that people do, and lets small programs use it: by way of installation, module system,
 * Node and bundler. `node dist/impl/package/matrix.js`; `--small` for what every commit is tried with, `--only WORDS` for
 * rows that hold all of these words. Prints a row for each, and fails if one did not do what it should.
 *
 * The full matrix fetches other Nodes, bundlers and runtimes from the npm registry, into a directory that is removed.
 */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { Command } from 'commander';
import { PACKAGES, ROOT } from './places.ts';

interface Row {
  readonly install: string;
  readonly program: string;
  readonly runtime: string;
  /** Throws, or gives what the program printed. */
  run(): string;
  /** What has to be in it. */
  readonly expected: RegExp;
}

interface Runtime {
  readonly name: string;
  readonly command: readonly string[];
}

const NODES = { 'node 20': '20.19.0', 'node 22': '22.23.3', 'node 24': '24.21.0' };
const TOOLS = ['rollup@4.68.8', '@rollup/plugin-node-resolve@16.0.3', 'webpack@5.113.0'];
const OTHERS = ['@oven/bun-linux-x64@1', 'deno@2'];

/** Uses the library, the client and the simulator, and says which way to the disk was found, where, or why none. */
const USE = `
async function main() {
  const log = await Walrus.open({ dir: process.argv[2], fsync: FsyncSchedule.SyncEach });
  try {
    const offset = await log.append('orders', new TextEncoder().encode('first'));
    const entry = await log.readNext('orders');
    if (offset !== 0 || entry?.data.length !== 5) throw new Error('the record is not there');
    const { disk, native } = log.stats();
    console.log(disk.way + ': ' + (native?.addon ?? disk.reason));
  } finally {
    await log.close();
  }
  const client = new WalrusClient({ addresses: ['127.0.0.1:1'], retryForMs: 0 });
  const error = await client.get('orders').catch((reason: unknown) => reason);
  if (!(error instanceof WalrusError) || error.code !== 'Unavailable') throw error;
  await client.close();
  if (simulate(1, { durationMs: 1000, nodes: 3 }).failure !== undefined) throw new Error('a failure');
}
main();
`;
const IMPORTS = `
import { FsyncSchedule, Walrus } from 'walrus';
import { WalrusClient, WalrusError } from 'walrus/client';
import { simulate } from 'walrus/testing';
`;
const REQUIRES = `
const { FsyncSchedule, Walrus } = require('walrus');
const { WalrusClient, WalrusError } = require('walrus/client');
const { simulate } = require('walrus/testing');
`;
const JAVASCRIPT = USE.replaceAll(': unknown', '');

const { small, only } = new Command('matrix')
  .option('--small')
  .option('--only <words>')
  .parse()
  .opts<{ small?: true; only?: string }>();
const words = only?.split(' ') ?? [];
const scratch = mkdtempSync(join(tmpdir(), 'walrus-matrix-'));
const NATIVE = /^(io_uring|pwrite): /m;
const ABSENT = /^portable: the native disk was not found: /m;
let directories = 0;
let toolsFetched: string | undefined;

try {
  process.exitCode = main() ? 0 : 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

function main(): boolean {
  const here: Runtime = { name: `node ${process.versions.node}`, command: [process.execPath] };
  const ways = small ? ['tarball'] : ['tarball', 'published', 'path', 'git'];
  const named = ways.filter((way) => words.includes(way));
  const runtimes = small ? [here] : [...nodes(), ...others()];
  let isGood = true;
  for (const install of named.length > 0 ? named : ways) {
    const { project, seconds } = installed(install);
    print([
      install,
      'npm install',
      `node ${process.versions.node}`,
      seconds.toFixed(1),
      'ok',
      shape(project),
    ]);
    for (const row of rowsOf(install, project, runtimes)) {
      const names = [row.install, row.program, row.runtime];
      if (words.every((word) => names.join(' ').includes(word)))
        isGood = tried(row, names) && isGood;
    }
  }
  return isGood;
}

function tried(row: Row, names: readonly string[]): boolean {
  const from = performance.now();
  let said: string;
  let isGood = false;
  try {
    said = row.run().trim();
    isGood = row.expected.test(said);
  } catch (error) {
    said = String((error as { stderr?: string }).stderr || (error as Error).message).trim();
  }
  const seconds = ((performance.now() - from) / 1000).toFixed(1);
  print([...names, seconds, isGood ? 'ok' : 'FAILED', said.replaceAll(scratch, '…')]);
  return isGood;
}

function print([install, program, runtime, seconds, verdict, said]: readonly string[]): void {
  const cells = [
    install!.padEnd(9),
    program!.padEnd(34),
    runtime!.padEnd(12),
    seconds!.padStart(6),
  ];
  console.log([...cells, verdict!.padEnd(6), said].join('  '));
}

// Ways to install.

function installed(way: string): { project: string; seconds: number } {
  const project = directory();
  writeFileSync(join(project, 'package.json'), '{"name":"project","private":true}\n');
  const from = performance.now();
  npm(project, 'install', ...sourceOf(way));
  return { project, seconds: (performance.now() - from) / 1000 };
}

/** What `npm install` is told. */
function sourceOf(way: string): string[] {
  if (way === 'path') return [ROOT];
  if (way === 'git') return [`git+file://${ROOT}`];
  if (way === 'published') {
    // As from a registry, if it had them: npm takes the package and the one addon that fits.
    const target = `-${process.platform}-${process.arch}-`;
    const isGnu = readdirSync('/lib64').some((name) => name.startsWith('ld-linux'));
    const fits = (name: string): boolean =>
      /^walrus-\d/.test(name) || (name.includes(target) && name.includes(isGnu ? 'gnu' : 'musl'));
    return readdirSync(PACKAGES)
      .filter(fits)
      .map((name) => join(PACKAGES, name));
  }
  const told = npm(ROOT, 'pack', '--json', '--ignore-scripts', '--pack-destination', scratch);
  const [{ filename }] = JSON.parse(told) as [{ filename: string }];
  return [join(scratch, filename)];
}

/** How much of it there is. */
function shape(project: string): string {
  const packages = readdirSync(join(project, 'node_modules')).filter(
    (name) => !name.startsWith('.'),
  );
  return packages.join(', ');
}

// What is run.

function rowsOf(install: string, project: string, runtimes: readonly Runtime[]): Row[] {
  const row = (program: string, runtime: Runtime, run: () => string, expected = NATIVE): Row => ({
    ...{ install, program, runtime: runtime.name, run, expected },
  });
  const node = runtimes[0]!;
  const rows = runtimes.flatMap((runtime) => [
    row('ESM', runtime, () => use(runtime, written(project, 'main.mjs', IMPORTS + JAVASCRIPT))),
    row('README sample', runtime, () => readmeSample(runtime, project), /^0 first$/),
    row('CommonJS', runtime, () =>
      use(runtime, written(project, 'main.cjs', REQUIRES + JAVASCRIPT)),
    ),
  ]);
  rows.push(
    ...(['mts', 'cts'] as const).map((extension) =>
      row(`TypeScript .${extension}, node16`, node, () => {
        compile(project, written(project, `main.${extension}`, IMPORTS + USE), 'node16');
        return use(node, join(project, `main.${extension.replace('ts', 'js')}`));
      }),
    ),
    row(
      'npx walrus --version',
      node,
      () => npm(project, 'exec', 'walrus', '--', '--version'),
      /^\d/,
    ),
  );
  const bundles: (readonly [string, () => string])[] = [
    ['esbuild CommonJS', () => esbuild(project, 'cjs')],
    ['esbuild ESM', () => esbuild(project, 'esm')],
  ];
  if (!small) {
    const resolutions = ['nodenext', 'bundler'];
    rows.push(
      ...resolutions.map((resolution) =>
        row(`TypeScript .mts, ${resolution}`, node, () => {
          compile(project, written(project, 'main.mts', IMPORTS + USE), resolution);
          return use(node, join(project, 'main.mjs'));
        }),
      ),
    );
    bundles.push(['rollup', () => rollup(project)], ['webpack', () => webpack(project)]);
  }
  for (const [name, make] of bundles) {
    rows.push(
      row(`${name}, node_modules above`, node, () => use(node, make())),
      row(`${name}, alone`, node, () => useAlone(project, node, make()), ABSENT),
      row(`${name}, addon beside it`, node, () =>
        useAlone(project, node, make(), addonOf(project)),
      ),
    );
  }
  // A bundle of a linked checkout finds the checkout.
  return install === 'path' ? rows.filter(({ program }) => !program.endsWith('alone')) : rows;
}

function readmeSample(runtime: Runtime, project: string): string {
  const shown = /^```ts\n([\s\S]*?)^```/m.exec(readFileSync(join(ROOT, 'README.md'), 'utf8'))![1]!;
  rmSync(join(project, 'data'), { recursive: true, force: true });
  return use(runtime, written(project, 'readme.mjs', shown), project);
}

function written(project: string, name: string, text: string): string {
  const path = join(project, name);
  writeFileSync(path, text);
  return path;
}

function use({ command: [program, ...first] }: Runtime, script: string, cwd = scratch): string {
  return execute(program!, [...first, script, directory()], cwd);
}

function compile(project: string, file: string, resolution: string): void {
  const module = resolution === 'bundler' ? 'esnext' : resolution;
  const options = ['--module', module, '--moduleResolution', resolution, '--target', 'es2022'];
  const types = ['--types', 'node', '--typeRoots', join(ROOT, 'node_modules', '@types')];
  const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  execute(process.execPath, [tsc, '--strict', ...options, ...types, file], project);
}

function esbuild(project: string, format: 'cjs' | 'esm'): string {
  const entry = written(project, 'entry.mjs', IMPORTS + JAVASCRIPT);
  const bundle = join(project, format === 'cjs' ? 'bundle.cjs' : 'bundle.mjs');
  const options = ['--bundle', '--platform=node', `--format=${format}`, `--outfile=${bundle}`];
  execute(join(ROOT, 'node_modules', '.bin', 'esbuild'), [entry, ...options], project);
  return bundle;
}

function rollup(project: string): string {
  const entry = written(project, 'entry.mjs', IMPORTS + JAVASCRIPT);
  const bundle = join(project, 'bundle.cjs');
  const options = ['--plugin', '@rollup/plugin-node-resolve', '--format', 'cjs', '--file', bundle];
  execute(join(tools(), '.bin', 'rollup'), [entry, ...options], tools());
  return bundle;
}

function webpack(project: string): string {
  const entry = written(project, 'entry.mjs', IMPORTS + JAVASCRIPT);
  const output = { path: project, filename: 'bundle.cjs' };
  const settings = { mode: 'production', target: 'node', entry, output };
  const script = `require('webpack')(${JSON.stringify(settings)}, (error, stats) => {
    if (error || stats.hasErrors()) throw error ?? new Error(stats.toString());
  })`;
  execute(process.execPath, ['-e', script], tools());
  return join(project, 'bundle.cjs');
}

/** In a place where nothing else is, as on a machine that never saw the project. */
function useAlone(project: string, runtime: Runtime, bundle: string, addon?: string): string {
  const place = directory();
  if (addon !== undefined) copyFileSync(addon, join(place, 'walrus.node'));
  const path = join(place, bundle.slice(bundle.lastIndexOf('/') + 1));
  copyFileSync(bundle, path);
  const modules = join(project, 'node_modules');
  renameSync(modules, `${modules}.away`);
  try {
    return use(runtime, path);
  } finally {
    renameSync(`${modules}.away`, modules);
  }
}

function addonOf(project: string): string {
  const modules = join(project, 'node_modules');
  const names = readdirSync(modules).map((name) => join(modules, name, 'walrus.node'));
  const paths = [...names, join(modules, 'walrus/native/build/Release/walrus.node')];
  return paths.find((path) => existsSync(path))!;
}

// What it is run with.

function nodes(): Runtime[] {
  return Object.entries(NODES).map(([name, version]) => {
    const modules = fetched([`node-${process.platform}-${process.arch}@${version}`]);
    const [directory] = readdirSync(modules).filter((one) => one.startsWith('node-'));
    return { name, command: [join(modules, directory!, 'bin', 'node')] };
  });
}

function others(): Runtime[] {
  const modules = fetched(OTHERS);
  return [
    { name: 'bun', command: [join(modules, '@oven/bun-linux-x64/bin/bun')] },
    { name: 'deno', command: [process.execPath, join(modules, 'deno/bin.cjs'), 'run', '-A'] },
  ];
}

function tools(): string {
  toolsFetched ??= fetched(TOOLS);
  return toolsFetched;
}

/** Gives the `node_modules` that they are in. */
function fetched(specifiers: readonly string[]): string {
  const project = directory();
  npm(project, 'install', '--no-save', ...specifiers);
  return join(project, 'node_modules');
}

function directory(): string {
  const path = join(scratch, `${++directories}`);
  mkdirSync(path);
  return path;
}

function npm(directory: string, ...words: readonly string[]): string {
  return execute('npm', [...words, '--no-audit', '--no-fund', '--loglevel=error'], directory);
}

function execute(program: string, words: readonly string[], directory: string): string {
  return execFileSync(program, words, {
    cwd: directory,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, WALRUS_QUIET: '1' },
  });
}
