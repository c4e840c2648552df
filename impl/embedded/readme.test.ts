/** The TypeScript that the documents show is TypeScript of this project, and what users see of it runs. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..', '..');
const BUILT = join(ROOT, 'dist', 'impl');

/** Of each document, what its blocks leave to the reader: names that stand in the text around them. */
const GIVEN: Readonly<Record<string, string>> = {
  'README.md': '',
  'impl/embedded/README.md': '',
  'impl/client/README.md': '',
  'sim/README.md': '',
  'impl/core/raft/README.md': `
    import { Raft } from '${BUILT}/core/raft/raft.js';
    declare const options: ConstructorParameters<typeof Raft>[0];
    declare const restored: ConstructorParameters<typeof Raft>[1];
    declare const sender: Parameters<Raft['step']>[0], message: Parameters<Raft['step']>[1];
    declare const snapshot: Parameters<Raft['compact']>[0];
    declare const nowMs: number, number: number, data: Uint8Array;`,
};

let scratch: string;
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'walrus-shown-'));
});
afterAll(() => rmSync(scratch, { recursive: true }));

function shownBy(document: string): string {
  const text = readFileSync(join(ROOT, document), 'utf8');
  const blocks = [...text.matchAll(/^```ts\n([\s\S]*?)^```/gm)].map((match) => match[1]!);
  expect(blocks.length).toBeGreaterThan(0);
  return blocks.join('\n');
}

/** Compiles what the document shows, and says what the compiler says. */
function compile(document: string): string {
  const code = [shownBy(document), GIVEN[document]!, 'export {};']
    .join('\n')
    .replaceAll("'walrus'", `'${BUILT}/embedded/walrus.js'`)
    .replaceAll("'walrus/client'", `'${BUILT}/client/client.js'`)
    .replaceAll("'walrus/testing'", `'${BUILT}/../sim/testing.js'`);
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

/** Runs it as it stands, on this Node, in a project that has the package installed. */
function run(document: string): string {
  const project = mkdtempSync(join(scratch, 'project-'));
  mkdirSync(join(project, 'node_modules'));
  symlinkSync(ROOT, join(project, 'node_modules', 'walrus'));
  writeFileSync(join(project, 'shown.mjs'), shownBy(document));
  return execFileSync(process.execPath, ['shown.mjs'], { cwd: project, encoding: 'utf8' });
}

test('what the readme shows does what it says', () => {
  expect(run('README.md')).toBe('0 first\n');
});

test('what the page of the library shows does what it says', () => {
  expect(run('impl/embedded/README.md').trim().split('\n')).toHaveLength(3);
});

test('what the page of the simulator shows does what it says', () => {
  const lines = run('sim/README.md').trim().split('\n');
  expect(lines.map((line) => /^(\d) [0-9a-f]+ \d+$/.exec(line)?.[1])).toEqual(['1', '2', '3']);
});
