package store

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/disk"
)

const (
	childDir   = "STORE_TEST_CHILD_DIR"
	childPoint = "STORE_TEST_CHILD_POINT" // the point at which the child kills itself, some time after its start
	producers  = 8
)

// child commits pairs of records until it is killed, and prints the keys that were acknowledged.
func child(dir string) int {
	cfg := Config{Dir: dir, Reserve: 1 << 20, Ballast: -1, MemTableSize: 1 << 20}
	if point := Point(os.Getenv(childPoint)); point != "" {
		left := 20 + rand.IntN(200)
		cfg.Hook = func(p Point) error {
			if p == point {
				if left--; left < 0 {
					_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
					select {}
				}
			}
			return nil
		}
	}
	db, err := Open(context.Background(), cfg)
	if err != nil {
		fmt.Println("error", err)
		return 1
	}
	if db.Health().LostCommits > 0 {
		fmt.Println("error lost commits")
		return 1
	}
	seq, err := db.Sequence("n")
	if err != nil {
		fmt.Println("error", err)
		return 1
	}
	a, b := db.Space("a/"), db.Space("b/")
	filler := strings.Repeat("x", 600) // so that logs are exchanged under way
	var out sync.Mutex
	var wg sync.WaitGroup
	for range producers {
		wg.Go(func() {
			for {
				n, err := seq.Next(context.Background())
				if err != nil {
					fmt.Println("error", err)
					return
				}
				key := fmt.Append(nil, n)
				batch := db.Batch()
				batch.Set(a, key, append(key, filler...))
				batch.Set(b, key, key)
				if err := db.Commit(context.Background(), batch); err != nil {
					fmt.Println("error", err)
					return
				}
				out.Lock()
				fmt.Println(n)
				out.Unlock()
			}
		})
	}
	wg.Wait()
	return 1
}

// TestKill kills a process that commits, at random moments and at every point of a commit, and looks whether all
// that it had acknowledged is there, whole.
func TestKill(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	acked := map[string]bool{}
	points := append([]Point{""}, BeforeCommit, BeforeSync, BeforeAck)
	for cycle := range 20 {
		point := points[cycle%len(points)]
		for _, line := range runChild(t, dir, point) {
			if strings.HasPrefix(line, "error") {
				t.Fatalf("cycle %d: %s", cycle, line)
			}
			if acked[line] {
				t.Fatalf("cycle %d: number %s was given twice", cycle, line)
			}
			acked[line] = true
		}
	}
	db := openTest(t, Config{Dir: dir, Reserve: 1 << 20, Ballast: -1, MemTableSize: 1 << 20})
	if h := db.Health(); h.LostCommits != 0 {
		t.Errorf("%d commits lost", h.LostCommits)
	}
	a, b := db.Space("a/"), db.Space("b/")
	for key := range acked {
		if va, vb := get(t, a, key), get(t, b, key); !strings.HasPrefix(va, key+"x") || vb != key {
			t.Errorf("key %s: %q %q", key, va, vb)
		}
	}
	na, nb := len(keys(t.Context(), t, a, ScanOptions{})), len(keys(t.Context(), t, b, ScanOptions{}))
	if na != nb || na < len(acked) || len(acked) < 500 {
		t.Errorf("%d and %d records, %d acknowledged", na, nb, len(acked))
	}
	t.Logf("%d acknowledged, %d stored", len(acked), na)
}

func runChild(t *testing.T, dir string, point Point) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir, childPoint+"="+string(point))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var lines []string
	sc := bufio.NewScanner(out)
	killed := point != ""
	for sc.Scan() {
		lines = append(lines, sc.Text())
		if !killed {
			killed = true
			time.AfterFunc(time.Duration(rand.IntN(60))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		}
	}
	_ = cmd.Wait() // it was killed
	return lines
}

// TestDamagedLogRaisesAlarm lets a process die, damages its log and expects that the loss is noticed.
func TestDamagedLogRaisesAlarm(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	lines := runChild(t, dir, BeforeSync)
	logs, err := filepath.Glob(filepath.Join(dir, "*.mem"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("logs %v, %v", logs, err)
	}
	data, err := os.ReadFile(logs[len(logs)-1])
	if err != nil {
		t.Fatal(err)
	}
	copy(data[200:], strings.Repeat("?", 50))
	if err := os.WriteFile(logs[len(logs)-1], data, 0o600); err != nil {
		t.Fatal(err)
	}
	rec := &recorder{}
	cfg := Config{Dir: dir, Reserve: 1 << 20, Ballast: -1, MemTableSize: 1 << 20, Recorder: rec}
	db := openTest(t, cfg)
	h := db.Health()
	if h.LostCommits == 0 || rec.lost.Load() != h.LostCommits {
		t.Errorf("%d commits acknowledged, health %+v", len(lines), h)
	}
	if h.CommitNumber < h.LostCommits {
		t.Errorf("commit numbers are used twice: %+v", h)
	}
	set(t, db, db.Space("x/"), "k", "1") // and it works on
	if n := db.Health().CommitNumber; n <= h.CommitNumber {
		t.Errorf("commit number went from %d to %d", h.CommitNumber, n)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if h := openTest(t, cfg).Health(); h.LostCommits != 0 {
		t.Errorf("alarm raised twice: %+v", h)
	}
}

// TestLogsAreFlushedBeforeTheyAreRead opens what a killed process has left: what it had not flushed becomes visible.
func TestLogsAreFlushedBeforeTheyAreRead(t *testing.T) {
	cfg := Config{Dir: filepath.Join(t.TempDir(), "db"), Reserve: 1 << 20, Ballast: -1, MemTableSize: 1 << 20}.withDefaults()
	runChild(t, cfg.Dir, BeforeSync)
	logs, err := filepath.Glob(filepath.Join(cfg.Dir, "*.mem"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("logs %v, %v", logs, err)
	}
	e := newEngine(cfg)
	var flushed []string
	e.flush = func(f *os.File) error {
		flushed = append(flushed, f.Name())
		return disk.Datasync(f)
	}
	if err := e.open(); err != nil {
		t.Fatal(err)
	}
	if err := e.close(); err != nil {
		t.Error(err)
	}
	if !slices.Equal(flushed, logs) {
		t.Errorf("flushed %v of %v", flushed, logs)
	}
}
