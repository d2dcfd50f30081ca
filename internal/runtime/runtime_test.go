package runtime

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/worker"
	"github.com/wayside-edge/wayside/internal/table"
)

// TestMain lets the test binary be its own worker.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "worker" {
		if isRogue(os.Args) {
			os.Exit(rogue(os.Args[3]))
		}
		os.Exit(worker.Main())
	}
	goleak.VerifyTestMain(m)
}

// rig is a registry and a pool that run, with what they recorded.
type rig struct {
	t    testing.TB
	reg  *Registry
	pool *Pool
	cfg  Config
	log  *logSink
}

// logSink keeps log lines.
type logSink struct {
	mu  sync.Mutex
	buf strings.Builder
}

func (l *logSink) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logSink) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// take gives the lines and forgets them.
func (l *logSink) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.buf.Reset()
	return l.buf.String()
}

// newRig runs a registry of the modules, by file name, and a pool.
func newRig(tb testing.TB, change func(*Config), modules map[string][]byte) *rig {
	tb.Helper()
	fsys := fstest.MapFS{}
	for name, b := range modules {
		fsys[name+".wasm"] = &fstest.MapFile{Data: b}
	}
	sink := &logSink{}
	cfg := Config{
		Builtin: fsys, CompiledDir: filepath.Join(tb.TempDir(), "compiled"), Workers: 2,
		Logger:  slog.New(slog.NewTextHandler(sink, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Sandbox: Sandbox{NoDataLimit: raceEnabled},
	}
	if change != nil {
		change(&cfg)
	}
	reg, err := OpenRegistry(tb.Context(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	pool := NewPool(reg, cfg)
	ctx, cancel := context.WithCancel(tb.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = reg.Run(ctx) })
	wg.Go(func() { _ = pool.Run(ctx) })
	tb.Cleanup(func() {
		cancel()
		_ = pool.Close()
		wg.Wait()
		if tb.Failed() {
			tb.Log(sink.String())
		}
	})
	return &rig{t: tb, reg: reg, pool: pool, cfg: cfg, log: sink}
}

// job is one decode with its output.
type job struct {
	Request
	dir string
}

// request makes a request to decode input with a plugin, into NDJSON files.
func (r *rig) request(id string, input []byte) *job {
	r.t.Helper()
	p, ok := r.reg.Get(id)
	if !ok {
		r.t.Fatalf("no plugin %s in %+v", id, r.reg.Plugins())
	}
	dir := r.t.TempDir()
	path := filepath.Join(dir, "input")
	if err := os.WriteFile(path, input, 0o600); err != nil {
		r.t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = f.Close() })
	sum := sha256.Sum256(input)
	return &job{dir: dir, Request: Request{
		Plugin: p.SHA256, Input: f, Size: int64(len(input)), SHA256: hex.EncodeToString(sum[:]), Name: "input",
		Form: table.NDJSON,
		Create: func(s *table.Schema) (*os.File, error) {
			return os.OpenFile(filepath.Join(dir, s.Name), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		},
	}}
}

// decode runs a job and fails the test on an error.
func (r *rig) decode(j *job) Result {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 60*time.Second)
	defer cancel()
	res, err := r.pool.Decode(ctx, j.Request)
	if err != nil {
		r.t.Fatal(err)
	}
	return res
}

// file gives a table's output, "" if there is none.
func (j *job) file(name string) string {
	b, err := os.ReadFile(filepath.Join(j.dir, name))
	if err != nil {
		return ""
	}
	return string(b)
}

func itoa(n int) string { return strconv.Itoa(n) }

// recorder keeps what it is told.
type recorder struct {
	noRecorder
	mu    sync.Mutex
	ended []string
}

func (r *recorder) WorkerEnded(_, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if reason != "compiled" {
		r.ended = append(r.ended, reason)
	}
}

func (r *recorder) reasons() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.ended, " ")
}

// fieldsOf gives the sorted fields of a validation error.
func fieldsOf(t *testing.T, err error) string {
	t.Helper()
	e, ok := errors.AsType[*errcode.Error](err)
	if !ok || e.Code != errcode.ValidationFailed {
		t.Fatalf("error %v, want validation_failed", err)
	}
	var names []string
	for _, f := range e.Fields {
		names = append(names, f.Field)
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), " ")
}
