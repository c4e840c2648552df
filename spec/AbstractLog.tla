------------------------------ MODULE AbstractLog ------------------------------
(* What clients may see of Walrus, and nothing of how it is done.

   A topic is one sequence of records that only ever grows at its end, until it is deleted: then nothing happens in it any
   more, and another one that has its name has nothing of it. A record gets into it once, and then has its
   offset for ever. A record may get in although its client was told nothing, or a timeout: the outcome was unknown.
   A client is told OK only for a record that is in.

   A topic may forget a beginning of itself. What is left has the offsets that it had, and cursors move up to it. Who has not heard of
   that may still read as of a time before.

   Reading at most once (GET): the group's cursor moves over a record first, and then the record is delivered, or
   is not if somebody dies in between. Reading at least once (FETCH, then moving the cursor): any record that is in
   may be read at any time, any number of times.

   DistributedLog refines this module; TLC checks it. *)
EXTENDS Naturals, Sequences

CONSTANTS
  Topics,    \* topics, each with a name that it may have from another one
  Groups     \* names of groups of readers

VARIABLES
  topics,    \* the topics that exist
  created,   \* the topics that were ever made
  log,       \* log[t]: the records of topic t; the one at offset i is log[t][i + 1]
  start,     \* start[t]: the records before this offset are forgotten
  cursor,    \* cursor[t][g]: the next offset that group g has not been given
  delivered  \* delivered[t][g]: the offsets that GET has answered with, in that order

vars == <<topics, created, log, start, cursor, delivered>>

Init ==
  /\ topics \subseteq Topics
  /\ created = topics
  /\ log = [t \in Topics |-> <<>>]
  /\ start = [t \in Topics |-> 0]
  /\ cursor = [t \in Topics |-> [g \in Groups |-> 0]]
  /\ delivered = [t \in Topics |-> [g \in Groups |-> <<>>]]

CreateTopic(t) ==
  /\ t \notin created
  /\ topics' = topics \cup {t}
  /\ created' = created \cup {t}
  /\ UNCHANGED <<log, start, cursor, delivered>>

Extends(t) ==
  /\ SubSeq(log'[t], 1, Len(log[t])) = log[t]
  /\ log' = [log EXCEPT ![t] = log'[t]]
  /\ \A i \in DOMAIN log'[t] : \A j \in DOMAIN log'[t] : i # j => log'[t][i] # log'[t][j]

\* The topic is no more. Records whose fate was open may have got into it at its end.
DeleteTopic(t) ==
  /\ t \in topics
  /\ topics' = topics \ {t}
  /\ Extends(t)
  /\ UNCHANGED <<created, start, cursor, delivered>>

\* Records become part of the topic: of one segment at its end, so several at a time if they became safe together.
AppendRecords(t) ==
  /\ t \in topics
  /\ Len(log'[t]) > Len(log[t])
  /\ Extends(t)
  /\ UNCHANGED <<topics, created, start, cursor, delivered>>

\* The topic forgets its beginning, and no group gets anything of that any more.
TrimTopic(t) ==
  /\ t \in topics
  /\ \E offset \in start[t] + 1 .. Len(log[t]) :
       /\ start' = [start EXCEPT ![t] = offset]
       /\ cursor' = [cursor EXCEPT ![t] = [g \in Groups |-> IF @[g] < offset THEN offset ELSE @[g]]]
  /\ UNCHANGED <<topics, created, log, delivered>>

\* The client of the record at this offset is told OK.
Acknowledge(t, offset) ==
  /\ offset < Len(log[t])
  /\ UNCHANGED vars

\* The cursor moves forward, over records that are there.
MoveCursor(t, g) ==
  /\ t \in topics
  /\ \E next \in cursor[t][g] + 1 .. Len(log[t]) : cursor' = [cursor EXCEPT ![t][g] = next]
  /\ UNCHANGED <<topics, created, log, start, delivered>>

\* GET answers with a record that the cursor has passed, and never again with that one.
Deliver(t, g) ==
  /\ \E offset \in 0 .. cursor[t][g] - 1 :
       /\ \A i \in DOMAIN delivered[t][g] : delivered[t][g][i] # offset
       /\ delivered' = [delivered EXCEPT ![t][g] = Append(@, offset)]
  /\ UNCHANGED <<topics, created, log, start, cursor>>

\* FETCH answers with a record.
Read(t, offset) ==
  /\ offset < Len(log[t])
  /\ UNCHANGED vars

Next ==
  \E t \in Topics :
    \/ CreateTopic(t)
    \/ DeleteTopic(t)
    \/ TrimTopic(t)
    \/ AppendRecords(t)
    \/ \E g \in Groups : MoveCursor(t, g) \/ Deliver(t, g)

Spec == Init /\ [][Next]_vars
================================================================================
