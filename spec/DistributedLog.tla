----------------------------- MODULE DistributedLog -----------------------------
(* The data plane of Walrus, as the code does it.

   A topic is a row of segments; all but the last are sealed. The metadata says who owns a segment. It is one
   committed log of commands (MetadataRaft is how that comes about), which each node applies late, at its own pace.
   Every command names what it expects to find, and changes nothing if it finds something else.

   Writing. The owner of the open segment alone decides which record comes next in it. It writes the record down,
   sends it to the other replicas, and counts who has it durably. What a majority of the replicas has is below the
   high watermark: then, and not before, the client is told OK. So every replica holds a prefix of one sequence.

   Rollover. The owner stops appending, waits until all that it appended is below the high watermark, and proposes to
   seal the segment at that count. The same command opens the next segment.

   Failover. Anybody may propose, rightly or wrongly, to fence a segment: that gives it a new epoch and a recoverer.
   The recoverer asks the replicas to promise the new epoch, durably: whoever promised takes nothing of lower epochs
   any more. Of a majority that promised, the longest has all that was ever acknowledged. When a majority holds that
   much durably, the recoverer proposes to seal at that count. Replicas cut off what lies beyond.

   Deletion. A topic that is to be deleted ends with its current segment: the seal of that is the end of the topic, and
   frees its name. So whoever could still have acknowledged a record of it has stopped, or was fenced, before another
   topic can have the name; and what is late finds a number that is not given again.

   Trim. A topic forgets whole sealed segments at its front, and cursors that stand before what is left move up to it. Offsets stay what
   they were. Who asks for it names where the topic began, and where it is to begin. That is a person, or the owner, if the topic's
   policy says so. What a policy says is not said here: it may be anything, and only that it is changed by compare-and-set is.

   Moves. A copy of a sealed segment may be made on another node, in the place of one that is lost. While it is made it is
   not one of the replicas. It becomes one, and the other one ceases to be, when its node says that it is whole and durable.
   A copy that is not listed any more may be dropped, once no restart takes its node back to before that.

   A grant names one life of one process (its boot) and one life of each disk (its incarnation): a restarted owner
   is owner no more, and an empty disk under an old name has no voice.

   Leases only stop a cut-off owner early. They are free to be wrong here: nothing rests on them.

   The network loses, repeats and reorders: a message once sent stays in `messages` and may be taken any number of
   times, or never. So does a proposal on its way to the metadata log. A crash loses what was written and not
   synced, or a part of it. A disk may be lost whole. Or it loses an end of what it had durably, and has spoken of:
   it is the same disk, and does not know it. But those it spoke to do. They believe nothing that it says from then on,
   and it comes back as an empty one.

   Each action has the name of its event in impl/core/trace.ts, and the same arguments. Read `Next` first. *)
EXTENDS Integers, Sequences, FiniteSets

CONSTANTS
  Nodes,
  Names,            \* of topics
  Topics,           \* 1 .. n: numbers of topics, in the order of their creation. No number is given again
  Groups,
  SegmentIds,       \* 1 .. n: numbers that segments may have
  Records,          \* every request to append has its own
  InitialLogs,      \* what the metadata log may start with, applied by everybody; {<<>>} for a new cluster
  None              \* no node

Segment(t, i) == <<t, i>>
Segments == Topics \X SegmentIds
TopicOf(s) == s[1]
PerSegment(value) == [s \in Segments |-> value]

VARIABLES
  (* The metadata *)
  log,             \* the committed commands; "noop" where Raft has an entry of its own
  meta,            \* the state that all of `log` leads to; nobody knows it, `view` is what nodes know
  applied,         \* applied[n]: so much of `log` has node n applied
  view,            \* view[n]: the state that this leads to
  kept,            \* kept[n]: no restart takes it back to before so much
  (* Lives *)
  up,              \* up[n]: the process runs
  boot,            \* boot[n]: the number of its life
  lease,           \* lease[n]: the node believes that it may write
  (* What is on the disk of a node *)
  incarnation,     \* incarnation[n]: the number of the life of its disk
  lapsed,          \* lapsed[n]: it may have less than it said it had
  records,         \* records[n][s]: what it has written of segment s. See `End`
  durable,         \* durable[n][s]: so many of them survive a crash
  promised,        \* promised[n][s]: it takes nothing from lower epochs
  durablePromise,  \* durablePromise[n][s]: nor will it after a crash
  (* What a process has in memory *)
  watermark,       \* watermark[n][s]: so many records it knows to be safe
  stopped,         \* stopped[n][s]: as owner, it appends no more
  reported,        \* reported[n][s][m]: as writer, it knows m to have so many durably; -1 if m said nothing
  promises,        \* promises[n][s][m]: as recoverer, it has m's promise, with so many durable records; -1: it has not
  pending,         \* pending[n]: what it may deliver, because it moved the cursor
  (* In flight *)
  messages,        \* between nodes
  proposals,       \* to the metadata log
  (* What nobody has, for the invariants *)
  assigned,        \* assigned[s]: the one sequence of segment s
  writers,         \* writers[s]: the lives that appended to it, with their epochs
  appended,        \* the records that were ever appended
  acked,           \* what was acknowledged, or could have been: below the high watermark of an owner
  delivered        \* delivered[t][g]: offsets that GET answered with, in that order

metadata  == <<log, meta>>
knowledge == <<applied, view, kept>>
lives     == <<up, boot, lease>>
identity  == <<incarnation, lapsed>>
disk      == <<identity, records, durable, promised, durablePromise>>
writing   == <<watermark, stopped, reported, promises>>
network   == <<messages, proposals>>
history   == <<assigned, writers, appended, acked>>
reading   == <<pending, delivered>>
vars == <<metadata, knowledge, lives, disk, writing, network, history, reading>>

\* What only grows is a set. A trace, which has an order, puts other things in its place (TraceDistributedLog).
NoMessages == {}
InFlight == messages
Puts(m) == messages' = messages \cup {m}

NoProposals == {}
IsProposed(p) == p \in proposals
Proposes(p) == proposals' = proposals \cup {p}

NoneAppended == {}
Appends(r) == appended' = appended \cup {r}

NoneAcked == {}
AckedIn(s) == {a \in acked : a.segment = s}
Acks(s, new) == acked' = acked \cup new

Min(a, b) == IF a < b THEN a ELSE b
Max(a, b) == IF a < b THEN b ELSE a
Longest(S) == CHOOSE x \in S : \A y \in S : y <= x
IsMajority(Q, S) == 2 * Cardinality(Q) > Cardinality(S)

--------------------------------------------------------------------------------
(* The metadata as a state machine *)

NoMove == [from |-> None, to |-> None, incarnation |-> 0, epoch |-> 0]
NoSegment == [state |-> "none", epoch |-> 0, owner |-> None, boot |-> 0,
              replicas |-> <<>>, move |-> NoMove, base |-> 0, count |-> 0]

NoMetadata ==
  [nodes    |-> [n \in Nodes |-> [boot |-> 0, incarnation |-> 0, standing |-> "active"]],
   topics   |-> {},
   names    |-> [x \in Names |-> 0],
   created  |-> 0,
   born     |-> [t \in Topics |-> 0],
   deleting |-> {},
   starts   |-> [t \in Topics |-> 0],
   policies |-> [t \in Topics |-> 0],
   segments |-> PerSegment(NoSegment),
   cursors  |-> [t \in Topics |-> [g \in Groups |-> 0]]]

\* A segment granted at `index`: to the owner's life and the replicas' disks that registered last.
Opened(state, index, owner, replicas, base) ==
  [state |-> "open", epoch |-> index, owner |-> owner, boot |-> state.nodes[owner].boot,
   replicas |-> [m \in replicas |-> state.nodes[m].incarnation], move |-> NoMove, base |-> base, count |-> 0]

Registered(state, n) == state.nodes[n].boot > 0 /\ state.nodes[n].standing # "gone"

\* Is that the disk that n registered last, and was it not removed?
IsPresent(state, n, inc) == Registered(state, n) /\ state.nodes[n].incarnation = inc

\* Has its topic forgotten the segment?
Trimmed(state, s) ==
  state.segments[s].state = "sealed" /\ state.segments[s].base + state.segments[s].count <= state.starts[TopicOf(s)]

