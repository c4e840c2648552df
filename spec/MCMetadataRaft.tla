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
NeverWithFour(n, a, b, c, d) == FALSE

\* Who may not stand need not ask.
MCStartPreVote(n) == term[n] < MaxTerm /\ role[n] # "precandidate" /\ Raft!StartPreVote(n)
MCTimeout(n) == term[n] < MaxTerm /\ Raft!Timeout(n)
\* Pre-votes, the word of a leader and the choice of when to stand are about liveness: here everyone may stand at any time.
MCTimeout_anyTime(n) == role[n] # "leader" /\ MCTimeout(n)
MCProposeMembership(n, members) == Len(log[n]) < MaxLog /\ Raft!ProposeMembership(n, members)
MCRequestReadIndex(n, id) == reads[n] = {} /\ Raft!RequestReadIndex(n, id)
MCTransferLeadership(n, to) == transferee[n] = 0 /\ Raft!TransferLeadership(n, to)
MCInstallSnapshot(n, i, last, r) == i = snapshot[n] /\ i > 1 /\ last /\ r = round[n] /\ Raft!InstallSnapshot(n, i, last, r)
MCClientRequest(n) == Len(log[n]) < MaxLog /\ Raft!ClientRequest(n)
\* The next entries after what the leader knows of someone, as many as there are, and the probe of the end of its log.
MCAppendEntries(n, prev, end, c, r) ==
  /\ \E m \in Voters(n) \ {n} : prev = match[n][m]
  /\ end = Len(log[n])
  /\ r = IF reads[n] = {} THEN round[n] ELSE 1
  /\ Raft!AppendEntries(n, prev, end, c, r)
\* One entry at a time, to someone who has the founding.
MCAppendEntries_oneByOne(n, prev, end, c, r) ==
  /\ \E m \in Voters(n) \ {n} : prev = Max(1, match[n][m])
  /\ end = prev + 1
  /\ r = IF reads[n] = {} THEN round[n] ELSE 1
  /\ Raft!AppendEntries(n, prev, end, c, r)

\* Only what is new goes to the disk, as few batches as may be on their way.
LastImage(n) == IF batches[n] = <<>> THEN disk[n] ELSE batches[n][Len(batches[n])].image
MCPersist(n) ==
  /\ outbox[n] # {} \/ Image(n) # LastImage(n)
  /\ Len(batches[n]) < MaxBatches
  /\ Raft!Persist(n)
\* A batch is durable as soon as it is handed over. Nothing is lost by looking no closer: a batch that was under way
\* when its node changed further is one that was durable, with answers that were slow.
MCPersist_atOnce(n) ==
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
MCHandlePreVoteRequest(n, m, granted) == granted /\ Raft!HandlePreVoteRequest(n, m, granted)
MCHandleRequestVoteRequest(n, m, granted) == granted /\ Raft!HandleRequestVoteRequest(n, m, granted)
MCHandleAppendEntriesRequest(n, m) ==
  m.type = "AppendRequest" /\ m.term = term[n] /\ Agrees(n, m) /\ Raft!HandleAppendEntriesRequest(n, m)

\* Who has something to say, says it before anybody does anything else, or never. A step that only speaks commutes
\* with those of all other nodes, so no order of events that matters is lost.
Unsaid(n) ==
  \/ outbox[n] # {}
  \/ role[n] = "candidate" /\ ~\E m \in messages : m.type = "VoteRequest" /\ m.from = n /\ m.term = term[n]
SpeakFirst == \A n \in Nodes : Unsaid(n) => <<outbox[n], Unsaid(n)>>' # <<outbox[n], Unsaid(n)>>

-----------------------------------------------------------------------------
(* Next, with a name for each action, so that TLC tells how often each was taken. IgnoreMessage, which changes nothing, is *)
(* left out.                                                                                                              *)

