package tus

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// server is a tus server that can be made to fail. It checks what the protocol demands of clients.
type server struct {
	t interface{ Errorf(string, ...any) }
	*httptest.Server

	mu      sync.Mutex
	uploads map[string]*upload
	n       int
	calls   []string
	// fault says how a request fails: "" not, "500", "cut" after some bytes of it, "lost" with its answer, or a status.
	fault func(r *http.Request) string
}

type upload struct {
	size int64
	data []byte
	meta string
}

func newServer(t interface{ Errorf(string, ...any) }) *server {
	s := &server{t: t, uploads: map[string]*upload{}}
	s.Server = httptest.NewServer(s)
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, r.Method)
	if r.Header.Get("Tus-Resumable") != "1.0.0" {
		s.t.Errorf("%s without Tus-Resumable", r.Method)
	}
	fault := ""
	if s.fault != nil {
		fault = s.fault(r)
	}
	if status, err := strconv.Atoi(fault); err == nil {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Tus-Resumable", "1.0.0")
	body := io.Reader(r.Body)
	if fault == "cut" {
		body = io.LimitReader(r.Body, 1+rand.Int64N(5000))
	}
	status := s.handle(w, r, body)
	if fault == "cut" || fault == "lost" {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(status)
}

func (s *server) handle(w http.ResponseWriter, r *http.Request, body io.Reader) int {
	if r.Method == http.MethodPost {
		size, err := strconv.ParseInt(r.Header.Get("Upload-Length"), 10, 64)
		if err != nil || r.ContentLength != 0 {
			s.t.Errorf("creation of length %q with a body of %d", r.Header.Get("Upload-Length"), r.ContentLength)
		}
		s.n++
		id := fmt.Sprintf("/up/%d", s.n)
		s.uploads[id] = &upload{size: size, meta: r.Header.Get("Upload-Metadata")}
		w.Header().Set("Location", id)
		return http.StatusCreated
	}
	u := s.uploads[r.URL.Path]
	if u == nil {
		return http.StatusNotFound
	}
	if r.Method == http.MethodPatch {
		if r.Header.Get("Content-Type") != "application/offset+octet-stream" {
			return http.StatusUnsupportedMediaType
		}
		if r.Header.Get("Upload-Offset") != strconv.Itoa(len(u.data)) {
			return http.StatusConflict
		}
		b, _ := io.ReadAll(body)
		u.data = append(u.data, b...)
		if int64(len(u.data)) > u.size {
			s.t.Errorf("%d bytes of %d", len(u.data), u.size)
		}
	}
	w.Header().Set("Upload-Offset", strconv.Itoa(len(u.data)))
	w.Header().Set("Upload-Length", strconv.FormatInt(u.size, 10))
	if r.Method == http.MethodPatch {
		return http.StatusNoContent
	}
	return http.StatusOK
}

func (s *server) client(t interface{ Fatal(...any) }, cfg Config) *Client {
	cfg.Endpoint = s.URL + "/up/"
	if cfg.Pause == nil {
		cfg.Pause = func(int) time.Duration { return 0 }
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 7 / 3)
	}
	return b
}

func send(ctx context.Context, c *Client, data []byte, key string) (Result, error) {
	return c.Upload(ctx, Upload{Body: bytes.NewReader(data), Size: int64(len(data)), Key: key, Metadata: map[string]string{"filename": "ä b", "empty": ""}})
}

func (s *server) want(t *testing.T, path string, data []byte) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for u, v := range s.uploads {
		if strings.HasSuffix(path, u) {
			if !bytes.Equal(v.data, data) {
				t.Errorf("%s holds %d bytes, not the %d that were sent", u, len(v.data), len(data))
			}
			return
		}
	}
	t.Errorf("there is no upload %q", path)
}

func TestUpload(t *testing.T) {
	s := newServer(t)
	defer s.Close()
	for _, size := range []int{0, 1, 100_000} {
		for _, chunk := range []int64{0, 40_000} {
			c := s.client(t, Config{Chunk: chunk})
			res, err := send(t.Context(), c, pattern(size), "")
			if err != nil {
				t.Fatal(err)
			}
			s.want(t, res.URL, pattern(size))
		}
	}
	want := "empty,filename " + base64.StdEncoding.EncodeToString([]byte("ä b"))
	if got := s.uploads["/up/1"].meta; got != want {
		t.Errorf("metadata %q, want %q", got, want)
	}
}

