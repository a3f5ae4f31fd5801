// Command journal measures the journal against the physical limit of the disk
// and against other engines, on the disk it is started on and on a slow one,
// and writes docs/bench-journal.md and docs/bench-journal.svg.
//
// Every round of every engine is a process of its own; the engines alternate.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/counterfoil-pos/counterfoil/test/bench/slowdisk"
)

// The roles of the processes that a run starts; none of them is for people.
var roles = map[string]func(args []string) (any, error){
	"round": func(args []string) (any, error) {
		var j job
		if err := parse(args, j.flags); err != nil {
			return nil, err
		}
		return j.run()
	},
	"fill": func(args []string) (any, error) {
		var j fillJob
		if err := parse(args, j.flags); err != nil {
			return nil, err
		}
		return nil, j.run()
	},
	"sales": func(args []string) (any, error) {
		var j saleJob
		if err := parse(args, j.flags); err != nil {
			return nil, err
		}
		return j.run()
	},
	"open": func(args []string) (any, error) {
		var j openJob
		if err := parse(args, j.flags); err != nil {
			return nil, err
		}
		return j.run()
	},
}

func main() {
	if err := dispatch(); err != nil {
		fmt.Fprintln(os.Stderr, "bench journal:", err)
		os.Exit(1)
	}
}

func dispatch() error {
	if len(os.Args) > 1 {
		if os.Args[1] == "slowdisk" {
			return serveSlowDisk(os.Args[2:])
		}
		if role := roles[os.Args[1]]; role != nil {
			out, err := role(os.Args[2:])
			if err != nil {
				return fmt.Errorf("%v: %w", os.Args[1:], err)
			}
			return json.NewEncoder(os.Stdout).Encode(out)
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var p plan
	if err := parse(os.Args[1:], p.flags); err != nil {
		return err
	}
	return p.run(ctx)
}

func parse(args []string, define func(*flag.FlagSet)) error {
	f := flag.NewFlagSet("journal", flag.ExitOnError)
	define(f)
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	return nil
}

// serveSlowDisk keeps a slow disk mounted until its standard input ends: when
// the run that started it ends or dies, the disk goes too.
func serveSlowDisk(args []string) error {
	var base string
	var size int64
	err := parse(args, func(f *flag.FlagSet) {
		f.StringVar(&base, "base", os.TempDir(), "where to mount")
		f.Int64Var(&size, "size", 1<<30, "bytes")
	})
	if err != nil {
		return err
	}
	signal.Ignore(os.Interrupt) // a terminal sends it to the whole group
	d, err := slowdisk.Make(base, size, slowdisk.EMMC)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(d.Dir); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	return d.Close()
}
