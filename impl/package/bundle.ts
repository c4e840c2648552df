/**
 * Makes the JavaScript that is shipped out of the sources: `node dist/impl/package/bundle.js`. Each export comes as a
 * module and as CommonJS; the two commands bring along what they need, so that the package depends on nothing.
 */
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rolldown } from 'rolldown';
import { EXPORTS, manifestOf, ROOT, SHIPPED } from './places.ts';

const COMMANDS = {
  'bin/walrus': 'impl/runtime/main.ts',
  'bin/walrus-cli': 'impl/client/walrus-cli.ts',
};
const LICENCES = 'THIRD-PARTY-LICENSES.txt';

const exported = Object.fromEntries(EXPORTS.map(({ name, source }) => [name, source]));
for (const name of existsSync(SHIPPED) ? readdirSync(SHIPPED) : []) {
  // Types are made by another script, and stay.
  if (!/\.d\.c?ts$/.test(name)) rmSync(join(SHIPPED, name), { recursive: true });
}
const modules = await bundle({ ...exported, ...COMMANDS }, 'esm', 'js');
await bundle(exported, 'cjs', 'cjs');
// A link to a command that is there already is not made anew, and so nobody else sees to it.
for (const name of Object.keys(COMMANDS)) chmodSync(join(SHIPPED, `${name}.js`), 0o755);
writeFileSync(join(SHIPPED, LICENCES), licences(modules));

/** Gives the modules that went in. */
async function bundle(
  input: Record<string, string>,
  format: 'esm' | 'cjs',
  extension: string,
): Promise<string[]> {
  const build = await rolldown({ cwd: ROOT, input, platform: 'node', tsconfig: false });
  const { output } = await build.write({
    dir: SHIPPED,
    format,
    entryFileNames: `[name].${extension}`,
    chunkFileNames: `chunks/[name].${extension}`,
  });
  await build.close();
  return output.flatMap((chunk) => (chunk.type === 'chunk' ? chunk.moduleIds : []));
}

/** What the packages that were bundled ask of whoever hands them on. Throws if one of them has no licence. */
function licences(modules: readonly string[]): string {
  const directories = modules.flatMap(
    (path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? [],
  );
  const texts = [...new Set(directories)].sort().map((directory) => {
    const { name, version, license } = manifestOf(directory);
    return `${name} ${version} (${license})\n\n${licenceOf(directory)}`;
  });
  return `${['The files in this directory contain these packages.', ...texts].join(`\n\n${'-'.repeat(80)}\n\n`)}\n`;
}

/** Its file of that name, or the chapter of its readme. */
function licenceOf(directory: string): string {
  const read = (name: string): string => readFileSync(join(directory, name), 'utf8').trim();
  const names = readdirSync(directory);
  const file = names.find((name) => /^licen[cs]e/i.test(name));
  if (file !== undefined) return read(file);
  const readme = names.find((name) => /^readme/i.test(name));
  const chapter = readme && /^\W*licen[cs]e[\s\S]*/im.exec(read(readme))?.[0];
  if (!chapter) throw new Error(`${directory} has no licence`);
  return chapter.trim();
}
