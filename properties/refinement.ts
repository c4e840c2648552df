/**
 * Every step of a run is an action of the model: gives each event to the action of its name, in the order in which
 * things happened, and throws a `Violation` of `RefinementProp`, with the action's name, if the model does not allow
 * it. What TLC does with the trace of a run (`make trace-check`), at the speed of the simulator; TLC keeps this honest.
 *
 *     const refinement = new Refinement();
 *     refinement.event(event);   // for each event of all nodes
 *
 * Raft's events are let through: `raft-invariants.ts` looks at Raft itself, and TLC at its traces.
 */
import type { DataEvent, TraceEvent } from '../impl/core/trace.ts';
import { ACTIONS } from './model/actions.ts';
import { LogModel } from './model/state.ts';
import { Violation } from './violation.ts';

export class Refinement {
  /** How often each action was taken. */
  readonly taken: Map<DataEvent['name'], number> = new Map();
  steps = 0;
  private readonly model = new LogModel();

  /** Any event of a trace. */
  event(event: TraceEvent): void {
    if (!('state' in event)) this.step(event);
  }

  step(event: DataEvent): void {
    const { name } = event;
    this.steps++;
    this.taken.set(name, (this.taken.get(name) ?? 0) + 1);
    const action = ACTIONS[name] as (model: LogModel, event: DataEvent) => string | undefined;
    const refusal = action(this.model, event);
    if (refusal === undefined) return;
    throw new Violation(
      `RefinementProp.${name}`,
      `event ${this.steps} is no step of the model: ${refusal}: ${JSON.stringify(event)}`,
    );
  }
}
