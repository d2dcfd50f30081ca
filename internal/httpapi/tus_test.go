package httpapi

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/batch"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/upload"
)

// fakeUploads are uploads in memory.
type fakeUploads struct {
	mu       sync.Mutex
	all      map[string]*upload.Upload
	data     map[string][]byte
	fail     error // of the next Finish
	appended chan int
}

func newFakeUploads() *fakeUploads {
	return &fakeUploads{all: map[string]*upload.Upload{}, data: map[string][]byte{}, appended: make(chan int, 100)}
}

func (f *fakeUploads) Create(_ context.Context, n upload.New) (upload.Upload, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	u := &upload.Upload{New: n, ID: fmt.Sprintf("u%d", len(f.all)+1), ExpiresAt: time.Unix(2e9, 0)}
	f.all[u.ID] = u
	return *u, nil
}

func (f *fakeUploads) Get(_ context.Context, id string) (upload.Upload, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if u := f.all[id]; u != nil {
		return *u, nil
	}
	return upload.Upload{}, upload.ErrNotFound
}

func (f *fakeUploads) Append(_ context.Context, id string, offset int64, body io.Reader, check *upload.Check) (upload.Upload, error) {
	u, err := f.Get(context.Background(), id)
	if err != nil || u.Offset != offset {
		return u, upload.ErrOffset
	}
	var got []byte
	buf := make([]byte, 1000)
	for err == nil {
		var n int
		if n, err = body.Read(buf); n > 0 {
			got = append(got, buf[:n]...)
			select {
			case f.appended <- n:
			default:
			}
		}
	}
	if errcode.Is(err, errcode.TooLarge) {
		return u, err
	}
	if check != nil {
		if err := check.Whole(); err != nil {
			return u, err
		}
		check.Hash.Write(got)
		if !bytes.Equal(check.Hash.Sum(nil), check.Want) {
			return u, upload.ErrChecksum
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.data[id] = append(f.data[id], got...)
	f.all[id].Offset += int64(len(got))
	return *f.all[id], nil
}

func (f *fakeUploads) Finish(_ context.Context, id string) (upload.Upload, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	u := f.all[id]
	if err := f.fail; err != nil {
		f.fail = nil
		return *u, err
	}
	u.Done = &upload.Done{FileID: "f" + id, DecodeID: "d" + id, BatchID: u.Batch, Existing: u.Name == "twin"}
	return *u, nil
}

func (f *fakeUploads) Terminate(_ context.Context, id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.all[id] == nil {
		return upload.ErrNotFound
	}
	delete(f.all, id)
	return nil
}

// tusWorld is a server with uploads in memory.
func tusWorld(tb testing.TB) (*world, *fakeUploads) {
	tb.Helper()
	w, f := newWorld(tb), newFakeUploads()
	w.cfg.Deps.Uploads = f
	return w.start(), f
}

func tusHeaders(extra ...string) option {
	return func(r *http.Request) {
		r.Header.Set("Tus-Resumable", "1.0.0")
		if r.Method == http.MethodPatch {
			r.Header.Set("Content-Type", "application/offset+octet-stream")
		}
		for i := 0; i+1 < len(extra); i += 2 {
			r.Header.Set(extra[i], extra[i+1])
		}
	}
}

func meta(pairs ...string) string {
	var out []string
	for i := 0; i+1 < len(pairs); i += 2 {
		out = append(out, pairs[i]+" "+base64.StdEncoding.EncodeToString([]byte(pairs[i+1])))
	}
	return strings.Join(out, ",")
}

func TestTusUpload(t *testing.T) {
	for _, slash := range []string{"", "/"} {
		w, f := tusWorld(t)
		m := meta("filename", "../../etc/\u202epasswd\x00.RU", "filetype", "text/plain", "decoder", "rail", "param.timezone", "UTC", "relativePath", "x")
		res := w.do(http.MethodPost, "/uploads"+slash, nil, tusHeaders("Upload-Length", "11", "Upload-Metadata", m))
		if res.StatusCode != 201 || res.Header.Get("Location") != "/api/v1/uploads/u1" || res.Header.Get("Upload-Expires") == "" || res.Header.Get("Tus-Resumable") != "1.0.0" {
			t.Fatalf("%d %v", res.StatusCode, res.Header)
		}
		u := f.all["u1"]
		if u.Name != "passwd.RU" || u.MediaType != "text/plain" || u.Decoder != "rail" || !maps.Equal(u.Params, map[string]string{"timezone": "UTC"}) || u.Size != 11 {
			t.Errorf("%+v", u)
		}
		one := "/uploads/u1" + slash
		res = w.do(http.MethodPatch, one, strings.NewReader("hello "), tusHeaders("Upload-Offset", "0"))
		if res.StatusCode != 204 || res.Header.Get("Upload-Offset") != "6" || res.Header.Get("X-File-ID") != "" {
			t.Fatalf("%d %v", res.StatusCode, res.Header)
		}
		res = w.do(http.MethodHead, one, nil)
		if res.StatusCode != 200 || res.Header.Get("Upload-Offset") != "6" || res.Header.Get("Upload-Length") != "11" || res.Header.Get("Upload-Metadata") != m ||
			res.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%d %v", res.StatusCode, res.Header)
		}
		sum := sha256.Sum256([]byte("world"))
		res = w.do(http.MethodPost, one, strings.NewReader("world"), tusHeaders("Upload-Offset", "6", "X-HTTP-Method-Override", "PATCH",
			"Content-Type", "application/offset+octet-stream", "Upload-Checksum", "sha256 "+base64.StdEncoding.EncodeToString(sum[:])))
		if res.StatusCode != 204 || res.Header.Get("Upload-Offset") != "11" || res.Header.Get("X-File-ID") != "fu1" || res.Header.Get("X-Decode-ID") != "du1" {
			t.Fatalf("%d %v %s", res.StatusCode, res.Header, res.body)
		}
		if res = w.do(http.MethodHead, one, nil); res.Header.Get("X-File-ID") != "fu1" {
			t.Errorf("%v", res.Header)
		}
		if res = w.do(http.MethodDelete, one, nil, tusHeaders()); res.StatusCode != 204 || res.Header.Get("Upload-Offset") != "" {
			t.Errorf("%d %v", res.StatusCode, res.Header)
		}
		if res = w.do(http.MethodHead, one, nil); res.StatusCode != 404 {
			t.Errorf("after its end: %d", res.StatusCode)
		}
	}
}

// TestTusIntoABatch: a file joins a batch that there is and that takes files, decoded as the batch says.
func TestTusIntoABatch(t *testing.T) {
	w, f := tusWorld(t)
	w.cfg.Deps.Batches.(*fakeBatches).all = []fakeBatch{
		{made: batch.New{Decoder: "rail", Params: map[string]string{"timezone": "UTC"}}},
		{ended: string(batch.Cancelled)},
		{made: batch.New{Items: make([]batch.NewItem, batch.MaxItems)}},
	}
	post := func(pairs ...string) reply {
		return w.do(http.MethodPost, "/uploads", strings.NewReader("x"), tusHeaders("Upload-Length", "1", "Upload-Metadata", meta(pairs...), "Content-Type", "application/offset+octet-stream"))
	}
	res := post("batch", "b0001", "decoder", "rail")
	if u := f.all["u1"]; res.StatusCode != 201 || res.Header.Get("X-Batch-ID") != "b0001" || u.Batch != "b0001" || u.Decoder != "rail" || u.Params["timezone"] != "UTC" {
		t.Errorf("%d %v %+v", res.StatusCode, res.Header, u)
	}
	for name, pairs := range map[string][]string{
		"none": {"batch", "b0009"}, "no id": {"batch", "../b"}, "cancelled": {"batch", "b0002"}, "full": {"batch", "b0003"},
		"other decoder": {"batch", "b0001", "decoder", "other"}, "other parameters": {"batch", "b0001", "param.timezone", "CET"},
	} {
		if res := post(pairs...); res.StatusCode != 422 || !bytes.Contains(res.body, []byte(`"field":"batch"`)) {
			t.Errorf("%s: %d %s", name, res.StatusCode, res.body)
		}
	}
	if len(f.all) != 1 {
		t.Errorf("left behind: %v", f.all)
	}
}

func TestTusDiscovery(t *testing.T) {
	w, _ := tusWorld(t)
	w.server.cfg.Auth = nil
	res := w.do(http.MethodOptions, "/uploads", nil)
	for name, want := range map[string]string{
		"Tus-Version": "1.0.0", "Tus-Extension": "creation,creation-with-upload,termination,checksum,expiration",
		"Tus-Checksum-Algorithm": "sha256,sha1,md5",
	} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestTusRefusals(t *testing.T) {
	w, f := tusWorld(t)
	w.do(http.MethodPost, "/uploads", nil, tusHeaders("Upload-Length", "5"))
	patch := func(extra ...string) option { return tusHeaders(append([]string{"Upload-Offset", "0"}, extra...)...) }
	for name, tc := range map[string]struct {
		method, path, body string
		opt                option
		status             int
		code               errcode.Code
	}{
		"no version":         {"POST", "/uploads", "", func(r *http.Request) { r.Header.Set("Upload-Length", "1") }, 412, errcode.PreconditionFailed},
		"no length":          {"POST", "/uploads", "", tusHeaders(), 400, errcode.Malformed},
		"negative length":    {"POST", "/uploads", "", tusHeaders("Upload-Length", "-1"), 400, errcode.Malformed},
		"huge length":        {"POST", "/uploads", "", tusHeaders("Upload-Length", "99999999999999999999"), 400, errcode.Malformed},
		"deferred length":    {"POST", "/uploads", "", tusHeaders("Upload-Defer-Length", "1"), 400, errcode.Malformed},
		"concatenation":      {"POST", "/uploads", "", tusHeaders("Upload-Length", "1", "Upload-Concat", "partial"), 400, errcode.Malformed},
		"metadata":           {"POST", "/uploads", "", tusHeaders("Upload-Length", "1", "Upload-Metadata", "filename !!!"), 422, errcode.ValidationFailed},
		"metadata twice":     {"POST", "/uploads", "", tusHeaders("Upload-Length", "1", "Upload-Metadata", "a YQ==,a YQ=="), 422, errcode.ValidationFailed},
		"metadata too long":  {"POST", "/uploads", "", tusHeaders("Upload-Length", "1", "Upload-Metadata", meta("a", strings.Repeat("x", maxMetadata))), 422, errcode.ValidationFailed},
		"batch":              {"POST", "/uploads", "", tusHeaders("Upload-Length", "1", "Upload-Metadata", meta("batch", "../b")), 422, errcode.ValidationFailed},
		"decode, odd":        {"POST", "/uploads", "", tusHeaders("Upload-Length", "1", "Upload-Metadata", meta("decode", "maybe")), 422, errcode.ValidationFailed},
		"not decoded, batch": {"POST", "/uploads", "", tusHeaders("Upload-Length", "1", "Upload-Metadata", meta("decode", "false")+","+meta("batch", "b0001")), 422, errcode.ValidationFailed},
		"other offset":       {"PATCH", "/uploads/u1", "x", tusHeaders("Upload-Offset", "3"), 409, errcode.Conflict},
		"offset that lies":   {"PATCH", "/uploads/u1", "x", tusHeaders("Upload-Offset", "-3"), 400, errcode.Malformed},
		"no offset":          {"PATCH", "/uploads/u1", "x", tusHeaders(), 400, errcode.Malformed},
		"type":               {"PATCH", "/uploads/u1", "x", patch("Content-Type", "text/plain"), 415, errcode.UnsupportedMediaType},
		"too much":           {"PATCH", "/uploads/u1", "123456", patch(), 413, errcode.TooLarge},
		"unknown":            {"PATCH", "/uploads/u9", "x", patch(), 404, errcode.NotFound},
		"path tricks":        {"PATCH", "/uploads/..%2f..%2fetc", "x", patch(), 404, errcode.NotFound},
		"algorithm":          {"PATCH", "/uploads/u1", "x", patch("Upload-Checksum", "crc32 AAAA"), 400, errcode.Malformed},
		"digest":             {"PATCH", "/uploads/u1", "x", patch("Upload-Checksum", "sha1 AAAA"), 400, errcode.Malformed},
		"wrong sum":          {"PATCH", "/uploads/u1", "x", patch("Upload-Checksum", "md5 AAAAAAAAAAAAAAAAAAAAAA=="), 460, errcode.Conflict},
		"end of nothing":     {"DELETE", "/uploads/u9", "", tusHeaders(), 404, errcode.NotFound},
		"reading":            {"GET", "/uploads/u1", "", tusHeaders(), 405, errcode.MethodNotAllowed},
		"override to GET":    {"POST", "/uploads/u1", "", tusHeaders("X-HTTP-Method-Override", "GET"), 405, errcode.MethodNotAllowed},
		"override to naught": {"POST", "/uploads", "", tusHeaders("X-HTTP-Method-Override", "FOO"), 405, errcode.MethodNotAllowed},
	} {
		res := w.do(tc.method, tc.path, strings.NewReader(tc.body), tc.opt)
		if res.StatusCode != tc.status || !bytes.Contains(res.body, []byte(`"code":"`+tc.code+`"`)) || res.Header.Get("Content-Type") != problemType {
			t.Errorf("%s: %d %s", name, res.StatusCode, res.body)
		}
		if tc.status == 412 && res.Header.Get("Tus-Version") != "1.0.0" {
			t.Errorf("%s: no version is told", name)
		}
	}
	if len(f.all) != 1 || f.all["u1"].Offset > 5 {
		t.Errorf("left behind: %v", f.all)
	}
}

// TestTusFinishFails: the answer to the last piece, and to every question after it, says that there is no file yet, until
// there is.
func TestTusFinishFails(t *testing.T) {
	w, f := tusWorld(t)
	full := errcode.New(errcode.DiskFull, "not enough free disk space")
	f.fail = full
	res := w.do(http.MethodPost, "/uploads", strings.NewReader("hello"), tusHeaders("Upload-Length", "5", "Content-Type", "application/offset+octet-stream"))
	if res.StatusCode != 507 || res.Header.Get("Location") != "/api/v1/uploads/u1" || res.Header.Get("Upload-Offset") != "5" || res.Header.Get("Retry-After") == "" {
		t.Fatalf("%d %v %s", res.StatusCode, res.Header, res.body)
	}
	f.fail = full
	if res = w.do(http.MethodHead, "/uploads/u1", nil); res.StatusCode != 507 {
		t.Errorf("asked: %d", res.StatusCode)
	}
	if res = w.do(http.MethodPatch, "/uploads/u1", nil, tusHeaders("Upload-Offset", "5")); res.StatusCode != 204 || res.Header.Get("X-File-ID") != "fu1" {
		t.Errorf("tried again: %d %v", res.StatusCode, res.Header)
	}
}

// TestTusTakesOver: a request that comes while another one's connection hangs gets the upload at once, and what the other
// had sent counts.
func TestTusTakesOver(t *testing.T) {
	w, f := tusWorld(t)
	w.do(http.MethodPost, "/uploads", nil, tusHeaders("Upload-Length", "2000"))
	conn, err := net.Dial("tcp", w.server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "PATCH /api/v1/uploads/u1 HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\nContent-Type: application/offset+octet-stream\r\nUpload-Offset: 0\r\nContent-Length: 2000\r\n\r\n%s", strings.Repeat("x", 700))
	for n := 0; n < 700; {
		n += <-f.appended
	}
	began := time.Now()
	res := w.do(http.MethodHead, "/uploads/u1", nil)
	if res.StatusCode != 200 || res.Header.Get("Upload-Offset") != "700" {
		t.Fatalf("%d %v", res.StatusCode, res.Header)
	}
	if took := time.Since(began); took > tusLockWait/2 {
		t.Errorf("it took %v", took)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if answer.StatusCode != 409 || !bytes.Contains(body, []byte("took over")) {
		t.Errorf("the other was told %d %s", answer.StatusCode, body)
	}
	rest := w.do(http.MethodPatch, "/uploads/u1", strings.NewReader(strings.Repeat("y", 1300)), tusHeaders("Upload-Offset", strconv.Itoa(700)))
	if rest.StatusCode != 204 || rest.Header.Get("X-File-ID") == "" {
		t.Errorf("%d %s", rest.StatusCode, rest.body)
	}
}

// TestUploadOfWhatIsThere: whoever sends what is stored already is told, so that they do not take it for their own.
func TestUploadOfWhatIsThere(t *testing.T) {
	w, _ := tusWorld(t)
	for name, want := range map[string]string{"twin": "true", "new": ""} {
		res := w.do(http.MethodPost, "/uploads", strings.NewReader("x"),
			tusHeaders("Content-Type", "application/offset+octet-stream", "Upload-Length", "1", "Upload-Metadata", meta("filename", name)))
		if res.StatusCode != 201 || res.Header.Get("X-File-ID") == "" || res.Header.Get("X-File-Existing") != want {
			t.Errorf("%s: %d %v", name, res.StatusCode, res.Header)
		}
	}
}

func TestUploadThatIsStoredOnly(t *testing.T) {
	for header, want := range map[string]bool{"": false, meta("decode", "true"): false, meta("decode", "false"): true} {
		if n, err := newUpload(header, 1); err != nil || n.StoreOnly != want {
			t.Errorf("%q: %+v %v", header, n, err)
		}
	}
}

func FuzzUploadMetadata(f *testing.F) {
	for _, s := range []string{"", "filename YS5SVQ==", "filename YS5SVQ==,param.x MQ==,batch YjE=", "a,b ,c  YQ==", "a YQ== x", ",", "a\x00 YQ==", strings.Repeat("a YQ==,", 2000)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		n, err := newUpload(header, 1)
		if err != nil {
			if code := errcode.Of(err); code != errcode.ValidationFailed {
				t.Errorf("%v", err)
			}
			return
		}
		if n.Name == "" || len(n.Name) > maxName || strings.ContainsAny(n.Name, "/\\\x00\n") || len(n.Params) > maxParams || len(n.Batch) > maxBatchID || n.Metadata != header {
			t.Errorf("%+v", n)
		}
	})
}

func FuzzUploadChecksum(f *testing.F) {
	for _, s := range []string{"", "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=", "md5 AAAA", "sha256", " sha1  x", "sha1 \x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		c, err := parseChecksum(header)
		switch {
		case err != nil:
			if errcode.Of(err) != errcode.Malformed {
				t.Error(err)
			}
		case c == nil && header != "":
			t.Error("not looked at")
		case c != nil && len(c.Want) != c.Hash.Size():
			t.Errorf("%d bytes", len(c.Want))
		}
	})
}
