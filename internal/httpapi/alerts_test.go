package httpapi

import (
	"context"
	"math"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/alert"
	"github.com/wayside-edge/wayside/internal/store"
)

// fakeAlerts has one alert, one rule and one silence.
type fakeAlerts struct{}

const fakeSilence = "a0000000002"

func (fakeAlerts) Alerts(alert.Query) ([]alert.Alert, bool) {
	return []alert.Alert{{
		ID: "a0000000001", Rule: "cpu", State: alert.Firing, Level: alert.Warning, Worst: alert.Critical, Value: 80, Limit: 70, Text: "processor load is 80.0 %",
		StartedAt: logStart, ChangedAt: logStart, Times: 1,
	}}, false
}

func (fakeAlerts) Rules() []alert.Rule {
	return []alert.Rule{{Name: "data_loss", Text: "lost commits", Warning: math.NaN(), Critical: 1}}
}

func (fakeAlerts) Silences() []alert.Silence {
	return []alert.Silence{{ID: fakeSilence, Rule: "cpu", CreatedAt: logStart, Until: logStart.Add(time.Hour)}}
}

func (fakeAlerts) AddSilence(_ context.Context, s alert.Silence) (alert.Silence, error) {
	s.ID, s.CreatedAt = fakeSilence, logStart
	return s, nil
}

func (fakeAlerts) DeleteSilence(_ context.Context, id string) error {
	if id != fakeSilence {
		return alert.ErrNotFound
	}
	return nil
}

// observeCalls are requests of the alerts and the log, and what is in their answers.
func observeCalls() []queueCall {
	const silence, level = "/alerts/silences/" + fakeSilence, "/logs/level"
	return []queueCall{
		{"GET /alerts", "/alerts", "", 200, `"rule":"cpu","subject":null,"state":"firing","level":"warning","worst":"critical"`},
		{"GET /alerts", "/alerts?fields=id,value", "", 200, `{"id":"a0000000001","value":80}`},
		{"GET /alerts/rules", "/alerts/rules", "", 200, `"unit":null,"below":false,"warning":null,"critical":1`},
		{"GET /alerts/silences", "/alerts/silences", "", 200, `"until":"2026-03-01T13:00:00.000000Z"`},
		{"GET /alerts/silences/{id}", silence, "", 200, `"rule":"cpu","subject":null`},
		{"GET /alerts/silences/{id}", "/alerts/silences/none", "", 404, "no such"},
		{"POST /alerts/silences", "/alerts/silences", `{"subject":"decode","seconds":60}`, 201, `"subject":"decode"`},
		{"POST /alerts/silences", "/alerts/silences", `{"seconds":"a minute"}`, 422, "seconds"},
		{"DELETE /alerts/silences/{id}", silence, "", 204, ""},
		{"GET /logs", "/logs?limit=3", "", 200, `"items":[]`},
		{"GET /logs", "/logs?follow=maybe", "", 422, "follow"},
		{"GET /logs/level", level, "", 200, `{"level":"info","loggers":{}}`},
		{"PUT /logs/level", level, `{"level":"debug","logger":"queue"}`, 200, `"loggers":{"queue":"debug"}`},
	}
}

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
