package local

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestReadyHeap holds the heap of ready jobs against a list.
func TestReadyHeap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var h readyJobs
		var want []readyJob
		next := uint64(1000)
		out := func(i int) {
			got := h.remove(i)
			at := slices.IndexFunc(want, func(j readyJob) bool { return j.n == got.n && j.since == got.since })
			if at < 0 {
				rt.Fatalf("%+v came out, of %+v", got, want)
			}
			want = slices.Delete(want, at, at+1)
		}
		rt.Repeat(map[string]func(*rapid.T){
			"push": func(rt *rapid.T) {
				n := next
				if next++; rapid.Bool().Draw(rt, "older") {
					n = rapid.Uint64Range(1, next).Draw(rt, "n")
				}
				since := tick(rapid.IntRange(-5, 20).Draw(rt, "since"))
				h.push(n, since)
				want = append(want, readyJob{n: n, since: since})
			},
			"pop": func(rt *rapid.T) {
				if len(h) == 0 {
					rt.Skip()
				}
				least := slices.MinFunc(want, func(a, b readyJob) int { return int(a.n) - int(b.n) })
				if h[0].n != least.n {
					rt.Fatalf("%d is first, want %d", h[0].n, least.n)
				}
				out(0)
			},
			"any": func(rt *rapid.T) {
				if len(h) == 0 {
					rt.Skip()
				}
				out(rapid.IntRange(0, len(h)-1).Draw(rt, "i"))
			},
			"correct": func(rt *rapid.T) {
				if len(h) == 0 {
					rt.Skip()
				}
				i := rapid.IntRange(0, len(h)-1).Draw(rt, "i")
				since := tick(rapid.IntRange(-5, 20).Draw(rt, "since"))
				at := slices.IndexFunc(want, func(j readyJob) bool { return j.n == h[i].n && j.since == h[i].since })
				want[at].since = since
				h.correct(i, since)
			},
			"": func(rt *rapid.T) {
				if len(h) != len(want) {
					rt.Fatalf("%d entries, want %d", len(h), len(want))
				}
				if len(h) == 0 {
					return
				}
				oldest := slices.MinFunc(want, func(a, b readyJob) int { return int(a.since) - int(b.since) }).since
				if got := h[h.oldest()]; got.since != oldest {
					rt.Fatalf("the oldest is %+v, want one since %d: %+v", got, oldest, h)
				}
			},
		})
	})
}

func TestTicks(t *testing.T) {
	for d, want := range map[time.Duration]tick{
		0: 0, 1: 1, time.Second: 1, time.Second + 1: 2, -1: 0, -time.Second: -1, -1500 * time.Millisecond: -1,
		math.MaxInt64: math.MaxInt32, math.MinInt64: math.MinInt32,
	} {
		if got := ticksAt(d); got != want {
			t.Errorf("%v is tick %d, want %d", d, got, want)
		}
	}
}

// TestReadyOrder empties heaps that are large enough to shrink.
func TestReadyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.Uint64(), 0, 3000).Draw(t, "numbers")
		var h readyJobs
		for i, n := range want {
			h.push(n, tick(i))
		}
		slices.Sort(want)
		for i, n := range want {
			if got := h.remove(0).n; got != n {
				t.Fatalf("number %d is %d, want %d", i, got, n)
			}
		}
	})
}
