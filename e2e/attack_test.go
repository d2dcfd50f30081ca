//go:build e2e

package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// attack is one hostile request, byte for byte.
type attack struct {
	name string
	raw  string // {host} is the address of the appliance, {file} and {decode} what is there
	// want is what has to come back: codes of problems, joined by |; "4xx" any problem that is the caller's; "ok" an answer
	// below 400; "refused" that it is no request (malformed, too large, plain text), or a closed connection. Joined
	// by | too.
	want string
	half bool // the client closes its side after it has sent all: a body that is cut off
}

// request makes the bytes of a request with a body and its length.
func request(method, target, headers, body string) string {
	head := method + " " + target + " HTTP/1.1\r\nHost: {host}\r\n" + headers
	if body != "" || method == "POST" {
		head += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	return head + "Connection: close\r\n\r\n" + body
}

// withHead makes the bytes of a request without a length of its own.
func withHead(line, headers, body string) string { return line + "\r\n" + headers + "\r\n" + body }

// target is the appliance that is attacked.
type target struct {
	t      *testing.T
	a      *appliance
	host   string
	vars   *strings.Replacer
	ids    []string // what vars puts in, and its name before it
	leaks  *regexp.Regexp
	counts map[string]int
}

// leaks are what no answer may have, beside the path of the data folder: stacks, sources, homes, texts of Go's libraries.
const leaks = `goroutine \d|\.go:\d|panic|runtime error|/home/|/root/|wayside-edge|internal/|badger|no such file or|permission denied|` +
	`strconv\.|multipart: |mime: |json: |http: |textproto|unexpected EOF|invalid syntax|<nil>|%!|0x[0-9a-f]{8}|nil pointer|\*errors|i/o timeout|use of closed`

func newTarget(t *testing.T, a *appliance) *target {
	t.Helper()
	up := a.upload("example.RU", example(t), "")
	host := strings.TrimPrefix(a.url, "http://")
	return &target{
		t: t, a: a, host: host, counts: map[string]int{},
		ids:   []string{"{host}", host, "{file}", up.File.ID, "{decode}", up.Decode.ID},
		leaks: regexp.MustCompile(regexp.QuoteMeta(a.dir) + "|" + leaks),
	}
}

// send sends the bytes of an attack and gives the answer, nil if the connection was closed without one.
func (g *target) send(at *attack) (*http.Response, []byte, error) {
	conn, err := net.DialTimeout("tcp", g.host, 10*time.Second)
	if err != nil {
		return nil, nil, fmt.Errorf("the appliance does not answer: %w", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return nil, nil, err
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.WriteString(conn, g.vars.Replace(at.raw)) // the appliance may have answered and closed before all was sent
		if at.half {
			_ = conn.(*net.TCPConn).CloseWrite()
		}
	}()
	defer func() { _ = conn.Close(); <-sent }()
	r := bufio.NewReader(conn)
	method, _, _ := strings.Cut(at.raw, " ")
	if method == "CONNECT" {
		method = "GET" // its answers have bodies here
	}
	res, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
			return nil, nil, fmt.Errorf("no answer in 20 s")
		}
		return nil, nil, nil
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, 8<<20))
	if err != nil && res.StatusCode < 400 {
		return nil, nil, fmt.Errorf("answer: %w", err)
	}
	return res, body, nil
}

// run sends an attack and judges the answer.
func (g *target) run(at *attack) {
	res, body, err := g.send(at) //nolint:bodyclose // send has read it and closes the connection
	short := fmt.Sprintf("%s: %.120q", at.name, at.raw)
	if err != nil {
		g.t.Errorf("%s: %v", short, err)
		return
	}
	wants := strings.Split(at.want, "|")
	has := func(w string) bool { return slices.Contains(wants, w) }
	if res == nil {
		g.counts["closed"]++
		if !has("refused") {
			g.t.Errorf("%s: the connection was closed without an answer", short)
		}
		return
	}
	g.counts[strconv.Itoa(res.StatusCode)]++
	g.leak(short, res, body)
	switch {
	case res.StatusCode >= 500 && res.StatusCode != 501 && res.StatusCode != 505:
		g.t.Errorf("%s: %d %.300s", short, res.StatusCode, body)
	case res.StatusCode < 400:
		if !has("ok") {
			g.t.Errorf("%s: %d, want %s: %.300s", short, res.StatusCode, at.want, body)
		}
	case strings.HasPrefix(res.Header.Get("Content-Type"), "text/plain") || res.Header.Get("Content-Type") == "":
		if !has("refused") || len(body) > 200 {
			g.t.Errorf("%s: %d as plain text, want %s: %.300s", short, res.StatusCode, at.want, body)
		}
	default:
		g.problem(short, at, res, body, has)
	}
}

// problem checks that an answer is a whole problem document of a code that is wanted.
func (g *target) problem(short string, at *attack, res *http.Response, body []byte, has func(string) bool) {
	var p Problem
	if strings.HasPrefix(at.raw, "HEAD ") {
		return
	}
	if ct := res.Header.Get("Content-Type"); ct != "application/problem+json" {
		g.t.Errorf("%s: %d as %q", short, res.StatusCode, ct)
		return
	}
	if err := json.Unmarshal(body, &p); err != nil {
		g.t.Errorf("%s: %v: %.200s", short, err, body)
		return
	}
	if p.Status != res.StatusCode || p.Type != "urn:wayside:error:"+p.Code || p.RequestID == "" || p.RequestID != res.Header.Get("X-Request-ID") || p.Detail == "" {
		g.t.Errorf("%s: problem %+v of %d", short, p, res.StatusCode)
	}
	refused := has("refused") && (p.Code == "malformed" || p.Code == "too_large" || p.Code == "unavailable")
	if !has(p.Code) && !has("4xx") && !refused {
		g.t.Errorf("%s: %d %s, want %s: %.300s", short, res.StatusCode, p.Code, at.want, body)
	}
}

