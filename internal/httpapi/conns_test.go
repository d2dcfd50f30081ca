package httpapi

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wayside-edge/wayside/internal/catalog"
)

func dialWorld(t *testing.T, w *world) net.Conn {
	t.Helper()
	var d net.Dialer
	c, err := d.DialContext(t.Context(), "tcp", w.server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

func send(t *testing.T, c io.Writer, request string) {
	t.Helper()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
}

// until waits for what another goroutine does without telling.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s did not happen", what)
		}
	}
}

func TestAnswersThatNobodyTakesEnd(t *testing.T) {
	w := newWorld(t)
	w.cfg.AnswerIdle = 200 * time.Millisecond
	w.start()
	f, d := w.addDecode(catalog.Done, strings.Repeat("RU", 16<<20))
	w.writeTable(d, 400_000)
	for name, path := range map[string]string{
		"file":   "/files/" + f.ID + "/content",
		"stream": "/decodes/" + d.ID + "/tables/points.ndjson",
	} {
		t.Run(name, func(t *testing.T) {
			c := dialWorld(t, w)
			_ = c.(*net.TCPConn).SetReadBuffer(4 << 10)
			send(t, c, "GET "+pathPrefix+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
			until(t, "the request", func() bool { return w.server.listener.open.Load() == 1 })
			until(t, "the end of the connection", func() bool { return w.server.listener.open.Load() == 0 })
		})
	}
}

// TestSlowReadersGetItAll has a client that takes an answer so slowly that the server's deadline passes again and again
// in the midst of it: what it takes counts, and nothing is missing or there twice. A client that a busy machine does not let
// run for as long as the server's patience is rightly given up, so one that was not let run gets a slower try.
func TestSlowReadersGetItAll(t *testing.T) {
	content := make([]byte, 12<<20)
	rnd := rand.NewChaCha8([32]byte{1})
	_, _ = rnd.Read(content)
	for _, name := range []string{"file", "stream"} {
		t.Run(name, func(t *testing.T) {
			for patience := 400 * time.Millisecond; ; patience *= 2 {
				got, want, gap := readSlowly(t, name, string(content), patience)
				if got == want {
					return
				}
				if gap < patience/2 || patience > 2*time.Second {
					t.Fatalf("got %s, want %s; with a patience of %v the reader paused for %v at most", got, want, patience, gap)
				}
				t.Logf("the reader paused for %v: again, slower", gap)
			}
		})
	}
}

// readSlowly reads an answer at a tenth of a server's patience for each quarter of a megabyte. It gives the digest of
// what came, of what should have come, and the longest pause between two reads.
func readSlowly(t *testing.T, what, content string, patience time.Duration) (got, want string, gap time.Duration) {
	t.Helper()
	w := newWorld(t)
	w.cfg.AnswerIdle = patience
	w.start()
	f, d := w.addDecode(catalog.Done, content)
	path := "/files/" + f.ID + "/content"
	if what == "stream" {
		w.writeTable(d, 300_000)
		path = "/decodes/" + d.ID + "/tables/points.ndjson"
	}
	sum := func(r io.Reader, pace time.Duration) string {
		h := sha256.New()
		for last := time.Now(); ; last = time.Now() {
			_, err := io.CopyN(h, r, 256<<10)
			gap = max(gap, time.Since(last))
			if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				return hex.EncodeToString(h.Sum(nil))
			} else if err != nil {
				return err.Error()
			}
			last = time.Now()
			time.Sleep(pace) // the pace of the reader is what is tested
			gap = max(gap, time.Since(last))
		}
	}
	want = sum(bytes.NewReader(w.get(path).body), 0)
	gap = 0
	c := dialWorld(t, w)
	send(t, c, "GET "+pathPrefix+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	return sum(res.Body, patience/10), want, gap
}

func TestConnectionsAreBounded(t *testing.T) {
	w := newWorld(t)
	w.cfg.Connections = 4
	w.start()
	ask := func(c net.Conn) string {
		send(t, c, "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != http.StatusOK {
			wantFixed(t, w, res.Header, b)
		}
		return fmt.Sprint(res.StatusCode, " ", res.Close, " ", res.Header.Get("Retry-After"), " ", res.Header.Get("Content-Type"), " ", string(b))
	}
	held := make([]net.Conn, 4)
	for i := range held {
		held[i] = dialWorld(t, w)
		until(t, "accepting", func() bool { return w.server.listener.open.Load() == int64(i+1) })
	}
	if got := ask(dialWorld(t, w)); !strings.HasPrefix(got, "503 true 5 "+problemType) || !strings.Contains(got, `"code":"unavailable"`) {
		t.Errorf("one too many got %s", got)
	}
	if got := ask(held[0]); !strings.HasPrefix(got, "200 true ") { // it is kept by none: others want its place
		t.Errorf("one of those that are in got %s", got)
	}
	until(t, "its end", func() bool { return w.server.listener.open.Load() == 3 })
	if got := ask(dialWorld(t, w)); !strings.HasPrefix(got, "200 ") {
		t.Errorf("where there is room again got %s", got)
	}
	_ = held[1].Close()
	_ = held[2].Close()
	until(t, "their end", func() bool { return w.server.listener.open.Load() == 1 })
	if got := ask(dialWorld(t, w)); !strings.HasPrefix(got, "200 false ") {
		t.Errorf("where there is much room got %s", got)
	}
}

// pipes is a listener of connections in memory, whose deadlines follow the clock of a synctest bubble.
type pipes struct{ conns chan net.Conn }

func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// TestDribblers sends a byte a second, for ever.
func TestDribblers(t *testing.T) {
	for name, tc := range map[string]struct {
		begin, answer string
		within        time.Duration
	}{
		"headers": {"GET /health HTTP/1.1\r\nHost: localhost\r\nX-", "", headerTimeout},
		"json": {
			"POST /api/v1/decodes HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n{",
			"HTTP/1.1 400 Bad Request", jsonTime,
		},
		"lean json": {
			"POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n{",
			"HTTP/1.1 400 Bad Request", jsonTime,
		},
		"upload": {
			"POST /api/v1/files?name=a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\nRU",
			"HTTP/1.1 400 Bad Request", defaultUploadIdle + defaultUploadIdle/16,
		},
		"refused": {
			"POST /api/v1/none HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\nRU",
			"HTTP/1.1 404 Not Found", defaultUploadIdle + defaultUploadIdle/16,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				s, err := newServer(w.cfg.withDefaults())
				if err != nil {
					t.Fatal(err)
				}
				l := pipes{make(chan net.Conn, 1)}
				served := make(chan error)
				go func() { served <- s.http.Serve(l) }()
				here, there := net.Pipe()
				l.conns <- here
				began := time.Now()
				answer := make(chan string, 1)
				go func() {
					b, _ := io.ReadAll(there) // its error is how the server ends the connection
					answer <- string(b)
				}()
				var werr error
				for _, err := io.WriteString(there, tc.begin); err == nil && werr == nil; time.Sleep(time.Second) {
					_, werr = io.WriteString(there, "x")
				}
				got, took := <-answer, time.Since(began)
				if !strings.HasPrefix(got, tc.answer) || took > tc.within+2*time.Second {
					t.Errorf("after %v: %s", took, got)
				}
				close(l.conns)
				s.Drain()
				_ = s.http.Shutdown(t.Context())
				if err := <-served; !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
					t.Error(err)
				}
			})
		})
	}
}

