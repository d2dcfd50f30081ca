package batch

import "time"

// Recorder measures batches. Its methods do not block.
type Recorder interface {
	// BatchEnded is called once for each time that a batch ends; took is from its creation, or from the last Retry, on.
	BatchEnded(status string, took time.Duration)
	// BatchFiles counts files of batches that ended: done, failed or cancelled.
	BatchFiles(state string, n int)
}

// Stats say what of batches goes on.
type Stats struct {
	Queued  int // batches of which nothing has begun
	Running int
	Pending int // files of them that have not begun
	Working int
}

// Stats gives them from memory.
func (e *Engine) Stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	var s Stats
	for _, r := range e.active {
		if r.view().Status == Queued {
			s.Queued++
		} else {
			s.Running++
		}
		s.Working += len(r.open)
		s.Pending += max(0, r.rec.Total-r.ended.all()-len(r.open))
	}
	return s
}

// count tells the recorder of ends. e.mu is not held.
func (e *Engine) count(added map[*run]counts, records map[*run]record) {
	if e.cfg.Recorder == nil {
		return
	}
	for r, c := range added {
		for state, n := range map[State]int{ItemDone: c.Done, ItemFailed: c.Failed, ItemCancelled: c.Cancelled} {
			if n > 0 {
				e.cfg.Recorder.BatchFiles(string(state), n)
			}
		}
		if rec := records[r]; !rec.FinishedAt.IsZero() {
			v := rec.view(rec.Counts, 0)
			e.cfg.Recorder.BatchEnded(string(v.Status), rec.FinishedAt.Sub(rec.begun()))
		}
	}
}

// begun is when a batch was made, or retried.
func (r *record) begun() time.Time {
	if r.RetriedAt.IsZero() {
		return r.CreatedAt
	}
	return r.RetriedAt
}
