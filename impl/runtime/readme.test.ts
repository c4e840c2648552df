/**
 * The commands that the documents tell people to type, typed. Long work is cut short by the variables that the documents
 * name, and addresses of other machines become addresses of this one.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { freePorts } from './free-ports.test-support.ts';

const root = join(import.meta.dirname, '..', '..');
const documents = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
  (path) => path.endsWith('.md') && !/(^|\/)(node_modules|dist|build|\.[^/]*)\//.test(path),
);
const scratch = mkdtempSync(join(tmpdir(), 'walrus-readme-'));
const children: ChildProcess[] = [];
afterAll(async () => {
  // Asked, not killed: `walrus dev` has processes of its own to end.
  const living = children.filter((child) => child.exitCode === null);
  const ended = living.map((child) => new Promise((resolve) => child.once('close', resolve)));
  for (const child of living) child.kill('SIGTERM');
  await Promise.all(ended);
  rmSync(scratch, { recursive: true, force: true });
});

/** The commands in the fenced shell blocks of a document. */
function commandsIn(path: string): string[] {
  const text = readFileSync(join(root, path), 'utf8');
  const blocks = [...text.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map((match) => match[1]!);
  return blocks.flatMap((block) =>
    block
      .replaceAll('\\\n', ' ')
      .split('\n')
      .map((line) => line.replace(/(^|\s)#.*$/, '').trim())
      .filter((line) => line !== ''),
  );
}

function run(command: string): string {
  return execFileSync('bash', ['-c', command], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Starts a long-running command and waits until it says so. */
async function start(command: string, says: RegExp): Promise<void> {
  const child = spawn('bash', ['-c', `exec ${command}`], { cwd: root });
  children.push(child);
  let output = '';
  await new Promise<void>((resolve, reject) => {
    const hear = (chunk: Buffer): void => {
      output += chunk.toString();
      if (says.test(output)) resolve();
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.once('exit', (code) => reject(new Error(`${command} ended with ${code}:\n${output}`)));
  });
}

const walrus = `node ${join(root, 'dist/impl/runtime/main.js')}`;

test('every make target that a document names exists', () => {
  const targets = new Set<string>();
  for (const path of documents) {
    const text = readFileSync(join(root, path), 'utf8');
    for (const match of text.matchAll(/(?:^|`)make ([a-z][a-z-]*)/gm)) targets.add(match[1]!);
  }
  expect(targets.size).toBeGreaterThan(5);
  for (const target of targets) run(`make --dry-run ${target}`);
});

/** As the pages of repositories make them out of headings. */
function anchors(path: string): Set<string> {
  const headings = readFileSync(path, 'utf8').matchAll(/^#+ (.*)$/gm);
  return new Set(
    [...headings].map(([, text]) =>
      text!
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

test('every link between documents leads somewhere, to a heading that is there', () => {
  for (const path of documents) {
    const text = readFileSync(join(root, path), 'utf8');
    for (const [, file, anchor] of text.matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)) {
      const target = file === '' ? join(root, path) : join(root, path, '..', file!);
      expect(existsSync(target), `${path} links to ${file}`).toBe(true);
      if (anchor !== undefined) expect(anchors(target), `${path}: ${file}`).toContain(anchor);
    }
  }
});

test('every command of walrus that a document names exists, with the flags that it names', () => {
  const help = new Map<string, string>();
  const helpOf = (command: string): string => {
    const known = help.get(command) ?? run(`${walrus} ${command} --help 2>&1 || true`);
    help.set(command, known);
    return known;
  };
  const commands = new Set(
    [...helpOf('').matchAll(/^ {2}([a-z]+)[ |[]/gm)].map((match) => match[1]!),
  );
  expect(commands.size).toBeGreaterThan(15);
  let named = 0;
  for (const path of documents) {
    const text = readFileSync(join(root, path), 'utf8');
    for (const [line, command, sub = ''] of text.matchAll(
      /(?:^\$? ?|`)(?:npx )?walrus ([a-z]+)\b(?: ([a-z][a-z-]*)\b)?[^\n`|&;]*/gm,
    )) {
      expect(commands, `${path}: ${line}`).toContain(command);
      named++;
      for (const [flag] of line.matchAll(/--[a-z-]+/g)) {
        expect(helpOf(`${command} ${sub}`), `${path}: ${line}`).toContain(flag);
      }
    }
  }
  expect(named).toBeGreaterThan(20);
});

test('the first command of the readme simulates, and says how to repeat', () => {
  expect(commandsIn('README.md')[0]).toBe('make sim');
  const output = run('make --no-print-directory sim N=2 DURATION=5');
  expect(output).toMatch(/virtual time/);
});

test('the cluster of the readme talks as the readme says', async () => {
  const commands = commandsIn('README.md').filter((line) => /^npx walrus (?!node|repl)/.test(line));
  expect(commands.length).toBeGreaterThan(4);
  const [client, , , raft] = (await freePorts(6)) as [number, number, number, number];
  const flags = `--client-port ${client} --raft-port ${raft} --http-port 0`;
  await start(`${walrus} dev ${flags}`, /3 nodes are up/);
  const heard = commands.map((line) => {
    const here = line
      .replace('npx walrus', walrus)
      .replace(/909(\d)/, (_, digit) => String(client + Number(digit) - 1));
    return run(here.includes('--addr') ? here : `${here} --addr 127.0.0.1:${client}`).trim();
  });
  expect(heard).toContain('world');
  expect(heard).toContain('hello');
  expect(heard.some((text) => text.startsWith('Everything is all right: 3 nodes'))).toBe(true);

  // What the page of the commands does with lines.
  const typed = commandsIn('impl/cli/README.md').join('\n').replaceAll('npx walrus', walrus);
  const lines = run(`set -e; export WALRUS_ADDR=127.0.0.1:${client}\n${typed}`);
  expect(lines).toMatch(/\nsecond\n{"ok":true,/);
  expect(lines).toMatch(/\nfirst\nsecond\nthird\nfirst\nsecond\nthird\n$/);

  // What the page of the client says to the REPL.
  const piped = commandsIn('impl/client/README.md').filter((line) => line.includes('walrus repl'));
  expect(piped).toHaveLength(1);
  const said = piped[0]!.replace('npx walrus', walrus).replaceAll(' logs', ' piped');
  const answers = run(`export WALRUS_ADDR=127.0.0.1:1,127.0.0.1:${client}; ${said}`).split('\n');
  expect(answers).toEqual([expect.any(String), expect.any(String), 'hello', '']);

  // The page of the client talks to the same cluster, from a project that has the package installed.
  const page = readFileSync(join(root, 'impl/client/README.md'), 'utf8');
  const shown = /^```ts\n([\s\S]*?)^```/m.exec(page)![1]!;
  const sample = shown.replaceAll(/909(\d)/g, (_, digit) => String(client + Number(digit) - 1));
  mkdirSync(join(scratch, 'node_modules'));
  symlinkSync(root, join(scratch, 'node_modules', 'walrus'));
  writeFileSync(join(scratch, 'shown.mjs'), sample.replaceAll("'logs'", "'shown'"));
  const printed = run(`node ${join(scratch, 'shown.mjs')}`);
  expect(printed).toBe('0 hello\n1 these\n2 two\nhello\n');
});

test('the three commands of the readme make a cluster', async () => {
  const commands = commandsIn('README.md').filter((line) => line.startsWith('npx walrus node --'));
  expect(commands).toHaveLength(3);
  const ports = await freePorts(6);
  for (const [i, line] of commands.entries()) {
    const here = line
      .replace('npx walrus', walrus)
      .replace('/var/lib/walrus', join(scratch, 'cluster'))
      .replace(/10\.0\.0\.(\d):6000/g, (_, node) => `127.0.0.1:${ports[Number(node) - 1]}`)
      .replace(/10\.0\.0\.\d/g, '127.0.0.1')
      .replace(
        '0.0.0.0',
        `127.0.0.1 --http-port off --client-port ${ports[3 + i]} --raft-port ${ports[i]}`,
      );
    await start(here, /client/i);
  }
  const address = `127.0.0.1:${ports[5]}`;
  const members = (): number => {
    const metrics = JSON.parse(run(`${walrus} metrics --addr ${address}`));
    return metrics.membership_config.membership.configs[0]?.length ?? 0;
  };
  while (members() < 3) await new Promise((resolve) => setTimeout(resolve, 200));
  run(`${walrus} register logs --addr ${address} && ${walrus} put logs here --addr ${address}`);
  expect(run(`${walrus} get logs --addr ${address}`).trim()).toBe('here');

  const asked = commandsIn('README.md').filter((line) => /^npx walrus node [a-z]/.test(line));
  expect(asked).toHaveLength(3);
  const said = asked.map((line) => run(`${line.replace('npx walrus', walrus)} --addr ${address}`));
  expect(said[0]).toMatch(/1 +active +yes +yes/);
  expect(said[1]).toMatch('node 3 may stop');
  expect(said[2]).toMatch('node 3 can be drained');
});
