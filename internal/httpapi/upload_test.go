package httpapi

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/textproto"
	goruntime "runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/event"
	"github.com/wayside-edge/wayside/internal/ingest"
	"github.com/wayside-edge/wayside/internal/queue"
)

// form makes a multipart body of name, content pairs.
func form(t *testing.T, pairs ...string) (string, option) {
	t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	if err := m.WriteField("comment", "skipped"); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(pairs); i += 2 {
		p, err := m.CreateFormFile("file", pairs[i])
		if err == nil {
			_, err = io.WriteString(p, pairs[i+1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), header("Content-Type", m.FormDataContentType())
}

func TestUploadRaw(t *testing.T) {
	w := newWorld(t).start()
	path := "/files?name=dir%2Fa.ru&decoder=rail&force=true&param.timezone=Europe/Berlin&param.x.y=2"
	res := w.post(path, "RU1", header("X-Request-ID", "req-1"), header("Content-Type", "application/x-thing; q=1"))
	m := res.json(t)
	if res.StatusCode != http.StatusCreated || res.Header.Get("Location") != "/api/v1/files/f0001" {
		t.Errorf("status %d, Location %q: %s", res.StatusCode, res.Header.Get("Location"), res.body)
	}
	file, decode := m["file"].(map[string]any), m["decode"].(map[string]any)
	for k, want := range map[string]any{
		"name": "a.ru", "size": 3.0, "media_type": "application/x-thing", "source": "api", "wrapped": nil,
		"format": "rail.ru", "created_at": "2026-01-02T03:04:05.000000Z",
	} {
		if file[k] != want {
			t.Errorf("file.%s = %v, want %v", k, file[k], want)
		}
	}
	for k, want := range map[string]any{"status": "queued", "file_id": "f0001", "error": nil, "finished_at": nil, "duration": nil, "cached": false} {
		if decode[k] != want {
			t.Errorf("decode.%s = %v, want %v", k, decode[k], want)
		}
	}
	up := w.uploads[0]
	up.Body = nil
	want := ingest.Upload{
		Name: "a.ru", MediaType: "application/x-thing", Source: catalog.SourceAPI, Decoder: "rail", Decode: true, Force: true,
		Params: map[string]string{"timezone": "Europe/Berlin", "x.y": "2"},
		Trace:  queue.Trace{RequestID: "req-1", CorrelationID: "req-1"},
	}
	if diff := cmp.Diff(want, up); diff != "" {
		t.Errorf("upload (-want +got):\n%s", diff)
	}
	if res := w.post("/files?name=a.ru", "RU1"); res.StatusCode != http.StatusOK {
		t.Errorf("again: %d", res.StatusCode)
	}
}

func TestUploadStoreOnlyAndUnknown(t *testing.T) {
	w := newWorld(t).start()
	if m := w.post("/files?name=a&decode=false", "x").json(t); m["decode"] != nil {
		t.Errorf("decode=false: %v", m["decode"])
	}
	res := w.post("/files?name=b.unknown&wait=30", "??")
	m := res.json(t)
	d := m["decode"].(map[string]any)
	if res.StatusCode != 201 || m["file"].(map[string]any)["format"] != nil || d["status"] != "failed" ||
		d["error"].(map[string]any)["code"] != "unknown_format" || d["decoder"] != nil {
		t.Errorf("unknown format: %d %s", res.StatusCode, res.body)
	}
	if tables, ok := d["tables"].([]any); !ok || len(tables) != 0 {
		t.Errorf("tables are never null: %v", d["tables"])
	}
}

func TestUploadForms(t *testing.T) {
	w := newWorld(t).start()
	body, ct := form(t, "one.ru", "RU1")
	res := w.post("/files", body, ct)
	if m := res.json(t); res.StatusCode != 201 || m["file"].(map[string]any)["name"] != "one.ru" {
		t.Errorf("one part: %d %s", res.StatusCode, res.body)
	}
	body, ct = form(t, "one.ru", "RU1", `..\..\evil/two.ru`, "RU22", "three.ru", "")
	res = w.post("/files", body, ct)
	m := res.json(t)
	items, _ := m["items"].([]any)
	if res.StatusCode != 201 || len(items) != 3 {
		t.Fatalf("three parts: %d %s", res.StatusCode, res.body)
	}
	if b, ok := m["batch"].(map[string]any); !ok || b["total"] != 3.0 {
		t.Errorf("batch: %v", b)
	}
	for i, want := range []string{"one.ru", "two.ru", "three.ru"} {
		if got := items[i].(map[string]any)["file"].(map[string]any)["name"]; got != want {
			t.Errorf("part %d: %v", i, got)
		}
	}
	if res = w.post("/files", body, ct); res.StatusCode != 200 {
		t.Errorf("all there: %d", res.StatusCode)
	}
}

// slowPart makes n bytes without keeping any.
type slowPart struct{ left int64 }

func (g *slowPart) Read(p []byte) (int, error) {
	if g.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), g.left)
	g.left -= n
	return int(n), nil
}

func TestUploadFormIsNotBuffered(t *testing.T) {
	const size = 200 << 20
	w := newWorld(t)
	w.discard = true
	w.start()
	w.post("/files?name=warm", "x")
	head := "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"big.ru\"\r\n\r\n"
	body := io.MultiReader(strings.NewReader(head), &slowPart{size}, strings.NewReader("\r\n--b--\r\n"))
	var before, after goruntime.MemStats
	goruntime.ReadMemStats(&before)
	res := w.do(http.MethodPost, "/files", body, header("Content-Type", "multipart/form-data; boundary=b"))
	goruntime.ReadMemStats(&after)
	if m := res.json(t); res.StatusCode != 201 || m["file"].(map[string]any)["size"] != float64(size) {
		t.Fatalf("%d %s", res.StatusCode, res.body)
	}
	total := after.TotalAlloc - before.TotalAlloc
	t.Logf("200 MiB: %d KiB allocated in all, client included", total>>10)
	if total > 4<<20 {
		t.Errorf("%d bytes allocated for one upload", total)
	}
}

// raw sends bytes on a connection of its own and gives what comes back; half closes the sending side after them.
func raw(t *testing.T, w *world, request string, half bool) string {
	t.Helper()
	var d net.Dialer
	c, err := d.DialContext(t.Context(), "tcp", w.server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, strings.ReplaceAll(request, "HOST", w.server.Addr().String())); err != nil {
		t.Fatal(err)
	}
	if half {
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return "no answer: " + err.Error()
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", res.StatusCode, b)
}

func TestUploadCutOffLeavesNothing(t *testing.T) {
	patient, hasty := newWorld(t).start(), newWorld(t)
	hasty.cfg.UploadIdle = 100 * time.Millisecond
	hasty.start()
	for name, tc := range map[string]struct {
		request, text string
		half          bool
	}{
		"length":    {"POST /api/v1/files?name=a HTTP/1.1\r\nHost: HOST\r\nContent-Length: 100\r\n\r\nRU", "cut off", true},
		"chunked":   {"POST /api/v1/files?name=a HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nRU", "cut off", true},
		"bad chunk": {"POST /api/v1/files?name=a HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nRU", "cut off", false},
		"stalled":   {"POST /api/v1/files?name=a HTTP/1.1\r\nHost: HOST\r\nContent-Length: 100\r\n\r\nRU", "stopped coming", false},
		"not read":  {"POST /api/v1/files?wait=99 HTTP/1.1\r\nHost: HOST\r\nContent-Length: 100\r\n\r\nRU", "stalled", false},
		"form":      {"POST /api/v1/files HTTP/1.1\r\nHost: HOST\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 100\r\n\r\n--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nRU", "cut off", true},
		"json":      {"POST /api/v1/decodes HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", "cut off", true},
	} {
		t.Run(name, func(t *testing.T) {
			w := patient
			if tc.text == "stopped coming" || tc.text == "stalled" { // nothing else ends them
				w = hasty
			}
			got := raw(t, w, tc.request, tc.half)
			if tc.text == "stalled" && strings.HasPrefix(got, "422 ") {
				return // answered, although the body never came
			}
			if !strings.HasPrefix(got, "400 ") || !strings.Contains(got, `"malformed"`) || !strings.Contains(got, tc.text) {
				t.Errorf("answer %s", got)
			}
		})
	}
	for w, left := range map[*world]int{patient: 4, hasty: 1} {
		w.mu.Lock()
		if len(w.files) != 0 || w.left != left {
			t.Errorf("%d files recorded, %d uploads failed while they were read, want %d", len(w.files), w.left, left)
		}
		w.mu.Unlock()
	}
}

// TestSlowUploadIsNotCut sends a byte every now and then, for longer in all than the idle time.
func TestSlowUploadIsNotCut(t *testing.T) {
	w := newWorld(t)
	w.cfg.UploadIdle = 2 * time.Second
	w.start()
	r, p := io.Pipe()
	go func() {
		for range 8 {
			time.Sleep(300 * time.Millisecond) // the pace of the sender is what is tested
			if _, err := p.Write(make([]byte, minProgress)); err != nil {
				return
			}
		}
		_ = p.Close()
	}()
	if res := w.do(http.MethodPost, "/files?name=slow&wait=0", r); res.StatusCode != 201 {
		t.Errorf("%d %s", res.StatusCode, res.body)
	}
}

func TestUploadLimit(t *testing.T) {
	w := newWorld(t)
	w.cfg.MaxUpload = 1000
	w.start()
	if res := w.post("/files?name=a", strings.Repeat("x", 1000)); res.StatusCode != 201 {
		t.Errorf("at the limit: %d %s", res.StatusCode, res.body)
	}
	wantProblem(t, w.post("/files?name=b", strings.Repeat("x", 1001)), 413, "too_large")
	r, p := io.Pipe()
	go func() {
		_ = p.CloseWithError(func() error { _, err := p.Write(make([]byte, 1001)); return errors.Join(err, io.EOF) }())
	}()
	res := w.do(http.MethodPost, "/files?name=c", io.MultiReader(io.LimitReader(r, 1001)))
	wantProblem(t, res, 413, "too_large")
	body, ct := form(t, "a", strings.Repeat("y", 1000), "b", strings.Repeat("z", 1001))
	wantProblem(t, w.post("/files", body, ct), 413, "too_large")
}

func TestWaitEndsWithTheDecode(t *testing.T) {
	w := newWorld(t).start()
	_, d := w.addDecode(catalog.Running, "RU1")
	got := make(chan reply, 1)
	began := time.Now()
	go func() { got <- w.get("/decodes/" + d.ID + "?wait=30") }()
	for len(w.subscribers()) == 0 {
		time.Sleep(time.Millisecond) // until the request waits
	}
	w.events.Publish(ingest.TopicDecode, "another", nil)
	w.finish(d.ID, catalog.Done)
	if m := (<-got).json(t); m["status"] != "done" || m["duration"] != 1.0 {
		t.Errorf("%v", m)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("waited %v", took)
	}
	if res := w.get("/decodes/" + d.ID + "?wait=30"); res.json(t)["status"] != "done" {
		t.Errorf("ended before: %s", res.body)
	}
}

func TestWaitTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{events: event.New(0)}
		w.decodes = []catalog.Decode{{ID: "d1", Status: catalog.Queued}}
		watch := &decodeWatch{decodes: w, sub: w.events.Subscribe(event.Now, ingest.TopicDecode), drain: t.Context()}
		defer watch.close()
		began := time.Now()
		d, err := watch.final(t.Context(), "d1", began.Add(7*time.Second))
		if err != nil || d.Status != catalog.Queued || time.Since(began) != 7*time.Second {
			t.Errorf("timeout: %v %v after %v", d.Status, err, time.Since(began))
		}
		go func() {
			time.Sleep(3 * time.Second)
			w.events.Publish(ingest.TopicDecode, "d1", nil) // progress, no end
			time.Sleep(2 * time.Second)
			w.finish("d1", catalog.Partial)
		}()
		began = time.Now()
		d, err = watch.final(t.Context(), "d1", began.Add(30*time.Second))
		if err != nil || d.Status != catalog.Partial || time.Since(began) != 5*time.Second {
			t.Errorf("end: %v %v after %v", d.Status, err, time.Since(began))
		}
	})
}

