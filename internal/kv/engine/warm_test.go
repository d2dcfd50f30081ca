package engine

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// TestWarmFindsWhatIsThere looks at keys and members of all types, and at such that are not there.
func TestWarmFindsWhatIsThere(t *testing.T) {
	r := newRig(t, Config{})
	const n = 2000
	for i := range n {
		r.call("SET", fmt.Sprint("s", i), fmt.Sprint(i))
		r.call("HSET", "h", fmt.Sprint("f", i), fmt.Sprint(i))
		r.call("SADD", "set", fmt.Sprint("m", i))
		r.call("ZADD", "z", fmt.Sprint(i), fmt.Sprint("m", i))
		r.call("RPUSH", "l", fmt.Sprint(i))
	}
	r.call("XADD", "x", "1-1", "a", "b")
	r.call("SET", "empty", "")
	r.call("HSET", "small", "f", "v")
	rng := rand.New(rand.NewPCG(1, 1))
	var places []Place
	var want []string
	add := func(key, member, at string) {
		places = append(places, Place{Key: []byte(key), Member: []byte(member)})
		want = append(want, at)
	}
	for range 500 {
		k := rng.IntN(n)
		add(fmt.Sprint("s", k), "x", "")
		add("h", fmt.Sprint("f", k), fmt.Sprint("f", k))
		add("set", fmt.Sprint("m", k), fmt.Sprint("m", k))
		add("z", fmt.Sprint("m", k), fmt.Sprint("m", k))
		add("h", fmt.Sprint("none", k), "")
		add(fmt.Sprint("none", k), "a", "")
	}
	for _, key := range []string{"l", "x", "empty", "small", "", strings.Repeat("k", longestWarm+1)} {
		add(key, "f", "")
	}
	add("h", strings.Repeat("f", longestWarm+1), "")
	before, used := r.e.stats, r.e.dbs[0].items.find([]byte("s1")).val.used
	r.now = r.now.Add(24 * time.Hour)
	r.e.Lock()
	r.e.Warm(r.s, places)
	r.e.Unlock()
	items := bare(r.e.dbs[0].items)
	for i, p := range places {
		got := ""
		if p.in != nil && p.at != nil {
			got = p.at.key()
		}
		if want[i] != "" && (deep(items, p.Key) || p.in != nil && deep(p.in, p.Member)) {
			want[i] = ""
		}
		if got != want[i] {
			t.Errorf("%q %q: warmed %q", p.Key, p.Member, got)
		}
	}
	if fmt.Sprint(r.e.stats) != fmt.Sprint(before) || r.e.dbs[0].items.find([]byte("s1")).val.used != used {
		t.Errorf("to look ahead has counted: %+v, before it %+v", r.e.stats, before)
	}
}

// deep says that a key is behind those of its bucket that are looked at.
func deep(d *dict[struct{}], key []byte) bool {
	n := *d.bucket(d.hash(key))
	for range 3 {
		if n == nil || n.key() == string(key) {
			return false
		}
		n = n.next
	}
	return true
}
