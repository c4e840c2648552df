--------------------------- MODULE CommittedLog ---------------------------
(* What Raft gives to those who build on it: one log that only grows, of which each node has applied a prefix.  *)
(* A process that begins again applies once more, from a snapshot of what it had applied.                       *)
EXTENDS Naturals, Sequences

CONSTANTS
  Nodes,
  First      \* the entry with which the log begins

VARIABLES
  log,       \* the entries that are committed
  applied    \* applied[n]: how many of them node n has applied

IsPrefix(a, b) == Len(a) <= Len(b) /\ a = SubSeq(b, 1, Len(a))

Init == log = <<First>> /\ applied \in [Nodes -> {0, 1}]

\* Who commits an entry may apply it in the same step.
Next ==
  /\ IsPrefix(log, log')
  /\ \E n \in Nodes, end \in 0..Len(log') : applied' = [applied EXCEPT ![n] = end]

Spec == Init /\ [][Next]_<<log, applied>>
=============================================================================
