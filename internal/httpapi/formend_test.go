package httpapi

import (
	"strings"
	"testing"
)

// TestFormsThatEndEarly cuts a form off at every byte: wherever that is, it is not taken for a whole one.
func TestFormsThatEndEarly(t *testing.T) {
	w := newWorld(t).start()
	form := "--b\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nx\r\n--b\r\n" +
		"Content-Disposition: form-data; name=\"file\"; filename=\"a.ru\"\r\n\r\nRU\r\n--b--"
	for n := range len(form) {
		for _, path := range []string{"/detect", "/files?decode=false"} {
			res := w.do("POST", path, strings.NewReader(form[:n]), header("Content-Type", "multipart/form-data; boundary=b"))
			wantProblem(t, res, 400, "malformed")
			if t.Failed() {
				t.Fatalf("%s with %d bytes of the form: %s", path, n, res.body)
			}
		}
	}
	for _, end := range []string{"", "\r\n", "\r\n" + strings.Repeat("an epilogue ", 5000)} {
		res := w.do("POST", "/detect", strings.NewReader(form+end), header("Content-Type", "multipart/form-data; boundary=b"))
		if res.StatusCode != 200 {
			t.Errorf("a whole form, and %d bytes: %d %s", len(end), res.StatusCode, res.body)
		}
	}
}