func TestSafeName(t *testing.T) {
	for in, want := range map[string]string{
		"": noName, "a.ru": "a.ru", "/etc/passwd": "passwd", `C:\x\y.ru`: "y.ru", "..": noName, ".": noName, "a/": noName, "../a": "a",
		"a\x00b\nc": "abc", "  a b  ": "a b", "\xffx": "�x", "ä.ru": "ä.ru", "a\u202eur.b": "aur.b", "\u2028": noName, ".hidden": ".hidden",
		strings.Repeat("ä", 200): strings.Repeat("ä", 127),
	} {
		if got := safeName(in); got != want {
			t.Errorf("safeName(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzSafeName(f *testing.F) {
	for _, s := range []string{"a.ru", "../../x", "\xff\xfe", "a\u202eb", strings.Repeat("界", 100), "\r\nSet-Cookie: x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name := safeName(s)
		if name == "" || len(name) > maxName || !utf8.ValidString(name) || strings.ContainsAny(name, "/\\\x00\r\n\t") || name == ".." {
			t.Errorf("safeName(%q) = %q", s, name)
		}
		if again := safeName(name); again != name {
			t.Errorf("%q becomes %q, then %q", s, name, again)
		}
		h := attachment(name)
		for i := range len(h) {
			if h[i] < ' ' || h[i] > '~' {
				t.Fatalf("attachment(%q) = %q", name, h)
			}
		}
	})
}

func TestPartHeadersAreBounded(t *testing.T) {
	w := newWorld(t).start()
	h := textproto.MIMEHeader{"Content-Disposition": {`form-data; name="file"; filename="` + strings.Repeat("x", 11<<20) + `"`}}
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	if _, err := m.CreatePart(h); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, w.post("/files", b.String(), header("Content-Type", m.FormDataContentType())), 400, "malformed")
}
