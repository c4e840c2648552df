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

   Bounds: the sizes of Nodes, Topics, SegmentIds, Records, and the constants below. *)
EXTENDS DistributedLog, TLC

CONSTANTS
  First,            \* the node that owns segment 1
  MaxCommits,       \* commands beyond the initial ones
  MaxCrashes,       \* in all
  MaxReplacements,  \* disks lost, in all
  MaxCount,         \* records in a segment
  Features          \* of "fence", "restore", "read", "move", "lease", "forget": what else may happen

ASSUME Features \subseteq {"fence", "restore", "read", "move", "lease", "forget"}

Has(feature) == feature \in Features
Symmetry == Permutations(Nodes \ {First})

Registration(n, b, i) ==
  [origin |-> Nobody, command |-> [kind |-> "RegisterNode", node |-> n, boot |-> b, incarnation |-> i]]
Creation(t, owner) ==
  [origin |-> Nobody, command |-> [kind |-> "CreateTopic", topic |-> t, owner |-> owner, replicas |-> Nodes]]

\* All nodes have registered, in any order, and one of them owns segment 1 of each topic.
RECURSIVE Creations(_, _)
Creations(ts, owner) ==
  IF ts = {} THEN <<>> ELSE LET t == CHOOSE t \in ts : TRUE IN <<Creation(t, owner)>> \o Creations(ts \ {t}, owner)
