package engine

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
)

func TestSort(t *testing.T) {
	newRig(t, Config{}).steps([][2]string{
		{`zadd z 3 1 2 10 1 2`, "3"},
		{`sort z`, "[1 2 10]"},
		{`sort z desc`, "[10 2 1]"},
		{`sort z alpha`, "[1 10 2]"},
		{`sort z alpha desc`, "[2 10 1]"},
		{`sort z limit 1 1`, "[2]"},
		{`sort z limit 1 -1`, "[2 10]"},
		{`sort z limit -5 9223372036854775807`, "[1 2 10]"},
		{`sort z limit 9223372036854775807 9223372036854775807`, "[]"},
		{`sort z limit 3 1`, "[]"},
		{`sort z by nosort`, "[2 10 1]"},
		{`sort z by nosort desc limit 0 2`, "[1 10]"},
		{`mset w1 5 w2 3 w10 4 g1 one g10 ten`, "OK"},
		{`sort z by w*`, "[2 10 1]"},
		{`sort z by w* get g* get #`, "[(nil) 2 ten 10 one 1]"},
		{`sort z by w* get g`, "[(nil) (nil) (nil)]"},
		{`sort z by none*`, "[1 10 2]"},
		{`sort_ro z by w* desc`, "[1 10 2]"},
		{`sort_ro z store x`, "-ERR syntax error"},
		{`sort z limit 1`, "-ERR syntax error"},
		{`sort z limit a b`, "-ERR value is not an integer or out of range"},
		{`sort z get`, "-ERR syntax error"},
		{`zadd z 5 word`, "1"},
		{`sort z`, "-" + errSortNumber},
		{`sort z alpha limit 3 1`, "[word]"},
		{`sort none`, "[]"},
		{`sort w1`, "-" + errWrongType},
		{`zadd x 1 "" 2 " 7"`, "2"},
		{`sort x`, "[  7]"},
	}...)
}

func TestSortStore(t *testing.T) {
	r := newRig(t, Config{})
	if r.e.Lookup([][]byte{[]byte("rpush")}) == nil {
		t.Skip("there are no lists")
	}
	r.e.SetNotify("KEA")
	r.steps([][2]string{{`zadd z 1 3 1 2 1 1`, "3"}, {`set out before`, "OK"}, {`sort z store out`, "3"}, {`lrange out 0 -1`, "[1 2 3]"}, {`ttl out`, "-1"}}...)
	if got := r.events[len(r.events)-1]; got != "0 sortstore out" {
		t.Errorf("the last event is %q", got)
	}
	for i := range 1000 {
		r.call("zadd", "big", "1", strconv.Itoa(i))
	}
	r.steps([][2]string{{`sort big store big`, "1000"}, {`lrange big 0 2`, "[0 1 2]"}, {`sort big get none* store out`, "1000"}, {`lindex out 7`, ""}}...)
	if got, want := r.replay().picture(), r.picture(); got != want {
		t.Errorf("repeated\n%s\nwant\n%s", got, want)
	}
	r.steps([][2]string{{`sort none store out`, "0"}, {`exists out`, "0"}}...)
	r.checkBytes()
}

func TestSortKeys(t *testing.T) {
	for line, want := range map[string][]int{
		"sort abc store def": {1, 3}, "sort abc": {1}, "sort abc store invalid store stillbad store def": {1, 7}, "sort a by store get store limit 1 2": {1},
		"sort a limit 1": {1}, "sort a store": {1}, "sort a get store store b": {1, 5},
	} {
		var args [][]byte
		for _, w := range words(line) {
			args = append(args, []byte(w))
		}
		if got := sortKeys(args); !slices.Equal(got, want) {
			t.Errorf("%s: keys at %v, want %v", line, got, want)
		}
	}
}

// TestLeastOf compares the heap with sorting everything.
func TestLeastOf(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	compare := func(a, b sortEntry) int { return bytes.Compare(a.element, b.element) }
	for range 500 {
		all := make([]sortEntry, 1+rng.IntN(200))
		for i := range all {
			all[i].element = []byte(strconv.Itoa(rng.IntN(100)))
		}
		want := slices.SortedFunc(slices.Values(all), compare)
		n := rng.IntN(len(all))
		got := leastOf(all, n, compare)
		slices.SortFunc(got, compare)
		if !slices.EqualFunc(got, want[:n], func(a, b sortEntry) bool { return bytes.Equal(a.element, b.element) }) {
			t.Fatalf("the first %d are %v, want %v", n, got, want[:n])
		}
	}
}
