--------------------------- MODULE MetadataRaft ---------------------------
(* Raft as impl/core/raft does it: one log of metadata commands, agreed upon by the voters of a cluster.        *)
(*                                                                                                              *)
(* A node has a state in memory and an older one on its disk. What it changes in memory goes to the disk in     *)
(* batches (Persist), which become durable in their order and each as a whole (PersistCompleted). A message     *)
(* that promises something (a vote, a request for votes, an answer about the log) leaves at once if the disk    *)
(* has all that the node has; else it waits in the outbox until the batch that makes it true is durable. A      *)
(* process may end at any moment and begin again with what its disk kept (Recover).                             *)
(*                                                                                                              *)
(* Messages may be lost, repeated, delayed and reordered: `messages` holds all that were ever sent, and a node  *)
(* may handle any of them, any number of times, or never. Requests name no addressee: whoever gets one may      *)
(* answer it. Time does not exist: timers fire when they like, leader contact and leases are left out, so       *)
(* whatever holds here holds for all timing. Left out too, because no promise rests on them: next indexes and   *)
(* conflict hints (a leader may send from any place of its log), and how a snapshot is cut into pieces.         *)
(*                                                                                                              *)
(* The log of a node is kept here as a whole. `snapshot[n]` says up to where its entries are gone and a         *)
(* snapshot stands for them. The cluster is founded with a snapshot at index 1 of term 1.                       *)
EXTENDS Naturals, Sequences, FiniteSets, TLC

CONSTANTS
  Nodes,     \* all that ever are members
  Founders   \* the first voters

VARIABLES
  \* In memory
  role,      \* "follower" (also one without a vote), "precandidate", "candidate", "leader"
  term,
  vote,      \* whom the node has voted for in its term; 0 for none
  log,       \* its entries from index 1 on, those in its snapshot too
  snapshot,  \* index of its snapshot: up to here it has no single entries
  commit,    \* commit index
  votes,     \* who has granted this candidate its vote, or this precandidate its pre-vote
  match,     \* leader: match[n][m] is up to where m is known to hold the log of n, durably
  transferee, \* leader: to whom leadership is being handed over; 0 for none
  reads,     \* leader: reads that wait until its leadership is proven
  round,     \* leader: number of its last round of heartbeats
  answered,  \* leader: answered[n][m] is the last round of n that m answered
  outbox,    \* messages that wait for the next batch
  \* On the disk
  disk,      \* term, vote, log and snapshot that survive
  batches,   \* handed to the disk and not known to be durable: each an image and the messages that wait for it
  \* Between the nodes
  messages,  \* all that were ever sent
  \* Seen by nobody
  decided,   \* the entries that were ever committed, in order
  decidedIn, \* decidedIn[t]: how many entries were decided when the leader of term t last decided one
  elected,   \* who was ever elected: <<term, node>>
  served     \* the last read that was confirmed: its index, and the least index that would have been right

memory == <<role, term, vote, log, snapshot, commit, votes, match, transferee, reads, round, answered>>
storage == <<disk, batches>>
ghosts == <<decided, decidedIn, elected, served>>
vars == <<memory, outbox, storage, messages, ghosts>>

-----------------------------------------------------------------------------
(* Words *)

Min(a, b) == IF a < b THEN a ELSE b
Max(a, b) == IF a > b THEN a ELSE b
IsPrefix(a, b) == Len(a) <= Len(b) /\ a = SubSeq(b, 1, Len(a))

