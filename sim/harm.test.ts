import { expect, test } from 'vitest';
import { HARM_KINDS } from './faults.ts';
import { runOfSeed } from './seed.ts';
import { Simulation } from './simulator.ts';

const DURATION_MS = 25_000;

test('whatever no cluster survives is told: nobody is given anything but the truth', () => {
  const done = new Set<string>();
  for (let seed = 1; done.size < HARM_KINDS.length; seed++) {
    const run = runOfSeed(`harm-${seed}`, DURATION_MS, { harm: true });
    const { kind } = run.options.harm!;
    if (done.has(kind)) continue;
    const { failure, faults, probes } = new Simulation(run).play();
    expect(failure, `seed harm-${seed}`).toBeUndefined();
    // It may have been left out, where nobody would remember.
    const isTold = Object.keys(probes).some((name) => name.startsWith('harm: '));
    if (faults[kind] !== undefined && isTold) done.add(kind);
  }
});

test('a seed draws harm only if it is asked for', () => {
  for (let seed = 1; seed <= 50; seed++) {
    const { options, plan } = runOfSeed(`harm-${seed}`, DURATION_MS);
    expect(options.harm).toBeUndefined();
    expect(plan.faults.filter(({ kind }) => HARM_KINDS.includes(kind))).toEqual([]);
  }
});
