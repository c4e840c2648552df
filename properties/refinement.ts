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
  private readonly model = new LogModel();
  private count = 0;

  event(event: TraceEvent): void {
    if ('state' in event) return;
    this.count++;
    const action = ACTIONS[event.name] as (model: LogModel, event: DataEvent) => string | undefined;
    const refusal = action(this.model, event);
    if (refusal === undefined) return;
    throw new Violation(
      `RefinementProp.${event.name}`,
      `event ${this.count} is no step of the model: ${refusal}: ${JSON.stringify(event)}`,
    );
  }
}
