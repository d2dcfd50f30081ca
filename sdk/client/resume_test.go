package client

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/sdk/client/tus"
)

func TestUploadResumable(t *testing.T) {
	var mu sync.Mutex // a request comes when the one before was cut, not when its handler has ended
	var got []byte
	broken, refuse := true, false
	meta, auth, fileID := "", "", ""
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		w.Header().Set("Tus-Resumable", "1.0.0")
		switch {
		case refuse:
			w.WriteHeader(http.StatusInsufficientStorage)
			_, _ = io.WriteString(w, `{"code":"disk_full","detail":"no room"}`)
		case r.Method == http.MethodPost:
			meta, auth = r.Header.Get("Upload-Metadata"), r.Header.Get("Authorization")
			w.Header().Set("Location", r.URL.Path+"/u1")
			w.WriteHeader(http.StatusCreated)
		case r.Method == http.MethodHead:
			w.Header().Set("Upload-Offset", "2")
		case r.Method == http.MethodPatch && broken:
			broken = false
			b := make([]byte, 2)
			_, _ = io.ReadFull(r.Body, b)
			got = append(got, b...)
			panic(http.ErrAbortHandler)
		case r.Method == http.MethodPatch:
			b, _ := io.ReadAll(r.Body)
			got = append(got, b...)
			w.Header().Set("Upload-Offset", "6")
			if fileID != "" {
				w.Header().Set("X-File-ID", fileID)
			}
			w.WriteHeader(http.StatusNoContent)
		case r.URL.Path == "/api/v1/files/f7":
			_, _ = io.WriteString(w, `{"id":"f7","sha256":"f00d"}`)
		case r.URL.Query().Get("sha256") == "feed":
			_, _ = io.WriteString(w, `{"items":[{"id":"f3","name":"a.RU","parent":{"file_id":"f0"}},{"id":"f2","name":"b"},{"id":"f1","name":"a.RU"}]}`)
		default:
			_, _ = io.WriteString(w, `{"items":[{"id":"f2","name":"b"}]}`)
		}
	}))
	defer srv.Close()
	c, err := New(Config{Server: srv.URL, Token: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	up := ResumableUpload{
		Name: "dir/a.RU", Body: strings.NewReader("abcdef"), Size: 6, SHA256: "feed", Decoder: "rail", Params: map[string]string{"timezone": "UTC"},
		Store: tus.Dir(t.TempDir()), Pause: func(int) time.Duration { return 0 },
	}
	res, err := c.UploadResumable(t.Context(), up)
	mu.Lock()
	if err != nil || res.File.ID != "f1" || string(got) != "abcdef" {
		t.Errorf("%+v %q %v", res, got, err)
	}
	if meta != "decoder cmFpbA==,filename ZGlyL2EuUlU=,param.timezone VVRD" || auth != "Bearer secret" {
		t.Errorf("metadata %q, authorization %q", meta, auth)
	}
	fileID = "f7"
	mu.Unlock()
	if _, err = c.UploadResumable(t.Context(), up); err == nil || !strings.Contains(err.Error(), "other bytes than were sent") {
		t.Errorf("other bytes: %v", err)
	}
	mu.Lock()
	refuse = true
	mu.Unlock()
	_, err = c.UploadResumable(t.Context(), up)
	if e, ok := errors.AsType[*Error](err); !ok || e.Code != "disk_full" {
		t.Errorf("refused: %v", err)
	}
}

// TestNoServerOfUploads: an address that is not the appliance's is said to be that, whatever answers there.
func TestNoServerOfUploads(t *testing.T) {
	for _, status := range []int{http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "what?", status) }))
		c, err := New(Config{Server: srv.URL + "/base"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.UploadResumable(t.Context(), ResumableUpload{Name: "a", Body: strings.NewReader("x"), Size: 1})
		e, coded := errors.AsType[*Error](err)
		if !errors.Is(err, ErrNotResumable) || !coded || e.Status != status || !strings.HasPrefix(err.Error(), srv.URL+"/base/api/v1/uploads takes no uploads that resume") {
			t.Errorf("%d: %v", status, err)
		}
		srv.Close()
	}
}
