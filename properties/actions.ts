/** The actions of both specifications, for those who count which are taken. `spec-map.test.ts` reads `Next` itself. */
import type { TraceEvent } from '../impl/core/trace.ts';
import { ACTIONS } from './model/actions.ts';
import { RAFT_ACTIONS } from './model/raft-actions.ts';

const names = (actions: object): TraceEvent['name'][] =>
  Object.keys(actions) as TraceEvent['name'][];

export const ACTIONS_OF: Readonly<Record<'DistributedLog' | 'MetadataRaft', TraceEvent['name'][]>> =
  { DistributedLog: names(ACTIONS), MetadataRaft: names(RAFT_ACTIONS) };
