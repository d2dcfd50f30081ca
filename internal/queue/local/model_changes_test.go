package local

import (
	"errors"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
)

// changes are the operations of workers outside and of operators.
func (w *world) changes() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"lease outside": w.leaseOutside, "turn": w.turn, "beat": w.beat, "old token": w.oldToken,
		"edit": w.edit, "retry": w.retry, "promote": w.promote, "delete": w.delete,
		"configure": w.configure, "drain worker": w.drainNode, "mode": w.setMode, "purge": w.purge, "act": w.act,
	}
}

func (w *world) leaseOutside(t *rapid.T) {
	r := w.drawLease(t)
	r.Queues = w.drawQueues(t)
	got, err := w.box.LeaseExternal(w.t.Context(), r)
	if err != nil {
		t.Fatalf("LeaseExternal: %v", err)
	}
	w.node.Name = "w"
	w.leased(t, r, got)
	if len(got) == 0 && slices.ContainsFunc(r.Queues, func(name string) bool { return w.nextOutside(name) != nil }) {
		t.Fatalf("nothing was leased of %s", r.Queues)
	}
}

// drainNode drains the worker outside, or gives it jobs again.
func (w *world) drainNode(t *rapid.T) {
	drain := rapid.Bool().Draw(t, "drain")
	_, err := w.box.DrainNode(w.t.Context(), "w", drain)
	if w.node.Name == "" {
		if !errcode.Is(err, errcode.NotFound) {
			t.Fatalf("DrainNode of a worker that was never seen: %v", err)
		}
		return
	}
	if w.node.Draining = drain; err != nil {
		t.Fatalf("DrainNode: %v", err)
	}
}

// nextOutside gives the job that the worker outside would be given.
func (w *world) nextOutside(name string) *modelJob {
	if w.node.Draining {
		return nil
	}
	return w.next(name)
}

func (w *world) drawLease(t *rapid.T) queue.ExternalRequest {
	name := rapid.SampledFrom([]string{"x", "y"}).Draw(t, "queue")
	length := time.Duration(rapid.SampledFrom([]int{5, 20}).Draw(t, "seconds")) * time.Second
	return queue.ExternalRequest{Worker: "w", Queues: []string{name}, Max: rapid.IntRange(1, 3).Draw(t, "max"), Lease: length, NoWait: true}
}

// turn ends a run and leases in one call: what was there before comes first, and only else what the end made room for.
func (w *world) turn(t *rapid.T) {
	j := w.held(t)
	kind := rapid.SampledFrom([]string{"ok", "fail", "permanent", "retry_in", "release", "delay"}).Draw(t, "outcome")
	r := w.drawLease(t)
	before := w.nextOutside(r.Queues[0]) != nil
	ended, got, err := w.box.FinishAndLease(w.t.Context(), []queue.End{{Lease: j.lease, Outcome: outcomes[kind]}}, r)
	if err != nil || len(ended) != 1 || ended[0].Lost || ended[0].Err != nil {
		t.Fatalf("FinishAndLease: %+v, %v", ended, err)
	}
	if before {
		w.leased(t, r, got)
		w.ran(j, kind)
	} else {
		w.ran(j, kind)
		w.leased(t, r, got)
	}
	if len(got) == 0 && (before || w.nextOutside(r.Queues[0]) != nil) {
		t.Fatalf("nothing was leased of %s", r.Queues[0])
	}
}

// leased notes what was leased, and that it was next.
func (w *world) leased(t *rapid.T, r queue.ExternalRequest, got []queue.ExternalLeased) {
	length := r.Lease
	for _, l := range got {
		want := w.job(l.Job.ID)
		if w.node.Draining || !w.isNext(want, r.Queues) {
			t.Fatalf("leased %s, which is not next: %+v", l.Job.ID, want)
		}
		want.status, want.lease, want.outside, want.runAt, want.unsaid = queue.Active, l.Lease, true, time.Time{}, false
		want.length, want.expires = length, w.clock.Wall().Add(length)
		want.attempt++
		if !l.Expires.Equal(want.expires) || l.Job.Attempt != want.attempt {
			t.Fatalf("lease of %s: %+v, want its end at %v", want.id, l, want.expires)
		}
	}
}

// held gives a job that a worker outside has.
func (w *world) held(t *rapid.T) *modelJob {
	j := w.pickAny(t, queue.Active)
	if !j.outside {
		t.Skip("not outside")
	}
	return j
}

