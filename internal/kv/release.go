package kv

import (
	"runtime/debug"
	"time"
)

const (
	releaseLeast = 16 << 20 // bytes that keys have left, below which Go may keep them
	releaseQuiet = 2        // looks at use, in seconds, in which it stays as it is
	releaseNoise = 1 << 20  // bytes by which use may change in a look and yet be quiet
	releaseShare = 20       // giving back costs at most one part in so many of the time
)

// release knows when memory that keys have left goes back to the system. Go does so by itself only while a process
// allocates, and one whose keys were deleted does not: a million keys that are gone would be kept for minutes.
//
// It waits until use has settled, since what is about to be filled again needs its memory, and until as much was left as
// half of what is in use: each time costs a collection of garbage, which goes through all that is.
type release struct {
	high   int64 // most use since memory was given back
	last   int64 // use at the last look
	quiet  int   // looks since it has changed
	notYet int64 // milliseconds of Unix time
}

// due is asked once a second. While a copy of the keys is made, it holds those as well that are gone meanwhile.
func (r *release) due(now, used int64, copied bool) bool {
	r.high = max(r.high, used)
	if change := used - r.last; change > releaseNoise || change < -releaseNoise || copied {
		r.quiet = 0
	} else {
		r.quiet++
	}
	r.last = used
	left := r.high - used
	return left >= releaseLeast && left >= used/2 && r.quiet >= releaseQuiet && now >= r.notYet
}

// gave is told how long it took.
func (r *release) gave(now, used int64, took time.Duration) {
	r.high, r.notYet = used, now+releaseShare*took.Milliseconds()
}

// releaseLook gives memory back when it is time for that.
func (s *Server) releaseLook() {
	copied := s.keeper != nil && s.keeper.Status().Rewriting
	if s.release.due(s.engine.Now(), s.engine.Used(), copied) {
		s.purge()
	}
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
		s.release.gave(s.engine.Now(), s.engine.Used(), took)
		s.log.Debug("memory given back", "took_ms", took.Milliseconds(), "used_bytes", s.engine.Used())
	})
}
