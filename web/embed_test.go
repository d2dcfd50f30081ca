package web

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func get(t *testing.T, path string) *httptest.ResponseRecorder {
	t.Helper()
	s, err := NewStart(`1.2.3 <b>"&`)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w
}

func TestStartPageIsCompleteInItself(t *testing.T) {
	w := get(t, "/")
	body := w.Body.String()
	if w.Code != http.StatusOK || !strings.Contains(body, "1.2.3 &lt;b&gt;") {
		t.Fatalf("status %d, body without the escaped version: %s", w.Code, body)
	}
	if csp := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") {
		t.Errorf("policy %q", csp)
	}
	for _, bad := range []string{"<script", "<style", " style=", " onload=", "//cdn", "https://"} {
		if strings.Contains(body, bad) {
			t.Errorf("page contains %q", bad)
		}
	}
	for _, m := range regexp.MustCompile(`<link rel="stylesheet" href="([^"]+)"`).FindAllStringSubmatch(body, -1) {
		if css := get(t, m[1]); css.Code != http.StatusOK || !strings.Contains(css.Body.String(), "light-dark(") {
			t.Errorf("%s: status %d", m[1], css.Code)
		}
	}
}

func TestStartHasOnlyItsPages(t *testing.T) {
	if w := get(t, "/start/start.css"); w.Code != http.StatusNotFound {
		t.Errorf("status %d", w.Code)
	}
}
