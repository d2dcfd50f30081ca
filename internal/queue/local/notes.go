package local

import (
	"slices"

	"github.com/wayside-edge/wayside/internal/queue"
)

// maxNotes is how many changes are noted until somebody asks for them. What comes on top is known to be missing.
const maxNotes = 1024

// notes are the jobs that have changed since somebody asked. Noting one costs next to nothing, however many there are,
// for it is done under the engine's lock: Engine.mu guards all but told.
type notes struct {
	jobs []uint64      // with doubles; its capacity is the limit
	lost bool          // there were more
	any  bool          // told has been sent to since
	told chan struct{} // holds one
}

func newNotes() notes {
	return notes{jobs: make([]uint64, 0, maxNotes), told: make(chan struct{}, 1)}
}

// note notes that a job has changed, and its queue with it. e.mu is held.
func (e *Engine) note(n uint64) {
	w := &e.notes
	if len(w.jobs) < cap(w.jobs) {
		w.jobs = append(w.jobs, n)
	} else {
		w.lost = true
	}
	e.noteQueue()
}

// noteQueue notes that something about a queue has changed. e.mu is held.
func (e *Engine) noteQueue() {
	if w := &e.notes; !w.any {
		w.any = true
		w.told <- struct{}{} // does not block: it holds one, and any says that there is none
	}
}

// Changed implements queue.Changes.
func (e *Engine) Changed() <-chan struct{} { return e.notes.told }

// TakeChanged implements queue.Changes.
func (e *Engine) TakeChanged() (ids []queue.ID, lost bool) {
	e.mu.Lock()
	w := &e.notes
	jobs := slices.Clone(w.jobs)
	lost = w.lost
	w.jobs, w.lost, w.any = w.jobs[:0], false, false
	select {
	case <-w.told:
	default:
	}
	e.mu.Unlock()
	// A job that has just run stands there three times: the last place counts.
	seen := make(map[uint64]struct{}, len(jobs))
	for _, n := range slices.Backward(jobs) {
		if _, ok := seen[n]; !ok {
			seen[n] = struct{}{}
			ids = append(ids, formatID(n))
		}
	}
	slices.Reverse(ids)
	return ids, lost
}
