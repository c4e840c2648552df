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
(*   line.s      state: term, vote, role, snapshot, last index, last term, commit                               *)
(*   line.m      place of the message among all that left their sender; 0 if it never did                       *)
(*   line.x      message, line.y the reply                                                                      *)
(*   line.waits  what is sent waits for the disk                                                                *)
EXTENDS MetadataRaft, TraceReader

TraceNodes == 1..Header.nodes
TraceFounders == 1..Header.founders

\* Whether the invariants are looked at. TLC looks this up once; it would ask the reader each time.
Watching == Header.invariants

VARIABLES
  trace,   \* which one
  next     \* the number of its next event

Line == EventAt(next)

\* In the place of the sets of MetadataRaft, and of what it says of whole logs.
NoSequence == 0
TraceMembershipIndex(l) == LastWhere(l, "kind", "membership")
TraceIsDurable(n) == batches[n] = <<>> /\ IsSame(disk[n], Image(n))

-----------------------------------------------------------------------------
\* A message as a trace tells of it: of entries their terms, of a log where it ends.
Told(m) ==
  CASE m.type = "AppendRequest" -> [m EXCEPT !.entries = [i \in DOMAIN @ |-> @[i].term]]
    [] m.type = "SnapshotRequest" -> [m EXCEPT !.log = <<Len(@), LastTerm(@)>>]
    [] OTHER -> m

\* What the action makes of it, and what the event says. Comparisons are written so, for Explanation.tla to tell.
Is(name, expected, actual) == expected = actual

