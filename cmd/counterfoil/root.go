package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/counterfoil-pos/counterfoil/cmd/counterfoil/demo"
)

// app is what the commands share: where they read and write, and the flags
// that all of them have.
type app struct {
	stdin          *bufio.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	json           bool
	zone           *time.Location

	started bool // a command's own code has begun: from then on errors are no usage errors
}

// commands is the registry, in the order of the help.
func (a *app) commands() []*cobra.Command {
	out := []*cobra.Command{
		devCommand(a),
		demo.Command(),
		demo.Internal(),
		runCommand(a),
		checkCommand(a),
	}
	for i := range typeCommands {
		out = append(out, beginCommand(a, &typeCommands[i]))
	}
	return append(out,
		listCommand(a),
		showCommand(a),
		watchCommand(a),
		recoveryCommand(a),
		echoCommand(a),
		signOnCommand(a),
		signOffCommand(a),
		settleCommand(a), batchesCommand(a), reconcileCommand(a),
		escalationsCommand(a),
		confirmCommand(a), resolveCommand(a),
		journalCommand(a),
		profileCommand(a),
		versionCommand(a),
		exitCodesTopic(),
	)
}

// execute runs one command line and gives its exit code.
func execute(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{stdin: bufio.NewReader(stdin), stdout: stdout, stderr: stderr, getenv: os.Getenv, zone: time.Local}
	root := a.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	code := exitUsage
	if a.started {
		code = codeOf(err)
	}
	a.report(err, code)
	return code
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "counterfoil",
		Short: "The terminal's half of every card transaction",
		Long: `counterfoil keeps the terminal's half of every card transaction, so that money
never moves without the terminal knowing: it journals what it is about to do,
talks to the acquirer, and reverses by itself whatever nobody confirmed.

Start with "counterfoil dev": agent, simulated acquirer and a temporary journal
in one process.`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetIn(a.stdin)
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print JSON; errors too, on standard error")
	root.PersistentFlags().Func("zone", "time zone of the times printed, such as Asia/Shanghai (default: this machine's, or the configured one)", func(name string) (err error) {
		a.zone, err = time.LoadLocation(name)
		return err
	})
	root.AddCommand(a.commands()...)
	a.mark(root)
	return root
}

// mark makes every command note that its own code has begun.
func (a *app) mark(cmd *cobra.Command) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			a.started = true
			return run(cmd, args)
		}
	}
	for _, c := range cmd.Commands() {
		a.mark(c)
	}
}

// chinese says whether people here read Chinese, by the environment.
func (a *app) chinese() bool {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := a.getenv(name); v != "" {
			return strings.HasPrefix(v, "zh")
		}
	}
	return false
}
