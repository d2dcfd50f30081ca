//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/plugins/rail/railtest"
)

// shell makes a command line that asks this appliance, in a home of its own.
func (a *appliance) shell(args ...string) *exec.Cmd {
	a.t.Helper()
	cmd := exec.CommandContext(a.t.Context(), built(a.t), args...)
	cmd.Env = []string{"HOME=" + a.t.TempDir(), "WAYSIDE_SERVER=" + a.url, "WAYSIDE_DATA_DIR=" + a.dir}
	return cmd
}

// says runs a command line to its end.
func (a *appliance) says(code int, args ...string) (stdout, stderr string) {
	a.t.Helper()
	cmd := a.shell(args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); (err != nil && !ok) || (ok && exit.ExitCode() != code) || (err == nil && code != 0) {
		a.t.Fatalf("wayside %q: %v, not exit code %d\n%s%s", args, err, code, &out, &errs)
	}
	return out.String(), errs.String()
}

// TestBatchesOnTheCommandLine makes batches in each way there is, waits, reads their tables, cancels and retries.
func TestBatchesOnTheCommandLine(t *testing.T) {
	a := start(t, t.TempDir())
	data, dir := example(t), t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	parts := railtest.Cut(data, 3)
	zip := write("day.zip", zipped(t, member{"1.RU", parts[0]}, member{"notes.txt", []byte("no recording")}, member{"2.RU", parts[1]}))
	var b Batch
	read := func(text string) {
		t.Helper()
		b = Batch{}
		if err := json.Unmarshal([]byte(text), &b); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
	}

	out, errs := a.says(1, "batches", "send", zip, "--wait", "2m", "--json")
	read(out)
	if b.Status != "partial" || len(b.Results) != 2 || len(b.Errors) != 1 || !strings.Contains(errs, "1 of 3 files failed") {
		t.Fatalf("%+v, %q", b, errs)
	}
	id := b.ID
	if out, errs = a.says(0, "batches", "show", id, "--limit", "2"); !strings.Contains(out, "day.zip") && !strings.Contains(out, "1.RU") || !strings.Contains(errs, "2 of 3 files") || !strings.Contains(errs, "--cursor 2") {
		t.Errorf("%q, %q", out, errs)
	}
	if out, _ = a.says(0, "batches", "show", id, "--cursor", "2"); !strings.Contains(out, "2.RU") || strings.Contains(out, "1.RU") {
		t.Errorf("%q", out)
	}
	if out, _ = a.says(0, "batches", "tables", id); !strings.Contains(out, "records ") {
		t.Errorf("%q", out)
	}
	out, errs = a.says(0, "batches", "rows", id, "records", "--limit", "3", "--where", "file:eq:2.RU", "--columns", "file,seq", "--json")
	var rows struct {
		Rows [][]any `json:"rows"`
		Next string  `json:"next_cursor"`
	}
	if err := json.Unmarshal([]byte(out), &rows); err != nil || len(rows.Rows) != 3 || rows.Rows[0][0] != "2.RU" || rows.Next == "" {
		t.Errorf("%v, %s%s", err, out, errs)
	}
	a.says(0, "batches", "get", id, "-o", filepath.Join(dir, "tables"), "--to", "csv")
	raw, err := os.ReadFile(filepath.Join(dir, "tables", "records.csv"))
	if err != nil {
		t.Fatal(err)
	}
	all, err := csv.NewReader(bytes.NewReader(raw)).ReadAll()
	whole, _ := a.says(0, "batches", "get", id, "records")
	if err != nil || len(all) < 3 || all[0][0] != "file" || whole != string(raw) {
		t.Errorf("%d rows, %v; on standard output %d bytes, in the file %d", len(all), err, len(whole), len(raw))
	}
	a.says(1, "batches", "retry", id, "--wait", "1m") // notes.txt is no recording this time either
	a.says(1, "batches", "cancel", id)

	// The same archive as a stored file, and its recordings as one.
	out, _ = a.says(0, "upload", zip, "--no-decode", "--json")
	var up Uploaded
	if err := json.Unmarshal([]byte(out), &up); err != nil {
		t.Fatal(err)
	}
	out, _ = a.says(1, "batches", "start", "--archive", up.File.ID, "--wait", "1m", "--json")
	if read(out); len(b.Results) != 2 {
		t.Errorf("%+v", b)
	}
	for i, p := range parts {
		write(filepath.Join("trip", string('c'-rune(i))+".RU"), p)
	}
	out, errs = a.says(0, "upload", filepath.Join(dir, "trip"), "--batch", "trip", "--combine", "--wait", "--json")
	if read(out); b.Total != 1 || b.Status != "done" || !strings.HasPrefix(out, "{") {
		t.Fatalf("%+v, %q", b, errs)
	}
	if out, _ = a.says(0, "batches", "get", b.ID, "mission"); strings.Count(out, "\n") != 2 {
		t.Errorf("the mission is\n%s", out)
	}

	out, errs = a.says(0, "batches", "list", "--limit", "1", "--json")
	var list []Batch
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) != 1 || list[0].ID != b.ID || !strings.Contains(errs, "--cursor ") {
		t.Errorf("%v, %s%s", err, out, errs)
	}
	cursor := errs[strings.LastIndex(errs, " ")+1:]
	out, _ = a.says(0, "batches", "list", "--cursor", strings.TrimSpace(cursor), "--all", "--fields", "id")
	if ids := strings.Fields(out); len(ids) != 3 || ids[0] != "ID" || slices.Contains(ids, b.ID) {
		t.Errorf("%q", ids)
	}
	a.says(0, "batches", "delete", id)
	a.says(1, "batches", "show", id)
	if took, err := a.stop(); err != nil {
		t.Errorf("stop after %v: %v\n%s", took, err, a.log.tail())
	}
}

