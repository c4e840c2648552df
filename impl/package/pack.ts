/**
 * Makes the tarballs that are published, in `dist/packages`: the package, and one for each addon that
 * `native/prebuild.mjs` has built: `node dist/impl/package/pack.js`.
 *
 * The manifest of the published package is made here. It names the addons as optional dependencies, of which npm takes
 * the one whose `os`, `cpu` and `libc` fit; a checkout builds its own, and its manifest names none. And it lacks what only a
 * checkout can use: scripts, development dependencies, the addon that was built on this machine.
 */
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { type Manifest, manifestOf, PACKAGES, ROOT } from './places.ts';

const PREBUILT = join(ROOT, 'native', 'build', 'prebuilt');
const ADDON = 'walrus.node';
const LIBC = { gnu: 'glibc', musl: 'musl' } as const;

const scratch = mkdtempSync(join(tmpdir(), 'walrus-pack-'));
try {
  rmSync(PACKAGES, { recursive: true, force: true });
  mkdirSync(PACKAGES, { recursive: true });
  const manifest = manifestOf(ROOT);
  const targets = readdirSync(PREBUILT).filter((name) => existsSync(join(PREBUILT, name, ADDON)));
  for (const target of targets) packAddon(target, manifest);
  packLibrary(targets, manifest);
} finally {
  rmSync(scratch, { recursive: true });
}

function packAddon(target: string, { version, license, engines, repository }: Manifest): void {
  const [os, cpu, libc] = target.split('-') as [string, string, keyof typeof LIBC];
  const directory = join(scratch, target);
  cpSync(join(PREBUILT, target), directory, { recursive: true });
  cpSync(join(ROOT, 'LICENSE'), join(directory, 'LICENSE'));
  const description = `The native disk of walrus for ${os} on ${cpu} with ${LIBC[libc]}`;
  writeFileSync(join(directory, 'README.md'), `# walrus-${target}\n\n${description}.\n`);
  pack(directory, {
    ...{ name: `walrus-${target}`, version, description, license, repository, engines },
    ...{ type: 'commonjs', os: [os], cpu: [cpu], libc: [LIBC[libc]], main: ADDON, files: [ADDON] },
  });
}

function packLibrary(targets: readonly string[], manifest: Manifest): void {
  const directory = join(scratch, 'walrus');
  const { scripts: _, devDependencies: __, exports, files, ...kept } = manifest;
  const { './walrus.node': ___, ...entries } = exports as Record<string, unknown>;
  const shipped = (files as string[]).filter((file) => !file.endsWith(ADDON));
  for (const file of [...shipped, 'README.md', 'LICENSE']) {
    cpSync(join(ROOT, file), join(directory, file), { recursive: true });
  }
  pack(directory, {
    ...kept,
    exports: entries,
    files: shipped,
    optionalDependencies: Object.fromEntries(
      targets.map((target) => [`walrus-${target}`, manifest.version]),
    ),
  });
}

function pack(directory: string, manifest: object): void {
  writeFileSync(join(directory, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
  const told = execFileSync('npm', ['pack', '--json', '--pack-destination', PACKAGES], {
    cwd: directory,
    encoding: 'utf8',
  });
  const [{ filename, entryCount, size, unpackedSize }] = JSON.parse(told) as [PackReport];
  const kilobytes = (bytes: number): string => `${Math.round(bytes / 1000)} kB`;
  process.stdout.write(
    `${filename}: ${entryCount} files, ${kilobytes(size)} packed, ${kilobytes(unpackedSize)} unpacked\n`,
  );
}

interface PackReport {
  readonly filename: string;
  readonly entryCount: number;
  readonly size: number;
  readonly unpackedSize: number;
}