// Whatever fails on the way, what arrives is the file, and no byte of it twice.
func TestFaults(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newServer(rt)
		defer s.Close()
		data := pattern(rapid.IntRange(0, 60_000).Draw(rt, "size"))
		faults := rapid.SliceOfN(rapid.SampledFrom([]string{"", "", "cut", "lost", "500", "503", "423", "409", "460"}), 0, 12).Draw(rt, "faults")
		s.fault = func(*http.Request) string {
			if len(faults) == 0 {
				return ""
			}
			f := faults[0]
			faults = faults[1:]
			return f
		}
		c := s.client(rt, Config{Tries: 20, Chunk: rapid.SampledFrom([]int64{0, 7000}).Draw(rt, "chunk")})
		res, err := send(t.Context(), c, data, "")
		if err != nil {
			rt.Fatal(err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if u := s.uploads[strings.TrimPrefix(res.URL, s.URL)]; u == nil || !bytes.Equal(u.data, data) {
			rt.Fatalf("the server has something else at %s", res.URL)
		}
	})
}

// A program that was ended goes on where it was; the file has to be the same.
func TestResumeAfterRestart(t *testing.T) {
	s := newServer(t)
	defer s.Close()
	dir := Dir(filepath.Join(t.TempDir(), "state", "uploads"))
	data := pattern(50_000)
	s.fault = func(r *http.Request) string {
		if r.Method == http.MethodPatch {
			return "cut"
		}
		return ""
	}
	first := s.client(t, Config{Store: dir, Tries: 1})
	if _, err := send(t.Context(), first, data, "k"); err == nil || !strings.Contains(err.Error(), "gave up after 1 tries") {
		t.Fatalf("it did not give up: %v", err)
	}
	s.mu.Lock()
	s.fault = nil
	had := len(s.uploads["/up/1"].data)
	s.mu.Unlock()
	res, err := send(t.Context(), s.client(t, Config{Store: dir}), data, "k")
	if err != nil || res.Resumed != int64(had) || had == 0 || s.n != 1 {
		t.Errorf("resumed at %d of %d, %d uploads, %v", res.Resumed, had, s.n, err)
	}
	s.want(t, res.URL, data)
	if left, err := os.ReadDir(string(dir)); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	// Another key is another file.
	if res, err := send(t.Context(), s.client(t, Config{Store: dir}), data, "other"); err != nil || res.Resumed != 0 || s.n != 2 {
		t.Errorf("another key resumed at %d: %v", res.Resumed, err)
	}
}

// What the store says may be wrong: forgotten, of another length, on another server, complete, or no state at all.
func TestStaleState(t *testing.T) {
	s := newServer(t)
	defer s.Close()
	data := pattern(1000)
	s.uploads["/up/short"] = &upload{size: 3}
	s.uploads["/up/whole"] = &upload{size: 1000, data: data}
	for state, resumed := range map[string]int64{"/up/none": 0, "/up/short": 0, "http://example.invalid/x": 0, "%": 0, "/up/whole": 1000} {
		dir := Dir(t.TempDir())
		if err := dir.Put("k", state); err != nil {
			t.Fatal(err)
		}
		res, err := send(t.Context(), s.client(t, Config{Store: dir}), data, "k")
		if err != nil || res.Resumed != resumed {
			t.Errorf("%s: resumed %d: %v", state, res.Resumed, err)
			continue
		}
		s.want(t, res.URL, data)
	}
	dir := Dir(t.TempDir())
	if err := os.WriteFile(dir.path("k"), []byte(`{"key":"k","ur`), 0o600); err != nil {
		t.Fatal(err)
	}
	if u, err := dir.Get("k"); u != "" || err != nil {
		t.Errorf("torn state: %q %v", u, err)
	}
	dir.clean(time.Now().Add(time.Hour))
	if left, _ := os.ReadDir(string(dir)); len(left) != 0 {
		t.Error("old state stays")
	}
	if err := dir.Delete("never"); err != nil {
		t.Error(err)
	}
}

