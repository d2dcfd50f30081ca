package httpapi

import (
	"bufio"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/event"
)

// fakeLogs is a ring of lines, and levels that are kept.
type fakeLogs struct {
	*event.Bus
	mu     sync.Mutex
	levels LogLevels
}

func (f *fakeLogs) Levels() LogLevels {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.levels
}

func (f *fakeLogs) SetLevel(logger, level string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case logger == "":
		f.levels.Level = level
	case level == "":
		delete(f.levels.Loggers, logger)
	default:
		f.levels.Loggers[logger] = level
	}
}

var logStart = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) //nolint:gochecknoglobals // a test's constant

// say logs a line, a second after the one before.
func (f *fakeLogs) say(level, logger, message, more string) {
	at := logStart.Add(time.Duration(f.Head()) * time.Second).Format("2006-01-02T15:04:05.000000Z")
	f.Publish("log", "", fmt.Appendf(nil, `{"timestamp":%q,"level":%q,"message":%q,"service":"wayside","logger":%q%s}`, at, level, message, logger, more))
}

func logWorld(t *testing.T, size int) (*world, *fakeLogs) {
	t.Helper()
	w := newWorld(t)
	f := &fakeLogs{Bus: event.New(size), levels: LogLevels{Level: "info", Loggers: map[string]string{}}}
	t.Cleanup(f.Close)
	w.cfg.Deps.Logs = f
	return w.start(), f
}