// wantFixed looks for the headers that every answer has, and for the id that its problem has too.
func wantFixed(t *testing.T, w *world, h http.Header, body []byte) {
	t.Helper()
	for name, values := range w.server.fixed {
		if want := values[0]; name != "Strict-Transport-Security" && h.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, h.Get(name), want)
		}
	}
	if id := h.Get("X-Request-ID"); id == "" || !strings.Contains(string(body), `"request_id":"`+id+`"`) {
		t.Errorf("id %q of %s", id, body)
	}
	if at, err := http.ParseTime(h.Get("Date")); err != nil || time.Since(at) > time.Minute {
		t.Errorf("date %q", h.Get("Date"))
	}
	if h.Get("Strict-Transport-Security") != "" {
		t.Error("it promises HTTPS in plain text")
	}
}

// TestWhatIsNoRequestGetsAProblem sends what net/http refuses before any handler, on new connections and after a request.
func TestWhatIsNoRequestGetsAProblem(t *testing.T) {
	w := newWorld(t).start()
	const good = "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
	for name, tc := range map[string]struct {
		request, code string
		status        int
	}{
		"noise":       {"\x16\x03\x01\x02\x00\x01\r\n\r\n", "malformed", 400},
		"no host":     {"GET / HTTP/1.1\r\n\r\n", "malformed", 400},
		"host":        {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "malformed", 400},
		"method":      {"G@T / HTTP/1.1\r\nHost: localhost\r\n\r\n", "malformed", 400},
		"bad header":  {"GET / HTTP/1.1\r\nHost: localhost\r\nA B: c\r\n\r\n", "malformed", 400},
		"version":     {"GET / HTTP/7.3\r\nHost: localhost\r\n\r\n", "malformed", 400},
		"encoding":    {"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n", "malformed", 400},
		"two lengths": {"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "malformed", 400},
		"expect":      {"GET / HTTP/1.1\r\nHost: localhost\r\nExpect: the worst\r\n\r\n", "malformed", 400},
		"headers":     {"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 10<<20), "too_large", 413},
		"line":        {"GET /" + strings.Repeat("x", 10<<20), "too_large", 413},
	} {
		for _, before := range []string{"", good} {
			t.Run(name+before[:min(len(before), 3)], func(t *testing.T) {
				c := dialWorld(t, w)
				go func() { _, _ = io.WriteString(c, before+tc.request) }() // cut off in the midst of the longest
				r := bufio.NewReader(c)
				var res *http.Response
				var body []byte
				for range 1 + len(before)/len(good) {
					var err error
					if res, err = http.ReadResponse(r, nil); err != nil {
						t.Fatal(err)
					}
					if body, err = io.ReadAll(res.Body); err != nil {
						t.Fatal(err)
					}
					_ = res.Body.Close()
				}
				if res.StatusCode != tc.status || !res.Close || res.Header.Get("Content-Type") != problemType || !strings.Contains(string(body), `"code":"`+tc.code+`"`) {
					t.Errorf("%d %v %s", res.StatusCode, res.Header, body)
				}
				wantFixed(t, w, res.Header, body)
			})
		}
	}
	// What an answer carries is left as it is.
	const text = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request"
	f, _ := w.addDecode(catalog.Done, strings.Repeat(text, 2000))
	if got := string(w.get("/files/" + f.ID + "/content").body); got != strings.Repeat(text, 2000) {
		t.Errorf("%.200s", got)
	}
}
