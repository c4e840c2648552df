import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Regression } from './regression.ts';
import { Simulation } from './simulator.ts';

const folder = new URL('../traces/regressions/', import.meta.url);
const files = existsSync(folder)
  ? readdirSync(folder).filter((name) => name.endsWith('.json'))
  : [];

test.each(files)('%s stays fixed', (file) => {
  const run = JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Regression;
  expect(new Simulation(run).play().failure).toBeUndefined();
});

test('there is something to replay', () => {
  expect(files.length).toBeGreaterThan(0);
});
