package local

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

const childVar = "QUEUE_TEST_CHILD"

// childMain is what the test binary does when a test started it as a child: it works on the queue in a folder and says
// what was acknowledged, until it is killed.
func childMain() bool {
	dir := os.Getenv(childVar)
	if dir == "" {
		return false
	}
	work := child
	if when := os.Getenv(killVar); when != "" {
		work = func(ctx context.Context, dir string) error { return outsideChild(ctx, dir, when) }
	}
	if when := os.Getenv(flowVar); when != "" {
		work = func(ctx context.Context, dir string) error { return flowChild(ctx, dir, when) }
	}
	if err := work(context.Background(), dir); err != nil {
		_, _ = fmt.Fprintln(os.Stdout, "error", err)
	}
	return true
}

func child(ctx context.Context, dir string) error {
	db, err := store.Open(ctx, store.Config{Dir: filepath.Join(dir, "db"), Reserve: 1 << 20, Ballast: -1})
	if err != nil {
		return err
	}
	e, err := Open(ctx, Config{DB: db, SlotFile: filepath.Join(dir, "slots")})
	if err != nil {
		return err
	}
	go func() { _ = e.Run(ctx) }()
	say := func(what string, id queue.ID) { _, _ = fmt.Fprintln(os.Stdout, what, id) }
	held, err := e.Lease(ctx, queue.LeaseRequest{Types: []string{"poison"}, Max: 2})
	if err != nil {
		return err
	}
	for _, l := range held {
		say("runs", l.Job.ID)
	}
	for {
		jobs, err := e.Enqueue(ctx, queue.New{Type: "a"})
		if err != nil {
			return err
		}
		say("enqueued", jobs[0].ID)
		l, err := e.Lease(ctx, queue.LeaseRequest{Types: []string{"a"}})
		if err != nil {
			return err
		}
		if err := e.Finish(ctx, l[0].Lease, queue.Outcome{Result: []byte("1")}); err != nil {
			return err
		}
		say("finished", l[0].Job.ID)
	}
}

// TestKill kills a working process again and again: what was acknowledged is there, what ran is ready at once, and the
// job that ran every time is dead after three.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	g := newGraves()
	b := openBox(t, dir, Config{Dead: g.dead})
	poison := mustEnqueue(t, b.Engine, queue.New{Type: "poison", Payload: []byte("7"), MaxAttempts: 1})[0]
	acked := map[queue.ID]queue.Status{}
	for crash := 1; crash <= 3; crash++ {
		b.stop()
		runs := killAfter(t, dir, 20*crash, acked)
		if len(runs) != 1 || runs[0] != poison.ID {
			t.Fatalf("crash %d: %v ran, want %s", crash, runs, poison.ID)
		}
		b = openBox(t, dir, Config{Dead: g.dead})
		for id, want := range acked {
			j, err := b.Get(t.Context(), id)
			if err != nil || (want == queue.Completed && j.Status != want) {
				t.Errorf("crash %d: job %s, acknowledged as %s, is %q, %v", crash, id, want, j.Status, err)
			}
		}
		if crash < 3 {
			j := wantStatus(t, b.Engine, poison.ID, queue.Ready)
			if j.Crashes != crash || j.Attempt != crash || len(j.Errors) != crash || j.Errors[0].Code != errcode.WorkerCrashed {
				t.Fatalf("after crash %d: %+v", crash, j)
			}
		}
	}
	<-g.told
	if got := g.seen[poison.ID]; got != "poison 7 dead worker_crashed" {
		t.Errorf("burial: %q", got)
	}
	wantStatus(t, b.Engine, poison.ID, queue.Dead)
	if len(acked) < 60 {
		t.Errorf("only %d jobs were acknowledged", len(acked))
	}
	// A slot file from before says nothing new.
	b = b.reopen(t)
	if j := wantStatus(t, b.Engine, poison.ID, queue.Dead); j.Crashes != 3 {
		t.Errorf("crashes after another start: %d", j.Crashes)
	}
}

// killAfter starts a child and kills it after so many lines; it gives the jobs that ran and notes what was acknowledged.
func killAfter(t *testing.T, dir string, lines int, acked map[queue.ID]queue.Status) (runs []queue.ID) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childVar+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	sc := bufio.NewScanner(out)
	for n := 0; sc.Scan(); n++ {
		what, id, ok := strings.Cut(sc.Text(), " ")
		switch {
		case !ok || what == "error":
			t.Errorf("child: %s", sc.Text())
		case what == "runs":
			runs = append(runs, queue.ID(id))
		case what == "enqueued":
			acked[queue.ID(id)] = queue.Ready
		case what == "finished":
			acked[queue.ID(id)] = queue.Completed
		}
		if n == lines {
			if err := cmd.Process.Kill(); err != nil {
				t.Errorf("kill: %v", err)
			}
		}
	}
	_ = cmd.Wait() // it was killed
	return runs
}

// TestCrashAfterCancel ends the process after a cancel was asked for and before the handler let go: the job is
// cancelled, and its handler's part of the records is told.
func TestCrashAfterCancel(t *testing.T) {
	g := newGraves()
	b := openBox(t, t.TempDir(), Config{Dead: g.dead})
	j := mustEnqueue(t, b.Engine, queue.New{Type: "a", Payload: []byte("1")})[0]
	mustLease(t, b.Engine)
	if active, err := b.Cancel(t.Context(), j.ID, nil); !active || err != nil {
		t.Fatalf("Cancel: %v, %v", active, err)
	}
	b = b.reopen(t)
	<-g.told
	if got := g.seen[j.ID]; got != "a 1 cancelled cancelled" {
		t.Errorf("burial: %q", got)
	}
	if j := wantStatus(t, b.Engine, j.ID, queue.Cancelled); j.Crashes != 1 {
		t.Errorf("crashes: %d", j.Crashes)
	}
}

// TestSlotFileLies gives an open slot files that do not fit the records: nothing is counted, nothing fails.
func TestSlotFileLies(t *testing.T) {
	dir := t.TempDir()
	b := openBox(t, dir, Config{})
	jobs := mustEnqueue(t, b.Engine, queue.New{Type: "a"}, queue.New{Type: "a"})
	mustFinish(t, b.Engine, mustLease(t, b.Engine), queue.Outcome{})
	b.stop()
	done, _ := parseID(jobs[0].ID)
	waits, _ := parseID(jobs[1].ID)
	s, _, err := openSlots(filepath.Join(dir, "slots"), nil)
	if err != nil {
		t.Fatal(err)
	}
	s.put(done, 2)
	s.put(waits, 5)
	s.put(1<<49, 1)
	s.write(3, [slotSize]byte{0, 0, 0, 0, 0, 0, 0, 9, 1, 2, 3})
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	b = openBox(t, dir, Config{})
	if j := wantStatus(t, b.Engine, jobs[1].ID, queue.Ready); j.Crashes != 0 || j.Attempt != 0 {
		t.Errorf("counted: %+v", j)
	}
	wantStatus(t, b.Engine, jobs[0].ID, queue.Completed)
}
