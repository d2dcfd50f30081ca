package local

import (
	"math"
	"time"
)

// tick is a moment on Clock.Elapsed in whole seconds, of before the start too: a million of them in four bytes each.
type tick int32

// ticksAt gives the first tick that is not before a moment: no job is taken to have waited longer than it has.
func ticksAt(d time.Duration) tick {
	s := d / time.Second
	if d%time.Second > 0 {
		s++
	}
	return tick(min(max(s, math.MinInt32), math.MaxInt32))
}

// since gives the tick of a moment on the wall, not after the present one: a clock may be wrong.
func (i instant) since(t time.Time) tick { return ticksAt(i.mono - max(i.wall.Sub(t), 0)) }

// wallOf gives the moment on the wall of a tick.
func (i instant) wallOf(t tick) time.Time {
	return i.wall.Add(min(time.Duration(t)*time.Second-i.mono, 0))
}

// readyJob is a ready job in its lane.
type readyJob struct {
	n     uint64
	since tick // when it became ready
	// oldest is the least since in the heap below and including this entry, so that the job that has waited longest is
	// found without a second heap.
	oldest tick
}

// readyJobs is a heap of jobs, the smallest number (the oldest job) first; unlike container/heap it boxes none of them.
type readyJobs []readyJob

func (h *readyJobs) push(n uint64, since tick) {
	*h = append(*h, readyJob{n: n, since: since, oldest: since})
	s := *h
	i := len(s) - 1
	for i > 0 {
		up := (i - 1) / 2
		if s[up].n <= n {
			break
		}
		s[i].n, s[i].since = s[up].n, s[up].since
		s[up].n, s[up].since = n, since
		s.mend(i)
		i = up
	}
	s.mend(i)
	for i > 0 {
		if i = (i - 1) / 2; s[i].oldest <= since {
			return
		}
		s[i].oldest = since
	}
}

// mend sets what an entry says about those below it, and reports whether that is news.
func (h *readyJobs) mend(i int) bool {
	s := *h
	oldest := s[i].since
	for c := 2*i + 1; c <= 2*i+2 && c < len(s); c++ {
		oldest = min(oldest, s[c].oldest)
	}
	was := s[i].oldest
	s[i].oldest = oldest
	return was != oldest
}

// mendUp mends the entries above one, up to the first whose tale does not change.
func (h *readyJobs) mendUp(i int) {
	for i > 0 {
		if i = (i - 1) / 2; !h.mend(i) {
			return
		}
	}
}

// remove takes an entry out.
func (h *readyJobs) remove(i int) readyJob {
	s := *h
	out, last := s[i], len(s)-1
	moved := s[last]
	s = s[:last]
	if last > 0 {
		s.mendUp(last)
	}
	if i < last {
		s.settle(i, moved)
	}
	// A burst is not to be remembered for ever.
	if cap(s) > 1024 && len(s) < cap(s)/4 {
		s = append(make(readyJobs, 0, cap(s)/2), s...)
	}
	*h = s
	return out
}

// settle puts a job into the place of one that is gone, and from there to where it belongs.
func (h *readyJobs) settle(i int, j readyJob) {
	s, top := *h, i
	for {
		least, n := i, j.n
		for c := 2*i + 1; c <= 2*i+2 && c < len(s); c++ {
			if s[c].n < n {
				least, n = c, s[c].n
			}
		}
		if least == i {
			break
		}
		s[i].n, s[i].since = s[least].n, s[least].since
		i = least
	}
	s[i].n, s[i].since = j.n, j.since
	if i == top { // it came from another branch and may belong further up
		for i > 0 && s[(i-1)/2].n > j.n {
			up := (i - 1) / 2
			s[i].n, s[i].since = s[up].n, s[up].since
			s[up].n, s[up].since = j.n, j.since
			h.mend(i)
			i = up
		}
	}
	for h.mend(i); i > 0; {
		i = (i - 1) / 2
		if !h.mend(i) && i < top {
			return
		}
	}
}

// oldest gives an entry of those that have waited longest, of several not always the first. The heap is not empty.
func (h *readyJobs) oldest() int {
	s, i := *h, 0
	for s[i].since != s[i].oldest {
		left := 2*i + 1
		if i = left; s[left].oldest != s[(left-1)/2].oldest {
			i = left + 1
		}
	}
	return i
}

// correct sets when the job of an entry became ready.
func (h *readyJobs) correct(i int, since tick) {
	(*h)[i].since = since
	h.mend(i)
	h.mendUp(i)
}
