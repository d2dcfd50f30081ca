package engine

import (
	"math"
	"slices"
)

// Policy says which keys go when memory is used up.
type Policy uint8

// Policies of eviction.
const (
	NoEviction Policy = iota
	AllKeysLRU
	AllKeysLFU
	AllKeysRandom
	VolatileLRU
	VolatileLFU
	VolatileRandom
	VolatileTTL
)

var policyNames = [...]string{
	"noeviction", "allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl",
}

// String is the name that the configuration has for it.
func (p Policy) String() string { return policyNames[p] }

// ParsePolicy finds a policy by its name.
func ParsePolicy(name string) (Policy, bool) {
	i := slices.Index(policyNames[:], name)
	return Policy(max(i, 0)), i >= 0
}

func (p Policy) lfu() bool { return p == AllKeysLFU || p == VolatileLFU }

func (p Policy) volatileOnly() bool { return p >= VolatileLRU }

const (
	evictSamples = 8 // keys that are compared for one that goes
	evictMost    = 1000
)

// MaxMemory gives the bound and the policy.
func (e *Engine) MaxMemory() (most int64, p Policy) { return e.cfg.MaxMemory, e.cfg.Policy }

// SetMaxMemory changes bound and policy, under the lock.
func (e *Engine) SetMaxMemory(most int64, p Policy) {
	if p.lfu() != e.cfg.Policy.lfu() {
		e.cfg.Policy = p
		for _, d := range e.dbs {
			for it := range d.items.all() {
				it.val.used = it.val.used&^useMask | e.freshUse()&useMask
			}
		}
	}
	e.cfg.MaxMemory, e.cfg.Policy = most, p
}

// room evicts until the bound is kept; false if it cannot be. A call that would take long leaves the rest to the next.
func (e *Engine) room() bool {
	if e.cfg.MaxMemory <= 0 || e.used <= e.cfg.MaxMemory {
		return true
	}
	if e.cfg.Policy == NoEviction || e.loading {
		return false
	}
	for range evictMost {
		d, it := e.victim()
		if it == nil {
			return false
		}
		key := e.dropArgs(it.key)
		d.drop(key)
		e.stats.Evicted++
		e.effect(d.id, e.dropCall[:])
		e.modified(d, key, nil)
		e.event('e', "evicted", d, key)
		if e.used <= e.cfg.MaxMemory {
			break
		}
	}
	return true
}

// victim finds the key that goes next; nil if none may.
func (e *Engine) victim() (in *db, it *item) {
	best := math.Inf(-1)
	for _, d := range e.dbs {
		if e.cfg.EvictDBs != nil && !slices.Contains(e.cfg.EvictDBs, d.id) {
			continue
		}
		n := d.items.len()
		if e.cfg.Policy.volatileOnly() {
			n = d.ends.len()
		}
		if n == 0 {
			continue
		}
		for range evictSamples {
			c := e.candidate(d)
			if score := e.score(c); score > best {
				best, in, it = score, d, c
			}
		}
	}
	return in, it
}

func (e *Engine) candidate(d *db) *item {
	switch {
	case e.cfg.Policy == VolatileTTL:
		return d.ends.next()
	case e.cfg.Policy.volatileOnly():
		return d.ends.at(e.rng.IntN(d.ends.len()))
	}
	return d.items.random(e.pick)
}

// score is higher of what should go first.
func (e *Engine) score(it *item) float64 {
	switch e.cfg.Policy {
	case AllKeysLFU, VolatileLFU:
		return -float64(e.frequency(it))
	case VolatileTTL:
		return -float64(it.val.expire)
	case AllKeysRandom, VolatileRandom:
		return e.rng.Float64()
	}
	return float64(e.idle(it))
}
