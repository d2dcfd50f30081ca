package kv

const (
	trimQuiet    = 2        // seconds of quiet after which memory is given back
	trimCommands = 500      // a second, below which it is quiet
	trimUsed     = 32 << 20 // bytes that what is kept has to have changed by, or an eighth of it
	trimInput    = 64 << 20 // bytes that clients have to have sent, or half of what is kept
)

// trim decides when the process gives back to the system what it does not need, while clients are quiet; release does so for what
// keys have left, whatever clients do. Go's collector lets the heap grow to twice of what is
// alive and returns what it frees bit by bit; after a million keys of 100 bytes came or went, that is hundreds of megabytes
// for minutes. A collection takes a second processor a while, so it waits until the clients are quiet and there is
// something to be had.
type trim struct {
	quiet    int
	used     int64 // at the last time
	input    int64
	rewrites int64
}

// load is what clients and the log do.
type load struct {
	used, input int64
	perSecond   float64 // commands
	rewriting   bool    // the log is being compacted
	rewrites    int64   // that have ended
}

// due is asked every second.
func (t *trim) due(l load) bool {
	if l.perSecond >= trimCommands || l.rewriting {
		t.quiet = 0
		return false
	}
	if t.quiet++; t.quiet < trimQuiet {
		return false
	}
	if l.input < t.input { // the count began anew
		t.input = l.input
	}
	changed := max(l.used-t.used, t.used-l.used)
	if changed < max(trimUsed, min(l.used, t.used)/8) && l.input-t.input < max(trimInput, l.used/2) && l.rewrites == t.rewrites {
		return false
	}
	*t = trim{used: l.used, input: l.input, rewrites: l.rewrites}
	return true
}

// trimLook is called every second.
func (s *Server) trimLook() {
	l := load{used: s.engine.Used(), input: s.counts.input, perSecond: s.counts.rate.perSecond}
	if s.keeper != nil {
		st := s.keeper.Status()
		l.rewriting, l.rewrites = st.Rewriting, st.Rewrites
	}
	if s.trim.due(l) {
		s.purge()
	}
}
