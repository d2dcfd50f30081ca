package kv

import "testing"

// TestTrimDue has keys come and go, and looks when memory is given back.
func TestTrimDue(t *testing.T) {
	const mib = 1 << 20
	var tr trim
	for i, step := range []struct {
		load
		want bool
		why  string
	}{
		{load{0, 0, 0, false, 0}, false, "nothing has happened"},
		{load{0, 0, 0, false, 0}, false, "nothing has happened"},
		{load{200 * mib, 220 * mib, 100_000, false, 0}, false, "clients are busy"},
		{load{200 * mib, 220 * mib, 0, false, 0}, false, "it has not been quiet for long"},
		{load{200 * mib, 220 * mib, 10, false, 0}, true, "much came"},
		{load{200 * mib, 220 * mib, 0, false, 0}, false, "that was given back already"},
		{load{200 * mib, 220 * mib, 0, false, 0}, false, "that was given back already"},
		{load{210 * mib, 240 * mib, 0, false, 0}, false, "a little came"},
		{load{205 * mib, 330 * mib, 0, false, 0}, true, "as much was written anew"},
		{load{205 * mib, 0, 0, false, 0}, false, "the counts began anew"},
		{load{205 * mib, 0, 0, false, 0}, false, "the counts began anew"},
		{load{205 * mib, 100 * mib, 0, false, 0}, false, "less than half was written anew"},
		{load{2 * mib, 130 * mib, 0, false, 0}, true, "nearly everything went"},
		{load{2 * mib, 130 * mib, 0, false, 0}, false, "that was given back already"},
		{load{2 * mib, 130 * mib, 0, true, 0}, false, "the log is being compacted"},
		{load{2 * mib, 130 * mib, 0, true, 0}, false, "the log is being compacted"},
		{load{2 * mib, 130 * mib, 0, true, 0}, false, "the log is being compacted"},
		{load{2 * mib, 130 * mib, 0, false, 1}, false, "it has not been quiet for long"},
		{load{2 * mib, 130 * mib, 0, false, 1}, true, "the log was compacted"},
		{load{2 * mib, 130 * mib, 0, false, 1}, false, "that was given back already"},
		{load{2 * mib, 130 * mib, 0, false, 1}, false, "that was given back already"},
	} {
		if got := tr.due(step.load); got != step.want {
			t.Errorf("second %d: due is %v although %s", i, got, step.why)
		}
	}
}
