package runtime

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/runtimetest"
	"github.com/wayside-edge/wayside/internal/table"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// obedient emits batches of one row until told to stop, and after the n-th loops for ever unless it was told.
func obedient(id string, n int) *runtimetest.Guest {
	g := runtimetest.NewGuest(id, 1, 16)
	g.Data(runtimetest.DescAt, runtimetest.Words(1, 1, 0, 0, runtimetest.RowsAt, 0, 0, 8))
	return g.Decode(
		runtimetest.Loop(
			i32(runtimetest.RowsAt), runtimetest.Get(1), i32(1), runtimetest.Op(runtimetest.Add), runtimetest.Set(1),
			runtimetest.Get(1), runtimetest.Store(0),
			i32(0), i32(runtimetest.DescAt), runtimetest.Call(g.Emit),
			[]byte{0x04, 0x40}, i32(0), runtimetest.Op(runtimetest.Return), runtimetest.Op(0x0b),
			runtimetest.Get(1), i32(n), runtimetest.Op(runtimetest.LtU), runtimetest.BrIf(0),
		),
		runtimetest.Loop(runtimetest.Br(0)), i32(0))
}

// forever emits one row and then loops without end.
func forever(id string) *runtimetest.Guest {
	g := runtimetest.NewGuest(id, 1, 16)
	return g.Decode(g.Rows(1), runtimetest.Loop(runtimetest.Br(0)), i32(0))
}

func TestKilledDecodeKeepsConfirmedBatches(t *testing.T) {
	r := newRig(t, short, map[string][]byte{"stops": obedient("stops", 5).Wasm()})
	j := r.request("stops", []byte("input"))
	res := r.decode(j)
	if res.Status != Partial || res.Rows != 5 || res.Failure == nil || res.Failure.Code != errcode.Stalled {
		t.Fatalf("%+v %+v", res, res.Failure)
	}
	if got := strings.Count(j.file("rows"), "\n"); got != 5 {
		t.Errorf("%d rows in the file: %s", got, j.file("rows"))
	}
}

func TestDeadline(t *testing.T) {
	r := newRig(t, func(c *Config) {
		short(c)
		c.Limits.Total, c.Limits.Stall = time.Second, time.Minute // enough for a row, on a busy machine too
		if raceEnabled {
			c.Limits.Total = 3 * time.Second
		}
	}, map[string][]byte{"forever": forever("forever").Wasm()})
	began := time.Now()
	res := r.decode(r.request("forever", []byte("input")))
	if res.Status != Partial || res.Rows != 1 || res.Failure.Code != errcode.Deadline {
		t.Fatalf("%+v %+v", res, res.Failure)
	}
	if took := time.Since(began); took > 20*time.Second { // Stall would end it after a minute
		t.Errorf("took %s", took)
	}
}

// whileRunning calls f once a decode of j makes progress, and gives how the decode ended.
func whileRunning(ctx context.Context, t *testing.T, r *rig, j *job, f func()) (Result, error) {
	t.Helper()
	var once sync.Once
	j.Progress = func(p Progress) {
		if p.Rows > 0 {
			once.Do(f)
		}
	}
	return r.pool.Decode(ctx, j.Request)
}

func TestWorkerKilledFromOutside(t *testing.T) {
	r := newRig(t, nil, map[string][]byte{"forever": forever("forever").Wasm(), "lines": runtimetest.Lines("lines").Wasm()})
	_, err := whileRunning(t.Context(), t, r, r.request("forever", []byte("input")), func() {
		for _, w := range r.pool.Stats().Workers {
			_ = syscall.Kill(w.PID, syscall.SIGKILL)
		}
	})
	if !errcode.Is(err, errcode.WorkerCrashed) {
		t.Fatalf("error %v, want worker_crashed", err)
	}
	if res := r.decode(r.request("lines", make([]byte, 4096))); res.Status != Done {
		t.Errorf("the next decode: %+v", res)
	}
}

