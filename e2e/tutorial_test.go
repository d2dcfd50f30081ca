//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// tutorialWait bounds the tutorial: two builds of a decoder, and an appliance.
const tutorialWait = 4 * time.Minute

// TestTutorial runs the commands of docs/tutorial-decoder.md in their order, with an empty module cache and no proxy: what
// a reader types has to work from the installed binary alone.
func TestTutorial(t *testing.T) {
	for _, tool := range []string{"sh", "make", "curl", "go"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no %s here", tool)
		}
	}
	text, err := os.ReadFile(filepath.Join("..", "docs", "tutorial-decoder.md"))
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	script.WriteString("set -ex\n")
	inside := false
	for line := range strings.Lines(string(text)) {
		switch {
		case strings.HasPrefix(line, "```"):
			inside = !inside && strings.TrimSpace(line) == "```sh"
		case inside:
			script.WriteString(tutorialLine(line))
		}
	}
	addr := freeAddress(t)
	commands := strings.ReplaceAll(script.String(), "127.0.0.1:8000", addr)
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), tutorialWait)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", commands)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 2 * time.Second
	cmd.Env = append(os.Environ(),
		"PATH="+filepath.Dir(built(t))+string(os.PathListSeparator)+os.Getenv("PATH"),
		"GOPROXY=off", "GOFLAGS=-mod=mod", "GOMODCACHE="+filepath.Join(dir, "modcache"), "GOWORK=off", "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // the appliance it left
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(string(out), `"kelvin":294.65`) {
		t.Errorf("the rows of the API do not hold the new column:\n%s", out)
	}
}

// tutorialLine makes a line fail the script: sh takes a failed `! command` and a background command for success.
func tutorialLine(line string) string {
	if rest, ok := strings.CutPrefix(line, "! "); ok {
		return "if " + strings.TrimSpace(rest) + "; then echo 'should have failed'; exit 1; fi\n"
	}
	if command, ok := strings.CutSuffix(strings.TrimSpace(line), "&"); ok {
		return command + "> serve.log 2>&1 &\n"
	}
	return line
}

// freeAddress gives an address that nobody listens on now.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr())
}
