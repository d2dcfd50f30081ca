package observe

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/wayside-edge/wayside/internal/event"
)

// secretValue is something with the canary in it where it has to be hidden, whatever the name of its field is.
func secretValue(t *rapid.T) any {
	s := rapid.SampledFrom([]string{
		"password=" + canary, "Authorization: Bearer " + canary, canary + "@mail.example.org", "/in/" + canary + " 7/163152.RU",
		"redis://u:" + canary + "@h/1", "a=1&api%5Fkey=" + canary, `{"token":"` + canary + `"}`,
	}).Draw(t, "text")
	return rapid.SampledFrom([]any{
		s, errors.New(s), fmt.Errorf("open: %w", errors.New(s)), []byte(s), json.RawMessage(`{"x":[{"ssn":"` + canary + `"}]}`),
		named{s},
		lazy{slog.StringValue(s)},
		[]any{1, lazy{slog.GroupValue(slog.String("phone", canary))}},
		map[string]any{"a": map[string]any{"driver_id": canary, "s": s}},
		http.Header{"Cookie": {canary}},
		&s,
		slog.GroupValue(slog.String("email", canary), slog.Any("x", []string{s})),
		struct{ Secret, Text string }{canary, s},
	}).Draw(t, "value")
}

// Whatever way through the logger something private takes, and however its parts are put together, it is in neither the
// output nor the lines that can be looked back at, and what stands beside it is.
func TestNoWayAroundRedaction(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		bus := event.New(16)
		defer bus.Close()
		l, buf := openLogs(t, LogConfig{Format: rapid.SampledFrom([]string{"json", "console"}).Draw(rt, "format"), Lines: bus})
		log := l.Logger("api")
		for range rapid.IntRange(0, 4).Draw(rt, "steps") {
			switch rapid.IntRange(0, 3).Draw(rt, "step") {
			case 0:
				log = log.With("v", secretValue(rt))
			case 1:
				log = log.WithGroup(rapid.SampledFrom([]string{"g", "token_count", "x y"}).Draw(rt, "group"))
			case 2:
				log = log.With(slog.Group("g", slog.Any("a", secretValue(rt)), slog.String("api_key", canary)))
			case 3:
				log = log.With("password", secretValue(rt))
			}
		}
		log.InfoContext(t.Context(), "login with token="+canary+" done", "v", secretValue(rt), slog.Group("", slog.Any("w", secretValue(rt))),
			"beside", "what stands beside")
		sub := bus.Subscribe(0)
		defer sub.Close()
		kept, _, err := sub.TryNext()
		if err != nil {
			rt.Fatal(err)
		}
		data, _ := kept.Data.([]byte)
		for _, s := range []string{buf.String(), string(data)} {
			if strings.Contains(s, canary) {
				rt.Fatalf("shows: %s", s)
			}
			if !strings.Contains(s, "what stands beside") {
				rt.Fatalf("lost: %s", s)
			}
		}
	})
}

// BenchmarkLineHiding is what a line costs that has private things in it, beside BenchmarkLine.
func BenchmarkLineHiding(b *testing.B) {
	l, err := OpenLogs(LogConfig{Stdout: io.Discard, Context: ids})
	if err != nil {
		b.Fatal(err)
	}
	log := l.Logger("api")
	err = fmt.Errorf("send: %w", errors.New("login password=abc at smtp://u:p@mail.example.org refused"))
	payload := json.RawMessage(`{"to":"jo@example.org","token":"t","rows":[1,2,3]}`)
	b.ReportAllocs()
	for b.Loop() {
		log.InfoContext(b.Context(), "job_failed", "error", err, "payload", payload, "duration", time.Millisecond)
	}
}
