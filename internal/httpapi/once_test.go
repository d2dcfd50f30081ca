package httpapi

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/idempotency"
	"github.com/wayside-edge/wayside/internal/store"
)

// onceWorld is a server that keeps idempotency keys.
func onceWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	db, err := store.Open(t.Context(), store.Config{Dir: t.TempDir(), Reserve: 1, Ballast: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	w.db = db
	w.cfg.Deps.Idempotency = idempotency.New(idempotency.Config{DB: db})
	w.cfg.Deps.Uploads = newFakeUploads()
	return w.start()
}

func key(k string) option { return func(r *http.Request) { r.Header.Set("Idempotency-Key", k) } }

// onceForm makes a form of name=content, with a boundary of its own.
func onceForm(t *testing.T, parts ...string) (body string, opt option) {
	t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	for _, p := range parts {
		name, content, _ := strings.Cut(p, "=")
		f, err := m.CreateFormFile("file", name)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = f.Write([]byte(content))
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), func(r *http.Request) { r.Header.Set("Content-Type", m.FormDataContentType()) }
}

func TestIdempotencyKeyOfUploads(t *testing.T) {
	w := onceWorld(t)
	one, oneType := onceForm(t, "s=7")
	again, againType := onceForm(t, "s=7")
	many, manyType := onceForm(t, "a=1", "b=2")
	manyAgain, manyAgainType := onceForm(t, "a=1", "b=2")
	other, otherType := onceForm(t, "a=1", "c=2")
	asJSON := func(r *http.Request) { r.Header.Set("Content-Type", jsonType) }
	none := func(*http.Request) {}
	for name, tc := range map[string]struct {
		path, body, again, other string
		opt, againOpt, otherOpt  option
		otherPath                string
	}{
		"raw":      {path: "/files?name=a&force=true", body: "abc", again: "abc", other: "abd"},
		"query":    {path: "/files?name=a&force=true&wait=0", body: "xyz", again: "xyz", other: "xyz", otherPath: "/files?name=b&force=true"},
		"form":     {path: "/files", body: one, again: again, other: "x", opt: oneType, againOpt: againType},
		"forms":    {path: "/files", body: many, again: manyAgain, other: other, opt: manyType, againOpt: manyAgainType, otherOpt: otherType},
		"bundle":   {path: "/files?bundle=true", body: many, again: manyAgain, other: other, opt: manyType, againOpt: manyAgainType, otherOpt: otherType},
		"schedule": {path: "/schedules", body: `{"id":"s1","cron":"0 0 * * *","job":{"type":"x"}}`, again: `{"id":"s1","cron":"0 0 * * *","job":{"type":"x"}}`, other: `{"id":"s2","cron":"0 0 * * *","job":{"type":"x"}}`, opt: asJSON, againOpt: asJSON, otherOpt: asJSON},
		"tus":      {path: "/uploads", opt: tusHeaders("Upload-Length", "5"), againOpt: tusHeaders("Upload-Length", "5"), otherOpt: tusHeaders("Upload-Length", "6")},
	} {
		t.Run(name, func(t *testing.T) {
			opt := func(o option) option {
				if o == nil {
					return none
				}
				return o
			}
			first := w.post(tc.path, tc.body, opt(tc.opt), key(name))
			if first.StatusCode != 201 || first.Header.Get(replayHeader) != "" {
				t.Fatalf("first: %d %s", first.StatusCode, first.body)
			}
			uploads := len(w.uploads)
			second := w.post(tc.path, tc.again, opt(tc.againOpt), key(name))
			if second.StatusCode != 201 || second.Header.Get(replayHeader) != "true" || second.Header.Get("Location") != first.Header.Get("Location") ||
				!bytes.Equal(second.body, first.body) {
				t.Errorf("second: %d %s\nnot %s", second.StatusCode, second.body, first.body)
			}
			if len(w.uploads) != uploads {
				t.Error("it was stored again")
			}
			path := tc.path
			if tc.otherPath != "" {
				path = tc.otherPath
			}
			third := w.post(path, tc.other, opt(tc.otherOpt), key(name))
			if third.StatusCode != 409 || !bytes.Contains(third.body, []byte(`"conflict"`)) {
				t.Errorf("other request: %d %s", third.StatusCode, third.body)
			}
			if fresh := w.post(path, tc.other, opt(tc.otherOpt), key(name+" of another")); fresh.StatusCode >= 300 || fresh.Header.Get(replayHeader) != "" {
				t.Errorf("another key: %d %s", fresh.StatusCode, fresh.body)
			}
		})
	}
	for _, bad := range []string{"", strings.Repeat("k", 129)} {
		if res := w.post("/files", "abc", func(r *http.Request) { r.Header["Idempotency-Key"] = []string{bad} }); res.StatusCode != 422 {
			t.Errorf("key of %d bytes: %d", len(bad), res.StatusCode)
		}
	}
}

func TestIdempotencyKeyOfDecodes(t *testing.T) {
	w := onceWorld(t)
	f, _ := w.addDecode(catalog.Done, "abc")
	body := fmt.Sprintf(`{"file_id":%q,"force":true}`, f.ID)
	asJSON := func(r *http.Request) { r.Header.Set("Content-Type", jsonType) }
	first, second := w.post("/decodes", body, asJSON, key("k")), w.post("/decodes", " "+body, asJSON, key("k"))
	if first.StatusCode != 201 || second.StatusCode != 201 || first.json(t)["id"] != second.json(t)["id"] || second.Header.Get(replayHeader) != "true" {
		t.Errorf("%s\n%s", first.body, second.body)
	}
	if res := w.post("/decodes", fmt.Sprintf(`{"file_id":%q}`, f.ID), asJSON, key("k")); res.StatusCode != 409 {
		t.Errorf("%d %s", res.StatusCode, res.body)
	}
}

// TestIdempotencyKeyOfBatches makes a batch of each kind of body, and asks again.
func TestIdempotencyKeyOfBatches(t *testing.T) {
	w := onceWorld(t)
	f, _ := w.addDecode(catalog.Done, "abc")
	asJSON := func(r *http.Request) { r.Header.Set("Content-Type", jsonType) }
	asZip := func(r *http.Request) { r.Header.Set("Content-Type", "application/zip") }
	form, formType := onceForm(t, "a=1", "b=2")
	again, againType := onceForm(t, "a=1", "b=2")
	other, otherType := onceForm(t, "a=1", "b=3")
	stored := func(n int) string {
		return `{"name":"day","file_ids":[` + strings.TrimSuffix(strings.Repeat(`"`+f.ID+`",`, n), ",") + `]}`
	}
	batches := w.cfg.Deps.Batches.(*fakeBatches)
	for name, tc := range map[string]struct {
		body, again, other      string
		opt, againOpt, otherOpt option
		asItIsNow               bool // the answer is too large to be kept
	}{
		"stored":  {stored(2), stored(2), stored(3), asJSON, asJSON, asJSON, false},
		"many":    {stored(4000), stored(4000), stored(3), asJSON, asJSON, asJSON, true},
		"form":    {form, again, other, formType, againType, otherType, false},
		"archive": {"a=1", "a=1", "a=2", asZip, asZip, asZip, false},
	} {
		t.Run(name, func(t *testing.T) {
			first := w.post("/batches", tc.body, tc.opt, key("batch "+name))
			if first.StatusCode != 201 || first.Header.Get(replayHeader) != "" {
				t.Fatalf("first: %d %.300s", first.StatusCode, first.body)
			}
			if large := len(first.body) > maxKeptAnswer; large != tc.asItIsNow {
				t.Fatalf("an answer of %d bytes", len(first.body))
			}
			made := len(batches.all)
			second := w.post("/batches", tc.again, tc.againOpt, key("batch "+name))
			if second.StatusCode != 201 || second.Header.Get(replayHeader) != "true" || second.Header.Get("Location") != first.Header.Get("Location") ||
				second.json(t)["id"] != first.json(t)["id"] || second.json(t)["total"] != first.json(t)["total"] {
				t.Errorf("second: %d %.300s\nnot %.300s", second.StatusCode, second.body, first.body)
			}
			if third := w.post("/batches", tc.other, tc.otherOpt, key("batch "+name)); third.StatusCode != 409 || third.json(t)["code"] != "conflict" {
				t.Errorf("another body: %d %.300s", third.StatusCode, third.body)
			}
			if len(batches.all) != made {
				t.Error("a batch was made")
			}
			if !tc.asItIsNow {
				return
			}
			batches.all = batches.all[:made-1]
			if gone := w.post("/batches", tc.again, tc.againOpt, key("batch "+name)); gone.StatusCode != 404 {
				t.Errorf("what it made is gone: %d %.300s", gone.StatusCode, gone.body)
			}
		})
	}
}

func TestIdempotencyKeyOfRequestsAtOnce(t *testing.T) {
	w := onceWorld(t)
	bodies := make([]string, 8)
	var wg sync.WaitGroup
	for i := range bodies {
		wg.Go(func() { bodies[i] = string(w.post("/files?force=true", "abc", key("k")).body) })
	}
	wg.Wait()
	for _, b := range bodies {
		if b != bodies[0] {
			t.Errorf("%s\n%s", b, bodies[0])
		}
	}
	if len(w.uploads) != 1 {
		t.Errorf("%d uploads", len(w.uploads))
	}
}

// TestIdempotencyKeyOfAFailure: nothing was made, so the next try may succeed.
func TestIdempotencyKeyOfAFailure(t *testing.T) {
	w := onceWorld(t)
	w.mu.Lock()
	w.fail = errcode.New(errcode.DiskFull, "full")
	w.mu.Unlock()
	if res := w.post("/files", "abc", key("k")); res.StatusCode != 507 {
		t.Fatalf("%d %s", res.StatusCode, res.body)
	}
	w.mu.Lock()
	w.fail = nil
	w.mu.Unlock()
	if res := w.post("/files", "abc", key("k")); res.StatusCode != 201 || res.Header.Get(replayHeader) != "" {
		t.Errorf("%d %s", res.StatusCode, res.body)
	}
	if res := w.do(http.MethodDelete, "/files/"+w.files[0].ID, nil); res.StatusCode != 204 {
		t.Fatalf("%d %s", res.StatusCode, res.body)
	}
	if res := w.post("/files", "abc", key("k")); res.StatusCode != 404 {
		t.Errorf("what it made is gone: %d %s", res.StatusCode, res.body)
	}
}

// TestLargeBodyUnderAKey: recordings are compared however long they are, other bodies up to a bound.
func TestLargeBodyUnderAKey(t *testing.T) {
	for _, large := range []bool{true, false} {
		r := httptest.NewRequest(http.MethodPost, "/api/v1/batches", io.LimitReader(zeros{}, maxOnceBody+1))
		if err := newIdentity(r, nil).drain(r, onceRule{large: large}); (err == nil) != large {
			t.Errorf("large %v: %v", large, err)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func FuzzIdentityOfForms(f *testing.F) {
	f.Add([]byte("--b\r\nx\r\n--b--"), 3)
	f.Fuzz(func(t *testing.T, body []byte, cut int) {
		sum := func(boundary string, chunks ...[]byte) [32]byte {
			id := newIdentity(&http.Request{Method: "POST", URL: &url.URL{Path: "/"}, Header: http.Header{"Content-Type": {`multipart/form-data; boundary="` + boundary + `"`}}}, nil)
			for _, c := range chunks {
				_, _ = id.Write(c)
			}
			return id.sum()
		}
		if bytes.ContainsAny(body, "#%") {
			return
		}
		cut = min(max(cut, 0), len(body))
		one := bytes.ReplaceAll(body, []byte("b"), []byte("####"))
		two := bytes.ReplaceAll(body, []byte("b"), []byte("%%%"))
		if sum("####", one) != sum("%%%", two[:min(cut, len(two))], two[min(cut, len(two)):]) {
			t.Errorf("the boundary counts in %q", body)
		}
	})
}
