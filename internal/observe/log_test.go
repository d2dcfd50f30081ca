package observe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/redact"
)

type idsKey struct{}

func ids(ctx context.Context) []slog.Attr {
	id, _ := ctx.Value(idsKey{}).(string)
	return []slog.Attr{slog.String("request_id", id), slog.String("correlation_id", strings.TrimPrefix(id, "r"))}
}

func openLogs(t *testing.T, cfg LogConfig) (*Logs, *bytes.Buffer) {
	t.Helper()
	var buf bytes.Buffer
	cfg.Stdout = &buf
	cfg.Context = ids
	l, err := OpenLogs(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return l, &buf
}

// line gives the one line that was written, as JSON.
func line(t *testing.T, buf *bytes.Buffer) map[string]any {
	t.Helper()
	s := buf.String()
	buf.Reset()
	if strings.Count(s, "\n") != 1 {
		t.Fatalf("not one line: %q", s)
	}
	var m map[string]any
	if err := json.Unmarshal([]byte(s), &m); err != nil {
		t.Fatalf("%v: %q", err, s)
	}
	return m
}

func TestLineFormat(t *testing.T) {
	l, buf := openLogs(t, LogConfig{Service: "box"})
	ctx := context.WithValue(t.Context(), idsKey{}, "r42")
	l.Logger("api").With("a", 1).WithGroup("g").With("b", 2).WarnContext(ctx, "slow_request_detected", "duration", 1500*time.Millisecond,
		"at", time.Date(2024, 1, 2, 3, 4, 5, 0, time.FixedZone("x", 3600)))
	raw := buf.String()
	m := line(t, buf)
	if ts, _ := m["timestamp"].(string); !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$`).MatchString(ts) {
		t.Errorf("timestamp %q", ts)
	}
	delete(m, "timestamp")
	want := map[string]any{
		"level": "warning", "service": "box", "logger": "api", "message": "slow_request_detected", "request_id": "r42",
		"correlation_id": "42", "a": 1.0, "g": map[string]any{"b": 2.0, "duration": 1.5, "at": "2024-01-02T02:04:05Z"},
	}
	if d := cmp.Diff(want, m); d != "" {
		t.Error(d)
	}
	if i, j := strings.Index(raw, `"timestamp"`), strings.Index(raw, `"level"`); i != 1 || j < i {
		t.Errorf("order: %s", raw)
	}

	for at, want := range map[time.Time]string{
		time.Date(2024, 1, 2, 3, 4, 5, 6000, time.FixedZone("x", 3600)): "2024-01-02T02:04:05.000006Z", {}: "20",
	} {
		if err := l.Logger("api").Handler().Handle(ctx, slog.NewRecord(at, slog.LevelInfo, "x", 0)); err != nil {
			t.Fatal(err)
		}
		if m := line(t, buf); !strings.HasPrefix(m["timestamp"].(string), want) {
			t.Errorf("timestamp %v, want %s", m["timestamp"], want)
		}
	}

	l.Logger("queue").InfoContext(t.Context(), "plain", "level", "x", "service", "y")
	m = line(t, buf)
	if _, ok := m["request_id"]; ok || m["level"] != "info" || m["level_"] != "x" || m["service"] != "box" || m["service_"] != "y" {
		t.Errorf("line %v", m)
	}
	l.Logger("queue").InfoContext(ctx, "own id", "request_id", "mine")
	if m = line(t, buf); m["request_id"] != "mine" {
		t.Errorf("line %v", m)
	}
}

func TestLevels(t *testing.T) {
	l, buf := openLogs(t, LogConfig{Level: slog.LevelWarn, Modules: map[string]slog.Level{"queue": slog.LevelDebug}})
	ctx := t.Context()
	say := func(name string) bool {
		buf.Reset()
		l.Logger(name).With("x", 1).InfoContext(ctx, "hello")
		return buf.Len() > 0
	}
	for name, want := range map[string]bool{"api": false, "queue": true, "queue.local": true, "queuex": false, "": false} {
		if say(name) != want {
			t.Errorf("%q: logged %v", name, !want)
		}
	}
	kept := l.Logger("api").WithGroup("g")
	l.SetLevels(slog.LevelDebug, map[string]slog.Level{"queue": slog.LevelError})
	if kept.DebugContext(ctx, "x", "a", 1); buf.Len() == 0 {
		t.Error("a logger made before did not follow the change")
	}
	if !say("api") || say("queue") || say("queue.local") {
		t.Error("the change of levels did not take")
	}
	if base, modules := l.Levels(); base != slog.LevelDebug || modules["queue"] != slog.LevelError {
		t.Errorf("levels %v %v", base, modules)
	}
}

type lazy struct{ v slog.Value }

func (l lazy) LogValue() slog.Value { return l.v }

type named struct{ s string }

func (n named) String() string { return n.s }

const canary = "zQ7canaryX9"

// Nothing bypasses redaction: whatever way a private value takes into the log, it does not come out.
func TestNothingBypassesRedaction(t *testing.T) {
	for _, format := range []string{"json", "console"} {
		l, buf := openLogs(t, LogConfig{Format: format, Level: slog.LevelDebug})
		u, _ := url.Parse("https://u:" + canary + "@h/?x=1&token=" + canary)
		err := fmt.Errorf("open: %w", errors.New("password="+canary))
		ways := map[string]func(*slog.Logger){
			"attr":         func(g *slog.Logger) { g.Info("m", "password", canary) },
			"with":         func(g *slog.Logger) { g.With("api_key", canary).Info("m") },
			"with in":      func(g *slog.Logger) { g.WithGroup("g").With("ssn", canary).Info("m", "a", 1) },
			"group":        func(g *slog.Logger) { g.Info("m", slog.Group("g", slog.String("driver_id", canary))) },
			"inline group": func(g *slog.Logger) { g.Info("m", slog.Group("", slog.String("email", canary))) },
			"group name":   func(g *slog.Logger) { g.Info("m", slog.Group("secret", slog.String("a", canary))) },
			"with group":   func(g *slog.Logger) { g.WithGroup("authorization").Info("m", "a", canary) },
			"message":      func(g *slog.Logger) { g.Info("login with password=" + canary) },
			"error":        func(g *slog.Logger) { g.Info("m", "error", err) },
			"cause":        func(g *slog.Logger) { g.Info("m", "error", errcode.Wrap(errcode.Internal, err, "failed")) },
			"stringer":     func(g *slog.Logger) { g.Info("m", "v", named{"token: " + canary}) },
			"valuer":       func(g *slog.Logger) { g.Info("m", "v", lazy{slog.GroupValue(slog.String("phone", canary))}) },
			"valuer twice": func(g *slog.Logger) {
				g.Info("m", "v", lazy{slog.AnyValue(lazy{slog.StringValue("secret=" + canary)})})
			},
			"url":        func(g *slog.Logger) { g.Info("m", "url", u) },
			"query":      func(g *slog.Logger) { g.Info("m", "query", "a=1&pass%77ord="+canary) },
			"map":        func(g *slog.Logger) { g.Info("m", "v", map[string]any{"a": []any{map[string]string{"token": canary}}}) },
			"struct":     func(g *slog.Logger) { g.Info("m", "v", struct{ DriverID string }{canary}) },
			"json":       func(g *slog.Logger) { g.Info("m", "v", json.RawMessage(`{"credit_card":"`+canary+`"}`)) },
			"attrs":      func(g *slog.Logger) { g.Info("m", "v", []slog.Attr{slog.String("password", canary)}) },
			"attr value": func(g *slog.Logger) { g.Info("m", "v", slog.String("password", canary)) },
			"bytes":      func(g *slog.Logger) { g.Info("m", "v", []byte("secret="+canary)) },
			"key":        func(g *slog.Logger) { g.Info("m", "password="+canary, 1) },
			"header": func(g *slog.Logger) {
				g.Info("m", "headers", map[string][]string{"Authorization": {"Bearer " + canary}})
			},
			"pointer":    func(g *slog.Logger) { s := "token=" + canary; g.Info("m", "v", &s) },
			"level attr": func(g *slog.Logger) { g.LogAttrs(t.Context(), slog.LevelError, "m", slog.Any("cookie", canary)) },
		}
		for name, log := range ways {
			buf.Reset()
			log(l.Logger("api"))
			if s := buf.String(); strings.Contains(s, canary) || !strings.Contains(s, redact.Mask) || strings.Count(s, "\n") != 1 {
				t.Errorf("%s, %s: %s", format, name, s)
			}
		}
	}
}

// Whatever is logged, a line is one JSON object with the fixed fields.
func TestEveryLineIsJSON(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l, buf := openLogs(t, LogConfig{})
		key := rapid.StringN(0, 10, -1).Draw(rt, "key")
		value := rapid.SampledFrom([]any{
			"a\nb\"\x00\xff", 1, 2.5, nil, errors.New("x\ny"), []int(nil),
			map[string]any{"": func() {}},
			(*url.URL)(nil),
			make(chan int),
			struct{ X any }{1i},
		}).Draw(rt, "value")
		record := slog.NewRecord(time.Now(), slog.LevelInfo, rapid.String().Draw(rt, "message"), 0)
		record.Add(key, value)
		if err := l.Logger(rapid.String().Draw(rt, "logger")).Handler().Handle(t.Context(), record); err != nil {
			rt.Fatal(err)
		}
		s := buf.String()
		var m map[string]any
		if err := json.Unmarshal([]byte(s), &m); err != nil || strings.Count(s, "\n") != 1 {
			rt.Fatalf("%v: %q", err, s)
		}
		for _, k := range []string{"timestamp", "level", "service", "logger", "message"} {
			if _, ok := m[k].(string); !ok {
				rt.Fatalf("no %s: %s", k, s)
			}
		}
	})
}

func TestCauseAndBounds(t *testing.T) {
	l, buf := openLogs(t, LogConfig{})
	err := fmt.Errorf("store file: %w", errcode.Wrap(errcode.DiskFull, syscall.ENOSPC, "the disk is full"))
	l.Logger("api").ErrorContext(t.Context(), "failed", "error", err)
	if m := line(t, buf); m["error"] != "store file: the disk is full: no space left on device" {
		t.Errorf("error: %v", m["error"])
	}
	l.Logger("api").InfoContext(t.Context(), "long", "v", strings.Repeat("é", 1<<20))
	if n := buf.Len(); n > 20<<10 {
		t.Errorf("a line of %d bytes", n)
	}
	if m := line(t, buf); !strings.Contains(m["v"].(string), "bytes more") {
		t.Error("a text was cut without a word")
	}
	var broken *url.Error
	l.Logger("api").InfoContext(t.Context(), "nil error", "error", broken)
	line(t, buf)
}

func TestConsole(t *testing.T) {
	l, buf := openLogs(t, LogConfig{Format: "console"})
	l.Logger("api").InfoContext(t.Context(), "hello", "n", 1)
	if s := buf.String(); !strings.Contains(s, "INF hello") || !strings.Contains(s, "logger=api") || strings.Contains(s, "\x1b") || strings.Contains(s, "service") {
		t.Errorf("line %q", s)
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "wayside.log")
	l, err := OpenLogs(LogConfig{Output: path})
	if err != nil {
		t.Fatal(err)
	}
	log := l.Logger("api")
	log.InfoContext(t.Context(), "one")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	log.InfoContext(t.Context(), "two")
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	log.InfoContext(t.Context(), "three")
	if err := errors.Join(l.Close(), l.Close()); err != nil {
		t.Fatal(err)
	}
	log.InfoContext(t.Context(), "four")
	for file, want := range map[string]string{path + ".1": "one two", path: "three"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for s := range strings.Lines(string(b)) {
			var m map[string]any
			if err := json.Unmarshal([]byte(s), &m); err != nil {
				t.Fatal(err)
			}
			got = append(got, m["message"].(string))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s holds %v, want %s", file, got, want)
		}
	}
	if _, err := OpenLogs(LogConfig{Output: "/nonexistent/x.log"}); err == nil {
		t.Error("a file that cannot be made was accepted")
	}
	if _, err := OpenLogs(LogConfig{Format: "xml"}); err == nil {
		t.Error("an unknown format was accepted")
	}
}

// fullDisk takes some bytes of one write and refuses the rest.
type fullDisk struct {
	bytes.Buffer
	room int
}

func (d *fullDisk) Write(p []byte) (int, error) {
	if len(p) > d.room {
		n, _ := d.Buffer.Write(p[:d.room])
		d.room = 0
		return n, io.ErrShortWrite
	}
	d.room -= len(p)
	return d.Buffer.Write(p)
}

// A line that was cut off on a full disk does not spoil the next.
func TestTornLine(t *testing.T) {
	disk := &fullDisk{room: 20}
	l, err := OpenLogs(LogConfig{Stdout: disk})
	if err != nil {
		t.Fatal(err)
	}
	l.Logger("a").InfoContext(t.Context(), "one")
	l.Logger("a").InfoContext(t.Context(), "two")
	disk.room = 1 << 20
	l.Logger("a").InfoContext(t.Context(), "three")
	lines := strings.Split(strings.TrimSpace(disk.String()), "\n")
	if len(lines) != 2 || !json.Valid([]byte(lines[1])) || !strings.Contains(lines[1], "three") {
		t.Errorf("lines %q", lines)
	}
}

func TestJournal(t *testing.T) {
	f, err := os.OpenFile(filepath.Join(t.TempDir(), "journal"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	for journal, want := range map[string]string{fmt.Sprintf("%d:%d", st.Dev, st.Ino): "<4>{", "8:1": "{", "": "{"} {
		if err := f.Truncate(0); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		l, err := OpenLogs(LogConfig{Stdout: f, Journal: journal})
		if err != nil {
			t.Fatal(err)
		}
		l.Logger("api").WarnContext(t.Context(), "x")
		b, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(b), want) {
			t.Errorf("journal %q: %q", journal, b)
		}
	}
}

func TestConcurrentLines(t *testing.T) {
	l, buf := openLogs(t, LogConfig{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			log := l.Logger("api").With("a", 1)
			for range 100 {
				log.InfoContext(t.Context(), "x", "b", []string{"c"})
				l.SetLevels(slog.LevelInfo, nil)
			}
		})
	}
	wg.Wait()
	n := 0
	for s := range strings.Lines(buf.String()) {
		if n++; !json.Valid([]byte(s)) {
			t.Fatalf("line %d: %q", n, s)
		}
	}
	if n != 800 {
		t.Errorf("%d lines", n)
	}
}

func BenchmarkLine(b *testing.B) {
	l, err := OpenLogs(LogConfig{Stdout: io.Discard, Context: ids})
	if err != nil {
		b.Fatal(err)
	}
	log := l.Logger("api")
	ctx := context.WithValue(b.Context(), idsKey{}, "r42")
	b.ReportAllocs()
	for b.Loop() {
		log.InfoContext(ctx, "request_completed", "method", "GET", "path", "/api/v1/files", "query", "limit=100", "status", 200,
			"duration", time.Millisecond, "client_ip", "127.0.0.1")
	}
}
