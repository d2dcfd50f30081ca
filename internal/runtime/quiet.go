package runtime

import (
	"path/filepath"
	"sync"
	"time"
)

// soonerBy is how many times sooner a file is read of which the kernel has told that its writer closed it, or that it
// was renamed into its place. Not at once: some copies close a file and set its times and rights then, some scripts
// write it in two goes.
const soonerBy = 10

// quiet decides when a file is to be read: when its writer is done with it, as far as anybody tells, else when it has
// not changed for long enough.
type quiet struct {
	after time.Duration

	mu   sync.Mutex // guards seen
	seen map[string]sighting
}

// sighting is what was last seen of a file that is not quiet yet.
type sighting struct {
	stamp stamp
	told  bool // of a change that the stamp does not show yet
	ended bool // its writer is done
	since time.Time
}

func newQuiet(after time.Duration) *quiet { return &quiet{after: after, seen: map[string]sighting{}} }

// soon is how long a file is left alone whose writer is done.
func (q *quiet) soon() time.Duration { return q.after / soonerBy }

// changed notes that a file has just been changed, ended that its writer is done with it.
func (q *quiet) changed(path string, ended bool, now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.seen[path]
	s.told, s.ended, s.since = true, ended, now
	q.seen[path] = s
}

// wait gives how long a file is to be left alone yet, which looks like st now; 0 = it can be read. early says that only
// its writer's word stands for it: if it turns out to be less than a module, there may be more to come (see doubt).
func (q *quiet) wait(path string, st stamp, now time.Time) (wait time.Duration, early bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s, known := q.seen[path]
	if !known || (s.stamp != st && !s.told) {
		s.since, s.ended = now, false // nobody has told of it
	}
	s.stamp, s.told = st, false
	q.seen[path] = s
	full := max(0, q.after-now.Sub(s.since))
	if !s.ended || full == 0 {
		return full, false
	}
	return max(0, q.soon()-now.Sub(s.since)), true
}

// doubt has a file left alone for the whole time, though its writer is said to be done, and gives how long that is.
func (q *quiet) doubt(path string, now time.Time) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	s, known := q.seen[path]
	if !known {
		return 0
	}
	s.ended = false
	q.seen[path] = s
	return max(time.Nanosecond, q.after-now.Sub(s.since))
}

// forget is called for a file that was read or is gone.
func (q *quiet) forget(path string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.seen, path)
}

// keep forgets all files of a folder but those present: nobody may have told that the others are gone.
func (q *quiet) keep(dir string, present map[string]bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for path := range q.seen {
		if !present[path] && filepath.Dir(path) == dir {
			delete(q.seen, path)
		}
	}
}
