/** Where things are, seen from the sources and from what `tsc -b` makes of them; and what the package exports. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT: string = rootAbove(dirname(fileURLToPath(import.meta.url)));
/** What is shipped, as `bundle.ts` and `types.ts` make it. */
export const SHIPPED: string = join(ROOT, 'dist', 'package');
/** Tarballs that are ready to be published, as `pack.ts` makes them. */
export const PACKAGES: string = join(ROOT, 'dist', 'packages');

/** An export of the package: its source, and the page that `api.ts` writes about it. */
export interface Export {
  readonly name: 'walrus' | 'client' | 'testing';
  readonly source: string;
  readonly page: string;
}

export const EXPORTS: readonly Export[] = [
  { name: 'walrus', source: 'impl/embedded/walrus.ts', page: 'impl/embedded/API.md' },
  { name: 'client', source: 'impl/client/client.ts', page: 'impl/client/API.md' },
  { name: 'testing', source: 'sim/testing.ts', page: 'sim/API.md' },
];

export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly [field: string]: unknown;
}

export function manifestOf(directory: string): Manifest {
  return JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as Manifest;
}

function rootAbove(directory: string): string {
  return existsSync(join(directory, 'package.json')) ? directory : rootAbove(dirname(directory));
}
