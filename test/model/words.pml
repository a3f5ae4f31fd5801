/* The vocabulary and the state of everything. */

#ifndef N
#define N 2 /* attempts to be paid */
#endif
#ifndef APP_CRASHES
#define APP_CRASHES 2
#endif
#ifndef AGENT_CRASHES
#define AGENT_CRASHES 2
#endif

mtype = { none, pending, approved, inquiring, reversing,      /* the agent's states, as journaled */
          confirmed, declined, reversed, not_sent }           /* `failed` moves no money: not here */
mtype = { unknown, authorising, marked, debited, refusing,    /* the host's record of an attempt */
          undone, refused, tombstone }
mtype = { idle, waiting, confirming, telling, done, showing, dead, back, gone } /* the application */
mtype = { nothing, begin, confirm, cancel, shown_yes, shown_no }          /* what it asks for */
mtype = { no_hold, holding, hold_over }                       /* the hold-down of a reversal (R3') */

/* Durable: the journal. */
mtype j[N] = none;
bit esc[N];         /* in front of a person: a flag, and it stays */
bit answered[N];    /* the request was answered before its reversal began */
bit told[N];        /* the application said that the goods were handed over */
mtype hold[N] = no_hold;
bit quarantined[N]; /* R15: its key lies below the outside mark and is never run again */
bit used[N];        /* the outside mark itself: a key that was ever used */

/* Volatile: what dies with the agent. */
bit out_request[N]; /* the outbox: the intent is durable, the request has not left */
mtype ask = nothing; /* the application's call under way */
byte about;         /* and the attempt that it is about */
bit unfit;          /* and the answer that another attempt is open or paid (R11) */

/* The network. */
bit n_request[N], n_approved[N], n_declined[N];
bit n_reversal[N], n_done[N], n_25[N], n_refused[N];
bit n_inquiry[N], n_inq_approved[N], n_inq_not_found[N], n_inq_declined[N];
bit trouble = 1;    /* until the world heals, or the line is cut for good */
bit cut;

/* The host. */
mtype h[N] = unknown;
byte debits[N];

/* The application, and what it showed. */
mtype ap = idle;
byte cur;           /* the attempt it is at */
byte sale[N];       /* the part of a sale that the attempt is for */
byte app_crashes, agent_crashes;
bit shown[N];       /* the customer saw "approved": goods leave */

/* Ghosts. */
bit ever_confirmed[N];

/* Of the variants without a rule. */
#ifdef NO_R1
bit v_sent[N];
#endif
#if defined(NO_R5) || defined(NO_R6) || defined(NO_R8) || defined(NO_JOURNAL_FIRST)
bit v[N];
#endif
#if defined(ROLLBACK)
mtype snap_j[N] = none, snap_hold[N] = no_hold;
bit snap_told[N], snap_answered[N], snapped;
#endif
#if defined(ROLLBACK) || defined(LOSS)
bit rolled;
#endif
#ifdef HOST_FORGETS
bit forgot;
#endif

#define holds_debit(t) (h[t] == debited || h[t] == refusing)
#define closed(t) (j[t] == declined || j[t] == reversed || j[t] == not_sent)
#define open(t) (j[t] == pending || j[t] == approved || j[t] == inquiring || j[t] == reversing)

/* One property at a time is told, once. -DSTOP stops there, with a trail. */
#ifdef STOP
#define FAIL assert(false)
#else
#define FAIL skip
#endif
#define MUST(property, condition) \
	if \
	:: (condition) \
	:: else -> c_code { { static int told; if (!told++) printf("violated " #property "\n"); } }; FAIL \
	fi

/* STEP is one square of the state table: what was journaled, where the input
 * leads, and what is put into the outbox. It tells each square once. */
#define STEP(from, input, to, sends) \
	c_code { { static int told; if (!told++) printf("transition " #from " | " input " | " #to " | " sends "\n"); } }; \
	j[t] = to

#define SAY printf

/* What the network still holds of a decided attempt is evidence, and changes
 * nothing. With one attempt that is shown; with two it is put away, to keep the
 * states few. */
#if N == 1 || defined(NO_R14)
#define DECIDED(t) skip
#else
#define DECIDED(t) n_approved[t] = 0; n_declined[t] = 0; n_done[t] = 0; n_25[t] = 0; n_refused[t] = 0; hold[t] = no_hold; answered[t] = 0
#endif

/* What must hold at every moment. */
inline always(t) {
	d_step {
		if :: closed(t) -> DECIDED(t) :: else fi;
		/* P2: an approval that was shown is debited, from then on. */
		MUST(P2, !(shown[t] && !holds_debit(t)));
		/* P1s: what is closed as not paid never holds a debit. */
		MUST(P1s, !(closed(t) && holds_debit(t)));
		/* P3: a key is debited once at the most. */
		MUST(P3, debits[t] <= 1)
	}
}
inline always_all() {
	always(0);
#if N > 1
	always(1)
#endif
}
