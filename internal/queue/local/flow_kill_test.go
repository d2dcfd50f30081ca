package local

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

// flowVar makes a child of the test binary make flows and work on them, and says at which point of which commit it
// kills itself: point, blank, number. Without a point it is killed from outside.
const flowVar = "QUEUE_TEST_FLOWS"

const flowWidth = 3 // jobs of a flow that the last one waits for

// killHook kills the process at a point of a commit. The point before a reopen is reached by a commit that fails.
func killHook(when string) (func(store.Point) error, error) {
	name, count, _ := strings.Cut(when, " ")
	left, err := strconv.Atoi(count)
	if err != nil {
		return nil, err
	}
	wanted, trigger := store.Point(name), store.Point(name)
	if wanted == store.BeforeReopen {
		trigger = store.BeforeSync
	}
	return func(p store.Point) error {
		if p == trigger {
			left--
		}
		switch {
		case left > 0 || (p != wanted && p != trigger):
			return nil
		case p != wanted:
			return errors.New("the flush failed")
		}
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}, nil
}

// teller says what was acknowledged, whole lines at a time.
type teller struct{ mu sync.Mutex }

func (t *teller) say(what string, id any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, _ = fmt.Fprintln(os.Stdout, what, id)
}

// flowChild makes flows and jobs with a unique key, and works on them. What fails was not acknowledged: it goes on.
func flowChild(ctx context.Context, dir, when string) error {
	hook, err := killHook(when)
	if err != nil {
		return err
	}
	db, err := store.Open(ctx, store.Config{Dir: filepath.Join(dir, "db"), Reserve: 1 << 20, Ballast: -1, Hook: hook})
	if err != nil {
		return err
	}
	e, err := Open(ctx, Config{DB: db, SlotFile: filepath.Join(dir, "slots")})
	if err != nil {
		return err
	}
	var t teller
	t.say("open", "")
	var wg sync.WaitGroup
	wg.Go(func() { _ = e.Run(ctx) })
	for range 2 {
		wg.Go(func() {
			for i := 0; ; i++ {
				makeFlow(ctx, e, &t, i)
			}
		})
	}
	for range 3 {
		wg.Go(func() {
			for {
				workOnFlows(ctx, e, &t)
			}
		})
	}
	wg.Wait()
	return nil
}

func makeFlow(ctx context.Context, e *Engine, t *teller, i int) {
	group := make([]queue.FlowJob, flowWidth)
	for k := range group {
		group[k] = queue.FlowJob{Key: fmt.Sprint("g", k), New: queue.New{Type: "ok", MaxAttempts: 1}}
	}
	if i%3 == 0 {
		group[1].Type = "bad"
	}
	if f, err := e.CreateFlow(ctx, queue.Chord(group, queue.FlowJob{Key: "then", New: queue.New{Type: "ok"}})); err == nil {
		t.say("flow", f.ID)
	}
	if j, err := e.Enqueue(ctx, queue.New{Type: "ok", UniqueKey: "k"}); err == nil && !j[0].Duplicate {
		t.say("unique", j[0].ID)
	}
}

func workOnFlows(ctx context.Context, e *Engine, t *teller) {
	ls, err := e.Lease(ctx, queue.LeaseRequest{Max: 2})
	if err != nil {
		return
	}
	for _, l := range ls {
		o, what := queue.Outcome{Result: []byte("1")}, "completed"
		if l.Job.Type == "bad" {
			o, what = queue.Outcome{Err: errTest, Permanent: true}, "dead"
		}
		if err := e.Finish(ctx, l.Lease, o); err == nil {
			t.say(what, l.Job.ID)
		}
	}
}

// told is what children were told, over all their lives.
type told struct {
	flows  []queue.FlowID
	unique []queue.ID
	ended  map[queue.ID]queue.Status
}

// TestKillFlows kills a queue at random and at every point of its commits: what was acknowledged is there, once, and
// what waits for others waits for exactly those that have not ended.
func TestKillFlows(t *testing.T) {
	dir := t.TempDir()
	all := &told{ended: map[queue.ID]queue.Status{}}
	rounds := 2
	if testing.Short() {
		rounds = 1
	}
	for round := range rounds {
		for _, point := range append(store.Points(), "") {
			all.run(t, dir, fmt.Sprint(point, " ", 20+rand.IntN(60)))
			if t.Failed() {
				t.Fatalf("round %d, killed at %q", round, point)
			}
			b := openIdle(t, dir, Config{})
			if !b.buryDoomed(t.Context()) {
				t.Error("burials failed")
			}
			all.check(t, b)
			b.stop()
		}
	}
	if len(all.flows) < 5*rounds || len(all.ended) < 5*rounds {
		t.Errorf("only %d flows and %d ends were acknowledged", len(all.flows), len(all.ended))
	}
	b := openBox(t, dir, Config{})
	finishAll(t, b)
	all.check(t, b)
	b.leftovers(t)
	if n := b.edges(t); n != 0 {
		t.Errorf("%d records of dependencies are left", n)
	}
	t.Logf("%d flows, %d ends, %d jobs with a unique key", len(all.flows), len(all.ended), len(all.unique))
}

