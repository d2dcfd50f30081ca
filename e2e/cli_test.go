//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/plugins/rail/railtest"
)

// commandLine runs the built binary against an appliance.
type commandLine struct {
	t   *testing.T
	env []string
}

func (a *appliance) commandLine(t *testing.T) commandLine {
	return commandLine{t: t, env: append(os.Environ(), "WAYSIDE_SERVER="+a.url)}
}

// run gives standard output, and demands an exit code.
func (c commandLine) run(code int, args ...string) string {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), built(c.t), args...)
	cmd.Env = c.env
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != code {
		c.t.Fatalf("wayside %s: %v, want code %d\n%s%s", strings.Join(args, " "), err, code, out.String(), errs.String())
	}
	return out.String()
}

// TestBatchesFromTheCommandLine makes batches of files, of an archive and of one recording in parts, reads their tables and
// does everything else that the command offers.
func TestBatchesFromTheCommandLine(t *testing.T) {
	a := start(t, t.TempDir())
	c := a.commandLine(t)
	data := railtest.Recording(railtest.Options{Seed: 21, Bytes: 90_000})
	parts := railtest.Cut(data, 3)
	ids := make([]string, len(parts))
	for i, p := range parts {
		var up Uploaded
		if status, problem, err := a.call(t.Context(), "POST", "/api/v1/files?decode=false&name=hour"+string('0'+rune(i))+".RU", bytes.NewReader(p), &up); err != nil || problem != nil {
			t.Fatal(status, problem, err)
		}
		ids[i] = up.File.ID
	}
	c.run(2, "batches", "start")
	c.run(2, "batches", "start", ids[0], "--archive", ids[1])

	shown := c.run(0, append([]string{"batches", "start", "--name", "three", "--wait", "60s"}, ids...)...)
	if strings.Count(shown, "hour") != 3 || !strings.Contains(shown, "3 files, 3 successful, 0 failed") {
		t.Errorf("shown:\n%s", shown)
	}
	var list []struct{ ID, Name string }
	decodeJSON(t, c.run(0, "batches", "list", "--status", "done", "--json"), &list)
	if len(list) != 1 || list[0].Name != "three" {
		t.Fatalf("list: %+v", list)
	}
	three := list[0].ID
	out := filepath.Join(t.TempDir(), "missions.csv")
	c.run(0, "batches", "get", three, "mission", "-o", out)
	csv, err := os.ReadFile(out)
	if head, _, _ := strings.Cut(string(csv), "\n"); err != nil || !strings.HasPrefix(head, "file,") || strings.Count(string(csv), "hour") < 3 {
		t.Errorf("table: %v\n%s", err, csv)
	}

	one := c.run(0, append([]string{"batches", "start", "--combine", "--name", "whole", "--wait", "60s"}, ids...)...)
	if !strings.Contains(one, "1 files, 1 successful") || !strings.Contains(one, "whole") {
		t.Errorf("combined:\n%s", one)
	}
	var up Uploaded
	zip := zipped(t, member{"a.RU", parts[0]}, member{"b.RU", parts[1]}, member{"c.txt", []byte("no recording")})
	if status, problem, err := a.call(t.Context(), "POST", "/api/v1/files?decode=false&name=trip.zip", bytes.NewReader(zip), &up); err != nil || problem != nil {
		t.Fatal(status, problem, err)
	}
	of := c.run(1, "batches", "start", "--archive", up.File.ID, "--wait", "60s") // 1: not every file was decoded
	if !strings.Contains(of, "3 files, 2 successful, 1 failed") {
		t.Errorf("archive:\n%s", of)
	}
	id, _, _ := strings.Cut(of, " ")
	c.run(0, "batches", "retry", id)
	c.run(1, "batches", "show", id, "--wait", "60s")
	c.run(0, "batches", "delete", id, three)
	c.run(1, "batches", "show", id)
}

// TestEventsFromTheCommandLine follows what happens, and picks up where it stopped.
func TestEventsFromTheCommandLine(t *testing.T) {
	a := start(t, t.TempDir())
	cmd := exec.CommandContext(t.Context(), built(t), "events", "--json")
	cmd.Env = append(os.Environ(), "WAYSIDE_SERVER="+a.url)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = cmd.Process.Kill(), cmd.Wait() }()
	lines := json.NewDecoder(out)
	// The stream is open when the first event comes; files are sent until one does.
	seen := make(chan json.RawMessage, 1)
	go func() {
		var doc json.RawMessage
		_ = lines.Decode(&doc)
		seen <- doc
	}()
	for i := 0; ; i++ {
		a.upload("e.RU", railtest.Recording(railtest.Options{Seed: uint64(40 + i), Bytes: 20_000}), "")
		select {
		case doc := <-seen:
			if !bytes.Contains(doc, []byte(`"type"`)) {
				t.Errorf("event %s", doc)
			}
			return
		default:
		}
	}
}

func decodeJSON(t *testing.T, s string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(s), into); err != nil {
		t.Fatalf("%v: %s", err, s)
	}
}
