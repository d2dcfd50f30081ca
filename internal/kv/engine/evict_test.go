package engine

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

const evictBound = 200 << 10

// fillBound writes keys to three databases until memory is used up many times over, and checks the bound after each.
func fillBound(t *testing.T, r *rig, keys int) (refused int) {
	t.Helper()
	value := strings.Repeat("v", 100)
	for i := range keys {
		r.s.Select(i % 3)
		args := []string{"set", fmt.Sprintf("key:%d", i), value}
		if i%2 == 0 {
			args = append(args, "ex", fmt.Sprint(1000+i))
		}
		if got := r.call(args...); strings.HasPrefix(got, "-OOM") {
			refused++
		}
		if r.e.used > evictBound+512 { // the bound, and what the last command has put
			t.Fatalf("%d bytes are used of %d", r.e.used, evictBound)
		}
	}
	return refused
}

// TestEviction keeps the bound with each policy and takes keys only of the databases and the kind it may.
func TestEviction(t *testing.T) {
	for p := NoEviction; p <= VolatileTTL; p++ {
		t.Run(p.String(), func(t *testing.T) {
			r := newRig(t, Config{MaxMemory: evictBound, Policy: p, EvictDBs: []int{0}})
			refused := fillBound(t, r, 6000)
			if p == NoEviction != (r.e.Stats().Evicted == 0) || p == NoEviction && refused == 0 {
				t.Errorf("%d keys went, %d were refused", r.e.Stats().Evicted, refused)
			}
			for _, f := range r.effects {
				if string(f.args[0]) == "DEL" && f.db != 0 {
					t.Fatalf("a key of database %d went", f.db)
				}
				var i int
				if _, err := fmt.Sscanf(string(f.args[1]), "key:%d", &i); err == nil && string(f.args[0]) == "DEL" && p.volatileOnly() && i%2 != 0 {
					t.Fatalf("%s went, which has no end", f.args[1])
				}
			}
			r.checkBytes()
		})
	}
}

// TestEvictionOrder looks at which keys go: the least used, or what ends first.
func TestEvictionOrder(t *testing.T) {
	survivors := func(p Policy, use func(r *rig, i int)) (hot, cold int) {
		r := newRig(t, Config{MaxMemory: evictBound, Policy: p})
		const keys = 600
		for i := range keys {
			r.call("set", fmt.Sprint(i), strings.Repeat("v", 100), "ex", fmt.Sprint(1000+i%2*100000))
		}
		for range 50 {
			r.now = r.now.Add(time.Second)
			for i := 1; i < keys; i += 2 {
				use(r, i)
			}
		}
		for i := range 800 {
			r.call("set", "more"+fmt.Sprint(i), strings.Repeat("v", 100), "ex", "500000")
		}
		for i := range keys {
			if r.call("exists", fmt.Sprint(i)) == ":1\r\n" {
				if i%2 == 1 {
					hot++
				} else {
					cold++
				}
			}
		}
		return hot, cold
	}
	get := func(r *rig, i int) { r.call("get", fmt.Sprint(i)) }
	for _, p := range []Policy{AllKeysLRU, VolatileLRU, AllKeysLFU, VolatileLFU, VolatileTTL} {
		if hot, cold := survivors(p, get); hot < 3*cold+30 {
			t.Errorf("%v: %d keys that are used or end late are left, %d of the others", p, hot, cold)
		}
	}
}

// TestLFU checks that the counter grows ever more slowly and is lost by time.
func TestLFU(t *testing.T) {
	r := newRig(t, Config{Policy: AllKeysLFU})
	r.e.rng = rand.New(rand.NewPCG(1, 1))
	r.steps([][2]string{{"set a 1", "OK"}, {"object freq a", "5"}, {"object idletime a", "-" + errNoIdle}}...)
	for range 2000 {
		r.call("get", "a")
	}
	r.e.Lock()
	n := r.e.frequency(r.e.dbs[0].peek([]byte("a")))
	r.e.Unlock()
	if n < 15 || n > 60 {
		t.Errorf("2,000 uses count %d", n)
	}
	r.now = r.now.Add(10 * time.Minute)
	r.steps([2]string{"object freq a", fmt.Sprint(n - 10)})
	r = newRig(t, Config{})
	r.say("set a 1")
	r.now = r.now.Add(7 * time.Second)
	r.steps([][2]string{{"object idletime a", "7"}, {"object freq a", "-" + errNoFreq}, {"touch a", "1"}, {"object idletime a", "0"}}...)
}
