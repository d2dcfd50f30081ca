package aof

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/kv/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// box is an engine with a log that can be opened again and again.
type box struct {
	testing.TB
	dir   string
	fault *disk.Fault
	cfg   Config

	e    *engine.Engine
	s    *engine.Session
	l    *Log
	stop context.CancelFunc
	done chan error
}

func newBox(tb testing.TB, cfg Config) *box {
	tb.Helper()
	b := &box{TB: tb, dir: tb.TempDir(), fault: disk.NewFault(disk.OS), cfg: cfg}
	b.open()
	tb.Cleanup(func() { _ = b.close() })
	return b
}

func (b *box) open() {
	b.Helper()
	cfg := b.cfg
	cfg.Dir, cfg.Logger = b.dir, slog.New(slog.DiscardHandler)
	if cfg.FS == nil {
		cfg.FS = b.fault
	}
	b.e = engine.New(engine.Config{})
	var err error
	if b.l, err = Open(cfg, b.e); err != nil {
		b.Fatal(err)
	}
	b.e.Lock()
	b.s = b.e.NewSession(nil)
	b.e.Unlock()
	ctx, stop := context.WithCancel(context.Background())
	b.stop, b.done = stop, make(chan error, 1)
	go func(l *Log) { b.done <- l.Run(ctx) }(b.l)
}

func (b *box) close() error {
	if b.stop == nil {
		return nil
	}
	b.stop()
	b.stop = nil
	return <-b.done
}

func (b *box) reopen() {
	b.Helper()
	if err := b.close(); err != nil {
		b.Fatal(err)
	}
	b.open()
}

// do runs commands, words between blanks, under one lock, and gives the position behind them.
func (b *box) do(commands ...string) int64 {
	b.e.Lock()
	defer b.e.Unlock()
	for _, c := range commands {
		b.e.Do(b.s, words(c), engine.Discard)
	}
	return b.l.Position()
}

// sure runs commands and waits for them.
func (b *box) sure(commands ...string) {
	b.Helper()
	if err := b.wait(b.do(commands...)); err != nil {
		b.Fatal(err)
	}
}

// wait waits as a client that has changed something.
func (b *box) wait(pos int64) error { return b.l.Wait(pos, pos) }

func words(s string) [][]byte {
	var out [][]byte
	for w := range strings.FieldsSeq(s) {
		out = append(out, []byte(w))
	}
	return out
}

// content is what an engine holds, as the commands that make it anew.
func content(e *engine.Engine) []string {
	e.Lock()
	defer e.Unlock()
	var out []string
	c := e.Copy(func(db int, args [][]byte) { out = append(out, fmt.Sprintf("%d %q", db, args)) })
	for c.Step(1000) {
	}
	slices.Sort(out)
	return out
}

