package httpapi

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/alert"
	"github.com/wayside-edge/wayside/internal/store"
)

// watched is a world with an alert engine of its own.
func watched(t *testing.T) (*world, *alert.Engine) {
	t.Helper()
	w := newWorld(t)
	db, err := store.Open(t.Context(), store.Config{Dir: filepath.Join(t.TempDir(), "db"), Reserve: 1 << 20, Ballast: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	e, err := alert.Open(t.Context(), alert.Config{
		DB: db, Bus: w.events, Readings: func(context.Context) []alert.Reading { return nil },
		Rules: []alert.Rule{{Name: "cpu", Text: "processor load", Unit: "%", Warning: 70, Critical: 90}, {Name: "age", Unit: "s", Warning: 60, Critical: 600}},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.cfg.Deps.Alerts = e
	return w.start(), e
}

func TestAlertsAreListed(t *testing.T) {
	w, e := watched(t)
	events := w.events.Subscribe(0, "alert")
	defer events.Close()
	e.Evaluate(t.Context(), []alert.Reading{{Signal: "cpu", Value: 95}, {Signal: "age", Subject: "decode", Value: 70}})
	got := w.get("/alerts?state=firing&limit=1").json(t)
	items, _ := got["items"].([]any)
	next, _ := got["next_cursor"].(string)
	if len(items) != 1 || next == "" {
		t.Fatalf("%v", got)
	}
	first, _ := items[0].(map[string]any)
	if first["rule"] != "age" || first["subject"] != "decode" || first["level"] != "warning" || first["resolved_at"] != nil {
		t.Errorf("%v", first)
	}
	items, _ = w.get("/alerts?limit=1&cursor=" + next).json(t)["items"].([]any)
	second, _ := items[0].(map[string]any)
	if second["rule"] != "cpu" || second["level"] != "critical" || second["limit"] != 90.0 || second["subject"] != nil {
		t.Errorf("%v", second)
	}
	if items, _ := w.get("/alerts?level=critical&rule=age").json(t)["items"].([]any); len(items) != 0 {
		t.Errorf("%v", items)
	}
	for range 2 {
		ev, err := events.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		data, _, err := w.server.eventData(t.Context(), ev)
		if err != nil || !strings.Contains(string(data), `"state":"firing"`) {
			t.Errorf("%s, %v", data, err)
		}
	}
	wantProblem(t, w.get("/alerts?state=nonsense"), 422, "validation_failed")
	wantProblem(t, w.get("/alerts?cursor=x"), 400, "malformed")
	rules, _ := w.get("/alerts/rules").json(t)["items"].([]any)
	if len(rules) != 2 {
		t.Errorf("%v", rules)
	}
}

func TestSilences(t *testing.T) {
	w, e := watched(t)
	res := w.post("/alerts/silences", `{"rule":"cpu","seconds":60,"comment":"a test runs"}`, asJSON)
	if res.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", res.StatusCode, res.body)
	}
	made := res.json(t)
	until, err := time.Parse(time.RFC3339, made["until"].(string))
	if err != nil || time.Until(until) > time.Minute || time.Until(until) < 50*time.Second {
		t.Errorf("until %v, %v", made["until"], err)
	}
	if told := e.Evaluate(t.Context(), []alert.Reading{{Signal: "cpu", Value: 95}}); len(told) != 0 {
		t.Errorf("told in spite of a silence: %v", told)
	}
	items, _ := w.get("/alerts").json(t)["items"].([]any)
	if a, _ := items[0].(map[string]any); a["silenced"] != true {
		t.Errorf("%v", items)
	}
	if items, _ := w.get("/alerts/silences").json(t)["items"].([]any); len(items) != 1 {
		t.Errorf("%v", items)
	}
	path := "/alerts/silences/" + made["id"].(string)
	if res := w.do("DELETE", path, nil); res.StatusCode != http.StatusNoContent {
		t.Errorf("%d %s", res.StatusCode, res.body)
	}
	wantProblem(t, w.do("DELETE", path, nil), 404, "not_found")
	for _, body := range []string{
		`{}`, `{"seconds":60,"until":"2999-01-01T00:00:00Z"}`, `{"until":"2999-01-01T00:00:00Z"}`, `{"until":"2001-01-01T00:00:00Z"}`,
		`{"rule":"nonsense","seconds":60}`, `{"seconds":0.5}`, `{"seconds":60,"other":1}`,
	} {
		wantProblem(t, w.post("/alerts/silences", body, asJSON), 422, "validation_failed")
	}
}
