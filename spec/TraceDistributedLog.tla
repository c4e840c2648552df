------------------------ MODULE TraceDistributedLog ------------------------
(* Is a trace of the data plane a behaviour of DistributedLog? As TraceMetadataRaft: each event names an action *)
(* and its arguments; here the action is taken, and what the event tells of the state is compared. A trace that *)
(* can be followed to its end is accepted, anywhere else a missing step is a deadlock.                          *)
(*                                                                                                              *)
(*   here            event of impl/core/trace.ts                                                                *)
(*   line.e, line.n  name, node                                                                                 *)
(*   line.s          segment, <<topic, number>>                                                                 *)
(*   line.m          place of the message that is handled, or answered, among all that were sent; 0 if none     *)
(*   all others      as in the event, names replaced by numbers                                                 *)
EXTENDS DistributedLog, TraceReader, TLC

TraceNodes == 1..Header.nodes
TraceTopics == 1..Header.topics
TraceGroups == 1..Header.groups
TraceSegmentIds == 1..Header.segments
TraceRecords == 1..Header.records
TraceInitialLogs == {<<>>}
TraceNone == 0

VARIABLES
  trace,   \* which one
  next,    \* the number of its next event
  states,  \* the metadata after each command of the log, so that it need not be found again
  begun    \* nodes that have started once

Line == Traces[trace][next]
TraceView == <<trace, next, Evaluated(<<meta, view, durable, promised, durablePromise, writing>>)>>

\* In the place of the set of messages a sequence; of all of them the one that the line speaks of can be taken.
TraceNoMessages == <<>>
TracePuts(m) == messages' = Append(messages, Keep(m))
TraceInFlight == IF Line.m \in DOMAIN messages THEN {Kept(messages[Line.m])} ELSE {}
Message == Kept(messages[Line.m])
HasMessage == Line.m \in DOMAIN messages

TraceStateAt(commands, index) == IF index = 0 THEN NoMetadata ELSE Kept(states[index])

-----------------------------------------------------------------------------
Changed(changes, s) == {i \in DOMAIN changes : changes[i].s = s}
\* What the event says of each segment, or what was. What the code calls the durable end is DurableEnd: it has cut off what
\* lies beyond a seal, and here that is only looked away from.
UpTo(n, changes) ==
  [s \in Segments |->
     LET about == Changed(changes, s) IN
     IF about = {} THEN [end |-> durable[n][s], promised |-> durablePromise[n][s]]
     ELSE LET i == CHOOSE i \in about : TRUE IN
          [end |-> IF changes[i].end = DurableEnd(n, s) THEN durable[n][s] ELSE changes[i].end,
           promised |-> changes[i].promised]]
\* Of a restart: what it does not speak of is gone.
Survivors(changes) ==
  [s \in Segments |->
     LET about == Changed(changes, s) IN
     IF about = {} THEN [end |-> 0, promised |-> 0]
     ELSE LET i == CHOOSE i \in about : TRUE IN [end |-> changes[i].end, promised |-> changes[i].promised]]

Durably(n, upTo) ==
  \A s \in Segments :
    /\ durable[n][s] <= upTo[s].end /\ upTo[s].end <= Len(records[n][s])
    /\ durablePromise[n][s] <= upTo[s].promised /\ upTo[s].promised <= promised[n][s]
Survived(n, kept) ==
  \A s \in Segments :
    /\ DurableEnd(n, s) <= kept[s].end /\ kept[s].end <= Len(records[n][s])
    /\ durablePromise[n][s] <= kept[s].promised /\ kept[s].promised <= promised[n][s]