func messages(t *testing.T, r reply) string {
	t.Helper()
	items, ok := r.json(t)["items"].([]any)
	if !ok {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	var out []string
	for _, i := range items {
		m, _ := i.(map[string]any)
		out = append(out, fmt.Sprint(m["message"]))
	}
	return strings.Join(out, " ")
}

func TestLinesOfTheLogAreListed(t *testing.T) {
	w, f := logWorld(t, 0)
	if got := messages(t, w.get("/logs")); got != "" {
		t.Errorf("lines of an empty log: %s", got)
	}
	f.say("info", "api", "one", `,"request_id":"r1","n":12345678901234567890`)
	f.say("debug", "queue.local", "two", "")
	f.say("warning", "queue", "three", "")
	f.say("error", "kv", "four", `,"request_id":"r1"`)
	f.Publish("log", "", []byte("no JSON"))
	for path, want := range map[string]string{
		"":                            "four three two one",
		"?level=warning":              "four three",
		"?logger=queue":               "three two",
		"?logger=que":                 "",
		"?q=R1":                       "four one",
		"?since=2026-03-01T12:00:02Z": "four three",
		"?limit=2&level=info":         "four three",
	} {
		if got := messages(t, w.get("/logs"+path)); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	page := w.get("/logs?limit=3").json(t)
	next, _ := page["next_cursor"].(string)
	f.say("info", "api", "five", "")
	if got := messages(t, w.get("/logs?limit=3&cursor="+next)); got != "one" {
		t.Errorf("second page: %s", got)
	}
	if body := string(w.get("/logs?q=12345").body); !strings.Contains(body, `"fields":{"n":12345678901234567890}`) {
		t.Errorf("fields: %s", body)
	}
	if body := string(w.get("/logs?fields=message&limit=1").body); !strings.Contains(body, `"items":[{"message":"five"}]`) {
		t.Errorf("some members: %s", body)
	}
	wantProblem(t, w.get("/logs?level=nonsense"), 422, "validation_failed")
	wantProblem(t, w.get("/logs?cursor=nonsense"), 400, "malformed")
}

// TestLinesOfAFullLogAreListed has more lines logged than are kept: the last ones are there, listed and followed.
func TestLinesOfAFullLogAreListed(t *testing.T) {
	w, f := logWorld(t, 4)
	for i := range 11 {
		f.say("info", "api", fmt.Sprint("line", i), "")
	}
	if got, want := messages(t, w.get("/logs")), "line10 line9 line8 line7"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	s := follow(t, w, "/logs?follow=1&limit=2")
	for _, want := range []string{"log line9", "log line10"} {
		if got := s.next(); got != want {
			t.Fatalf("%q, want %q", got, want)
		}
	}
	if n := f.Stats().Missed; n != 0 {
		t.Errorf("%d readers are counted that have missed lines", n)
	}
}

// follower reads a stream of lines.
type follower struct {
	t    *testing.T
	res  *http.Response
	scan *bufio.Scanner
	id   string
}

func follow(t *testing.T, w *world, path string, opts ...option) *follower {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url(path), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range opts {
		o(req)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	if ct := res.Header.Get("Content-Type"); res.StatusCode != 200 || ct != "text/event-stream" {
		t.Fatalf("%d %s", res.StatusCode, ct)
	}
	return &follower{t: t, res: res, scan: bufio.NewScanner(res.Body)}
}

// next gives the name of the next event, and the message of a line.
func (f *follower) next() string {
	f.t.Helper()
	name := ""
	for f.scan.Scan() {
		switch key, value, _ := strings.Cut(f.scan.Text(), ": "); key {
		case "id":
			f.id = value
		case "event":
			name = value
		case "data":
			_, rest, _ := strings.Cut(value, `"message":"`)
			message, _, _ := strings.Cut(rest, `"`)
			return strings.TrimSpace(name + " " + message)
		}
	}
	f.t.Fatal("the stream ended")
	return ""
}

func TestTheLogIsFollowed(t *testing.T) {
	w, f := logWorld(t, 8)
	for i := range 5 {
		f.say("info", "api", fmt.Sprint("old", i), "")
	}
	f.say("info", "kv", "other", "")
	s := follow(t, w, "/logs?follow=1&logger=api&limit=2")
	for _, want := range []string{"log old3", "log old4"} {
		if got := s.next(); got != want {
			t.Fatalf("%q, want %q", got, want)
		}
	}
	f.say("info", "kv", "not wanted", "")
	f.say("info", "api", "new", "")
	if got := s.next(); got != "log new" {
		t.Fatalf("%q", got)
	}
	last := s.id
	_ = s.res.Body.Close()
	f.say("info", "api", "meanwhile", "")
	s = follow(t, w, "/logs?follow=1&logger=api", header("Last-Event-ID", last))
	if got := s.next(); got != "log meanwhile" {
		t.Fatalf("%q", got)
	}
	last = s.id
	_ = s.res.Body.Close()
	for i := range 20 { // more than the ring holds
		f.say("info", "api", fmt.Sprint("lost", i), "")
	}
	s = follow(t, w, "/logs?follow=1", header("Last-Event-ID", last))
	if got := s.next(); got != "reset" {
		t.Fatalf("%q", got)
	}
	s = follow(t, w, "/logs?follow=1", header("Last-Event-ID", "0011223344-3"))
	if got := s.next(); got != "reset" {
		t.Fatalf("of another run: %q", got)
	}
}

func TestLevelsOfTheLog(t *testing.T) {
	w, _ := logWorld(t, 0)
	put := func(body string) reply { return w.do("PUT", "/logs/level", strings.NewReader(body), asJSON) }
	put(`{"level":"warning"}`)
	put(`{"level":"debug","logger":"queue"}`)
	put(`{"level":"error","logger":"kv"}`)
	got := string(put(`{"level":"default","logger":"kv"}`).body)
	if want := `{"level":"warning","loggers":{"queue":"debug"}}`; strings.TrimSpace(got) != want {
		t.Errorf("%s, want %s", got, want)
	}
	if again := string(w.get("/logs/level").body); again != got {
		t.Errorf("%s, %s", again, got)
	}
	for _, body := range []string{`{}`, `{"level":"loud"}`, `{"level":"default"}`, `{"level":"info","logger":"Not A Logger"}`} {
		wantProblem(t, put(body), 422, "validation_failed")
	}
	for i := range maxLoggers {
		put(fmt.Sprintf(`{"level":"debug","logger":"l%d"}`, i))
	}
	wantProblem(t, put(`{"level":"debug","logger":"more"}`), 409, "conflict")
}

func TestTheLogIsForAdministrators(t *testing.T) {
	w := newWorld(t)
	f := &fakeLogs{Bus: event.New(0), levels: LogLevels{Level: "info", Loggers: map[string]string{}}}
	t.Cleanup(f.Close)
	w.cfg.Deps.Logs, w.cfg.Auth = f, realAccess(t, false)
	w.start()
	_, admin := w.makeToken(`{"name":"me","scopes":["admin"]}`)
	_, reader := w.makeToken(`{"name":"reader","scopes":["read","upload","work"]}`, bearer(admin))
	for _, path := range []string{"/logs", "/logs?follow=1", "/logs/level"} {
		wantProblem(t, w.get(path, bearer(reader)), 403, "forbidden")
	}
	if res := w.get("/logs", bearer(admin)); res.StatusCode != 200 {
		t.Errorf("%d %s", res.StatusCode, res.body)
	}
}
