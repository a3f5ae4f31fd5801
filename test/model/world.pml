/* Crashes of the agent, the end of all trouble, and the judgement at rest. */

#define EACH(x, what) x = 0; do :: x < N -> what; x++ :: else -> break od; x = 0

/* A crash and the start after it are one step: while the agent is down nobody
 * can tell it from one that is slow. */
active proctype Crashes() {
	byte t;
end:
	do
	:: atomic { trouble && agent_crashes < AGENT_CRASHES -> agent_crashes++; SAY("agent: CRASH\n");
		ask = nothing; about = 0; unfit = 0;
		d_step { EACH(t, out_request[t] = 0) };
#ifdef NO_R1
		d_step { EACH(t, v_sent[t] = 0) };
#endif
#if defined(NO_R5) || defined(NO_R6) || defined(NO_R8) || defined(NO_JOURNAL_FIRST)
		d_step { EACH(t, v[t] = 0) };
#endif
#if defined(ROLLBACK) || defined(LOSS)
		if
#ifdef ROLLBACK
		:: snapped && !rolled -> rolled = 1; SAY("disk: an old journal is restored\n");
			d_step { EACH(t, j[t] = snap_j[t]; hold[t] = snap_hold[t]; told[t] = snap_told[t]; answered[t] = snap_answered[t]) };
#else
		:: !rolled -> rolled = 1; SAY("disk: the journal is lost\n");
			d_step { EACH(t, j[t] = none; hold[t] = no_hold; told[t] = 0; answered[t] = 0) };
#endif
#ifndef NO_R15
			/* At or below the outside mark: quarantined, in front of a person. */
			d_step { EACH(t, if :: used[t] && !closed(t) && !(j[t] == confirmed && told[t]) -> quarantined[t] = 1; esc[t] = 1 :: else fi) }
#endif
		:: true
		fi;
#endif
		/* The start: Recovered for each. What was asked is never asked again. */
		d_step { EACH(t,
			if
			:: quarantined[t] || j[t] == none || closed(t)
			:: NOW(pending) -> DOUBT(t, "restart")
			:: NOW(inquiring) -> STEP(inquiring, "restart", inquiring, "inquiry"); n_inquiry[t] = !cut
			:: NOW(approved) -> STEP(approved, "restart", approved, "")
			:: NOW(reversing) && hold[t] != holding -> STEP(reversing, "restart", reversing, "reversal"); SEND_REVERSAL
			:: NOW(reversing) && hold[t] == holding -> STEP(reversing, "restart", reversing, "")
			:: NOW(confirmed) -> STEP(confirmed, "restart", confirmed, "")
			fi) };
		always_all() }
#ifdef ROLLBACK
	:: atomic { trouble && !snapped -> snapped = 1; SAY("disk: a copy of the journal is made\n");
		d_step { EACH(t, snap_j[t] = j[t]; snap_hold[t] = hold[t]; snap_told[t] = told[t]; snap_answered[t] = answered[t]) } }
#endif
	od
}

inline judge(q) {
	/* P1: no silent debit. */
#ifdef COMMITS_WITH_APPROVAL /* what a void or a refund does is known from the journal; no goods depend on a screen */
	MUST(P1, !(holds_debit(q) && j[q] != confirmed && !esc[q]));
#else
	MUST(P1, !(holds_debit(q) && !shown[q] && !esc[q]));
#endif
	/* P5: what is in doubt is decided, or in front of a person. */
	MUST(P5, !(open(q) && !esc[q]));
	/* P6: journal and ledger agree at settlement, but for what a person has. */
	MUST(P6, holds_debit(q) == (j[q] == confirmed) || esc[q])
}

init {
	byte t;
	atomic { EACH(t, run Agent(t); run Host(t)) };
	/* From some moment on nothing goes wrong any more, or nothing arrives. What
	 * has not arrived by then is lost, or comes late: until then a lost message
	 * is one that takes its time. */
	atomic { trouble = 0;
		if
		:: SAY("--- from here on nothing goes wrong ---\n");
			EACH(t, if :: true :: n_request[t] -> n_request[t] = 0; SAY("network: the request of %d is lost\n", t) fi;
				if :: true :: n_reversal[t] -> n_reversal[t] = 0 fi;
				if :: true :: n_inquiry[t] -> n_inquiry[t] = 0 fi)
#if N == 1
		:: cut = 1; SAY("--- the line is dead for good ---\n");
			d_step { EACH(t,
				n_request[t] = 0; n_approved[t] = 0; n_declined[t] = 0;
				n_reversal[t] = 0; n_done[t] = 0; n_25[t] = 0; n_refused[t] = 0;
				n_inquiry[t] = 0; n_inq_approved[t] = 0; n_inq_not_found[t] = 0; n_inq_declined[t] = 0) }
#endif
		fi };
	timeout;
	d_step {
		EACH(t, judge(t));
		/* P3: one net debit for a part of a sale. */
#if N > 1
		MUST(P3, !(sale[0] == sale[1] && holds_debit(0) && holds_debit(1) && !esc[0] && !esc[1]));
#endif
		/* P7: the application hears of it. */
		MUST(P7, ap != waiting && ap != confirming && ap != back)
	}
}
