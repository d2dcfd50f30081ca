package queue

import (
	"math"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// BackoffKind is how the waits before retries follow each other.
type BackoffKind string

// Kinds of backoff.
const (
	Exponential BackoffKind = "exponential" // Base, doubled with every failure, at most Max; the default
	Fixed       BackoffKind = "fixed"       // Base
	Listed      BackoffKind = "list"        // Delays one after the other, the last again and again
)

// MaxDelays is how many waits a Listed backoff may have.
const MaxDelays = 32

// Backoff is how long a job waits before it is tried again; every wait is moved by up to Jitter of itself up or down.
// Zero fields are the defaults: exponential, 1 s, 10 min (or Base, if that is longer), 0.2. The names of its fields are
// those of its record.
type Backoff struct {
	Kind   BackoffKind     `json:"kind,omitzero"`
	Base   time.Duration   `json:"base,omitzero"`
	Max    time.Duration   `json:"max,omitzero"`
	Delays []time.Duration `json:"delays,omitempty"` // Listed
	Jitter float64         `json:"jitter,omitzero"`  // 0–1 of the delay; negative = none
}

func (b Backoff) withDefaults() Backoff {
	if b.Kind == "" {
		b.Kind = Exponential
	}
	b.Base = orDefault(b.Base, time.Second)
	b.Max = orDefault(b.Max, max(600*time.Second, b.Base))
	b.Jitter = min(orDefault(b.Jitter, 0.2), 1)
	return b
}

// Validate reports what is wrong with a backoff that a producer gave.
func (b Backoff) Validate() error {
	switch {
	case b.Kind != "" && b.Kind != Exponential && b.Kind != Fixed && b.Kind != Listed:
		return errcode.Invalid("backoff.kind", "exponential, fixed or list")
	case b.Base < 0 || b.Base > maxWait:
		return errcode.Invalid("backoff.base", "0 to %d seconds", int64(maxWait.Seconds()))
	case b.Max < 0 || b.Max > maxWait:
		return errcode.Invalid("backoff.max", "0 to %d seconds", int64(maxWait.Seconds()))
	case b.Jitter > 1 || math.IsNaN(b.Jitter):
		return errcode.Invalid("backoff.jitter", "at most 1")
	case (b.Kind == Listed) != (len(b.Delays) > 0) || len(b.Delays) > MaxDelays:
		return errcode.Invalid("backoff.delays", "1 to %d waits, and only for kind list", MaxDelays)
	}
	for _, d := range b.Delays {
		if d < 0 || d > maxWait {
			return errcode.Invalid("backoff.delays", "each 0 to %d seconds", int64(maxWait.Seconds()))
		}
	}
	return nil
}

// Delay gives the wait before retry n, counted from 0. chance is random, 0 ≤ chance < 1.
func (b Backoff) Delay(n int, chance float64) time.Duration {
	d := b.delay(max(n, 0))
	if b.Jitter <= 0 {
		return d
	}
	return time.Duration(float64(d) * (1 - b.Jitter + 2*b.Jitter*chance))
}

func (b Backoff) delay(n int) time.Duration {
	switch {
	case b.Kind == Fixed:
		return b.Base
	case b.Kind == Listed && len(b.Delays) > 0:
		return b.Delays[min(n, len(b.Delays)-1)]
	}
	// 62 doublings of a nanosecond are more than any Max; a larger shift would overflow.
	if n < 62 {
		if shifted := b.Base << n; shifted>>n == b.Base && shifted < b.Max {
			return shifted
		}
	}
	return b.Max
}
