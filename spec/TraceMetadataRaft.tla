------------------------- MODULE TraceMetadataRaft -------------------------
(* Is a trace of impl/core/raft a behaviour of MetadataRaft? Each event names an action, holds its arguments,   *)
(* and what the acting node's state was after it; here the action is taken and the state compared.              *)
(*                                                                                                              *)
(* TLC walks: one walk follows one trace, and says so if it comes to the end. All that happens is in the       *)
(* trace, so there is never more than one next state, and a walk that cannot go on has ended where no action    *)
(* explains the next event. Sets that only grow, of all messages ever sent, would cost more than all the rest;  *)
(* so they are sequences here, and the event of a receiver names the place of its message (line.m). Only        *)
(* messages that left are in the sequence, so nothing is received before it was sent, or was durable.           *)
(*                                                                                                              *)
(*   here        event of impl/core/raft/trace.ts                                                               *)
(*   line.e      name                                                                                           *)
(*   line.n      node, numbered from 1                                                                          *)
(*   line.s      state: term, vote, role, snapshot, last, lastTerm, commit, durable                             *)
(*   line.m      place of the message among all that left their sender; 0 if it never did                       *)
(*   line.x      message, line.y the reply                                                                      *)
EXTENDS MetadataRaft, TraceReader

\* TLC looks this up once; it would ask the reader each time.
Told == Traces

TraceNodes == 1..Header.nodes
TraceFounders == 1..Header.founders

VARIABLES
  trace,   \* which one
  next     \* the number of its next event

Line == Told[trace][next]

\* In the place of the sets of MetadataRaft, and of what it says of whole logs.
NoSequence == 0
TraceMembershipIndex(l) == LastWhere(l, "kind", "membership")

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

\* What the action makes of it, and what the event says. Comparisons are written so, for Explanation.tla to tell.
Is(name, expected, actual) == expected = actual

LastOf(sequence) == At(sequence, Length(sequence))
Sends == Is("what was sent is what was logged", Same(LastOf(messages'), Line.x), TRUE)
SendsAfterPersist(n) == Is("what was sent is what was logged", Same(LastOf(outbox'[n]), Line.x), TRUE)
Answers(n) == Is("the answer is what was logged", Same(LastOf(outbox'[n]), Line.y), TRUE)

Received == At(messages, Line.m)
Receives ==
  /\ Is("the message was sent", Line.m \in 1..Length(messages), TRUE)
  /\ Is("what was received is what was sent", Same(Received, Line.x), TRUE)
UpdatesTerm == Line.m \in 1..Length(messages)

\* The acting node's state after the event. A node may believe less to be durable than is.
StateIs(n, s) ==
  /\ Is("term", term'[n], s[1])
  /\ Is("vote", vote'[n], s[2])
  /\ Is("role", role'[n], s[3])
  /\ Is("snapshot", snapshot'[n], s[4])
  /\ Is("last index", Len(log'[n]), s[5])
  /\ Is("last term", LastTerm(log'[n]), s[6])
  /\ Is("commit", commit'[n], s[7])
DurableIs(n, index) == Is("durable", Min(index, DurableIndex(n)'), index)
MatchIs(n, m, index) == Is("match", match'[n][m], index)
MembersAre(n, voters, learners) == Is("members", MembersOf(log'[n]), Members(voters, learners))

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

\* What the acting node has, for Explanation.tla.
StateOf(n, s) ==
  [term |-> term[n], vote |-> vote[n], role |-> role[n], snapshot |-> snapshot[n], last |-> Len(log[n]),
   lastTerm |-> LastTerm(log[n]), commit |-> commit[n], durable |-> DurableIndex(n), votes |-> votes[n],
   match |-> match[n], round |-> round[n], members |-> MembersOf(log[n]), batches |-> Len(batches[n])]

TraceInit == Init /\ trace = 0 /\ next = 0 /\ Evaluated(vars)

Keeps(name, invariant) == IF invariant THEN TRUE ELSE PrintT(<<"violated", trace, next, name>>) /\ FALSE
IsGood ==
  Header.invariants =>
    /\ Keeps("ElectionSafetyInv", ElectionSafetyInv)
    /\ Keeps("LogMatchingInv", LogMatchingInv)
    /\ Keeps("LeaderCompletenessInv", LeaderCompletenessInv)
    /\ Keeps("StateMachineSafetyInv", StateMachineSafetyInv)
    /\ Keeps("DurablePromiseInv", DurablePromiseInv)
    /\ Keeps("ReadIndexInv", ReadIndexInv)

TraceNext ==
  CASE trace = 0 -> trace' = Drawn(next) /\ next' = 1 /\ UNCHANGED vars
    [] trace > 0 /\ next <= Len(Told[trace]) -> IsGood = TRUE /\ TraceStep /\ trace' = trace /\ next' = next + 1
    [] OTHER -> IsGood = TRUE /\ PrintT(<<"accepted", trace>>) /\ FALSE

TraceSpec == TraceInit /\ [][TraceNext]_<<vars, trace, next>>
=============================================================================
