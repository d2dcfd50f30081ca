package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestLook holds what is told of keys of every type against what the commands about them answer.
func TestLook(t *testing.T) {
	r := newRig(t, Config{})
	for _, line := range []string{
		"SET string hello", "SET number 12", "RPUSH list a b c", "SADD ints 1 2", "SADD set a b c d", "HSET hash a 1 b 2", "ZADD zset 1 a 2 b",
		"XADD stream 1-1 a 1", "XADD stream 1-2 b 2", "SET ends x PX 1500", "SET gone x PX 10",
	} {
		r.say(line)
	}
	for i := range 300 {
		r.say(fmt.Sprintf("HSET large f%d v", i))
	}
	r.now = r.now.Add(20 * time.Millisecond)
	events, before := len(r.events), *r.e.Stats()
	r.e.Lock()
	defer r.e.Unlock()
	lengths := map[string]int{
		"string": 5, "number": 2, "list": 3, "ints": 2, "set": 4, "hash": 2, "zset": 2, "stream": 2, "ends": 1, "large": 300,
	}
	for key, length := range lengths {
		g, ok := r.e.Look(0, []byte(key))
		if !ok || g.Key != key || g.Length != length {
			t.Errorf("%s: %+v %v, want %d", key, g, ok, length)
		}
	}
	if g, ok := r.e.Look(0, []byte("gone")); ok {
		t.Errorf("a key that has ended: %+v", g)
	}
	if g, ok := r.e.Look(1, []byte("string")); ok {
		t.Errorf("a key of another database: %+v", g)
	}
	if g, _ := r.e.Look(0, []byte("ends")); g.Expire != r.now.UnixMilli()+1480 {
		t.Errorf("ends at %d", g.Expire)
	}
	seen := map[string]int{}
	for cursor, first := uint64(0), true; cursor != 0 || first; first = false {
		cursor = r.e.Walk(0, cursor, 3, func(g Glance) { seen[g.Key] = g.Length })
	}
	if diff := cmp.Diff(lengths, seen); diff != "" {
		t.Errorf("walked (-want +got):\n%s", diff)
	}
	if after := *r.e.Stats(); len(r.events) != events || after.Hits != before.Hits || after.Misses != before.Misses || after.Expired != before.Expired {
		t.Errorf("looking is not to count: %+v, before %+v, events %v", after, before, r.events[events:])
	}
}

// TestLookTellsWhatCommandsTell compares with TYPE, OBJECT ENCODING and MEMORY USAGE.
func TestLookTellsWhatCommandsTell(t *testing.T) {
	r := newRig(t, Config{})
	for _, line := range []string{"SET s hello", "RPUSH l a b c", "SADD i 1 2", "SADD e a b", "HSET h a 1", "ZADD z 1 a", "XADD x 1-1 a 1"} {
		r.say(line)
	}
	for _, key := range []string{"s", "l", "i", "e", "h", "z", "x"} {
		want := fmt.Sprintf("%s %s %s", r.say("TYPE "+key), r.say("OBJECT ENCODING "+key), r.say("MEMORY USAGE "+key))
		r.e.Lock()
		g, _ := r.e.Look(0, []byte(key))
		r.e.Unlock()
		if got := fmt.Sprintf("%s %s %d", g.Kind, g.Encoding, g.Bytes); got != want {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
	}
}
