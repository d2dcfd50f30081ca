package kv

import (
	"testing"
	"time"
)

// TestKeysLeaveMemory has clients that are always busy, so that only what keys have left counts.
func TestKeysLeaveMemory(t *testing.T) {
	for name, c := range map[string]struct {
		used   []int64 // MiB, one a second
		due    int     // after which of them; -1 = never
		copied int64   // a copy is made from the second of them to before this one
	}{
		"nothing":            {[]int64{0, 0, 0, 0, 0}, -1, 0},
		"all deleted":        {[]int64{0, 300, 0, 0, 0}, 4, 0},
		"deleted slowly":     {[]int64{300, 200, 100, 50, 0, 0, 0}, 6, 0},
		"little":             {[]int64{15, 0, 0, 0, 0}, -1, 0},
		"a third":            {[]int64{300, 201, 201, 201, 201}, -1, 0},
		"two thirds":         {[]int64{300, 100, 100, 100}, 3, 0},
		"in two steps":       {[]int64{300, 220, 220, 220, 220, 140, 140, 140}, 7, 0},
		"filled again":       {[]int64{300, 0, 300, 0, 300, 0, 300, 0}, -1, 0},
		"filled and deleted": {[]int64{300, 0, 0, 10, 20, 30, 30, 30}, 7, 0},
		"copied meanwhile":   {[]int64{300, 0, 0, 0, 0, 0, 0, 0}, 5, 4},
		"nearly settled":     {[]int64{300, 10, 11, 10}, 3, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var r reclaim
			got := -1
			for i, n := range c.used {
				l := load{now: int64(i) * 1000, used: n * mib, perSecond: idleRate, rewriting: i >= 1 && int64(i) < c.copied}
				if r.due(l) && got < 0 {
					got = i
				}
			}
			if got != c.due {
				t.Errorf("due after %d, want %d", got, c.due)
			}
		})
	}
}

// TestReclaimRests sees that what it costs bounds how often it is done, and that what was given back does not count again.
func TestReclaimRests(t *testing.T) {
	var r reclaim
	look := func(now, used int64) bool { return r.due(load{now: now, used: used, perSecond: idleRate}) }
	wave := func(from int64) bool {
		look(from, 100*mib)
		look(from+1000, 0)
		look(from+2000, 0)
		return look(from+3000, 0)
	}
	if !wave(0) {
		t.Fatal("not due")
	}
	r.gave(load{now: 3000}, 500*time.Millisecond)
	if look(4000, 0) || look(60_000, 0) {
		t.Error("due again for the same bytes")
	}
	r.gave(load{now: 60_000}, 500*time.Millisecond)
	if wave(60_000) {
		t.Error("due within the rest")
	}
	if !look(70_000, 0) {
		t.Error("not due after the rest")
	}
}

// TestMemoryIsSpare has keys come and go, and clients that are quiet and not.
func TestMemoryIsSpare(t *testing.T) {
	var r reclaim
	for i, step := range []struct {
		load
		want bool
		why  string
	}{
		{load{0, 0, 0, 0, false, 0}, false, "nothing has happened"},
		{load{0, 0, 0, 0, false, 0}, false, "nothing has happened"},
		{load{0, 200 * mib, 220 * mib, 100_000, false, 0}, false, "clients are busy"},
		{load{0, 200 * mib, 220 * mib, 0, false, 0}, false, "it has not been quiet for long"},
		{load{0, 200 * mib, 220 * mib, 10, false, 0}, true, "much came"},
		{load{0, 200 * mib, 220 * mib, 0, false, 0}, false, "that was given back already"},
		{load{0, 200 * mib, 220 * mib, 0, false, 0}, false, "that was given back already"},
		{load{0, 210 * mib, 240 * mib, 0, false, 0}, false, "a little came"},
		{load{0, 205 * mib, 330 * mib, 0, false, 0}, true, "as much was written anew"},
		{load{0, 205 * mib, 0, 0, false, 0}, false, "the counts began anew"},
		{load{0, 205 * mib, 0, 0, false, 0}, false, "the counts began anew"},
		{load{0, 205 * mib, 100 * mib, 0, false, 0}, false, "less than half was written anew"},
		{load{0, 2 * mib, 130 * mib, 0, false, 0}, true, "nearly everything went"},
		{load{0, 2 * mib, 130 * mib, 0, false, 0}, false, "that was given back already"},
		{load{0, 2 * mib, 130 * mib, 0, true, 0}, false, "the log is being compacted"},
		{load{0, 2 * mib, 130 * mib, 0, true, 0}, false, "the log is being compacted"},
		{load{0, 2 * mib, 130 * mib, 0, true, 0}, false, "the log is being compacted"},
		{load{0, 2 * mib, 130 * mib, 0, false, 1}, false, "it has not been quiet for long"},
		{load{0, 2 * mib, 130 * mib, 0, false, 1}, true, "the log was compacted"},
		{load{0, 2 * mib, 130 * mib, 0, false, 1}, false, "that was given back already"},
		{load{0, 2 * mib, 130 * mib, 0, false, 1}, false, "that was given back already"},
	} {
		got := r.due(step.load)
		if got != step.want {
			t.Errorf("second %d: due is %v although %s", i, got, step.why)
		}
		if got {
			r.gave(step.load, 0)
		}
	}
}