MCInitialLogs ==
  {[i \in 1 .. Cardinality(Nodes) |-> Registration(order[i], 1, 1)] \o Creations(Topics, First) :
     order \in {f \in [1 .. Cardinality(Nodes) -> Nodes] :
                  f[1] = First /\ \A i, j \in DOMAIN f : i # j => f[i] # f[j]}}
InitialLength == Cardinality(Nodes) + Cardinality(Topics)

--------------------------------------------------------------------------------
(* What is sent as soon as it may be *)

Others(n, s) == DOMAIN Grant(n, s).replicas \ {n}

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
  IF up[m] /\ durablePromise[m][s] > 0 /\ DurablyPromised(m, s, promised[m][s])
  THEN LET epoch == promised[m][s]
           ofEpoch == {w \in Nodes \ {m} : Grant(w, s).epoch = epoch /\ Writes(w, s)} IN
       {ReplicateAckMessage(m, s, epoch, w) : w \in ofEpoch}
       \cup {PromiseMessage(m, s, epoch, w) : w \in {w \in ofEpoch : Recovers(w, s)}}
  ELSE {}

\* Copies, asked for and given at once.
Copies(n, s) ==
  LET sources ==
        IF Grant(n, s).state = "sealed"
        THEN {m \in Others(n, s) : Has("restore") /\ up[n] /\ End(n, s) < Grant(n, s).count}
        ELSE IF Recovers(n, s) THEN {m \in Others(n, s) : promises[n][s][m] > End(n, s)} ELSE {}
      given == {m \in sources :
                  /\ up[m] /\ End(m, s) > End(n, s)
                  /\ IF Recovers(n, s) THEN promised[m][s] = Grant(n, s).epoch ELSE Grant(m, s).state = "sealed"}
  IN {CopyRequestMessage(n, s, m) : m \in sources}
     \cup {CopyMessage(m, CopyRequestMessage(n, s, m), End(m, s) - End(n, s)) : m \in given}

Outbox ==
  UNION {Stretches(n, s) \cup PromiseRequests(n, s) \cup Answers(n, s) \cup Copies(n, s) :
           n \in Nodes, s \in {s \in Segments : meta.segments[s].state # "none"}}

Seals(n, s) ==
  IF (IF Grant(n, s).state = "open" THEN stopped[n][s] ELSE Recovers(n, s)) /\ s[2] + 1 \in SegmentIds
  THEN [kind : {"SealSegment"}, topic : {s[1]}, segment : {s[2]}, epoch : {Grant(n, s).epoch},
        count : IF Owns(n, s) THEN {End(n, s)} ELSE RecoveredCounts(n, s), nextOwner : Nodes, nextReplicas : {Nodes}]
  ELSE {}

Fences(n, s) ==
  IF Has("fence") /\ Grant(n, s).state \in {"open", "fenced"} /\ s[2] + 1 \in SegmentIds
  THEN [kind : {"FenceSegment"}, topic : {s[1]}, segment : {s[2]}, expectedEpoch : {Grant(n, s).epoch}, recoverer : Nodes]
  ELSE {}

Restorations(n, s) ==
  IF Has("restore") /\ Grant(n, s).state = "sealed" /\ Grant(n, s).replicas[n] # incarnation[n]
  THEN [kind : {"RestoreReplica"}, topic : {s[1]}, segment : {s[2]}, node : {n}, incarnation : {incarnation[n]}]
  ELSE {}

Moves(n, t, g) ==
  IF Has("move") /\ view[n].cursors[t][g] < KnownEnd(n, t)
  THEN [kind : {"AdvanceCursor"}, topic : {t}, group : {g}, expected : {view[n].cursors[t][g]},
        next : {view[n].cursors[t][g] + 1}]
  ELSE {}

Registrations(n) ==
  IF view[n].nodes[n] = [boot |-> boot[n], incarnation |-> incarnation[n]] THEN {}
  ELSE [kind : {"RegisterNode"}, node : {n}, boot : {boot[n]}, incarnation : {incarnation[n]}]

CommandsOf(n) ==
  Registrations(n)
  \cup UNION {Seals(n, s) \cup Fences(n, s) \cup Restorations(n, s) : s \in Segments}
  \cup UNION {Moves(n, t, g) : t \in Topics, g \in Groups}

Proposable ==
  UNION {{[origin |-> [node |-> n, boot |-> boot[n], sequence |-> 0], command |-> c] :
            c \in {c \in CommandsOf(n) : MayPropose(n, c)}} : n \in {n \in Nodes : up[n]}}

Sending == messages' = messages \cup Outbox' /\ proposals' = proposals \cup Proposable'

--------------------------------------------------------------------------------
(* The actions, bounded *)

NextRecord == CHOOSE r \in Records \ appended : \A q \in Records \ appended : r <= q
RECURSIVE Sum(_, _)
Sum(f, S) == IF S = {} THEN 0 ELSE LET x == CHOOSE x \in S : TRUE IN f[x] + Sum(f, S \ {x})
Crashes == Sum(boot, Nodes) - Cardinality(Nodes) + Cardinality({n \in Nodes : ~up[n]})
Replacements == Sum(incarnation, Nodes) - Cardinality(Nodes)

MCCommitCommand ==
  /\ Len(log) < InitialLength + MaxCommits
  /\ \E p \in proposals : Fits(meta, p.command) /\ CommitCommand(p) /\ meta' # meta /\ Sending
MCApplyCommand == \E n \in Nodes : ApplyCommand(n) /\ Sending
MCRestoreMetadata == Has("forget") /\ \E n \in Nodes : RestoreMetadata(n, Len(log)) /\ Sending
MCRenewLease  == \E n \in Nodes : ~lease[n] /\ RenewLease(n) /\ Sending
MCExpireLease == Has("lease") /\ \E n \in Nodes : lease[n] /\ ExpireLease(n) /\ Sending
MCAppendRecord ==
  /\ Records \ appended # {}
  /\ \E n \in Nodes, s \in Segments : Len(records[n][s]) < MaxCount /\ AppendRecord(n, s, NextRecord) /\ Sending
MCSyncCompleted ==
  \E n \in Nodes :
    /\ \E s \in Segments : durable[n][s] < Len(records[n][s]) \/ durablePromise[n][s] < promised[n][s]
    /\ SyncCompleted(n, [s \in Segments |-> [end |-> Len(records[n][s]), promised |-> promised[n][s]]])
    /\ Sending
MCHandleReplicate    == \E x \in messages : x.type = "Replicate" /\ HandleReplicate(x.to, x) /\ disk' # disk /\ Sending
MCHandleReplicateAck ==
  \E x \in messages : x.type = "ReplicateAck" /\ HandleReplicateAck(x.to, x) /\ reported' # reported /\ Sending
MCAdvanceHighWatermark == \E n \in Nodes, s \in Segments : AdvanceHighWatermark(n, s) /\ Sending
MCStopAppending ==
  \E n \in Nodes, s \in Segments : s[2] + 1 \in SegmentIds /\ End(n, s) > 0 /\ StopAppending(n, s) /\ Sending
MCHandlePromiseRequest ==
  \/ \E x \in messages : /\ x.type = "PromiseRequest"
                         /\ HandlePromiseRequest(x.to, x.segment, x.epoch, x.sender) /\ disk' # disk /\ Sending
  \/ \E n \in Nodes, s \in Segments : HandlePromiseRequest(n, s, Grant(n, s).epoch, n) /\ disk' # disk /\ Sending
MCHandlePromise ==
  \/ \E x \in messages : /\ x.type = "Promise"
                         /\ HandlePromise(x.to, x.segment, x.epoch, x.sender, x.durableEnd)
                         /\ promises' # promises /\ Sending
  \/ \E n \in Nodes, s \in Segments : /\ promises[n][s][n] = -1
                                      /\ HandlePromise(n, s, Grant(n, s).epoch, n, DurableEnd(n, s)) /\ Sending
MCHandleCopy == \E x \in messages : x.type = "Copy" /\ HandleCopy(x.to, x) /\ disk' # disk /\ Sending
MCDeliverRecord ==
  \E n \in Nodes : \E a \in pending[n] : DeliverRecord(n, a.topic, a.group, a.offset) /\ Sending
MCCrash == Crashes < MaxCrashes /\ \E n \in Nodes : Crash(n) /\ Sending
\* All survives, or only what had to; without "forget", the metadata as it was known.
MCRestart ==
  \E n \in Nodes :
    \E kept \in {[s \in Segments |-> [end |-> Len(records[n][s]), promised |-> promised[n][s]]],
                 [s \in Segments |-> [end |-> DurableEnd(n, s), promised |-> durablePromise[n][s]]]} :
      \E index \in (IF Has("forget") THEN Min(InitialLength, applied[n]) .. applied[n] ELSE {applied[n]}) :
        Restart(n, kept, index) /\ Sending
MCReplaceDisk == Replacements < MaxReplacements /\ \E n \in Nodes : ReplaceDisk(n) /\ Sending

MCNext ==
  \/ MCCommitCommand \/ MCApplyCommand \/ MCRestoreMetadata
  \/ MCRenewLease \/ MCExpireLease
  \/ MCAppendRecord \/ MCSyncCompleted \/ MCHandleReplicate \/ MCHandleReplicateAck
  \/ MCAdvanceHighWatermark \/ MCStopAppending
  \/ MCHandlePromiseRequest \/ MCHandlePromise \/ MCHandleCopy
  \/ MCDeliverRecord
  \/ MCCrash \/ MCRestart \/ MCReplaceDisk

MCInit == Init /\ lease = [n \in Nodes |-> FALSE]
MCSpec == Init /\ [][MCNext]_vars
================================================================================
