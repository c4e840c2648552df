/**
 * Turns a counterexample of TLC into a scenario: its steps as events of `impl/core/trace.ts`, with what the next state says
 * of them. The simulator plays it against the code (`sim/scenario.ts`).
 */
import type { LogScenario, RaftScenario, Scenario, Step } from '../sim/scenario-steps.ts';
import type { Model } from './model.ts';
import { raftPrologue, raftStepOf } from './raft-scenario.ts';
import { plain, type State, same, stateOf } from './scenario-state.ts';
import { parseTla } from './tla-value.ts';
import type { TlcState } from './tlc-output.ts';

export function scenarioOf(model: Model, trace: readonly TlcState[]): Scenario {
  const states = trace.map(stateOf);
  const told = <Told>(tell: (action: string, i: number) => Told | undefined): Told[] =>
    trace.flatMap(({ action }, i) => (i === 0 ? [] : (tell(action, i) ?? [])));
  const found = foundIn(model);
  if (found.spec === 'MetadataRaft') {
    const steps = told((action, i) => raftStepOf(action, states[i - 1]!, states[i]!));
    return { ...found, steps: [...raftPrologue(model.constants.Init), ...steps] };
  }
  const steps = told((action, i) =>
    stepOf(action, states[i - 1]!, states[i]!, states.slice(i + 1)),
  );
  return { ...found, epoch: states[0]!.log.length, steps };
}

/** What a scenario says of its model, whatever TLC finds in it. */
export function foundIn(
  model: Model,
): Omit<LogScenario, 'epoch' | 'steps'> | Omit<RaftScenario, 'steps'> {
  const { name, about, constants, expect } = model;
  const breaks = 'fails' in expect ? expect.fails : '';
  if (model.module === 'MCMetadataRaft') {
    return { spec: 'MetadataRaft', model: name, about, breaks, constants };
  }
  return {
    spec: 'DistributedLog',
    model: name,
    about,
    breaks,
    constants,
    laggards: nodesOf(constants.Laggards),
    crashers: nodesOf(constants.Crashers),
  };
}

function nodesOf(set = '{}'): number[] {
  return [...set.matchAll(/n(\d+)/g)].map((match) => Number(match[1]));
}

/** The event of one step; undefined of those that the code need not be brought to: leases it has. */
function stepOf(
  action: string,
  before: State,
  after: State,
  later: readonly State[],
): Step | undefined {
  const nodes = Object.keys(after.up).map(Number);
  const changed = (variable: string): boolean[] =>
    nodes.map((n) => !same(before[variable][n], after[variable][n]));
  const actor = (...variables: string[]): number =>
    nodes.find((_, i) => variables.some((variable) => changed(variable)[i]))!;
  /** The segment of which the node's variables changed. */
  const segmentOf = (node: number, ...variables: string[]): string =>
    Object.keys(after.records[node]).find((s) =>
      variables.some((variable) => !same(before[variable][node][s], after[variable][node][s])),
    )!;
  const grant = (node: number, s: string): State => before.view[node].segments[s];
  const name = action as Step['name'];
  switch (name) {
    case 'CommitCommand': {
      const { command } = after.log.at(-1);
      return { name, index: after.log.length, command };
    }
    case 'ApplyCommand': {
      const node = actor('applied');
      return { name, node, index: after.applied[node] };
    }
    case 'AppendRecord': {
      const node = actor('records');
      const s = segmentOf(node, 'records');
      const index = before.records[node][s].length;
      const record = after.records[node][s].at(-1);
      return { name, node, segment: id(s), epoch: grant(node, s).epoch, index, record };
    }
    case 'SyncCompleted': {
      const node = actor('durable', 'durablePromise');
      const s = segmentOf(node, 'durable', 'durablePromise');
      const end = after.durable[node][s];
      return { name, node, segment: id(s), end, promised: after.durablePromise[node][s] };
    }
    case 'HandleReplicate': {
      const node = actor('records', 'promised', 'watermark');
      const s = segmentOf(node, 'records', 'promised', 'watermark');
      const end = after.records[node][s].length;
      const { sender, epoch } = before.messages.findLast(
        (x: State) =>
          x.type === 'Replicate' &&
          x.to === node &&
          same(x.segment, parsed(s)) &&
          Math.max(before.records[node][s].length, x.records.length) === end &&
          [x.epoch, before.promised[node][s]].includes(after.promised[node][s]),
      );
      return { name, node, sender, segment: id(s), epoch, end };
    }
    case 'HandleCopy': {
      const node = actor('records');
      const s = segmentOf(node, 'records');
      const end = after.records[node][s].length;
      const { sender, epoch } = before.messages.find(
        (x: State) => x.type === 'Copy' && x.to === node && x.from + x.records.length === end,
      );
      return { name, node, sender, segment: id(s), epoch, end };
    }
    case 'HandleReplicateAck':
    case 'HandlePromise': {
      const variable = name === 'HandlePromise' ? 'promises' : 'reported';
      const node = actor(variable);
      const s = segmentOf(node, variable);
      const [sender, durableEnd] = Object.entries(after[variable][node][s]).find(
        ([m, end]) => before[variable][node][s][m] !== end,
      ) as [string, number];
      const { epoch } = grant(node, s);
      return { name, node, sender: Number(sender), segment: id(s), epoch, durableEnd };
    }
    case 'HandlePromiseRequest': {
      const node = actor('promised');
      const s = segmentOf(node, 'promised');
      const epoch = after.promised[node][s];
      const { sender } = before.messages.find(
        (x: State) => x.type === 'PromiseRequest' && x.to === node && x.epoch === epoch,
      ) ?? { sender: node };
      return { name, node, sender, segment: id(s), epoch };
    }
    case 'AdvanceHighWatermark': {
      const node = actor('watermark');
      const s = segmentOf(node, 'watermark');
      const highWatermark = after.watermark[node][s];
      return { name, node, segment: id(s), epoch: grant(node, s).epoch, highWatermark };
    }
    case 'StopAppending': {
      const node = actor('stopped');
      const s = segmentOf(node, 'stopped');
      return { name, node, segment: id(s), epoch: grant(node, s).epoch };
    }
    case 'DeliverRecord': {
      const node = actor('pending');
      const [{ offset }] = before.pending[node].filter(
        (answer: State) => !after.pending[node].some((each: State) => same(each, answer)),
      );
      return { name, node, offset };
    }
    case 'Crash': {
      const node = actor('up');
      const restarted = later.find(({ up }) => up[node]) ?? after;
      // In the models a crash spares all of what was not synced, or nothing.
      const spared = ['records', 'promised'].every((variable) =>
        same(restarted[variable][node], before[variable][node]),
      );
      return { name, node, spared };
    }
    case 'Restart':
      return { name, node: actor('up') };
    case 'ReplaceDisk':
      return { name, node: actor('incarnation') };
    case 'RenewLease':
      return undefined;
    default:
      throw new Error(`no step of a scenario for ${action}`);
  }
}

function parsed(segment: string): unknown {
  return plain(parseTla(segment));
}

function id(segment: string): number {
  return (parsed(segment) as [number, number])[1];
}