AnyStartPreVote == \E n \in Nodes : StartPreVote(n)
AnyRequestPreVote == \E n \in Nodes : RequestPreVote(n)
AnyHandlePreVoteRequest == \E n \in Nodes, m \in messages, granted \in BOOLEAN : HandlePreVoteRequest(n, m, granted)
AnyHandlePreVoteResponse == \E n \in Nodes, m \in messages : HandlePreVoteResponse(n, m)
AnyTimeout == \E n \in Nodes : Timeout(n)
AnyRequestVote == \E n \in Nodes : RequestVote(n)
AnyHandleRequestVoteRequest == \E n \in Nodes, m \in messages, granted \in BOOLEAN : HandleRequestVoteRequest(n, m, granted)
AnyHandleRequestVoteResponse == \E n \in Nodes, m \in messages : HandleRequestVoteResponse(n, m)
AnyBecomeLeader == \E n \in Nodes : BecomeLeader(n)
AnyUpdateTerm == \E n \in Nodes, m \in messages : UpdateTerm(n, m)
AnyCheckQuorum == \E n \in Nodes : CheckQuorum(n)
AnyLeaveLeadership == \E n \in Nodes : LeaveLeadership(n)
AnyTransferLeadership == \E n, to \in Nodes : TransferLeadership(n, to)
AnyAbortTransfer == \E n \in Nodes : AbortTransfer(n)
AnyTimeoutNow == \E n \in Nodes : TimeoutNow(n)
AnyHandleTimeoutNow == \E n \in Nodes, m \in messages : HandleTimeoutNow(n, m)
AnyClientRequest == \E n \in Nodes : ClientRequest(n)
AnyProposeMembership == \E n \in Nodes, members \in Memberships : ProposeMembership(n, members)
AnyAppendEntries ==
  \E n \in Nodes : \E prev, end \in 0..Len(log[n]), r \in round[n]..round[n] + 1 : AppendEntries(n, prev, end, commit[n], r)
AnyHandleAppendEntriesRequest == \E n \in Nodes, m \in messages : HandleAppendEntriesRequest(n, m)
AnyHandleAppendEntriesResponse == \E n \in Nodes, m \in messages : HandleAppendEntriesResponse(n, m)
AnyAdvanceCommitIndex == \E n \in Nodes : \E i \in 1..Len(log[n]) : AdvanceCommitIndex(n, i)
AnyCompact == \E n \in Nodes : \E i \in 1..Len(log[n]) : Compact(n, i)
AnyInstallSnapshot == \E n \in Nodes : \E i \in 1..snapshot[n], last \in BOOLEAN : InstallSnapshot(n, i, last, round[n])
AnyHandleInstallSnapshotRequest ==
  \E n \in Nodes, m \in messages, whole \in BOOLEAN : HandleInstallSnapshotRequest(n, m, whole)
AnyHandleInstallSnapshotResponse == \E n \in Nodes, m \in messages : HandleInstallSnapshotResponse(n, m)
AnyRequestReadIndex == \E n \in Nodes : RequestReadIndex(n, 1)
AnyConfirmReadIndex == \E n \in Nodes : \E read \in reads[n] : ConfirmReadIndex(n, read)
AnyPersist == \E n \in Nodes : Persist(n)
AnyPersistCompleted == \E n \in Nodes : PersistCompleted(n, 1)
AnyRecover == \E n \in Nodes : \E kept \in 0..Len(batches[n]) : Recover(n, kept)

MCNext ==
  \/ AnyStartPreVote \/ AnyRequestPreVote \/ AnyHandlePreVoteRequest \/ AnyHandlePreVoteResponse
  \/ AnyTimeout \/ AnyRequestVote \/ AnyHandleRequestVoteRequest \/ AnyHandleRequestVoteResponse
  \/ AnyBecomeLeader \/ AnyUpdateTerm \/ AnyCheckQuorum \/ AnyLeaveLeadership
  \/ AnyTransferLeadership \/ AnyAbortTransfer \/ AnyTimeoutNow \/ AnyHandleTimeoutNow
  \/ AnyClientRequest \/ AnyProposeMembership
  \/ AnyAppendEntries \/ AnyHandleAppendEntriesRequest \/ AnyHandleAppendEntriesResponse
  \/ AnyAdvanceCommitIndex \/ AnyCompact
  \/ AnyInstallSnapshot \/ AnyHandleInstallSnapshotRequest \/ AnyHandleInstallSnapshotResponse
  \/ AnyRequestReadIndex \/ AnyConfirmReadIndex
  \/ AnyPersist \/ AnyPersistCompleted \/ AnyRecover

MCSpec == Init /\ [][MCNext]_vars

-----------------------------------------------------------------------------
(* Places to begin at, so that what is interesting is near. Both can be reached from Init. *)

