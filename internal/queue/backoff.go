package queue

import "time"

// Backoff is how long a job waits before it is tried again: Base, doubled with every failure, at most Max, and moved by
// up to Jitter of itself up or down. Zero fields are the defaults: 1 s, 10 min, 0.2.
type Backoff struct {
	Base   time.Duration
	Max    time.Duration
	Jitter float64 // 0–1 of the delay; negative = none
}

func (b Backoff) withDefaults() Backoff {
	b.Base = orDefault(b.Base, time.Second)
	b.Max = orDefault(b.Max, 600*time.Second)
	b.Jitter = min(orDefault(b.Jitter, 0.2), 1)
	return b
}

// Delay gives the wait before retry n, counted from 0. chance is random, 0 ≤ chance < 1.
func (b Backoff) Delay(n int, chance float64) time.Duration {
	d := b.Max
	// 62 doublings of a nanosecond are more than any Max; a larger shift would overflow.
	if n < 62 {
		if shifted := b.Base << max(n, 0); shifted>>max(n, 0) == b.Base && shifted < b.Max {
			d = shifted
		}
	}
	if b.Jitter <= 0 {
		return d
	}
	return time.Duration(float64(d) * (1 - b.Jitter + 2*b.Jitter*chance))
}
