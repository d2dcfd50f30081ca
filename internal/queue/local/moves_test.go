package local

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/wayside-edge/wayside/internal/queue"
)

// mover is an engine whose jobs are moved about, beside a list that says where they should be.
type mover struct {
	t     *testing.T
	clock *fakeClock
	box   *box
	jobs  []*modelJob
}

func (m *mover) pick(t *rapid.T, ok func(queue.Status) bool) *modelJob {
	var some []*modelJob
	for _, j := range m.jobs {
		if ok(j.status) {
			some = append(some, j)
		}
	}
	if len(some) == 0 {
		t.Skip("no such job")
	}
	return rapid.SampledFrom(some).Draw(t, "job")
}

func waits(s queue.Status) bool { return s == queue.Ready || s == queue.Scheduled }

func (m *mover) enqueue(t *rapid.T) {
	n := queue.New{Type: "a", Queue: "x", Priority: new(5), Delay: time.Duration(rapid.SampledFrom([]int{0, 5}).Draw(t, "delay")) * time.Second}
	j := mustEnqueue(m.t, m.box.Engine, n)[0]
	m.jobs = append(m.jobs, &modelJob{id: j.ID, queue: "x", priority: 5, status: j.Status, runAt: j.RunAt})
}

func (m *mover) edit(t *rapid.T) {
	j := m.pick(t, waits)
	var e queue.Edit
	if rapid.Bool().Draw(t, "place") {
		e.Queue, e.Priority = new(rapid.SampledFrom([]string{"x", "y"}).Draw(t, "queue")), new(rapid.IntRange(4, 6).Draw(t, "priority"))
		j.queue, j.priority = *e.Queue, *e.Priority
	} else {
		at := m.clock.Wall().Add(time.Duration(rapid.IntRange(-2, 9).Draw(t, "seconds")) * time.Second)
		e.RunAt = &at
		j.status, j.runAt = queue.Ready, time.Time{}
		if at.After(m.clock.Wall()) {
			j.status, j.runAt = queue.Scheduled, at
		}
	}
	if got, err := m.box.Edit(m.t.Context(), j.id, e); err != nil || got.Status != j.status {
		t.Fatalf("Edit gave %s, %v; want %s", got.Status, err, j.status)
	}
}

func (m *mover) promote(t *rapid.T) {
	j := m.pick(t, func(s queue.Status) bool { return s == queue.Scheduled })
	if _, err := m.box.Promote(m.t.Context(), j.id); err != nil {
		t.Fatalf("Promote: %v", err)
	}
	j.status, j.runAt = queue.Ready, time.Time{}
}

func (m *mover) cancel(t *rapid.T) {
	j := m.pick(t, waits)
	if _, err := m.box.Cancel(m.t.Context(), j.id, nil); err != nil {
		t.Fatalf("Cancel: %v", err)
	}
	j.status = queue.Cancelled
}

func (m *mover) retry(t *rapid.T) {
	j := m.pick(t, func(s queue.Status) bool { return s == queue.Cancelled })
	if _, err := m.box.Retry(m.t.Context(), j.id); err != nil {
		t.Fatalf("Retry: %v", err)
	}
	j.status, j.runAt = queue.Ready, time.Time{}
}

func (m *mover) delete(t *rapid.T) {
	j := m.pick(t, func(s queue.Status) bool { return s != "" })
	if err := m.box.Delete(m.t.Context(), j.id); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	j.status = ""
}

// lease takes the job that is next and gives it back for a while, or at once.
func (m *mover) lease(t *rapid.T) {
	name := rapid.SampledFrom([]string{"x", "y"}).Draw(t, "queue")
	var want *modelJob
	for _, j := range m.jobs {
		if j.status == queue.Ready && j.queue == name && (want == nil || j.priority > want.priority) {
			want = j
		}
	}
	got := mustLeaseOutside(m.t, m.box.Engine, queue.ExternalRequest{Queues: []string{name}})
	if want == nil {
		if len(got) != 0 {
			t.Fatalf("leased %s of %s, want nothing", got[0].Job.ID, name)
		}
		return
	}
	if len(got) != 1 || got[0].Job.ID != want.id {
		t.Fatalf("leased %v of %s, want %s", got, name, want.id)
	}
	delay := time.Duration(rapid.SampledFrom([]int{0, 4}).Draw(t, "delay")) * time.Second
	m.box.finishOutside(m.t, got[0].Lease, queue.Outcome{Release: true, Delay: delay})
	if delay > 0 {
		want.status, want.runAt = queue.Scheduled, m.clock.Wall().Add(delay)
	}
}

func (m *mover) advance(t *rapid.T) {
	m.clock.advance(time.Duration(rapid.IntRange(1, 4).Draw(t, "seconds")) * time.Second)
	m.box.fire(m.clock.Elapsed())
	for _, j := range m.jobs {
		if j.status == queue.Scheduled && !j.runAt.After(m.clock.Wall()) {
			j.status = queue.Ready
		}
	}
}

func (m *mover) check(t *rapid.T) {
	want := map[string]map[queue.Status]int64{"x": {}, "y": {}}
	for _, j := range m.jobs {
		if j.status == "" {
			continue
		}
		want[j.queue][j.status]++
		got, err := m.box.Get(m.t.Context(), j.id)
		if err != nil || got.Status != j.status || got.Queue != j.queue || got.Priority != j.priority {
			t.Fatalf("job %s is %s in %s/%d, %v; want %s in %s/%d", j.id, got.Status, got.Queue, got.Priority, err, j.status, j.queue, j.priority)
		}
	}
	all, err := m.box.Counts(m.t.Context())
	if err != nil {
		t.Fatalf("Counts: %v", err)
	}
	for _, q := range all {
		for s, n := range q.Counts {
			if w := want[q.Queue]; w != nil && w[s] != n {
				t.Fatalf("%d %s in %s, want %d", n, s, q.Queue, w[s])
			}
		}
	}
}

// TestMoves edits, promotes, cancels, revives and deletes jobs at random: each is where it should be, once.
func TestMoves(t *testing.T) {
	checks := flag.Lookup("rapid.checks").Value
	before := checks.String()
	if before == "100" { // every run opens a database
		_ = checks.Set("30")
		defer func() { _ = checks.Set(before) }()
	}
	root, runs := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		dir := filepath.Join(root, fmt.Sprint(runs))
		runs++
		if err := os.Mkdir(dir, 0o700); err != nil {
			rt.Fatal(err)
		}
		clock := newFakeClock()
		m := &mover{t: t, clock: clock, box: openIdle(t, dir, Config{Clock: clock})}
		defer func() {
			m.box.stop()
			_ = os.RemoveAll(dir)
		}()
		rt.Repeat(map[string]func(*rapid.T){
			"": m.check, "enqueue": m.enqueue, "edit": m.edit, "edit more": m.edit, "promote": m.promote, "cancel": m.cancel,
			"retry": m.retry, "delete": m.delete, "lease": m.lease, "advance": m.advance,
		})
	})
}
