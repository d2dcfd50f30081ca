package kv

import (
	"testing"
	"time"
)

func TestReleaseIsDue(t *testing.T) {
	const mib = 1 << 20
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
		"nearly quiet":       {[]int64{300, 10, 11, 10}, 3, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var r release
			got := -1
			for i, n := range c.used {
				if r.due(int64(i)*1000, n*mib, i >= 1 && int64(i) < c.copied) && got < 0 {
					got = i
				}
			}
			if got != c.due {
				t.Errorf("due after %d, want %d", got, c.due)
			}
		})
	}
}

// What it costs bounds how often it is done, and what was given back once does not count again.
func TestReleaseRests(t *testing.T) {
	const mib = 1 << 20
	var r release
	wave := func(from int64) bool {
		r.due(from, 100*mib, false)
		r.due(from+1000, 0, false)
		r.due(from+2000, 0, false)
		return r.due(from+3000, 0, false)
	}
	if !wave(0) {
		t.Fatal("not due")
	}
	r.gave(3000, 0, 500*time.Millisecond)
	if r.due(4000, 0, false) || r.due(60_000, 0, false) {
		t.Error("due again for the same bytes")
	}
	r.gave(60_000, 0, 500*time.Millisecond)
	if wave(60_000) {
		t.Error("due within the rest")
	}
	if !r.due(70_000, 0, false) {
		t.Error("not due after the rest")
	}
}
