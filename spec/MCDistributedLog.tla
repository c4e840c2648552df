---------------------------- MODULE MCDistributedLog ----------------------------
(* DistributedLog, bounded so that TLC can look at all of it. Each wrapper `MCx` limits the action `x`, and loses
   nothing by it but size:

   - Whatever may be sent is sent at once. Nothing in the model is ever hindered by a message in flight, and a
     message sent may be taken late or never, so sending earlier only adds behaviours.
   - A writer sends all its records from the first on. A replica skips what it has, so this says what any stretch
     of them would say; shorter messages were sent when there were fewer records.
   - A sync covers all that was written. One that covers less is a sync that began, and ended, earlier.
   - The log takes only commands that still fit. One that does not changes nothing but the numbers of those after it.
   - Records are appended in the order of their names.
   - Who proposed a command is forgotten, but for moves of cursors: nothing else asks for it.

   Bounds: the sizes of Nodes, Names, Topics, SegmentIds, Records, and the constants below. *)
EXTENDS DistributedLog, TLC

CONSTANTS
  Holders,          \* the nodes that segments are placed on
  First,            \* the node that owns segment 1
  Recoverers,       \* nodes that may be made recoverers
  NextOwners,       \* nodes that may be given the next segment
  Laggards,         \* nodes that may be late in applying the metadata; the others apply at once
  Crashers,         \* nodes that may crash, or lose their disk; the others sync at once, which is all the same to them
  Cut,              \* pairs of nodes that never hear of each other
  Written,          \* the segments that records may be appended to, by number
  MaxCommits,       \* commands beyond the initial ones
  MaxFences,        \* so many of them may fence
  MaxCrashes,       \* in all
  MaxReplacements,  \* disks lost, in all
  MaxCount,         \* records in a segment
  Features          \* what else may happen

ASSUME Features \subseteq
  {"roll",     \* owners stop appending, and seal
   "restore",  \* replicas copy what they lack of sealed segments, and come back into the quorum
   "read",     \* replicas are told the high watermark
   "move",     \* cursors move, records are delivered
   "again",    \* who owned or recovered a segment may be made its recoverer; without it, only somebody else
   "lease",    \* leases expire; without it every owner has one
   "delete",   \* topics are deleted, and made again under their names
   "trim",     \* topics forget their front
   "lapse",    \* disks lose an end of what they had durably, each once
   "relocate", \* copies are moved to other nodes, and dropped
   "remove",   \* nodes are removed
   "rewind",   \* after a restart, metadata is as of any time before
   "forget"}   \* as "rewind", and snapshots

Has(feature) == feature \in Features
\* In place of `ToldWatermark`: replicas that nobody reads need not know the watermark.
ToldIfRead(n, s) == IF Has("read") THEN watermark[n][s] ELSE 0

Registration(n, b, i) ==
  [origin |-> Nobody, command |-> [kind |-> "RegisterNode", node |-> n, boot |-> b, incarnation |-> i]]
Creation(x, owner) ==
  [origin |-> Nobody, command |-> [kind |-> "CreateTopic", name |-> x, owner |-> owner, replicas |-> Holders]]

\* All nodes have registered, in whatever order, and one of them owns segment 1 of a topic of each name.
RECURSIVE Creations(_, _)
Creations(names, owner) ==
  IF names = {} THEN <<>>
  ELSE LET x == CHOOSE x \in names : TRUE IN <<Creation(x, owner)>> \o Creations(names \ {x}, owner)
Order ==
  CHOOSE f \in [1 .. Cardinality(Nodes) -> Nodes] : \A i, j \in DOMAIN f : i # j => f[i] # f[j]
MCInitialLogs ==
  {[i \in DOMAIN Order |-> Registration(Order[i], 1, 1)] \o Creations(Names, First)}
InitialLength == Cardinality(Nodes) + Cardinality(Names)

\* In place of InitKnowledge: topic 1 is to be deleted, and was taken from its owner, who alone does not know it.
LateKnowledge ==
  LET known == CHOOSE l \in MCInitialLogs : TRUE
      deletion == [kind |-> "DeleteTopic", topic |-> 1]
      fence == [kind |-> "FenceSegment", topic |-> 1, segment |-> 1, expectedEpoch |-> InitialLength,
                recoverer |-> CHOOSE n \in Recoverers : TRUE]
  IN
  /\ log = known \o <<[origin |-> Nobody, command |-> deletion], [origin |-> Nobody, command |-> fence]>>
  /\ meta = StateAt(log, Len(log))
  /\ applied = [n \in Nodes |-> IF n = First THEN Len(known) ELSE Len(log)]
  /\ view = [n \in Nodes |-> StateAt(log, applied[n])]

