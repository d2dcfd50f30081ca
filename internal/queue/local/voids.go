package local

// spot is a place in which an entry of a job may be void.
type spot struct {
	n    uint64
	lane *lane // nil = table.later
}

// voids tells which entries in lanes and in table.later count no longer: their jobs were cancelled, or moved to
// another place. They are dropped when they come to the front, so that nothing is searched for.
type voids struct {
	count map[spot]int
	// valid is the entry of table.later that does count, of a job that has void ones there too. In a lane the entries
	// of a job do not differ, so it does not matter which of them is dropped.
	valid map[uint64]timed
	// since is when jobs became ready whose void entries count again: those still say when they had been before.
	since map[spot]tick
}

func newVoids() voids {
	return voids{count: map[spot]int{}, valid: map[uint64]timed{}, since: map[spot]tick{}}
}

// add makes the entry of job n in a place void.
func (v *voids) add(n uint64, ln *lane) {
	v.count[spot{n, ln}]++
	if ln == nil {
		delete(v.valid, n)
	}
	delete(v.since, spot{n, ln})
}

// reuse makes a void entry of job n in a lane count again, instead of a new one.
func (v *voids) reuse(n uint64, ln *lane, since tick) bool {
	if !v.use(spot{n, ln}) {
		return false
	}
	v.since[spot{n, ln}] = since
	return true
}

// readySince gives when the job of an entry became ready.
func (v *voids) readySince(j readyJob, ln *lane) tick {
	if len(v.since) > 0 {
		if since, ok := v.since[spot{j.n, ln}]; ok {
			return since
		}
	}
	return j.since
}

// left notes that the entry of a job in a lane that counts is not there any more.
func (v *voids) left(n uint64, ln *lane) {
	if len(v.since) > 0 {
		delete(v.since, spot{n, ln})
	}
}

// later notes that a job gets an entry in table.later.
func (v *voids) later(t timed) {
	if v.count[spot{n: t.n}] > 0 {
		v.valid[t.n] = t
	}
}

// in reports whether an entry of job n in a lane is void, and uses that up.
func (v *voids) in(n uint64, ln *lane) bool { return v.use(spot{n, ln}) }

// moved notes that an entry of table.later is due at another time than it said.
func (v *voids) moved(was, is timed) {
	if v.valid[was.n] == was {
		v.valid[was.n] = is
	}
}

// fired reports whether an entry of table.later is void, and uses that up.
func (v *voids) fired(t timed) bool {
	if valid, ok := v.valid[t.n]; ok && valid == t {
		delete(v.valid, t.n)
		return false
	}
	return v.use(spot{n: t.n})
}

func (v *voids) use(s spot) bool {
	left, ok := v.count[s]
	switch {
	case !ok:
		return false
	case left > 1:
		v.count[s] = left - 1
	default:
		delete(v.count, s)
	}
	return true
}

func (v *voids) empty() bool { return len(v.count) == 0 }