LastOf(sequence) == At(sequence, Length(sequence))
Sends(line) == Is("message sent", Told(LastOf(messages')), line.x)
\* What promises something, x or y of the line, waits for the disk, or need not.
Promises(n, line, x) ==
  /\ Is("waits for the disk", ~IsDurable(n)', line.waits)
  /\ Is("message sent", Told(LastOf(IF line.waits THEN outbox'[n] ELSE messages')), x)
Answers(n, line) == Promises(n, line, line.y)

WasSent(line) == line.m \in 1..Length(messages)
Message(line) == At(messages, line.m)
Receives(line) ==
  /\ Is("the message was sent", WasSent(line), TRUE)
  /\ Is("message received", Told(Message(line)), line.x)

\* The acting node's state after the event. A node may believe less to be durable than is.
StateIs(n, line) ==
  Is(<<"term", "vote", "role", "snapshot", "last index", "last term", "commit">>,
     <<term'[n], vote'[n], role'[n], snapshot'[n], Len(log'[n]), LastTerm(log'[n]), commit'[n]>>, line.s)
DurableIs(n, index) == Is("durable", Min(index, DurableIndex(n)'), index)
MatchIs(n, m, index) == Is("match", match'[n][m], index)
MembersAre(n, voters, learners) == Is("members", MembersOf(log'[n]), Members(voters, learners))

-----------------------------------------------------------------------------
\* Arguments are bound here, and not by definitions: under a prime those would be the ones of the next event. The most
\* frequent events first: TLC asks for one after the other.
TraceStep == \E line \in {Line} : \E n \in {line.n} :
  /\ CASE line.e = "AppendEntries" ->
            /\ AppendEntries(n, line.x.prevIndex, line.x.prevIndex + Len(line.x.entries), line.x.commit, line.x.round)
            /\ Sends(line)
       [] line.e = "HandleAppendEntriesRequest" ->
            Receives(line) /\ HandleAppendEntriesRequest(n, Message(line)) /\ Answers(n, line)
       [] line.e = "HandleAppendEntriesResponse" ->
            /\ Receives(line) /\ HandleAppendEntriesResponse(n, Message(line))
            /\ MatchIs(n, Message(line).from, line.match)
       [] line.e = "Persist" -> Persist(n)
       [] line.e = "PersistCompleted" -> PersistCompleted(n, line.batches) /\ DurableIs(n, line.durable)
       [] line.e = "AdvanceCommitIndex" -> AdvanceCommitIndex(n, line.s[7])
       [] line.e = "ClientRequest" -> ClientRequest(n)
       [] line.e = "RequestPreVote" -> RequestPreVote(n) /\ Sends(line)
       [] line.e = "StartPreVote" -> StartPreVote(n)
       [] line.e = "IgnoreMessage" -> Receives(line) /\ IgnoreMessage(n, Message(line))
       [] line.e = "HandlePreVoteRequest" ->
            Receives(line) /\ HandlePreVoteRequest(n, Message(line), line.y.granted) /\ Answers(n, line)
       [] line.e = "HandlePreVoteResponse" -> Receives(line) /\ HandlePreVoteResponse(n, Message(line))
       [] line.e = "Timeout" -> Timeout(n)
       [] line.e = "RequestVote" -> RequestVote(n) /\ Promises(n, line, line.x)
       [] line.e = "HandleRequestVoteRequest" ->
            Receives(line) /\ HandleRequestVoteRequest(n, Message(line), line.y.granted) /\ Answers(n, line)
       [] line.e = "HandleRequestVoteResponse" -> Receives(line) /\ HandleRequestVoteResponse(n, Message(line))
       [] line.e = "BecomeLeader" -> BecomeLeader(n)
       [] line.e = "UpdateTerm" -> WasSent(line) /\ UpdateTerm(n, Message(line))
       [] line.e = "CheckQuorum" -> CheckQuorum(n)
       [] line.e = "LeaveLeadership" -> LeaveLeadership(n)
       [] line.e = "TransferLeadership" -> TransferLeadership(n, line.to)
       [] line.e = "AbortTransfer" -> AbortTransfer(n)
       [] line.e = "TimeoutNow" -> TimeoutNow(n) /\ Sends(line)
       [] line.e = "HandleTimeoutNow" -> Receives(line) /\ HandleTimeoutNow(n, Message(line))
       [] line.e = "ProposeMembership" -> ProposeMembership(n, Members(line.voters, line.learners))
       [] line.e = "Compact" -> Compact(n, line.s[4]) /\ DurableIs(n, line.durable)
       [] line.e = "InstallSnapshot" -> InstallSnapshot(n, line.x.log[1], line.x.last, line.x.round) /\ Sends(line)
       [] line.e = "HandleInstallSnapshotRequest" ->
            /\ Receives(line)
            /\ \E whole \in BOOLEAN : HandleInstallSnapshotRequest(n, Message(line), whole) /\ Answers(n, line)
       [] line.e = "HandleInstallSnapshotResponse" ->
            /\ Receives(line) /\ HandleInstallSnapshotResponse(n, Message(line))
            /\ MatchIs(n, Message(line).from, line.match)
       [] line.e = "RequestReadIndex" -> RequestReadIndex(n, line.id)
       [] line.e = "ConfirmReadIndex" ->
            \E read \in reads[n] : read.id = line.id /\ read.index = line.index /\ ConfirmReadIndex(n, read)
       \* What the disk kept shows in what the node begins with.
       [] line.e = "Recover" ->
            /\ \E kept \in 0..Len(batches[n]) : Recover(n, kept)
            /\ MembersAre(n, line.voters, line.learners)
            /\ DurableIs(n, line.durable)
  /\ StateIs(n, line)

\* What the acting node has, for Explanation.tla.
StateOf(n, s) ==
  [term |-> term[n], vote |-> vote[n], role |-> role[n], snapshot |-> snapshot[n], last |-> Len(log[n]),
   lastTerm |-> LastTerm(log[n]), commit |-> commit[n], durable |-> DurableIndex(n), votes |-> votes[n],
   match |-> match[n], round |-> round[n], members |-> MembersOf(log[n]), batches |-> Len(batches[n])]

TraceInit == Init /\ trace = 0 /\ next = 0 /\ Evaluated(vars)

Keeps(name, invariant) == IF invariant THEN TRUE ELSE PrintT(<<"violated", trace, next, name>>) /\ FALSE
IsGood ==
  Watching =>
    /\ Keeps("ElectionSafetyInv", ElectionSafetyInv)
    /\ Keeps("LogMatchingInv", LogMatchingInv)
    /\ Keeps("LeaderCompletenessInv", LeaderCompletenessInv)
    /\ Keeps("StateMachineSafetyInv", StateMachineSafetyInv)
    /\ Keeps("DurablePromiseInv", DurablePromiseInv)
    /\ Keeps("ReadIndexInv", ReadIndexInv)

TraceNext ==
  CASE trace = 0 -> trace' = Drawn(next) /\ next' = 1 /\ UNCHANGED vars
    [] trace > 0 /\ HasEvent(next) -> IsGood = TRUE /\ TraceStep /\ trace' = trace /\ next' = next + 1
    [] OTHER -> IsGood = TRUE /\ PrintT(<<"accepted", trace>>) /\ FALSE

TraceSpec == TraceInit /\ [][TraceNext]_<<vars, trace, next>>
=============================================================================
