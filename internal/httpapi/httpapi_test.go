package httpapi

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wayside-edge/wayside/internal/catalog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func appendLE(b []byte, x uint64) []byte { return binary.LittleEndian.AppendUint64(b, x) }

func floatBits(f float64) uint64 { return math.Float64bits(f) }

func TestOpenNeedsItsParts(t *testing.T) {
	w := newWorld(t)
	w.cfg.Deps.Events = nil
	if _, err := Open(w.cfg); err == nil || !strings.Contains(err.Error(), "events") {
		t.Errorf("open without events: %v", err)
	}
}

func TestValidateNamesTheKey(t *testing.T) {
	for want, cfg := range map[string]Config{
		"":                  {},
		"server.listen":     {Listen: "8000"},
		"server.max_upload": {MaxUpload: -1},
		"server.hosts":      {Hosts: []string{"box", "http://box/"}},
	} {
		err := cfg.Validate()
		if (err == nil) != (want == "") || (err != nil && !strings.HasPrefix(err.Error(), want+": ")) {
			t.Errorf("%+v: %v, want %s", cfg, err, want)
		}
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	w := newWorld(t)
	s, err := Open(w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	cancel()
	if err := <-done; err != nil {
		t.Errorf("run: %v", err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Errorf("second close: %v", err)
	}
}

func TestCloseWithoutRunFreesTheAddress(t *testing.T) {
	w := newWorld(t)
	s, err := Open(w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", s.Addr().String())
	if err != nil {
		t.Fatalf("the address is still taken: %v", err)
	}
	_ = l.Close()
}

func TestDrain(t *testing.T) {
	w := newWorld(t).start()
	_, d := w.addDecode(catalog.Running, "RU1")
	waited := make(chan reply, 1)
	go func() { waited <- w.get("/decodes/" + d.ID + "?wait=30") }()
	for len(w.subscribers()) == 0 {
		time.Sleep(time.Millisecond) // until the request waits; what it does then is the test
	}
	began := time.Now()
	w.server.Drain()
	defer func() {
		if took := time.Since(began); took > 15*time.Second {
			t.Errorf("a waiting request held the stop up for %v", took)
		}
	}()
	if res := <-waited; res.StatusCode != http.StatusOK || res.json(t)["status"] != "running" {
		t.Errorf("a waiting request is to be answered: %d %s", res.StatusCode, res.body)
	}
	res := w.get("/files")
	wantProblem(t, res, 503, "shutting_down")
	if res.Header.Get("Retry-After") == "" || !res.Close {
		t.Errorf("headers: %v", res.Header)
	}
	wantProblem(t, w.get("/health/ready"), 503, "shutting_down")
	if res := w.get("/health/live"); res.StatusCode != http.StatusOK {
		t.Errorf("live while draining: %d", res.StatusCode)
	}
	if res := w.get("/health"); res.json(t)["status"] != "shutting_down" {
		t.Errorf("health while draining: %s", res.body)
	}
}

// TestDrainLetsRequestsEnd has an upload under way, on one connection, and others that come too late.
func TestDrainLetsRequestsEnd(t *testing.T) {
	w := newWorld(t).start()
	up, idle := dialWorld(t, w), dialWorld(t, w)
	send(t, up, "POST /api/v1/files?name=late HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nRU")
	read := func(c net.Conn) (status int, last bool, retry, body string) {
		t.Helper()
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, res.Close, res.Header.Get("Retry-After"), string(b)
	}
	const get = "GET /api/v1/files HTTP/1.1\r\nHost: localhost\r\n\r\n"
	send(t, idle, get)
	if status, last, _, _ := read(idle); status != http.StatusOK || last {
		t.Fatalf("before: %d", status)
	}
	until(t, "the upload", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		tmp, err := filepath.Glob(filepath.Join(w.dir, "upload-*"))
		return err == nil && len(tmp) == 1
	})
	closed := make(chan error, 1)
	w.server.Drain()
	for _, c := range []net.Conn{idle, dialWorld(t, w)} {
		send(t, c, get)
		status, last, retry, body := read(c)
		if status != http.StatusServiceUnavailable || !last || retry == "" || !strings.Contains(body, "shutting_down") {
			t.Errorf("while draining: %d %v %q %s", status, last, retry, body)
		}
	}
	go func() { closed <- w.server.Close(t.Context()) }()
	send(t, up, "RU")
	if status, _, _, body := read(up); status != http.StatusCreated {
		t.Errorf("the upload under way: %d %s", status, body)
	}
	if err := <-closed; err != nil {
		t.Errorf("close: %v", err)
	}
}

// TestUnusedConnectionsHoldNothingUp closes a server that has them. net/http would always wait five seconds; a busy machine may
// take as long once.
func TestUnusedConnectionsHoldNothingUp(t *testing.T) {
	for tries := 3; ; tries-- {
		took := closeWithUnused(t)
		if took <= 3*time.Second {
			return
		}
		if tries == 1 {
			t.Fatalf("close took %v", took)
		}
		t.Logf("close took %v: again", took)
	}
}

// closeWithUnused gives how long a server with unused connections takes to close.
func closeWithUnused(t *testing.T) time.Duration {
	t.Helper()
	w := newWorld(t).start()
	for range 3 {
		dialWorld(t, w)
	}
	until(t, "accepting", func() bool { return w.server.listener.open.Load() == 3 })
	until(t, "serving", func() bool {
		w.server.unused.mu.Lock()
		defer w.server.unused.mu.Unlock()
		return len(w.server.unused.conns) == 3
	})
	began := time.Now()
	if err := w.server.Close(t.Context()); err != nil {
		t.Fatalf("close: %v", err)
	}
	return time.Since(began)
}

func TestCloseEndsWhatOutlastsIt(t *testing.T) {
	w := newWorld(t)
	entered := make(chan struct{})
	w.direct = func(ctx context.Context, _ DirectRequest, _ io.Writer) error {
		close(entered)
		<-ctx.Done()
		return context.Cause(ctx)
	}
	w.start()
	got := make(chan reply, 1)
	go func() { got <- w.post("/decode", "x") }()
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := w.server.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("close: %v", err)
	}
	wantProblem(t, <-got, 503, "shutting_down")
}

func TestHealth(t *testing.T) {
	w := newWorld(t).start()
	for _, p := range []string{"/health", "/health/live", "/health/ready"} {
		if res := w.get(p); res.StatusCode != 200 || res.json(t)["status"] != "ok" || res.json(t)["version"] != "test" {
			t.Errorf("%s: %d %s", p, res.StatusCode, res.body)
		}
	}
	w.mu.Lock()
	w.health = Health{Components: []Component{{Name: "store", Status: "unhealthy", Detail: "opening", Reasons: []Reason{{Code: "store_broken", Text: "opening", Status: "unhealthy"}}}}}
	w.mu.Unlock()
	res := w.get("/health/ready")
	wantProblem(t, res, 503, "unavailable")
	parts, _ := res.json(t)["components"].([]any)
	if len(parts) != 1 || parts[0].(map[string]any)["name"] != "store" {
		t.Errorf("components: %s", res.body)
	}
	if res := w.get("/health"); res.StatusCode != 200 || res.json(t)["status"] != "not_ready" {
		t.Errorf("health: %d %s", res.StatusCode, res.body)
	}
}
