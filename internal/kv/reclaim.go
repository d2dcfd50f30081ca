package kv

import (
	"runtime/debug"
	"time"
)

const (
	reclaimLeast = 16 << 20 // bytes that keys have left, below which Go may keep them
	settledLooks = 2        // looks at use in which it stays as it is
	settledNoise = 1 << 20  // bytes by which use may change in a look and yet be settled

	idleLooks   = 2        // looks in which clients are quiet
	idleRate    = 500      // commands a second, below which they are
	spareUsed   = 32 << 20 // bytes that use has to have changed by, or an eighth of it
	spareInput  = 64 << 20 // bytes that clients have to have sent, or half of use
	reclaimRest = 20       // giving back costs at most one part in so many of the time
)

// reclaim decides when the process gives memory back to the system that it does not need. Go's collector lets the heap grow to
// twice of what is alive and returns what it frees bit by bit, and only while the process allocates: after a million keys came
// or went, that is hundreds of megabytes for minutes. There are two occasions. Keys have left as much as half of what is in
// use, and use has settled, whatever clients do: what is about to be filled again needs its memory. Or clients are quiet, and
// since the last time much has come, gone or been written anew. Each time costs a collection, which goes through all there is.
type reclaim struct {
	high    int64 // most use since memory was given back
	last    int64 // use at the last look
	settled int   // looks since it has changed
	idle    int   // looks since clients were busy
	since   load  // when memory was given back
	notYet  int64 // milliseconds of Unix time
}

// load is what clients and the log do, at one look.
type load struct {
	now         int64 // milliseconds of Unix time
	used, input int64
	perSecond   float64 // commands
	rewriting   bool    // the log is being compacted: the copy holds keys as well that are gone meanwhile
	rewrites    int64   // that have ended
}

// due is asked once a second.
func (r *reclaim) due(l load) bool {
	r.high = max(r.high, l.used)
	if change := l.used - r.last; change > settledNoise || change < -settledNoise || l.rewriting {
		r.settled = 0
	} else {
		r.settled++
	}
	r.last = l.used
	if l.perSecond >= idleRate || l.rewriting {
		r.idle = 0
	} else {
		r.idle++
	}
	if l.input < r.since.input { // the count began anew
		r.since.input = l.input
	}
	return l.now >= r.notYet && (r.settled >= settledLooks && r.left(l) || r.idle >= idleLooks && r.spare(l))
}

// left says that keys have left much.
func (r *reclaim) left(l load) bool {
	left := r.high - l.used
	return left >= reclaimLeast && left >= l.used/2
}

// spare says that there is probably much to be had.
func (r *reclaim) spare(l load) bool {
	changed := max(l.used-r.since.used, r.since.used-l.used)
	return changed >= max(spareUsed, min(l.used, r.since.used)/8) || l.input-r.since.input >= max(spareInput, l.used/2) || l.rewrites != r.since.rewrites
}

// gave is told how long it took.
func (r *reclaim) gave(l load, took time.Duration) {
	*r = reclaim{high: l.used, last: l.used, since: l, notYet: l.now + reclaimRest*took.Milliseconds()}
}

// load looks.
func (s *Server) load() load {
	l := load{now: s.engine.Now(), used: s.engine.Used(), input: s.counts.input, perSecond: s.counts.rate.perSecond}
	if s.keeper != nil {
		st := s.keeper.Status()
		l.rewriting, l.rewrites = st.Rewriting, st.Rewrites
	}
	return l
}

// purge gives memory back in the background: it takes a collection of garbage, which must not hold the lock.
func (s *Server) purge() {
	if s.counts.purging {
		return
	}
	s.counts.purging = true
	s.wg.Go(func() {
		began := time.Now()
		debug.FreeOSMemory()
		took := time.Since(began)
		s.engine.Lock()
		defer s.engine.Unlock()
		s.counts.purging = false
		s.reclaim.gave(s.load(), took)
		s.log.Debug("memory given back", "took_ms", took.Milliseconds(), "used_bytes", s.engine.Used())
	})
}
