------------------------ MODULE TraceDistributedLog ------------------------
(* Is a trace of the data plane a behaviour of DistributedLog? As TraceMetadataRaft: each event names an action *)
(* and its arguments; here the action is taken, and what the event tells of the state is compared. A trace that *)
(* can be followed to its end is accepted. The first event at which it cannot is what nobody explains.          *)
(*                                                                                                              *)
(* Why an accepted trace is a behaviour: every `TraceStep` is an action of DistributedLog, with arguments,      *)
(* and more conditions, or it changes nothing (a commit that somebody has told of before), or it is the first   *)
(* start of a node, which is RestoreMetadata or nothing. What this module puts in the place of definitions of   *)
(* DistributedLog means the same, or allows less; each says why.                                                *)
(*                                                                                                              *)
(*   here            event of impl/core/trace.ts                                                                *)
(*   line.e, line.n  name, node                                                                                 *)
(*   line.s          segment, <<topic, number>>                                                                 *)
(*   line.m          place of the message that is handled, or answered, among all that were sent; of a command, *)
(*                   place of its proposal; 0 if there is none                                                  *)
(*   all others      as in the event, names replaced by numbers                                                 *)
(*                                                                                                              *)
(* That takes time in proportion to the length of a trace, because nothing is looked at as a whole that changes *)
(* in one place: sets that only grow are sequences, and what is said of all segments is said of those that differ. *)
EXTENDS DistributedLog, TraceReader, TLC

\* TLC looks these up once; it would ask the reader each time.
SegmentsEach == Header.segments
SegmentsInAll == Header.topics * Header.segments

TraceNodes == 1..Header.nodes
TraceNames == 1..Header.names
TraceTopics == 1..Header.topics
TraceGroups == 1..Header.groups
TraceSegmentIds == 1..SegmentsEach
TraceRecords == 1..Header.records
TraceInitialLogs == {<<>>}
TraceNone == 0

\* Segments by numbers: TLC finds the place of a number in a function at once, that of a pair by looking for it.
TraceSegment(t, i) == (t - 1) * SegmentsEach + i
TraceSegments == 1..SegmentsInAll
TracePerSegment(value) == Repeated(value, SegmentsInAll)
TraceTopicOf(s) == (s - 1) \div SegmentsEach + 1
PlaceOf(s) == <<(s - 1) \div SegmentsEach + 1, ((s - 1) % SegmentsEach) + 1>>

VARIABLES
  trace,   \* which one
  next,    \* the number of its next event
  states,  \* the metadata after each command of the log, so that it need not be found again
  begun,   \* nodes that have started once
  watched  \* what the last step changed, for the invariants

Line == EventAt(next)
Nowhere == [segments |-> {}, places |-> {}, topics |-> {}, appends |-> FALSE]

\* Whether the invariants are looked at.
Watching == Header.invariants

\* Sequences in the place of sets. Of all messages, the one that the line speaks of can be taken; of all proposals, the one
\* that it names can be committed.
TraceNothing == 0
TracePuts(m) == messages' = Pushed(messages, m)
HasMessage == Line.m \in 1..Length(messages)
Message == At(messages, Line.m)
TraceInFlight == IF HasMessage THEN {Message} ELSE {}
TraceProposes(p) == proposals' = Pushed(proposals, p)
TraceIsProposed(p) == Line.m \in 1..Length(proposals) /\ p = At(proposals, Line.m)

\* Records are numbered as they are appended: none that is greater than the last one was appended before.
TraceIsNew(r) == r > appended
TraceAppends(r) == appended' = r

\* By segment. No action asks for it: only the invariants do.
TraceNoneAcked == PerSegment({})
TraceAckedIn(s) == acked[s]
TraceAcks(s, new) == IF Watching THEN acked' = [acked EXCEPT ![s] = @ \cup new] ELSE UNCHANGED acked

\* A node's view is the state after the command that it applied last, so its next view is the one after the next.
TraceStateAt(commands, index) == IF index = 0 THEN NoMetadata ELSE At(states, index)
TraceNextView(n) == At(states, applied[n] + 1)

