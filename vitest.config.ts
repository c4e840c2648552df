import { defineConfig } from 'vitest/config';
import type { Reporter, TestModule } from 'vitest/node';

/** Ends a run with one plain line that counts, for people and for machines. */
const plainCount: Reporter = {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]) {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const count = (state: string) => tests.filter((test) => test.result().state === state).length;
    // A file that does not load, and an error outside of any test, fail the run as a test does.
    const broken = modules.filter((module) => module.errors().length > 0).length + errors.length;
    const skipped = count('skipped');
    const line = `${count('passed')} passed, ${count('failed') + broken} failed`;
    process.on('exit', () => console.log(skipped > 0 ? `${line}, ${skipped} skipped` : line));
  },
};

const patience = { testTimeout: 120_000, hookTimeout: 60_000, pool: 'forks' } as const;
const disks = 'properties/conformance/**/*.test.ts';
const pure = ['{properties,sim,spec,impl/core,impl/node,impl/ports}/**/*.test.ts'];
const live = [
  disks,
  '{native,impl/{bench,cli,client,deploy,embedded,package,runtime}}/**/*.test.ts',
];

export default defineConfig({
  test: {
    reporters: ['default', plainCount],
    projects: [
      // What computes only has every core; what starts processes and waits for disks comes after it, one file at a time.
      {
        test: {
          ...patience,
          name: 'pure',
          include: pure,
          exclude: [disks],
          maxWorkers: '100%',
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...patience,
          name: 'live',
          include: live,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
