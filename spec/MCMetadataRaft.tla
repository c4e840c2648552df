-------------------------- MODULE MCMetadataRaft --------------------------
(* Bounds for MetadataRaft. A .cfg puts an operator of this module in the place of an action: it limits the     *)
(* action, then calls it. The must-fail models put something in the place of a guard.                           *)
EXTENDS MetadataRaft

CONSTANTS
  MaxTerm,
  MaxLog,       \* entries of a log, the founding included
  MaxBatches    \* on their way to one disk

Raft == INSTANCE MetadataRaft

Symmetry == Permutations(Founders) \cup Permutations(Nodes \ Founders)
Never(n) == FALSE
Always(n) == TRUE
NeverWith(n, m) == FALSE
NeverWithThree(n, a, b, c) == FALSE

MCTimeout(n) == term[n] < MaxTerm /\ Raft!Timeout(n)
\* Pre-votes, the word of a leader and the choice of when to stand are about liveness: here everyone may stand at any time.
MCTimeoutAnyTime(n) == role[n] # "leader" /\ MCTimeout(n)
MCClientRequest(n) == Len(log[n]) < MaxLog /\ Raft!ClientRequest(n)
\* The next entries after what the leader knows of someone, as many as there are, and the probe of the end of its log.
MCAppendEntries(n, prev, end, c, r) ==
  /\ \E m \in Voters(n) \ {n} : prev = match[n][m]
  /\ end = Len(log[n])
  /\ r = round[n]
  /\ Raft!AppendEntries(n, prev, end, c, r)

\* Only what is new goes to the disk, as few batches as may be on their way.
LastImage(n) == IF batches[n] = <<>> THEN disk[n] ELSE batches[n][Len(batches[n])].image
MCPersist(n) ==
  /\ outbox[n] # {} \/ Image(n) # LastImage(n)
  /\ Len(batches[n]) < MaxBatches
  /\ Raft!Persist(n)
\* A batch is durable as soon as it is handed over. Nothing is lost by looking no closer: a batch that was under way
\* when its node changed further is one that was durable, with answers that were slow.
MCPersistAtOnce(n) ==
  /\ outbox[n] # {} \/ Image(n) # disk[n]
  /\ disk' = [disk EXCEPT ![n] = Image(n)]
  /\ messages' = messages \cup outbox[n]
  /\ outbox' = [outbox EXCEPT ![n] = {}]
  /\ UNCHANGED <<memory, batches, ghosts>>

\* A crash that loses nothing but what is learned again changes nothing.
MCRecover(n, kept) ==
  /\ role[n] # "follower" \/ Image(n) # disk[n]
  /\ Raft!Recover(n, kept)

\* Refusals tell a term, which requests tell as well.
MCHandleRequestVoteRequest(n, m, granted) == granted /\ Raft!HandleRequestVoteRequest(n, m, granted)
MCHandleAppendEntriesRequest(n, m) ==
  m.type = "AppendRequest" /\ m.term = term[n] /\ Agrees(n, m) /\ Raft!HandleAppendEntriesRequest(n, m)

\* Who has something to say, says it before anybody does anything else, or never. A step that only speaks commutes
\* with those of all other nodes, so no order of events that matters is lost.
Unsaid(n) ==
  \/ outbox[n] # {}
  \/ role[n] = "candidate" /\ ~\E m \in messages : m.type = "VoteRequest" /\ m.from = n /\ m.term = term[n]
SpeakFirst == \A n \in Nodes : Unsaid(n) => <<outbox[n], Unsaid(n)>>' # <<outbox[n], Unsaid(n)>>
=============================================================================