CommonPrefix(a, b) ==
  LET n == Min(Len(a), Len(b)) IN
  IF SubSeq(a, 1, n) = SubSeq(b, 1, n) THEN n
  ELSE (CHOOSE i \in 1..n : a[i] # b[i] /\ SubSeq(a, 1, i - 1) = SubSeq(b, 1, i - 1)) - 1

\* `leader` made the entry. No two entries with the same place and term may differ, and this is how they could.
Entry(kind, t, leader, members) == [kind |-> kind, term |-> t, leader |-> leader, members |-> members]
Members(voters, learners) == [voters |-> voters, learners |-> learners]
Nobody == Members({}, {})
Founding == Entry("membership", 1, 0, Members(Founders, {}))

TermAt(l, i) == IF i = 0 THEN 0 ELSE l[i].term
LastTerm(l) == TermAt(l, Len(l))

\* A membership is in force as soon as it is in the log, committed or not.
MembershipIndex(l) ==
  IF \E i \in DOMAIN l : l[i].kind = "membership"
  THEN CHOOSE i \in DOMAIN l : l[i].kind = "membership" /\ \A j \in i+1..Len(l) : l[j].kind # "membership"
  ELSE 0
MembersOf(l) == IF MembershipIndex(l) = 0 THEN Nobody ELSE l[MembershipIndex(l)].members
Voters(n) == MembersOf(log[n]).voters
IsQuorum(set, voters) == 2 * Cardinality(set \cap voters) > Cardinality(voters)

Image(n) == [term |-> term[n], vote |-> vote[n], log |-> log[n], snapshot |-> snapshot[n]]
\* The disk once b of the batches are on it. No batch brings back what a snapshot has replaced.
Written(n, b) ==
  IF b = 0 THEN disk[n]
  ELSE LET image == batches[n][b].image
           standing == SubSeq(disk[n].log, 1, disk[n].snapshot)
       IN IF image.snapshot >= disk[n].snapshot THEN image
          ELSE [image EXCEPT !.snapshot = disk[n].snapshot,
                             !.log = IF IsPrefix(standing, @) THEN @ ELSE standing]

\* Up to here the log is on the disk, and no batch on its way there will change it.
DurableIndex(n) ==
  LET ends == {CommonPrefix(Written(n, b).log, log[n]) : b \in 0..Len(batches[n])}
  IN CHOOSE e \in ends : \A f \in ends : e <= f

\* All that n has is on its disk, and stays there.
IsDurable(n) == batches[n] = <<>> /\ disk[n] = Image(n)

\* A node whose removal is in its log, but not committed, stands for election too: it may be the only one that can win.
MayStand(n) ==
  \/ n \in Voters(n)
  \/ LET i == MembershipIndex(log[n])
     IN i > commit[n] /\ n \in MembersOf(SubSeq(log[n], 1, i - 1)).voters

\* The network and the outbox are sets. A trace, which has an order, puts sequences in their place.
NoMessages == {}
With(set, m) == set \cup {m}
Together(set, more) == set \cup more

Send(m) == messages' = With(messages, m) /\ UNCHANGED outbox
SendWhenDurable(n, m) ==
  IF IsDurable(n)' THEN Send(m) ELSE outbox' = [outbox EXCEPT ![n] = With(@, m)] /\ UNCHANGED messages
Silent == UNCHANGED <<messages, outbox>>

leading == <<match, transferee, reads, round, answered>>
Zero == [m \in Nodes |-> 0]
ForgetLeading(n) ==
  /\ match' = [match EXCEPT ![n] = Zero]
  /\ transferee' = [transferee EXCEPT ![n] = 0]
  /\ reads' = [reads EXCEPT ![n] = {}]
  /\ round' = [round EXCEPT ![n] = 0]
  /\ answered' = [answered EXCEPT ![n] = Zero]

-----------------------------------------------------------------------------
Blank == [term |-> 0, vote |-> 0, log |-> <<>>, snapshot |-> 0]
Founded == [term |-> 1, vote |-> 0, log |-> <<Founding>>, snapshot |-> 1]

Init ==
  /\ disk = [n \in Nodes |-> IF n \in Founders THEN Founded ELSE Blank]
  /\ role = [n \in Nodes |-> "follower"]
  /\ term = [n \in Nodes |-> disk[n].term]
  /\ vote = [n \in Nodes |-> disk[n].vote]
  /\ log = [n \in Nodes |-> disk[n].log]
  /\ snapshot = [n \in Nodes |-> disk[n].snapshot]
  /\ commit = [n \in Nodes |-> disk[n].snapshot]
  /\ votes = [n \in Nodes |-> {}]
  /\ match = [n \in Nodes |-> Zero]
  /\ transferee = [n \in Nodes |-> 0]
  /\ reads = [n \in Nodes |-> {}]
  /\ round = [n \in Nodes |-> 0]
  /\ answered = [n \in Nodes |-> Zero]
  /\ outbox = [n \in Nodes |-> NoMessages]
  /\ batches = [n \in Nodes |-> <<>>]
  /\ messages = NoMessages
  /\ decided = <<Founding>>
  /\ decidedIn = (1 :> 1)
  /\ elected = {}
  /\ served = [index |-> 1, least |-> 1]

-----------------------------------------------------------------------------
(* Elections *)

\* The election timer of n fires: it asks whether it would be voted for, and changes nothing that lasts.
StartPreVote(n) ==
  /\ role[n] # "leader"
  /\ MayStand(n)
  /\ role' = [role EXCEPT ![n] = "precandidate"]
  /\ votes' = [votes EXCEPT ![n] = {n}]
  /\ Silent
  /\ UNCHANGED <<term, vote, log, snapshot, commit, leading, storage, ghosts>>

RequestPreVote(n) ==
  /\ role[n] = "precandidate"
  /\ Send([type |-> "PreVoteRequest", from |-> n, term |-> term[n] + 1,
           lastIndex |-> Len(log[n]), lastTerm |-> LastTerm(log[n])])
  /\ UNCHANGED <<memory, storage, ghosts>>

UpToDate(n, m) ==
  \/ m.lastTerm > LastTerm(log[n])
  \/ m.lastTerm = LastTerm(log[n]) /\ m.lastIndex >= Len(log[n])

\* n may refuse for reasons of its own: it hears a leader.
HandlePreVoteRequest(n, m, granted) ==
  /\ m.type = "PreVoteRequest" /\ m.from # n
  /\ granted => m.term > term[n] /\ UpToDate(n, m)
  /\ UNCHANGED <<memory, storage, ghosts>>
  /\ SendWhenDurable(n, [type |-> "PreVoteResponse", from |-> n, to |-> m.from,
                         term |-> IF granted THEN m.term ELSE term[n], granted |-> granted])

HandlePreVoteResponse(n, m) ==
  /\ m.type = "PreVoteResponse" /\ m.to = n
  /\ m.granted => role[n] = "precandidate" /\ m.term = term[n] + 1
  /\ votes' = [votes EXCEPT ![n] = IF m.granted THEN @ \cup {m.from} ELSE @]
  /\ Silent
  /\ UNCHANGED <<role, term, vote, log, snapshot, commit, leading, storage, ghosts>>

PreVoteWon(n) == role[n] = "precandidate" /\ IsQuorum(votes[n], Voters(n))

\* n stands for election in the next term.
Timeout(n) ==
  /\ PreVoteWon(n)
  /\ role' = [role EXCEPT ![n] = "candidate"]
  /\ term' = [term EXCEPT ![n] = @ + 1]
  /\ vote' = [vote EXCEPT ![n] = n]
  /\ votes' = [votes EXCEPT ![n] = {}]
  /\ Silent
  /\ UNCHANGED <<log, snapshot, commit, leading, storage, ghosts>>

RequestVote(n) ==
  /\ role[n] = "candidate"
  /\ UNCHANGED <<memory, storage, ghosts>>
  /\ SendWhenDurable(n, [type |-> "VoteRequest", from |-> n, term |-> term[n],
                         lastIndex |-> Len(log[n]), lastTerm |-> LastTerm(log[n])])

\* One vote in a term, and only for a log that holds whatever may have been committed.
MayVote(n, m) ==
  /\ m.term = term[n]
  /\ vote[n] \in {0, m.from}
  /\ UpToDate(n, m)

HandleRequestVoteRequest(n, m, granted) ==
  /\ m.type = "VoteRequest" /\ m.from # n
  /\ m.term <= term[n]
  /\ granted => MayVote(n, m)
  /\ vote' = [vote EXCEPT ![n] = IF granted THEN m.from ELSE @]
  /\ UNCHANGED <<role, term, log, snapshot, commit, votes, leading, storage, ghosts>>
  /\ SendWhenDurable(n, [type |-> "VoteResponse", from |-> n, to |-> m.from, term |-> term[n], granted |-> granted])

HandleRequestVoteResponse(n, m) ==
  /\ m.type = "VoteResponse" /\ m.to = n
  /\ m.term = term[n]
  /\ m.granted => role[n] = "candidate"
  /\ votes' = [votes EXCEPT ![n] = IF m.granted THEN @ \cup {m.from} ELSE @]
  /\ Silent
  /\ UNCHANGED <<role, term, vote, log, snapshot, commit, leading, storage, ghosts>>

\* Its own vote counts when it is durable, like any other.
OwnVoteIsDurable(n) == disk[n].term = term[n] /\ disk[n].vote = n

\* A new leader appends an entry of its term at once: only by committing that one may it commit older ones.
BecomeLeader(n) ==
  /\ role[n] = "candidate"
  /\ OwnVoteIsDurable(n)
  /\ IsQuorum(votes[n] \cup {n}, Voters(n))
  /\ role' = [role EXCEPT ![n] = "leader"]
  /\ log' = [log EXCEPT ![n] = Append(@, Entry("noop", term[n], n, Nobody))]
  /\ votes' = [votes EXCEPT ![n] = {}]
  /\ elected' = elected \cup {<<term[n], n>>}
  /\ Silent
  /\ UNCHANGED <<term, vote, snapshot, commit, leading, storage, decided, decidedIn, served>>

\* A message of a later term: n is a follower in that term, and handles the message next.
UpdateTerm(n, m) ==
  /\ m.term > term[n]
  /\ m.type # "PreVoteRequest"
  /\ m.type = "PreVoteResponse" => ~m.granted
  /\ term' = [term EXCEPT ![n] = m.term]
  /\ vote' = [vote EXCEPT ![n] = 0]
  /\ role' = [role EXCEPT ![n] = "follower"]
  /\ votes' = [votes EXCEPT ![n] = {}]
  /\ ForgetLeading(n)
  /\ Silent
  /\ UNCHANGED <<log, snapshot, commit, storage, ghosts>>

\* It comes too late, or n has a reason of its own.
IgnoreMessage(n, m) == m.from # n /\ UNCHANGED vars

StepDown(n) ==
  /\ role' = [role EXCEPT ![n] = "follower"]
  /\ ForgetLeading(n)
  /\ Silent
  /\ UNCHANGED <<term, vote, log, snapshot, commit, votes, storage, ghosts>>

\* A leader that has not heard a majority for a while makes room.
CheckQuorum(n) == role[n] = "leader" /\ StepDown(n)

\* A leader has led the cluster to a membership in which it has no vote.
LeaveLeadership(n) ==
  /\ role[n] = "leader"
  /\ n \notin Voters(n)
  /\ MembershipIndex(log[n]) <= commit[n]
  /\ StepDown(n)

TransferLeadership(n, to) ==
  /\ role[n] = "leader"
  /\ to \in Voters(n) \ {n}
  /\ transferee' = [transferee EXCEPT ![n] = to]
  /\ Silent
  /\ UNCHANGED <<role, term, vote, log, snapshot, commit, votes, match, reads, round, answered, storage, ghosts>>

AbortTransfer(n) ==
  /\ role[n] = "leader"
  /\ transferee[n] # 0
  /\ transferee' = [transferee EXCEPT ![n] = 0]
  /\ Silent
  /\ UNCHANGED <<role, term, vote, log, snapshot, commit, votes, match, reads, round, answered, storage, ghosts>>

TimeoutNow(n) ==
  /\ role[n] = "leader"
  /\ transferee[n] # 0
  /\ match[n][transferee[n]] = Len(log[n])
  /\ Send([type |-> "TimeoutNow", from |-> n, to |-> transferee[n], term |-> term[n]])
  /\ UNCHANGED <<memory, storage, ghosts>>

\* The leader's word stands for all pre-votes.
HandleTimeoutNow(n, m) ==
  /\ m.type = "TimeoutNow" /\ m.to = n
  /\ m.term = term[n]
  /\ role[n] \in {"follower", "precandidate"}
  /\ MayStand(n)
  /\ role' = [role EXCEPT ![n] = "precandidate"]
  /\ votes' = [votes EXCEPT ![n] = Voters(n)]
  /\ Silent
  /\ UNCHANGED <<term, vote, log, snapshot, commit, leading, storage, ghosts>>

-----------------------------------------------------------------------------
(* The log *)

Propose(n, entry) ==
  /\ role[n] = "leader"
  /\ transferee[n] = 0
  /\ log' = [log EXCEPT ![n] = Append(@, entry)]
  /\ Silent
  /\ UNCHANGED <<role, term, vote, snapshot, commit, votes, transferee, reads, round, storage, ghosts>>

ClientRequest(n) ==
  /\ Propose(n, Entry("command", term[n], n, Nobody))
  /\ UNCHANGED <<match, answered>>

\* One at a time: the last change is committed, and so is an entry of this leader's term.
MayChangeMembership(n) ==
  /\ MembershipIndex(log[n]) <= commit[n]
  /\ TermAt(log[n], commit[n]) = term[n]

\* Differs by at most one voter, so that majorities of the old and the new members overlap.
OneChange(old, new) ==
  /\ new.voters # {}
  /\ new.voters \cap new.learners = {}
  /\ Cardinality((old.voters \cup old.learners) \ (new.voters \cup new.learners))
      + Cardinality((new.voters \cup new.learners) \ (old.voters \cup old.learners))
      + Cardinality(new.voters \cap old.learners) = 1
  /\ new.voters \ old.voters \subseteq old.learners
  /\ new.learners \cap old.voters = {}

\* Who is removed is forgotten: it may come back with another disk.
ProposeMembership(n, members) ==
  /\ MayChangeMembership(n)
  /\ OneChange(MembersOf(log[n]), members)
  /\ Propose(n, Entry("membership", term[n], n, members))
  /\ LET Known(table) == [m \in Nodes |-> IF m \in members.voters \cup members.learners THEN table[m] ELSE 0] IN
     /\ match' = [match EXCEPT ![n] = Known(@)]
     /\ answered' = [answered EXCEPT ![n] = Known(@)]

\* Entries after prev up to end, maybe none. Round r proves, when it is answered, that n led when it was sent.
AppendEntries(n, prev, end, c, r) ==
  /\ role[n] = "leader"
  /\ prev \in 0..Len(log[n]) /\ end \in prev..Len(log[n])
  /\ c <= commit[n]
  /\ r >= round[n]
  /\ round' = [round EXCEPT ![n] = r]
  /\ Send([type |-> "AppendRequest", from |-> n, term |-> term[n], prevIndex |-> prev, prevTerm |-> TermAt(log[n], prev),
           entries |-> SubSeq(log[n], prev + 1, end), commit |-> c, round |-> r])
  /\ UNCHANGED <<role, term, vote, log, snapshot, commit, votes, match, transferee, reads, answered, storage, ghosts>>

\* What is committed here is in the log of every leader.
Agrees(n, m) ==
  \/ m.prevIndex <= commit[n]
  \/ m.prevIndex <= Len(log[n]) /\ TermAt(log[n], m.prevIndex) = m.prevTerm

\* What it has already stays, and what follows it too: the request may be an old one.
Merge(l, prev, entries) ==
  IF prev + Len(entries) <= Len(l) /\ SubSeq(l, prev + 1, prev + Len(entries)) = entries THEN l
  ELSE SubSeq(l, 1, prev) \o entries

\* Who sent a request of an earlier term may lead again in this one: its rounds of then count for nothing.
RoundFor(n, m) == IF m.term = term[n] THEN m.round ELSE 0

HandleAppendEntriesRequest(n, m) ==
  /\ m.type = "AppendRequest" /\ m.from # n
  /\ m.term <= term[n]
  /\ UNCHANGED <<term, vote, snapshot, leading, storage, ghosts>>
  /\ LET current == m.term = term[n]
         success == current /\ Agrees(n, m)
         end == m.prevIndex + Len(m.entries)
     IN
     /\ current => role[n] # "leader"
     /\ role' = [role EXCEPT ![n] = IF current THEN "follower" ELSE @]
     /\ votes' = [votes EXCEPT ![n] = IF current THEN {} ELSE @]
     /\ log' = [log EXCEPT ![n] = IF success THEN Merge(@, m.prevIndex, m.entries) ELSE @]
     /\ commit' = [commit EXCEPT ![n] = IF success THEN Max(@, Min(m.commit, end)) ELSE @]
     /\ SendWhenDurable(n, [type |-> "AppendResponse", from |-> n, to |-> m.from, term |-> term[n], success |-> success,
                            match |-> IF success THEN Max(end, commit'[n]) ELSE 0, round |-> RoundFor(n, m)])

HandleAppendEntriesResponse(n, m) ==
  /\ m.type = "AppendResponse" /\ m.to = n
  /\ role[n] = "leader"
  /\ m.term = term[n]
  /\ match' = [match EXCEPT ![n][m.from] = Max(@, m.match)]
  /\ answered' = [answered EXCEPT ![n][m.from] = Max(@, m.round)]
  /\ Silent
  /\ UNCHANGED <<role, term, vote, log, snapshot, commit, votes, transferee, reads, round, storage, ghosts>>

Holders(n, i) == {m \in Nodes : match[n][m] >= i} \cup (IF DurableIndex(n) >= i THEN {n} ELSE {})

\* Counting replicas decides entries of this term only; older ones are decided by what follows them.
MayCount(n, i) == log[n][i].term = term[n]

AdvanceCommitIndex(n, i) ==
  /\ role[n] = "leader"
  /\ i \in commit[n] + 1..Len(log[n])
  /\ MayCount(n, i)
  /\ IsQuorum(Holders(n, i), Voters(n))
  /\ commit' = [commit EXCEPT ![n] = i]
  /\ decided' = IF i > Len(decided) THEN SubSeq(log[n], 1, i) ELSE decided
  /\ reads' = [reads EXCEPT ![n] = {IF read.index > 0 THEN read ELSE [read EXCEPT !.index = i, !.round = round[n] + 1] : read \in @}]
  /\ decidedIn' = [t \in DOMAIN decidedIn \cup {term[n]} |-> IF t = term[n] THEN i ELSE decidedIn[t]]
  /\ Silent
  /\ UNCHANGED <<role, term, vote, log, snapshot, votes, match, transferee, round, answered, storage, elected, served>>

-----------------------------------------------------------------------------
(* Snapshots *)

\* The host has made a snapshot of what it applied up to i durable: the entries go, here and on the disk.
Compact(n, i) ==
  /\ i \in snapshot[n] + 1..commit[n]
  /\ snapshot' = [snapshot EXCEPT ![n] = i]
  /\ disk' = [disk EXCEPT ![n].snapshot = i,
                         ![n].log = IF IsPrefix(SubSeq(log[n], 1, i), @) THEN @ ELSE SubSeq(log[n], 1, i)]
  /\ Silent
  /\ UNCHANGED <<role, term, vote, log, commit, votes, leading, batches, ghosts>>

\* A piece of a snapshot of the leader, maybe not its latest; `last` ends it.
InstallSnapshot(n, i, last, r) ==
  /\ role[n] = "leader"
  /\ i \in 1..snapshot[n]
  /\ r >= round[n]
  /\ round' = [round EXCEPT ![n] = r]
  /\ Send([type |-> "SnapshotRequest", from |-> n, term |-> term[n], log |-> SubSeq(log[n], 1, i),
           last |-> last, round |-> r])
  /\ UNCHANGED <<role, term, vote, log, snapshot, commit, votes, match, transferee, reads, answered, storage, ghosts>>

\* A node that has the entries needs no snapshot: they are committed, and that is all it learns. Else, once it is
\* whole, it takes the place of the log.
HandleInstallSnapshotRequest(n, m, whole) ==
  /\ m.type = "SnapshotRequest" /\ m.from # n
  /\ m.term <= term[n]
  /\ whole => m.last
  /\ UNCHANGED <<term, vote, leading, storage, ghosts>>
  /\ LET current == m.term = term[n]
         index == Len(m.log)
         has == index <= Len(log[n]) /\ TermAt(log[n], index) = LastTerm(m.log)
         installs == current /\ whole /\ index > commit[n] /\ ~has
         knows == current /\ (installs \/ has \/ index <= commit[n])
     IN
     /\ current => role[n] # "leader"
     /\ role' = [role EXCEPT ![n] = IF current THEN "follower" ELSE @]
     /\ votes' = [votes EXCEPT ![n] = IF current THEN {} ELSE @]
     /\ log' = [log EXCEPT ![n] = IF installs THEN m.log ELSE @]
     /\ snapshot' = [snapshot EXCEPT ![n] = IF installs THEN index ELSE @]
     /\ commit' = [commit EXCEPT ![n] = IF knows THEN Max(@, index) ELSE @]
     /\ SendWhenDurable(n, [type |-> "SnapshotResponse", from |-> n, to |-> m.from, term |-> term[n],
                            match |-> IF knows THEN index ELSE 0, round |-> RoundFor(n, m)])

HandleInstallSnapshotResponse(n, m) ==
  /\ m.type = "SnapshotResponse" /\ m.to = n
  /\ role[n] = "leader"
  /\ m.term = term[n]
  /\ match' = [match EXCEPT ![n][m.from] = Max(@, m.match)]
  /\ answered' = [answered EXCEPT ![n][m.from] = Max(@, m.round)]
  /\ Silent
  /\ UNCHANGED <<role, term, vote, log, snapshot, commit, votes, transferee, reads, round, storage, ghosts>>

-----------------------------------------------------------------------------
(* Reads *)

\* The leader remembers its commit index, which is no older than anyone's once it has committed in its term (until
\* then the read waits, index 0), and proves by a round of heartbeats sent later that nobody had taken its place.
RequestReadIndex(n, id) ==
  /\ role[n] = "leader"
  /\ LET index == IF TermAt(log[n], commit[n]) = term[n] THEN commit[n] ELSE 0 IN
     reads' = [reads EXCEPT ![n] = @ \cup {[id |-> id, index |-> index, round |-> round[n] + 1, least |-> Len(decided)]}]
  /\ Silent
  /\ UNCHANGED <<role, term, vote, log, snapshot, commit, votes, match, transferee, round, answered, storage, ghosts>>

IsProven(n, read) == IsQuorum({n} \cup {m \in Nodes : answered[n][m] >= read.round}, Voters(n))

ConfirmReadIndex(n, read) ==
  /\ role[n] = "leader"
  /\ read \in reads[n] /\ read.index > 0
  /\ IsProven(n, read)
  /\ reads' = [reads EXCEPT ![n] = @ \ {read}]
  /\ served' = [index |-> read.index, least |-> read.least]
  /\ Silent
  /\ UNCHANGED <<role, term, vote, log, snapshot, commit, votes, match, transferee, round, answered, storage,
                 decided, decidedIn, elected>>

-----------------------------------------------------------------------------
(* The disk *)

\* What changed goes to the disk as one batch, together with the messages that wait for it.
Persist(n) ==
  /\ batches' = [batches EXCEPT ![n] = Append(@, [image |-> Image(n), after |-> outbox[n]])]
  /\ outbox' = [outbox EXCEPT ![n] = NoMessages]
  /\ UNCHANGED <<memory, disk, messages, ghosts>>

RECURSIVE AfterBatches(_, _)
AfterBatches(n, b) == IF b = 0 THEN NoMessages ELSE Together(AfterBatches(n, b - 1), batches[n][b].after)

\* The first b batches are durable. What waited for them leaves.
PersistCompleted(n, b) ==
  /\ b \in 1..Len(batches[n])
  /\ disk' = [disk EXCEPT ![n] = Written(n, b)]
  /\ batches' = [batches EXCEPT ![n] = SubSeq(@, b + 1, Len(@))]
  /\ messages' = Together(messages, AfterBatches(n, b))
  /\ UNCHANGED <<memory, outbox, ghosts>>

VoteIn(image) == image.vote

\* A process ends, at any moment, and begins with what its disk kept: whatever was durable, and maybe batches that were
\* on their way there.
Recover(n, kept) ==
  /\ kept \in 0..Len(batches[n])
  /\ LET image == Written(n, kept) IN
     /\ disk' = [disk EXCEPT ![n] = image]
     /\ term' = [term EXCEPT ![n] = image.term]
     /\ vote' = [vote EXCEPT ![n] = VoteIn(image)]
     /\ log' = [log EXCEPT ![n] = image.log]
     /\ snapshot' = [snapshot EXCEPT ![n] = image.snapshot]
     /\ commit' = [commit EXCEPT ![n] = image.snapshot]
  /\ role' = [role EXCEPT ![n] = "follower"]
  /\ votes' = [votes EXCEPT ![n] = {}]
  /\ ForgetLeading(n)
  /\ outbox' = [outbox EXCEPT ![n] = NoMessages]
  /\ batches' = [batches EXCEPT ![n] = <<>>]
  /\ UNCHANGED <<messages, ghosts>>

-----------------------------------------------------------------------------
Memberships == [voters : SUBSET Nodes, learners : SUBSET Nodes]

Next ==
  \/ \E n \in Nodes :
       \/ StartPreVote(n) \/ RequestPreVote(n) \/ Timeout(n) \/ RequestVote(n) \/ BecomeLeader(n)
       \/ CheckQuorum(n) \/ LeaveLeadership(n) \/ AbortTransfer(n) \/ TimeoutNow(n)
       \/ ClientRequest(n) \/ RequestReadIndex(n, 1) \/ Persist(n) \/ PersistCompleted(n, 1)
       \/ \E to \in Nodes : TransferLeadership(n, to)
       \/ \E members \in Memberships : ProposeMembership(n, members)
       \/ \E prev, end \in 0..Len(log[n]), r \in round[n]..round[n] + 1 : AppendEntries(n, prev, end, commit[n], r)
       \/ \E i \in 1..Len(log[n]) : AdvanceCommitIndex(n, i) \/ Compact(n, i)
       \/ \E i \in 1..snapshot[n], last \in BOOLEAN : InstallSnapshot(n, i, last, round[n])
       \/ \E read \in reads[n] : ConfirmReadIndex(n, read)
       \/ \E kept \in 0..Len(batches[n]) : Recover(n, kept)
  \/ \E n \in Nodes, m \in messages :
       \/ IgnoreMessage(n, m) \/ UpdateTerm(n, m) \/ HandleTimeoutNow(n, m)
       \/ \E granted \in BOOLEAN : HandlePreVoteRequest(n, m, granted) \/ HandleRequestVoteRequest(n, m, granted)
       \/ HandlePreVoteResponse(n, m) \/ HandleRequestVoteResponse(n, m)
       \/ HandleAppendEntriesRequest(n, m) \/ HandleAppendEntriesResponse(n, m)
       \/ HandleInstallSnapshotResponse(n, m)
       \/ \E whole \in BOOLEAN : HandleInstallSnapshotRequest(n, m, whole)

Spec == Init /\ [][Next]_vars

-----------------------------------------------------------------------------
(* What holds *)

\* A term has one leader at most.
ElectionSafetyInv == \A a, b \in elected : a[1] = b[1] => a = b

\* Two logs that have an entry of the same place and term are equal up to there.
LogMatchingInv ==
  \A m, n \in Nodes :
    LET same == CommonPrefix(log[m], log[n]) IN
    \A i \in same + 1..Min(Len(log[m]), Len(log[n])) : log[m][i].term # log[n][i].term

\* A leader has every entry that was decided in an earlier term.
LeaderCompletenessInv ==
  \A n \in Nodes : role[n] = "leader" =>
    \A t \in DOMAIN decidedIn : t < term[n] => IsPrefix(SubSeq(decided, 1, decidedIn[t]), log[n])

\* What any two nodes apply at the same place is the same.
StateMachineSafetyInv ==
  \A n \in Nodes : commit[n] <= Len(log[n]) /\ IsPrefix(SubSeq(log[n], 1, commit[n]), decided)

\* A disk never has less than its node has promised.
DurablePromiseInv ==
  \A n \in Nodes :
    /\ disk[n].snapshot <= Len(disk[n].log)
    /\ disk[n].term <= term[n]
    /\ role[n] = "leader" => disk[n].term = term[n] /\ disk[n].vote = n

\* A read sees everything that was decided before it was asked for.
ReadIndexInv == served.index >= served.least

\* What is decided stays.
CommittedLogAppendOnlyProp == [][IsPrefix(decided, decided')]_vars

\* Neither process nor disk goes back to an earlier term, but for a process that has just begun.
MonotonicTermProp ==
  [][\A n \in Nodes : disk'[n].term >= disk[n].term /\ (term'[n] >= term[n] \/ term'[n] = disk'[n].term)]_vars

\* A commit index goes back only when a process begins.
CommitMonotoneProp == [][\A n \in Nodes : commit'[n] >= commit[n] \/ commit'[n] = snapshot'[n]]_vars

\* A leader only ever adds to its log.
LeaderAppendOnlyProp ==
  [][\A n \in Nodes : role[n] = "leader" /\ role'[n] = "leader" /\ term'[n] = term[n] => IsPrefix(log[n], log'[n])]_vars

\* What DistributedLog assumes of all this: one log that grows, of which every node applies a prefix.
Log == INSTANCE CommittedLog WITH First <- Founding, log <- decided, applied <- commit
RefinesCommittedLog == Log!Spec
=============================================================================
