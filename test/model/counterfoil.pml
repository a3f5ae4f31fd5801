/* Counterfoil's protocol as a checked model: a payment application, the agent,
 * the network and the acquirer's host, with two attempts to be paid.
 *
 * Spin goes through every order in which these can act, with crashes of the
 * application and of the agent at any step. Messages are a set: a bit once set
 * may be delivered never (loss), late (delay, reordering) or many times
 * (duplication). Timers may fire at any moment, so no clock can break safety,
 * with one exception that the protocol itself makes: a hold-down (R3') ends only
 * when no message sent before it can still arrive.
 *
 * `run` checks the protocol against each kind of host, and shows that each rule
 * of the safety rules R1-R15 is needed: without it a property fails. A rule is
 * left out by -DNO_...; those lines are the product's mutants, not the product.
 *
 * What the durable journal and the fence do is abstracted to one atomic step:
 * write the record, then put what leaves into the outbox. The outbox is lost in
 * a crash, the record is not. That the real journal and the real fence do this
 * is shown elsewhere (journal's crash suite, test/sim).
 */
#include "words.pml"
#include "app.pml"
#include "agent.pml"
#include "host.pml"
#include "world.pml"
