/* The agent. One process for each attempt, but one writer: each option is one
 * Step of the core, its record durable before anything leaves. */

/* What an answer of the host to the request leads to. */
#ifdef COMMITS_WITH_APPROVAL /* void, refund, completion: the durable approval is the commit point */
#define APPROVAL(from, input) STEP(from, input, confirmed, ""); ever_confirmed[t] = 1
#else
#ifdef IMPLICIT /* for an application that cannot confirm: commits while its session lives, else undone */
#define APPROVAL(from, input) \
	if \
	:: ap != dead && ap != gone && cur == t -> STEP(from, input, confirmed, ""); ever_confirmed[t] = 1 \
	:: else -> answered[t] = 1; UNDO(from, input) \
	fi
#else
#define APPROVAL(from, input) STEP(from, input, approved, "")
#endif
#endif
/* A pending request in doubt: ask, where the profile can, else undo (R2). */
#ifdef INQUIRY
#define DOUBT(t, input) STEP(pending, input, inquiring, "inquiry"); n_inquiry[t] = !cut
#else
#define DOUBT(t, input) UNDO(pending, input)
#endif
#define UNDO(from, input) STEP(from, input, reversing, "reversal"); SEND_REVERSAL

/* A message in the outbox cannot be told from one that the network has; but a
 * crash in between loses the request for good, since it is never sent again. */
#define SEND_REVERSAL MUST(P4, !ever_confirmed[t]); n_reversal[t] = !cut; SAY("agent: sends a reversal of %d\n", t)

#define ASKED(what) (ask == what && about == t)
#define HEARD ask = nothing; about = 0
/* An escalation only excuses, so its worst moment is the last one: that of an
 * earlier one is covered by it. */
#define LAST (!trouble && !esc[t])
#define NOW(state) (j[t] == state && !quarantined[t])
/* R11: another attempt at the same part is undecided or paid. */
#define TAKEN (t > 0 && sale[t] == sale[t-1] && (quarantined[t-1] || \
	j[t-1] == pending || j[t-1] == inquiring || j[t-1] == approved || j[t-1] == confirmed))

