/**
 * Builds the native disk for other machines than this one: `node native/prebuild.mjs [TARGET…]`. Each result lies under
 * `native/build/prebuilt/TARGET/`, and `impl/package/pack.ts` makes a package of it.
 *
 * The compiler is Zig's, which brings along headers and libraries of every target (`pip install ziglang`, or `ZIG=`):
 * the C++ library is linked statically, and glibc may be as old as 2.28, as Node's own builds have it. io_uring goes by system
 * calls. One addon serves every Node from 20 on, since it uses Node-API 8 alone.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

/** As the packages are called after `walrus-`, and as Zig calls them. */
const TARGETS = {
  'linux-x64-gnu': ['x86_64-linux-gnu.2.28', '-mcrc32'],
  'linux-x64-musl': ['x86_64-linux-musl', '-mcrc32'],
  'linux-arm64-gnu': ['aarch64-linux-gnu.2.28'],
  'linux-arm64-musl': ['aarch64-linux-musl'],
};
const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, 'build', 'prebuilt');
const sources = readdirSync(join(here, 'src')).map((name) => join(here, 'src', name));

const zig = findZig();
const headers = findHeaders();
const names = process.argv.slice(2);
for (const target of names.length > 0 ? names : Object.keys(TARGETS)) build(target);

/** `zig c++` in front of its arguments. */
function findZig() {
  const candidates = process.env.ZIG
    ? [[process.env.ZIG]]
    : [['zig'], ['python3', '-m', 'ziglang']];
  const found = candidates.find(([program, ...words]) => {
    return spawnSync(program, [...words, 'version']).status === 0;
  });
  if (found !== undefined) return [...found, 'c++'];
  throw new Error('no Zig to compile with: pip install ziglang, or ZIG=path');
}

function findHeaders() {
  const path = join(dirname(dirname(process.execPath)), 'include', 'node');
  if (existsSync(join(path, 'node_api.h'))) return path;
  throw new Error(`Node's headers are not in ${path}: take Node.js from nodejs.org`);
}

function build(target) {
  if (TARGETS[target] === undefined) throw new Error(`no target ${target}`);
  const [triple, ...flags] = TARGETS[target];
  const directory = join(out, target);
  const addon = join(directory, 'walrus.node');
  const inputs = [...sources, fileURLToPath(import.meta.url)].map((path) => statSync(path).mtimeMs);
  if (existsSync(addon) && statSync(addon).mtimeMs > Math.max(...inputs)) return;
  mkdirSync(directory, { recursive: true });
  rmSync(addon, { force: true });
  // The C++ library inside is nobody else's: were its names seen, another's of the process could take their place.
  const exported = join(out, 'exported.map');
  const entries = 'napi_register_module_v1; node_api_module_get_api_version_v1;';
  writeFileSync(exported, `{ global: ${entries} local: *; };\n`);
  const [program, ...words] = [
    ...zig,
    ...['-target', triple, ...flags, '-shared', '-fPIC', '-O2', '-std=c++20', '-s'],
    ...['-Wall', '-Wextra', '-Wpedantic', '-Werror', '-fvisibility=hidden', '-fexceptions'],
    ...['-DNAPI_VERSION=8', '-DNODE_GYP_MODULE_NAME=walrus', '-DBUILDING_NODE_EXTENSION'],
    ...['-DNODE_API_NO_EXTERNAL_BUFFERS_ALLOWED', '-isystem', headers],
    `-Wl,--version-script=${exported}`,
    ...sources.filter((path) => path.endsWith('.cc')),
    ...['-o', addon],
  ];
  const { status, stderr } = spawnSync(program, words, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${target}: ${stderr}`);
  process.stdout.write(`native disk built for ${target}\n`);
}
