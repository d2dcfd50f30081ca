package engine

import (
	"math/bits"
	"time"
)

// Histogram counts how long the runs of a command took, in buckets that are an eighth of a power of two apart: a
// percentile read from it is right by an eighth. Powers of two of a microsecond are bounds of buckets.
type Histogram struct {
	calls  int64
	counts [histogramBuckets]uint64
}

const (
	histogramUnits   = 16 // a microsecond
	histogramBits    = 3  // of a value that tell its bucket within a power of two
	histogramBuckets = 256
)

func histogramBucket(d time.Duration) int {
	v := uint64(max(d, 0)) * 2 / 125 // sixteenths of a microsecond, without an overflow
	if v < 1<<histogramBits {
		return int(v)
	}
	e := bits.Len64(v) - histogramBits - 1
	return min(e<<histogramBits+int(v>>e), histogramBuckets-1)
}

// histogramBound is the least time that is too long for a bucket.
func histogramBound(i int) time.Duration {
	i++
	v := uint64(i)
	if e := i>>histogramBits - 1; e > 0 {
		v = uint64(i-e<<histogramBits) << e
	}
	return time.Duration(v * uint64(time.Microsecond) / histogramUnits)
}

// Observe counts a run of the command that took so long.
func (c *Command) Observe(took time.Duration) {
	if c.times == nil {
		c.times = new(Histogram)
	}
	c.times.calls++
	c.times.counts[histogramBucket(took)]++
}

// Times is what was observed; nil if nothing was.
func (c *Command) Times() *Histogram { return c.times }

// Calls is how many runs there were.
func (h *Histogram) Calls() int64 { return h.calls }

// Percentile is the time that so many percent of all runs did not exceed.
func (h *Histogram) Percentile(p float64) time.Duration {
	need := max(uint64(p/100*float64(h.calls)+0.5), 1)
	var seen uint64
	for i, n := range h.counts {
		if seen += n; seen >= need {
			return histogramBound(i)
		}
	}
	return 0
}

// Cumulative visits powers of two of a microsecond with how many runs took no longer, each that has more than the one
// before it.
func (h *Histogram) Cumulative(visit func(usec int64, runs uint64)) {
	bound, last := time.Microsecond, uint64(0)
	var seen uint64
	for i, n := range h.counts {
		seen += n
		if next := histogramBound(i); next < bound && i < histogramBuckets-1 {
			continue
		}
		if seen > last {
			visit(int64(bound/time.Microsecond), seen)
			last = seen
		}
		bound *= 2
	}
}