func TestRefusals(t *testing.T) {
	data := pattern(10)
	for name, tc := range map[string]struct {
		fault string
		calls int
	}{"unauthorized": {"401", 1}, "too large": {"413", 1}, "disk full": {"507", 1}, "version": {"412", 1}, "passing": {"503", 3}} {
		s := newServer(t)
		s.fault = func(*http.Request) string { return tc.fault }
		_, err := send(t.Context(), s.client(t, Config{Tries: 3}), data, "")
		if e, ok := errors.AsType[*Error](err); !ok || strconv.Itoa(e.Status) != tc.fault || len(s.calls) != tc.calls {
			t.Errorf("%s: %v after %d calls", name, err, len(s.calls))
		}
		s.Close()
	}
}

// Servers that are none, or lie.
func TestWrongServers(t *testing.T) {
	data := pattern(10)
	for name, answer := range map[string]func(w http.ResponseWriter, r *http.Request){
		"no tus": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) },
		"other version": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Tus-Resumable", "0.2")
			w.WriteHeader(201)
		},
		"no location":    tusAnswer(201, "", ""),
		"another server": tusAnswer(201, "http://example.invalid/up", ""),
		"status":         tusAnswer(200, "/x", ""),
		"no offset":      tusAnswer(201, "/x", ""),
		"offset beyond":  tusAnswer(201, "/x", "11"),
		"no byte taken":  tusAnswer(201, "/x", "0"),
	} {
		srv := httptest.NewServer(http.HandlerFunc(answer))
		c, err := New(Config{Endpoint: srv.URL, Tries: 2, Pause: func(int) time.Duration { return 0 }})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := send(t.Context(), c, data, ""); err == nil || !strings.Contains(err.Error(), "does not speak tus") {
			t.Errorf("%s: %v", name, err)
		}
		srv.Close()
	}
	for _, bad := range []string{"", "/x", "ftp://x", "http://"} {
		if _, err := New(Config{Endpoint: bad}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func tusAnswer(status int, location, offset string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Tus-Resumable", "1.0.0")
		w.Header().Set("Location", location)
		w.Header().Set("Upload-Offset", offset)
		w.WriteHeader(status)
	}
}

// A server that forgets each upload, or takes requests and no bytes, is given up on.
func TestNoEnd(t *testing.T) {
	s := newServer(t)
	defer s.Close()
	s.fault = func(r *http.Request) string {
		if r.Method == http.MethodPatch {
			return "404"
		}
		return ""
	}
	if _, err := send(t.Context(), s.client(t, Config{Tries: 4}), pattern(10), ""); !errors.Is(err, errGone) || s.n != 4 {
		t.Errorf("%v after %d uploads", err, s.n)
	}
	s.fault = func(r *http.Request) string {
		if r.Method == http.MethodPatch {
			return "409"
		}
		return ""
	}
	if _, err := send(t.Context(), s.client(t, Config{Tries: 4}), pattern(10), ""); err == nil {
		t.Error("an upload without an end ended well")
	}
}

type failing struct{}

func (failing) ReadAt([]byte, int64) (int, error) { return 0, errors.New("bad sector") }

func TestSource(t *testing.T) {
	s := newServer(t)
	defer s.Close()
	c := s.client(t, Config{})
	if _, err := c.Upload(t.Context(), Upload{Body: failing{}, Size: 10}); !errors.Is(err, errSource) || !strings.Contains(err.Error(), "bad sector") {
		t.Errorf("unreadable: %v", err)
	}
	if _, err := c.Upload(t.Context(), Upload{Body: bytes.NewReader(pattern(5)), Size: 10}); !errors.Is(err, errSource) || !strings.Contains(err.Error(), "shorter") {
		t.Errorf("shrunk: %v", err)
	}
	if _, err := c.Upload(t.Context(), Upload{Body: bytes.NewReader(nil), Metadata: map[string]string{"a b": ""}}); err == nil {
		t.Error("a key with a blank was taken")
	}
	if _, err := c.Upload(t.Context(), Upload{Size: -1}); err == nil {
		t.Error("a negative size was taken")
	}
}

// A connection that is dead without saying so is broken off; the end of ctx ends it at once.
func TestStallAndCancel(t *testing.T) {
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer srv.Close()
	defer close(release)
	c, err := New(Config{Endpoint: srv.URL, Tries: 2, Stall: 20 * time.Millisecond, Pause: func(int) time.Duration { return 0 }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := send(t.Context(), c, pattern(10), ""); !errors.Is(err, errStalled) {
		t.Errorf("stalled: %v", err)
	}
	stop := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	if _, err := send(ctx, c, pattern(10), ""); !errors.Is(err, stop) {
		t.Errorf("cancelled: %v", err)
	}
}
