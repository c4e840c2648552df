------------------------- MODULE TraceMetadataRaft -------------------------
(* Is a trace of impl/core/raft a behaviour of MetadataRaft? Each event names an action, holds its arguments,   *)
(* and what the acting node's state was after it; here the action is taken and the state compared.              *)
(*                                                                                                              *)
(* A trace is accepted if it can be followed to its end: there this module goes on for ever, anywhere else a    *)
(* step that is missing is a deadlock, whose last state is the one before the event that no action explains.    *)
(*                                                                                                              *)
(* All that happens is in the trace, so there is never more than one next state, and two numbers identify a     *)
(* state (TraceView). Sets that only grow, of all messages ever sent, would cost more than all the rest; so     *)
(* they are sequences here, and the event of a receiver names the place of its message (line.m). Only messages  *)
(* that left are in the sequence, so nothing is received before it was sent, or was durable.                    *)
(*                                                                                                              *)
(*   here        event of impl/core/raft/trace.ts                                                               *)
(*   line.e      name                                                                                           *)
(*   line.n      node, numbered from 1                                                                          *)
(*   line.s      state: term, vote, role, snapshot, last, lastTerm, commit, durable                             *)
(*   line.m      place of the message among all that left their sender; 0 if it never did                       *)
(*   line.x      message, line.y the reply                                                                      *)
EXTENDS MetadataRaft, TraceReader

TraceNodes == 1..Header.nodes
TraceFounders == 1..Header.founders

VARIABLES
  trace,   \* which one
  next     \* the number of its next event

Line == Traces[trace][next]
TraceView == <<trace, next, Evaluated(<<memory, ghosts, disk>>)>>

\* In the place of the sets of MetadataRaft.
NoSequence == <<>>
TraceWith(sequence, m) == Append(sequence, Keep(m))
TraceTogether(sequence, more) == sequence \o more

-----------------------------------------------------------------------------
\* A message as it is in the spec, and as it was logged: entries and snapshots by their terms.
Same(m, x) ==
  /\ m.type = x.type
  /\ m.from = x.from
  /\ m.term = x.term
  /\ CASE x.type \in {"PreVoteRequest", "VoteRequest"} -> m.lastIndex = x.lastIndex /\ m.lastTerm = x.lastTerm
       [] x.type \in {"PreVoteResponse", "VoteResponse"} -> m.to = x.to /\ m.granted = x.granted
       [] x.type = "AppendRequest" ->
            /\ m.prevIndex = x.prevIndex
            /\ m.prevTerm = x.prevTerm
            /\ m.commit = x.commit
            /\ m.round = x.round
            /\ Len(m.entries) = Len(x.terms)
            /\ \A i \in DOMAIN x.terms : m.entries[i].term = x.terms[i]
       [] x.type = "AppendResponse" -> m.to = x.to /\ m.success = x.success /\ m.match = x.match /\ m.round = x.round
       [] x.type = "SnapshotRequest" ->
            Len(m.log) = x.index /\ LastTerm(m.log) = x.lastTerm /\ m.last = x.last /\ m.round = x.round
       [] x.type = "SnapshotResponse" -> m.to = x.to /\ m.match = x.match /\ m.round = x.round
       [] x.type = "TimeoutNow" -> m.to = x.to

LastOf(sequence) == Kept(sequence[Len(sequence)])
Sends == Same(LastOf(messages'), Line.x)
SendsAfterPersist(n) == Same(LastOf(outbox'[n]), Line.x)
Answers(n) == Same(LastOf(outbox'[n]), Line.y)

Received == Kept(messages[Line.m])
Receives ==
  /\ Line.m \in DOMAIN messages
  /\ Same(Received, Line.x)
UpdatesTerm == Line.m \in DOMAIN messages

\* The acting node's state after the event. A node may believe less to be durable than is.
StateIs(n, s) ==
  /\ term'[n] = s[1]
  /\ vote'[n] = s[2]
  /\ role'[n] = s[3]
  /\ snapshot'[n] = s[4]
  /\ Len(log'[n]) = s[5]
  /\ LastTerm(log'[n]) = s[6]
  /\ commit'[n] = s[7]
DurableIs(n, index) == index <= DurableIndex(n)'
MatchIs(n, m, index) == match'[n][m] = index
MembersAre(n, voters, learners) == MembersOf(log'[n]) = Members(voters, learners)

-----------------------------------------------------------------------------
Act(n, e, durable) ==
  \/ e = "StartPreVote" /\ StartPreVote(n)
  \/ e = "RequestPreVote" /\ RequestPreVote(n) /\ Sends
  \/ e = "HandlePreVoteRequest" /\ Receives /\ HandlePreVoteRequest(n, Received, Line.y.granted) /\ Answers(n)
  \/ e = "HandlePreVoteResponse" /\ Receives /\ HandlePreVoteResponse(n, Received)
  \/ e = "Timeout" /\ Timeout(n)
  \/ e = "RequestVote" /\ RequestVote(n) /\ SendsAfterPersist(n)
  \/ e = "HandleRequestVoteRequest" /\ Receives /\ HandleRequestVoteRequest(n, Received, Line.y.granted) /\ Answers(n)
  \/ e = "HandleRequestVoteResponse" /\ Receives /\ HandleRequestVoteResponse(n, Received)
  \/ e = "BecomeLeader" /\ BecomeLeader(n)
  \/ e = "UpdateTerm" /\ UpdatesTerm /\ UpdateTerm(n, Received)
  \/ e = "IgnoreMessage" /\ Receives /\ IgnoreMessage(n, Received)
  \/ e = "CheckQuorum" /\ CheckQuorum(n)
  \/ e = "LeaveLeadership" /\ LeaveLeadership(n)
  \/ e = "TransferLeadership" /\ TransferLeadership(n, Line.to)
  \/ e = "AbortTransfer" /\ AbortTransfer(n)
  \/ e = "TimeoutNow" /\ TimeoutNow(n) /\ Sends
  \/ e = "HandleTimeoutNow" /\ Receives /\ HandleTimeoutNow(n, Received)
  \/ e = "ClientRequest" /\ ClientRequest(n)
  \/ e = "ProposeMembership" /\ ProposeMembership(n, Members(Line.voters, Line.learners))
  \/ e = "AppendEntries"
       /\ AppendEntries(n, Line.x.prevIndex, Line.x.prevIndex + Len(Line.x.terms), Line.x.commit, Line.x.round)
       /\ Sends
  \/ e = "HandleAppendEntriesRequest" /\ Receives /\ HandleAppendEntriesRequest(n, Received) /\ Answers(n)
  \/ e = "HandleAppendEntriesResponse" /\ Receives /\ HandleAppendEntriesResponse(n, Received)
       /\ MatchIs(n, Received.from, Line.match)
  \/ e = "AdvanceCommitIndex" /\ AdvanceCommitIndex(n, Line.s[7])
  \/ e = "Compact" /\ Compact(n, Line.s[4]) /\ DurableIs(n, durable)
  \/ e = "InstallSnapshot" /\ InstallSnapshot(n, Line.x.index, Line.x.last, Line.x.round) /\ Sends
  \/ e = "HandleInstallSnapshotRequest" /\ Receives
       /\ \E whole \in BOOLEAN : HandleInstallSnapshotRequest(n, Received, whole) /\ Answers(n)
  \/ e = "HandleInstallSnapshotResponse" /\ Receives /\ HandleInstallSnapshotResponse(n, Received)
       /\ MatchIs(n, Received.from, Line.match)
  \/ e = "RequestReadIndex" /\ RequestReadIndex(n, Line.id)
  \/ e = "ConfirmReadIndex"
       /\ \E read \in reads[n] : read.id = Line.id /\ read.index = Line.index /\ ConfirmReadIndex(n, read)
  \/ e = "Persist" /\ Persist(n)
  \/ e = "PersistCompleted" /\ PersistCompleted(n, Line.batches) /\ DurableIs(n, durable)
  \* What the disk kept shows in what the node begins with.
  \/ e = "Recover"
       /\ \E kept \in 0..Len(batches[n]) : Recover(n, kept)
       /\ MembersAre(n, Line.voters, Line.learners)
       /\ DurableIs(n, durable)

\* Arguments are bound here, and not by definitions: under a prime those would be the ones of the next event.
TraceStep ==
  \E n \in {Line.n}, e \in {Line.e}, s \in {Line.s} : Act(n, e, s[8]) /\ StateIs(n, s)

TraceInit == Init /\ trace \in DOMAIN Traces /\ next = 1

TraceNext ==
  IF next > Len(Traces[trace]) THEN PrintT(<<"accepted", trace>>) /\ UNCHANGED <<vars, trace, next>>
  ELSE TraceStep /\ trace' = trace /\ next' = next + 1

-----------------------------------------------------------------------------
(* Of a refused trace: how far it could be followed, and what the acting node had then *)

TellNext == PrintT(<<"next", next>>)
TellState ==
  next >= Header.stop =>
    LET n == Traces[trace][Header.stop].n IN
    PrintT(<<"state", next,
      [term |-> term[n], vote |-> vote[n], role |-> role[n], snapshot |-> snapshot[n],
       terms |-> [i \in DOMAIN log[n] |-> log[n][i].term], commit |-> commit[n], durable |-> DurableIndex(n),
       votes |-> votes[n], match |-> match[n], batches |-> Len(batches[n])]>>)
AnyState(n, s) == TRUE
AnyDurable(n, index) == TRUE
AnyMatch(n, m, index) == TRUE

TraceSpec == TraceInit /\ [][TraceNext]_<<vars, trace, next>>
=============================================================================
