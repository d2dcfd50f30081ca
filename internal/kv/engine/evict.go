package engine

import (
	"math"
	"slices"
	"time"
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
	evictSamples = 8                      // keys that are compared for one that goes
	evictBatch   = 16                     // keys between two looks at the clock
	evictSlice   = 500 * time.Microsecond // the longest that making room holds the lock
	emptyBytes   = 1 << 10                // what an engine has without an item: a bound below it leaves room for nothing
)

// MaxMemory gives the bound and the policy.
func (e *Engine) MaxMemory() (most int64, p Policy) { return e.cfg.MaxMemory, e.cfg.Policy }

// SetMaxMemory changes bound and policy, under the lock. Where use was counted in another way until now, what the items
// have of it means little until they are used again, as with Redis: to walk through a million of them would hold
// everybody up.
func (e *Engine) SetMaxMemory(most int64, p Policy) { e.cfg.MaxMemory, e.cfg.Policy = most, p }

// room evicts until the bound is kept; false if it cannot be. A call that would take long leaves the rest to the next.
func (e *Engine) room() bool {
	if e.cfg.MaxMemory <= 0 || e.used+emptyBytes <= e.cfg.MaxMemory {
		return true
	}
	if e.cfg.Policy == NoEviction || e.loading {
		return false
	}
	begin := time.Now()
	for n := 1; e.used+emptyBytes > e.cfg.MaxMemory; n++ {
		if n%evictBatch == 0 && time.Since(begin) > evictSlice {
			break
		}
		d, it := e.victim()
		if it == nil {
			return false
		}
		key := e.dropArgs(it.key())
		d.drop(key)
		e.stats.Evicted++
		e.effect(d.id, e.dropCall[:])
		e.modified(d, key, nil)
		e.event('e', "evicted", d, key)
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
		e.candidates(d, func(c *item) {
			if score := e.score(c); score > best {
				best, in, it = score, d, c
			}
		})
	}
	return in, it
}

// candidates gives some items of a database of which one may go.
func (e *Engine) candidates(d *db, visit func(it *item)) {
	switch {
	case !e.cfg.Policy.volatileOnly():
		d.items.some(evictSamples, e.pick, visit)
	case d.ends.len() == 0:
	case e.cfg.Policy == VolatileTTL:
		visit(d.ends.next())
	default:
		for range evictSamples {
			visit(d.ends.at(e.rng.IntN(d.ends.len())))
		}
	}
}

// score is higher of what should go first.
func (e *Engine) score(it *item) float64 {
	switch p := e.cfg.Policy; {
	case p.lfu():
		return -float64(e.frequency(it))
	case p == VolatileTTL:
		return -float64(it.val.expire)
	case p == AllKeysRandom, p == VolatileRandom:
		return e.rng.Float64()
	}
	return float64(e.idle(it))
}
