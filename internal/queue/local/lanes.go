package local

import (
	"container/heap"
	"slices"
	"time"

	"github.com/wayside-edge/wayside/internal/queue"
)

// lane is the line of ready jobs that do not differ in what a lease looks at. Of its jobs it has numbers and waiting
// times only, so a million waiting jobs are 16 MB.
type lane struct {
	queue    *line
	typ      string
	priority int
	writing  bool
	ready    readyJobs
}

// record gives what a lane says about its jobs.
func (ln *lane) record() record {
	return record{
		State: queue.State{Status: queue.Ready}, queue: ln.queue.name, typ: ln.typ, priority: ln.priority, writing: ln.writing,
	}
}

// line is one queue in memory: its lanes, the most important first, and its counts.
type line struct {
	name    string
	weight  int
	current int // of the weighted turn
	lanes   []*lane
	counts  map[queue.Status]int64

	set    queue.Settings
	bucket bucket
	timer  time.Duration // of its first entry in table.refills, 0 = it has none
	keys   map[uniqueHash]*limitKey
	more   bool            // there may be jobs behind those that were set aside
	idle   []chan struct{} // closed when nothing of it is at work any more
	gone   bool            // it was deleted: it is not there until it has jobs again
	ended  meter
}

// share is the weight by which a queue takes turns.
func (q *line) share() int {
	if q.set.Weight > 0 {
		return q.set.Weight
	}
	return q.weight
}

// timed is a job that waits for its time.
type timed struct {
	due  time.Duration // on Clock.Elapsed
	n    uint64
	lane *lane
	kind timedKind
	// runAt is the time of day that it waits for, in microseconds since 1970, 0 = it waits for a length of time, whatever
	// clocks on the wall are set to.
	runAt int64
}

// timedKind is the status of a job that waits for its time, in a byte: there may be a million.
type timedKind bool

const retryKind timedKind = true

func (k timedKind) status() queue.Status {
	if k == retryKind {
		return queue.Retry
	}
	return queue.Scheduled
}

type schedule []timed

// Len is part of heap.Interface.
func (s *schedule) Len() int { return len(*s) }

// Less is part of heap.Interface.
func (s *schedule) Less(i, j int) bool {
	a, b := (*s)[i], (*s)[j]
	if a.due != b.due {
		return a.due < b.due
	}
	return a.n < b.n
}

// Swap is part of heap.Interface.
func (s *schedule) Swap(i, j int) { (*s)[i], (*s)[j] = (*s)[j], (*s)[i] }

// Push is part of heap.Interface.
func (s *schedule) Push(x any) { *s = append(*s, x.(timed)) }

// Pop is part of heap.Interface.
func (s *schedule) Pop() any {
	old := *s
	last := len(old) - 1
	t := old[last]
	old[last] = timed{}
	*s = old[:last]
	return t
}

func (s *schedule) add(t timed) { heap.Push(s, t) }

func (s *schedule) next() timed { return heap.Pop(s).(timed) }

type laneKey struct {
	queue, typ string
	priority   int
	writing    bool
}

// line gives the queue of that name, which exists from its first use. e.mu is held.
func (e *Engine) line(name string) *line {
	l := e.table.lines[name]
	if l == nil {
		l = &line{name: name, weight: e.configuredWeight(name), counts: map[queue.Status]int64{}, keys: map[uniqueHash]*limitKey{}}
		e.table.lines[name] = l
		at, _ := slices.BinarySearchFunc(e.table.order, name, func(l *line, name string) int {
			if l.name < name {
				return -1
			}
			return 1
		})
		e.table.order = slices.Insert(e.table.order, at, l)
	}
	return l
}

// lane gives the lane of a record. e.mu is held.
func (e *Engine) lane(r record) *lane {
	k := laneKey{r.queue, r.typ, r.priority, r.writing}
	if ln := e.table.lanes[k]; ln != nil {
		return ln
	}
	q := e.line(r.queue)
	ln := &lane{queue: q, typ: r.typ, priority: r.priority, writing: r.writing}
	e.table.lanes[k] = ln
	if ln.writing && !e.writes.Swap(true) {
		e.nudge()
	}
	at := 0
	for at < len(q.lanes) && q.lanes[at].priority >= ln.priority {
		at++
	}
	q.lanes = slices.Insert(q.lanes, at, ln)
	return ln
}
