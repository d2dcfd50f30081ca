package httpapi

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/event"
	"github.com/wayside-edge/wayside/internal/ingest"
	"github.com/wayside-edge/wayside/internal/queue"
)

// TestEventsOfJobsAreShort: result, errors and a payload of more than 4 KiB are to be asked for.
func TestEventsOfJobsAreShort(t *testing.T) {
	w := newWorld(t).start()
	for name, tc := range map[string]struct {
		payload string
		told    bool
	}{
		"as large as is told": {`"` + strings.Repeat("x", 4<<10-2) + `"`, true},
		"larger":              {`"` + strings.Repeat("x", 4<<10-1) + `"`, false},
	} {
		made, err := w.queue.Enqueue(t.Context(), queue.New{Type: "a", Payload: json.RawMessage(tc.payload)})
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.queue.change(made[0].ID, func(j *queue.Job) {
			j.Result, j.Errors = json.RawMessage(`{"big":1}`), []queue.Failure{{Attempt: 1, Message: "it failed"}}
		}, made[0].Status)
		if err != nil {
			t.Fatal(err)
		}
		s := w.stream("/events?topics=job")
		s.hello()
		w.events.Publish(queue.TopicJob, string(made[0].ID), nil)
		ev := s.want("job", "id", made[0].ID)
		if told := ev.data["payload"] != nil; told != tc.told || ev.data["result"] != nil || ev.data["errors"] != nil && len(ev.data["errors"].([]any)) > 0 {
			t.Errorf("%s: payload told: %v, result %v, errors %v", name, told, ev.data["result"], ev.data["errors"])
		}
		if whole := w.get("/jobs/" + string(made[0].ID)).json(t); whole["payload"] == nil || whole["errors"] == nil {
			t.Errorf("%s: GET gives %v", name, whole)
		}
	}
}

// TestEventsThatCannotBeShownAreNotLost: their topic is to be fetched anew.
func TestEventsThatCannotBeShownAreNotLost(t *testing.T) {
	w := newWorld(t).start()
	s := w.stream("/events")
	s.hello()
	made, err := w.queue.Enqueue(t.Context(), queue.New{Type: "a"})
	if err != nil {
		t.Fatal(err)
	}
	w.queue.mu.Lock()
	w.queue.fail = errcode.New(errcode.Internal, "the disk cannot be read")
	w.queue.mu.Unlock()
	w.events.Publish(queue.TopicJob, string(made[0].ID), nil)
	s.want("reset", "topics", []string{"job"})
	w.events.Gone(ingest.TopicFile, "f1")
	s.want("file", "id", "f1")
}

// TestEventIDs: they grow, in the order in which things happen, for every reader the same; those of another run are none.
func TestEventIDs(t *testing.T) {
	w, other := newWorld(t).start(), newWorld(t).start()
	a, b := w.stream("/events"), w.stream("/events?topics=file")
	at := a.hello()
	b.hello()
	const n = 3 * keptFrames // more than are kept rendered
	for i := range n {
		w.events.Gone(ingest.TopicFile, strconv.Itoa(i))
	}
	last := 0
	for i := range n {
		one, two := a.want("file", "id", i), b.want("file", "id", i)
		_, number, _ := strings.Cut(one.id, "-")
		if seq, err := strconv.Atoi(number); err != nil || seq <= last || one.id != two.id {
			t.Fatalf("event %d has the ids %s and %s, after %d", i, one.id, two.id, last)
		} else {
			last = seq
		}
	}
	for range event.DefaultSize / 2 { // so that it has events of these numbers too
		other.events.Gone(ingest.TopicFile, "x")
	}
	s := other.stream("/events", header("Last-Event-ID", at.id))
	if hello := s.hello(); hello.id == at.id {
		t.Errorf("another run goes on at %s", hello.id)
	}
	s.want("reset", "topics", topics())
	// The first block says where a reader is that was told nothing yet.
	again := w.stream("/events", header("Last-Event-ID", at.id))
	if hello := again.hello(); hello.id != at.id {
		t.Errorf("a stream after %s begins at %s", at.id, hello.id)
	}
	again.want("file", "id", 0)
	fresh := w.stream("/events")
	here := fresh.hello()
	w.events.Gone(ingest.TopicFile, "meanwhile")
	later := w.stream("/events", header("Last-Event-ID", here.id))
	later.hello()
	later.want("file", "id", "meanwhile")
}

// TestEventStreamsAreNotKept: neither caches nor proxies hold events back, and the end of the appliance is said.
func TestEventStreamsAreNotKept(t *testing.T) {
	w := newWorld(t).start()
	c := dialWorld(t, w)
	send(t, c, "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
	until(t, "the stream", func() bool { return w.server.events.open.Load() == 1 })
	w.server.Drain()
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	head, body, _ := strings.Cut(string(b), "\r\n\r\n")
	for _, want := range []string{
		"Content-Type: text/event-stream", "Cache-Control: no-store", "X-Accel-Buffering: no", "X-Content-Type-Options: nosniff", "Connection: close", "X-Request-Id: ",
	} {
		if !strings.Contains(head, "\r\n"+want) {
			t.Errorf("no %s in %s", want, head)
		}
	}
	if strings.Contains(head, "Content-Encoding") || !strings.HasPrefix(body, "retry: 3000\nid: ") || !strings.HasSuffix(body, "\n\n: the appliance stops\n\n") {
		t.Errorf("%s\n%q", head, body)
	}
}

// TestSendBufferIsBounded: what a slow reader has not taken is 64 KiB in the kernel at most.
func TestSendBufferIsBounded(t *testing.T) {
	w := newWorld(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	far, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = far.Close() }()
	near, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	own := &conn{TCPConn: near.(*net.TCPConn), patience: w.cfg.AnswerIdle, closed: func() {}}
	defer func() { _ = own.Close() }()
	limitSendBuffer(own)
	raw, err := own.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	size := 0
	if cerr := raw.Control(func(fd uintptr) { size, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF) }); cerr != nil || err != nil {
		t.Fatal(cerr, err)
	}
	if size > 64<<10 {
		t.Errorf("%d bytes", size)
	}
}

// TestRevealedAmongOthers: what is for admins only is so for every reader, whoever is told first and however often.
func TestRevealedAmongOthers(t *testing.T) {
	w := newWorld(t)
	w.cfg.Auth = tokens{}
	w.start()
	_, open := w.addDecode(catalog.Running, "RU1")
	secret := open
	secret.ID, secret.Reveal = "d0099", true
	w.decodes = append(w.decodes, secret)
	first := w.stream("/events", bearer("admin"))
	here := first.hello()
	w.events.Publish(ingest.TopicDecode, secret.ID, secret)
	w.events.Publish(ingest.TopicDecode, secret.ID, nil) // to be looked up
	w.events.Publish(ingest.TopicDecode, open.ID, open)
	first.want("decode", "id", secret.ID)
	first.want("decode", "id", secret.ID)
	first.want("decode", "id", open.ID)
	for range 2 { // rendered before, and kept
		s := w.stream("/events", bearer("read"), header("Last-Event-ID", here.id))
		s.hello()
		s.want("decode", "id", open.ID)
	}
	if res := w.get("/decodes", bearer("read")); res.StatusCode != http.StatusOK || strings.Contains(string(res.body), secret.ID) {
		t.Errorf("the list has it: %d %s", res.StatusCode, res.body)
	}
}
