package httpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	goruntime "runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wayside-edge/wayside/internal/access"
	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/event"
	"github.com/wayside-edge/wayside/internal/ingest"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/runtime"
)

// sse reads an event stream.
type sse struct {
	t      *testing.T
	body   io.ReadCloser
	lines  *bufio.Scanner
	status int
}

type sseEvent struct {
	id, name, retry string
	data            map[string]any
}

func (w *world) stream(path string, opts ...option) *sse {
	w.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, w.url(path), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, o := range opts {
		o(req)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = res.Body.Close() })
	return &sse{t: w.t.(*testing.T), body: res.Body, lines: bufio.NewScanner(res.Body), status: res.StatusCode}
}

// next reads the next event, or block of fields; ok is false at the end of the stream.
func (s *sse) next() (ev sseEvent, ok bool) {
	s.t.Helper()
	for s.lines.Scan() {
		name, value, _ := strings.Cut(s.lines.Text(), ": ")
		switch name {
		case "id":
			ev.id = value
		case "event":
			ev.name = value
		case "retry":
			ev.retry = value
		case "data":
			if err := json.Unmarshal([]byte(value), &ev.data); err != nil {
				s.t.Fatalf("data %s: %v", value, err)
			}
		case "":
			if ev.id != "" {
				return ev, true
			}
		}
	}
	return ev, false
}

// want reads the next event and checks its name and one member of its data.
func (s *sse) want(name, member string, value any) sseEvent {
	s.t.Helper()
	ev, ok := s.next()
	if !ok || ev.name != name || fmt.Sprint(ev.data[member]) != fmt.Sprint(value) {
		s.t.Fatalf("event %q %v, want %s with %s %v", ev.name, ev.data, name, member, value)
	}
	return ev
}

// hello reads how a stream begins: the time to wait, and where it is.
func (s *sse) hello() sseEvent {
	s.t.Helper()
	ev, ok := s.next()
	if !ok || ev.retry != "3000" || ev.name != "" {
		s.t.Fatalf("a stream began with %+v", ev)
	}
	return ev
}

func TestEventsAreTheResources(t *testing.T) {
	w := newWorld(t).start()
	made, err := w.queue.Enqueue(t.Context(), queue.New{Type: "a", Payload: json.RawMessage("\n{\"n\":1}")})
	if err != nil {
		t.Fatal(err)
	}
	f, d := w.addDecode(catalog.Running, "RU1")
	s := w.stream("/events")
	s.hello()
	w.events.Publish(ingest.TopicFile, f.ID, f)
	w.events.Publish(ingest.TopicDecode, d.ID, d)
	w.events.Publish(queue.TopicJob, string(made[0].ID), nil)
	w.events.Publish(queue.TopicQueue, "default", queue.Line{Counts: queue.Counts{Queue: "default", Weight: 7}})
	w.events.Publish(runtime.TopicPlugin, "rail", w.plugins[0])
	w.events.Gone(ingest.TopicFile, "f9")
	w.events.Gone(queue.TopicQueue, "q9")
	w.events.Publish(queue.TopicJob, "j9", nil) // removed since
	w.events.Lose(queue.TopicJob)
	w.events.Publish("batch", "b9", nil) // removed since
	for _, r := range []struct{ topic, path string }{
		{"file", "/files/" + f.ID}, {"decode", "/decodes/" + d.ID}, {"job", "/jobs/" + string(made[0].ID)}, {"queue", ""}, {"plugin", "/plugins/rail"},
	} {
		ev, _ := s.next()
		if ev.name != r.topic {
			t.Fatalf("event %+v, want %s", ev, r.topic)
		}
		if r.path == "" {
			continue
		}
		want := w.get(r.path).json(t)
		if r.topic == "job" {
			want["errors"] = nil
		}
		if a, b := fmt.Sprint(ev.data), fmt.Sprint(want); a != b {
			t.Errorf("%s:\n%s\nGET gives\n%s", r.topic, a, b)
		}
	}
	s.want("file", "deleted", true)
	s.want("queue", "name", "q9")
	s.want("job", "deleted", true)
	s.want("reset", "topics", []string{"job"})
	s.want("batch", "deleted", true)
}

