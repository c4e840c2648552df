/**
 * Every step of a run is an action of the model: gives each event to the action of its name, in the order in which
 * things happened, and throws a `Violation` of `RefinementProp`, with the action's name, if the model does not allow
 * it. What TLC does with the trace of a run (`make trace-check`), at the speed of the simulator; TLC keeps this honest.
 *
 *     const refinement = new Refinement();
 *     refinement.event(event);   // for each event of all nodes
 *
 * Two models, as there are two specifications: of the data plane, and of Raft.
 */
import type { NodeId } from '../impl/core/ids.ts';
import type { HostedRaftEvent } from '../impl/core/raft/trace.ts';
import type { DataEvent, TraceEvent } from '../impl/core/trace.ts';
import { ACTIONS } from './model/actions.ts';
import { raftStep } from './model/raft-actions.ts';
import { RaftModel } from './model/raft-state.ts';
import { LogModel } from './model/state.ts';
import { Violation } from './violation.ts';

export class Refinement {
  /** How often each action was taken. */
  readonly taken: Map<TraceEvent['name'], number> = new Map();
  /** Of both models together. */
  steps = 0;
  private readonly model = new LogModel();
  private readonly raft = new RaftModel();
  /** Nodes that lost a part of what their disks had said. To Raft they are silent, until their disks are replaced. */
  private readonly lapsed = new Set<NodeId>();

  /** Any event of a trace. */
  event(event: TraceEvent): void {
    if ('state' in event) this.raftStep(event);
    else this.step(event);
  }

  step(event: DataEvent): void {
    if (event.name === 'LoseTail') this.lapsed.add(event.node);
    else if (event.name === 'ReplaceDisk') this.lapsed.delete(event.node);
    const action = ACTIONS[event.name] as (model: LogModel, event: DataEvent) => string | undefined;
    this.took(event, action(this.model, event));
  }

  raftStep(event: HostedRaftEvent): void {
    if (!this.lapsed.has(event.node)) this.took(event, raftStep(this.raft, event));
  }

  private took(event: TraceEvent, refusal: string | undefined): void {
    const { name } = event;
    this.steps++;
    this.taken.set(name, (this.taken.get(name) ?? 0) + 1);
    if (refusal === undefined) return;
    throw new Violation(
      `RefinementProp.${name}`,
      `event ${this.steps} is no step of the model: ${refusal}: ${JSON.stringify(event)}`,
    );
  }
}
