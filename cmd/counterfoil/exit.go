package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/counterfoil-pos/counterfoil/agent/client"
)

// The exit codes. A number never changes its meaning.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNotApproved = 3
	exitUndecided   = 4
	exitRefused     = 5
	exitJournal     = 6
)

const exitCodesHelp = `Every command ends with one of these:

  0  done. sale, void and the like: the transaction is confirmed; a sale is paid
  1  failed: nobody answers on the socket, a file cannot be read, a check failed
  2  usage: an unknown command or flag, or a value that cannot be taken;
     nothing was tried
  3  sale, void and the like: not done. Declined, never sent, reversed, being
     reversed or failed: the acquirer keeps nothing of it. After a sale it keeps
     no money; after a void or refund that ends so, the sale stands
  4  sale, void and the like: undecided. Hand over nothing; the message says how
     to ask again under the same UUID
  5  the agent refused the request and says why (with --json: its
     problem+json, in which "retry" says what a program may do); this command
     changed nothing
  6  run, dev: the journal failed while running, and the agent stopped at
     once. What it acknowledged is safe; start it again and it recovers`

// exitCodesTopic is "counterfoil help exit-codes".
func exitCodesTopic() *cobra.Command {
	return &cobra.Command{Use: "exit-codes", Short: "What the exit codes mean", Long: exitCodesHelp}
}

// exitError ends the process with a code of its own. Without an error nothing
// more is printed: the outcome was.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usage says that the command line cannot be taken.
func usage(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// outcome ends with code, after the outcome was printed.
func outcome(code int) error {
	if code == exitOK {
		return nil
	}
	return &exitError{code: code}
}

func codeOf(err error) int {
	var own *exitError
	switch {
	case errors.As(err, &own):
		return own.code
	case client.AsProblem(err) != nil:
		return exitRefused
	default:
		return exitFailed
	}
}

// report tells what went wrong: one line for people, or one of JSON.
func (a *app) report(err error, code int) {
	var own *exitError
	if errors.As(err, &own) && own.err == nil {
		return
	}
	p := client.AsProblem(err)
	if a.json {
		_ = json.NewEncoder(a.stderr).Encode(struct {
			Error   string          `json:"error"`
			Exit    int             `json:"exit"`
			Problem *client.Problem `json:"problem,omitempty"`
		}{err.Error(), code, p})
		return
	}
	_, _ = fmt.Fprintln(a.stderr, "counterfoil:", err)
	switch {
	case p != nil:
		_, _ = fmt.Fprintln(a.stderr, advise(p))
	case code == exitUsage:
		_, _ = fmt.Fprintln(a.stderr, `Try "counterfoil help".`)
	}
}

// advise is what to do about a problem, for people.
func advise(p *client.Problem) string {
	s := map[client.Retry]string{
		client.RetrySameID: "The same may be tried again later, as it is.",
		client.RetryNewID:  "Mend what it says and try again.",
		client.RetryPoll:   "Wait and ask again.",
		client.RetryNever:  "Trying again will not help.",
	}[p.Retry]
	if p.Other != "" {
		s += "\nIn the way is transaction " + p.Other + ": see it with \"counterfoil show " + p.Other + "\"."
	}
	return s
}
