/** The actions of both specifications, for those who count which are taken. `spec-map.test.ts` reads `Next` itself. */
import type { RaftEvent } from '../impl/core/raft/trace.ts';
import type { TraceEvent } from '../impl/core/trace.ts';
import { ACTIONS } from './model/actions.ts';

/** The compiler sees to it that these are the names of Raft's events, all of them. */
const RAFT_ACTIONS: Readonly<Record<RaftEvent['name'], true>> = {
  StartPreVote: true,
  RequestPreVote: true,
  HandlePreVoteRequest: true,
  HandlePreVoteResponse: true,
  Timeout: true,
  RequestVote: true,
  HandleRequestVoteRequest: true,
  HandleRequestVoteResponse: true,
  BecomeLeader: true,
  UpdateTerm: true,
  CheckQuorum: true,
  LeaveLeadership: true,
  TransferLeadership: true,
  AbortTransfer: true,
  TimeoutNow: true,
  HandleTimeoutNow: true,
  ClientRequest: true,
  ProposeMembership: true,
  AppendEntries: true,
  HandleAppendEntriesRequest: true,
  HandleAppendEntriesResponse: true,
  AdvanceCommitIndex: true,
  Compact: true,
  InstallSnapshot: true,
  HandleInstallSnapshotRequest: true,
  HandleInstallSnapshotResponse: true,
  RequestReadIndex: true,
  ConfirmReadIndex: true,
  Persist: true,
  PersistCompleted: true,
  Recover: true,
  IgnoreMessage: true,
};

const names = (actions: object): TraceEvent['name'][] =>
  Object.keys(actions) as TraceEvent['name'][];

export const ACTIONS_OF: Readonly<Record<'DistributedLog' | 'MetadataRaft', TraceEvent['name'][]>> =
  { DistributedLog: names(ACTIONS), MetadataRaft: names(RAFT_ACTIONS) };
