package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestAlertCalls holds every call against what is to go over the wire.
func TestAlertCalls(t *testing.T) {
	var got []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got = append(got, strings.TrimSpace(strings.Join([]string{r.Method, strings.TrimPrefix(r.RequestURI, apiPath), string(b)}, " ")))
		alert := `{"id":"a2","rule":"queue_age","subject":"email","state":"firing","level":"warning","value":901.5,"resolved_at":null,"times":2,"silenced":true}`
		switch {
		case strings.HasSuffix(r.URL.Path, "/none"):
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"code":"not_found"}`)
		case r.Method == http.MethodDelete:
			w.WriteHeader(http.StatusNoContent)
		case r.Method == http.MethodPost:
			_, _ = io.WriteString(w, `{"id":"a1","rule":"cpu","subject":null,"until":"2026-01-02T03:04:05Z"}`)
		case strings.HasSuffix(r.URL.Path, "/rules"):
			_, _ = io.WriteString(w, `{"items":[{"name":"cpu","unit":"%","warning":70,"critical":null,"for":60}],"next_cursor":null}`)
		case strings.HasSuffix(r.URL.Path, "/silences"):
			_, _ = io.WriteString(w, `{"items":[],"next_cursor":null}`)
		case r.URL.Query().Get("cursor") == "":
			_, _ = io.WriteString(w, `{"items":[`+alert+`],"next_cursor":"n"}`)
		default:
			_, _ = io.WriteString(w, `{"items":[`+alert+`],"next_cursor":null}`)
		}
	}))
	defer srv.Close()
	c, err := New(Config{Server: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		want string
		call func(ctx context.Context) (bool, error)
	}{
		{"GET /alerts?level=warning&limit=1000&rule=queue_age&state=firing|GET /alerts?cursor=n&level=warning&limit=1000&rule=queue_age&state=firing", func(ctx context.Context) (bool, error) {
			l, err := c.Alerts(ctx, AlertFilter{State: "firing", Level: "warning", Rule: "queue_age"})
			return len(l) == 2 && *l[0].Subject == "email" && l[0].Value == 901.5 && l[0].ResolvedAt == nil && l[0].Times == 2 && l[0].Silenced, err
		}},
		{"GET /alerts/rules?limit=1000", func(ctx context.Context) (bool, error) {
			l, err := c.AlertRules(ctx)
			return len(l) == 1 && *l[0].Warning == 70 && l[0].Critical == nil && *l[0].Unit == "%" && l[0].For == 60, err
		}},
		{"GET /alerts/silences?limit=1000", func(ctx context.Context) (bool, error) {
			l, err := c.Silences(ctx)
			return l != nil && len(l) == 0, err
		}},
		{`POST /alerts/silences {"rule":"cpu","comment":"why","seconds":5400}`, func(ctx context.Context) (bool, error) {
			s, err := c.CreateSilence(ctx, NewSilence{Rule: "cpu", Comment: "why", For: 90 * time.Minute})
			return s.ID == "a1" && *s.Rule == "cpu" && s.Subject == nil && s.Until.Year() == 2026, err
		}},
		{`POST /alerts/silences {"subject":"email","until":"2026-01-02T03:04:05Z"}`, func(ctx context.Context) (bool, error) {
			_, err := c.CreateSilence(ctx, NewSilence{Subject: "email", Until: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)})
			return true, err
		}},
		{"DELETE /alerts/silences/a%2F1", func(ctx context.Context) (bool, error) { return true, c.DeleteSilence(ctx, "a/1") }},
		{"DELETE /alerts/silences/none", func(ctx context.Context) (bool, error) {
			e, ok := errors.AsType[*Error](c.DeleteSilence(ctx, "none"))
			return ok && e.Status == http.StatusNotFound, nil
		}},
	} {
		got = nil
		if ok, err := tc.call(t.Context()); !ok || err != nil {
			t.Errorf("%s: %v, %v", tc.want, ok, err)
		}
		if g := strings.Join(got, "|"); g != tc.want {
			t.Errorf("over the wire went\n%s\nwant\n%s", g, tc.want)
		}
	}
}
