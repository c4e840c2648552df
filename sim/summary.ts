/** What many runs come to, in words. */
import { ACTIONS_OF } from '../properties/actions.ts';
import type { Played } from './seed.ts';

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
    const count = (value: number): string => Math.round(value).toLocaleString('en-US');
    return [
      `seeds        ${count(seeds)}, ${(seeds / (wallMs / 1000)).toFixed(2)} a second`,
      `virtual time ${count(virtualMs / 1000)} s in ${count(coreMs / 1000)} s of CPU: ${count(this.ratio(coreMs))} to 1 on each core; ${count(virtualMs / wallMs)} to 1 by the wall`,
      `events       ${count(events)}, ${count(events / (coreMs / 1000))} a second and core`,
      `calls        ${count(total(this.calls))}: ${listed(this.calls)}`,
      `faults       ${count(total(this.faults))}: ${listed(this.faults)}`,
      `checks       ${count(total(this.evaluations))}: ${listed(this.evaluations)}`,
      `actions      ${this.coverage()}`,
      `probes       ${listed(this.probes)}`,
    ];
  }

  /** Which actions of the specifications the runs took. */
  private coverage(): string {
    const parts: string[] = [];
    const untaken: string[] = [];
    for (const [spec, names] of Object.entries(ACTIONS_OF)) {
      const missing = names.filter((name) => !this.actions.has(name));
      parts.push(`${names.length - missing.length} of ${names.length} of ${spec}`);
      untaken.push(...missing);
    }
    if (untaken.length === 0) return parts.join(', ');
    return `${parts.join(', ')}; not taken: ${untaken.join(', ')}`;
  }
}

function addAll(to: Map<string, number>, counts: Readonly<Record<string, number>>): void {
  for (const [key, count] of Object.entries(counts)) to.set(key, (to.get(key) ?? 0) + count);
}

function total(counts: Map<string, number>): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}

/** Most frequent first. */
function listed(counts: Map<string, number>): string {
  return [...counts]
    .filter(([, count]) => count > 0)
    .sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
    .map(([key, count]) => `${key} ${count}`)
    .join(', ');
}