func (w *world) beat(t *rapid.T) {
	j := w.held(t)
	if at := w.clock.Wall().Add(j.length); at.After(j.expires) {
		j.expires = at
	}
	want := queue.LeaseOK
	if w.node.Draining {
		want = queue.LeaseDrain
	}
	if j.asked {
		want = queue.LeaseCancel
	}
	p := &queue.Progress{Fraction: 0.5, Text: "half"}
	if got := w.box.beat(w.t, j.lease, p); got != want {
		t.Fatalf("a sign of life was answered %s, want %s", got, want)
	}
	if got, err := w.box.Get(w.t.Context(), j.id); err != nil || got.Progress != *p || got.Worker != "w" {
		t.Fatalf("after a sign of life: %+v, %v", got, err)
	}
}

// oldToken uses a lease that is not the job's: nothing changes.
func (w *world) oldToken(t *rapid.T) {
	j := w.pickAny(t, queue.Statuses()...)
	l := queue.Lease{ID: j.id, Token: j.lease.Token + 1}
	w.node.Name = "w" // whose signs of life make it known
	if got := w.box.beat(w.t, l, nil); got != queue.LeaseLost {
		t.Fatalf("a wrong token was answered %s", got)
	}
	if ended := w.box.finishOutside(w.t, l, queue.Outcome{}); !ended.Lost {
		t.Fatalf("a wrong token ended the job: %+v", ended)
	}
	if err := w.box.Finish(w.t.Context(), l, queue.Outcome{}); !errors.Is(err, queue.ErrLeaseLost) {
		t.Fatalf("a wrong token ended the job: %v", err)
	}
}

func (w *world) edit(t *rapid.T) {
	j := w.pickAny(t, queue.Statuses()...)
	e := queue.Edit{
		Queue:    rapid.SampledFrom([]*string{nil, new("x"), new("y")}).Draw(t, "queue"),
		Priority: rapid.SampledFrom([]*int{nil, new(4), new(6)}).Draw(t, "priority"),
	}
	if rapid.Bool().Draw(t, "run_at") {
		e.RunAt = new(w.clock.Wall().Add(time.Duration(rapid.IntRange(-2, 6).Draw(t, "seconds")) * time.Second))
	}
	_, err := w.box.Edit(w.t.Context(), j.id, e)
	switch {
	case j.status == queue.Active:
		w.refused(t, "Edit", j, err, errors.Is(err, queue.ErrActive))
		return
	case j.status == queue.Completed || j.status == queue.Cancelled:
		w.refused(t, "Edit", j, err, errors.Is(err, queue.ErrEnded))
		return
	case j.status == queue.Dead && e.RunAt != nil:
		w.refused(t, "Edit", j, err, errcode.Is(err, errcode.ValidationFailed))
		return
	case err != nil:
		t.Fatalf("Edit of a job that is %s: %v", j.status, err)
	}
	j.unsaid = false
	set(&j.queue, e.Queue)
	set(&j.priority, e.Priority)
	if e.RunAt == nil {
		return
	}
	switch j.status {
	case queue.Waiting:
		j.runAt = *e.RunAt
	case queue.Retry:
		w.wait(j, queue.Retry, *e.RunAt)
	default:
		w.wait(j, queue.Scheduled, *e.RunAt)
	}
}

func (w *world) refused(t *rapid.T, what string, j *modelJob, err error, right bool) {
	if !right {
		t.Fatalf("%s of a job that is %s: %v", what, j.status, err)
	}
}

// retry brings a job back; it does not wait for what it waited for.
func (w *world) retry(t *rapid.T) {
	j := w.pickAny(t, queue.Statuses()...)
	holder := w.holder(j.key)
	_, err := w.box.Retry(w.t.Context(), j.id)
	switch {
	case j.status == queue.Active:
		w.refused(t, "Retry", j, err, errcode.Is(err, errcode.Conflict))
	case j.status == queue.Retry:
		w.refused(t, "Retry", j, err, err == nil)
		w.wait(j, queue.Retry, time.Time{})
	case j.status != queue.Dead && j.status != queue.Cancelled:
		w.refused(t, "Retry", j, err, errcode.Is(err, errcode.Conflict))
	case holder != nil:
		w.refused(t, "Retry", j, err, errors.Is(err, queue.ErrUniqueHeld))
	default:
		w.refused(t, "Retry", j, err, err == nil)
		w.revive(j)
	}
}

func (w *world) revive(j *modelJob) {
	j.since, j.unsaid = w.clock.Wall(), false
	j.status, j.finished, j.crashes, j.limit, j.holds = queue.Ready, time.Time{}, 0, j.attempt+j.attempts, j.key != ""
	j.on = map[*modelJob]bool{}
}