At(r, t, v, l, c) == [role |-> r, term |-> t, vote |-> v, log |-> l, commit |-> c]
InitAt(at, decidedLog, decidedEnds, electedNow) ==
  /\ disk = [n \in Nodes |-> [term |-> at[n].term, vote |-> at[n].vote, log |-> at[n].log,
                              snapshot |-> IF at[n].log = <<>> THEN 0 ELSE 1]]
  /\ role = [n \in Nodes |-> at[n].role]
  /\ term = [n \in Nodes |-> disk[n].term]
  /\ vote = [n \in Nodes |-> disk[n].vote]
  /\ log = [n \in Nodes |-> disk[n].log]
  /\ snapshot = [n \in Nodes |-> disk[n].snapshot]
  /\ commit = [n \in Nodes |-> at[n].commit]
  /\ votes = [n \in Nodes |-> {}]
  /\ match = [n \in Nodes |-> Zero]
  /\ transferee = [n \in Nodes |-> 0]
  /\ reads = [n \in Nodes |-> {}]
  /\ round = [n \in Nodes |-> 0]
  /\ answered = [n \in Nodes |-> Zero]
  /\ outbox = [n \in Nodes |-> NoMessages]
  /\ batches = [n \in Nodes |-> <<>>]
  /\ messages = NoMessages
  /\ decided = decidedLog
  /\ decidedIn = decidedEnds
  /\ elected = electedNow
  /\ served = [index |-> 1, least |-> 1]

Noop(t, n) == Entry("noop", t, n, Nobody)

\* Founders with a part to play. Founders are alike, so it does not matter who has which.
A == CHOOSE n \in Founders : TRUE
B == CHOOSE n \in Founders \ {A} : TRUE

\* A leads in term 2, elected by all, and has committed its first entry with B, who does not know that yet.
InitLed ==
  LET l == <<Founding, Noop(2, A)>> IN
  InitAt([n \in Nodes |->
            CASE n = A -> At("leader", 2, A, l, 2)
              [] n = B -> At("follower", 2, A, l, 1)
              [] n \in Founders \ {A, B} -> At("follower", 2, A, <<Founding>>, 1)
              [] OTHER -> At("follower", 0, 0, <<>>, 0)],
         l, (1 :> 1) @@ (2 :> 2), {<<2, A>>})

\* Figure 8 of the Raft paper, (b) to (c): the leaders of terms 2 and 3, A and B, each made an entry that is on no other node.
\* A leads again, in term 4, elected by the third node.
InitFigure8 ==
  InitAt([n \in Nodes |->
            CASE n = A -> At("leader", 4, A, <<Founding, Noop(2, A), Noop(4, A)>>, 1)
              [] n = B -> At("follower", 3, B, <<Founding, Noop(3, B)>>, 1)
              [] OTHER -> At("follower", 4, A, <<Founding>>, 1)],
         <<Founding>>, 1 :> 1, {<<2, A>>, <<3, B>>, <<4, A>>})

-----------------------------------------------------------------------------
(* Probes: these must fail, and so show that what the invariants are about does happen *)

OneIsElectedProbe == \A a, b \in elected : a[1] = b[1]
NoMembershipIsDecidedProbe == \A i \in 2..Len(decided) : decided[i].kind # "membership"
NoSnapshotIsInstalledProbe == \A n \in Nodes : snapshot[n] > 1 => n \in {a[2] : a \in elected} \/ log[n] = disk[n].log
NoReadIsServedProbe == served.index = 1
NobodyIsUrgedProbe == \A m \in messages : m.type # "TimeoutNow"
NoSuffixIsCutProbe == \A n \in Nodes : IsPrefix(disk[n].log, log[n])

-----------------------------------------------------------------------------
(* Guards taken away *)

\* Nobody looks on the disk for whom its node has voted.
NoVoteIn(image) == 0
\* Any entry on a majority is taken for decided, whoever made it.
CountAnyTerm(n, i) == TRUE
\* Answers leave at once.
SendBeforePersist(n, m) == messages' = messages \cup {m} /\ UNCHANGED outbox
\* Any log will do.
AnyLog(n, m) == TRUE
\* Any number of voters come and go at once.
AnyChange(old, new) == new.voters # {} /\ new.learners = {}
\* A leader takes itself for one without asking.
ProvenByItself(n, read) == TRUE
\* What follows a request's entries goes, though the request may be an old one.
CutAfter(l, prev, entries) == SubSeq(l, 1, prev) \o entries
=============================================================================
