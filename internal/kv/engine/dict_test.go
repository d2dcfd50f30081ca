package engine

import (
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"strconv"
	"testing"
)

// TestDictAgainstMap does the same to a dict and to a map, in waves that let the table grow and shrink.
func TestDictAgainstMap(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	d, m := newDict[int](maphash.MakeSeed()), map[string]int{}
	for wave, grows := range []int{90, 10, 70, 5, 95, 0} {
		for i := range 20000 {
			key := strconv.Itoa(rng.IntN(6000))
			if rng.IntN(100) < grows {
				n, added := d.add([]byte(key))
				if _, had := m[key]; had == added {
					t.Fatalf("%q added %v, was there %v", key, added, had)
				}
				n.val, m[key] = i, i
			} else {
				n := d.remove([]byte(key))
				if v, had := m[key]; had != (n != nil) || had && n.val != v {
					t.Fatalf("%q removed %v, was there %v", key, n, had)
				}
				delete(m, key)
			}
			if n := d.find([]byte(key)); (n == nil) == func() bool { _, ok := m[key]; return ok }() {
				t.Fatalf("%q is found %v", key, n)
			}
		}
		checkDict(t, d, m, fmt.Sprint("wave ", wave))
	}
}

func checkDict(t *testing.T, d *dict[int], m map[string]int, when string) {
	t.Helper()
	seen := 0
	for n := range d.all() {
		seen++
		if v, ok := m[n.key()]; !ok || v != n.val {
			t.Fatalf("%s: %q is %d, want %d %v", when, n.key(), n.val, v, ok)
		}
	}
	if seen != len(m) || d.len() != len(m) {
		t.Fatalf("%s: %d keys, len %d, want %d", when, seen, d.len(), len(m))
	}
	if b := int(d.buckets()); b > 4 && (b > shrinkAt*len(m)+8 || b < len(m)/2) {
		t.Errorf("%s: %d buckets for %d keys", when, b, len(m))
	}
}

// TestDictScan changes the table between the steps of a scan, which must meet every key that stays.
func TestDictScan(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for round := range 24 {
		d := newDict[int](maphash.MakeSeed())
		stays := 1 + rng.IntN(2000)
		for i := range stays {
			d.add([]byte("stays " + strconv.Itoa(i)))
		}
		others := rng.IntN(3) * 5000 // some rounds begin with a large table
		for i := range others {
			d.add([]byte("other " + strconv.Itoa(i)))
		}
		grows := round%2 == 0
		met, cursor, steps := map[string]int{}, uint64(0), 0
		for {
			cursor = d.scan(cursor, func(n *node[int]) { met[n.key()]++ })
			if steps++; cursor == 0 {
				break
			}
			for range rng.IntN(20) {
				key := []byte("other " + strconv.Itoa(rng.IntN(10000)))
				if grows {
					d.add(key)
				} else {
					d.remove(key)
				}
			}
			if rng.IntN(50) == 0 {
				grows = !grows
			}
			if steps > 1<<20 {
				t.Fatal("the scan does not end")
			}
		}
		for i := range stays {
			if met["stays "+strconv.Itoa(i)] == 0 {
				t.Fatalf("round %d: key %d was not met in %d steps", round, i, steps)
			}
		}
	}
}

// TestDictScanCursor begins scans at any number, as clients may.
func TestDictScanCursor(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	d := newDict[int](maphash.MakeSeed())
	for i := range 1000 {
		d.add([]byte(strconv.Itoa(i)))
	}
	for range 200 {
		cursor := rng.Uint64()
		for steps := 0; ; steps++ {
			if cursor = d.scan(cursor, func(*node[int]) {}); cursor == 0 {
				break
			}
			if steps > 5000 {
				t.Fatal("the scan does not end")
			}
		}
	}
}

// TestDictRandom wants every key of a table to come, and none much more often than another.
func TestDictRandom(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	d := newDict[int](maphash.MakeSeed())
	const keys, draws = 100, 100000
	for i := range keys {
		d.add([]byte(strconv.Itoa(i)))
	}
	for range draws {
		d.random(rng.Uint32N).val++
	}
	for n := range d.all() {
		if n.val < draws/keys/10 || n.val > draws/keys*5 {
			t.Errorf("%q came %d times of %d", n.key(), n.val, draws)
		}
	}
	for want := range keys + 1 {
		met := map[string]bool{}
		d.some(want, rng.Uint32N, func(n *node[int]) { met[n.key()] = true })
		if len(met) != max(want, 1) {
			t.Errorf("%d keys of %d", len(met), want)
		}
	}
	if newDict[int](d.seed).random(rng.Uint32N) != nil {
		t.Error("an empty table gives a key")
	}
}