FitIs(n, index, fits) == LET c == log[index].command IN c.kind # "Noop" => Fits(view[n], c) = fits
\* The end of what n has of the segment, within the segment.
EndIs(n, s, end) ==
  LET g == Grant(n, s) IN end = IF g.state = "sealed" THEN Min(Len(records'[n][s]), g.count) ELSE Len(records'[n][s])
EpochIs(n, s, epoch) == Grant(n, s).epoch = epoch

\* Steps that send nothing.
Acts(n, e, s, line) ==
  \/ e = "CommitCommand"
       /\ IF line.index = Len(log) + 1 THEN CommitCommand(line.proposal) /\ states' = Append(states, Keep(meta'))
          ELSE log[line.index] = line.proposal /\ UNCHANGED <<vars, states>>
  \/ e # "CommitCommand" /\ states' = states /\
     \/ e = "ApplyCommand" /\ applied[n] + 1 = line.index
          /\ FitIs(n, line.index, line.fits)
          /\ ApplyCommand(n)
     \/ e = "RestoreMetadata" /\ RestoreMetadata(n, line.index)
     \/ e = "RenewLease" /\ RenewLease(n)
     \/ e = "ExpireLease" /\ ExpireLease(n)
     \/ e = "AppendRecord" /\ EpochIs(n, s, line.epoch) /\ Len(records[n][s]) = line.index /\ AppendRecord(n, s, line.record)
     \/ e = "SyncCompleted" /\ \E upTo \in {UpTo(n, line.durable)} : Durably(n, upTo) /\ SyncCompleted(n, upTo)
     \/ e = "HandleReplicate" /\ HasMessage /\ HandleReplicate(n, Message)
          /\ promised'[n][s] = line.promised
          /\ EndIs(n, s, line.end)
     \/ e = "HandleReplicateAck" /\ HasMessage /\ HandleReplicateAck(n, Message)
     \/ e = "AdvanceHighWatermark" /\ EpochIs(n, s, line.epoch) /\ AdvanceHighWatermark(n, s)
          /\ watermark'[n][s] = line.highWatermark
     \/ e = "AcknowledgeRecord" /\ EpochIs(n, s, line.epoch) /\ AcknowledgeRecord(n, s, line.index)
     \/ e = "StopAppending" /\ EpochIs(n, s, line.epoch) /\ End(n, s) = line.end /\ StopAppending(n, s)
     \/ e = "HandlePromiseRequest" /\ HandlePromiseRequest(n, s, line.epoch, line.sender)
     \/ e = "HandlePromise" /\ HandlePromise(n, s, line.epoch, line.sender, line.durableEnd)
     \/ e = "HandleCopy" /\ HasMessage /\ HandleCopy(n, Message)
          /\ EndIs(n, s, line.end)
     \/ e = "DeliverRecord" /\ DeliverRecord(n, line.t, line.group, line.offset)
     \/ e = "ReadRecord" /\ ReadRecord(n, line.t, line.offset)
     \/ e = "Crash" /\ Crash(n)
     \/ e = "ReplaceDisk" /\ ReplaceDisk(n)
     \/ e = "Restart" /\ \E kept \in {Survivors(line.ends)} :
          Survived(n, kept) /\ Restart(n, kept, line.index) /\ boot'[n] = line.boot /\ incarnation[n] = line.incarnation

Sends(n, e, s, line) ==
  \/ e = "ProposeCommand" /\ ProposeCommand(n, line.proposal)
  \/ e = "SendReplicate" /\ EpochIs(n, s, line.epoch) /\ ToldWatermark(n, s) = line.highWatermark
       /\ SendReplicate(n, s, line.to, line.from, line.count)
  \/ e = "SendReplicateAck" /\ AckedEnd(n, s) = line.durableEnd /\ SendReplicateAck(n, s, line.epoch, line.to)
  \/ e = "SendPromiseRequest" /\ EpochIs(n, s, line.epoch) /\ SendPromiseRequest(n, s, line.to)
  \/ e = "SendPromise" /\ DurableEnd(n, s) = line.durableEnd /\ SendPromise(n, s, line.epoch, line.to)
  \/ e = "SendCopyRequest" /\ End(n, s) = line.from /\ SendCopyRequest(n, s, line.to)
  \/ e = "SendCopy" /\ HasMessage /\ SendCopy(n, Message, line.count)

\* The first start of a node: the spec has them all running from the beginning.
Begins(n, line) ==
  /\ line.e = "Restart" /\ n \notin begun
  /\ line.boot = boot[n] /\ line.incarnation = incarnation[n] /\ line.ends = <<>>
  /\ IF line.index = 0 THEN UNCHANGED vars ELSE RestoreMetadata(n, line.index) /\ UNCHANGED network
  /\ begun' = begun \cup {n}

\* Arguments are bound here, and not by definitions: under a prime those would be the ones of the next event.
TraceStep ==
  \E line \in {Line} : \E n \in {line.n}, e \in {line.e}, s \in {line.s} :
    \/ Begins(n, line) /\ states' = states
    \/ (e = "Restart" => n \in begun) /\ begun' = begun
       /\ \/ Acts(n, e, s, line) /\ UNCHANGED network
          \/ Sends(n, e, s, line) /\ states' = states

TraceInit ==
  /\ states = <<>>
  /\ Init
  /\ begun = {}
  /\ trace \in DOMAIN Traces
  /\ next = 1

TraceNext ==
  IF next > Len(Traces[trace]) THEN PrintT(<<"accepted", trace>>) /\ UNCHANGED <<vars, trace, next, states, begun>>
  ELSE TraceStep /\ trace' = trace /\ next' = next + 1

-----------------------------------------------------------------------------
(* Of a refused trace: how far it could be followed, and what the acting node had then *)

TellNext == PrintT(<<"next", next>>)
TellState ==
  next >= Header.stop =>
    LET n == Traces[trace][Header.stop].n
        s == Traces[trace][Header.stop].s
    IN
    PrintT(<<"state", next,
      IF s \in Segments
      THEN [grant |-> Grant(n, s), records |-> Len(records[n][s]), durable |-> durable[n][s], promised |-> promised[n][s],
            durablePromise |-> durablePromise[n][s], watermark |-> watermark[n][s], stopped |-> stopped[n][s],
            reported |-> reported[n][s], promises |-> promises[n][s], boot |-> boot[n], lease |-> lease[n]]
      ELSE [up |-> up[n], boot |-> boot[n], lease |-> lease[n], applied |-> applied[n], log |-> Len(log),
            durable |-> durable[n], promised |-> promised[n], pending |-> pending[n], cursors |-> view[n].cursors]>>)

TraceSpec == TraceInit /\ [][TraceNext]_<<vars, trace, next, states, begun>>
=============================================================================
