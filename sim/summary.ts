/** What many runs come to, in words: tables that fit a terminal, and a sentence. */
import { ACTIONS_OF } from '../properties/actions.ts';
import type { Played } from './seed.ts';
import { WIDTH, wrapped } from './wrapped.ts';

export class Summary {
  seeds = 0;
  private virtualMs = 0;
  private events = 0;
  private readonly calls = new Map<string, number>();
  private readonly faults = new Map<string, number>();
  private readonly actions = new Map<string, number>();
  private readonly evaluations = new Map<string, number>();
  private readonly probes = new Map<string, number>();

  add({ outcome }: Played): void {
    this.seeds++;
    if (outcome === undefined) return;
    this.virtualMs += outcome.virtualMs;
    this.events += outcome.events;
    addAll(this.calls, outcome.calls);
    addAll(this.faults, outcome.faults);
    addAll(this.actions, outcome.actions);
    addAll(this.evaluations, outcome.evaluations);
    addAll(this.probes, outcome.probes);
  }

  /** Virtual milliseconds for each that a core worked. */
  ratio(coreMs: number): number {
    return this.virtualMs / coreMs;
  }

  /** `coreMs` is the time that all cores together worked, `wallMs` what passed meanwhile. */
  lines(wallMs: number, coreMs: number): string[] {
    const { seeds, virtualMs, events } = this;
    return [
      `seeds         ${count(seeds)}, ${(seeds / (wallMs / 1000)).toFixed(2)} a second`,
      `virtual time  ${span(virtualMs)} in ${span(coreMs)} of CPU: ${count(this.ratio(coreMs))} to 1 on each core, ${count(virtualMs / wallMs)} to 1 by the wall`,
      `events        ${count(events)}, ${count(events / (coreMs / 1000))} a second and core`,
      ...section('calls, and what was answered', this.calls),
      ...section('faults', this.faults),
      ...section('checks', this.evaluations),
      ...section('rare states that were reached', this.probes),
      '',
      ...this.coverage(),
      '',
    ];
  }

  /** To be read aloud. For runs without a failure. */
  sentence(): string {
    const { seeds, virtualMs } = this;
    const worlds = seeds === 1 ? '1 world' : `${count(seeds)} worlds`;
    return `${worlds}, ${span(virtualMs)}, ${count(total(this.faults))} faults: every promise held`;
  }

  /** Which actions of the specifications the runs took. */
  private coverage(): string[] {
    return Object.entries(ACTIONS_OF).flatMap(([spec, names]) => {
      const missing = names.filter((name) => !this.actions.has(name));
      const head = `actions of ${spec}: ${names.length - missing.length} of ${names.length} taken`;
      return missing.length === 0 ? [head] : wrapped(`${head}; not ${missing.join(', ')}`, '  ');
    });
  }
}

function addAll(to: Map<string, number>, counts: Readonly<Record<string, number>>): void {
  for (const [key, value] of Object.entries(counts)) to.set(key, (to.get(key) ?? 0) + value);
}

function total(counts: Map<string, number>): number {
  return [...counts.values()].reduce((sum, value) => sum + value, 0);
}

/** Most frequent first, down and then across, in as many columns as there is place for. */
function section(title: string, counts: Map<string, number>): string[] {
  const rows = [...counts]
    .filter(([, value]) => value > 0)
    .sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  if (rows.length === 0) return [];
  const nameWidth = Math.max(...rows.map(([name]) => name.length));
  const countWidth = Math.max(...rows.map(([, value]) => count(value).length));
  const gap = 4;
  const columns = Math.max(1, Math.floor((WIDTH - 2 + gap) / (nameWidth + 1 + countWidth + gap)));
  const height = Math.ceil(rows.length / columns);
  const cells = rows.map(
    ([name, value]) => name.padEnd(nameWidth + 1) + count(value).padStart(countWidth),
  );
  const lines = Array.from({ length: height }, (_, row) => {
    const across = cells.filter((_, at) => at % height === row);
    return `  ${across.join(' '.repeat(gap))}`;
  });
  return ['', `${title}: ${count(total(counts))}`, ...lines];
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** In the unit that gives a number one can say. */
function span(ms: number): string {
  if (ms >= 2 * 3_600_000) return `${(ms / 3_600_000).toFixed(1)} hours`;
  if (ms >= 2 * 60_000) return `${(ms / 60_000).toFixed(1)} minutes`;
  return `${(ms / 1000).toFixed(0)} seconds`;
}