// leak looks for what is nobody's business in an answer. What the request itself said may come back, in instance and in
// the names of fields.
func (g *target) leak(short string, res *http.Response, body []byte) {
	if res.StatusCode < 400 {
		return // data
	}
	text := string(body)
	var p map[string]any
	if json.Unmarshal(body, &p) == nil {
		delete(p, "instance")
		if b, err := json.Marshal(p); err == nil {
			text = string(b)
		}
	}
	for k, v := range res.Header {
		text += "\n" + k + ": " + strings.Join(v, ",")
	}
	if m := g.leaks.FindString(text); m != "" {
		g.t.Errorf("%s: the answer tells %q: %.400s", short, m, text)
	}
	if res.Header.Get("X-Evil") != "" {
		g.t.Errorf("%s: a header was smuggled in: %v", short, res.Header)
	}
}

// standing is what must be as before when all attacks are over.
type standing struct {
	files, jobs, blobs, tmp int
	uploads                 int // files of unfinished ones
	goroutines, fds         float64
}

func (g *target) standing() standing {
	s := standing{
		files: len(list[File](g.a, "/api/v1/files")), jobs: len(list[struct{}](g.a, "/api/v1/jobs")),
		blobs: len(filesBelow(g.t, filepath.Join(g.a.dir, "blobs"))), tmp: len(filesBelow(g.t, filepath.Join(g.a.dir, "tmp"))),
		uploads: len(filesBelow(g.t, filepath.Join(g.a.dir, "uploads"))),
	}
	http.DefaultClient.CloseIdleConnections()
	_, text := g.a.raw("/metrics", nil) //nolint:bodyclose // raw closes it
	for line := range strings.Lines(string(text)) {
		name, v, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.ParseFloat(v, 64)
		switch {
		case err != nil:
		case name == "go_goroutines":
			s.goroutines = n
		case name == "process_open_fds":
			s.fds = n
		}
	}
	return s
}

// settled waits until the appliance stands as it did, or gives how it stands after a while.
func (g *target) settled(before standing) standing {
	var now standing
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		now = g.standing()
		if now.files == before.files && now.jobs == before.jobs && now.blobs == before.blobs && now.tmp == before.tmp && now.uploads == before.uploads &&
			now.goroutines <= before.goroutines+5 && now.fds <= before.fds+5 {
			break
		}
	}
	return now
}

// TestHostileRequests sends requests that no honest client sends, byte for byte: each gets the documented problem or is
// refused, none tells anything of the inside, nothing is left behind, and the appliance goes on.
func TestHostileRequests(t *testing.T) {
	a := start(t, t.TempDir(), "--kv-listen", kvAddress(t))
	g := newTarget(t, a)
	g.beginUploads()
	g.vars = strings.NewReplacer(g.ids...)
	c := newContract(t, a)
	before := g.standing()
	n := 0
	for _, section := range attacks(c) {
		for i := range section.attacks {
			at := &section.attacks[i]
			at.name = section.name + " " + at.name
			g.run(at)
			n++
		}
		if err := a.cmd.Process.Signal(nothing); err != nil {
			t.Fatalf("the appliance has ended in %s: %v\n%s", section.name, err, a.log.tail())
		}
	}
	g.pipelined(50)
	if n < 300 {
		t.Errorf("only %d requests", n)
	}
	t.Logf("%d requests: %v", n, g.counts)
	now := g.settled(before)
	if now.files != before.files || now.jobs != before.jobs || now.blobs != before.blobs || now.tmp != before.tmp || now.uploads != before.uploads ||
		now.goroutines > before.goroutines+5 || now.fds > before.fds+5 {
		t.Errorf("left behind: %+v, before %+v: %v", now, before, filesBelow(t, filepath.Join(a.dir, "tmp")))
	}
	if strings.Contains(a.log.all(), "panicked") {
		t.Errorf("a handler panicked\n%s", a.log.tail())
	}
	if _, err := os.Stat(filepath.Join(a.dir, "LOCK")); err != nil {
		t.Error(err)
	}
	a.get("/health/ready", nil)
}

// pipelined sends many requests before it reads the first answer: they come in order.
func (g *target) pipelined(n int) {
	conn, err := net.Dial("tcp", g.host)
	if err != nil {
		g.t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		g.t.Fatal(err)
	}
	go func() {
		for i := range n {
			_, _ = fmt.Fprintf(conn, "GET /api/v1/files/none HTTP/1.1\r\nHost: %s\r\nX-Request-ID: pipelined-%d\r\n\r\n", g.host, i)
		}
	}()
	r := bufio.NewReader(conn)
	for i := range n {
		res, err := http.ReadResponse(r, nil) //nolint:bodyclose // it is the connection's, which is closed
		if err != nil {
			g.t.Errorf("answer %d: %v", i, err)
			return
		}
		_, _ = io.Copy(io.Discard, res.Body)
		if want := fmt.Sprintf("pipelined-%d", i); res.StatusCode != 404 || res.Header.Get("X-Request-ID") != want {
			g.t.Errorf("answer %d: %d %s", i, res.StatusCode, res.Header.Get("X-Request-ID"))
		}
	}
}
