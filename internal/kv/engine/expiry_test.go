package engine

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"
)

// TestExpiries compares the heap with a walk through all items.
func TestExpiries(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var h expiries
	items := make([]*item, 3000)
	for i := range items {
		items[i] = newNode[value](strconv.Itoa(i), 0, nil)
	}
	there := map[*item]bool{}
	for round := range 20000 {
		it := items[rng.IntN(len(items))]
		switch rng.IntN(3) + round/10000 { // first more come than go
		case 0, 1:
			it.val.expire = rng.Int64N(1000)
			h.set(it)
			there[it] = true
		default:
			h.remove(it)
			delete(there, it)
		}
		if round%50 != 0 {
			continue
		}
		least := int64(-1)
		for it := range there {
			if least < 0 || it.val.expire < least {
				least = it.val.expire
			}
		}
		if next := h.next(); h.len() != len(there) || next == nil != (len(there) == 0) || next != nil && next.val.expire != least {
			t.Fatalf("next is %+v of %d, want %d of %d", next, h.len(), least, len(there))
		}
		for i := range h.len() {
			if it := h.at(i); int(it.val.heap) != i+1 {
				t.Fatalf("item at %d believes to be at %d", i, it.val.heap)
			}
		}
	}
	for it := range there {
		h.remove(it)
	}
	if h.len() != 0 || len(h.segs) > 2 {
		t.Errorf("%d items and %d pieces are left", h.len(), len(h.segs))
	}
}

func TestExpire(t *testing.T) {
	r := newRig(t, Config{})
	r.steps([][2]string{
		{`set a 1`, "OK"},
		{`ttl a`, "-1"},
		{`ttl none`, "-2"},
		{`expire a 10`, "1"},
		{`ttl a`, "10"},
		{`pttl a`, "10000"},
		{`expiretime a`, "1700000010"},
		{`pexpiretime a`, "1700000010000"},
		{`expire a 20 nx`, "0"},
		{`expire a 5 gt`, "0"},
		{`expire a 20 gt`, "1"},
		{`expire a 30 lt`, "0"},
		{`expire a 15 lt xx`, "1"},
		{`persist a`, "1"},
		{`persist a`, "0"},
		{`expire a 5 xx`, "0"},
		{`expire a 5 gt`, "0"},
		{`expire a 5 lt`, "1"},
		{`expire a 5 nx xx`, "-" + errExpireNX},
		{`expire a 5 gt lt`, "-" + errExpireGTLT},
		{`expire a 5 what`, "-ERR Unsupported option what"},
		{`expire a x`, "-ERR value is not an integer or out of range"},
		{`expire a 9223372036854775807`, "-ERR invalid expire time in 'expire' command"},
		{`expire a 9223372036854775`, "-ERR invalid expire time in 'expire' command"},
		{`pexpire a 9223372036854775807`, "-ERR invalid expire time in 'pexpire' command"},
		{`expireat a -9223372036854775808`, "-ERR invalid expire time in 'expireat' command"},
		{`pexpireat a 1700000001000`, "1"},
		{`pttl a`, "1000"},
		{`pexpire a 1499`, "1"},
		{`ttl a`, "1"},
		{`expire a -9223372036854775`, "1"},
		{`exists a`, "0"},
		{`expire a 1`, "0"},
	}...)
}

// TestExpiredIsGone looks at a key in many ways after its end, before Cycle has come.
func TestExpiredIsGone(t *testing.T) {
	for _, c := range [][2]string{
		{"get a", "(nil)"},
		{"exists a", "0"},
		{"type a", "none"},
		{"ttl a", "-2"},
		{"keys *", "[]"},
		{"scan 0", "[0 []]"},
		{"randomkey", "(nil)"},
		{"rename a b", "-ERR no such key"},
		{"persist a", "0"},
		{"append a x", "1"},
		{"incr a", "1"},
		{"setnx a 1", "1"},
		{"set a 1 xx", "(nil)"},
		{"del a", "0"},
		{"strlen a", "0"},
		{"copy a b", "0"},
		{"move a 1", "0"},
		{"object encoding a", "(nil)"},
		{"set a 2 keepttl", "OK"},
		{"setbit a 7 1", "0"},
		{"pfadd a x", "1"},
		{"getex a persist", "(nil)"},
		{"sort a", "[]"},
	} {
		r := newRig(t, Config{})
		r.e.SetNotify("KEA")
		r.say("set a 10 px 100")
		r.now = r.now.Add(time.Second)
		r.effects, r.events = nil, nil
		r.steps(c)
		if c[0] == "set a 2 keepttl" {
			r.steps([2]string{"ttl a", "-1"})
		}
		r.checkBytes()
		if r.replay().picture() != r.picture() {
			t.Errorf("%s: the log makes another keyspace", c[0])
		}
	}
}

// TestCycle ends keys of all databases in their order, in slices, and says when to come again.
func TestCycle(t *testing.T) {
	r := newRig(t, Config{})
	r.e.SetNotify("KEx")
	for i := range 1000 {
		r.s.Select(i % 3)
		r.call("set", fmt.Sprint(i), "v", "px", strconv.Itoa(1+i*10))
	}
	if rest := r.e.Cycle(); rest != time.Millisecond {
		t.Errorf("the first ends in 1 ms, rest is %v", rest)
	}
	r.now = r.now.Add(5 * time.Second)
	for range 100 {
		r.e.Cycle()
	}
	left := 0
	for db := range 3 {
		n, ends := r.e.Size(db)
		if left += n; n != ends {
			t.Errorf("database %d has %d keys of which %d end", db, n, ends)
		}
	}
	if left != 500 || r.e.Stats().Expired != 500 || len(r.events) != 500 {
		t.Errorf("%d keys are left, %d have ended, %d were told of", left, r.e.Stats().Expired, len(r.events))
	}
	r.checkBytes()
}
