// Package mac makes and checks message authentication codes, and takes the
// working keys that a sign-on delivers. It knows bytes and keys, not messages:
// where the MAC stands and what it covers is a profile's business.
//
// Where the keys are is the business of a Signer. On a terminal that is a
// secure element or a PIN pad; the Software of this package keeps them in
// memory and is for development and the simulated acquirer.
package mac