func TestEventsResume(t *testing.T) {
	w := newWorld(t).start()
	f, d := w.addDecode(catalog.Running, "RU1")
	s := w.stream("/events?topics=decode,file")
	s.hello()
	w.events.Publish(ingest.TopicFile, f.ID, f)
	first := s.want("file", "id", f.ID)
	w.events.Publish(ingest.TopicDecode, d.ID, d)
	w.events.Publish(runtime.TopicPlugin, "rail", w.plugins[0])
	w.events.Gone(ingest.TopicFile, "f2")

	again := w.stream("/events?topics=file,decode", header("Last-Event-ID", first.id))
	again.hello()
	again.want("decode", "id", d.ID)
	again.want("file", "id", "f2")
	tool := w.stream("/events?topics=file&last_event_id=" + first.id)
	tool.hello()
	tool.want("file", "id", "f2")

	_, number, _ := strings.Cut(first.id, "-")
	for _, id := range []string{"0123456789-" + number, number, first.id + "0000", "x", strings.Repeat("9", 40)} {
		other := w.stream("/events?topics=file", header("Last-Event-ID", id))
		other.hello()
		other.want("reset", "topics", topics())
		w.events.Gone(ingest.TopicFile, "after "+id)
		other.want("file", "id", "after "+id)
	}
	for range event.DefaultSize {
		w.events.Gone(ingest.TopicFile, "f")
	}
	late := w.stream("/events?topics=file", header("Last-Event-ID", first.id))
	late.hello()
	late.want("reset", "topics", topics())
}

func TestEventsRefuse(t *testing.T) {
	w := newWorld(t).start()
	for _, path := range []string{"/events?topics=nonsense", "/events?topics=file,x", "/events?last_event_id=" + strings.Repeat("x", 129)} {
		if res := w.get(path); res.StatusCode != http.StatusUnprocessableEntity || res.json(t)["code"] != "validation_failed" {
			t.Errorf("%s: %d %s", path, res.StatusCode, res.body)
		}
	}
	if res := w.do(http.MethodHead, "/events", nil); res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != eventStreamType {
		t.Errorf("HEAD: %d %v", res.StatusCode, res.Header)
	}
	w.server.events.open.Add(maxStreams)
	if res := w.get("/events"); res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("one too many: %d", res.StatusCode)
	}
	if n := w.server.events.open.Load(); n != maxStreams {
		t.Errorf("%d streams are counted, want %d", n, maxStreams)
	}
}

func TestSensitiveDecodesAreForAdmins(t *testing.T) {
	w := newWorld(t)
	w.cfg.Auth = tokens{}
	w.start()
	_, open := w.addDecode(catalog.Running, "RU1")
	secret := open
	secret.ID, secret.Reveal = "d0099", true
	reader := w.stream("/events", header("Authorization", "Bearer read"))
	admin := w.stream("/events", header("Authorization", "Bearer admin"))
	reader.hello()
	admin.hello()
	w.events.Publish(ingest.TopicDecode, secret.ID, secret)
	w.events.Publish(ingest.TopicDecode, open.ID, open)
	admin.want("decode", "id", secret.ID)
	admin.want("decode", "id", open.ID)
	reader.want("decode", "id", open.ID)
	if s := w.stream("/events", header("Authorization", "Bearer work")); s.status != http.StatusForbidden {
		t.Errorf("without scope read: %d", s.status)
	}
}

// piped gives a stream over a connection in memory, which has no buffer, as if it were a client's.
func piped(w *world) (*Server, *eventStream, net.Conn, net.Conn) {
	s, err := newServer(w.cfg.withDefaults())
	if err != nil {
		w.t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(w.t.Context(), http.MethodGet, "/api/v1/events", nil)
	e := s.subscribe(r, "", []string{"file"})
	here, there := net.Pipe()
	e.write = s.streamWriter(here)
	return s, e, here, there
}

func TestSlowReadersAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, e, here, there := piped(w)
		began := time.Now()
		e.run(s.drain.Done(), []byte("head")) // nobody reads
		if took := time.Since(began); took != streamPatience {
			t.Errorf("dropped after %v, want %v", took, streamPatience)
		}
		if !strings.Contains(w.log.String(), "reader too slow") {
			t.Errorf("logged %s", w.log.String())
		}
		_, _ = here.Close(), there.Close()
		s.Drain()
	})
}

// revocable is tokens that are revoked while a stream goes on.
type revocable struct {
	auth
	revoked atomic.Bool
}

func (r *revocable) Check(token string) (access.Grant, bool) {
	g, ok := r.auth.Check(token)
	return g, ok && !r.revoked.Load()
}

func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		tokens := &revocable{auth: auth{"t": {"read"}}}
		w.cfg.Auth = tokens
		s, e, here, there := piped(w)
		e.token, e.granted = "t", true
		ended := make(chan struct{})
		go func() {
			e.run(s.drain.Done(), []byte("head"))
			_ = here.Close()
			close(ended)
		}()
		began := time.Now()
		buf := make([]byte, 64)
		if n, err := there.Read(buf); err != nil || string(buf[:n]) != "head" {
			t.Fatalf("%q, %v", buf[:n], err)
		}
		for i := range 3 {
			n, err := there.Read(buf)
			if want := time.Duration(i+1) * 15 * time.Second; err != nil || string(buf[:n]) != ":\n\n" || time.Since(began) != want {
				t.Errorf("%q, %v after %v, want a comment after %v", buf[:n], err, time.Since(began), want)
			}
		}
		tokens.revoked.Store(true)
		if n, err := there.Read(buf); !errors.Is(err, io.EOF) {
			t.Errorf("%q, %v: the stream outlived its token", buf[:n], err)
		}
		<-ended
		s.Drain()
	})
}