\* Are at least half of the copies of everything that has one on n's disk on others that are present? Then one of these is in
\* every majority, and has a part in all that was ever acknowledged.
IsSpare(state, n) ==
  \A s \in Segments : LET g == state.segments[s] IN
    /\ TopicOf(s) \in state.topics
    /\ g.state # "none" /\ ~(g.state = "sealed" /\ g.count = 0) /\ ~Trimmed(state, s)
    /\ n \in DOMAIN g.replicas /\ g.replicas[n] = state.nodes[n].incarnation
    => 2 * Cardinality({m \in (DOMAIN g.replicas) \ {n} : IsPresent(state, m, g.replicas[m])}) >= Cardinality(DOMAIN g.replicas)

\* What the next topic is called by, for ever: not by its name.
NewTopic(state, name) == state.created + 1

\* Does a segment of the topic begin at this offset? Then all before it are sealed, and end there.
IsBase(state, t, offset) ==
  \E i \in SegmentIds : LET g == state.segments[Segment(t, i)] IN g.state # "none" /\ g.base = offset

\* Is it sealed, with records, in a topic that is not deleted?
IsKept(state, s) == TopicOf(s) \in state.topics /\ state.segments[s].state = "sealed" /\ state.segments[s].count > 0 /\ ~Trimmed(state, s)

\* Does the command find what it expects?
Fits(state, c) ==
  CASE c.kind = "RegisterNode" ->  \* but for a disk that was removed
         state.nodes[c.node].standing = "gone" => state.nodes[c.node].incarnation # c.incarnation
    [] c.kind = "DrainNode" ->
         /\ IsPresent(state, c.node, c.incarnation)
         /\ state.nodes[c.node].standing # (IF c.isDraining THEN "draining" ELSE "active")
         /\ c.isDraining => \E m \in Nodes \ {c.node} : Registered(state, m) /\ state.nodes[m].standing = "active"
    [] c.kind = "RemoveNode" -> IsPresent(state, c.node, c.incarnation) /\ IsSpare(state, c.node)
    [] c.kind = "CreateTopic" -> state.names[c.name] = 0 /\ \A m \in c.replicas : Registered(state, m)
    [] c.kind = "SealSegment" ->
         LET g == state.segments[Segment(c.topic, c.segment)] IN
         /\ g.state \in {"open", "fenced"} /\ g.epoch = c.epoch
         /\ c.topic \in state.deleting \/ \A m \in c.nextReplicas : Registered(state, m)
    [] c.kind = "FenceSegment" ->
         LET g == state.segments[Segment(c.topic, c.segment)] IN
         g.state \in {"open", "fenced"} /\ g.epoch = c.expectedEpoch /\ Registered(state, c.recoverer)
    [] c.kind = "AdvanceCursor" -> c.topic \in state.topics /\ state.cursors[c.topic][c.group] = c.expected
    [] c.kind = "RestoreReplica" ->
         LET g == state.segments[Segment(c.topic, c.segment)] IN
         \* A late one names a disk that has been replaced since, or a segment of which nothing is kept any more.
         /\ IsKept(state, Segment(c.topic, c.segment))
         /\ c.node \in DOMAIN g.replicas /\ IsPresent(state, c.node, c.incarnation)
    [] c.kind = "BeginMove" ->
         LET g == state.segments[Segment(c.topic, c.segment)] IN
         /\ IsKept(state, Segment(c.topic, c.segment)) /\ g.move = NoMove
         /\ c.from \in DOMAIN g.replicas /\ c.to \notin DOMAIN g.replicas /\ Registered(state, c.to)
    [] c.kind = "MoveReplica" ->
         LET g == state.segments[Segment(c.topic, c.segment)] IN
         /\ IsKept(state, Segment(c.topic, c.segment)) /\ g.move # NoMove /\ g.move.epoch = c.epoch
         /\ IsPresent(state, g.move.to, g.move.incarnation)
    [] c.kind = "CancelMove" ->
         LET g == state.segments[Segment(c.topic, c.segment)] IN
         IsKept(state, Segment(c.topic, c.segment)) /\ g.move # NoMove /\ g.move.epoch = c.epoch
    [] c.kind = "DeleteTopic" -> c.topic \in state.topics \ state.deleting
    [] c.kind = "TrimTopic" ->
         /\ c.topic \in state.topics
         /\ state.starts[c.topic] = c.expectedStart /\ c.expectedStart < c.start
         /\ IsBase(state, c.topic, c.start)
    [] c.kind = "SetTopicPolicy" -> c.topic \in state.topics /\ state.policies[c.topic] = c.expected
    [] c.kind = "Noop" -> FALSE

\* The topic is no more, and its name is free. Its segments and cursors are as they were, here; nobody keeps them.
Without(state, t) ==
  [state EXCEPT !.topics = @ \ {t}, !.deleting = @ \ {t},
                !.names = [x \in Names |-> IF @[x] = t THEN 0 ELSE @[x]]]

\* The replicas with the new copy in the place of the old one.
Moved(replicas, move) ==
  [m \in (DOMAIN replicas \ {move.from}) \cup {move.to} |-> IF m = move.to THEN move.incarnation ELSE replicas[m]]

\* The state after the command that the log has at `index`.
ApplyTo(state, index, c) ==
  IF ~Fits(state, c) THEN state ELSE
  CASE c.kind = "RegisterNode" ->
         [state EXCEPT !.nodes[c.node] =
            [boot |-> c.boot, incarnation |-> c.incarnation,
             standing |-> IF @.incarnation = c.incarnation THEN @.standing ELSE "active"]]
    [] c.kind = "DrainNode" ->
         [state EXCEPT !.nodes[c.node].standing = IF c.isDraining THEN "draining" ELSE "active"]
    [] c.kind = "RemoveNode" ->
         [state EXCEPT !.nodes[c.node].standing = "gone"]
    [] c.kind = "CreateTopic" ->
         LET t == NewTopic(state, c.name) IN
         [state EXCEPT !.topics = @ \cup {t},
                       !.names[c.name] = t,
                       !.created = t,
                       !.born[t] = index,
                       !.policies[t] = index,
                       !.segments[Segment(t, 1)] = Opened(state, index, c.owner, c.replicas, 0)]
    [] c.kind = "SealSegment" ->
         LET g == state.segments[Segment(c.topic, c.segment)]
             sealed == [state EXCEPT !.segments[Segment(c.topic, c.segment)] =
                          [g EXCEPT !.state = "sealed", !.count = c.count]]
         IN IF c.topic \in state.deleting THEN Without(sealed, c.topic)
            ELSE [sealed EXCEPT !.segments[Segment(c.topic, c.segment + 1)] =
                    Opened(state, index, c.nextOwner, c.nextReplicas, g.base + c.count)]
    [] c.kind = "FenceSegment" ->
         [state EXCEPT !.segments[Segment(c.topic, c.segment)] =
            [@ EXCEPT !.state = "fenced", !.epoch = index,
                      !.owner = c.recoverer, !.boot = state.nodes[c.recoverer].boot]]
    [] c.kind = "AdvanceCursor" -> [state EXCEPT !.cursors[c.topic][c.group] = c.next]
    [] c.kind = "RestoreReplica" ->
         [state EXCEPT !.segments[Segment(c.topic, c.segment)].replicas[c.node] = c.incarnation]
    [] c.kind = "BeginMove" ->
         [state EXCEPT !.segments[Segment(c.topic, c.segment)].move =
            [from |-> c.from, to |-> c.to, incarnation |-> state.nodes[c.to].incarnation, epoch |-> index]]
    [] c.kind = "MoveReplica" ->
         [state EXCEPT !.segments[Segment(c.topic, c.segment)] = [@ EXCEPT !.replicas = Moved(@, state.segments[Segment(c.topic, c.segment)].move),
                                                                          !.move = NoMove]]
    [] c.kind = "CancelMove" -> [state EXCEPT !.segments[Segment(c.topic, c.segment)].move = NoMove]
    [] c.kind = "DeleteTopic" -> [state EXCEPT !.deleting = @ \cup {c.topic}]
    [] c.kind = "TrimTopic" ->
         [state EXCEPT !.starts[c.topic] = c.start,
                       !.cursors[c.topic] = [g \in Groups |-> Max(@[g], c.start)]]
    [] c.kind = "SetTopicPolicy" -> [state EXCEPT !.policies[c.topic] = index]

Nobody == [node |-> None, boot |-> 0, sequence |-> 0]
Noop == [origin |-> Nobody, command |-> [kind |-> "Noop"]]