--------------------------------------------------------------------------------
(* What is sent as soon as it may be *)

Hears(n) == {m \in Nodes \ {n} : {m, n} \notin Cut}
Others(n, s) == DOMAIN Grant(n, s).replicas \cap Hears(n)

\* A writer's records.
Stretches(n, s) ==
  IF End(n, s) > 0 /\ Replicates(n, s)
  THEN {ReplicateMessage(n, s, to, 0, End(n, s)) : to \in Others(n, s)}
  ELSE {}

\* A recoverer's questions.
PromiseRequests(n, s) ==
  IF Recovers(n, s) THEN {PromiseRequestMessage(n, s, to) : to \in Others(n, s)} ELSE {}

\* The answers of a replica, to whoever writes now.
Answers(m, s) ==
  IF ~up[m] THEN {} ELSE
  UNION {LET epoch == Grant(w, s).epoch IN
         IF Writes(w, s) /\ DurablyPromised(m, s, epoch)
         THEN (IF Replicates(w, s) THEN {ReplicateAckMessage(m, s, epoch, w)} ELSE {})
              \cup (IF Recovers(w, s) THEN {PromiseMessage(m, s, epoch, w)} ELSE {})
         ELSE {} : w \in Hears(m)}

\* Copies, asked for and given at once.
Copies(n, s) ==
  LET sources ==
        IF Grant(n, s).state = "sealed"
        THEN {m \in Others(n, s) : /\ (Has("restore") /\ n \in DOMAIN Grant(n, s).replicas) \/ IsMovedTo(n, Grant(n, s))
                                   /\ up[n] /\ End(n, s) < Grant(n, s).count}
        ELSE IF Recovers(n, s) THEN {m \in Others(n, s) : promises[n][s][m] > End(n, s)} ELSE {}
      given == {m \in sources :
                  /\ up[m] /\ End(m, s) > End(n, s)
                  /\ IF Recovers(n, s) THEN promised[m][s] = Grant(n, s).epoch ELSE Grant(m, s).state = "sealed"}
  IN {CopyRequestMessage(n, s, m) : m \in sources}
     \cup {CopyMessage(m, CopyRequestMessage(n, s, m), End(m, s) - End(n, s)) : m \in given}

