package httpapi

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labstack/echo/v4"
	tus "github.com/tus/tusd/v2/pkg/handler"
)

// TestTusUploadIsItsTokens: an upload is there for the token that began it and for administrators, and for nobody else.
func TestTusUploadIsItsTokens(t *testing.T) {
	w := newWorld(t)
	w.cfg.Auth, w.cfg.Deps.Uploads = realAccess(t, false), newFakeUploads()
	w.start()
	_, admin := w.makeToken(`{"name":"a","scopes":["admin"]}`)
	_, mine := w.makeToken(`{"name":"m","scopes":["upload"]}`, bearer(admin))
	_, other := w.makeToken(`{"name":"o","scopes":["upload"]}`, bearer(admin))
	if res := w.do(http.MethodPost, "/uploads", nil, tusHeaders("Upload-Length", "4"), bearer(mine)); res.StatusCode != 201 {
		t.Fatalf("%d %s", res.StatusCode, res.body)
	}
	for _, step := range []struct {
		method, body, token string
		want                int
	}{
		{http.MethodHead, "", other, 404},
		{http.MethodPatch, "xx", other, 404},
		{http.MethodDelete, "", other, 404},
		{http.MethodPatch, "xx", mine, 204},
		{http.MethodHead, "", admin, 200},
		{http.MethodDelete, "", mine, 204},
	} {
		offset := tusHeaders("Upload-Offset", "0")
		if res := w.do(step.method, "/uploads/u1", strings.NewReader(step.body), offset, bearer(step.token)); res.StatusCode != step.want {
			t.Errorf("%s %q: %d %s", step.method, step.body, res.StatusCode, res.body)
		}
	}
}

// TestTusPieceBeyondTheEnd: neither what lies behind a finished upload nor a body that goes on where the upload is full is taken
// for something else than it is.
func TestTusPieceBeyondTheEnd(t *testing.T) {
	w, f := tusWorld(t)
	chunked := func(r *http.Request) { r.ContentLength = -1 }
	w.do(http.MethodPost, "/uploads", nil, tusHeaders("Upload-Length", "4"))
	if res := w.do(http.MethodPatch, "/uploads/u1", strings.NewReader("12345678"), tusHeaders("Upload-Offset", "0"), chunked); res.StatusCode != 413 || res.Header.Get("X-File-ID") != "" {
		t.Errorf("too long: %d %v %s", res.StatusCode, res.Header, res.body)
	}
	if f.all["u1"].Done != nil {
		t.Fatal("it has become a file")
	}
	if res := w.do(http.MethodPatch, "/uploads/u1", strings.NewReader("1234"), tusHeaders("Upload-Offset", "0"), chunked); res.StatusCode != 204 || res.Header.Get("X-File-ID") == "" {
		t.Errorf("as long as it is: %d %s", res.StatusCode, res.body)
	}
	if res := w.do(http.MethodPatch, "/uploads/u1", nil, tusHeaders("Upload-Offset", "4")); res.StatusCode != 204 {
		t.Errorf("nothing more: %d %s", res.StatusCode, res.body)
	}
	if res := w.do(http.MethodPatch, "/uploads/u1", strings.NewReader("5"), tusHeaders("Upload-Offset", "4"), chunked); res.StatusCode != 413 {
		t.Errorf("more: %d %s", res.StatusCode, res.body)
	}
}

// TestTusLockIsNotWaitedForForEver has a request that does not let go when it is told to.
func TestTusLockIsNotWaitedForForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		locks := newTusLocks()
		lock := func(r *http.Request) (tus.Lock, *tusRequest, error) {
			q := &tusRequest{r: r}
			ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), tusRequestKey{}, q), tusLockWait)
			defer cancel()
			l, err := locks.NewLock("u1")
			if err != nil {
				t.Fatal(err)
			}
			return l, q, l.Lock(ctx, func() {})
		}
		r := httptest.NewRequest(http.MethodPatch, "/api/v1/uploads/u1", nil)
		first, _, err := lock(r)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, q, err := lock(r)
		if !errors.Is(err, tus.ErrFileLocked) || !errors.Is(q.err, errLocked) || time.Since(began) != tusLockWait {
			t.Errorf("%v %v after %v", err, q.err, time.Since(began))
		}
		w := &tusWriter{q: q, refused: true, status: http.StatusLocked}
		w.Response = echo.NewResponse(httptest.NewRecorder(), echo.New())
		if p := problemOf(r, w.problem()); p.Status != http.StatusLocked || p.Code != "conflict" {
			t.Errorf("told as %+v", p)
		}
		if err := first.Unlock(); err != nil {
			t.Fatal(err)
		}
		again, _, err := lock(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := again.Unlock(); err != nil || len(locks.held) != 0 {
			t.Errorf("%v, %d held", err, len(locks.held))
		}
	})
}

// TestTusHeadersSayOneThing: of two values a proxy may have looked at the other.
func TestTusHeadersSayOneThing(t *testing.T) {
	w, f := tusWorld(t)
	for _, name := range []string{"Tus-Resumable", "Upload-Length", "Upload-Metadata", "X-HTTP-Method-Override"} {
		res := w.do(http.MethodPost, "/uploads", nil, tusHeaders("Upload-Length", "4"), func(r *http.Request) {
			r.Header.Add(name, "1")
			r.Header.Add(name, "2")
		})
		if res.StatusCode != 400 || !bytes.Contains(res.body, []byte("is to be given once")) {
			t.Errorf("%s: %d %s", name, res.StatusCode, res.body)
		}
	}
	if len(f.all) != 0 {
		t.Errorf("left behind: %v", f.all)
	}
}
