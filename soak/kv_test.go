package main

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// played gives a writer that has written n units, all answered, and what is there after each.
func played(t *testing.T, n int) (*kvWriter, []*kvSpace) {
	t.Helper()
	w := newKVWriter(newTally(), 0, 7)
	states := []*kvSpace{w.base.clone()}
	for len(w.units) < n {
		u := w.unit()
		if u.steps[0].alone {
			continue // their answers say what they did
		}
		u.at, u.heard = make([]int, len(u.steps)), time.Now()
		u.apply(w.now, nil)
		w.units = append(w.units, u)
		states = append(states, w.now.clone())
	}
	return w, states
}

func viewOf(m *kvSpace) *kvView {
	now := time.Now().UnixMilli()
	w := &kvView{items: map[kvKey]*kvValue{}, from: now, to: now}
	for k, v := range m.clone().items {
		if v.expires == 0 || v.expires > now {
			w.items[k] = v
		}
	}
	return w
}

// TestAKeyspaceHasToBeWhatItOnceWas finds the unit after which the keys were as they are; half a unit, a value that was
// changed, one that is gone and one that nobody wrote are none.
func TestAKeyspaceHasToBeWhatItOnceWas(t *testing.T) {
	w, states := played(t, 200)
	for _, n := range []int{0, 1, 100, 199, 200} {
		match, _, nearest := w.search(viewOf(states[n]), 0)
		if match < n || len(viewOf(states[n]).differing(states[match])) > 0 {
			t.Errorf("after %d units: %d were found; %s", n, match, nearest)
		}
	}
	kinds := map[byte]bool{}
	for k := range states[200].items {
		kinds[k.name[3]] = true
		for what, spoil := range map[string]func(v *kvView){
			"gone":     func(v *kvView) { delete(v.items, k) },
			"changed":  func(v *kvView) { v.items[k].text += "x" },
			"ends":     func(v *kvView) { v.items[k].expires += 4_000_000_000_000 },
			"uninvite": func(v *kvView) { v.items[kvKey{0, "c0:s9"}] = &kvValue{text: "x"} },
		} {
			v := viewOf(states[200])
			if v.items[k] == nil {
				continue // it has ended
			}
			spoil(v)
			if match, _, nearest := w.search(v, 190); match >= 190 || !strings.Contains(nearest, "c0:") {
				t.Errorf("%v %s: taken for what was after %d units; %s", k, what, match, nearest)
			}
		}
	}
	if len(kinds) < 7 {
		t.Errorf("%d kinds of values only", len(kinds))
	}
}

func TestHalfATransactionIsNone(t *testing.T) {
	w := newKVWriter(newTally(), 0, 1)
	a, b := kvKey{0, "c0:n0"}, kvKey{1, "c0:n1"}
	u := &kvUnit{form: kvMulti, at: []int{0, 1}, heard: time.Now(), steps: []kvStep{{args: []string{"INCR"}, apply: increased(a, 1)}, {args: []string{"INCR"}, apply: increased(b, 1)}}}
	w.units = []*kvUnit{u}
	half := newKVSpace()
	half.put(a, &kvValue{text: "1"})
	if match, _, _ := w.search(viewOf(half), 0); match != -1 {
		t.Errorf("half a transaction is taken for what was after %d units", match)
	}
	half.put(b, &kvValue{text: "1"})
	if match, _, _ := w.search(viewOf(half), 0); match != 1 {
		t.Errorf("a whole one for %d", match)
	}
}

// TestItemsAreHeldToTheirQueue breaks each promise about an item once, and none.
func TestItemsAreHeldToTheirQueue(t *testing.T) {
	killed := time.Now()
	long, recent := killed.Add(-2*time.Second), killed.Add(-time.Millisecond)
	always, everysec := kvPromise{killed: killed, all: true}, kvPromise{killed: killed, within: time.Second}
	for name, c := range map[string]struct {
		item    handed
		there   bool
		holder  string
		promise kvPromise
		once    bool
		unheard int
		want    string // kinds of broken promises
	}{
		"there":                         {item: handed{since: recent}, there: true, promise: always},
		"ended":                         {item: handed{since: long, ended: recent}, promise: always},
		"lost":                          {item: handed{since: recent}, promise: always, want: "lost"},
		"lost as may be":                {item: handed{since: recent}, promise: everysec},
		"lost long after":               {item: handed{since: long}, promise: everysec, want: "lost"},
		"never answered":                {item: handed{}, promise: always},
		"never answered and there":      {item: handed{}, there: true, promise: always},
		"back after its end":            {item: handed{since: long, ended: recent}, there: true, promise: always, want: "doubled"},
		"back as may be":                {item: handed{since: long, ended: recent}, there: true, promise: everysec},
		"back long after":               {item: handed{since: long, ended: long}, there: true, promise: everysec, want: "doubled"},
		"taken by nobody that was told": {item: handed{since: long}, promise: always, once: true, unheard: 1},
		"gone without a pop":            {item: handed{since: long}, promise: always, once: true, want: "lost"},
		"end not answered":              {item: handed{since: long, ending: true}, promise: always},
		"held by another":               {item: handed{since: long, holder: "a", holding: recent}, there: true, holder: "b", promise: always, want: "lost"},
		"held":                          {item: handed{since: long, holder: "a", holding: recent}, there: true, holder: "a", promise: always},
	} {
		q, tally := newKVQueue(), newTally()
		q.items["p0.1"], q.unheard = &c.item, c.unheard
		there := map[string]string{}
		if c.there {
			there["p0.1"] = c.holder
		}
		look := func(*kvConn) (map[string]string, []string, error) { return there, nil, nil }
		if err := q.verify(nil, handover{name: name, once: c.once, look: look}, c.promise, tally); err != nil {
			t.Fatal(err)
		}
		v := &verifier{&client{target: &target{tally: tally}}}
		if got := strings.Join(v.kinds(), " "); got != c.want {
			t.Errorf("%s: broken: %q", name, got)
		}
	}
	q, tally := newKVQueue(), newTally()
	look := func(*kvConn) (map[string]string, []string, error) {
		return map[string]string{"p0.9": ""}, []string{"p0.9"}, nil
	}
	if err := q.verify(nil, handover{look: look}, always, tally); err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(tally.counts)); !slices.Equal(got, []string{"broken: doubled", "broken: uninvited", "items taken along by a pop that was not answered"}) {
		t.Errorf("an unknown item that is there twice: %q", got)
	}
}
