/**
 * Builds the native disk: `node native/build.mjs`. Needs no network where Node's headers lie beside Node.
 *
 * Ends with 0 and one line that says so where it cannot be built, because the portable disk takes its place;
 * with `--required`, with 1. Does nothing if nothing has changed since it was built. With `--without-liburing` it
 * builds as if liburing were not installed.
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
/** Of a failed build, as much as tells the reason. */
const OUTPUT_CHARACTERS_MAX = 4_000;
const compiler = process.env.CXX ?? 'g++';

/** The static library, so that the addon needs none when it is loaded; '' if there is none. */
function findLiburing() {
  if (process.argv.includes('--without-liburing')) return '';
  const header = spawnSync(compiler, ['-x', 'c++', '-E', '-'], { input: '#include <liburing.h>' });
  if (header.status !== 0) return '';
  const archive = spawnSync(compiler, ['-print-file-name=liburing.a'], { encoding: 'utf8' });
  const path = archive.stdout.trim();
  return path.startsWith('/') ? path : '';
}

/** Everything that decides what comes out: the same text, the same addon. */
function describeInputs(liburing) {
  const sources = [join(here, 'binding.gyp'), fileURLToPath(import.meta.url)];
  for (const name of readdirSync(join(here, 'src')).sort()) sources.push(join(here, 'src', name));
  return JSON.stringify({
    node: process.version,
    arch: process.arch,
    compiler,
    liburing,
    sources: sources.map((path) => [path, statSync(path).mtimeMs]),
  });
}

/** Builds it, or says why not. */
function build(liburing) {
  if (process.platform !== 'linux') return `it knows Linux only, and this is ${process.platform}`;
  if (spawnSync(compiler, ['--version']).status !== 0) return `there is no compiler (${compiler})`;
  let gyp;
  try {
    gyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
  } catch {
    return 'node-gyp is not installed';
  }
  const prefix = dirname(dirname(process.execPath));
  const hasHeaders = existsSync(join(prefix, 'include', 'node', 'node_api.h'));
  const nodedir = hasHeaders ? [`--nodedir=${prefix}`] : [];
  const command = [gyp, 'configure', 'build', '-C', here, '--silent', ...nodedir];
  const result = spawnSync(process.execPath, command, {
    encoding: 'utf8',
    env: { ...process.env, CXX: compiler, GYP_DEFINES: `liburing='${liburing}'` },
  });
  if (result.status === 0 && existsSync(addon)) return '';
  // Never leaves an older one behind that would pass for this one.
  rmSync(addon, { force: true });
  process.stderr.write(`${result.stdout}${result.stderr}`.slice(0, OUTPUT_CHARACTERS_MAX));
  const missing = hasHeaders ? '' : ` (Node's headers are not in ${prefix}/include/node)`;
  return `node-gyp failed, as told above${missing}`;
}

const liburing = findLiburing();
const inputs = describeInputs(liburing);
const isBuilt = existsSync(addon) && existsSync(stamp) && readFileSync(stamp, 'utf8') === inputs;
const refusal = isBuilt ? '' : build(liburing);
if (refusal === '') {
  writeFileSync(stamp, inputs);
  const ring = liburing === '' ? 'io_uring over system calls' : 'io_uring over liburing, static';
  process.stdout.write(`native disk ${isBuilt ? 'up to date' : 'built'}: ${ring}\n`);
} else {
  process.stdout.write(`native disk not built: ${refusal}; the portable disk will be used\n`);
  if (process.argv.includes('--required')) process.exitCode = 1;
}
