package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent"
	"github.com/counterfoil-pos/counterfoil/agent/config"
	"github.com/counterfoil-pos/counterfoil/agent/push"
)

const pushed = minimal + `
push:
  reminder: 5m
  receivers:
    - {name: pager, command: [bin/page, --loud], timeout: 3s}
    - {name: audit, file: items.ndjson}
    - {name: desk, webhook: "https://desk.example/hook", bearer_file: token}
`

func TestPush(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "c.yaml")
	for name, text := range map[string]string{"c.yaml": pushed, "token": "abc\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := config.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	var o agent.Options
	if err := c.Fill(&o); err != nil {
		t.Fatal(err)
	}
	if o.Push.Reminder != 5*time.Minute || len(o.Push.Sinks) != 3 {
		t.Fatalf("%+v", o.Push)
	}
	cmd, f, hook := o.Push.Sinks[0].(*push.Command), o.Push.Sinks[1].(*push.File), o.Push.Sinks[2].(*push.Webhook)
	if cmd.Args[0] != filepath.Join(dir, "bin/page") || cmd.Args[1] != "--loud" || cmd.Timeout != 3*time.Second ||
		f.Path != filepath.Join(dir, "items.ndjson") || hook.Bearer != "abc" || hook.URL.Host != "desk.example" || hook.Timeout != 10*time.Second {
		t.Errorf("%+v %+v %+v", cmd, f, hook)
	}
	if err := os.Chmod(filepath.Join(dir, "token"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := c.Fill(&o); err == nil || !strings.Contains(err.Error(), "chmod 0400") || strings.Contains(err.Error(), "abc") {
		t.Errorf("a token that others may read: %v", err)
	}
}

func TestPushErrors(t *testing.T) {
	for want, section := range map[string]string{
		"reminder":                   "{reminder: 1ms}",
		"push.receivers[0].name":     "{receivers: [{file: x}]}",
		"push.receivers[1].name":     "{receivers: [{name: a, file: x}, {name: a, file: y}]}",
		"used twice, or log":         "{receivers: [{name: log, file: x}]}",
		"want one of them":           "{receivers: [{name: a}]}",
		"command, file, webhook":     "{receivers: [{name: a, file: x, webhook: 'http://h/'}]}",
		"want an http or https URL":  "{receivers: [{name: a, webhook: 'ftp://h/'}]}",
		"use bearer_file":            "{receivers: [{name: a, webhook: 'http://u:p@h/'}]}",
		"only with a webhook":        "{receivers: [{name: a, file: x, ca: y}]}",
		"only with an https webhook": "{receivers: [{name: a, webhook: 'http://h/', ca: y}]}",
		"would go in clear":          "{receivers: [{name: a, webhook: 'http://h/', bearer_file: y}]}",
		"timeout":                    "{receivers: [{name: a, file: x, timeout: 0s}]}",
		"want a program":             "{receivers: [{name: a, command: ['']}]}",
		"field mailto not found":     "{receivers: [{name: a, mailto: x}]}",
		"field receiver not found":   "{receiver: []}",
		"at most 8":                  "{receivers: [{},{},{},{},{},{},{},{},{}]}",
	} {
		if _, err := config.Parse([]byte(minimal + "push: " + section + "\n")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: want %q, got %v", section, want, err)
		}
	}
}
