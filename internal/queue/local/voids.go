package local

import "time"

// spot is a place in which an entry of a job may be void.
type spot struct {
	n    uint64
	lane *lane // nil = table.later
}

// voids tells which entries in lanes and in table.later count no longer: their jobs were cancelled, or moved to
// another place. They are dropped when they come to the front, so that nothing is searched for.
type voids struct {
	count map[spot]int
	// due is the entry of table.later that does count, of a job that has void ones there too. In a lane the entries of
	// a job do not differ, so it does not matter which of them is dropped.
	due map[uint64]time.Duration
}

func newVoids() voids { return voids{count: map[spot]int{}, due: map[uint64]time.Duration{}} }

// add makes the entry of job n in a place void.
func (v *voids) add(n uint64, ln *lane) {
	v.count[spot{n, ln}]++
	if ln == nil {
		delete(v.due, n)
	}
}

// reuse makes a void entry of job n in a lane count again, instead of a new one.
func (v *voids) reuse(n uint64, ln *lane) bool { return v.use(spot{n, ln}) }

// later notes that job n gets an entry in table.later.
func (v *voids) later(n uint64, due time.Duration) {
	if v.count[spot{n: n}] > 0 {
		v.due[n] = due
	}
}

// in reports whether an entry of job n at the front of a lane is void, and uses that up.
func (v *voids) in(n uint64, ln *lane) bool { return v.use(spot{n, ln}) }

// fired reports whether an entry of table.later is void, and uses that up.
func (v *voids) fired(t timed) bool {
	if due, ok := v.due[t.n]; ok && due == t.due {
		delete(v.due, t.n)
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
