package engine

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestStreamAgainstModel does random things to a stream and compares it with a slice.
func TestStreamAgainstModel(t *testing.T) {
	type entry struct {
		id    streamID
		pairs string
	}
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 9))
		lim := DefaultEncodings()
		lim.StreamEntries, lim.StreamBytes = 1+rng.IntN(12), 100*rng.IntN(3)
		s := newStream()
		var m []entry
		pick := func() streamID {
			if len(m) == 0 {
				return streamID{}
			}
			return m[rng.IntN(len(m))].id
		}
		for range 800 {
			switch rng.IntN(8) {
			case 0:
				id := pick()
				at := slices.IndexFunc(m, func(e entry) bool { return e.id == id })
				if s.remove(id) != (at >= 0) {
					t.Fatalf("removal of %v", id)
				}
				if at >= 0 {
					m = slices.Delete(m, at, at+1)
					s.edges()
				}
			case 1:
				trim := streamTrim{by: "maxlen", length: int64(rng.IntN(len(m) + 5))}
				keep := min(int(trim.length), len(m))
				if rng.IntN(2) == 0 {
					trim = streamTrim{by: "minid", id: pick()}
					keep = len(m) - max(slices.IndexFunc(m, func(e entry) bool { return !e.id.less(trim.id) }), 0)
				}
				if rng.IntN(4) > 0 { // or nothing would be left
					continue
				}
				if n := s.trim(&trim); int(n) != len(m)-keep {
					t.Fatalf("%+v removes %d, want %d", trim, n, len(m)-keep)
				}
				m = m[len(m)-keep:]
			default:
				id := streamID{s.last.ms + uint64(rng.IntN(2)), uint64(rng.IntN(5))}
				if !s.last.less(id) {
					id, _ = s.last.next()
				}
				args := [][]byte{[]byte("field"), fmt.Append(nil, rng.IntN(1000))}
				if rng.IntN(3) == 0 {
					args = append(args, []byte("other"), make([]byte, rng.IntN(300)))
				}
				s.add(&lim, id, args)
				m = append(m, entry{id, fmt.Sprintf("%q", args)})
			}
			from, to := pick(), pick()
			for _, rev := range []bool{false, true} {
				var want, got []entry
				for _, e := range m {
					if !e.id.less(from) && !to.less(e.id) {
						want = append(want, e)
					}
				}
				if rev {
					slices.Reverse(want)
				}
				s.each(from, to, rev, func(e *streamEntry) bool {
					got = append(got, entry{e.id, fmt.Sprintf("%q", e.pairs)})
					return true
				})
				if !slices.Equal(got, want) {
					t.Fatalf("seed %d: from %v to %v\n%v\nwant\n%v", seed, from, to, got, want)
				}
			}
			if s.n != len(m) || s.n > 0 && (s.first != m[0].id || s.top != m[len(m)-1].id) {
				t.Fatalf("%d entries from %v to %v, want %d", s.n, s.first, s.top, len(m))
			}
			var heap int64
			for _, b := range s.blocks {
				heap += b.bytes()
			}
			if heap != s.heap {
				t.Fatalf("blocks have %d bytes and %d are counted", heap, s.heap)
			}
		}
	}
}

// TestPendingAgainstModel compares the chunks with a sorted slice.
func TestPendingAgainstModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 9))
	var l pendingList
	m := map[streamID]*pending{}
	for i := range 20000 {
		id := streamID{uint64(rng.IntN(40)), uint64(rng.IntN(40))}
		if i%3 == 0 {
			id = streamID{uint64(i), 0}
		}
		switch p := l.find(id); {
		case p != m[id]:
			t.Fatalf("found %v, want %v", p, m[id])
		case p != nil || rng.IntN(3) == 0:
			if l.remove(id) != m[id] {
				t.Fatalf("removal of %v", id)
			}
			delete(m, id)
		default:
			m[id] = &pending{id: id}
			l.add(m[id])
		}
		if i%500 > 0 || len(m) == 0 {
			continue
		}
		n, last := 0, streamID{}
		l.each(streamID{}, func(p *pending) bool {
			if n++; n > 1 && !last.less(p.id) {
				t.Fatalf("%v behind %v", p.id, last)
			}
			last = p.id
			return m[p.id] == p
		})
		if n != len(m) || l.n != n {
			t.Fatalf("%d entries and %d counted, want %d", n, l.n, len(m))
		}
		if first, end := l.edges(); end.id != last || l.from(streamID{}) != first {
			t.Fatalf("edges %v %v", first.id, end.id)
		}
	}
}

func FuzzStreamID(f *testing.F) {
	for _, s := range []string{"1-1", "5", "-", "+", "5-*", "18446744073709551615-18446744073709551615", "18446744073709551616-0", "1-", "-1", "1-1-1", "*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, whole, ok := parseStreamID([]byte(s), idForm{strict: true, auto: true})
		if !ok || !whole {
			return
		}
		again, _, ok := parseStreamID(id.append(nil), idForm{strict: true})
		if !ok || again != id {
			t.Errorf("%q is %v and again %v", s, id, again)
		}
		if next, ok := id.next(); ok {
			if back, _ := next.prev(); back != id || !id.less(next) {
				t.Errorf("%v, %v, %v", id, next, back)
			}
		} else if id.ms != math.MaxUint64 {
			t.Errorf("nothing behind %v", id)
		}
	})
}
