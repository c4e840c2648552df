/** Installs and builds what Walrus is compared with, and says which cannot be had here and why. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { PEERS_DIRECTORY } from './peer-packages.ts';

interface Step {
  readonly peers: string;
  readonly command: readonly [string, ...string[]];
  readonly directory: string;
  /** What is there afterwards, and what it is made of. */
  readonly product: string;
  readonly sources: readonly string[];
}

const RUST = join(PEERS_DIRECTORY, 'rust');
const STEPS: readonly Step[] = [
  {
    peers: 'lmdb, classic-level, better-sqlite3, and vega for the picture',
    command: ['npm', 'ci', '--no-audit', '--no-fund'],
    directory: PEERS_DIRECTORY,
    product: 'node_modules/.package-lock.json',
    sources: ['package-lock.json'],
  },
  {
    peers: 'walrus-rust',
    command: ['cargo', 'build', '--release', '--locked'],
    directory: RUST,
    product: 'target/release/walrus-bench-upstream',
    sources: ['src/main.rs', 'Cargo.lock'],
  },
  {
    peers: "rocksdb (Debian's librocksdb-dev)",
    command: [
      'g++',
      '-std=c++20',
      '-O2',
      '-o',
      'build/rocksdb',
      'rocksdb.cc',
      '-lrocksdb',
      '-pthread',
    ],
    directory: PEERS_DIRECTORY,
    product: 'build/rocksdb',
    sources: ['rocksdb.cc'],
  },
];

/**
 * Builds what is missing or older than its sources, and lets what the builders say through to stderr: it takes minutes.
 * Gives a line for each that could not be built.
 */
export async function buildPeers(say: (line: string) => void): Promise<string[]> {
  const failures: string[] = [];
  mkdirSync(join(PEERS_DIRECTORY, 'build'), { recursive: true });
  const missing = STEPS.filter(
    ({ directory, product, sources }) =>
      !isNewer(
        join(directory, product),
        sources.map((source) => join(directory, source)),
      ),
  );
  for (const [index, { peers, command, directory }] of missing.entries()) {
    say(`building ${index + 1} of ${missing.length}: ${peers} (a few minutes the first time)`);
    const failure = await build(command, directory);
    if (failure !== undefined) failures.push(`${peers}: ${failure}`);
  }
  return failures;
}

/** Why it failed, in one line; undefined if it did not. */
function build(
  [program, ...words]: readonly [string, ...string[]],
  directory: string,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(program, words, {
      cwd: directory,
      env: { ...process.env, npm_config_nodedir: nodePrefix() },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      process.stderr.write(chunk);
      said += chunk.toString();
    });
    child.once('error', (error) => resolve(error.message));
    child.once('close', (status) => {
      const lines = said.trim().split('\n');
      const line = lines.find((one) => /error/i.test(one)) ?? lines.at(-1);
      resolve(status === 0 ? undefined : line || `status ${status}`);
    });
  });
}

function isNewer(product: string, sources: readonly string[]): boolean {
  if (!existsSync(product)) return false;
  const { mtimeMs } = statSync(product);
  return sources.every((source) => statSync(source).mtimeMs <= mtimeMs);
}

/** Where the headers of this Node.js are, if they came with it: a build then fetches none. */
function nodePrefix(): string | undefined {
  const prefix = dirname(dirname(process.execPath));
  return existsSync(join(prefix, 'include/node/node.h')) ? prefix : process.env.npm_config_nodedir;
}
