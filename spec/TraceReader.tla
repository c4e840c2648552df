---------------------------- MODULE TraceReader ----------------------------
EXTENDS Integers, Sequences, FiniteSets
(* Traces as values. TraceReader.java puts the contents of files in the place of these definitions: one is the  *)
(* header, each other one a trace, an event a line. trace-tlc.ts writes them.                              *)

Header == CHOOSE header : TRUE

\* The number of the next of the traces; events are of the one that was drawn last, and are read one after the other.
Drawn(anything) == CHOOSE number : TRUE
EventAt(place) == CHOOSE event : TRUE
HasEvent(place) == CHOOSE has : TRUE

\* True. TLC leaves functions unevaluated until somebody looks at them: without this, what a state holds would be a chain of
\* all that was ever done to it.
Evaluated(value) == TRUE

(* What follows could be defined here. TLC would do the same, and take longer: it copies sequences and sets whole, sorts     *)
(* sets, and looks at all of a function. TraceReader.java shares what stays, and does not look at what is the same object.   *)

\* A sequence of which only the end is ever new, as a number; 0 is empty.
Pushed(sequence, value) == CHOOSE number : TRUE
At(sequence, index) == CHOOSE value : TRUE
Length(sequence) == CHOOSE number : TRUE
\* One such after the other.
Joined(sequence, more) == CHOOSE number : TRUE

\* Functions are of 1..n here, and sequences, in which TLC finds a place at once.
Repeated(value, n) == [x \in 1..n |-> value]
\* Of each sequence as much as `ends` says.
Starts(sequences, ends) == [x \in DOMAIN sequences |-> SubSeq(sequences[x], 1, ends[x])]
\* Where two of the same n differ.
Differing(f, g) == {x \in DOMAIN f : f[x] # g[x]}
DifferingInside(f, g) == UNION {Differing(f[x], g[x]) : x \in DOMAIN f}
\* f, and what g says where it says something.
Overlaid(f, g) == [x \in DOMAIN f |-> IF x \in DOMAIN g THEN g[x] ELSE f[x]]
\* f, but at each of the places the value that is said of it.
Placed(f, places, values) ==
  [x \in DOMAIN f |-> IF \E i \in DOMAIN places : places[i] = x THEN values[CHOOSE i \in DOMAIN places : places[i] = x] ELSE f[x]]
Greatest(set) == CHOOSE x \in set : \A y \in set : y <= x
IsStart(a, b) == Len(a) <= Len(b) /\ a = SubSeq(b, 1, Len(a))
IsSame(a, b) == a = b
\* For how long two sequences are the same.
CommonStart(a, b) == Greatest({k \in 0..Len(a) : k <= Len(b) /\ SubSeq(a, 1, k) = SubSeq(b, 1, k)})
\* The place of the last record whose field has this value; 0 if there is none.
LastWhere(records, field, value) == Greatest({0} \cup {i \in DOMAIN records : records[i][field] = value})

AllLess(sequence, bound) == \A i \in DOMAIN sequence : sequence[i] < bound
\* How many values the field has in a set of records.
Distinct(records, field) == Cardinality({record[field] : record \in records})
\* Of a sequence so much as `length` says has each record where it says: the first one at index 0.
HasAll(sequence, length, records) ==
  \A a \in records : a.index < length /\ a.index < Len(sequence) /\ sequence[a.index + 1] = a.record

\* No element is in two of the sequences, or twice in one.
NothingTwice(sequences) ==
  \A x, y \in DOMAIN sequences : \A i \in DOMAIN sequences[x], j \in DOMAIN sequences[y] :
    <<x, i>> # <<y, j>> => sequences[x][i] # sequences[y][j]
=============================================================================
