package runtime

import (
	"testing"
	"time"
)

func TestQuiet(t *testing.T) {
	start := time.Unix(1000, 0)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	one, two := stamp{size: 1}, stamp{size: 2}
	q := newQuiet(500 * time.Millisecond)
	check := func(what string, path string, st stamp, ms, want int) {
		t.Helper()
		if got := q.wait(path, st, at(ms)); got != time.Duration(want)*time.Millisecond {
			t.Errorf("%s: wait %s, want %d ms", what, got, want)
		}
	}
	check("nobody told: first look", "a", one, 0, 500)
	check("the same", "a", one, 200, 300)
	check("changed in between", "a", two, 400, 500)
	check("quiet", "a", two, 900, 0)
	q.changed("b", at(1000))
	check("told", "b", one, 1100, 400)
	q.changed("b", at(1200))
	check("told again, another stamp", "b", two, 1300, 400)
	check("quiet since it was told", "b", two, 1700, 0)
	q.changed("b", at(1800))
	q.forget("b")
	check("forgotten", "b", two, 1900, 500)
	q.forget("a")
	q.forget("b")
	if len(q.seen) != 0 {
		t.Errorf("%d files remembered", len(q.seen))
	}
}