\* What is known of a grant ends with it, and that of grants which are as they were does not.
TraceRenewed(n, new, table, fresh) ==
  LET ended == {s \in Differing(view[n].segments, new.segments) : new.segments[s].epoch # Grant(n, s).epoch} IN
  IF ended = {} THEN table ELSE [table EXCEPT ![n] = Overlaid(@, [s \in ended |-> fresh])]
\* What was granted to this life of n before, it promised when it heard of it.
TraceOwnPromises(n, new) ==
  LET granted == {s \in Differing(view[n].segments, new.segments) :
                    new.segments[s].state = "open" /\ GrantedTo(n, new.segments[s])}
  IN IF granted = {} THEN promised
     ELSE [promised EXCEPT ![n] = Overlaid(@, [s \in granted |-> Max(@[s], new.segments[s].epoch)])]

\* A watermark can only be where somebody's copy ends.
TraceHeldEnd(n, s) ==
  LET ends == {Min(EndOf(n, s, m), Len(records[n][s])) : m \in DOMAIN Grant(n, s).replicas} IN
  Greatest({0} \cup {k \in ends : k > 0 /\ HeldByMajority(n, s, k)})

\* Of the segments that n knows, the one that the line names: to begin with the last for a cursor that moves, else the one
\* that is read. A cursor may go as far in an earlier one as that one's end, and in the last one farther.
TraceKnownSegments(n, t) == {i \in {Line.i} : Grant(n, Segment(t, i)).state # "none"}

\* What survives, a sync or a crash, is told here as two sequences.
TraceEnds(upTo) == upTo.end
TracePromises(upTo) == upTo.promised
TraceBeginnings(sequences, ends) == Starts(sequences, ends)

-----------------------------------------------------------------------------
\* What changes say of segments: of each change which one it speaks of, and what it says.
Places(changes) == [i \in DOMAIN changes |-> Segment(changes[i].s[1], changes[i].s[2])]
Spoken(changes) == LET places == Places(changes) IN {places[i] : i \in DOMAIN places}
ToldEnds(changes) == [i \in DOMAIN changes |-> changes[i].end]
ToldPromises(changes) == [i \in DOMAIN changes |-> changes[i].promised]

\* What the event says is durable, and what was. What the code calls the durable end is DurableEnd: it has cut off what lies
\* beyond a seal, and here that is only looked away from.
Synced(n, changes) ==
  LET places == Places(changes)
      EndOfChange(s, end) == IF end = DurableEnd(n, s) THEN durable[n][s] ELSE end
      ends == [i \in DOMAIN changes |-> EndOfChange(places[i], changes[i].end)]
  IN [end |-> Placed(durable[n], places, ends),
      promised |-> Placed(durablePromise[n], places, ToldPromises(changes))]
\* Of segments that are not spoken of this is TypeInv.
Durably(n, changes, upTo) ==
  \A s \in Spoken(changes) :
    /\ durable[n][s] <= upTo.end[s] /\ upTo.end[s] <= Len(records[n][s])
    /\ durablePromise[n][s] <= upTo.promised[s] /\ upTo.promised[s] <= promised[n][s]

\* Of a restart: what it does not speak of is gone.
Survivors(changes) ==
  LET places == Places(changes) IN
  [end |-> Placed(PerSegment(0), places, ToldEnds(changes)),
   promised |-> Placed(PerSegment(0), places, ToldPromises(changes))]
\* Of segments that are not spoken of, and of which nothing was durable, this is 0 <= 0.
Survived(n, changes, survivors, index) ==
  \A s \in Spoken(changes) \cup Differing(durable[n], PerSegment(0)) \cup Differing(durablePromise[n], PerSegment(0)) :
    /\ SurvivingEnd(n, s, index) <= survivors.end[s] /\ survivors.end[s] <= Len(records[n][s])
    /\ SurvivingPromise(n, s, index) <= survivors.promised[s] /\ survivors.promised[s] <= promised[n][s]

\* What the action makes of it, and what the event says. All comparisons are written so, for Explanation.tla to tell.
Is(name, expected, actual) == expected = actual

FitIs(n, index, fits) ==
  LET c == log[index].command IN c.kind # "Noop" => Is("fits", Fits(view[n], c), fits)
\* The end of what n has of the segment, within the segment.
EndIs(n, s, end) ==
  LET g == Grant(n, s) had == Len(records'[n][s]) IN
  Is("end", IF IsCut(n, s) THEN Min(had, g.count) ELSE had, end)
EpochIs(n, s, epoch) == Is("epoch", Grant(n, s).epoch, epoch)

\* The first start of a node: the spec has them all running from the beginning.
Begins(n, line) ==
  /\ Is("boot", boot[n], line.boot) /\ Is("incarnation", incarnation[n], line.incarnation) /\ Is("ends", <<>>, line.ends)
  /\ IF line.index = 0 THEN UNCHANGED vars ELSE RestoreMetadata(n, line.index) /\ UNCHANGED network
  /\ begun' = begun \cup {n}

Quiet == UNCHANGED <<network, states, begun>>
Sends == UNCHANGED <<states, begun>>

\* Arguments are bound here, and not by definitions: under a prime those would be the ones of the next event. The most
\* frequent events first: TLC asks for one after the other.
TraceStep == \E line \in {Line} : \E n \in {line.n}, s \in {Segment(line.s[1], line.s[2])} :
  CASE line.e = "SendReplicateAck" -> Is("durableEnd", AckedEnd(n, s), line.durableEnd) /\ SendReplicateAck(n, s, line.epoch, line.to) /\ Sends
    [] line.e = "HandleReplicateAck" -> HasMessage /\ HandleReplicateAck(n, Message) /\ Quiet
    [] line.e = "CommitCommand" ->
         IF line.index > Len(log)
         THEN Is("index", Len(log) + 1, line.index) /\ CommitCommand(line.proposal) /\ states' = Pushed(states, meta') /\ UNCHANGED <<network, begun>>
         ELSE Is("proposal", log[line.index], line.proposal) /\ UNCHANGED vars /\ UNCHANGED <<states, begun>>
    [] line.e = "ApplyCommand" ->
         Is("index", applied[n] + 1, line.index) /\ FitIs(n, line.index, line.fits) /\ ApplyCommand(n) /\ Quiet
    [] line.e = "SyncCompleted" ->
         \E upTo \in {Synced(n, line.durable)} : Durably(n, line.durable, upTo) /\ SyncCompleted(n, upTo) /\ Quiet
    [] line.e = "SendReplicate" ->
         /\ EpochIs(n, s, line.epoch) /\ Is("highWatermark", ToldWatermark(n, s), line.highWatermark)
         /\ SendReplicate(n, s, line.to, line.from, line.count) /\ Sends
    [] line.e = "HandleReplicate" ->
         HasMessage /\ HandleReplicate(n, Message) /\ Is("promised", promised'[n][s], line.promised) /\ EndIs(n, s, line.end) /\ Quiet
    [] line.e = "ReadRecord" -> ReadRecord(n, line.t, line.offset) /\ Quiet
    [] line.e = "AppendRecord" ->
         EpochIs(n, s, line.epoch) /\ Is("index", Len(records[n][s]), line.index) /\ AppendRecord(n, s, line.record) /\ Quiet
    [] line.e = "AcknowledgeRecord" ->  \* under the epoch that it was appended in, which may have ended
         Is("epoch", Max(Grant(n, s).epoch, line.epoch), Grant(n, s).epoch) /\ AcknowledgeRecord(n, s, line.index) /\ Quiet
    [] line.e = "AdvanceHighWatermark" ->
         EpochIs(n, s, line.epoch) /\ AdvanceHighWatermark(n, s) /\ Is("highWatermark", watermark'[n][s], line.highWatermark) /\ Quiet
    [] line.e = "ProposeCommand" -> ProposeCommand(n, line.proposal) /\ Sends
    [] line.e = "DeliverRecord" -> DeliverRecord(n, line.t, line.group, line.offset) /\ Quiet
    [] line.e = "RenewLease" -> RenewLease(n) /\ Quiet
    [] line.e = "ExpireLease" -> ExpireLease(n) /\ Quiet
    [] line.e = "StopAppending" -> EpochIs(n, s, line.epoch) /\ Is("end", End(n, s), line.end) /\ StopAppending(n, s) /\ Quiet
    [] line.e = "SendPromiseRequest" -> EpochIs(n, s, line.epoch) /\ SendPromiseRequest(n, s, line.to) /\ Sends
    [] line.e = "HandlePromiseRequest" -> HandlePromiseRequest(n, s, line.epoch, line.sender) /\ Quiet
    [] line.e = "SendPromise" -> Is("durableEnd", DurableEnd(n, s), line.durableEnd) /\ SendPromise(n, s, line.epoch, line.to) /\ Sends
    [] line.e = "HandlePromise" -> HandlePromise(n, s, line.epoch, line.sender, line.durableEnd) /\ Quiet
    [] line.e = "SendCopyRequest" -> Is("from", End(n, s), line.from) /\ SendCopyRequest(n, s, line.to) /\ Sends
    [] line.e = "SendCopy" -> HasMessage /\ SendCopy(n, Message, line.count) /\ Sends
    [] line.e = "HandleCopy" -> HasMessage /\ HandleCopy(n, Message) /\ EndIs(n, s, line.end) /\ Quiet
    [] line.e = "BeginCopy" -> Is("epoch", Grant(n, s).move.epoch, line.epoch) /\ BeginCopy(n, s) /\ Quiet
    [] line.e = "DropReplica" -> DropReplica(n, s, line.index) /\ Quiet
    [] line.e = "RestoreMetadata" -> RestoreMetadata(n, line.index) /\ Quiet
    [] line.e = "Crash" -> Crash(n) /\ Quiet
    [] line.e = "LoseTail" -> LoseTail(n) /\ Quiet
    [] line.e = "ReplaceDisk" -> ReplaceDisk(n) /\ Quiet
    [] line.e = "Restart" ->
         IF n \notin begun THEN Begins(n, line) /\ UNCHANGED states
         ELSE \E survivors \in {Survivors(line.ends)} :
                Survived(n, line.ends, survivors, line.index) /\ Restart(n, survivors, line.index)
                /\ Is("boot", boot'[n], line.boot) /\ Is("incarnation", incarnation[n], line.incarnation)
                /\ Quiet

TraceInit ==
  /\ states = TraceNothing
  /\ Init
  /\ begun = {}
  /\ trace = 0
  /\ next = 0
  /\ watched = Nowhere
  /\ Evaluated(vars)

-----------------------------------------------------------------------------
(* The invariants, at what a step changed.

   Each says something of each segment s (or place, or topic), and what it says depends on nothing but: the variables at s;
   the grants of s and of the segments before and after it; the last segment of the topic; incarnations; nodes. The first
   state is good. So after a step only those can be bad of which something of this is another than before, and that is
   not argued from the actions, but compared: whatever an action did, `Changes` has it. That a topic's segments are
   sealed up to the last one, and none after it, is right everywhere if it is right beside each that changed. The last
   state of each trace is looked at as a whole. *)

Beside(s) == {u \in {s - 1, s, s + 1} : u \in Segments /\ PlaceOf(u)[1] = PlaceOf(s)[1]}
Changes ==
  LET grants == Differing(meta.segments, meta'.segments)
      acks == Differing(acked, acked')
      new == Differing(assigned, assigned')
      tables == DifferingInside(records, records') \cup DifferingInside(durable, durable')
           \cup DifferingInside(promised, promised') \cup DifferingInside(durablePromise, durablePromise')
           \cup DifferingInside(watermark, watermark') \cup DifferingInside(stopped, stopped')
           \cup DifferingInside(reported, reported') \cup DifferingInside(promises, promises')
      trims == Differing(meta.starts, meta'.starts)
      readers == trims \cup Differing(meta.cursors, meta'.cursors) \cup Differing(delivered, delivered')
           \cup UNION {Differing(view[n].cursors, view'[n].cursors) : n \in Differing(applied, applied')}
  IN [segments |-> IF identity' = identity /\ meta'.nodes = meta.nodes
                   THEN grants \cup acks \cup new \cup tables \cup Differing(writers, writers')
                        \cup {s \in IF trims = {} THEN {} ELSE Segments : TopicOf(s) \in trims}
                   ELSE Segments,
      places |-> {PlaceOf(u) : u \in UNION {Beside(s) : s \in grants}},
      topics |-> IF meta'.topics = meta.topics THEN readers \cup {PlaceOf(s)[1] : s \in grants \cup acks} ELSE Topics,
      appends |-> new # {}]

AtEnd == ~HasEvent(next)
TraceWatched == IF AtEnd THEN Segments ELSE watched.segments
TraceWatchedPlaces == IF AtEnd THEN Topics \X SegmentIds ELSE watched.places
TraceWatchedTopics == IF AtEnd THEN Topics ELSE watched.topics
TraceAckedCount(s) == Distinct(acked[s], "index")
\* Mostly one majority has them all.
TraceAllDurable(s) ==
  LET replicas == DOMAIN meta.segments[s].replicas IN
  \/ IsMajority({m \in replicas : Lost(s, m) \/ HasAll(records[m][s], durable[m][s], acked[s])}, replicas)
  \/ \A a \in acked[s] : IsDurable(s, a)
TraceAppendedOnce == AtEnd \/ watched.appends => NothingTwice(assigned)
TraceIsInjective(sequence) == NothingTwice(<<sequence>>)

Keeps(name, invariant) == IF invariant THEN TRUE ELSE PrintT(<<"violated", trace, next, name>>) /\ FALSE
InvariantsHold ==
  /\ Keeps("TypeInv", TypeInv)
  /\ Keeps("AckedIsDurableInv", AckedIsDurableInv)
  /\ Keeps("SealedExactInv", SealedExactInv)
  /\ Keeps("RemovedIsSpareInv", RemovedIsSpareInv)
  /\ Keeps("DeletedStaysDeletedInv", DeletedStaysDeletedInv)
  /\ Keeps("TrimmedPrefixInv", TrimmedPrefixInv)
  /\ Keeps("SingleWriterInv", SingleWriterInv)
  /\ Keeps("NoWritesPastOpenInv", NoWritesPastOpenInv)
  /\ Keeps("SequentialOrderInv", SequentialOrderInv)
  /\ Keeps("CursorBoundsInv", CursorBoundsInv)
  /\ Keeps("DeliveredOnceInv", DeliveredOnceInv)
  /\ Keeps("DomainConsistencyInv", DomainConsistencyInv)
  \* A view is the state of that time because NextView takes it from there.
  /\ Keeps("ViewIsPastInv", AtEnd => ViewIsPastInv)

IsGood == Watching => InvariantsHold

-----------------------------------------------------------------------------
(* TLC walks: one walk follows one trace. A walk that cannot go on has ended where no action explains the next event. *)

TraceNext ==
  CASE trace = 0 -> trace' = Drawn(next) /\ next' = 1 /\ UNCHANGED <<vars, states, begun, watched>>
    [] trace > 0 /\ ~AtEnd ->
         /\ IsGood = TRUE
         /\ TraceStep /\ trace' = trace /\ next' = next + 1
         /\ watched' = IF Watching THEN Changes ELSE Nowhere
    [] OTHER ->
         /\ IsGood = TRUE
         /\ PrintT(<<"accepted", trace>>)
         /\ FALSE

\* What the acting node has, for Explanation.tla.
StateOf(n, s) ==
  IF s \in Segments
  THEN [grant |-> Grant(n, s), records |-> Len(records[n][s]), durable |-> durable[n][s], promised |-> promised[n][s],
        durablePromise |-> durablePromise[n][s], watermark |-> watermark[n][s], stopped |-> stopped[n][s],
        reported |-> reported[n][s], promises |-> promises[n][s], up |-> up[n], boot |-> boot[n], lease |-> lease[n],
        applied |-> applied[n]]
  ELSE [up |-> up[n], boot |-> boot[n], incarnation |-> incarnation[n], lease |-> lease[n], applied |-> applied[n],
        log |-> Len(log), pending |-> pending[n], cursors |-> view[n].cursors]

TraceSpec == TraceInit /\ [][TraceNext]_<<vars, trace, next, states, begun, watched>>
=============================================================================
