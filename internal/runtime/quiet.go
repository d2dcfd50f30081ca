package runtime

import (
	"sync"
	"time"
)

// quiet decides when a file has not changed for long enough to be read whole: nobody tells when a copy has ended.
type quiet struct {
	after time.Duration

	mu   sync.Mutex // guards seen
	seen map[string]sighting
}

// sighting is what was last seen of a file that is not quiet yet.
type sighting struct {
	stamp stamp
	told  bool // of a change that the stamp does not show yet
	since time.Time
}

func newQuiet(after time.Duration) *quiet { return &quiet{after: after, seen: map[string]sighting{}} }

// changed notes that a file has just been changed.
func (q *quiet) changed(path string, now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.seen[path]
	s.told, s.since = true, now
	q.seen[path] = s
}

// wait gives how long a file is to be left alone yet, which looks like st now; 0 = it can be read.
func (q *quiet) wait(path string, st stamp, now time.Time) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	s, known := q.seen[path]
	if !known || (s.stamp != st && !s.told) {
		s.since = now // nobody has told of it
	}
	s.stamp, s.told = st, false
	q.seen[path] = s
	return max(0, q.after-now.Sub(s.since))
}

// forget is called for a file that was read or is gone.
func (q *quiet) forget(path string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.seen, path)
}
