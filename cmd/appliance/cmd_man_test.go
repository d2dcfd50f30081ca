package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Every command that help shows has a page, every flag of it stands there, and groff has nothing to say about it.
func TestManual(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man1")
	if code := run([]string{"man", dir}, nil, stdio{out: io.Discard, err: os.Stderr}); code != exitOK {
		t.Fatalf("exit %d", code)
	}
	pages := map[string]bool{}
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
		pages[name] = true
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
			return
		}
		page := strings.NewReplacer(`\-`, "-", `\(aq`, "'").Replace(string(b))
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if has := strings.Contains(page, "--"+f.Name+`\fR`); has == f.Hidden {
				t.Errorf("%s: --%s is there: %v", name, f.Name, has)
			}
		})
		if !strings.Contains(page, cmd.Short) || !strings.Contains(page, ".B "+cmd.CommandPath()) {
			t.Errorf("%s does not say what it is about:\n%.300s", name, page)
		}
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() {
				walk(sub)
			}
		}
	}
	root := newRoot(nil, stdio{out: io.Discard, err: io.Discard}).cmd
	root.InitDefaultCompletionCmd()
	walk(root)
	found, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(found) != len(pages) {
		t.Errorf("%d files, %d commands, %v", len(found), len(pages), err)
	}
	if groff, err := exec.LookPath("groff"); err == nil {
		out, err := exec.CommandContext(t.Context(), groff, append([]string{"-man", "-Tutf8", "-ww", "-z"}, found...)...).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("groff: %v\n%s", err, out)
		}
	}
}

func TestManualEscapes(t *testing.T) {
	for in, want := range map[string]string{
		".hidden":     `\&.hidden`,
		"'quoted":     `\(aqquoted`,
		`a\b --c`:     `a\eb \-\-c`,
		"FILE…":       "FILE...",
		"two\nlines":  "two lines",
		"plain größe": "plain größe",
	} {
		if got := roff(in); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got, want := paragraphs("one\ntwo\n\n  as it is\n"), "one\ntwo\n.PP\n.nf\n  as it is\n.fi\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
