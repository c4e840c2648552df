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
(*   line.waits  what is sent waits for the disk                                                                *)
EXTENDS MetadataRaft, TraceReader

TraceNodes == 1..Header.nodes
TraceFounders == 1..Header.founders

VARIABLES
  trace,   \* which one
  next     \* the number of its next event

Line == EventAt(next)

\* In the place of the sets of MetadataRaft, and of what it says of whole logs.
NoSequence == 0
TraceMembershipIndex(l) == LastWhere(l, "kind", "membership")
TraceIsDurable(n) == batches[n] = <<>> /\ IsSame(disk[n], Image(n))

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
Sends(line) == Is("what was sent is what was logged", Same(LastOf(messages'), line.x), TRUE)
\* What promises something, x or y of the line, waits for the disk, or need not.
Promises(n, line, x) ==
  /\ Is("it waits for the disk", ~IsDurable(n)', line.waits)
  /\ Is("what was sent is what was logged", Same(LastOf(IF line.waits THEN outbox'[n] ELSE messages'), x), TRUE)
Answers(n, line) == Promises(n, line, line.y)

WasSent(line) == line.m \in 1..Length(messages)
Message(line) == At(messages, line.m)
Receives(line) ==
  /\ Is("the message was sent", WasSent(line), TRUE)
  /\ Is("what was received is what was sent", Same(Message(line), line.x), TRUE)

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
\* The most frequent first: TLC asks one after the other.
Act(n, e, line) ==
  CASE e = "Persist" -> Persist(n)
    [] e = "PersistCompleted" -> PersistCompleted(n, line.batches) /\ DurableIs(n, line.s[8])
    [] e = "AppendEntries" ->
         /\ AppendEntries(n, line.x.prevIndex, line.x.prevIndex + Len(line.x.terms), line.x.commit, line.x.round)
         /\ Sends(line)
    [] e = "HandleAppendEntriesRequest" ->
         Receives(line) /\ HandleAppendEntriesRequest(n, Message(line)) /\ Answers(n, line)
    [] e = "HandleAppendEntriesResponse" ->
         /\ Receives(line) /\ HandleAppendEntriesResponse(n, Message(line))
         /\ MatchIs(n, Message(line).from, line.match)
    [] e = "AdvanceCommitIndex" -> AdvanceCommitIndex(n, line.s[7])
    [] e = "ClientRequest" -> ClientRequest(n)
    [] e = "RequestPreVote" -> RequestPreVote(n) /\ Sends(line)
    [] e = "StartPreVote" -> StartPreVote(n)
    [] e = "IgnoreMessage" -> Receives(line) /\ IgnoreMessage(n, Message(line))
    [] e = "HandlePreVoteRequest" ->
         Receives(line) /\ HandlePreVoteRequest(n, Message(line), line.y.granted) /\ Answers(n, line)
    [] e = "HandlePreVoteResponse" -> Receives(line) /\ HandlePreVoteResponse(n, Message(line))
    [] e = "Timeout" -> Timeout(n)
    [] e = "RequestVote" -> RequestVote(n) /\ Promises(n, line, line.x)
    [] e = "HandleRequestVoteRequest" ->
         Receives(line) /\ HandleRequestVoteRequest(n, Message(line), line.y.granted) /\ Answers(n, line)
    [] e = "HandleRequestVoteResponse" -> Receives(line) /\ HandleRequestVoteResponse(n, Message(line))
    [] e = "BecomeLeader" -> BecomeLeader(n)
    [] e = "UpdateTerm" -> WasSent(line) /\ UpdateTerm(n, Message(line))
    [] e = "CheckQuorum" -> CheckQuorum(n)
    [] e = "LeaveLeadership" -> LeaveLeadership(n)
    [] e = "TransferLeadership" -> TransferLeadership(n, line.to)
    [] e = "AbortTransfer" -> AbortTransfer(n)
    [] e = "TimeoutNow" -> TimeoutNow(n) /\ Sends(line)
    [] e = "HandleTimeoutNow" -> Receives(line) /\ HandleTimeoutNow(n, Message(line))
    [] e = "ProposeMembership" -> ProposeMembership(n, Members(line.voters, line.learners))
    [] e = "Compact" -> Compact(n, line.s[4]) /\ DurableIs(n, line.s[8])
    [] e = "InstallSnapshot" -> InstallSnapshot(n, line.x.index, line.x.last, line.x.round) /\ Sends(line)
    [] e = "HandleInstallSnapshotRequest" ->
         /\ Receives(line)
         /\ \E whole \in BOOLEAN : HandleInstallSnapshotRequest(n, Message(line), whole) /\ Answers(n, line)
    [] e = "HandleInstallSnapshotResponse" ->
         /\ Receives(line) /\ HandleInstallSnapshotResponse(n, Message(line))
         /\ MatchIs(n, Message(line).from, line.match)
    [] e = "RequestReadIndex" -> RequestReadIndex(n, line.id)
    [] e = "ConfirmReadIndex" ->
         \E read \in reads[n] : read.id = line.id /\ read.index = line.index /\ ConfirmReadIndex(n, read)
    \* What the disk kept shows in what the node begins with.
    [] e = "Recover" ->
         /\ \E kept \in 0..Len(batches[n]) : Recover(n, kept)
         /\ MembersAre(n, line.voters, line.learners)
         /\ DurableIs(n, line.s[8])

\* Arguments are bound here, and not by definitions: under a prime those would be the ones of the next event.
TraceStep ==
  \E line \in {Line} : \E n \in {line.n}, e \in {line.e} : Act(n, e, line) /\ StateIs(n, line.s)

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
    [] trace > 0 /\ next <= EventsOf(trace) -> IsGood = TRUE /\ TraceStep /\ trace' = trace /\ next' = next + 1
    [] OTHER -> IsGood = TRUE /\ PrintT(<<"accepted", trace>>) /\ FALSE

TraceSpec == TraceInit /\ [][TraceNext]_<<vars, trace, next>>
=============================================================================
