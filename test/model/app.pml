/* The payment application. It may crash at any step ("flash exit"), and come
 * back with its notes, without them, or never. What it reads from the agent is
 * durable, and either stays true or is checked again by the agent when the
 * application acts on it: so it reads at once. */

/* The next attempt: for the same part of the sale, or for the next sale. */
inline next_attempt(same) {
	cur++;
	if
	:: cur < N && same -> sale[cur] = sale[cur-1]
	:: cur < N && !same -> sale[cur] = cur
	:: else
	fi;
	ap = idle
}
inline not_paid() {
	SAY("app: shows NOT APPROVED %d\n", cur);
	if :: next_attempt(1) :: next_attempt(0) fi
}
inline paid() { shown[cur] = 1; SAY("app: shows APPROVED %d\n", cur); ap = telling; always_all() }
inline call(what) { ask = what; about = cur }

#define FREE(state) (ap == state && cur < N && ask == nothing)
#define J(state) (cur < N && j[cur] == state && !quarantined[cur])
#define NOT_PAID (closed(cur) || J(reversing))
#define UNDECIDED (J(pending) || J(inquiring) || J(approved))

active proctype App() {
end:
	do
	:: atomic { FREE(idle) -> call(begin); ap = waiting }

	/* Waiting for the host's word, or confirming. */
	:: atomic { FREE(waiting) && unfit -> unfit = 0; SAY("app: another attempt is open or paid\n"); next_attempt(0) }
	:: atomic { (FREE(waiting) || FREE(confirming)) && !unfit && J(none) -> call(begin); ap = waiting } /* 404: never journaled, so safe to send */
	:: atomic { FREE(waiting) && UNDECIDED && trouble -> call(cancel) }
#ifdef NO_R4
	:: atomic { FREE(waiting) && J(approved) -> shown[cur] = 1; SAY("app: shows APPROVED %d, not confirmed\n", cur); ap = showing; always_all() }
	:: atomic { FREE(showing) -> call(confirm); ap = confirming }
#else
	:: atomic { (FREE(waiting) || FREE(confirming)) && J(approved) -> call(confirm); ap = confirming }
#endif
	:: atomic { (FREE(waiting) || FREE(confirming)) && J(confirmed) -> paid() }
	:: atomic { (FREE(waiting) || FREE(confirming)) && NOT_PAID -> not_paid() }
	:: atomic { (FREE(waiting) || FREE(confirming)) && quarantined[cur] -> SAY("app: shows UNKNOWN, call %d\n", cur); next_attempt(0) }
#ifdef NO_JOURNAL_FIRST
#ifdef COMMITS_WITH_APPROVAL
	:: atomic { FREE(waiting) && J(pending) && v[cur] -> paid() }
#else
	:: atomic { FREE(waiting) && J(pending) && v[cur] -> call(confirm); ap = confirming }
#endif
#endif
#ifdef NO_R5
	:: atomic { FREE(confirming) && J(approved) && v[cur] -> paid() }
#endif

	/* Goods are handed over; it says so. */
	:: atomic { FREE(telling) -> call(shown_yes); ap = done }
	:: atomic { FREE(done) -> next_attempt(0) }

	/* Flash exit. A call that was under way may or may not be heard. */
	:: atomic { trouble && cur < N && ap != dead && ap != gone && app_crashes < APP_CRASHES ->
		app_crashes++; ap = dead; unfit = 0; SAY("app: CRASH\n");
		if :: ask = nothing; about = 0 :: true fi }
	:: atomic { ap == dead -> ap = back; SAY("app: starts again\n") }
	:: atomic { ap == dead -> ap = gone; SAY("app: is gone for good\n") }

	/* Back: it asks what it must act on. */
	:: atomic { FREE(back) && J(none) -> ap = idle }                          /* it has its notes, and asks again */
	:: atomic { FREE(back) && UNDECIDED -> ap = waiting }
	:: atomic { FREE(back) && trouble && !closed(cur) -> next_attempt(1) }    /* it has not: the cashier tries again */
	:: atomic { FREE(back) && NOT_PAID -> not_paid() }
	:: atomic { FREE(back) && quarantined[cur] -> SAY("app: shows UNKNOWN, call %d\n", cur); next_attempt(0) }
#ifdef NO_R10
	:: atomic { FREE(back) && J(confirmed) -> next_attempt(0) }
#else
	/* Shown again to the customer; or to nobody, which is no delivery (R10). */
	:: atomic { FREE(back) && J(confirmed) -> paid() }
#ifdef NO_R10_DELIVERY
	:: atomic { FREE(back) && J(confirmed) -> call(shown_yes); next_attempt(0) }
#else
	:: atomic { FREE(back) && J(confirmed) -> call(shown_no); next_attempt(0) }
#endif
#endif
	od
}
