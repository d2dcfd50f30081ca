package engine

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestHashIsAMap does to a hash and to a map the same, at random, over the bounds of its forms and back.
func TestHashIsAMap(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		h, model, order := newHash(newRig(t, Config{}).e), map[string]string{}, []string{}
		names, long := 1+rng.IntN(400), 1+rng.IntN(80)
		for step := range 4000 {
			field := strings.Repeat("f", rng.IntN(long)) + strconv.Itoa(rng.IntN(names))
			value := strings.Repeat("v", rng.IntN(long)*rng.IntN(3))
			_, is := model[field]
			if up := step/1000%2 == 0; rng.IntN(10) < 4 == up {
				if h.remove([]byte(field)) != is {
					t.Fatalf("removing %q says %v", field, !is)
				}
				delete(model, field)
				order = slices.DeleteFunc(order, func(s string) bool { return s == field })
			} else {
				if h.set([]byte(field), []byte(value)) == is {
					t.Fatalf("setting %q says it is new: %v", field, !is)
				}
				if model[field] = value; !is {
					order = append(order, field)
				}
			}
			if got, ok := h.get([]byte(field)); string(got) != model[field] || h.len() != len(model) || ok != slices.Contains(order, field) {
				t.Fatalf("%q has %q of %d fields, want %q of %d", field, got, h.len(), model[field], len(model))
			}
		}
		if h.dict != nil {
			var heap int64
			for n := range h.dict.all() {
				heap += sizeClass(len(n.key())) + sizeClass(cap(n.val))
			}
			if heap != h.heap {
				t.Fatalf("counts %d bytes, has %d", h.heap, heap)
			}
		}
		var fields []string
		for field, value := range h.each {
			if fields = append(fields, strings.Clone(field)); model[field] != string(value) {
				t.Fatalf("%q has %q, want %q", field, value, model[field])
			}
		}
		if h.dict != nil {
			slices.Sort(fields)
			slices.Sort(order)
		}
		if !slices.Equal(fields, order) {
			t.Fatalf("fields are %.300q, want %.300q", fields, order)
		}
	}
}

// TestSetIsASet is the same for sets of integers, of a few short members, and of others.
func TestSetIsASet(t *testing.T) {
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 1))
		s, model := newSet(newRig(t, Config{}).e), map[string]bool{}
		names, odd := 1+rng.IntN(1500), rng.IntN(100)
		for step := range 6000 {
			b := []byte(strconv.Itoa(rng.IntN(names) - names/2))
			if rng.IntN(1000) < odd {
				b = append([]byte(strings.Repeat("0", rng.IntN(70))), b...)
			}
			if s.has(b) != model[string(b)] {
				t.Fatalf("%q is there: %v", b, s.has(b))
			}
			if up := step/1500%2 == 0; rng.IntN(10) < 4 == up {
				if s.remove(b) != model[string(b)] {
					t.Fatalf("removing %q is wrong", b)
				}
				delete(model, string(b))
			} else {
				if s.add(b) == model[string(b)] {
					t.Fatalf("adding %q is wrong", b)
				}
				model[string(b)] = true
			}
		}
		if s.dict != nil {
			var heap int64
			for n := range s.dict.all() {
				heap += sizeClass(len(n.key()))
			}
			if heap != s.heap {
				t.Fatalf("counts %d bytes, has %d", s.heap, heap)
			}
		}
		var got []string
		for b := range s.each {
			got = append(got, string(b))
		}
		slices.Sort(got)
		if want := slices.Sorted(maps.Keys(model)); !slices.Equal(got, want) || s.len() != len(want) {
			t.Fatalf("members %.300q, want %.300q", got, want)
		}
		list := map[string]bool{}
		n := rng.IntN(len(model) + 1)
		for _, b := range s.sample(n) {
			list[string(b)] = model[string(b)]
		}
		if len(list) != n || slices.Contains(slices.Collect(maps.Values(list)), false) {
			t.Fatalf("a sample of %d has %d members, not all of the set's", n, len(list))
		}
	}
}

