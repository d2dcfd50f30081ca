package engine

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestBucketsHoldWhatTheySay(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		d := time.Duration(rng.Int64N(1 << (10 + rng.IntN(24))))
		i := histogramBucket(d)
		const unit = time.Microsecond / histogramUnits
		if hi := histogramBound(i); d >= hi+unit || i > 0 && d < histogramBound(i-1)-unit {
			t.Fatalf("%v lies in bucket %d, which ends at %v", d, i, hi)
		}
	}
	if i := histogramBucket(1 << 62); i != histogramBuckets-1 {
		t.Errorf("the longest time lies in bucket %d", i)
	}
	if i := histogramBucket(-1); i != 0 {
		t.Errorf("a time below zero lies in bucket %d", i)
	}
}

func TestPercentilesAreRightByAnEighth(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	cmd := &Command{}
	var all []time.Duration
	for range 10_000 {
		d := time.Duration(rng.ExpFloat64() * float64(time.Millisecond))
		all = append(all, d)
		cmd.Observe(d)
	}
	slices.Sort(all)
	for _, p := range []float64{1, 50, 90, 99, 99.9} {
		want, got := float64(all[int(p/100*float64(len(all)))-1]), float64(cmd.Times().Percentile(p))
		if got < want || got > want*1.13+float64(time.Microsecond) {
			t.Errorf("p%v is %v, said to be %v", p, want, got)
		}
	}
	last := uint64(0)
	cmd.Times().Cumulative(func(usec int64, runs uint64) {
		n, _ := slices.BinarySearch(all, time.Duration(usec)*time.Microsecond)
		if diff := int(runs) - n; diff < -10 || diff > 10 || runs <= last {
			t.Errorf("%d runs took no longer than %d µs, said to be %d", n, usec, runs)
		}
		last = runs
	})
	if last != 10_000 {
		t.Errorf("the last bucket has %d", last)
	}
}
