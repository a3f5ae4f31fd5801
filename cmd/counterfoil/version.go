package main

import (
	"runtime"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/counterfoil-pos/counterfoil/iso8583/profile"
)

// version is set by the build of a release, with -ldflags "-X main.version=…".
var version = ""

// build is what this program was made of.
type build struct {
	Version  string    `json:"version"`
	Revision string    `json:"revision,omitempty"`
	Time     time.Time `json:"commit_time,omitzero"`
	Go       string    `json:"go"`
	System   string    `json:"system"`
	Profiles []string  `json:"profiles"`
}

func thisBuild() build {
	b := build{Version: version, Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH, Profiles: profile.Names()}
	info, ok := debug.ReadBuildInfo()
	if ok {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.Revision = s.Value
			case "vcs.time":
				b.Time, _ = time.Parse(time.RFC3339, s.Value) // zero where it is not one
			}
		}
	}
	if b.Version == "" && ok && info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	if b.Version == "" {
		b.Version = "(devel)"
	}
	return b
}

func versionCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "What this program is and what it was built from", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			b := thisBuild()
			if a.json {
				return a.printJSON(b)
			}
			a.printf("counterfoil %s\n%s %s\n", b.Version, b.Go, b.System)
			if b.Revision != "" {
				a.printf("commit %s of %s\n", b.Revision, a.time(b.Time))
			}
			a.printf("profiles: %v\n", b.Profiles)
			return nil
		},
	}
}
