import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { PROGRAM } from '../runtime/test-cluster.test-support.ts';

const scratch = mkdtempSync(join(tmpdir(), 'walrus-completion-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const script = (shell: string): string =>
  execFileSync(process.execPath, [PROGRAM, 'completion', shell], { encoding: 'utf8' });

/** What bash offers for a line whose last word is begun. */
function offered(line: string): string[] {
  const words = line.split(' ');
  const asked = `${script('bash')}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}) COMP_CWORD=${words.length - 1}
_walrus; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return execFileSync('bash', ['-c', asked], { encoding: 'utf8' }).trim().split('\n');
}

test('bash completes commands, commands of commands, and flags', () => {
  expect(offered('walrus con')).toEqual(['consume']);
  expect(offered('walrus topic d')).toEqual(['describe', 'delete']);
  expect(offered('walrus node --raft-p')).toEqual(['--raft-port']);
  expect(offered('walrus consume orders --fr')).toEqual(['--from']);
});

for (const shell of ['zsh', 'fish']) {
  const has = spawnSync(shell, ['--version']).status === 0;
  test.runIf(has)(`${shell} reads its script, which names all commands`, () => {
    const text = script(shell);
    const file = join(scratch, shell);
    writeFileSync(file, text);
    execFileSync(shell, ['-n', file]);
    for (const command of ['produce', 'consume', 'status', 'node']) expect(text).toContain(command);
  });
}