func (b *box) files() string {
	entries, err := os.ReadDir(b.dir)
	if err != nil {
		b.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func TestWhatWasDoneIsThereAfterARestart(t *testing.T) {
	b := newBox(t, Config{Volatile: []int{3}})
	b.do("SET a 1", "INCR a", "APPEND b xyz", "SELECT 5", "SET c 5", "SELECT 0", "SET gone 1", "DEL gone", "SET soon 1", "PEXPIREAT soon 99999999999999",
		"MULTI", "SET m1 1", "SET m2 2", "EXEC", "SELECT 3", "SET volatile 1", "SELECT 5", "SET d 6")
	want := content(b.e)
	want = slices.DeleteFunc(want, func(s string) bool { return strings.Contains(s, "volatile") })
	for range 3 {
		b.reopen()
		if diff := cmp.Diff(want, content(b.e)); diff != "" {
			t.Fatal(diff)
		}
	}
	if r := b.l.Status().Load; r.Commands == 0 || r.Cut != 0 || r.Refused != 0 {
		t.Errorf("%+v", r)
	}
	b.do("SET after 1")
	b.reopen()
	if got := content(b.e); len(got) != len(want)+1 {
		t.Errorf("%q", got)
	}
}

// random makes a command of few keys, so that they meet.
func random(r *rand.Rand) string {
	key := fmt.Sprintf("k%d", r.IntN(40))
	switch r.IntN(9) {
	case 0:
		return "DEL " + key
	case 1:
		return "INCR n" + key
	case 2:
		return "APPEND " + key + " " + strings.Repeat("x", r.IntN(50))
	case 3:
		return fmt.Sprintf("PEXPIREAT %s %d", key, 99999999999999+r.Int64N(1000))
	case 4:
		return fmt.Sprintf("SELECT %d", r.IntN(3))
	case 5:
		return "RENAME " + key + fmt.Sprintf(" k%d", r.IntN(40))
	case 6:
		if r.IntN(30) == 0 {
			return []string{"FLUSHALL", "FLUSHDB", "SWAPDB 0 1"}[r.IntN(3)]
		}
	}
	return fmt.Sprintf("SET %s %d", key, r.IntN(1000))
}

// TestCompactionGoesOnBesideCommands compacts again and again while commands run, and looks what a restart finds.
func TestCompactionGoesOnBesideCommands(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	b := newBox(t, Config{})
	for round := range 6 {
		fill := make([]string, 3000)
		for i := range fill {
			fill[i] = fmt.Sprintf("SET big%d:%d %d", round, i, i)
		}
		b.do(fill...)
		before := b.l.Status().Rewrites
		b.l.Rewrite()
		for b.l.Status().Rewrites == before {
			b.do(random(r), random(r), "INCR count")
		}
		want := content(b.e)
		b.reopen()
		if diff := cmp.Diff(want, content(b.e)); diff != "" {
			t.Fatalf("round %d: %s", round, diff)
		}
	}
	if s := b.l.Status(); s.RewriteErr != nil || s.Failure != nil || strings.Count(b.files(), ".base") != 1 || strings.Contains(b.files(), tempSuffix) {
		t.Errorf("%+v %s", s, b.files())
	}
}

// TestCutAnywhere cuts a log at every byte: what is left is what had been done up to some moment, a transaction whole or not
// at all, and the log goes on from there.
func TestCutAnywhere(t *testing.T) {
	b := newBox(t, Config{Policy: Always})
	states := map[string]bool{"": true}
	for _, step := range [][]string{{"SET a 1"}, {"SET b 2"}, {"MULTI", "SET a 3", "SET b 4", "EXEC"}, {"SELECT 2", "SET c 5"}, {"INCR c"}} {
		b.sure(step...)
		states[strings.Join(content(b.e), "\n")] = true
	}
	path := filepath.Join(b.dir, name(1, logSuffix))
	if err := b.close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for n := range len(whole) + 1 {
		b.dir = t.TempDir()
		path = filepath.Join(b.dir, name(1, logSuffix))
		if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		b.open()
		got := strings.Join(content(b.e), "\n")
		if !states[got] {
			t.Fatalf("cut at %d: %s", n, got)
		}
		seen[got] = true
		b.sure("SET more 1")
		b.reopen()
		if now := strings.Join(content(b.e), "\n"); !strings.Contains(now, "more") || len(now) < len(got) {
			t.Fatalf("cut at %d, and gone on: %s", n, now)
		}
		if err := b.close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != len(states) {
		t.Errorf("%d of %d states were seen", len(seen), len(states))
	}
}

// TestDamageIsKeptAside changes a byte within a log: what comes before is repeated, what comes after is not thrown away.
func TestDamageIsKeptAside(t *testing.T) {
	b := newBox(t, Config{Policy: Always})
	for i := range 20 {
		b.sure(fmt.Sprintf("SET key%d value%d", i, i))
	}
	if err := b.close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(b.dir, name(1, logSuffix))
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := strings.Index(string(data), "value7")
	data[at] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	b.open()
	if got := content(b.e); len(got) != 7 {
		t.Errorf("%q", got)
	}
	r := b.l.Status().Load
	if len(r.Damaged) != 1 {
		t.Fatalf("%+v", r)
	}
	if kept, err := os.ReadFile(filepath.Join(b.dir, r.Damaged[0])); err != nil || !strings.Contains(string(kept), "value19") {
		t.Errorf("kept: %v %d bytes", err, len(kept))
	}
	if err := os.WriteFile(path, []byte("no log at all, but a file of somebody"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := b.close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Dir: b.dir, FS: disk.OS, Logger: slog.New(slog.DiscardHandler)}, engine.New(engine.Config{})); err == nil {
		t.Error("a file that is no log was taken for an empty one")
	}
}

// TestNoBitIsLostInSilence changes a bit of each byte of a log but its first line: what comes before is there, what comes after is kept
// aside, and only where the last frame is hit it may look as if the power had failed.
func TestNoBitIsLostInSilence(t *testing.T) {
	b := newBox(t, Config{Policy: Always})
	var states []string
	for i := range 5 {
		states = append(states, strings.Join(content(b.e), "\n"))
		b.sure(fmt.Sprintf("SET key%d value%d", i, i))
	}
	if err := b.close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(b.dir, name(1, logSuffix)))
	if err != nil {
		t.Fatal(err)
	}
	last := strings.LastIndex(string(whole), "*3\r\n$3\r\nSET") - headBytes
	for at := len(magic); at < len(whole); at++ {
		bit := at % 8
		data := slices.Clone(whole)
		data[at] ^= 1 << bit
		dir := t.TempDir()
		path := filepath.Join(dir, name(1, logSuffix))
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		e := engine.New(engine.Config{})
		l, err := Open(Config{Dir: dir, FS: disk.OS, Logger: slog.New(slog.DiscardHandler)}, e)
		if err != nil {
			t.Fatalf("bit %d of byte %d: %v", bit, at, err)
		}
		r := l.Status().Load
		if got := strings.Join(content(e), "\n"); !slices.Contains(states, got) {
			t.Fatalf("bit %d of byte %d: %s", bit, at, got)
		}
		kept, _ := os.ReadFile(path + badSuffix)
		if told := len(r.Damaged) == 1 && strings.HasSuffix(string(data), string(kept)) && max(int(r.Bytes), len(magic))+len(kept) >= len(data); !told && (at < last || r.Cut == 0) {
			t.Errorf("bit %d of byte %d: %+v, %d bytes are kept of %d", bit, at, r, len(kept), len(data))
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestFaults has every operation of the disk fail in turn while commands run and the log is compacted. What Wait has
// acknowledged is there after the process ends without a word, and when the disk works again everything is.
func TestFaults(t *testing.T) {
	for _, op := range []disk.Op{disk.OpOpen, disk.OpWrite, disk.OpSync, disk.OpRename, disk.OpRemove, disk.OpSyncDir} {
		for skip := range 6 {
			t.Run(fmt.Sprint(op, skip), func(t *testing.T) {
				t.Parallel()
				b := newBox(t, Config{Policy: Always})
				b.sure("SET first 1")
				b.fault.Fail(op, skip, 2, syscall.EIO)
				b.l.Rewrite()
				for i := range 30 {
					b.sure(fmt.Sprintf("SET k%d %d", i, i), "INCR n")
				}
				want := content(b.e)
				killed := t.TempDir() // what is on the disk now, as a kill leaves it
				if err := os.CopyFS(killed, os.DirFS(b.dir)); err != nil && !errors.Is(err, os.ErrNotExist) {
					t.Fatal(err)
				}
				other := engine.New(engine.Config{})
				l, err := Open(Config{Dir: killed, FS: disk.OS, Logger: slog.New(slog.DiscardHandler)}, other)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, content(other)); diff != "" {
					t.Errorf("after a kill: %s\n%s", diff, b.files())
				}
				if err := l.file.Close(); err != nil {
					t.Error(err)
				}
				b.fault.Heal()
				b.reopen()
				if diff := cmp.Diff(want, content(b.e)); diff != "" {
					t.Errorf("after a restart: %s\n%s", diff, b.files())
				}
			})
		}
	}
}

// TestFullDisk fills the disk: nothing is acknowledged that is not there, and what was waiting is written when there is room.
func TestFullDisk(t *testing.T) {
	b := newBox(t, Config{Policy: Always})
	b.sure("SET a 1")
	b.fault.Budget(50)
	var pos int64
	for i := range 10 {
		pos = b.do(fmt.Sprintf("SET key%d %s", i, strings.Repeat("v", 100)))
	}
	for b.l.Failure() == nil {
		time.Sleep(time.Millisecond) // the log's own goroutine has no other signal
	}
	b.fault.Budget(-1)
	if err := b.wait(pos); err != nil {
		t.Fatal(err)
	}
	if err := b.l.Failure(); err != nil {
		t.Error(err)
	}
	want := content(b.e)
	b.reopen()
	if diff := cmp.Diff(want, content(b.e)); diff != "" {
		t.Error(diff)
	}
}

// TestAlwaysWaitsForTheFlush counts flushes: an answer goes out after one, and many that wait share it.
func TestAlwaysWaitsForTheFlush(t *testing.T) {
	b := newBox(t, Config{Policy: Always})
	before := b.fault.Calls(disk.OpSync)
	b.sure("SET a 1")
	if b.fault.Calls(disk.OpSync) == before {
		t.Error("acknowledged without a flush")
	}
	b.fault.Delay(disk.OpSync, 20*time.Millisecond)
	before = b.fault.Calls(disk.OpSync)
	done := make(chan error)
	for i := range 50 {
		go func() { done <- b.wait(b.do(fmt.Sprintf("SET k%d 1", i))) }()
	}
	for range 50 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := b.fault.Calls(disk.OpSync) - before; n == 0 || n > 10 {
		t.Errorf("%d flushes for 50 clients at once", n)
	}
}

// flushes counts what a Recorder is told.
type flushes struct {
	n    atomic.Int64
	took atomic.Int64
}

func (f *flushes) LogFlushed(took time.Duration) { f.n.Add(1); f.took.Add(int64(took)) }

// TestFlushesAreTimed tells of each flush of the log.
func TestFlushesAreTimed(t *testing.T) {
	var f flushes
	b := newBox(t, Config{Policy: Always, Recorder: &f})
	b.sure("SET a 1")
	b.sure("SET b 1")
	if n := f.n.Load(); n != 2 || f.took.Load() <= 0 {
		t.Errorf("%d flushes of two in %d ns", n, f.took.Load())
	}
}

// TestSettingsChangeWhileItRuns has the log compacted by smaller bounds and never by none, and answers wait for the disk from
// the moment that they are to.
func TestSettingsChangeWhileItRuns(t *testing.T) {
	b := newBox(t, Config{Policy: Never})
	b.sure("SET a " + strings.Repeat("x", 5000))
	if n := b.l.Status().Flushes; n != 0 {
		t.Errorf("%d flushes under no", n)
	}
	s := b.l.Settings()
	s.Policy, s.RewriteSize, s.RewriteGrowth = Always, 1000, 0
	b.l.Set(s)
	b.sure("SET b 1")
	if st := b.l.Status(); st.Flushes == 0 || st.Rewrites != 0 {
		t.Errorf("always, and never compacted: %+v", st)
	}
	s.RewriteGrowth = 10
	b.l.Set(s)
	for b.l.Status().Rewrites == 0 {
		b.sure("SET c 1") // ends when the log's own goroutine has seen it
	}
	if got := b.l.Settings(); got != s || got.Policy.String() != "always" {
		t.Errorf("%+v", got)
	}
}