// run lets a child work until it is killed, and notes what it was told.
func (a *told) run(t *testing.T, dir, when string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), childVar+"="+dir, flowVar+"="+when)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := 0
	for sc := bufio.NewScanner(out); sc.Scan(); lines++ {
		what, id, _ := strings.Cut(sc.Text(), " ")
		switch what {
		case "open":
			if strings.HasPrefix(when, " ") {
				time.AfterFunc(time.Duration(rand.IntN(200))*time.Millisecond, func() { _ = cmd.Process.Kill() })
			}
		case "flow":
			a.flows = append(a.flows, queue.FlowID(id))
		case "unique":
			a.unique = append(a.unique, queue.ID(id))
		case "completed", "dead":
			if was := a.ended[queue.ID(id)]; was != "" {
				t.Errorf("job %s is %s, and was %s before", id, what, was)
			}
			a.ended[queue.ID(id)] = queue.Status(what)
		default:
			t.Errorf("child: %s", sc.Text())
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Errorf("the child was not killed at %q", when)
	}
}

func (a *told) check(t *testing.T, b *box) {
	t.Helper()
	for id, want := range a.ended {
		j, err := b.Get(t.Context(), id)
		if err != nil || j.Status != want || (want == queue.Completed) != (j.Result != nil) {
			t.Errorf("job %s is %q with result %s, %v; acknowledged as %s", id, j.Status, j.Result, err, want)
		}
	}
	for _, id := range a.flows {
		if _, err := b.Flow(t.Context(), id); err != nil {
			t.Errorf("Flow %s: %v", id, err)
		}
	}
	cursor := "" // also the flows that nobody was told of
	for {
		page, next, err := b.ListFlows(t.Context(), 0, cursor)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range page {
			checkFlow(t, b, f.ID)
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	a.checkUnique(t, b)
}

// checkFlow looks whether the last job of a flow stands where the others put it.
func checkFlow(t *testing.T, b *box, id queue.FlowID) {
	t.Helper()
	f, err := b.Flow(t.Context(), id)
	if err != nil || len(f.Jobs) != flowWidth+1 {
		t.Errorf("flow %s has %d jobs, %v", id, len(f.Jobs), err)
		return
	}
	open, failed := 0, false
	for _, n := range f.Jobs[:flowWidth] {
		if !n.Job.Status.Final() {
			open++
		}
		failed = failed || (n.Job.Status.Final() && n.Job.Status != queue.Completed)
	}
	last := f.Jobs[flowWidth].Job
	ok := last.Status == queue.Waiting
	switch {
	case failed:
		ok = last.Status == queue.Cancelled
	case open == 0:
		ok = last.Status == queue.Ready || last.Status == queue.Completed || last.Status == queue.Dead // dead by crashes
	}
	if !ok {
		t.Errorf("flow %s: %d jobs have not ended, failed %v, and the last is %s", id, open, failed, last.Status)
	}
	n, _ := parseID(last.ID)
	b.mu.Lock()
	left := b.table.pending[n].left
	b.mu.Unlock()
	if !failed && left != open {
		t.Errorf("the last job of flow %s waits for %d, want %d", id, left, open)
	}
}

// checkUnique looks whether one job at most holds the key, and the table knows it.
func (a *told) checkUnique(t *testing.T, b *box) {
	t.Helper()
	var alive []queue.ID
	for _, x := range export(t, b.Engine, queue.Filter{}) {
		if x.UniqueKey != "" && !x.Status.Final() {
			alive = append(alive, x.ID)
		}
	}
	b.mu.Lock()
	n := b.table.keys.held[hashUnique("k")]
	b.mu.Unlock()
	if len(alive) > 1 || (len(alive) == 1 && formatID(n) != alive[0]) || (len(alive) == 0 && n != 0) {
		t.Errorf("%v have not ended and have the unique key, the table says %s", alive, formatID(n))
	}
	for _, id := range a.unique {
		if _, err := b.Get(t.Context(), id); err != nil {
			t.Errorf("Get %s: %v", id, err)
		}
	}
}

// finishAll works until nothing is left to do.
func finishAll(t *testing.T, b *box) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		counts, err := b.Counts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(counts, func(c queue.Counts) bool { return c.Queue == queue.DefaultQueue })
		if i < 0 {
			return
		}
		c := counts[i].Counts
		if c[queue.Ready] == 0 {
			if c[queue.Waiting]+c[queue.Retry]+c[queue.Scheduled]+c[queue.Active] == 0 {
				return
			}
			if ctx.Err() != nil {
				t.Fatalf("in the end: %v", c)
			}
			continue // burials are under way
		}
		ls, err := b.Lease(ctx, queue.LeaseRequest{Max: 64})
		if err != nil {
			t.Fatalf("Lease with %v: %v", c, err)
		}
		for _, l := range ls {
			mustFinish(t, b.Engine, l, queue.Outcome{Result: []byte("1")})
		}
	}
}
