/** The alert rules and the dashboard are about metrics that a node has, and promtool takes them. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { type Measured, Metrics } from '../metrics.ts';

const scratch = mkdtempSync(join(tmpdir(), 'walrus-observe-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const here = import.meta.dirname;
const read = (name: string): string => readFileSync(join(here, name), 'utf8');

interface Dashboard {
  readonly panels: readonly {
    readonly title: string;
    readonly targets: readonly { readonly expr: string }[];
  }[];
}

async function names(): Promise<Set<string>> {
  const metrics = new Metrics(() => ({ metrics: {} }) as Measured);
  const text = await metrics.scrape();
  return new Set([...text.matchAll(/^# TYPE (\w+)/gm)].map((match) => match[1]!));
}

const used = (text: string): string[] =>
  [...text.matchAll(/\b(?:walrus|nodejs)_\w+/g)].map(([name]) => name.replace(/_bucket$/, ''));

test('all that rules and dashboard ask for is there', async () => {
  const there = await names();
  const rules = [...read('alerts.yml').matchAll(/expr: (.*)/g)]
    .map((match) => match[1]!)
    .join('\n');
  const { panels } = JSON.parse(read('dashboard.json')) as Dashboard;
  const queries = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)).join('\n');
  for (const text of [rules, queries]) {
    expect(used(text).length).toBeGreaterThan(8);
    for (const name of used(text)) expect(there, name).toContain(name);
  }
});

const hasPromtool = spawnSync('promtool', ['--version']).status === 0;
const promtool = (...args: readonly string[]): string =>
  execFileSync('promtool', args, { cwd: here, encoding: 'utf8', stdio: 'pipe' });

test.runIf(hasPromtool)('promtool takes the rules, their tests and the configuration', () => {
  promtool('check', 'rules', 'alerts.yml');
  promtool('test', 'rules', 'alerts.test.yml');
  promtool('check', 'config', 'prometheus.yml');
});

test.runIf(hasPromtool)('promtool takes the queries of the dashboard, as rules', () => {
  const { panels } = JSON.parse(read('dashboard.json')) as Dashboard;
  const queries = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
  const rules = queries.map((expr, i) => ({
    record: `panel:${i}`,
    expr: expr.replaceAll('$__rate_interval', '1m').replaceAll('$job', 'walrus'),
  }));
  const check = (groups: object): string => {
    const file = join(scratch, 'rules.yml');
    writeFileSync(file, JSON.stringify({ groups: [groups] }));
    return promtool('check', 'rules', file);
  };
  expect(check({ name: 'dashboard', rules })).toMatch(`${queries.length} rules found`);
  expect(() => check({ name: 'broken', rules: [{ record: 'x', expr: 'sum by (' }] })).toThrow();
});

test.runIf(hasPromtool)('promtool finds nothing to say about the metrics of a node', async () => {
  const metrics = new Metrics(() => ({ metrics: {} }) as Measured);
  metrics.disk('sync', 0.001);
  metrics.event('OwnerChanged', 'failover');
  const ours = (await metrics.scrape())
    .split('\n\n')
    .filter((block) => block.includes(' walrus_'))
    .join('\n');
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
    input: `${ours}\n`,
    encoding: 'utf8',
  });
  expect(stdout + stderr).toBe('');
  expect(status).toBe(0);
});
