/**
 * Plays a counterexample of TLC against the real nodes: whatever the scenario speaks of is held back until its step
 * comes, and each step must show in the trace. Real code refuses one of them; code with the bug that the model has goes on to
 * the end, where the invariant of the model fails.
 */
import { Violation } from '../properties/violation.ts';
import { LogStage } from './log-stage.ts';
import { RaftStage } from './raft-stage.ts';
import type { Scenario } from './scenario-steps.ts';
import { Refusal, type Stage } from './stage.ts';

export interface Played {
  /** The first step that the code did not take, counted from 1, and what was missing; undefined if it took all. */
  readonly refused: { readonly step: number; readonly why: string } | undefined;
  /** The first property that failed. */
  readonly violated: string | undefined;
  readonly message: string | undefined;
}

/** With `breaks` all other properties are overlooked: code with a bug fails many of them on its way. */
export function playScenario(scenario: Scenario, breaks?: string): Played {
  if (scenario.spec === 'MetadataRaft')
    return play(new RaftStage(scenario, breaks), scenario.steps);
  return play(new LogStage(scenario, breaks), scenario.steps);
}

function play<Step extends { readonly name: string }>(
  stage: Stage<Step>,
  steps: readonly Step[],
): Played {
  let violation: Violation | undefined;
  let refused: Played['refused'];
  try {
    stage.setUp();
    for (const [i, step] of steps.entries()) {
      try {
        stage.play(step);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        refused = { step: i + 1, why: `${step.name}: ${error.message}` };
        break;
      }
    }
    stage.letGo();
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    violation = error;
  }
  return { refused, violated: violation?.property, message: violation?.message };
}