// TestEventsOnTheCommandLine watches what happens, through a kill of the appliance, and ends with Ctrl-C.
func TestEventsOnTheCommandLine(t *testing.T) {
	dir := t.TempDir()
	a := start(t, dir)
	cmd := a.shell("events", "--topics", "file,decode", "--json")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	errs := &logBuffer{}
	cmd.Stderr = errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	type event struct {
		ID    string `json:"id"`
		Event string `json:"event"`
		Data  struct {
			Name   string `json:"name"`
			Status string `json:"status"`
		} `json:"data"`
	}
	events := make(chan event, 64)
	go func() { // it ends with the command's output
		defer close(events)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			var e event
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil || (e.Event != "file" && e.Event != "decode" && e.Event != "reset") {
				t.Errorf("not asked for: %v, %s", err, lines.Text())
			}
			events <- e
		}
	}()
	// Whoever is not connected yet sees nothing: things happen until one is seen. Bytes of its own make each a new file.
	data := example(t)
	until := func(a *appliance, name string, good func(event) bool) {
		t.Helper()
		for i, end := 0, time.Now().Add(readyWait); time.Now().Before(end); i++ { // connecting again takes a while
			a.upload(name, append(slices.Clone(data), make([]byte, i)...), "")
			for more := true; more; {
				select {
				case e := <-events:
					if good(e) {
						return
					}
				default:
					more = false
				}
			}
		}
		t.Fatalf("what happens is not seen: %q", errs.tail())
	}
	until(a, "before.RU", func(e event) bool {
		return e.Event == "decode" && (e.Data.Status == "done" || e.Data.Status == "partial")
	})
	a.kill()
	a = start(t, dir, "--listen", strings.TrimPrefix(a.url, "http://"))
	reset := false
	until(a, "after.RU", func(e event) bool {
		reset = reset || e.Event == "reset" // what happened before it was connected again is not told to it
		return e.Event == "file" && e.Data.Name == "after.RU"
	})
	t.Logf("events were left out: %v", reset)
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	for range events { // the rest of what it had
	}
	if err := cmd.Wait(); err != nil || !strings.Contains(errs.tail(), "connecting again") {
		t.Errorf("ended with %v, %q", err, errs.tail())
	}
	if took, err := a.stop(); err != nil {
		t.Errorf("stop after %v: %v\n%s", took, err, a.log.tail())
	}
}

