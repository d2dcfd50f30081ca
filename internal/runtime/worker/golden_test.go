package worker

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/runtime/golden"
	"github.com/wayside-edge/wayside/internal/runtime/module"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
	"github.com/wayside-edge/wayside/internal/table"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// ran makes a run whose tables a and issues hold text.
func ran(a, issues, doc string, whole, over bool) *goldenRun {
	k := newKept([]*table.Schema{{Name: "a"}}, 100)
	k.files[0] = &keptTable{of: k, b: []byte(a)}
	if issues != "" {
		k.files[wire.IssuesTable] = &keptTable{of: k, b: []byte(issues)}
	}
	return &goldenRun{doc: []byte(doc), out: k, whole: whole, over: over}
}

func TestJudge(t *testing.T) {
	doc := "1\n2\nend\n"
	for name, c := range map[string]struct {
		compiled, interpreted *goldenRun
		test, want            string
	}{
		"same":                {ran("1\n2\n", "", doc, true, false), ran("1\n2\n", "", doc, true, false), golden.Hash([]byte(doc)), ""},
		"other hash":          {ran("1\n2\n", "", doc, true, false), ran("1\n2\n", "", doc, true, false), "abc", "the manifest says abc; it ends with end"},
		"row":                 {ran("1\n2\n", "", doc, true, false), ran("1\n3\n", "", "1\n3\nend\n", true, false), "", "line 2: expected 2 there is 3"},
		"cut":                 {ran("1\n2\n", "", doc, true, false), ran("1\n", "", "1\ntrap\n", false, false), golden.Hash([]byte(doc)), ""},
		"cut, but whole":      {ran("1\n2\n", "", doc, true, false), ran("1\n", "", "1\ntrap\n", true, false), golden.Hash([]byte(doc)), "line 2"},
		"cut, other row":      {ran("1\n2\n", "", doc, true, false), ran("3\n", "", "3\ntrap\n", false, false), golden.Hash([]byte(doc)), "table a, line 1: expected 1 there is 3"},
		"cut, more rows":      {ran("1\n2\n", "", doc, true, false), ran("1\n2\n3\n", "", "trap\n", false, false), golden.Hash([]byte(doc)), "table a, line 3: nothing was expected"},
		"cut, other issue":    {ran("1\n", "i\nj\n", doc, true, false), ran("", "k\n", "trap\n", false, false), golden.Hash([]byte(doc)), "table issues, line 1"},
		"cut, more issues":    {ran("1\n", "i\n9 more\n", doc, true, true), ran("", "i\n3 more\n", "trap\n", false, true), golden.Hash([]byte(doc)), ""},
		"cut, wrong hash":     {ran("1\n2\n", "", doc, true, false), ran("1\n", "", "trap\n", false, false), "abc", "the manifest says abc"},
		"hash of interpreter": {ran("1\n", "", doc, true, false), ran("2\n", "", "2\n", true, false), golden.Hash([]byte("2\n")), "has what the interpreter wrote"},
	} {
		v := &vetting{vectors: []module.Vector{{Vector: abi.Vector{Name: "v"}}}, Golden: wire.Golden{Tests: []string{c.test}}}
		err := v.judge(0, c.compiled, c.interpreted)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestCut tells ends that say nothing about a module from those that do.
func TestCut(t *testing.T) {
	over, cancel := context.WithCancel(t.Context())
	cancel()
	overflow, trap := errors.New("wasm error: stack overflow\nwasm stack trace:"), errors.New("wasm error: unreachable")
	for name, c := range map[string]struct {
		over bool // its time
		call call
		want bool
	}{
		"well":           {false, call{}, false},
		"well, late":     {true, call{}, false},
		"trap":           {false, call{ended: trap}, false},
		"time":           {true, call{ended: trap}, true},
		"frames":         {false, call{ended: overflow}, true},
		"exit":           {true, call{ended: trap, exited: true}, false},
		"ended by us":    {true, call{ended: trap, end: &wire.Verdict{}}, false},
		"memory is over": {false, call{ended: errors.New("wasm error: out of bounds memory access")}, false},
	} {
		ctx := t.Context()
		if c.over {
			ctx = over
		}
		if got := cut(ctx, &c.call); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestKeptTablesAreBounded(t *testing.T) {
	k := newKept(nil, 5)
	files, err := k.open([]*outTable{{index: 0}, {index: wire.IssuesTable}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := files[0].Write([]byte("abc")); err != nil {
		t.Error(err)
	}
	if _, err := files[1].Write([]byte("def")); err == nil {
		t.Error("more than may be kept was taken")
	}
	if _, err := files[1].Write([]byte("de")); err != nil || string(k.rows(0)) != "abc" || string(k.rows(wire.IssuesTable)) != "de" {
		t.Errorf("%v: %q %q", err, k.rows(0), k.rows(wire.IssuesTable))
	}
	var l limited
	l.left = 2
	if _, err := l.Write([]byte("abc")); err == nil {
		t.Error("a document grew beyond its limit")
	}
}
