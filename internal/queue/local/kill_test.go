package local

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

// killVar makes a child of the test binary a queue that workers outside use, and says at which point of which commit
// it kills itself: point, blank, number.
const killVar = "QUEUE_TEST_KILL"

// outsideChild leases, beats and finishes as workers outside do, and says what it was told.
func outsideChild(ctx context.Context, dir, when string) error {
	point, count, _ := strings.Cut(when, " ")
	left, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	hook := func(p store.Point) error {
		if string(p) == point {
			if left--; left == 0 {
				return syscall.Kill(os.Getpid(), syscall.SIGKILL)
			}
		}
		return nil
	}
	db, err := store.Open(ctx, store.Config{Dir: filepath.Join(dir, "db"), Reserve: 1 << 20, Ballast: -1, Hook: hook})
	if err != nil {
		return err
	}
	e, err := Open(ctx, Config{DB: db, SlotFile: filepath.Join(dir, "slots")})
	if err != nil {
		return err
	}
	say := func(what string, l queue.ExternalLeased) {
		_, _ = fmt.Fprintln(os.Stdout, what, l.Lease.ID, l.Lease.Token)
	}
	var ends []queue.End
	var ended []queue.ExternalLeased // with ends
	for {
		for range 4 {
			if _, err := e.Enqueue(ctx, queue.New{Type: "a"}); err != nil {
				return err
			}
		}
		_, l, err := e.FinishAndLease(ctx, ends, queue.ExternalRequest{Worker: "w", Max: 4})
		if err != nil {
			return err
		}
		if len(ends) > 0 {
			for i, what := range []string{"completed", "dead", "retry"} {
				say(what, ended[i])
			}
		}
		for _, l := range l {
			say("leased", l)
		}
		if ends = nil; len(l) < 4 {
			continue
		}
		ended, ends = l, []queue.End{
			{Lease: l[0].Lease, Outcome: queue.Outcome{Result: []byte("1")}},
			{Lease: l[1].Lease, Outcome: queue.Outcome{Err: errTest, Permanent: true}},
			{Lease: l[2].Lease, Outcome: queue.Outcome{Err: errTest}},
		}
	}
}

// TestKillPoints kills a queue with workers outside at every point of its commits: who was told of a lease has it
// afterwards, what was acknowledged is so, and no start counts as an attempt.
func TestKillPoints(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	told := map[string]string{} // by lease
	for round, count := range []int{9, 23, 14} {
		for _, point := range []store.Point{store.BeforeCommit, store.BeforeSync, store.BeforeAck} {
			cmd := exec.Command(exe)
			cmd.Env = append(os.Environ(), childVar+"="+dir, fmt.Sprintf("%s=%s %d", killVar, point, count))
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			for sc := bufio.NewScanner(out); sc.Scan(); {
				what, lease, ok := strings.Cut(sc.Text(), " ")
				if !ok || what == "error" {
					t.Errorf("child: %s", sc.Text())
				}
				told[lease] = what
			}
			if err := cmd.Wait(); err == nil {
				t.Errorf("round %d: the child was not killed at %s", round, point)
			}
			checkTold(t, dir, told)
		}
	}
	kinds := map[string]int{}
	for _, what := range told {
		kinds[what]++
	}
	for _, what := range []string{"leased", "completed", "dead", "retry"} {
		if kinds[what] < 3 {
			t.Errorf("%d jobs were %s: too few to say anything", kinds[what], what)
		}
	}
}

func checkTold(t *testing.T, dir string, told map[string]string) {
	t.Helper()
	b := openIdle(t, dir, Config{})
	defer b.stop()
	for lease, what := range told {
		id, number, _ := strings.Cut(lease, " ")
		token, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		j, err := b.Get(t.Context(), queue.ID(id))
		if err != nil || j.Attempt > 1 || j.Crashes != 0 {
			t.Errorf("job %s, %s: attempt %d, %v", id, what, j.Attempt, err)
		}
		state := b.beat(t, queue.Lease{ID: queue.ID(id), Token: token}, nil)
		switch {
		case what == "leased" && state == queue.LeaseOK:
		case what == "leased" && j.Status.Final() || j.Status == queue.Retry: // it ended, and nobody was told
		case string(j.Status) != what:
			t.Errorf("job %s is %s and its lease %s; its worker was told %s", id, j.Status, state, what)
		}
	}
	page, err := b.List(t.Context(), queue.Filter{Status: []queue.Status{queue.Active}, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range page.Jobs {
		if j.Worker != "w" || j.Attempt != 1 {
			t.Errorf("active: %+v", j)
		}
	}
}
