package engine

import (
	"fmt"
	"strings"
	"testing"
)

// TestPartsAreBoundByBytes has collections of long elements: none of the commands that make them anew, nor of the effects of
// what keeps many at once, has much more than partBytes.
func TestPartsAreBoundByBytes(t *testing.T) {
	r := newRig(t, Config{})
	const elements, size = 40, 300 << 10
	for i := range elements {
		b := fmt.Sprint(i) + strings.Repeat("x", size)
		r.call("rpush", "list", b)
		r.call("sadd", "set", b)
		r.call("hset", "hash", fmt.Sprint(i), b)
		r.call("zadd", "zset", "1", b)
	}
	check := func(what string, args [][]byte) {
		n := 0
		for _, a := range args {
			n += len(a)
		}
		if n > partBytes+2*size || len(args) > partArgs {
			t.Errorf("%s: %s with %d arguments has %d bytes", what, args[0], len(args), n)
		}
	}
	r.e.Lock()
	for c := r.e.Copy(func(_ int, args [][]byte) { check("a copy", args) }); c.Step(10); {
	}
	r.e.Unlock()
	r.effects = nil
	r.call("sort", "list", "alpha", "store", "sorted")
	r.call("spop", "set", fmt.Sprint(elements-1))
	if len(r.effects) < 2*elements*size/(partBytes+2*size) {
		t.Errorf("%d effects", len(r.effects))
	}
	for _, f := range r.effects {
		check("an effect", f.args)
	}
	if got := r.say("llen sorted") + " " + r.say("scard set"); got != fmt.Sprint(elements, 1) {
		t.Errorf("there are %s", got)
	}
}