// TestPicksAreFair counts how often each member is picked: chi-square is within what chance does once in a million times.
func TestPicksAreFair(t *testing.T) {
	for _, n := range []int{2, 10, 100, 500, 3000} {
		for _, form := range []string{"", "m"} {
			s := newSet(newRig(t, Config{}).e)
			for i := range 2 * n {
				s.add([]byte(form + strconv.Itoa(i)))
			}
			for i := range n { // a table that has shrunk has longer chains
				s.remove([]byte(form + strconv.Itoa(2*i)))
			}
			ways := map[string]func() [][]byte{
				"one":  func() [][]byte { return [][]byte{s.random()} },
				"few":  func() [][]byte { return s.sample(1 + n/5) },
				"most": func() [][]byte { return s.sample(n/2 + 1) },
			}
			for name, pick := range ways {
				hits, all := map[string]int{}, 0
				for all < 100*n {
					for _, b := range pick() {
						hits[string(b)]++
						all++
					}
				}
				chi, each := 0.0, float64(all)/float64(n)
				for _, h := range hits {
					chi += (float64(h) - each) * (float64(h) - each) / each
				}
				free := float64(n - 1)
				if most := free + 5*math.Sqrt(2*free) + 20; len(hits) != n || chi > most {
					t.Errorf("%s of %d %q: %d were picked, chi-square %.0f of at most %.0f", name, n, form, len(hits), chi, most)
				}
			}
		}
	}
}

// TestScansMeetAll scans a hash and a set that grow and shrink in between: what is there all the time is met.
func TestScansMeetAll(t *testing.T) {
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 1))
		r := newRig(t, Config{})
		stays := 100 + rng.IntN(400)
		for i := range stays {
			r.call("hset", "h", "f"+strconv.Itoa(i), "v")
			r.call("sadd", "s", "f"+strconv.Itoa(i))
		}
		for _, scan := range []struct{ command, key, put, take string }{{"hscan", "h", "hset h", "hdel h"}, {"sscan", "s", "sadd s", "srem s"}} {
			met, cursor, there := map[string]bool{}, "0", 0
			for calls := 0; ; calls++ {
				answer := strings.Fields(strings.NewReplacer("[", " ", "]", " ").Replace(r.say(scan.command + " " + scan.key + " " + cursor)))
				for _, f := range answer[1:] {
					met[f] = true
				}
				if cursor = answer[0]; cursor == "0" {
					break
				}
				if calls > 100_000 {
					t.Fatal("the scan does not end")
				}
				for range rng.IntN(200) {
					if rng.IntN(600) > there {
						line := fmt.Sprintf("%s g%d", scan.put, there)
						if scan.key == "h" {
							line += " v"
						}
						r.say(line)
						there++
					} else {
						there--
						r.say(fmt.Sprintf("%s g%d", scan.take, there))
					}
				}
			}
			for i := range stays {
				if !met["f"+strconv.Itoa(i)] {
					t.Fatalf("seed %d: %s did not meet f%d of %d", seed, scan.command, i, stays)
				}
			}
		}
	}
}

// TestForms says when a small hash or set becomes a large one, by the bounds that CONFIG sets.
func TestForms(t *testing.T) {
	r := newRig(t, Config{})
	r.e.limits.HashEntries, r.e.limits.HashValue, r.e.limits.SetInts, r.e.limits.SetEntries = 3, 10, 3, 2
	r.steps([][2]string{
		{"hset a f1 v f2 v f3 v", "3"},
		{"object encoding a", "listpack"},
		{"hset a f3 w", "0"},
		{"object encoding a", "listpack"},
		{"hset a f4 v", "1"},
		{"object encoding a", "hashtable"},
		{"hdel a f1 f2 f3", "3"},
		{"object encoding a", "hashtable"},
		{"hset b f 1234567890", "1"},
		{"object encoding b", "listpack"},
		{"hset b f 12345678901", "0"},
		{"object encoding b", "hashtable"},
		{"hset c 12345678901 v", "1"},
		{"object encoding c", "hashtable"},
		{"hset d f 1", "1"},
		{"hincrby d f 99999999999", "100000000000"},
		{"object encoding d", "hashtable"},
		{"sadd s 1 2 3", "3"},
		{"object encoding s", "intset"},
		{"sadd s 4", "1"},
		{"object encoding s", "hashtable"},
	}...)
	if r.e.dbs[0].peek([]byte("a")).val.obj.(*hash).dict == nil || r.e.dbs[0].peek([]byte("s")).val.obj.(*set).dict == nil {
		t.Error("large values are still packed")
	}
}
