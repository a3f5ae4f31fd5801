/* The acquirer's host. A request that it has a record of is a repeat, and is
 * not debited again; a reversal that meets an undecided request marks it (R13).
 * -DTOMBSTONES: it remembers a reversal whose original it has not seen (R3).
 * Without: it answers 25, or with -DUNKNOWN_IS_00, 00. */

proctype Host(byte t) {
end:
	do
	:: atomic { n_request[t] && h[t] == unknown -> h[t] = authorising; SAY("host: receives the request of %d\n", t) }
	:: atomic { h[t] == authorising -> h[t] = debited; debits[t]++; n_approved[t] = !cut; SAY("host: DEBITS %d\n", t); always(t) }
	:: atomic { h[t] == authorising -> h[t] = refused; n_declined[t] = !cut; SAY("host: declines %d\n", t) }
	:: atomic { h[t] == marked -> h[t] = undone; n_done[t] = !cut }
	:: atomic { h[t] == tombstone && n_request[t] && !n_declined[t] -> n_declined[t] = 1 }
#ifdef NO_R13_DEDUPE
	:: atomic { n_request[t] && h[t] == debited && debits[t] < 2 -> debits[t]++; SAY("host: DEBITS %d AGAIN\n", t); always(t) }
#endif

	:: atomic { n_reversal[t] && h[t] == debited -> h[t] = undone; n_done[t] = 1; SAY("host: UNDOES %d\n", t); always(t) }
	:: atomic { n_reversal[t] && h[t] == debited -> h[t] = refusing; n_refused[t] = 1; SAY("host: refuses to undo %d\n", t) }
	:: atomic { n_reversal[t] && h[t] == refusing && !n_refused[t] -> n_refused[t] = 1 }
	:: atomic { n_reversal[t] && h[t] == refusing && trouble -> h[t] = undone; n_done[t] = 1; SAY("host: UNDOES %d after all\n", t); always(t) }
#ifdef NO_R13_MARK
	:: atomic { n_reversal[t] && h[t] == authorising && !n_done[t] -> n_done[t] = 1 }
#else
	:: atomic { n_reversal[t] && h[t] == authorising -> h[t] = marked }
#endif
	:: atomic { n_reversal[t] && (h[t] == refused || h[t] == undone || h[t] == tombstone) && !n_done[t] -> n_done[t] = 1 }
#if defined(TOMBSTONES)
	:: atomic { n_reversal[t] && h[t] == unknown -> h[t] = tombstone; n_done[t] = 1 }
#elif defined(UNKNOWN_IS_00)
	:: atomic { n_reversal[t] && h[t] == unknown && !n_done[t] -> n_done[t] = 1; SAY("host: 00 to a reversal of %d, which it does not know\n", t) }
#else
	:: atomic { n_reversal[t] && h[t] == unknown && !n_25[t] -> n_25[t] = 1 }
#endif

	:: atomic { n_inquiry[t] && h[t] == debited && !n_inq_approved[t] -> n_inq_approved[t] = 1 }
	:: atomic { n_inquiry[t] && (h[t] == unknown || h[t] == authorising) && !n_inq_not_found[t] -> n_inq_not_found[t] = 1 }
	:: atomic { n_inquiry[t] && (h[t] == refused || h[t] == tombstone) && !n_inq_declined[t] -> n_inq_declined[t] = 1 }
#ifdef HOST_FORGETS
	:: atomic { !forgot && trouble && h[t] != unknown -> forgot = 1; h[t] = unknown; SAY("host: FORGETS %d\n", t); always(t) }
#endif
	od
}
