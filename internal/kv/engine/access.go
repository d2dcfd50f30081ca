package engine

// Use of an item: 24 bits for eviction, and flags above them. With an LRU policy the bits are the seconds of its last use,
// with LFU the minutes of the last use and a counter that grows ever more slowly (Redis's object.c and evict.c).
const (
	useMask    = 1<<24 - 1
	flagRaw    = 1 << 31 // a string that was changed in place: OBJECT ENCODING says raw
	flagCopied = 1 << 30 // equal to the engine's: a running copy has this item or does not want it
)

// Counters of LFU.
const (
	lfuInit      = 5
	lfuLogFactor = 10
	lfuDecayMin  = 1
)

func (e *Engine) clockLRU() uint32 { return uint32(e.now/1000) & useMask }

func (e *Engine) minutesLFU() uint32 { return uint32(e.now/60000) & 0xffff }

// freshUse is the use of a new item.
func (e *Engine) freshUse() uint32 {
	u := e.clockLRU()
	if e.cfg.Policy.lfu() {
		u = e.minutesLFU()<<8 | lfuInit
	}
	return u | e.copyFlag
}

// use remembers that an item was used.
func (e *Engine) use(it *item) {
	if e.silent {
		return
	}
	if !e.cfg.Policy.lfu() {
		it.val.used = it.val.used&^useMask | e.clockLRU()
		return
	}
	n := e.frequency(it)
	if n < 255 {
		base := max(int(n)-lfuInit, 0)
		if e.rng.Float64() < 1/(float64(base)*lfuLogFactor+1) {
			n++
		}
	}
	it.val.used = it.val.used&^useMask | e.minutesLFU()<<8 | n
}

// frequency is LFU's counter after what it lost by time.
func (e *Engine) frequency(it *item) uint32 {
	u := it.val.used & useMask
	passed := (e.minutesLFU() - u>>8) & 0xffff / lfuDecayMin
	n := u & 0xff
	return n - min(n, passed)
}

// idle is for how long an item was not used, in seconds. The clock has 24 bits.
func (e *Engine) idle(it *item) int64 {
	return int64((e.clockLRU() - it.val.used) & useMask)
}
