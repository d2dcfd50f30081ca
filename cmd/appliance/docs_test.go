package main

import (
	"io"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// docs/cli.md knows every command, and of the commands for recordings every flag.
func TestCommandsAreDocumented(t *testing.T) {
	b, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(b)
	root := newRoot(nil, stdio{out: io.Discard, err: io.Discard})
	for _, cmd := range root.cmd.Commands() {
		if cmd.Hidden || cmd.Name() == "help" {
			continue
		}
		if !strings.Contains(doc, "`wayside "+cmd.Name()) && !strings.Contains(doc, "`"+cmd.Name()+"`") {
			t.Errorf("docs/cli.md does not know wayside %s", cmd.Name())
		}
		switch cmd.Name() {
		case "files", "decodes", "batches":
			for _, sub := range cmd.Commands() {
				if !strings.Contains(doc, "`"+cmd.Name()+" "+sub.Name()+" ") {
					t.Errorf("docs/cli.md does not know wayside %s %s", cmd.Name(), sub.Name())
				}
				wantFlags(t, doc, sub)
			}
		case "upload", "detect", "system", "top", "events":
			wantFlags(t, doc, cmd)
		}
	}
}

func wantFlags(t *testing.T, doc string, cmd *cobra.Command) {
	t.Helper()
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		short := f.Shorthand != "" && (strings.Contains(doc, " -"+f.Shorthand+" ") || strings.Contains(doc, "[-"+f.Shorthand+" "))
		if !f.Hidden && f.Name != "help" && f.Name != "idempotency-key" && !short && !strings.Contains(doc, "--"+f.Name) {
			t.Errorf("docs/cli.md does not know --%s of %s", f.Name, cmd.CommandPath())
		}
	})
}
