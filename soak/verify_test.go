package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// fake is an appliance that says what a test wants it to say.
type fake struct {
	files    []map[string]any
	decodes  []map[string]any
	contents map[string][]byte
	deleted  []string
}

// ServeHTTP implements http.Handler.
func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	list := func(items []map[string]any) {
		_ = json.NewEncoder(w).Encode(map[string]any{"items": items, "next_cursor": nil})
	}
	path := strings.TrimPrefix(r.URL.Path, "/api/v1")
	switch id := strings.TrimSuffix(strings.TrimPrefix(path, "/files/"), "/content"); {
	case path == "/files":
		list(f.files)
	case path == "/decodes":
		list(f.decodes)
	case r.Method == http.MethodDelete:
		f.deleted = append(f.deleted, id)
		w.WriteHeader(http.StatusNoContent)
	default:
		_, _ = w.Write(f.contents[id])
	}
}

// add stores a recording of the ledger in the fake, as it should be.
func (f *fake) add(t *testing.T, e *entry, id string) {
	t.Helper()
	var b strings.Builder
	if err := e.recipe.write(&b); err != nil {
		t.Fatal(err)
	}
	f.contents["f"+id] = []byte(b.String())
	f.files = append(f.files, map[string]any{
		"id": "f" + id, "name": e.name, "size": e.facts.size, "sha256": e.facts.sha, "decodes": []string{"d" + id},
	})
	f.decodes = append(f.decodes, map[string]any{
		"id": "d" + id, "file_id": "f" + id, "status": "done", "rows": e.facts.records + 5,
		"tables": []map[string]any{{"name": "records", "rows": e.facts.records}},
	})
}

// decodeAgain gives the first file a second decode.
func (f *fake) decodeAgain() {
	again := maps.Clone(f.decodes[0])
	again["id"] = "d9"
	f.decodes = append(f.decodes, again)
	f.files[0]["decodes"] = []string{"d1", "d9"}
}

// TestEverythingFindsWhatIsWrong breaks one thing at a time.
func TestEverythingFindsWhatIsWrong(t *testing.T) {
	for name, tc := range map[string]struct {
		damage func(f *fake, l *ledger, all []*entry)
		want   string // kinds of broken promises
	}{
		"nothing":           {func(*fake, *ledger, []*entry) {}, ""},
		"file gone":         {func(f *fake, _ *ledger, _ []*entry) { f.files, f.decodes = f.files[1:], f.decodes[1:] }, "lost"},
		"file twice":        {func(f *fake, _ *ledger, _ []*entry) { f.files = append(f.files, f.files[0]) }, "doubled"},
		"other bytes":       {func(f *fake, _ *ledger, _ []*entry) { f.contents["f1"][7] ^= 1 }, "damaged"},
		"other digest":      {func(f *fake, _ *ledger, _ []*entry) { f.files[0]["sha256"] = "0" }, "damaged"},
		"decode not listed": {func(f *fake, _ *ledger, _ []*entry) { f.decodes = f.decodes[1:] }, "lost"},
		"decode failed":     {func(f *fake, _ *ledger, _ []*entry) { f.decodes[1]["status"] = "failed" }, "verdict"},
		"rows missing": {func(f *fake, _ *ledger, _ []*entry) {
			f.decodes[1]["tables"] = []map[string]any{{"name": "records", "rows": 1}}
		}, "rows"},
		"other rows than before": {func(_ *fake, _ *ledger, all []*entry) { all[0].rows = 3 }, "rows"},
		"decoded twice":          {func(f *fake, _ *ledger, _ []*entry) { f.decodeAgain() }, "doubled"},
		"decoded twice, asked for": {func(f *fake, _ *ledger, all []*entry) {
			f.decodeAgain()
			all[0].doubt = 1
		}, ""},
		"deleted and there":          {func(_ *fake, l *ledger, all []*entry) { l.deleted(all[0]) }, "undead"},
		"deletion cut off":           {func(_ *fake, l *ledger, all []*entry) { l.change(all[0], func(e *entry) { e.state = deleting }) }, ""},
		"upload cut off, kept":       {func(_ *fake, l *ledger, all []*entry) { l.change(all[0], func(e *entry) { e.state = sent }) }, ""},
		"upload cut off, not whole":  {func(f *fake, l *ledger, all []*entry) { all[0].state = sent; f.files[0]["size"] = 1 }, "damaged"},
		"a file that nobody sent":    {func(f *fake, l *ledger, all []*entry) { delete(l.byName, all[0].name) }, "uninvited"},
		"a decode without its file":  {func(f *fake, _ *ledger, _ []*entry) { f.decodes[0]["file_id"] = "f9" }, "uninvited"},
		"cut deletion, cancelled":    {cancelled(deleting), ""},
		"cancelled without deletion": {cancelled(stored), "verdict"},
	} {
		t.Run(name, func(t *testing.T) {
			l, tl, f := newLedger(1), newTally(), &fake{contents: map[string][]byte{}}
			var all []*entry
			for i := range 3 {
				e, err := l.send(small, 4000)
				if err != nil {
					t.Fatal(err)
				}
				l.stored(e, fmt.Sprintf("f%d", i+1), fmt.Sprintf("d%d", i+1))
				f.add(t, e, fmt.Sprint(i+1))
				all = append(all, e)
			}
			tc.damage(f, l, all)
			srv := httptest.NewServer(f)
			defer srv.Close()
			g := newTarget(srv.URL, tl, l, newJobBook())
			defer g.close()
			newVerifier(g, 1).everything(t.Context())
			var r result
			tl.into(&r)
			var kinds []string
			for name := range r.Counts {
				if kind, ok := strings.CutPrefix(name, "broken: "); ok {
					kinds = append(kinds, kind)
				}
			}
			slices.Sort(kinds)
			if got := strings.Join(kinds, " "); got != tc.want {
				t.Errorf("found %q, want %q: %v", got, tc.want, r.Broken)
			}
			if cut := all[0].state == deleted && tc.want == ""; cut != slices.Contains(f.deleted, "f1") {
				t.Errorf("deleted again: %v", f.deleted)
			}
		})
	}
}

func cancelled(s state) func(*fake, *ledger, []*entry) {
	return func(f *fake, _ *ledger, all []*entry) {
		all[0].state = s
		f.decodes[0]["status"] = "cancelled"
	}
}

func TestRefusalsAreJudged(t *testing.T) {
	l, tl := newLedger(1), newTally()
	g := newTarget("http://127.0.0.1:1", tl, l, newJobBook())
	full := &problem{Status: 507, Code: "disk_full"}
	ctx := t.Context()
	g.judge(ctx, "upload", nil)
	if !tl.whole() {
		t.Error("no error is a failure")
	}
	g.provoked = refusedForSpace
	if g.judge(ctx, "upload", full); !tl.whole() {
		t.Error("a refusal on a full disk is a failure")
	}
	if g.judge(ctx, "delete", full); tl.whole() {
		t.Error("a deletion may be refused on a full disk")
	}
	before := tl.count("broken: failed")
	g.dying.Store(true)
	if g.judge(ctx, "rows", http.ErrServerClosed); tl.count("broken: failed") != before {
		t.Error("a cut connection of a killed appliance is a failure")
	}
	g.dying.Store(false)
	if g.judge(ctx, "rows", http.ErrServerClosed); tl.count("broken: failed") != before+1 {
		t.Error("a cut connection is no failure")
	}
}
