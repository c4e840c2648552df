/**
 * What TLC finds where the specification leaves a guard out, played against the nodes: real code refuses the step that the
 * guard is there for and goes on unharmed; code with the museum's bug of that kind takes every step, to the same end.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { type Played, playScenario } from './scenario.ts';
import type { Scenario } from './scenario-steps.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const FILES = join(ROOT, 'traces/counterexamples');
const MUSEUM = join(ROOT, 'sim/museum');

/** What the nodes and their play are made of. */
const PARTS = ['impl/ports', 'impl/core', 'impl/node', 'properties', 'sim', 'package.json'];

/** The step that real code refuses, counted from 1, and the patch of `sim/museum` without which it would not. */
const EXPECTED: Readonly<Record<string, { readonly refused: number; readonly bug?: string }>> = {
  MCAckBeforePersist: { refused: 5, bug: 'raft-speaks-before-persisting' },
  MCAckBeforeQuorum: { refused: 3, bug: 'ack-before-quorum' },
  MCAckBeforeSync: { refused: 8, bug: 'ack-before-sync' },
  MCDeliverTwice: { refused: 10 },
  MCEmptyDiskVotes: { refused: 21, bug: 'by-scenario/empty-disk-votes' },
  MCFirstPromise: { refused: 16, bug: 'first-promise-wins' },
  MCForgetPromise: { refused: 9, bug: 'promise-before-durable' },
  MCNoFencing: { refused: 8, bug: 'no-epoch-check' },
  MCNoLogCheck: { refused: 17, bug: 'vote-for-any-log' },
  MCOnePromise: { refused: 16, bug: 'one-promise-is-enough' },
  MCOverlappingChange: { refused: 22, bug: 'change-while-pending' },
  MCOwnerBreaksPromise: { refused: 6, bug: 'by-scenario/owner-breaks-promise' },
  MCReadUnsafe: { refused: 3, bug: 'read-above-high-watermark' },
  MCRecovererAdvances: { refused: 17 },
  MCRecovererUnsynced: { refused: 14, bug: 'by-scenario/recoverer-counts-unsynced' },
  MCRepeatedRequest: { refused: 3, bug: 'forward-taken-twice' },
  MCRestartForgetsPromise: { refused: 14, bug: 'promise-forgotten-at-restart' },
  MCResumeEpoch: { refused: 4, bug: 'epoch-survives-restart' },
  MCSealUncopied: { refused: 13, bug: 'by-scenario/seal-before-copies' },
  MCSealUnsafe: { refused: 4, bug: 'by-scenario/seal-of-unsafe-records' },
  MCStaleAck: { refused: 17 },
  MCStaleRead: { refused: 27, bug: 'read-without-proof' },
  MCStaleTruncate: { refused: 15, bug: 'by-scenario/stale-request-truncates' },
  MCTwoChanges: { refused: 21, bug: 'removal-takes-others' },
  MCUpstreamRollover: { refused: 8, bug: 'seal-count-read-early' },
  MCVoteTwice: { refused: 12, bug: 'vote-forgotten-at-restart' },
};

const read = (model: string): Scenario =>
  JSON.parse(readFileSync(join(FILES, `${model}.json`), 'utf8')) as Scenario;

test('every counterexample is expected', () => {
  const kept = readdirSync(FILES).filter((file) => file.endsWith('.json'));
  expect(kept.sort()).toEqual(Object.keys(EXPECTED).map((model) => `${model}.json`));
});

test.each(Object.entries(EXPECTED))('%s: real code survives it', (model, { refused }) => {
  const played = playScenario(read(model));
  expect(played.violated, played.message).toBeUndefined();
  expect(played.refused?.step, played.refused?.why).toBe(refused);
});

const withBug = Object.entries(EXPECTED).flatMap(([model, { bug }]) =>
  bug === undefined ? [] : [{ model, bug }],
);
test.each(withBug)('$model: $bug fails in the same way', async ({ model, bug }) => {
  const played = await playWithBug(bug, join(FILES, `${model}.json`));
  expect(played.refused).toBeUndefined();
  expect(played.violated, played.message).toBe(read(model).breaks);
});

test('every bug of the museum can be put into the code', () => {
  const bugs = ['', 'by-scenario/'].flatMap((folder) =>
    readdirSync(join(MUSEUM, folder)).flatMap((file) =>
      file.endsWith('.patch') ? [join(MUSEUM, folder, file)] : [],
    ),
  );
  expect(bugs.length).toBeGreaterThan(20);
  const applies = (patch: string): boolean =>
    spawnSync('git', ['apply', '--check', patch], { cwd: ROOT }).status === 0;
  expect(bugs.filter((patch) => !applies(patch))).toEqual([]);
});

/** Plays the scenario in a copy of the tree that has the bug. */
async function playWithBug(bug: string, file: string): Promise<Played> {
  const tree = mkdtempSync(join(tmpdir(), 'walrus-scenario-'));
  try {
    for (const part of PARTS) cpSync(join(ROOT, part), join(tree, part), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(tree, 'node_modules'));
    execFileSync('git', ['apply', join(MUSEUM, `${bug}.patch`)], { cwd: tree });
    const flags = ['--import', 'tsx', 'sim/scenario-main.ts', '--as-bug', file];
    const child = spawn(process.execPath, flags, { cwd: tree });
    let [said, complained] = ['', ''];
    child.stdout.on('data', (text) => (said += text));
    child.stderr.on('data', (text) => (complained += text));
    await once(child, 'close');
    if (said === '') throw new Error(complained);
    return JSON.parse(said) as Played;
  } finally {
    rmSync(tree, { recursive: true });
  }
}