\* The state that the first `index` commands of a log lead to.
RECURSIVE StateAt(_, _)
StateAt(commands, index) ==
  IF index = 0 THEN NoMetadata
  ELSE ApplyTo(StateAt(commands, index - 1), index, commands[index].command)

--------------------------------------------------------------------------------
(* What a node knows *)

Grant(n, s) == view[n].segments[s]

\* Is the segment over, and nothing of it kept: because it ended without a record, was trimmed, or because its topic was deleted?
Gone(state, s) ==
  \/ TopicOf(s) <= state.created /\ TopicOf(s) \notin state.topics
  \/ state.segments[s].state = "sealed" /\ state.segments[s].count = 0
  \/ Trimmed(state, s)

\* Is what n has of the segment neither one of its copies nor one that is being made?
Stray(state, n, s) ==
  LET g == state.segments[s] IN g.state = "sealed" /\ n \notin DOMAIN g.replicas /\ g.move.to # n

\* Is a copy to be made on the disk that n has?
IsMovedTo(n, g) == g.move.to = n /\ g.move.incarnation = incarnation[n]

\* A grant is for one life of a process, so a restarted owner does not resume its epoch.
GrantedTo(n, g) == g.owner = n /\ g.boot = boot[n]

Owns(n, s)     == up[n] /\ Grant(n, s).state = "open"   /\ GrantedTo(n, Grant(n, s))
Recovers(n, s) == up[n] /\ Grant(n, s).state = "fenced" /\ GrantedTo(n, Grant(n, s))
Writes(n, s)   == Owns(n, s) \/ Recovers(n, s)

\* Does this life of m's disk count in the quorums of the segment? An empty disk under an old name does not.
Counts(g, m, inc) == m \in DOMAIN g.replicas /\ g.replicas[m] = inc

\* A node that knows the segment to be sealed has cut off what lies beyond, unless its topic is gone: then all of it will go. Said so, and not by changing `records`, it
\* is also right about a node that crashes, forgets that it knew, and finds the records uncut.
IsCut(n, s) == Grant(n, s).state = "sealed" /\ TopicOf(s) \in view[n].topics
Limit(n, s) == IF IsCut(n, s) THEN Grant(n, s).count ELSE Len(records[n][s])
End(n, s)        == Min(Len(records[n][s]), Limit(n, s))
DurableEnd(n, s) == Min(durable[n][s], Limit(n, s))

\* The records below `end`, and those of `new`, which begins at `from`, that come next and are within the segment.
Extended(n, s, from, new) ==
  LET end == End(n, s)
      most == IF IsCut(n, s) THEN Min(Grant(n, s).count, from + Len(new)) ELSE from + Len(new)
  IN IF from <= end /\ most > end
     THEN SubSeq(records[n][s], 1, end) \o SubSeq(new, end - from + 1, most - from)
     ELSE records[n][s]

\* Does n believe what a message says? Every message tells how far the disk of its sender reaches, so who ever heard of a disk
\* knows when it has less than it had.
Believes(n, x) == ~x.lapsed

\* How many records of the segment its writer n knows m to hold durably. Itself it counts like any other.
OwnEnd(n, s) == DurableEnd(n, s)
EndOf(n, s, m) ==
  IF m # n THEN reported[n][s][m]
  ELSE IF Owns(n, s) \/ promises[n][s][n] >= 0 THEN OwnEnd(n, s)
  ELSE -1

\* A majority of the replicas holds k records durably.
HeldByMajority(n, s, k) ==
  LET replicas == DOMAIN Grant(n, s).replicas IN IsMajority({m \in replicas : EndOf(n, s, m) >= k}, replicas)

\* Where a recoverer may seal: the longest end among a majority that promised, if a majority holds so much.
RecoveredCounts(n, s) ==
  LET replicas == DOMAIN Grant(n, s).replicas
      promisers == {m \in replicas : promises[n][s][m] >= 0}
      isLongest(k) == IsMajority({m \in promisers : promises[n][s][m] <= k}, replicas)
  IN {k \in {promises[n][s][m] : m \in promisers} : isLongest(k) /\ HeldByMajority(n, s, k)}

\* How many of its first records a majority of the replicas holds durably.
HeldEnd(n, s) == Longest({0} \cup {k \in 1 .. Len(records[n][s]) : HeldByMajority(n, s, k)})