// TestExitCodes has one command for each class of end, as docs/cli.md has them, and each says so in one line.
func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	a := start(t, dir)
	bad := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(bad, []byte("no recording"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := filepath.Join("..", "examples", "rail", "example.RU")
	a.says(0, "upload", good, "--wait")
	token := strings.TrimSpace(func() string {
		out, _ := a.says(0, "tokens", "create", "reader", "--scope", "read")
		return out
	}())
	token = token[strings.LastIndex(token, "\n")+1:]
	for _, tc := range []struct {
		code  int
		said  string // on standard error; with no lines there, on standard output
		lines int
		args  []string
	}{
		{0, "example.RU", 0, []string{"files", "list"}},
		{2, "(see wayside files --help)", 1, []string{"files", "lst"}},
		{2, "(see wayside files show --help)", 1, []string{"files", "show"}},
		{2, "is no address of an appliance", 1, []string{"files", "list", "--server", "ftp://x"}},
		{1, "no such file", 1, []string{"files", "show", "f0000000099"}},
		{1, "there is no such batch", 1, []string{"batches", "show", "b0000000099"}},
		{1, "the decode has ended", 1, []string{"decodes", "cancel", "d0000000001"}},
		{1, "give one with --token or WAYSIDE_TOKEN", 1, []string{"files", "list", "--token", "wrong"}},
		{1, "a token with scope admin", 1, []string{"files", "delete", "f0000000001", "--token", token}},
		{1, "start it with wayside serve, or name it with --server", 1, []string{"files", "list", "--server", "127.0.0.1:1"}},
		{1, "2 files: 2 taken, 1 failed", 1, []string{"upload", good, bad, "--wait"}},
		{1, "2 files, 1 successful, 1 failed", 0, []string{"upload", good, bad, "--batch", "x", "--wait"}},
	} {
		out, errs := a.says(tc.code, tc.args...)
		where := errs
		if tc.lines == 0 {
			where = out
		}
		if !strings.Contains(where, tc.said) || strings.Count(errs, "\n") != tc.lines {
			t.Errorf("wayside %q: %q, %q", tc.args, out, errs)
		}
	}
	// Interrupted while it waits: in the middle of a decode that does not end, since nothing is ready to do it.
	a.says(0, "queues", "pause", "decode")
	out, _ := a.says(0, "upload", good, "--name", "later.RU", "--force")
	id := out[strings.Index(out, "decode ")+7:]
	id, _, _ = strings.Cut(id, " ")
	cmd := a.shell("decodes", "show", strings.TrimRight(id, ",\n"), "--wait", "10m")
	said := &logBuffer{}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// Once its request is here it hears a signal: one at its start would only kill it.
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	until(t, "the command waits for the decode", func() bool {
		select {
		case err := <-ended:
			t.Fatalf("it did not wait: %v, %s", err, said.tail())
		default:
		}
		const waits = `atp_api_requests_in_progress{endpoint="/api/v1/decodes/{id}",method="GET"}`
		return a.measured(waits)[waits] == 1
	})
	_ = cmd.Process.Signal(syscall.SIGINT)
	err := <-ended
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 130 || strings.Count(said.tail(), "\n") != 1 || !strings.Contains(said.tail(), "interrupted") {
		t.Errorf("interrupted: %v, %q", err, said.tail())
	}
	if took, err := a.stop(); err != nil {
		t.Errorf("stop after %v: %v\n%s", took, err, a.log.tail())
	}
}