func TestIdleWorkerKilledFromOutsideIsReplaced(t *testing.T) {
	r := newRig(t, nil, map[string][]byte{"lines": runtimetest.Lines("lines").Wasm()})
	for range 5 {
		if res := r.decode(r.request("lines", make([]byte, 4096))); res.Status != Done {
			t.Fatalf("%+v", res)
		}
		for _, w := range r.pool.Stats().Workers {
			_ = syscall.Kill(w.PID, syscall.SIGKILL)
		}
	}
}

func TestCancelledDecode(t *testing.T) {
	r := newRig(t, nil, map[string][]byte{"forever": forever("forever").Wasm()})
	cause := errors.New("changed my mind")
	ctx, cancel := context.WithCancelCause(t.Context())
	_, err := whileRunning(ctx, t, r, r.request("forever", []byte("input")), func() { cancel(cause) })
	if !errors.Is(err, cause) {
		t.Fatalf("error %v, want %v", err, cause)
	}
	if n := len(r.pool.Stats().Workers); n != 0 {
		t.Errorf("%d workers are left", n)
	}
}

func TestWaiterIsWokenByContext(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Workers = 1 }, map[string][]byte{"forever": forever("forever").Wasm()})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := whileRunning(ctx, t, r, r.request("forever", []byte("input")), func() {
		late, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer stop()
		if _, err := r.pool.Decode(late, r.request("forever", []byte("x")).Request); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the waiter got %v", err)
		}
		cancel()
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestShutdownEndsDecodes(t *testing.T) {
	r := newRig(t, nil, map[string][]byte{"forever": forever("forever").Wasm()})
	closed := make(chan struct{})
	_, err := whileRunning(t.Context(), t, r, r.request("forever", []byte("input")), func() {
		go func() {
			_ = r.pool.Close()
			close(closed)
		}()
	})
	if !errcode.Is(err, errcode.ShuttingDown) {
		t.Fatalf("error %v, want shutting_down", err)
	}
	<-closed
	if _, err := r.pool.Decode(t.Context(), r.request("forever", nil).Request); !errcode.Is(err, errcode.ShuttingDown) {
		t.Errorf("after the end: %v", err)
	}
}

func TestDiskFull(t *testing.T) {
	r := newRig(t, nil, map[string][]byte{"lines": runtimetest.Lines("lines").Wasm()})
	j := r.request("lines", make([]byte, 4096))
	j.Create = func(*table.Schema) (*os.File, error) { return os.OpenFile("/dev/full", os.O_WRONLY, 0) }
	if _, err := r.pool.Decode(t.Context(), j.Request); !errcode.Is(err, errcode.DiskFull) {
		t.Errorf("writing to a full disk: %v", err)
	}
	j.Create = func(*table.Schema) (*os.File, error) { return nil, &os.PathError{Op: "open", Err: syscall.ENOSPC} }
	if _, err := r.pool.Decode(t.Context(), j.Request); !errcode.Is(err, errcode.DiskFull) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("making a file on a full disk: %v", err)
	}
	if res := r.decode(r.request("lines", make([]byte, 4096))); res.Status != Done {
		t.Errorf("afterwards: %+v", res)
	}
}

func TestReaderOfOutputGone(t *testing.T) {
	r := newRig(t, short, map[string][]byte{"forever": func() []byte {
		g := runtimetest.NewGuest("forever", 1, 16)
		return g.Decode(runtimetest.Loop(g.Rows(512), runtimetest.Br(0)), i32(0)).Wasm()
	}()})
	j := r.request("forever", []byte("input"))
	j.Create = func(*table.Schema) (*os.File, error) {
		pr, pw, err := os.Pipe()
		if err == nil {
			err = pr.Close()
		}
		return pw, err
	}
	if _, err := r.pool.Decode(t.Context(), j.Request); !errcode.Is(err, errcode.Cancelled) {
		t.Errorf("error %v, want cancelled", err)
	}
}

func TestWorkersAreReusedReplacedAndRecycled(t *testing.T) {
	rec := &recorder{}
	r := newRig(t, func(c *Config) { c.Workers, c.Recycle, c.Recorder = 1, 3, rec }, map[string][]byte{
		"one": runtimetest.Lines("one").Wasm(), "two": runtimetest.Lines("two").Wasm(),
	})
	for _, id := range []string{"one", "one", "two", "two", "two", "two"} {
		r.decode(r.request(id, make([]byte, 4096)))
	}
	if got, want := rec.reasons(), "replaced recycled"; got != want {
		t.Errorf("workers ended for %q, want %q", got, want)
	}
}

