/** The TypeScript that the documents show is TypeScript of this project, and the readme's runs. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Entry } from './walrus.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const BUILT = join(ROOT, 'dist', 'impl');

/** Of each document, what its blocks leave to the reader: names that stand in the text around them. */
const GIVEN: Readonly<Record<string, string>> = {
  'README.md': 'export { offset, entry };',
  'impl/embedded/README.md':
    'declare const signal: AbortSignal; declare function bill(data: Uint8Array): Promise<void>;',
  'impl/client/README.md': `import { WalrusClient } from '${BUILT}/client/client.js';`,
  'impl/core/raft/README.md': `
    import { Raft } from '${BUILT}/core/raft/raft.js';
    declare const options: ConstructorParameters<typeof Raft>[0];
    declare const restored: ConstructorParameters<typeof Raft>[1];
    declare const from: Parameters<Raft['step']>[0], message: Parameters<Raft['step']>[1];
    declare const snapshot: Parameters<Raft['compact']>[0];
    declare const nowMs: number, number: number, data: Uint8Array;`,
};

let scratch: string;
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'walrus-shown-'));
});
afterAll(() => rmSync(scratch, { recursive: true }));

/** Compiles what the document shows, and says what the compiler says. */
function compile(document: string): string {
  const text = readFileSync(join(ROOT, document), 'utf8');
  const blocks = [...text.matchAll(/^```ts\n([\s\S]*?)^```/gm)].map((match) => match[1]!);
  expect(blocks.length).toBeGreaterThan(0);
  const code = [...blocks, GIVEN[document]!, 'export {};']
    .join('\n')
    .replaceAll("'walrus'", `'${BUILT}/embedded/walrus.js'`)
    .replaceAll("'./data'", `'${scratch}/data'`);
  writeFileSync(join(scratch, 'shown.mts'), code);
  const compilerOptions = {
    target: 'ES2022',
    lib: ['ES2024', 'ESNext.Disposable'],
    module: 'NodeNext',
    typeRoots: [join(ROOT, 'node_modules', '@types')],
    types: ['node'],
    strict: true,
    skipLibCheck: true,
  };
  const settings = JSON.stringify({ compilerOptions, files: ['shown.mts'] });
  writeFileSync(join(scratch, 'tsconfig.json'), settings);
  try {
    execFileSync(join(ROOT, 'node_modules', '.bin', 'tsc'), ['-p', scratch], { encoding: 'utf8' });
    return '';
  } catch (error) {
    return (error as { stdout: string }).stdout;
  }
}

test.each(Object.keys(GIVEN))('what %s shows compiles', (document) => {
  expect(compile(document)).toBe('');
});

test('what the readme shows does what it says', async () => {
  compile('README.md');
  const shown = (await import(join(scratch, 'shown.mjs'))) as { offset: number; entry: Entry };
  expect(shown.offset).toBe(0);
  expect(new TextDecoder().decode(shown.entry.data)).toBe('first');
});
