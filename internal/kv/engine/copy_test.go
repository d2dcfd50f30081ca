package engine

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// TestCopy takes a copy while random commands go on, FLUSHALL and SWAPDB among them: what the copy emits makes the keyspace
// of the moment it began, and with the effects since then that of now.
func TestCopy(t *testing.T) {
	keys := 0
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		r := newRig(t, Config{})
		many := func(n int) {
			for range n {
				line := r.line(rng, myTemplates)
				if line[0] == "flushdb" && rng.IntN(40) > 0 { // or little would be left
					continue
				}
				r.call(line...)
				r.now = r.now.Add(time.Duration(rng.IntN(3)) * time.Millisecond)
			}
		}
		for i := range 300 {
			r.s.Select(rng.IntN(3))
			r.call("set", fmt.Sprint("more", i), fmt.Sprint(i))
		}
		r.s.Select(0)
		many(300)
		want, from := r.picture(), len(r.effects)
		at := r.now
		copied := newRig(t, Config{})
		copied.now = at
		r.e.Lock()
		c := r.e.Copy(func(db int, args [][]byte) { copied.effects = append(copied.effects, rigEffect{db, copyArgs(args)}) })
		if r.e.Copy(nil) != nil {
			t.Error("two copies run")
		}
		r.e.Unlock()
		for more := true; more; {
			r.e.Lock()
			more = c.Step(1 + rng.IntN(20))
			r.e.Unlock()
			many(rng.IntN(10))
		}
		made := copied.replay()
		if got := made.picture(); got != want {
			t.Fatalf("seed %d: the copy is\n%s\nwant\n%s", seed, got, want)
		}
		copied.effects = append(copied.effects, r.effects[from:]...)
		copied.now = r.now
		if got, want := copied.replay().picture(), r.picture(); got != want {
			t.Fatalf("seed %d: copy and effects make\n%s\nwant\n%s", seed, got, want)
		}
		keys += strings.Count(want, "\n")
	}
	if keys < 20*100 {
		t.Errorf("the copies had %d keys", keys)
	}
}

// TestCopyStopped gives a copy up in its middle; the next one is whole.
func TestCopyStopped(t *testing.T) {
	r := newRig(t, Config{})
	for i := range 500 {
		r.call("set", fmt.Sprint(i), "v")
	}
	count := 0
	r.e.Lock()
	defer r.e.Unlock()
	c := r.e.Copy(func(int, [][]byte) {})
	c.Step(100)
	c.Stop()
	c = r.e.Copy(func(int, [][]byte) { count++ })
	for c.Step(50) {
	}
	if count != 500 {
		t.Errorf("the second copy has %d keys of 500", count)
	}
}
