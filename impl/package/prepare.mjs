/**
 * Builds what a checkout lacks, for whoever installs from one: npm runs it after an install in the checkout, before it
 * packs, and when a project installs the checkout's path or its git address. Needs nothing but Node and npm.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

const root = join(import.meta.dirname, '..', '..');

// Of a path that is installed, npm makes a link and leaves the packages it is built with to itself.
if (!existsSync(join(root, 'node_modules', 'typescript'))) {
  run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund']);
}
node('node_modules/typescript/bin/tsc', '-b');
node('dist/impl/package/bundle.js');
node('dist/impl/package/types.js');
node('native/build.mjs');

function node(script, ...words) {
  run(process.execPath, [join(root, script), ...words]);
}

function run(program, words) {
  // npm gives its own settings to what it runs; `--global` or a prefix are not meant for the checkout.
  const env = Object.entries(process.env).filter(([name]) => !/^npm_config_/i.test(name));
  // Standard output is for who asked npm something, `npm pack --json` for one.
  const stdio = ['ignore', process.stderr, process.stderr];
  const { status, error } = spawnSync(program, words, {
    cwd: root,
    stdio,
    env: Object.fromEntries(env),
  });
  if (error !== undefined) throw error;
  if (status !== 0) process.exit(status ?? 1);
}
