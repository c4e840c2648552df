/** What all runs of TLC on traces come to, for each specification, as a table. */
import { ACTIONS_OF } from '../properties/actions.ts';
import type { Case, SpecName } from './trace-case.ts';
import type { Portion } from './trace-portions.ts';
import type { Verdict } from './trace-tlc.ts';

/** A trace that was refused, or a tampered copy that was not. */
export interface Wrong {
  readonly of: Case;
  readonly verdict: Verdict;
}

export class Tally {
  readonly wrong: Wrong[] = [];
  private readonly spec: SpecName;
  private readonly actions: readonly string[];
  private traces = 0;
  private events = 0;
  private accepted = 0;
  private copies = 0;
  private copiesRefused = 0;
  /** Events that TLC has followed, and what that took of the processors, its starts with it. */
  private followed = 0;
  private cpuSeconds = 0;
  private readonly taken = new Set<string>();

  constructor(spec: SpecName) {
    this.spec = spec;
    this.actions = ACTIONS_OF[spec];
  }

  add({ cases }: Portion, verdicts: readonly Verdict[], cpuSeconds: number): void {
    this.cpuSeconds += cpuSeconds;
    for (const [i, { of, events, actions }] of cases.entries()) {
      const verdict = verdicts[i]!;
      const { accepted } = verdict;
      if (accepted) this.followed += events;
      if (of.control === undefined) {
        this.traces++;
        this.events += events;
        if (accepted) this.accepted++;
        if (accepted) for (const action of actions) this.taken.add(action);
      } else {
        this.copies++;
        if (!accepted) this.copiesRefused++;
      }
      if (accepted === (of.control !== undefined)) this.wrong.push({ of, verdict });
    }
  }

  static readonly HEADS: readonly string[] = [
    '',
    'traces',
    'events',
    'accepted',
    'refused',
    'tampered copies refused',
    'events/s of cpu',
    'actions taken',
  ];

  row(): string[] {
    const { spec, traces, accepted, copies, copiesRefused } = this;
    const rate = this.followed / Math.max(this.cpuSeconds, 0.001);
    return [
      spec,
      `${traces}`,
      whole(this.events),
      `${accepted}`,
      `${traces - accepted}`,
      `${copiesRefused} of ${copies}`,
      whole(rate),
      `${this.actions.length - this.untaken().length} of ${this.actions.length}`,
    ];
  }

  /** Actions that are in no trace that was accepted. */
  untaken(): string[] {
    return this.actions.filter((name) => !this.taken.has(name));
  }
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}
