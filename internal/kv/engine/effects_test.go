package engine

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestEffectsRepeat runs random commands of this part's families and repeats their effects in another engine: both have
// the same keyspace, and count its bytes right, down to none.
func TestEffectsRepeat(t *testing.T) {
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 2))
		r := newRig(t, Config{})
		for i := range 2000 {
			line := r.line(rng, myTemplates)
			r.call(line...)
			if rng.IntN(5) == 0 {
				r.now = r.now.Add(time.Duration(rng.IntN(1000)) * time.Millisecond)
				r.e.Cycle()
			}
			if i%100 == 0 {
				r.checkBytes()
			}
		}
		other := r.replay()
		if got, want := other.picture(), r.picture(); got != want {
			t.Fatalf("seed %d: repeated\n%s\nwant\n%s", seed, got, want)
		}
		other.checkBytes()
		if r.e.Stats().Panics > 0 {
			t.Fatalf("seed %d: %d commands have failed", seed, r.e.Stats().Panics)
		}
		for _, key := range []string{"k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "hll1", "hll2", "hll3"} {
			for db := range 2 {
				r.s.Select(db)
				r.call("del", key)
			}
		}
		if r.e.Used() != 0 {
			t.Fatalf("seed %d: nothing is there and takes %d bytes", seed, r.e.Used())
		}
	}
}