func TestDrainEndsStreams(t *testing.T) {
	w := newWorld(t).start()
	s := w.stream("/events")
	s.hello()
	var d net.Dialer
	stuck, err := d.DialContext(t.Context(), "tcp", w.server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stuck.Close() }()
	_ = stuck.(*net.TCPConn).SetReadBuffer(4 << 10)
	if _, err := io.WriteString(stuck, "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	for w.server.events.open.Load() < 2 {
		time.Sleep(time.Millisecond) // until both are there
	}
	for i := range event.DefaultSize { // more than the buffers of the one that does not read hold
		w.events.Gone(ingest.TopicFile, fmt.Sprint(i, strings.Repeat("x", 200)))
	}
	for n := range event.DefaultSize { // what the other reads; it may have been too slow for some
		if ev, ok := s.next(); !ok {
			t.Fatalf("the stream ended after %d events", n)
		} else if _, number, _ := strings.Cut(ev.id, "-"); number == strconv.Itoa(event.DefaultSize) {
			break
		}
	}
	began := time.Now()
	if err := w.server.Close(t.Context()); err != nil {
		t.Errorf("close: %v", err)
	}
	if took := time.Since(began); took > streamPatience-2*time.Second { // what the one that does not read would cost
		t.Errorf("streams held the stop up for %v", took)
	}
	if ev, ok := s.next(); ok {
		t.Errorf("event %+v after the end", ev)
	}
	if err := s.lines.Err(); err != nil {
		t.Errorf("the stream was not ended but cut: %v", err)
	}
	if n := w.server.events.open.Load(); n != 0 {
		t.Errorf("%d streams are left", n)
	}
}

// TestEventsWithoutHijack is a stream whose connection cannot be taken over, as with HTTP/2.
func TestEventsWithoutHijack(t *testing.T) {
	w := newWorld(t)
	s, err := newServer(w.cfg.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewUnstartedServer(s.echo)
	web.EnableHTTP2 = true
	web.StartTLS()
	defer web.Close()
	defer s.Drain()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, web.URL+"/api/v1/events?topics=file", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := web.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.ProtoMajor != 2 {
		t.Fatalf("HTTP/%d", res.ProtoMajor)
	}
	stream := &sse{t: t, body: res.Body, lines: bufio.NewScanner(res.Body)}
	stream.hello()
	w.events.Gone(ingest.TopicFile, "f1")
	stream.want("file", "id", "f1")
	s.Drain()
	if ev, ok := stream.next(); ok {
		t.Errorf("event %+v after the drain", ev)
	}
}

// TestIdleStreamsAreCheap holds what a subscriber costs in the server to less than a fifth of what net/http would keep
// for it. The clients are in the same process, so theirs is counted too.
func TestIdleStreamsAreCheap(t *testing.T) {
	const n = 400
	w := newWorld(t).start()
	conns := make([]net.Conn, n)
	cost := func() int64 {
		goruntime.GC()
		goruntime.GC()
		var m goruntime.MemStats
		goruntime.ReadMemStats(&m)
		return int64(m.HeapAlloc + m.StackInuse)
	}
	before, goroutines := cost(), goruntime.NumGoroutine()
	for i := range conns {
		var d net.Dialer
		c, err := d.DialContext(t.Context(), "tcp", w.server.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		conns[i] = c
		if _, err := io.WriteString(c, "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		head := make([]byte, 4096)
		for got := 0; !strings.Contains(string(head[:got]), "\nid: "); {
			k, err := c.Read(head[got:])
			if got += k; err != nil {
				t.Fatal(err)
			}
		}
	}
	for goruntime.NumGoroutine() > goroutines+n {
		time.Sleep(time.Millisecond) // until net/http has let the last connections go
	}
	each := (cost() - before) / n
	t.Logf("%d bytes each", each)
	if each > 10<<10 {
		t.Errorf("an idle subscriber costs %d bytes, want at most 10 KiB", each)
	}
	w.events.Gone(ingest.TopicFile, "f1")
	for _, c := range conns {
		buf := make([]byte, 4096)
		if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if k, err := c.Read(buf); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) || k == 0 {
			t.Fatalf("%q, %v", buf[:k], err)
		}
	}
}
