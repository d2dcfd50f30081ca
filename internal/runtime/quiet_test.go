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
		if got, _ := q.wait(path, st, at(ms)); got != time.Duration(want)*time.Millisecond {
			t.Errorf("%s: wait %s, want %d ms", what, got, want)
		}
	}
	check("nobody told: first look", "a", one, 0, 500)
	check("the same", "a", one, 200, 300)
	check("changed in between", "a", two, 400, 500)
	check("quiet", "a", two, 900, 0)
	q.changed("b", false, at(1000))
	check("told", "b", one, 1100, 400)
	q.changed("b", false, at(1200))
	check("told again, another stamp", "b", two, 1300, 400)
	check("quiet since it was told", "b", two, 1700, 0)
	q.changed("b", false, at(1800))
	q.forget("b")
	check("forgotten", "b", two, 1900, 500)
	q.changed("/d/c", true, at(2000))
	check("its writer is done", "/d/c", one, 2010, 40)
	check("the same", "/d/c", one, 2050, 0)
	if wait := q.doubt("/d/c", at(2060)); wait != 440*time.Millisecond {
		t.Errorf("in doubt: %s", wait)
	}
	check("in doubt", "/d/c", one, 2100, 400)
	q.changed("/d/c", true, at(2200))
	q.changed("/d/c", false, at(2210))
	check("written again", "/d/c", two, 2220, 490)
	q.changed("/d/c", true, at(2300))
	check("done again", "/d/c", two, 2310, 40)
	check("another stamp than nobody told of", "/d/c", one, 2320, 500)
	q.keep("/d", map[string]bool{"/d/c": true})
	q.keep("/e", nil)
	check("kept", "/d/c", one, 2420, 400)
	q.keep("/d", nil)
	q.forget("a")
	q.forget("b")
	if len(q.seen) != 0 {
		t.Errorf("%d files remembered", len(q.seen))
	}
}
