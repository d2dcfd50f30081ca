package main

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// fakeJobs is an appliance that answers what a test wants it to.
type fakeJobs struct {
	list   map[string][]map[string]any // by type
	leased []map[string]any
	made   string // id of the next job
}

func (f *fakeJobs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := map[string]any{}
	switch path := strings.TrimPrefix(r.URL.Path, "/api/v1"); {
	case r.Method == http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
		return
	case path == "/leases":
		answer["jobs"] = f.leased
	case path == "/leases/finish":
		var in struct {
			Ack []map[string]any `json:"ack"`
		}
		_ = json.NewDecoder(r.Body).Decode(&in)
		var acked []any
		for _, a := range in.Ack {
			acked = append(acked, a["id"])
		}
		answer["acked"] = acked
	case path == "/jobs" && r.Method == http.MethodGet:
		answer["items"] = f.list[r.URL.Query().Get("type")]
	case path == "/jobs":
		answer["id"] = f.made
		answer["items"] = []map[string]any{{"id": f.made}}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func jobClient(t *testing.T, f *fakeJobs) *verifier {
	t.Helper()
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	g := newTarget(srv.URL, newTally(), newLedger(1), newJobBook())
	t.Cleanup(g.close)
	return newVerifier(g, 1)
}

func (v *verifier) kinds() []string {
	var out []string
	for k := range v.tally.counts {
		if kind, ok := strings.CutPrefix(k, "broken: "); ok {
			out = append(out, kind)
		}
	}
	slices.Sort(out)
	return out
}

// TestJobsAreHeldToTheLedger breaks each promise once, and none.
func TestJobsAreHeldToTheLedger(t *testing.T) {
	completed := func(ids ...string) (out []map[string]any) {
		for _, id := range ids {
			out = append(out, map[string]any{"id": id, "status": "completed"})
		}
		return out
	}
	for name, c := range map[string]struct {
		jobs  map[string]promise
		list  []map[string]any
		ticks []map[string]any
		want  []string
	}{
		"all there":       {map[string]promise{"j1": owed, "j2": done, "j3": doubted}, completed("j1", "j2", "j3", "j4"), nil, nil},
		"a tick in doubt": {map[string]promise{"a": doubted, "j1": owed}, completed("j1"), completed("a"), nil},
		"one lost":        {map[string]promise{"j1": owed, "j2": owed}, completed("j1"), nil, []string{"lost"}},
		"one dead":        {map[string]promise{"j1": owed}, []map[string]any{{"id": "j1", "status": "dead"}}, nil, []string{"verdict"}},
		"ticks too many":  {map[string]promise{"j1": owed}, completed("j1"), completed("a", "b", "c", "d", "e", "f", "g", "h"), []string{"doubled"}},
	} {
		f := &fakeJobs{list: map[string][]map[string]any{jobType: c.list, tickType: c.ticks}}
		v := jobClient(t, f)
		v.jobs.jobs, v.jobs.began = maps.Clone(c.jobs), time.Now()
		v.allJobs(t.Context(), true)
		if got := v.kinds(); !slices.Equal(got, c.want) {
			t.Errorf("%s: broken are %v, want %v", name, got, c.want)
		}
	}
}

func TestLeasedJobsAreHeldToTheLedger(t *testing.T) {
	f := &fakeJobs{leased: []map[string]any{{"id": "j1", "lease": "1"}, {"id": "j2", "lease": "2", "depends_on": []string{"j3"}}}}
	v := jobClient(t, f)
	v.jobs.jobs = map[string]promise{"j1": owed, "j2": owed, "j3": done}
	v.work(t.Context())
	if got := v.kinds(); got != nil {
		t.Fatalf("broken are %v, want none", got)
	}
	v.jobs.jobs = map[string]promise{"j1": done, "j2": owed, "j3": owed}
	v.work(t.Context())
	if got := v.kinds(); !slices.Equal(got, []string{"doubled", "order"}) {
		t.Errorf("broken are %v, want a job that runs again and one that runs before its time", got)
	}
}

func TestRepeatedKeyIsHeldToItsJob(t *testing.T) {
	f := &fakeJobs{made: "j1"}
	v := jobClient(t, f)
	for range 40 {
		v.enqueue(t.Context())
	}
	if got := v.kinds(); got != nil {
		t.Fatalf("broken are %v, want none", got)
	}
	f.made = "j2"
	for range 40 {
		v.enqueue(t.Context())
	}
	if got := v.kinds(); !slices.Equal(got, []string{"doubled"}) {
		t.Errorf("broken are %v, want a key that gave two jobs", got)
	}
}
