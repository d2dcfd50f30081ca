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

// TestNumbersAreThoseOfJSON checks that no number of a query passes its bounds by being none.
func TestNumbersAreThoseOfJSON(t *testing.T) {
	w := newWorld(t).start()
	for _, v := range []string{"NaN", "nan", "Inf", "-inf", "0x1p2", "1_0", "1e308", "-1", "31"} {
		wantProblem(t, w.do("POST", "/files?decode=false&wait="+v, strings.NewReader("RU")), 422, "validation_failed")
	}
	if res := w.do("POST", "/files?decode=false&wait=1e-2", strings.NewReader("RU")); res.StatusCode != 201 {
		t.Errorf("a hundredth of a second: %d %s", res.StatusCode, res.body)
	}
}

func TestRangeOfNothing(t *testing.T) {
	w := newWorld(t).start()
	for _, r := range []string{"bytes=-0", "bytes=-000", "bytes= -0"} {
		res := w.do("GET", "/docs/docs.css", nil, header("Range", r))
		wantProblem(t, res, 416, "range_not_satisfiable")
		if got := res.Header.Get("Content-Range"); !strings.HasPrefix(got, "bytes */") {
			t.Errorf("%s: Content-Range %q", r, got)
		}
	}
}
