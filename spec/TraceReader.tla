---------------------------- MODULE TraceReader ----------------------------
(* Traces as values. TraceReader.java puts the contents of a file in the place of these two definitions: its    *)
(* first line is the header, each further line one trace, a sequence of events. trace-check.ts writes the file. *)

Header == CHOOSE header : TRUE
Traces == CHOOSE traces : TRUE

\* True. TLC leaves functions unevaluated until somebody looks at them, and a view looks at very little: without this,
\* what a state holds would be a chain of all that was ever done to it.
Evaluated(value) == TRUE

\* A number that stands for the value from now on. TLC goes through all of a state at each step; what only grows, such as
\* the messages ever sent, it need not go through again.
Keep(value) == CHOOSE number : TRUE
Kept(number) == CHOOSE value : TRUE
=============================================================================
