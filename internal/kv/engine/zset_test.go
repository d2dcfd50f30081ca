package engine

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
)

// zModel is a sorted set as plainly as it can be.
type zModel map[string]float64

func (m zModel) sorted() []zEntry {
	var list []zEntry
	for member, score := range m {
		list = append(list, zEntry{member, score})
	}
	slices.SortFunc(list, func(a, b zEntry) int {
		if zLess(a.score, a.member, b.score, b.member) {
			return -1
		}
		return 1
	})
	return list
}

// TestZSetAgainstModel does random things to a sorted set, small and large, and compares it with a map.
func TestZSetAgainstModel(t *testing.T) {
	for _, members := range []int{60, 3000} {
		e := New(Config{})
		rng := rand.New(rand.NewPCG(uint64(members), 7))
		z, m := newZSet(e), zModel{}
		for i := range 30000 {
			member := "m" + strconv.Itoa(rng.IntN(members))
			switch rng.IntN(8) {
			case 0, 1:
				_, had := m[member]
				if z.remove([]byte(member)) != had {
					t.Fatalf("removal of %s", member)
				}
				delete(m, member)
			case 2:
				if n := z.len(); n > 0 && i%50 == 0 {
					from := rng.IntN(n)
					cutModel(t, z, m, from, rng.IntN(min(n-from, 40)+1))
				}
			default:
				score := float64(rng.IntN(members/4)) / 4
				had, there := m[member]
				added, changed := z.set([]byte(member), score)
				if added == there || changed != (!there || had != score) {
					t.Fatalf("set of %s: added %v, changed %v", member, added, changed)
				}
				m[member] = score
			}
			if i%1000 == 0 || i > 29990 {
				checkZSet(t, z, m, rng)
			}
		}
		if large := z.names != nil; large != (members > 128) {
			t.Errorf("%d members: a large set is %v", members, large)
		}
		checkZSet(t, z.clone().(*zset), m, rng)
		z.cut(0, z.len(), nil)
		if z.len() != 0 || z.heap != 0 || z.names != nil && (z.names.len() != 0 || z.tree.leaves != 1 || z.tree.inner != 0) {
			t.Errorf("an empty set has %d members, %d bytes", z.len(), z.heap)
		}
	}
}

func cutModel(t *testing.T, z *zset, m zModel, from, n int) {
	t.Helper()
	want := m.sorted()[from : from+n]
	var got []zEntry
	z.cut(from, n, func(member string, score float64) { got = append(got, zEntry{member, score}) })
	if !slices.Equal(got, want) {
		t.Fatalf("cut %v, want %v", got, want)
	}
	for _, e := range want {
		delete(m, e.member)
	}
}

func checkZSet(t *testing.T, z *zset, m zModel, rng *rand.Rand) {
	t.Helper()
	want := m.sorted()
	var got []zEntry
	var heap int64
	for member, score := range z.each {
		got = append(got, zEntry{member, score})
		heap += sizeClass(len(member))
	}
	if !slices.Equal(got, want) || z.len() != len(want) || z.heap != heap {
		t.Fatalf("%d entries of %d bytes, want %d of %d", len(got), z.heap, len(want), heap)
	}
	for range 20 {
		if len(want) == 0 {
			break
		}
		i := rng.IntN(len(want))
		if rank, score := z.rank([]byte(want[i].member)); rank != i || score != want[i].score || z.at(i) != want[i] {
			t.Fatalf("%v is at %d with %v, want %d", want[i], rank, score, i)
		}
		down := rng.IntN(2) == 0
		n, step := rng.IntN(len(want)-i)+1, 1
		if down {
			n, step = i+1, -1
		}
		at := i
		z.walk(i, n, down, func(member string, score float64) {
			if want[at] != (zEntry{member, score}) {
				t.Fatalf("walk meets %s at %d, want %v", member, at, want[at])
			}
			at += step
		})
		if at != i+n*step {
			t.Fatalf("walk from %d ends at %d", i, at)
		}
		b := zBound{score: want[i].score + float64(rng.IntN(2))/8}
		for _, equal := range []bool{false, true} {
			below := 0
			for _, e := range want {
				if b.above(e.score, e.member, equal) {
					below++
				}
			}
			if n := z.below(&b, equal); n != below {
				t.Fatalf("%d below %v, want %d", n, b, below)
			}
		}
	}
}

// TestZSetForms looks at when a sorted set is kept in which form.
func TestZSetForms(t *testing.T) {
	r := newRig(t, Config{})
	r.e.limits.ZSetEntries, r.e.limits.ZSetValue = 3, 5
	r.steps(
		[2]string{"zadd z 1 a 2 b 3 c", "3"}, [2]string{"object encoding z", "listpack"},
		[2]string{"zadd z 4 d", "1"}, [2]string{"object encoding z", "skiplist"},
		[2]string{"zrem z d", "1"}, [2]string{"object encoding z", "skiplist"},
		[2]string{"zadd y 1 longer", "1"}, [2]string{"object encoding y", "skiplist"},
		[2]string{"zunionstore x 1 z", "3"}, [2]string{"object encoding x", "listpack"},
		[2]string{"zrange z 0 -1", "[a b c]"},
	)
	r.checkBytes()
}

func FuzzScoreBound(f *testing.F) {
	for _, s := range []string{"1", "(1", "", "(", "inf", "-inf", "(+inf", "nan", "1e400", "0x1p3", " 1", "1 ", "1_0", "[a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if b, ok := scoreBound([]byte(s)); ok && math.IsNaN(b.score) {
			t.Errorf("%q is no number", s)
		}
		if b, ok := nameBound([]byte(s)); ok && b.inf == 0 && b.member != s[1:] {
			t.Errorf("%q is %q", s, b.member)
		}
	})
}

// TestScores compares how scores are written with what C writes for %.17g.
func TestScores(t *testing.T) {
	r := newRig(t, Config{})
	for score, want := range map[string]string{
		"1": "1", "-0": "0", "0": "0", "0.1": "0.10000000000000001", "3.5": "3.5", "1e16": "10000000000000000",
		"1e17": "1e+17", "123456789012345678": "1.2345678901234568e+17", "1e-5": "1.0000000000000001e-05", "inf": "inf",
		"-inf": "-inf", "+inf": "inf", "1e300": "1.0000000000000001e+300", "0.0001": "0.0001", "-2.25": "-2.25",
	} {
		r.call("del", "z")
		r.call("zadd", "z", score, "m")
		if got := r.say("zscore z m"); got != want {
			t.Errorf("score %s is %s, want %s", score, got, want)
		}
		if got := r.say("zrange z 0 -1 withscores"); got != fmt.Sprintf("[m %s]", want) {
			t.Errorf("score %s in a range is %s, want %s", score, got, want)
		}
	}
}