KnownSegments(n, t) == {i \in SegmentIds : Grant(n, Segment(t, i)).state # "none"}

\* The offset before which n knows all records of the topic to be safe.
KnownEnd(n, t) ==
  LET ids == KnownSegments(n, t) IN
  IF ids = {} THEN 0
  ELSE LET s == Segment(t, Longest(ids)) IN Grant(n, s).base + watermark[n][s]

--------------------------------------------------------------------------------
(* Init *)

NoReports == [m \in Nodes |-> -1]

InitKnowledge ==
  /\ log \in InitialLogs
  /\ meta = StateAt(log, Len(log))
  /\ applied = [n \in Nodes |-> Len(log)]
  /\ view = [n \in Nodes |-> meta]

Init ==
  /\ InitKnowledge
  /\ kept = [n \in Nodes |-> 0]
  /\ up = [n \in Nodes |-> TRUE]
  /\ boot = [n \in Nodes |-> 1]
  /\ lease = [n \in Nodes |-> FALSE]
  /\ incarnation = [n \in Nodes |-> 1]
  /\ lapsed = [n \in Nodes |-> FALSE]
  /\ records = [n \in Nodes |-> PerSegment(<<>>)]
  /\ durable = [n \in Nodes |-> PerSegment(0)]
  /\ promised = [n \in Nodes |-> PerSegment(0)]
  /\ durablePromise = [n \in Nodes |-> PerSegment(0)]
  /\ watermark = [n \in Nodes |-> PerSegment(0)]
  /\ stopped = [n \in Nodes |-> PerSegment(FALSE)]
  /\ reported = [n \in Nodes |-> PerSegment(NoReports)]
  /\ promises = [n \in Nodes |-> PerSegment(NoReports)]
  /\ pending = [n \in Nodes |-> {}]
  /\ messages = NoMessages
  /\ proposals = NoProposals
  /\ assigned = PerSegment(<<>>)
  /\ writers = PerSegment({})
  /\ appended = NoneAppended
  /\ acked = NoneAcked
  /\ delivered = [t \in Topics |-> [g \in Groups |-> <<>>]]

--------------------------------------------------------------------------------
(* The metadata log *)

\* The copy that n makes is whole, and it is known by its epoch, both durably.
IsCopied(n, s) == durable[n][s] >= Grant(n, s).count /\ durablePromise[n][s] >= Grant(n, s).move.epoch

\* What node n, knowing what it knows, may ask of the metadata.
MayPropose(n, c) ==
  CASE c.kind = "RegisterNode" -> c.node = n /\ c.boot = boot[n] /\ c.incarnation = incarnation[n]
    [] c.kind = "CreateTopic" -> c.owner \in c.replicas
    [] c.kind = "SealSegment" ->
         LET s == Segment(c.topic, c.segment) IN
         /\ c.nextOwner \in c.nextReplicas
         /\ c.epoch = Grant(n, s).epoch
         /\ \/ Owns(n, s) /\ stopped[n][s] /\ c.count = End(n, s) /\ watermark[n][s] = c.count
            \/ Recovers(n, s) /\ c.count \in RecoveredCounts(n, s)
    [] c.kind = "FenceSegment" ->  \* a suspicion is enough, and it may be wrong
         LET g == Grant(n, Segment(c.topic, c.segment)) IN
         g.state \in {"open", "fenced"} /\ g.epoch = c.expectedEpoch /\ c.recoverer \in DOMAIN g.replicas
    [] c.kind = "AdvanceCursor" -> c.expected < c.next /\ c.next <= KnownEnd(n, c.topic)
    [] c.kind = "RestoreReplica" ->
         LET s == Segment(c.topic, c.segment) IN
         /\ c.node = n /\ c.incarnation = incarnation[n]
         /\ Grant(n, s).state = "sealed" /\ n \in DOMAIN Grant(n, s).replicas
         /\ durable[n][s] >= Grant(n, s).count
    [] c.kind \in {"DrainNode", "RemoveNode"} -> TRUE  \* whatever a person asks for
    [] c.kind = "BeginMove" -> IsKept(view[n], Segment(c.topic, c.segment))  \* whoever seems lost, and whoever seems fit
    [] c.kind = "MoveReplica" ->
         LET s == Segment(c.topic, c.segment) IN
         /\ Grant(n, s).move.epoch = c.epoch /\ IsMovedTo(n, Grant(n, s)) /\ IsCopied(n, s)
    [] c.kind = "CancelMove" ->
         LET s == Segment(c.topic, c.segment) IN Grant(n, s).move # NoMove /\ Grant(n, s).move.epoch = c.epoch
    [] c.kind = "DeleteTopic" -> c.topic \in view[n].topics
    [] c.kind = "TrimTopic" -> c.topic \in view[n].topics /\ c.expectedStart < c.start
    [] c.kind = "SetTopicPolicy" -> c.topic \in view[n].topics

\* Node n sends a proposal on its way to the Raft leader, who does not listen to every disk.
ProposeCommand(n, p) ==
  /\ up[n]
  /\ p.origin.node = n /\ p.origin.boot = boot[n]
  /\ MayPropose(n, p.command)
  /\ IF lapsed[n] THEN UNCHANGED proposals ELSE Proposes(p)
  /\ UNCHANGED <<metadata, knowledge, lives, disk, writing, messages, history, reading>>

\* Raft commits a proposal, late, twice or in another order; or an entry of its own.
CommitCommand(p) ==
  /\ p # Noop => IsProposed(p)
  /\ log' = Append(log, p)
  /\ meta' = ApplyTo(meta, Len(log) + 1, p.command)
  /\ UNCHANGED <<knowledge, lives, disk, writing, history, reading>>

\* What a node has in memory about a segment is about one grant, and ends with it.
Renewed(n, new, table, fresh) ==
  [table EXCEPT ![n] = [s \in Segments |->
     IF new.segments[s].epoch # Grant(n, s).epoch THEN fresh ELSE @[s]]]

\* Did this life of n propose it?
Asked(n, p) == p.origin.node = n /\ p.origin.boot = boot[n]

\* A new owner promises its epoch to itself, before it does anything under it.
OwnPromises(n, new) ==
  [promised EXCEPT ![n] = [s \in Segments |->
     LET g == new.segments[s] IN IF g.state = "open" /\ GrantedTo(n, g) THEN Max(@[s], g.epoch) ELSE @[s]]]

\* What node n knows after the next command.
NextView(n) == ApplyTo(view[n], applied[n] + 1, log[applied[n] + 1].command)

\* Node n applies the next command. If that moved a cursor and n asked for it, n may deliver the records.
ApplyCommand(n) ==
  /\ up[n] /\ applied[n] < Len(log)
  /\ LET p == log[applied[n] + 1]
         c == p.command
         new == NextView(n)
     IN
     /\ applied' = [applied EXCEPT ![n] = @ + 1]
     /\ view' = [view EXCEPT ![n] = new]
     /\ stopped' = Renewed(n, new, stopped, FALSE)
     /\ reported' = Renewed(n, new, reported, NoReports)
     /\ promises' = Renewed(n, new, promises, NoReports)
     /\ promised' = OwnPromises(n, new)
     /\ pending' = IF c.kind = "AdvanceCursor" /\ Fits(view[n], c) /\ Asked(n, p)
                   THEN [pending EXCEPT ![n] = @ \cup {[topic |-> c.topic, group |-> c.group, offset |-> o] :
                                                       o \in c.expected .. c.next - 1}]
                   ELSE pending
  /\ UNCHANGED <<metadata, kept, lives, identity, records, durable, durablePromise, watermark, history, delivered>>

\* Node n, far behind, takes the metadata as of `index` from a snapshot.
RestoreMetadata(n, index) ==
  /\ up[n] /\ applied[n] < index /\ index <= Len(log)
  /\ LET new == StateAt(log, index) IN
     /\ applied' = [applied EXCEPT ![n] = index]
     /\ view' = [view EXCEPT ![n] = new]
     /\ stopped' = Renewed(n, new, stopped, FALSE)
     /\ reported' = Renewed(n, new, reported, NoReports)
     /\ promises' = Renewed(n, new, promises, NoReports)
     /\ promised' = OwnPromises(n, new)
  /\ UNCHANGED <<metadata, kept, lives, identity, records, durable, durablePromise, watermark, history, reading>>

--------------------------------------------------------------------------------
(* Leases *)

\* The node heard the Raft leader, or believes so.
RenewLease(n) ==
  /\ up[n]
  /\ lease' = [lease EXCEPT ![n] = TRUE]
  /\ UNCHANGED <<metadata, knowledge, up, boot, disk, writing, history, reading>>

\* Too much time passed on the node's own clock, which may go wrong.
ExpireLease(n) ==
  /\ lease' = [lease EXCEPT ![n] = FALSE]
  /\ UNCHANGED <<metadata, knowledge, up, boot, disk, writing, history, reading>>

--------------------------------------------------------------------------------
(* Writing *)

\* A request is handed to an owner once, and taken by it once: repeats are known by their number.
IsNew(r) == r \notin appended

\* An owner that stopped never starts again: a proposal to seal may commit much later.
MayAppend(n, s) == lease[n] /\ ~stopped[n][s]

\* An owner that has promised a higher epoch is owner no more, though it may not know it yet.
KeepsPromise(n, s) == promised[n][s] <= Grant(n, s).epoch

\* The owner decides that r is the next record, and writes it down. It is not durable yet.
AppendRecord(n, s, r) ==
  /\ Owns(n, s)
  /\ MayAppend(n, s)
  /\ KeepsPromise(n, s)
  /\ IsNew(r)
  /\ records' = [records EXCEPT ![n][s] = Append(@, r)]
  /\ Appends(r)
  /\ writers' = [writers EXCEPT ![s] = @ \cup {<<Grant(n, s).epoch, n, boot[n]>>}]
  /\ assigned' = [assigned EXCEPT ![s] = IF Len(@) = Len(records[n][s]) THEN Append(@, r) ELSE @]
  /\ UNCHANGED <<metadata, knowledge, lives, identity, durable, promised, durablePromise, writing, acked, reading>>

\* A sync makes durable what was written before it began: one log on disk holds all segments and all promises.
SyncChoices(n) ==
  {upTo \in [Segments -> [end : 0 .. Cardinality(Records), promised : 0 .. Len(log)]] : \A s \in Segments :
     /\ durable[n][s] <= upTo[s].end /\ upTo[s].end <= Len(records[n][s])
     /\ durablePromise[n][s] <= upTo[s].promised /\ upTo[s].promised <= promised[n][s]}

Ends(upTo) == [s \in Segments |-> upTo[s].end]
Promises(upTo) == [s \in Segments |-> upTo[s].promised]

SyncCompleted(n, upTo) ==
  /\ up[n]
  /\ durable' = [durable EXCEPT ![n] = Ends(upTo)]
  /\ durablePromise' = [durablePromise EXCEPT ![n] = Promises(upTo)]
  /\ UNCHANGED <<metadata, knowledge, lives, identity, records, promised, writing, history, reading>>

\* Whose turn it is to bring records to the replicas: the owner's, or a recoverer's to whom a majority has promised.
Replicates(n, s) ==
  \/ Owns(n, s)
  \/ /\ Recovers(n, s)
     /\ LET replicas == DOMAIN Grant(n, s).replicas IN IsMajority({m \in replicas : promises[n][s][m] >= 0}, replicas)

\* It sends a stretch of its records to another replica; maybe none, only the watermark.
\* The watermark that it tells them. A recoverer tells none: what is safe is decided when it seals.
ToldWatermark(n, s) == IF Owns(n, s) THEN watermark[n][s] ELSE 0

ReplicateMessage(n, s, to, from, count) ==
  [type |-> "Replicate", segment |-> s, epoch |-> Grant(n, s).epoch, sender |-> n, lapsed |-> lapsed[n], to |-> to,
   from |-> from, records |-> SubSeq(records[n][s], from + 1, from + count), highWatermark |-> ToldWatermark(n, s)]

SendReplicate(n, s, to, from, count) ==
  /\ Replicates(n, s) /\ to # n /\ to \in DOMAIN Grant(n, s).replicas
  /\ from + count <= End(n, s)
  /\ Puts(ReplicateMessage(n, s, to, from, count))
  /\ UNCHANGED <<metadata, knowledge, lives, disk, writing, proposals, history, reading>>

\* A replica takes nothing, and promises nothing, of what it knows to be gone, or moved away: it may have forgotten what it
\* promised.
Serves(m, s) == ~Gone(view[m], s) /\ ~Stray(view[m], m, s)

\* A replica takes nothing of an epoch lower than it promised, and by taking something promises its epoch.
Obeys(m, s, epoch) == epoch >= promised[m][s]
Raised(promise, epoch) == Max(promise, epoch)

\* It takes what joins on to its own end, skips what it has, and takes nothing beyond the end of a sealed segment.
HandleReplicate(m, x) ==
  /\ x \in InFlight /\ x.type = "Replicate" /\ x.to = m
  /\ up[m] /\ Believes(m, x)
  /\ Serves(m, x.segment)
  /\ Obeys(m, x.segment, x.epoch)
  /\ LET s == x.segment
         extended == Extended(m, s, x.from, x.records)
         end == IF extended = records[m][s] THEN End(m, s) ELSE Len(extended)
     IN
     /\ promised' = [promised EXCEPT ![m][s] = Raised(@, x.epoch)]
     /\ records' = [records EXCEPT ![m][s] = extended]
     /\ watermark' = [watermark EXCEPT ![m][s] = Max(@, Min(x.highWatermark, end))]
  /\ UNCHANGED <<metadata, knowledge, lives, identity, durable, durablePromise,
                 stopped, reported, promises, history, reading>>

\* What a replica may say to the writer of an epoch, because it will still be so after a crash.
DurablyPromised(m, s, epoch) == promised[m][s] = epoch /\ durablePromise[m][s] = epoch

\* The end that it reports is that of what is durable.
AckedEnd(m, s) == DurableEnd(m, s)

ReplicateAckMessage(m, s, epoch, to) ==
  [type |-> "ReplicateAck", segment |-> s, epoch |-> epoch, sender |-> m, incarnation |-> incarnation[m],
   lapsed |-> lapsed[m], to |-> to, durableEnd |-> AckedEnd(m, s)]

\* It says how much it has durably, and says it to no writer but that of the epoch it promised.
SendReplicateAck(m, s, epoch, to) ==
  /\ up[m] /\ to # m
  /\ DurablyPromised(m, s, epoch)
  /\ \E x \in InFlight : x.type = "Replicate" /\ x.to = m /\ x.segment = s /\ x.epoch = epoch /\ x.sender = to
  /\ Puts(ReplicateAckMessage(m, s, epoch, to))
  /\ UNCHANGED <<metadata, knowledge, lives, disk, writing, proposals, history, reading>>

HandleReplicateAck(n, x) ==
  /\ x \in InFlight /\ x.type = "ReplicateAck" /\ x.to = n
  /\ Writes(n, x.segment) /\ Grant(n, x.segment).epoch = x.epoch
  /\ Counts(Grant(n, x.segment), x.sender, x.incarnation) /\ Believes(n, x)
  /\ reported' = [reported EXCEPT ![n][x.segment][x.sender] = Max(@, x.durableEnd)]
  /\ UNCHANGED <<metadata, knowledge, lives, disk, watermark, stopped, promises, history, reading>>

\* Not a recoverer: where the segment ends is not decided before it is sealed.
MayAdvance(n, s) == Owns(n, s)

\* The owner finds that a majority has more.
AdvanceHighWatermark(n, s) ==
  /\ MayAdvance(n, s)
  /\ LET k == HeldEnd(n, s) IN
     /\ k > watermark[n][s]
     /\ watermark' = [watermark EXCEPT ![n][s] = k]
     /\ Acks(s, {[segment |-> s, index |-> i, record |-> records[n][s][i + 1]] : i \in 0 .. k - 1})
  /\ UNCHANGED <<metadata, knowledge, lives, disk, stopped, reported, promises, assigned, writers, appended, reading>>

\* A client is told OK. Nothing changes: `acked` has had the record from the moment on when this became possible.
AcknowledgeRecord(n, s, index) ==
  /\ up[n]
  /\ \/ index < watermark[n][s]
     \/ Grant(n, s).state = "sealed" /\ index < Grant(n, s).count
  /\ UNCHANGED <<metadata, knowledge, lives, disk, writing, history, reading>>

\* The segment is full, or the owner leaves.
StopAppending(n, s) ==
  /\ Owns(n, s) /\ ~stopped[n][s]
  /\ stopped' = [stopped EXCEPT ![n][s] = TRUE]
  /\ UNCHANGED <<metadata, knowledge, lives, disk, watermark, reported, promises, history, reading>>

--------------------------------------------------------------------------------
(* Failover *)

PromiseRequestMessage(n, s, to) ==
  [type |-> "PromiseRequest", segment |-> s, epoch |-> Grant(n, s).epoch, sender |-> n, lapsed |-> lapsed[n], to |-> to]

SendPromiseRequest(n, s, to) ==
  /\ Recovers(n, s) /\ to # n /\ to \in DOMAIN Grant(n, s).replicas
  /\ Puts(PromiseRequestMessage(n, s, to))
  /\ UNCHANGED <<metadata, knowledge, lives, disk, writing, proposals, history, reading>>

Asks(sender, m, s, epoch) ==
  \/ \E x \in InFlight : /\ x.type = "PromiseRequest" /\ x.segment = s /\ x.epoch = epoch
                        /\ x.sender = sender /\ x.to = m /\ Believes(m, x)
  \/ sender = m /\ Recovers(m, s) /\ Grant(m, s).epoch = epoch

HandlePromiseRequest(m, s, epoch, sender) ==
  /\ up[m]
  /\ Asks(sender, m, s, epoch)
  /\ Serves(m, s)
  /\ Obeys(m, s, epoch)
  /\ promised' = [promised EXCEPT ![m][s] = Raised(@, epoch)]
  /\ UNCHANGED <<metadata, knowledge, lives, identity, records, durable, durablePromise, writing, history, reading>>

PromiseMessage(m, s, epoch, to) ==
  [type |-> "Promise", segment |-> s, epoch |-> epoch, sender |-> m, incarnation |-> incarnation[m],
   lapsed |-> lapsed[m], to |-> to, durableEnd |-> DurableEnd(m, s)]

\* The promise leaves when it is durable, with the end of what was durable then. Nothing of a lower epoch can follow.
SendPromise(m, s, epoch, to) ==
  /\ up[m] /\ to # m
  /\ DurablyPromised(m, s, epoch)
  /\ Asks(to, m, s, epoch)
  /\ Puts(PromiseMessage(m, s, epoch, to))
  /\ UNCHANGED <<metadata, knowledge, lives, disk, writing, proposals, history, reading>>

HandlePromise(n, s, epoch, sender, durableEnd) ==
  /\ Recovers(n, s) /\ Grant(n, s).epoch = epoch
  /\ \/ /\ sender = n
        /\ DurablyPromised(n, s, epoch)
        /\ durableEnd = DurableEnd(n, s)
        /\ Counts(Grant(n, s), n, incarnation[n])
     \/ \E x \in InFlight :
          /\ x.type = "Promise" /\ x.to = n /\ x.segment = s /\ x.epoch = epoch
          /\ x.sender = sender /\ x.durableEnd = durableEnd
          /\ Counts(Grant(n, s), sender, x.incarnation) /\ Believes(n, x)
  /\ promises' = [promises EXCEPT ![n][s][sender] = Max(@, durableEnd)]
  /\ reported' = [reported EXCEPT ![n][s][sender] = Max(@, durableEnd)]
  /\ UNCHANGED <<metadata, knowledge, lives, disk, watermark, stopped, history, reading>>

\* Records are copied by a recoverer from one that promised more, and by a replica of a sealed segment that lacks some.
CopyRequestMessage(n, s, to) ==
  [type |-> "CopyRequest", segment |-> s, epoch |-> IF Recovers(n, s) THEN Grant(n, s).epoch ELSE 0,
   sender |-> n, lapsed |-> lapsed[n], to |-> to, from |-> End(n, s)]

SendCopyRequest(n, s, to) ==
  /\ up[n] /\ to # n /\ to \in DOMAIN Grant(n, s).replicas
  /\ \/ Recovers(n, s) /\ promises[n][s][to] > End(n, s)
     \/ Grant(n, s).state = "sealed" /\ End(n, s) < Grant(n, s).count
  /\ Puts(CopyRequestMessage(n, s, to))
  /\ UNCHANGED <<metadata, knowledge, lives, disk, writing, proposals, history, reading>>

CopyMessage(m, x, count) ==
  [type |-> "Copy", segment |-> x.segment, epoch |-> x.epoch, sender |-> m, lapsed |-> lapsed[m], to |-> x.sender,
   from |-> x.from, records |-> SubSeq(records[m][x.segment], x.from + 1, x.from + count)]

SendCopy(m, x, count) ==
  /\ x \in InFlight /\ x.type = "CopyRequest" /\ x.to = m
  /\ up[m] /\ Believes(m, x)
  /\ IF x.epoch = 0 THEN Grant(m, x.segment).state = "sealed" ELSE x.epoch = promised[m][x.segment]
  /\ count > 0 /\ x.from + count <= End(m, x.segment)
  /\ Puts(CopyMessage(m, x, count))
  /\ UNCHANGED <<metadata, knowledge, lives, disk, writing, proposals, history, reading>>

HandleCopy(n, x) ==
  /\ x \in InFlight /\ x.type = "Copy" /\ x.to = n
  /\ up[n] /\ Believes(n, x)
  /\ IF x.epoch = 0 THEN Grant(n, x.segment).state = "sealed"
     ELSE Recovers(n, x.segment) /\ Grant(n, x.segment).epoch = x.epoch /\ promised[n][x.segment] = x.epoch
  /\ records' = [records EXCEPT ![n][x.segment] = Extended(n, x.segment, x.from, x.records)]
  /\ UNCHANGED <<metadata, knowledge, lives, identity, durable, promised, durablePromise, writing, history, reading>>

--------------------------------------------------------------------------------
(* Moves of copies *)

\* Node n begins a copy, under the epoch of the move: a node that goes back to before the move tells it from one that had been
\* moved away by then.
BeginCopy(n, s) ==
  /\ up[n]
  /\ IsMovedTo(n, Grant(n, s))
  /\ promised' = [promised EXCEPT ![n][s] = Raised(@, Grant(n, s).move.epoch)]
  /\ UNCHANGED <<metadata, knowledge, lives, identity, records, durable, durablePromise, writing, history, reading>>

\* What n has of the segment had been moved away by `index`, and was not begun since.
MayDrop(n, s, index) == Stray(StateAt(log, index), n, s) /\ promised[n][s] <= index

\* It is gone from the disk, in the commit that keeps the metadata as of `index`.
DropReplica(n, s, index) ==
  /\ up[n]
  /\ kept[n] <= index /\ index <= applied[n]
  /\ MayDrop(n, s, index)
  /\ kept' = [kept EXCEPT ![n] = index]
  /\ records' = [records EXCEPT ![n][s] = <<>>]
  /\ durable' = [durable EXCEPT ![n][s] = 0]
  /\ promised' = [promised EXCEPT ![n][s] = 0]
  /\ durablePromise' = [durablePromise EXCEPT ![n][s] = 0]
  /\ watermark' = [watermark EXCEPT ![n][s] = 0]
  /\ UNCHANGED <<metadata, applied, view, lives, identity, stopped, reported, promises, history, reading>>

--------------------------------------------------------------------------------
(* Reading *)

\* GET answers. The cursor has moved already, so nobody answers with this record again.
DeliverRecord(n, t, g, offset) ==
  /\ up[n]
  /\ LET answer == [topic |-> t, group |-> g, offset |-> offset] IN
     /\ answer \in pending[n]
     /\ pending' = [pending EXCEPT ![n] = @ \ {answer}]
  /\ delivered' = [delivered EXCEPT ![t][g] = Append(@, offset)]
  /\ UNCHANGED <<metadata, knowledge, lives, disk, writing, history>>

\* FETCH answers, at any replica, with a record that it has and knows to be safe, and not to be trimmed. Nothing changes.
ReadRecord(n, t, offset) ==
  /\ up[n] /\ t \in view[n].topics /\ view[n].starts[t] <= offset
  /\ \E i \in KnownSegments(n, t) :
       LET s == Segment(t, i) g == Grant(n, s) safe == IF g.state = "sealed" THEN g.count ELSE watermark[n][s] IN
       g.base <= offset /\ offset - g.base < Min(safe, End(n, s))
  /\ UNCHANGED <<metadata, knowledge, lives, disk, writing, history, reading>>

--------------------------------------------------------------------------------
(* Faults *)

\* The process dies. What it had in memory is gone; what survives of its disk shows at the restart.
Crash(n) ==
  /\ up[n]
  /\ up' = [up EXCEPT ![n] = FALSE]
  /\ lease' = [lease EXCEPT ![n] = FALSE]
  /\ watermark' = [watermark EXCEPT ![n] = PerSegment(0)]
  /\ stopped' = [stopped EXCEPT ![n] = PerSegment(FALSE)]
  /\ reported' = [reported EXCEPT ![n] = PerSegment(NoReports)]
  /\ promises' = [promises EXCEPT ![n] = PerSegment(NoReports)]
  /\ pending' = [pending EXCEPT ![n] = {}]
  /\ UNCHANGED <<metadata, knowledge, boot, disk, history, delivered>>

\* The disk of a dead node loses an end of what was durable on it. How much shows at the restart.
LoseTail(n) ==
  /\ ~up[n]
  /\ lapsed' = [lapsed EXCEPT ![n] = TRUE]
  /\ UNCHANGED <<metadata, knowledge, lives, incarnation, records, durable, promised, durablePromise,
                 writing, history, reading>>

\* What is gone, or moved away, may be forgotten with the commit that keeps the metadata in which it is: so of a disk that comes
\* back with the metadata as of `index` that may be missing, and no later restart takes it back to before that. But a copy that was
\* begun later than that may count by now.
Released(n, s, index) ==
  \/ Gone(StateAt(log, index), s)
  \/ Stray(StateAt(log, index), n, s) /\ durablePromise[n][s] <= index

\* What may be left of a disk: all that was synced (or cut off because of a seal), if it did not lose or release that, and
\* any part of what was not.
SurvivingEnd(n, s, index) == IF lapsed[n] \/ Released(n, s, index) THEN 0 ELSE DurableEnd(n, s)
SurvivingPromise(n, s, index) == IF lapsed[n] \/ Released(n, s, index) THEN 0 ELSE durablePromise[n][s]
KeptChoices(n, index) ==
  {survivors \in [Segments -> [end : 0 .. Cardinality(Records), promised : 0 .. Len(log)]] : \A s \in Segments :
     /\ SurvivingEnd(n, s, index) <= survivors[s].end /\ survivors[s].end <= Len(records[n][s])
     /\ SurvivingPromise(n, s, index) <= survivors[s].promised /\ survivors[s].promised <= promised[n][s]}

Beginnings(sequences, ends) == [s \in Segments |-> SubSeq(sequences[s], 1, ends[s])]

\* Another life begins: with what survived, and with the metadata as of some time before the crash.
Restart(n, survivors, index) ==
  /\ ~up[n]
  /\ index <= applied[n] /\ (lapsed[n] \/ kept[n] <= index)
  /\ kept' = [kept EXCEPT ![n] = index]
  /\ up' = [up EXCEPT ![n] = TRUE]
  /\ boot' = [boot EXCEPT ![n] = @ + 1]
  /\ applied' = [applied EXCEPT ![n] = index]
  /\ view' = [view EXCEPT ![n] = StateAt(log, index)]
  /\ records' = [records EXCEPT ![n] = Beginnings(@, Ends(survivors))]
  /\ durable' = [durable EXCEPT ![n] = Ends(survivors)]
  /\ promised' = [promised EXCEPT ![n] = Promises(survivors)]
  /\ durablePromise' = [durablePromise EXCEPT ![n] = Promises(survivors)]
  /\ UNCHANGED <<metadata, lease, identity, writing, history, reading>>

\* The disk of a dead node is lost, or given up because it lost a part; it comes back under the same number with an empty one.
ReplaceDisk(n) ==
  /\ ~up[n]
  /\ incarnation' = [incarnation EXCEPT ![n] = @ + 1]
  /\ lapsed' = [lapsed EXCEPT ![n] = FALSE]
  /\ records' = [records EXCEPT ![n] = PerSegment(<<>>)]
  /\ durable' = [durable EXCEPT ![n] = PerSegment(0)]
  /\ promised' = [promised EXCEPT ![n] = PerSegment(0)]
  /\ durablePromise' = [durablePromise EXCEPT ![n] = PerSegment(0)]
  /\ applied' = [applied EXCEPT ![n] = 0]
  /\ view' = [view EXCEPT ![n] = NoMetadata]
  /\ kept' = [kept EXCEPT ![n] = 0]
  /\ UNCHANGED <<metadata, lives, writing, history, reading>>

--------------------------------------------------------------------------------
(* Next *)

\* All that could ever be asked of the metadata, right or wrong.
Commands ==
  LET epochs == 1 .. Len(log)  counts == 0 .. Cardinality(Records)  lifetimes == 1 .. Longest({boot[n] : n \in Nodes}) IN
  [kind : {"RegisterNode"}, node : Nodes, boot : lifetimes, incarnation : lifetimes]
  \cup [kind : {"CreateTopic"}, name : Names, owner : Nodes, replicas : SUBSET Nodes]
  \cup [kind : {"SealSegment"}, topic : Topics, segment : SegmentIds, epoch : epochs, count : counts,
        nextOwner : Nodes, nextReplicas : SUBSET Nodes]
  \cup [kind : {"FenceSegment"}, topic : Topics, segment : SegmentIds, expectedEpoch : epochs, recoverer : Nodes]
  \cup [kind : {"AdvanceCursor"}, topic : Topics, group : Groups, expected : counts, next : counts]
  \cup [kind : {"RestoreReplica"}, topic : Topics, segment : SegmentIds, node : Nodes, incarnation : lifetimes]
  \cup [kind : {"DrainNode"}, node : Nodes, incarnation : lifetimes, isDraining : BOOLEAN]
  \cup [kind : {"RemoveNode"}, node : Nodes, incarnation : lifetimes]
  \cup [kind : {"BeginMove"}, topic : Topics, segment : SegmentIds, from : Nodes, to : Nodes]
  \cup [kind : {"MoveReplica"}, topic : Topics, segment : SegmentIds, epoch : epochs]
  \cup [kind : {"CancelMove"}, topic : Topics, segment : SegmentIds, epoch : epochs]
  \cup [kind : {"DeleteTopic"}, topic : Topics]
  \cup [kind : {"TrimTopic"}, topic : Topics, expectedStart : counts, start : counts]
  \cup [kind : {"SetTopicPolicy"}, topic : Topics, expected : epochs]

\* Steps of a node, of the metadata log, or of fate. None of them sends.
Step ==
  \/ \E p \in proposals \cup {Noop} : CommitCommand(p)
  \/ \E n \in Nodes :
       \/ ApplyCommand(n)
       \/ \E index \in 1 .. Len(log) : RestoreMetadata(n, index)
       \/ RenewLease(n) \/ ExpireLease(n)
       \/ \E upTo \in SyncChoices(n) : SyncCompleted(n, upTo)
       \/ Crash(n)
       \/ \E index \in 0 .. Len(log) : \E survivors \in KeptChoices(n, index) : Restart(n, survivors, index)
       \/ LoseTail(n) \/ ReplaceDisk(n)
  \/ \E n \in Nodes, s \in Segments :
       \/ \E r \in Records : AppendRecord(n, s, r)
       \/ AdvanceHighWatermark(n, s)
       \/ \E index \in 0 .. Cardinality(Records) : AcknowledgeRecord(n, s, index)
       \/ StopAppending(n, s)
       \/ BeginCopy(n, s)
       \/ \E index \in 0 .. Len(log) : DropReplica(n, s, index)
       \/ \E epoch \in 1 .. Len(log), sender \in Nodes :
            \/ HandlePromiseRequest(n, s, epoch, sender)
            \/ \E durableEnd \in 0 .. Cardinality(Records) : HandlePromise(n, s, epoch, sender, durableEnd)
  \/ \E n \in Nodes, x \in messages : HandleReplicate(n, x) \/ HandleReplicateAck(n, x) \/ HandleCopy(n, x)
  \/ \E n \in Nodes, t \in Topics, offset \in 0 .. Cardinality(Records) :
       \/ ReadRecord(n, t, offset)
       \/ \E g \in Groups : DeliverRecord(n, t, g, offset)

\* Sending changes nothing but what is in flight.
Send ==
  \/ \E n \in Nodes, c \in Commands :
       ProposeCommand(n, [origin |-> [node |-> n, boot |-> boot[n], sequence |-> 0], command |-> c])
  \/ \E n \in Nodes, s \in Segments, to \in Nodes :
       \/ \E from, count \in 0 .. Len(records[n][s]) : SendReplicate(n, s, to, from, count)
       \/ \E epoch \in 1 .. Len(log) : SendReplicateAck(n, s, epoch, to) \/ SendPromise(n, s, epoch, to)
       \/ SendPromiseRequest(n, s, to)
       \/ SendCopyRequest(n, s, to)
  \/ \E n \in Nodes, x \in messages, count \in 1 .. Cardinality(Records) : SendCopy(n, x, count)

Next == (Step /\ UNCHANGED network) \/ Send

Spec == Init /\ [][Next]_vars

--------------------------------------------------------------------------------
(* What must hold. The same names, with the same sentences, are in properties/. *)

Last(t) == Longest({0} \cup {i \in SegmentIds : meta.segments[Segment(t, i)].state # "none"})

\* The disk that the metadata counts on for this replica is gone, or has lost a part.
Lost(s, m) == meta.segments[s].replicas[m] # incarnation[m] \/ lapsed[m]

Holds(m, s, k) == durable[m][s] >= k /\ SubSeq(records[m][s], 1, Min(k, Len(records[m][s]))) = SubSeq(assigned[s], 1, k)

\* How many records of the segment are safe, and will be read.
AckedCount(s) == Cardinality({a.index : a \in AckedIn(s)})
Decided(s) == IF meta.segments[s].state = "sealed" THEN meta.segments[s].count ELSE AckedCount(s)

\* What is looked at: segments, their places in the metadata, topics with their readers. All of them; a trace, which begins
\* in a good state, looks at what the last step changed (TraceDistributedLog).
Watched == Segments
WatchedPlaces == Topics \X SegmentIds
WatchedTopics == Topics

\* Every variable has values of its kind; what is durable was written, and what is promised durably was promised.
TypeInv ==
  /\ \A n \in Nodes :
       /\ applied[n] \in 0 .. Len(log)
       /\ up[n] \in BOOLEAN /\ lease[n] \in BOOLEAN
       /\ boot[n] \in Nat \ {0} /\ incarnation[n] \in Nat \ {0} /\ lapsed[n] \in BOOLEAN
       /\ \A s \in Watched :
            /\ durable[n][s] \in 0 .. Len(records[n][s])
            /\ promised[n][s] \in 0 .. Len(log) /\ durablePromise[n][s] \in 0 .. promised[n][s]
            /\ watermark[n][s] \in 0 .. Len(records[n][s])
            /\ stopped[n][s] \in BOOLEAN
            /\ \A m \in Nodes : reported[n][s][m] \in -1 .. Cardinality(Records) /\ promises[n][s][m] >= -1

\* An acknowledged record is durable on a majority of its segment's replicas, but for disks that are lost since.
IsDurable(s, a) ==
  LET replicas == DOMAIN meta.segments[s].replicas
      has(m) == durable[m][s] > a.index /\ records[m][s][a.index + 1] = a.record
  IN IsMajority({m \in replicas : Lost(s, m) \/ has(m)}, replicas)
AllDurable(s) == \A a \in AckedIn(s) : IsDurable(s, a)
AckedIsDurableInv == \A s \in Watched : ~Gone(meta, s) => AllDurable(s)

\* The count of a sealed segment is the number of its records: every acknowledged record is inside, and a majority of its
\* replicas has them all durably, but for lost disks.
SealedExactInv ==
  \A s \in Watched : meta.segments[s].state = "sealed" =>
    LET count == meta.segments[s].count replicas == DOMAIN meta.segments[s].replicas IN
    /\ count <= Len(assigned[s])
    /\ \A a \in AckedIn(s) : a.index < count
    /\ ~Gone(meta, s) => IsMajority({m \in replicas : Lost(s, m) \/ Holds(m, s, count)}, replicas)

\* What was removed was spare: of no segment are more than half of the copies on disks that were. So there is one that was not in
\* every majority.
RemovedIsSpareInv ==
  \A s \in Watched : LET g == meta.segments[s] IN
    IsKept(meta, s) =>
      2 * Cardinality({m \in DOMAIN g.replicas : meta.nodes[m].standing = "gone" /\ meta.nodes[m].incarnation = g.replicas[m]})
        <= Cardinality(DOMAIN g.replicas)

\* What a topic has is not older than itself, whatever else had its name: records, promises and grants. One that is no more
\* has no name, and nothing in it is open.
DeletedStaysDeletedInv ==
  /\ \A s \in Watched : LET born == meta.born[TopicOf(s)] IN
       /\ \A w \in writers[s] : w[1] >= born
       /\ \A n \in Nodes : promised[n][s] = 0 \/ promised[n][s] >= born
       /\ meta.segments[s].epoch = 0 \/ meta.segments[s].epoch >= born
  /\ \A t \in WatchedTopics : t \notin meta.topics =>
       /\ \A x \in Names : meta.names[x] # t
       /\ \A i \in SegmentIds : meta.segments[Segment(t, i)].state \in {"none", "sealed"}

\* What a topic has forgotten is a beginning of whole sealed segments, as far as somebody asked for that of this very topic, and no
\* cursor points into it.
WasAskedFor(t, start) ==
  \E i \in DOMAIN log : LET c == log[i].command IN c.kind = "TrimTopic" /\ c.topic = t /\ c.start = start
TrimmedPrefixInv ==
  \A t \in WatchedTopics : LET start == meta.starts[t] IN
    start > 0 =>
      /\ WasAskedFor(t, start)
      /\ \A i \in SegmentIds : LET g == meta.segments[Segment(t, i)] IN
           g.state # "none" => g.base >= start \/ (g.state = "sealed" /\ g.base + g.count <= start)
      /\ \A g \in Groups : meta.cursors[t][g] >= start

\* A segment has one writer: one life of one process, under one epoch.
SingleWriterInv == \A s \in Watched : Cardinality(writers[s]) <= 1

\* There is nothing in segments that are not open yet.
NoWritesPastOpenInv ==
  \A s \in Watched : meta.segments[s].state = "none" =>
    assigned[s] = <<>> /\ \A n \in Nodes : records[n][s] = <<>>

\* Offsets are dense: a segment begins where the one before it ends. Every replica holds a prefix of one sequence, in which
\* no record is twice, and what readers may see is a part that is decided.
Follows(g, before) == g.base = before.base + before.count
AppendedOnce ==
  \A s, u \in Segments : \A i \in DOMAIN assigned[s], j \in DOMAIN assigned[u] :
    <<s, i>> # <<u, j>> => assigned[s][i] # assigned[u][j]

SequentialOrderInv ==
  /\ \A place \in WatchedPlaces :
       LET t == place[1] i == place[2] IN
       1 < i /\ i <= Last(t) => Follows(meta.segments[Segment(t, i)], meta.segments[Segment(t, i - 1)])
  /\ \A n \in Nodes, s \in Watched :
       /\ Len(records[n][s]) <= Len(assigned[s])
       /\ records[n][s] = SubSeq(assigned[s], 1, Len(records[n][s]))
       /\ watermark[n][s] <= Decided(s)
  /\ AppendedOnce

\* No cursor passes the end of what is decided, in the metadata and as any node knows it.
DecidedEnd(t) ==
  IF Last(t) = 0 THEN 0 ELSE LET s == Segment(t, Last(t)) IN meta.segments[s].base + Decided(s)
CursorBoundsInv ==
  \A t \in WatchedTopics, g \in Groups :
    /\ meta.cursors[t][g] <= DecidedEnd(t)
    /\ \A n \in Nodes : view[n].cursors[t][g] <= meta.cursors[t][g]

AllBelow(sequence, bound) == \A i \in DOMAIN sequence : sequence[i] < bound
IsInjective(sequence) == \A i, j \in DOMAIN sequence : i # j => sequence[i] # sequence[j]

\* No record is delivered twice to a group, and none that its cursor has not passed.
DeliveredOnceInv ==
  \A t \in WatchedTopics, g \in Groups :
    /\ AllBelow(delivered[t][g], meta.cursors[t][g])
    /\ IsInjective(delivered[t][g])

\* Topics, names, segments and cursors refer to each other; all segments of a topic but the last are sealed; epochs are unique.
DomainConsistencyInv ==
  /\ \A t \in WatchedTopics :
       /\ (t <= meta.created) <=> (Last(t) > 0)
       /\ t \in meta.topics => t <= meta.created
       /\ \A g \in Groups : meta.cursors[t][g] > 0 => t <= meta.created
       /\ t \in meta.topics => \E x \in Names : meta.names[x] = t
  /\ \A place \in WatchedPlaces :
       LET t == place[1] i == place[2] s == Segment(t, i) g == meta.segments[s] IN
       /\ i < Last(t) => g.state = "sealed"
       /\ i = Last(t) /\ t \in meta.topics => g.state \in {"open", "fenced"}
       /\ i > Last(t) => g.state = "none"
       /\ i <= Last(t) => g.epoch \in 1 .. Len(log)
       /\ g.state \in {"open", "fenced"} => g.owner \in DOMAIN g.replicas
       /\ g.move # NoMove => /\ g.state = "sealed"
                             /\ g.move.from \in DOMAIN g.replicas /\ g.move.to \notin DOMAIN g.replicas
       /\ \A u \in Segments : s # u /\ g.epoch = meta.segments[u].epoch => g.epoch = 0

\* Each node's knowledge is an earlier state of the metadata.
ViewIsPastInv == \A n \in Nodes : view[n] = IF applied[n] = Len(log) THEN meta ELSE StateAt(log, applied[n])

\* A sealed segment keeps its count and its place for ever.
SealedForeverProp ==
  [][\A s \in Segments : meta.segments[s].state = "sealed" =>
       /\ meta'.segments[s].state = "sealed"
       /\ meta'.segments[s].count = meta.segments[s].count
       /\ meta'.segments[s].base = meta.segments[s].base]_vars

\* Epochs only rise: in the metadata, and in the durable promises of one disk that keeps what it has, of what is not gone or
\* moved away.
EpochsRiseProp ==
  [][/\ \A s \in Segments : meta'.segments[s].epoch >= meta.segments[s].epoch
     /\ \A n \in Nodes, s \in Segments :
          /\ incarnation'[n] = incarnation[n] /\ ~lapsed[n] /\ ~Gone(view'[n], s)
          /\ ~(Stray(StateAt(log, kept'[n]), n, s) /\ durablePromise[n][s] <= kept'[n])
          => durablePromise'[n][s] >= durablePromise[n][s]]_vars

\* A cursor never moves back.
MonotonicCursorProp ==
  [][\A t \in Topics, g \in Groups : meta'.cursors[t][g] >= meta.cursors[t][g]]_vars

--------------------------------------------------------------------------------
(* What must happen, if those who live get their turn, and no more goes wrong than a minority of the replicas *)

\* A segment of so many records is sealed in the end.
RolloverProgress(full) ==
  \A s \in Segments : s[2] + 1 \in SegmentIds =>
    (Len(assigned[s]) >= full ~> meta.segments[s].state = "sealed")

\* A topic that is to be deleted is no more in the end.
DeletionProgress == \A t \in Topics : t \in meta.deleting ~> t \notin meta.topics

\* What is safe is read in the end, by a group that goes on asking.
ReadProgress ==
  \A t \in Topics, g \in Groups, k \in 1 .. Cardinality(Records) :
    DecidedEnd(t) >= k ~> meta.cursors[t][g] >= k

\* A segment whose owner is dead ends, and the topic has a living owner again.
Deserted(s) ==
  LET g == meta.segments[s] IN g.state = "open" /\ (~up[g.owner] \/ boot[g.owner] # g.boot)
FailoverProgress ==
  \A t \in Topics, i \in SegmentIds : i + 1 \in SegmentIds =>
    (Deserted(<<t, i>>) ~> \E j \in SegmentIds : \E n \in Nodes : j > i /\ Owns(n, <<t, j>>))

--------------------------------------------------------------------------------
(* To clients it looks like AbstractLog *)

RECURSIVE DecidedRecords(_, _)
DecidedRecords(t, i) ==
  IF i = 0 THEN <<>> ELSE DecidedRecords(t, i - 1) \o SubSeq(assigned[Segment(t, i)], 1, Decided(Segment(t, i)))

Abstract == INSTANCE AbstractLog WITH
  topics <- meta.topics,
  created <- 1 .. meta.created,
  log <- [t \in Topics |-> DecidedRecords(t, Last(t))],
  start <- meta.starts,
  cursor <- meta.cursors,
  delivered <- delivered

AbstractLogProp == Abstract!Spec
================================================================================
