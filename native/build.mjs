/**
 * Builds the native disk: `node native/build.mjs`. Needs no network where Node's headers lie beside Node.
 *
 * Ends with 0 and one line that says so where it cannot be built, because the portable disk takes its place;
 * with `--required`, with 1. Does nothing if the addon is newer than all that it is made of.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const addon = join(here, 'build', 'Release', 'walrus.node');
const stamp = join(here, 'build', 'made-of.json');
const compiler = process.env.CXX ?? 'g++';

/** The static archive if the compiler finds one, else nothing: the addon never needs the library when it is loaded. */
function liburing() {
  const compiles = spawnSync(compiler, ['-x', 'c++', '-E', '-'], {
    input: '#include <liburing.h>\n',
  });
  if (compiles.status !== 0) return '';
  const archive = spawnSync(compiler, ['-print-file-name=liburing.a'], { encoding: 'utf8' });
  const path = archive.stdout?.trim() ?? '';
  return path.startsWith('/') ? path : '';
}

/** Everything that decides what comes out; equal text, equal addon. */
function madeOf() {
  const sources = [join(here, 'binding.gyp'), fileURLToPath(import.meta.url)];
  for (const name of readdirSync(join(here, 'src')).sort()) sources.push(join(here, 'src', name));
  return JSON.stringify({
    node: process.version,
    arch: process.arch,
    compiler,
    liburing: liburing(),
    sources: sources.map((path) => [path, statSync(path).mtimeMs]),
  });
}

/** @returns {string} why not, or nothing */
function build() {
  if (process.platform !== 'linux') return `it knows Linux only, this is ${process.platform}`;
  if (spawnSync(compiler, ['--version']).status !== 0) return `there is no compiler ${compiler}`;
  let gyp;
  try {
    gyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
  } catch {
    return 'node-gyp is not installed (npm ci)';
  }
  const prefix = dirname(dirname(process.execPath));
  const beside = existsSync(join(prefix, 'include', 'node', 'node_api.h'));
  const parameters = [
    'rebuild',
    '-C',
    here,
    '--silent',
    ...(beside ? [`--nodedir=${prefix}`] : []),
  ];
  const result = spawnSync(process.execPath, [gyp, ...parameters], {
    encoding: 'utf8',
    env: { ...process.env, CXX: compiler },
  });
  if (result.status === 0 && existsSync(addon)) return '';
  rmSync(addon, { force: true });
  process.stderr.write(`${result.stdout}${result.stderr}`);
  return beside ? 'the compiler refused it (see above)' : 'no headers beside Node, and see above';
}

if (process.argv.includes('--liburing')) {
  process.stdout.write(liburing());
} else {
  const wanted = madeOf();
  const built = existsSync(addon) && existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted;
  const refusal = built ? '' : build();
  if (refusal === '') {
    if (!built) writeFileSync(stamp, wanted);
    const ring =
      liburing() === '' ? 'without io_uring (liburing-dev is not installed)' : 'with io_uring';
    process.stdout.write(`native disk ${built ? 'up to date' : 'built'}, ${ring}\n`);
  } else {
    process.stdout.write(`native disk not built: ${refusal}; the portable disk will be used\n`);
    if (process.argv.includes('--required')) process.exitCode = 1;
  }
}