Outbox ==
  UNION {Stretches(n, s) \cup PromiseRequests(n, s) \cup Answers(n, s) \cup Copies(n, s) :
           n \in Nodes, s \in {s \in Segments : meta.segments[s].state # "none"}}

\* There is a next segment, or there is to be none.
MayEnd(n, s) == s[2] + 1 \in SegmentIds \/ s[1] \in view[n].deleting

Seals(n, s) ==
  IF (IF Grant(n, s).state = "open" THEN stopped[n][s] ELSE Recovers(n, s)) /\ MayEnd(n, s)
  THEN [kind : {"SealSegment"}, topic : {s[1]}, segment : {s[2]}, epoch : {Grant(n, s).epoch},
        count : IF Owns(n, s) THEN {End(n, s)} ELSE RecoveredCounts(n, s),
        nextOwner : NextOwners, nextReplicas : {Holders}]
  ELSE {}

FencesDone == Cardinality({i \in DOMAIN log : log[i].command.kind = "FenceSegment"})
Fences(n, s) ==
  IF Recoverers # {} /\ FencesDone < MaxFences /\ Grant(n, s).state \in {"open", "fenced"} /\ MayEnd(n, s)
  THEN [kind : {"FenceSegment"}, topic : {s[1]}, segment : {s[2]}, expectedEpoch : {Grant(n, s).epoch},
        recoverer : {m \in Recoverers : Has("again") \/ m # Grant(n, s).owner}]
  ELSE {}

Restorations(n, s) ==
  IF Has("restore") /\ Grant(n, s).state = "sealed" /\ n \in DOMAIN Grant(n, s).replicas
     /\ Grant(n, s).replicas[n] # incarnation[n]
  THEN [kind : {"RestoreReplica"}, topic : {s[1]}, segment : {s[2]}, node : {n}, incarnation : {incarnation[n]}]
  ELSE {}

\* Somebody suspects a copy of being lost, wrongly or not; whoever makes one in its place says that it is whole.
Relocations(n, s) ==
  IF ~Has("relocate") \/ ~IsKept(view[n], s) THEN {} ELSE
  LET g == Grant(n, s) IN
  IF g.move # NoMove
  THEN [kind : {"MoveReplica"}, topic : {s[1]}, segment : {s[2]}, epoch : {g.move.epoch}]
       \cup [kind : {"CancelMove"}, topic : {s[1]}, segment : {s[2]}, epoch : IF n = First THEN {g.move.epoch} ELSE {}]
  ELSE [kind : {"BeginMove"}, topic : {s[1]}, segment : {s[2]}, from : (DOMAIN g.replicas) \ {First},
        to : IF n = First THEN Nodes \ DOMAIN g.replicas ELSE {}]

Moves(n, t, g) ==
  IF Has("move") /\ view[n].cursors[t][g] < KnownEnd(n, t)
  THEN [kind : {"AdvanceCursor"}, topic : {t}, group : {g}, expected : {view[n].cursors[t][g]},
        next : {view[n].cursors[t][g] + 1}]
  ELSE {}

Deletions(n) ==
  IF Has("delete") THEN [kind : {"DeleteTopic"}, topic : view[n].topics \ view[n].deleting] ELSE {}

\* Wherever one may wish: those who decide are the nodes that apply it.
Trims(n) ==
  IF ~Has("trim") THEN {}
  ELSE UNION {[kind : {"TrimTopic"}, topic : {t}, expectedStart : {view[n].starts[t]}, start : 1 .. KnownEnd(n, t)] :
                t \in view[n].topics}

Remakings(n) ==
  LET free == {x \in Names : view[n].names[x] = 0 /\ NewTopic(view[n], x) \in Topics} IN
  IF Has("delete") THEN [kind : {"CreateTopic"}, name : free, owner : NextOwners, replicas : {Holders}] ELSE {}

Registrations(n) ==
  IF view[n].nodes[n].boot = boot[n] /\ view[n].nodes[n].incarnation = incarnation[n] THEN {}
  ELSE [kind : {"RegisterNode"}, node : {n}, boot : {boot[n]}, incarnation : {incarnation[n]}]

Removals(n) ==
  IF Has("remove") /\ n = First
  THEN {[kind |-> "RemoveNode", node |-> m, incarnation |-> view[n].nodes[m].incarnation] : m \in Nodes \ {First}}
  ELSE {}

CommandsOf(n) ==
  Registrations(n) \cup Removals(n) \cup Deletions(n) \cup Trims(n) \cup Remakings(n)
  \cup UNION {Seals(n, s) \cup Fences(n, s) \cup Restorations(n, s) \cup Relocations(n, s) : s \in Segments}
  \cup UNION {Moves(n, t, g) : t \in Topics, g \in Groups}

OriginOf(n, c) ==
  IF c.kind = "AdvanceCursor" THEN [node |-> n, boot |-> boot[n], sequence |-> 0] ELSE Nobody

Proposable ==
  UNION {{[origin |-> OriginOf(n, c), command |-> c] : c \in {c \in CommandsOf(n) : MayPropose(n, c)}} :
           n \in {n \in Nodes : up[n] /\ ~lapsed[n]}}

Sending == messages' = messages \cup Outbox' /\ proposals' = proposals \cup Proposable'

--------------------------------------------------------------------------------
(* The actions, bounded *)

\* Records in the order of their names; again and again where requests are not known by their numbers.
NextRecords ==
  LET new == {r \in Records : IsNew(r)} IN
  IF new \cap appended # {} THEN new ELSE {r \in new : \A q \in new : r <= q}
RECURSIVE Sum(_, _)
Sum(f, S) == IF S = {} THEN 0 ELSE LET x == CHOOSE x \in S : TRUE IN f[x] + Sum(f, S \ {x})
Crashes == Sum(boot, Nodes) - Cardinality(Nodes) + Cardinality({n \in Nodes : ~up[n]})
Replacements == Sum(incarnation, Nodes) - Cardinality(Nodes)

\* What some nodes do at once: before anything else happens.
Applying == {n \in Nodes \ Laggards : up[n] /\ applied[n] < Len(log)}
Unsynced(n) == durable[n] # [s \in Segments |-> Len(records[n][s])] \/ durablePromise[n] # promised[n]
Syncing == {n \in Nodes \ Crashers : Unsynced(n)}
Unleased == IF Has("lease") THEN {} ELSE {n \in Nodes : ~lease[n] /\ \E s \in Segments : Owns(n, s)}
Calm == Applying = {} /\ Syncing = {} /\ Unleased = {}

MCApplyCommand ==
  IF Calm THEN \E n \in Laggards : ApplyCommand(n) /\ Sending
  ELSE Applying # {} /\ ApplyCommand(CHOOSE n \in Applying : TRUE) /\ Sending
MCSyncCompleted ==
  /\ Applying = {}
  /\ \E n \in IF Syncing # {} THEN {CHOOSE n \in Syncing : TRUE} ELSE {n \in Crashers : Unsynced(n)} :
       /\ SyncCompleted(n, [s \in Segments |-> [end |-> Len(records[n][s]), promised |-> promised[n][s]]])
       /\ Sending
MCRenewLease ==
  /\ Applying = {} /\ Syncing = {}
  /\ \E n \in IF Has("lease") THEN {n \in Nodes : ~lease[n]} ELSE Unleased : RenewLease(n) /\ Sending
MCExpireLease == Has("lease") /\ Calm /\ \E n \in Nodes : lease[n] /\ ExpireLease(n) /\ Sending

MCCommitCommand ==
  /\ Calm /\ Len(log) < InitialLength + MaxCommits
  /\ \E p \in proposals : /\ Fits(meta, p.command)
                          /\ p.command.kind = "FenceSegment" => FencesDone < MaxFences
                          /\ p.command.kind = "CreateTopic" => NewTopic(meta, p.command.name) \in Topics
                          /\ CommitCommand(p) /\ meta' # meta /\ Sending
MCRestoreMetadata == Has("forget") /\ Calm /\ \E n \in Nodes : RestoreMetadata(n, Len(log)) /\ Sending
MCAppendRecord ==
  /\ Calm
  /\ \E n \in Nodes, s \in Topics \X Written, r \in NextRecords :
       Len(records[n][s]) < MaxCount /\ AppendRecord(n, s, r) /\ Sending
MCHandleReplicate ==
  /\ Calm
  /\ \E x \in messages : x.type = "Replicate" /\ HandleReplicate(x.to, x)
                         /\ (disk' # disk \/ (Has("read") /\ watermark' # watermark)) /\ Sending
MCHandleReplicateAck ==
  /\ Calm
  /\ \E x \in messages : x.type = "ReplicateAck" /\ HandleReplicateAck(x.to, x) /\ reported' # reported /\ Sending
MCAdvanceHighWatermark == Calm /\ \E n \in Nodes, s \in Segments : AdvanceHighWatermark(n, s) /\ Sending
MCStopAppending ==
  /\ Calm
  /\ \E n \in Nodes, s \in Segments :
       /\ s[1] \in view[n].deleting \/ (Has("roll") /\ s[2] + 1 \in SegmentIds /\ End(n, s) > 0)
       /\ StopAppending(n, s) /\ Sending
MCHandlePromiseRequest ==
  /\ Calm
  /\ \/ \E x \in messages : /\ x.type = "PromiseRequest"
                            /\ HandlePromiseRequest(x.to, x.segment, x.epoch, x.sender) /\ disk' # disk /\ Sending
     \/ \E n \in Nodes, s \in Segments : HandlePromiseRequest(n, s, Grant(n, s).epoch, n) /\ disk' # disk /\ Sending
MCHandlePromise ==
  /\ Calm
  /\ \/ \E x \in messages : /\ x.type = "Promise"
                            /\ HandlePromise(x.to, x.segment, x.epoch, x.sender, x.durableEnd)
                            /\ promises' # promises /\ Sending
     \/ \E n \in Nodes, s \in Segments : /\ promises[n][s][n] = -1
                                         /\ HandlePromise(n, s, Grant(n, s).epoch, n, DurableEnd(n, s)) /\ Sending
MCHandleCopy == Calm /\ \E x \in messages : x.type = "Copy" /\ HandleCopy(x.to, x) /\ disk' # disk /\ Sending
MCBeginCopy == Calm /\ \E n \in Nodes, s \in Segments : BeginCopy(n, s) /\ disk' # disk /\ Sending
\* With a snapshot of what is known now.
MCDropReplica ==
  Has("relocate") /\ Calm /\ \E n \in Nodes, s \in Segments : DropReplica(n, s, applied[n]) /\ disk' # disk /\ Sending
MCDeliverRecord ==
  Calm /\ \E n \in Nodes : \E a \in pending[n] : DeliverRecord(n, a.topic, a.group, a.offset) /\ Sending
\* These two change nothing: what they tell is safe because the watermark is, which SequentialOrderInv says.
MCAcknowledgeRecord ==
  /\ Has("read") /\ Calm
  /\ \E n \in Nodes, s \in Segments, index \in 0 .. MaxCount - 1 : AcknowledgeRecord(n, s, index) /\ Sending
MCReadRecord ==
  /\ Has("read") /\ Calm
  /\ \E n \in Nodes, t \in Topics, offset \in 0 .. Cardinality(Records) - 1 : ReadRecord(n, t, offset) /\ Sending
MCCrash == Crashes < MaxCrashes /\ Calm /\ \E n \in Crashers : Crash(n) /\ Sending
\* All survives, or only what had to; without "forget", the metadata as it was known.
KeptPromise(n, s, index) == SurvivingPromise(n, s, index)
MCRestart ==
  /\ Calm
  /\ \E n \in Crashers :
       \E index \in (IF Has("forget") \/ Has("rewind") THEN Min(InitialLength, applied[n]) .. applied[n] ELSE {applied[n]}) :
         \E survivors \in {[s \in Segments |-> [end |-> Len(records[n][s]), promised |-> promised[n][s]]],
                           [s \in Segments |-> [end |-> SurvivingEnd(n, s, index), promised |-> KeptPromise(n, s, index)]]} :
           Restart(n, survivors, index) /\ Sending
MCLoseTail == Has("lapse") /\ Calm /\ \E n \in Crashers : ~lapsed[n] /\ LoseTail(n) /\ Sending
MCReplaceDisk == Replacements < MaxReplacements /\ Calm /\ \E n \in Crashers : ReplaceDisk(n) /\ Sending

MCNext ==
  \/ MCCommitCommand \/ MCApplyCommand \/ MCRestoreMetadata
  \/ MCRenewLease \/ MCExpireLease
  \/ MCAppendRecord \/ MCSyncCompleted \/ MCHandleReplicate \/ MCHandleReplicateAck
  \/ MCAdvanceHighWatermark \/ MCStopAppending
  \/ MCHandlePromiseRequest \/ MCHandlePromise \/ MCHandleCopy \/ MCBeginCopy \/ MCDropReplica
  \/ MCDeliverRecord \/ MCAcknowledgeRecord \/ MCReadRecord
  \/ MCCrash \/ MCRestart \/ MCLoseTail \/ MCReplaceDisk

MCSpec == Init /\ [][MCNext]_vars

\* Fate is not obliged to anything. Of all else, as long as anything can happen something does; and as each step
\* brings something that no step takes back, all that can happen to those who live happens in the end.
Progress ==
  \/ MCCommitCommand \/ MCApplyCommand \/ MCRenewLease
  \/ MCAppendRecord \/ MCSyncCompleted \/ MCHandleReplicate \/ MCHandleReplicateAck
  \/ MCAdvanceHighWatermark \/ MCStopAppending
  \/ MCHandlePromiseRequest \/ MCHandlePromise \/ MCHandleCopy \/ MCBeginCopy \/ MCDropReplica
  \/ MCDeliverRecord
FairSpec == MCSpec /\ WF_vars(Progress)
FullRolls == RolloverProgress(MaxCount)

--------------------------------------------------------------------------------
(* For random walks: TLC 1.7 applies EXCEPT wrongly to a function that it has not evaluated yet, and in walks it puts that
   off. To compare two functions it must evaluate them. *)

Same(f) == f = [x \in DOMAIN f |-> f[x]]
Solid ==
  \A n \in Nodes :
    /\ Same(records[n]) /\ Same(durable[n]) /\ Same(promised[n]) /\ Same(durablePromise[n])
    /\ Same(watermark[n]) /\ Same(stopped[n]) /\ Same(reported[n]) /\ Same(promises[n])
    /\ Same(view[n].nodes) /\ Same(view[n].names) /\ Same(view[n].born) /\ Same(view[n].starts) /\ Same(view[n].policies) /\ Same(view[n].segments) /\ Same(view[n].cursors)
    /\ \A s \in Segments : Same(reported[n][s]) /\ Same(promises[n][s])
    /\ \A t \in Topics : Same(view[n].cursors[t])

--------------------------------------------------------------------------------
(* What the guards are for: each of these takes the place of one in a model that must fail *)

Walrus == INSTANCE DistributedLog  \* the guards as they are

\* in place of Obeys, DurablyPromised: promises are made, and not kept.
ObeysAnyone(m, s, epoch) == TRUE
PromisedThat(m, s, epoch) == durablePromise[m][s] >= epoch
\* in place of Raised, DurablyPromised: the recoverer only asks how long everybody is.
NotRaised(promise, epoch) == promise
Anything(m, s, epoch) == TRUE
\* in place of DurablyPromised: the promise is given before it is on disk.
PromisedInMemory(m, s, epoch) == promised[m][s] = epoch
\* in place of KeepsPromise: an owner that promised goes on.
KeepsNoPromise(n, s) == TRUE
\* in place of KeptPromise: what was promised on disk is not read again.
NoPromise(n, s, index) == 0
\* in place of MayAppend: the count is read, and appending goes on.
MayAppendAlways(n, s) == lease[n]
\* in place of AckedEnd, OwnEnd: what is written counts as durable.
WrittenEnd(n, s) == End(n, s)
\* in place of HeldByMajority: the owner has it, that will do.
HeldByOne(n, s, k) == \E m \in DOMAIN Grant(n, s).replicas : EndOf(n, s, m) >= k
\* in place of GrantedTo: a grant is for a node, whichever its life.
GrantedToNode(n, g) == g.owner = n
\* in place of RecoveredCounts: with a majority of promises, the first of them will do.
AnyPromisedCount(n, s) == IF Replicates(n, s) THEN {promises[n][s][m] : m \in Nodes} \ {-1} ELSE {}
\* in place of RecoveredCounts: the first promise decides, whatever a majority says afterwards.
AnyHeldCount(n, s) == {k \in {promises[n][s][m] : m \in Nodes} \ {-1} : HeldByMajority(n, s, k)}
\* in place of RecoveredCounts: the longest of a majority, which only one may have.
LongestCount(n, s) ==
  LET replicas == DOMAIN Grant(n, s).replicas
      promisers == {m \in replicas : promises[n][s][m] >= 0}
  IN {k \in {promises[n][s][m] : m \in promisers} : IsMajority({m \in promisers : promises[n][s][m] <= k}, replicas)}
\* in place of MayPropose: the owner seals at what it has, safe or not.
MayProposeUnsafe(n, c) ==
  \/ Walrus!MayPropose(n, c)
  \/ c.kind = "SealSegment" /\ LET s == <<c.topic, c.segment>> IN Owns(n, s) /\ stopped[n][s] /\ c.count = End(n, s)
\* in place of MayPropose: a replica says that it has all again, and has not synced it.
MayProposeUnsynced(n, c) ==
  \/ Walrus!MayPropose(n, c)
  \/ c.kind = "RestoreReplica" /\ LET s == <<c.topic, c.segment>> IN End(n, s) >= Grant(n, s).count
\* in place of IsCopied: a copy that is made is written, and not synced.
IsCopiedInMemory(n, s) == End(n, s) >= Grant(n, s).count
\* in place of ApplyTo: a copy that is to be made counts from the beginning on.
CountedAtOnce(state, index, c) ==
  LET after == Walrus!ApplyTo(state, index, c) IN
  IF c.kind # "BeginMove" \/ after = state THEN after
  ELSE [after EXCEPT !.segments[c.topic, c.segment] = [@ EXCEPT !.replicas = Moved(@, after.segments[c.topic, c.segment].move)]]
\* in place of IsSpare: a node is removed whatever is on its disk.
AnySpare(state, n) == TRUE
\* in place of Released, MayDrop: a copy is dropped by what a node knew before it was begun.
ReleasedAsKnown(n, s, index) == Gone(StateAt(log, index), s) \/ Stray(StateAt(log, index), n, s)
\* in place of Fits: a cursor goes where the command says, wherever it stands.
FitsAnyCursor(state, c) ==
  IF c.kind = "AdvanceCursor" THEN c.topic \in state.topics ELSE Walrus!Fits(state, c)
\* in place of Fits, ApplyTo: a seal is for the segment that is open when it comes, not for the one it names.
ForOpen(state, c) ==
  IF c.kind # "SealSegment" THEN c
  ELSE LET last == Longest({i \in SegmentIds : state.segments[c.topic, i].state # "none"}) IN
       [c EXCEPT !.segment = last, !.epoch = state.segments[c.topic, last].epoch]
FitsOpen(state, c) == Walrus!Fits(state, ForOpen(state, c))
ApplyToOpen(state, index, c) == Walrus!ApplyTo(state, index, ForOpen(state, c))
\* in place of Fits: a fence for any epoch of the segment.
FitsAnyFence(state, c) ==
  IF c.kind = "FenceSegment"
  THEN Walrus!Fits(state, [c EXCEPT !.expectedEpoch = state.segments[c.topic, c.segment].epoch])
  ELSE Walrus!Fits(state, c)
\* in place of Counts: a replica is a node, whichever its disk.
CountsAnyDisk(g, m, inc) == m \in DOMAIN g.replicas
\* in place of Believes: what a disk says of itself is believed.
BelievesAnyone(n, x) == TRUE
\* in place of Believes: the one who asks never heard of that disk before.
BelievesUntold(n, x) == ~x.lapsed \/ n \in Recoverers
\* in place of Asked: whoever sees the cursor move answers.
AskedBySomebody(n, p) == TRUE
\* in place of KnownEnd: what the owner has written may be read.
WrittenTopicEnd(n, t) ==
  LET last == Longest({i \in SegmentIds : Grant(n, <<t, i>>).state # "none"}) IN
  Grant(n, <<t, last>>).base + End(n, <<t, last>>)
\* in place of NewTopic: a topic is what has its name.
NewTopicByName(state, name) == CHOOSE i \in 1 .. Cardinality(Names) : Creations(Names, First)[i].command.name = name
\* in place of Fits: a topic is trimmed up to wherever it has records.
FitsAnyTrim(state, c) ==
  IF c.kind # "TrimTopic" THEN Walrus!Fits(state, c)
  ELSE c.topic \in state.topics /\ state.starts[c.topic] = c.expectedStart /\ c.expectedStart < c.start
\* in place of Fits, ApplyTo: a trim is for the topic that has the name now.
ForName(state, c) ==
  IF c.kind = "TrimTopic" /\ state.topics # {} THEN [c EXCEPT !.topic = Longest(state.topics)] ELSE c
FitsByName(state, c) == Walrus!Fits(state, ForName(state, c))
ApplyByName(state, index, c) == Walrus!ApplyTo(state, index, ForName(state, c))
\* in place of Released: what is gone is forgotten at once.
ReleasedAtOnce(n, s, index) == Gone(view[n], s)
\* in place of Serves: a replica takes whatever it did not promise not to take.
ServesAll(m, s) == TRUE
\* in place of IsNew: a request that comes twice is done twice.
Repeatable(r) == TRUE

--------------------------------------------------------------------------------
(* That a model is not empty: each of these is reported when it is first true. They hold of some state, not of all.
   Needs one worker. *)

Says(i, name, holds) == (TLCGet(i) = 0 /\ holds) => TLCSet(i, 1) /\ PrintT(<<"reached", name>>)
ASSUME \A i \in 1 .. 26 : TLCSet(i, 0)

SealedWith(s, k) == meta.segments[s].state = "sealed" /\ meta.segments[s].count = k
Reached ==
  /\ Says(1, "acknowledged", acked # {})
  /\ Says(2, "sealed", \E s \in Segments : meta.segments[s].state = "sealed" /\ meta.segments[s].count > 0)
  /\ Says(3, "recovered", \E s \in Segments : \E n \in Nodes : meta.segments[s].state = "sealed"
                            /\ ~\E w \in writers[s] : w[1] = meta.segments[s].epoch)
  /\ Says(4, "cut", \E s \in Segments : meta.segments[s].state = "sealed" /\ Len(assigned[s]) > meta.segments[s].count)
  /\ Says(5, "kept although unacknowledged", \E s \in Segments : meta.segments[s].state = "sealed"
               /\ Cardinality({a \in acked : a.segment = s}) < meta.segments[s].count)
  /\ Says(6, "deposed and unaware", \E n \in Nodes, s \in Segments : Owns(n, s) /\ meta.segments[s].epoch # Grant(n, s).epoch)
  /\ Says(7, "two recoverers", \E m, n \in Nodes, s \in Segments : m # n /\ Recovers(m, s) /\ Recovers(n, s))
  /\ Says(8, "records beyond the seal", \E n \in Nodes, s \in Segments :
               meta.segments[s].state = "sealed" /\ Len(records[n][s]) > meta.segments[s].count)
  /\ Says(9, "lost records at a crash", \E n \in Nodes, s \in Segments : boot[n] > 1 /\ incarnation[n] = 1
               /\ Len(records[n][s]) < Len(assigned[s]))
  /\ Says(10, "restarted owner", \E n \in Nodes, s \in Segments :
               up[n] /\ Grant(n, s).state = "open" /\ Grant(n, s).owner = n /\ Grant(n, s).boot < boot[n])
  /\ Says(11, "replaced disk", \E n \in Nodes : up[n] /\ incarnation[n] > 1)
  /\ Says(12, "restored replica", \E n \in Nodes, s \in Segments : n \in DOMAIN meta.segments[s].replicas
               /\ incarnation[n] > 1 /\ meta.segments[s].replicas[n] = incarnation[n] /\ assigned[s] # <<>>)
  /\ Says(13, "delivered", \E t \in Topics, g \in Groups : delivered[t][g] # <<>>)
  /\ Says(14, "writes in the next segment", \E s \in Segments : s[2] > 1 /\ assigned[s] # <<>>)
  /\ Says(15, "lost what it said it had", \E n \in Nodes, s \in Segments : up[n] /\ lapsed[n] /\ records[n][s] = <<>>
               /\ \E x \in messages : x.type = "ReplicateAck" /\ x.sender = n /\ x.segment = s /\ x.durableEnd > 0)
  /\ Says(16, "broke a promise and is not believed", \E n \in Nodes, s \in Segments : up[n] /\ lapsed[n]
               /\ \E x \in messages : x.type = "Promise" /\ x.sender = n /\ x.segment = s /\ x.epoch > promised[n][s])
  /\ Says(17, "deleted", meta.created > Cardinality(meta.topics))
  /\ Says(18, "made again", \E s \in Segments : s[1] > Cardinality(Names) /\ assigned[s] # <<>>)
  /\ Says(19, "owns what is deleted", \E n \in Nodes, s \in Segments : Owns(n, s) /\ Gone(meta, s) /\ meta.topics # {})
  /\ Says(20, "released", \E n \in Nodes, s \in Segments : boot[n] > 1 /\ Gone(view[n], s) /\ incarnation[n] = 1
               /\ promised[n][s] = 0 /\ \E x \in messages : x.type \in {"ReplicateAck", "Promise"} /\ x.sender = n /\ x.segment = s)
  /\ Says(21, "trimmed", \E t \in Topics : meta.starts[t] > 0)
  /\ Says(22, "moved up", \E t \in Topics, g \in Groups :
               meta.cursors[t][g] > 0 /\ ~\E i \in DOMAIN log : log[i].command.kind = "AdvanceCursor")
  /\ Says(23, "moved", \E s \in Segments : IsKept(meta, s) /\ DOMAIN meta.segments[s].replicas # Holders)
  /\ Says(24, "dropped", \E n \in Nodes, s \in Segments : IsKept(meta, s) /\ n \in Holders /\ Stray(view[n], n, s)
               /\ incarnation[n] = 1 /\ boot[n] = 1 /\ records[n][s] = <<>>)
  /\ Says(25, "gone back to before a move", \E n \in Nodes, s \in Segments : IsKept(meta, s) /\ Stray(view[n], n, s)
               /\ n \in DOMAIN meta.segments[s].replicas)
  /\ Says(26, "removed", \E n \in Nodes : meta.nodes[n].standing = "gone")
================================================================================