func (w *world) promote(t *rapid.T) {
	j := w.pickAny(t, queue.Statuses()...)
	_, err := w.box.Promote(w.t.Context(), j.id)
	if j.status != queue.Scheduled && j.status != queue.Retry {
		w.refused(t, "Promote", j, err, errcode.Is(err, errcode.Conflict))
		return
	}
	w.refused(t, "Promote", j, err, err == nil)
	w.wait(j, j.status, time.Time{})
}

func (w *world) delete(t *rapid.T) {
	j := w.pickAny(t, queue.Statuses()...)
	err := w.box.Delete(w.t.Context(), j.id)
	if j.status == queue.Active {
		w.refused(t, "Delete", j, err, errors.Is(err, queue.ErrActive))
		return
	}
	w.refused(t, "Delete", j, err, err == nil)
	w.remove([]*modelJob{j})
}

// remove takes jobs out, together: those that wait for each other do not end because of each other.
func (w *world) remove(jobs []*modelJob) {
	for _, j := range jobs {
		j.on = nil
	}
	for _, j := range jobs {
		if !j.status.Final() {
			w.end(j, queue.Cancelled)
		}
	}
	left := w.jobs[:0]
	for _, j := range w.jobs {
		keep := true
		for _, gone := range jobs {
			keep = keep && j != gone
		}
		if keep {
			left = append(left, j)
		}
	}
	w.jobs = left
}

func (w *world) configure(t *rapid.T) {
	name := rapid.SampledFrom([]string{"x", "y"}).Draw(t, "queue")
	s := w.lines[name]
	s.Paused = rapid.SampledFrom([]bool{false, false, true}).Draw(t, "paused")
	p := queue.SettingsPatch{Paused: new(s.Paused), MaxActive: &s.MaxActive, KeyMaxActive: &s.KeyMaxActive}
	if rapid.IntRange(0, 3).Draw(t, "drain") == 0 {
		s.Paused, s.Drain, p.Drain = true, true, new(true)
	}
	s.Drain = s.Drain && s.Paused
	s.MaxActive = rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(t, "max_active")
	s.KeyMaxActive = rapid.SampledFrom([]int{0, 1, 2}).Draw(t, "key_max_active")
	if _, err := w.box.Configure(w.t.Context(), name, p); err != nil {
		t.Fatalf("Configure: %v", err)
	}
}

func (w *world) purge(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "rarely") != 0 {
		t.Skip("not now")
	}
	name := rapid.SampledFrom([]string{"x", "y"}).Draw(t, "queue")
	var gone []*modelJob
	for _, j := range w.jobs {
		if j.queue == name && j.status != queue.Active {
			gone = append(gone, j)
		}
	}
	n, err := w.box.Purge(w.t.Context(), name)
	if errcode.Is(err, errcode.NotFound) && len(gone) == 0 {
		return // nobody has used it yet
	}
	if err != nil || n != len(gone) {
		t.Fatalf("Purge removed %d of %d, %v", n, len(gone), err)
	}
	w.remove(gone)
}

// act promotes all that wait for their time.
func (w *world) act(t *rapid.T) {
	status := rapid.SampledFrom([]queue.Status{queue.Scheduled, queue.Retry}).Draw(t, "status")
	n := 0
	for _, j := range w.jobs {
		if j.status == status {
			w.wait(j, status, time.Time{})
			n++
		}
	}
	acted, err := w.box.Act(w.t.Context(), queue.ActPromote, queue.Filter{Status: []queue.Status{status}}, 0)
	if err != nil || acted.Done != n || acted.Failed != 0 {
		t.Fatalf("Act gave %+v, %v; want %d done", acted, err, n)
	}
}

// checkNode compares the worker outside.
func (w *world) checkNode(t *rapid.T) {
	nodes, err := w.box.Nodes(w.t.Context())
	if err != nil || len(nodes) > 1 || (len(nodes) == 0) != (w.node.Name == "") {
		t.Fatalf("Nodes gave %+v, %v; the model has %+v", nodes, err, w.node)
	}
	active := 0
	for _, j := range w.jobs {
		if j.outside {
			active++
		}
	}
	for _, n := range nodes {
		if n.Draining != w.node.Draining || n.Done != w.node.Done || n.Failed != w.node.Failed || n.Active != active {
			t.Fatalf("worker is %+v, want %+v with %d at work", n, w.node, active)
		}
	}
}
