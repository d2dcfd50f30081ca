package local

import (
	"cmp"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/wayside-edge/wayside/internal/queue"
)

// modelWeights are those of the model's queues.
var modelWeights = map[string]int{"x": 5, "y": 7}

// hasRoom says what the settings of a job's queue say to its start.
func (w *world) hasRoom(j *modelJob) bool {
	s, active, same := w.lines[j.queue], 0, 0
	for _, o := range w.jobs {
		if o.status == queue.Active && o.queue == j.queue {
			active++
			if o.limitKey == j.limitKey {
				same++
			}
		}
	}
	return !s.Paused && (s.MaxActive == 0 || active < s.MaxActive) && (j.limitKey == "" || s.KeyMaxActive == 0 || same < s.KeyMaxActive)
}

// next gives the job that is to be leased from a queue.
func (w *world) next(name string) *modelJob {
	var want *modelJob
	for _, j := range w.jobs {
		if j.status == queue.Ready && j.queue == name && (want == nil || j.priority > want.priority) && w.hasRoom(j) {
			want = j
		}
	}
	return want
}

// waited gives since which second a job has been ready.
func waited(j *modelJob) int64 {
	if s := j.since.Unix(); j.since.Equal(time.Unix(s, 0)) {
		return s
	}
	return j.since.Unix() + 1
}

// isNext reports whether a job may be the one to be leased from some queues. In mode strict that is one that has waited for
// the ageing time, and no other for longer, else the first of a queue that none has a larger weight than. A limit of
// keys keeps the order of a key, so it may keep back what has waited longest.
func (w *world) isNext(j *modelJob, names []string) bool {
	if j == nil || j.status != queue.Ready || !slices.Contains(names, j.queue) || !w.hasRoom(j) {
		return false
	}
	if w.mode.Mode != queue.Strict {
		return j == w.next(j.queue)
	}
	aged := w.clock.Wall().Add(-w.mode.Ageing).Unix()
	var oldest *modelJob
	heavier := false
	for _, o := range w.jobs {
		if o.status != queue.Ready || !slices.Contains(names, o.queue) || !w.hasRoom(o) {
			continue
		}
		heavier = heavier || modelWeights[o.queue] > modelWeights[j.queue]
		if waited(o) <= aged && (oldest == nil || waited(o) < waited(oldest)) {
			oldest = o
		}
	}
	switch {
	case oldest == nil:
		return j == w.next(j.queue) && !heavier
	case w.lines["x"].KeyMaxActive+w.lines["y"].KeyMaxActive > 0:
		return true
	default:
		return waited(j) == waited(oldest)
	}
}

// job gives the job of an id.
func (w *world) job(id queue.ID) *modelJob {
	i := slices.IndexFunc(w.jobs, func(j *modelJob) bool { return j.id == id })
	if i < 0 {
		return nil
	}
	return w.jobs[i]
}

// drawQueues gives what is leased from. How often queues take turns by their weights is not modelled.
func (w *world) drawQueues(t *rapid.T) []string {
	if w.mode.Mode == queue.Strict && rapid.Bool().Draw(t, "both") {
		return []string{"x", "y"}
	}
	return []string{rapid.SampledFrom([]string{"x", "y"}).Draw(t, "queue")}
}

func (w *world) lease(t *rapid.T) {
	r := queue.LeaseRequest{Queues: w.drawQueues(t)}
	if !slices.ContainsFunc(r.Queues, func(name string) bool { return w.next(name) != nil }) {
		w.box.mu.Lock()
		defer w.box.mu.Unlock()
		if p := w.box.choose(&waiter{r: r}, false); p.lane != nil {
			t.Fatalf("there is a job to lease in %s", r.Queues)
		}
		return
	}
	l, err := w.box.Lease(w.t.Context(), r)
	if err != nil || len(l) != 1 {
		t.Fatalf("Lease gave %v, %v", l, err)
	}
	j := w.job(l[0].Job.ID)
	if !w.isNext(j, r.Queues) {
		t.Fatalf("leased %s, which is not next: %+v", l[0].Job.ID, j)
	}
	j.status, j.lease, j.outside, j.runAt, j.unsaid = queue.Active, l[0].Lease, false, time.Time{}, false
	j.attempt++
}

// setMode changes how queues take turns.
func (w *world) setMode(t *rapid.T) {
	p := queue.ModePatch{
		Mode:   new(rapid.SampledFrom([]queue.Mode{"", queue.Weighted, queue.Strict, queue.Strict}).Draw(t, "mode")),
		Ageing: new(time.Duration(rapid.SampledFrom([]int{0, 1, 4, 10}).Draw(t, "ageing")) * time.Second),
	}
	w.mode.Set = queue.ModeSettings{Mode: *p.Mode, Ageing: *p.Ageing}
	w.mode.Mode = cmp.Or(*p.Mode, w.mode.Configured.Mode)
	w.mode.Ageing = cmp.Or(*p.Ageing, w.mode.Configured.Ageing)
	if _, err := w.box.SetMode(w.t.Context(), p); err != nil {
		t.Fatalf("SetMode: %v", err)
	}
}