proctype Agent(byte t) {
end:
	do
	/* Begin: the intent is durable before the request leaves (R1). */
#ifdef NO_R11
	:: atomic { ASKED(begin) && NOW(none) ->
#else
	:: atomic { ASKED(begin) && NOW(none) && TAKEN -> HEARD; unfit = 1 }
	:: atomic { ASKED(begin) && NOW(none) && !TAKEN ->
#endif
#ifdef NO_R1
		if
		:: !v_sent[t] -> v_sent[t] = 1; n_request[t] = 1
		:: v_sent[t] -> HEARD; v_sent[t] = 0; used[t] = 1; j[t] = pending
		fi }
#else
		HEARD; used[t] = 1; out_request[t] = 1;
		STEP(none, "begin", pending, "request") }
#endif
	:: atomic { ASKED(begin) && (j[t] != none || quarantined[t]) -> HEARD } /* the same key is the same attempt */

	/* The request leaves, certainly does not, or nobody knows. */
	:: atomic { out_request[t] -> out_request[t] = 0; n_request[t] = !cut; SAY("agent: sends the request of %d\n", t) }
	:: atomic { out_request[t] && NOW(pending) -> out_request[t] = 0; n_request[t] = !cut; UNDO(pending, "request in doubt") }
	:: atomic { out_request[t] && NOW(pending) -> out_request[t] = 0; STEP(pending, "request certainly not sent", not_sent, ""); always(t) }
	:: atomic { out_request[t] && NOW(reversing) -> out_request[t] = 0; STEP(reversing, "request certainly not sent", not_sent, ""); always(t) }

	/* The host's answer is durable before the application hears of it. */
#ifdef NO_JOURNAL_FIRST
	:: atomic { n_approved[t] && NOW(pending) && !v[t] -> v[t] = 1 }
	:: atomic { n_approved[t] && NOW(pending) && v[t] -> v[t] = 0; APPROVAL(pending, "answer: approved") }
#else
	:: atomic { n_approved[t] && NOW(pending) -> APPROVAL(pending, "answer: approved") }
#endif
	:: atomic { n_declined[t] && NOW(pending) -> STEP(pending, "answer: declined", declined, ""); always(t) }
#if N == 1 /* these are the like of a timer, for the other attempt */
	:: atomic { n_approved[t] && NOW(pending) -> UNDO(pending, "answer: indeterminate") }
	:: atomic { n_approved[t] && NOW(pending) -> UNDO(pending, "answer: unbelievable"); esc[t] = 1 }
	:: atomic { n_approved[t] && NOW(pending) -> UNDO(pending, "answer: partial approval"); answered[t] = 1 }
#endif
	:: atomic { NOW(pending) -> DOUBT(t, "time is up") }
	:: atomic { ASKED(cancel) && NOW(pending) -> HEARD; UNDO(pending, "cancel") }
#ifdef NO_R14
	:: atomic { t == 1 && NOW(pending) && n_approved[0] -> APPROVAL(pending, "answer: approved") } /* the same STAN, another's answer */
#endif

	/* Inquiring: only a positive answer, or a decline, decides (R2). */
	:: atomic { n_approved[t] && NOW(inquiring) -> APPROVAL(inquiring, "answer: approved") }
	:: atomic { n_declined[t] && NOW(inquiring) -> STEP(inquiring, "answer: declined", declined, ""); always(t) }
	:: atomic { n_inq_approved[t] && NOW(inquiring) -> APPROVAL(inquiring, "inquiry: approved") }
	:: atomic { n_inq_declined[t] && NOW(inquiring) -> STEP(inquiring, "inquiry: declined, where that is final", declined, ""); always(t) }
#ifdef NO_R2
	:: atomic { n_inq_not_found[t] && NOW(inquiring) -> STEP(inquiring, "inquiry: anything else", declined, ""); always(t) }
#else
	:: atomic { n_inq_not_found[t] && NOW(inquiring) -> UNDO(inquiring, "inquiry: anything else") }
	:: atomic { n_inq_not_found[t] && NOW(inquiring) && trouble -> n_inq_not_found[t] = 0; n_inquiry[t] = 0; STEP(inquiring, "inquiry: anything else", inquiring, "") }
	:: atomic { !n_inquiry[t] && NOW(inquiring) && trouble -> n_inquiry[t] = 1; STEP(inquiring, "time is up", inquiring, "inquiry") }
#endif
	:: atomic { out_request[t] && NOW(inquiring) -> out_request[t] = 0; STEP(inquiring, "request certainly not sent", not_sent, ""); always(t) }
	:: atomic { NOW(inquiring) -> UNDO(inquiring, "time is up") }
	:: atomic { ASKED(cancel) && NOW(inquiring) -> HEARD; UNDO(inquiring, "cancel") }

	/* Approved: the commit point is the durable confirmation (R4); without it
	 * the attempt is always undone (R9). */
#ifdef NO_R5
	:: atomic { ASKED(confirm) && NOW(approved) && !v[t] -> HEARD; v[t] = 1 } /* acknowledged before its sync */
	:: atomic { NOW(approved) && v[t] -> v[t] = 0; ever_confirmed[t] = 1; STEP(approved, "confirm", confirmed, ""); DECIDED(t) }
#else
	:: atomic { ASKED(confirm) && NOW(approved) -> HEARD; ever_confirmed[t] = 1; STEP(approved, "confirm", confirmed, ""); DECIDED(t) }
#endif
	:: atomic { ASKED(cancel) && NOW(approved) -> HEARD; answered[t] = 1; UNDO(approved, "cancel") }
#ifdef NO_R6
	:: atomic { NOW(approved) && !v[t] -> v[t] = 1; n_reversal[t] = !cut; SAY("agent: reverses %d, not journaled\n", t) }
	:: atomic { NOW(approved) && v[t] -> v[t] = 0; answered[t] = 1; UNDO(approved, "time is up") }
#else
#ifdef NO_R8
	:: atomic { NOW(approved) && !v[t] -> v[t] = 1; SAY("timer thread: decides to reverse %d\n", t) }
	:: atomic { (NOW(approved) || NOW(confirmed)) && v[t] -> v[t] = 0; answered[t] = 1; UNDO(approved, "time is up") }
#else
#ifndef NO_R9
	:: atomic { NOW(approved) -> answered[t] = 1; UNDO(approved, "time is up") }
#endif
#endif
#endif
	:: atomic { n_approved[t] && NOW(approved) && trouble -> STEP(approved, "answer: approved", approved, "") }

	/* Reversing is durable before the first reversal leaves, and irrevocable (R6). */
#ifdef NO_R6_IRREVOCABLE
	:: atomic { ASKED(confirm) && NOW(reversing) -> HEARD; ever_confirmed[t] = 1; STEP(reversing, "confirm", confirmed, "") }
#else
	:: atomic { ASKED(confirm) && NOW(reversing) -> HEARD; STEP(reversing, "confirm", reversing, "") }
#endif
	:: atomic { ASKED(cancel) && NOW(reversing) -> HEARD; STEP(reversing, "cancel", reversing, "") }
	:: atomic { NOW(reversing) && hold[t] != holding && !n_reversal[t] && !cut -> STEP(reversing, "time is up", reversing, "reversal"); SEND_REVERSAL }
#ifndef NO_SILENCE
	:: atomic { NOW(reversing) && cut && LAST -> esc[t] = 1; STEP(reversing, "time is up", reversing, "") }
#endif
	/* 00 closes, unless the request may still be on its way to a host that
	 * keeps no tombstones: then the hold-down comes first (R3'). */
#if defined(CERTIFIED) || defined(NO_R3_HOLD)
	:: atomic { NOW(reversing) && n_done[t] -> STEP(reversing, "reversal answered", reversed, ""); always(t) }
#else
	:: atomic { NOW(reversing) && n_done[t] && (answered[t] || hold[t] == hold_over) -> STEP(reversing, "reversal answered", reversed, ""); always(t) }
	:: atomic { NOW(reversing) && n_done[t] && !answered[t] && hold[t] == no_hold -> hold[t] = holding; STEP(reversing, "reversal answered", reversing, "") }
#endif
#ifdef NO_R3
	:: atomic { NOW(reversing) && n_25[t] -> STEP(reversing, "reversal answered", reversed, ""); always(t) }
#else
	:: atomic { NOW(reversing) && n_25[t] && hold[t] == no_hold -> hold[t] = holding; STEP(reversing, "reversal answered", reversing, "") }
	:: atomic { NOW(reversing) && n_25[t] && hold[t] == hold_over && LAST -> esc[t] = 1; STEP(reversing, "reversal answered", reversing, "") }
#endif
	/* Every message that was sent before is gone, and so are the answers. */
#ifdef NO_R3_SENT
	:: atomic { NOW(reversing) && hold[t] == holding ->
#else
	:: atomic { NOW(reversing) && hold[t] == holding && !out_request[t] ->
#endif
		n_request[t] = 0; n_reversal[t] = 0; n_done[t] = 0; n_25[t] = 0; n_refused[t] = 0;
		hold[t] = hold_over; STEP(reversing, "time is up", reversing, "reversal"); SEND_REVERSAL }
	/* A refusal never closes: a person's (R12). */
#ifdef NO_R12
	:: atomic { NOW(reversing) && n_refused[t] -> STEP(reversing, "reversal answered", reversed, ""); always(t) }
#else
	:: atomic { NOW(reversing) && n_refused[t] && LAST -> esc[t] = 1; STEP(reversing, "reversal answered", reversing, "") }
#endif
	/* A late answer is evidence, and changes nothing (R7). */
#ifdef NO_R7
	:: atomic { n_approved[t] && NOW(reversing) -> APPROVAL(reversing, "answer: approved") }
#else
	:: atomic { n_approved[t] && NOW(reversing) && trouble -> STEP(reversing, "answer: approved", reversing, "") }
#endif
	:: atomic { n_declined[t] && NOW(reversing) && trouble -> STEP(reversing, "answer: declined", reversing, "") }

	/* Reversed. An approval after a hold-down is the first that is heard of it. */
	:: atomic { n_approved[t] && NOW(reversed) && LAST && !answered[t] && hold[t] == hold_over -> esc[t] = 1; STEP(reversed, "answer: approved", reversed, "") }
	:: atomic { n_approved[t] && NOW(reversed) && trouble -> STEP(reversed, "answer: approved", reversed, "") }
	:: atomic { n_declined[t] && NOW(reversed) && trouble -> STEP(reversed, "answer: declined", reversed, "") }
	:: atomic { (n_done[t] || n_25[t] || n_refused[t]) && NOW(reversed) && trouble -> STEP(reversed, "reversal answered", reversed, "") }
	:: atomic { n_declined[t] && NOW(declined) && trouble -> STEP(declined, "answer: declined", declined, "") }

	/* Confirmed: who has not said that it was shown is asked, or a person is (R10). */
	:: atomic { ASKED(shown_yes) && NOW(confirmed) -> HEARD; told[t] = 1; STEP(confirmed, "shown", confirmed, "") }
	:: atomic { ASKED(shown_no) && NOW(confirmed) -> HEARD; esc[t] = 1; STEP(confirmed, "shown", confirmed, "") }
#if !defined(NO_R10) && !defined(COMMITS_WITH_APPROVAL)
	:: atomic { NOW(confirmed) && !told[t] && LAST -> esc[t] = 1; STEP(confirmed, "time is up", confirmed, "") }
#endif
	:: atomic { ASKED(cancel) && NOW(confirmed) -> HEARD; STEP(confirmed, "cancel", confirmed, "") }
	:: atomic { ASKED(confirm) && NOW(confirmed) -> HEARD; STEP(confirmed, "confirm", confirmed, "") }
	:: atomic { n_approved[t] && NOW(confirmed) && trouble -> STEP(confirmed, "answer: approved", confirmed, "") }

	/* Calls that come too late, or where nothing is run any more. */
	:: atomic { ask != nothing && ask != begin && about == t &&
		(closed(t) || j[t] == none || quarantined[t] || (j[t] == pending && ask == confirm) || (j[t] == inquiring && ask == confirm) ||
		 (j[t] != confirmed && (ask == shown_yes || ask == shown_no))) -> HEARD }
	od
}
