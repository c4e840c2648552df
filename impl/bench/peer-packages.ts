/** The packages that the benchmarks are compared with, from the package in `peers/` that only a benchmark installs. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Found from the sources and from what `tsc -b` makes of them. */
export const BENCH_DIRECTORY: string = findBenchDirectory();
export const PEERS_DIRECTORY: string = join(BENCH_DIRECTORY, 'peers');

/** Each caller says what it uses of the package; there are no types here. */
export function peerPackage<Exports>(name: string): Exports {
  return createRequire(join(PEERS_DIRECTORY, 'package.json'))(name) as Exports;
}

/** For packages that are modules only. */
export function peerModulePath(name: string): string {
  return createRequire(join(PEERS_DIRECTORY, 'package.json')).resolve(name);
}

function findBenchDirectory(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  for (const path of [here, join(here, '../../../impl/bench')]) {
    if (existsSync(join(path, 'peers/package.json'))) return path;
  }
  throw new Error(
    `the benchmarks run from a checkout, where impl/bench/peers is; not from ${here}`,
  );
}