func TestIdleWorkersEndButOne(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Idle = 20 * time.Millisecond }, map[string][]byte{
		"one": runtimetest.Lines("one").Wasm(), "two": runtimetest.Lines("two").Wasm(),
	})
	r.decode(r.request("one", make([]byte, 4096)))
	r.decode(r.request("two", make([]byte, 4096)))
	for end := time.Now().Add(20 * time.Second); ; {
		ws := r.pool.Stats().Workers
		if len(ws) == 1 && ws[0].Plugin == "two" {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("workers %+v", ws)
		}
	}
}

// TestManyDecodesLeakNothing runs decodes of every kind of end and compares the open descriptors.
func TestManyDecodesLeakNothing(t *testing.T) {
	r := newRig(t, short, map[string][]byte{
		"lines": runtimetest.Lines("lines").Wasm(), "stops": obedient("stops", 2).Wasm(),
		"trap": runtimetest.NewGuest("trap", 1, 16).Decode(runtimetest.Op(runtimetest.Unreachable), i32(0)).Wasm(),
	})
	var jobs []*job
	for _, id := range []string{"lines", "trap", "lines", "stops"} {
		jobs = append(jobs, r.request(id, make([]byte, 9000)))
	}
	round := func() {
		for _, j := range jobs {
			r.decode(j)
		}
	}
	round()
	before := openFiles(t)
	for range 3 {
		round()
	}
	if after := openFiles(t); after > before+2 { // the pool may hold one worker more or less
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(fds)
}

func TestConfinement(t *testing.T) {
	r := newRig(t, nil, map[string][]byte{"lines": runtimetest.Lines("lines").Wasm()})
	r.decode(r.request("lines", make([]byte, 4096)))
	s := r.pool.Stats()
	c := s.Confinement
	if !s.Confined || !c.NoNewPrivs || !c.NotDumpable || !c.Seccomp {
		t.Errorf("confinement %+v", c)
	}
	if c.LandlockABI == 0 {
		t.Logf("no Landlock here: %v", c.Missing)
	}
	proc := filepath.Join("/proc", itoa(s.Workers[0].PID))
	status, err := os.ReadFile(filepath.Join(proc, "status"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"NoNewPrivs:\t1", "Seccomp:\t2"} {
		if !strings.Contains(string(status), want) {
			t.Errorf("status of the worker lacks %q", want)
		}
	}
	if score, _ := os.ReadFile(filepath.Join(proc, "oom_score_adj")); strings.TrimSpace(string(score)) != "800" {
		t.Errorf("oom_score_adj %s", score)
	}
	limits, err := os.ReadFile(filepath.Join(proc, "limits"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"Max core file size": "0", "Max open files": "512", "Max file size": "274877906944"} {
		if _, line, _ := strings.Cut(string(limits), name+" "); len(strings.Fields(line)) < 2 || strings.Fields(line)[0] != want || strings.Fields(line)[1] != want {
			t.Errorf("%s of the worker is not %s", name, want)
		}
	}
	if fds, err := os.ReadDir(filepath.Join(proc, "fd")); err == nil {
		for _, fd := range fds {
			name, _ := os.Readlink(filepath.Join(proc, "fd", fd.Name()))
			if strings.HasPrefix(name, "/") && !strings.HasPrefix(name, "/memfd:") && name != "/dev/null" {
				t.Errorf("the worker holds %s", name)
			}
		}
	}
}

func TestIssuesLogAndTables(t *testing.T) {
	g := runtimetest.NewGuest("talks", 1, 16)
	g.Change(func(m *abi.Manifest) {
		m.Tables = append(m.Tables, abi.Table{Name: "never", Columns: []abi.Column{{Name: "a", Type: abi.TypeI8}}})
	})
	issue := func(severity int, off int64, code, text string) []byte {
		return join(i32(severity), runtimetest.Const64(off), g.Text(code), g.Text(text), runtimetest.Call(g.Issue))
	}
	g.Data(0x2800, []byte("secret"))
	g.Data(0x2810, runtimetest.Words(0, 6))
	g.Decode(
		issue(0, -1, "note", "a note"), issue(1, 5, "odd", "odd\xff"), runtimetest.Loop(
			issue(2, 7, "lost", "a record"), runtimetest.Get(0), i32(1), runtimetest.Op(runtimetest.Add), runtimetest.Set(0),
			runtimetest.Get(0), i32(20), runtimetest.Op(runtimetest.LtU), runtimetest.BrIf(0)),
		join(i32(1), g.Text("a line"), runtimetest.Call(g.Log)),
		g.Text(`{"name":"found","columns":[{"name":"s","type":"utf8","sensitive":true}]}`), runtimetest.Call(g.Table), runtimetest.Set(1),
		g.Desc(0x900, 2, 1, 1, 0, 0, 0x2800, 0, 0x2810, 6),
		issue(3, 11, "truncated_record", "cut"), i32(0))
	r := newRig(t, short, map[string][]byte{"talks": g.Wasm()})
	j := r.request("talks", []byte("input"))
	j.LogAttrs = []any{"decode_id", "d1"}
	res := r.decode(j)
	if want := (IssueCounts{Infos: 1, Warnings: 1, Errors: 21}); res.Issues != want {
		t.Errorf("issues %+v, want %+v", res.Issues, want)
	}
	if res.Status != Partial || res.Failure.Code != errcode.Truncated || res.Failure.Offset == nil || *res.Failure.Offset != 11 {
		t.Errorf("%s %+v", res.Status, res.Failure)
	}
	issues := j.file("issues")
	if n := strings.Count(issues, "\n"); n != 12 || !strings.Contains(issues, "12 more issues") || !strings.Contains(issues, `"fatal"`) {
		t.Errorf("%d issues:\n%s", n, issues)
	}
	if got := j.file("found"); got != "{\"s\":\"***REDACTED***\"}\n" {
		t.Errorf("found: %s", got)
	}
	names := ""
	for _, tab := range res.Tables {
		names += tab.Schema.Name + " "
	}
	if names != "rows never found issues " {
		t.Errorf("tables %s", names)
	}
	if log := r.log.String(); !strings.Contains(log, "a line") || !strings.Contains(log, "decode_id=d1") {
		t.Errorf("log:\n%s", log)
	}
	j.Reveal, j.Tables = true, []string{"found"}
	if res = r.decode(j); res.Rows != 1 || j.file("found") != "{\"s\":\"secret\"}\n" {
		t.Errorf("revealed: %+v %s", res, j.file("found"))
	}
}

// TestInstancesShareNoMemory runs a guest that marks its memory, in the part that is zeroed by hand and in the part
// that goes back to the kernel, and traps where it finds a mark.
func TestInstancesShareNoMemory(t *testing.T) {
	g := runtimetest.NewGuest("marks", 1, 4096)
	global := g.Global(0)
	mark := func(at int) []byte {
		return join(i32(at), runtimetest.Load(0), []byte{0x04, 0x40}, runtimetest.Op(runtimetest.Unreachable, 0x0b),
			i32(at), i32(1), runtimetest.Store(0))
	}
	g.Decode(
		runtimetest.GlobalGet(global), []byte{0x04, 0x40}, runtimetest.Op(runtimetest.Unreachable, 0x0b), i32(1), runtimetest.GlobalSet(global),
		i32(255), runtimetest.Grow(), runtimetest.Op(runtimetest.Drop),
		mark(0x5000), mark(7<<20), mark(8<<20-4), mark(8<<20), mark(16<<20-4), g.Rows(1), i32(0))
	r := newRig(t, func(c *Config) { c.Workers = 1 }, map[string][]byte{"marks": g.Wasm()})
	j := r.request("marks", []byte("input"))
	for n := range 3 {
		if res := r.decode(j); res.Status != Done || res.Rows != 1 {
			t.Fatalf("run %d: %+v %+v", n, res, res.Failure)
		}
	}
	if s := r.pool.Stats(); len(s.Workers) != 1 {
		t.Errorf("%d workers", len(s.Workers))
	}
}
