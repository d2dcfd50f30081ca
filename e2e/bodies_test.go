//go:build e2e

package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// lyingBody is a request whose body is not what its head says.
type lyingBody struct {
	name    string
	headers string // of its length
	body    string
	how     string // "half": the client closes its side, "reset": it is gone, "stall": it sends no more and waits
	want    int    // status, 0 = none need come
}

const formPart = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n"

// lyingBodies gives the lies about a body.
func lyingBodies(whole string) []lyingBody {
	n := len(whole)
	chunk := fmt.Sprintf("%x\r\n%s\r\n", n, whole)
	length := func(n int) string { return fmt.Sprintf("Content-Length: %d\r\n", n) }
	const chunked = "Transfer-Encoding: chunked\r\n"
	return []lyingBody{
		{"longer than the body", length(n + 100), whole, "half", 400},
		{"longer, and the client is gone", length(n + 100), whole, "reset", 0},
		{"longer, and nothing comes", length(n + 100), whole, "stall", 400},
		{"as long as can be", "Content-Length: 9223372036854775807\r\n", whole, "half", 400},
		{"nothing at all", length(n), "", "half", 400},
		{"nothing at all, and the client waits", length(n), "", "stall", 400},
		{"chunks without end", chunked, chunk, "half", 400},
		{"chunks without end, and nothing comes", chunked, chunk, "stall", 400},
		{"a chunk that is cut off", chunked, chunk[:len(chunk)-3], "half", 400},
		{"a chunk that is cut off, and the client is gone", chunked, chunk[:len(chunk)-3], "reset", 0},
		{"a chunk longer than it says", chunked, fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", n-2, whole), "half", 400},
		{"a chunk shorter than it says", chunked, fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", n+50, whole), "half", 400},
		{"no size", chunked, chunk + "zz\r\nabc\r\n0\r\n\r\n", "half", 400},
		{"a negative size", chunked, chunk + "-3\r\nabc\r\n0\r\n\r\n", "half", 400},
		{"a huge size", chunked, chunk + "ffffffffffffffffff\r\nabc", "half", 400},
		{"the largest size", chunked, chunk + "7fffffffffffffff\r\nabc", "half", 400},
		{"a long extension", chunked, chunk + "3;" + strings.Repeat("x", 20_000) + "\r\nabc\r\n0\r\n\r\n", "half", 400},
		{"no line ends", chunked, strings.Repeat("3", 10_000), "half", 400},
		{"trailers without end", chunked, chunk + "0\r\n" + strings.Repeat("X-A: b\r\n", 10), "half", 400},
	}
}

// TestBodiesThatLie sends recordings, alone and in forms, whose lengths are not those of their bodies: each is refused, no file
// is made of what came, and nothing of it is left in the data folder.
func TestBodiesThatLie(t *testing.T) {
	t.Setenv("WAYSIDE_SERVER_UPLOAD_STALL", "1s")
	a := start(t, t.TempDir())
	t.Run("all", func(t *testing.T) { // ends when the parallel ones have
		for _, content := range []string{"small", strings.Repeat("0123456789abcdef", 40_000)} { // that is more than is kept in memory
			for kind, r := range map[string]struct{ head, body string }{
				"raw":  {"POST /api/v1/files?name=lie HTTP/1.1\r\n", content},
				"form": {"POST /api/v1/files HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=b\r\n", formPart + content + "\r\n--b-"},
				"more": {"POST /api/v1/files?bundle=true HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=b\r\n", formPart + content + "\r\n" + strings.Replace(formPart, `"a"`, `"b"`, 1) + content},
			} {
				for _, l := range lyingBodies(r.body) {
					t.Run(fmt.Sprintf("%s of %d bytes, %s", kind, len(content), l.name), func(t *testing.T) {
						t.Parallel()
						if got := a.lie(t, r.head+"Host: localhost\r\n"+l.headers+"\r\n"+l.body, l.how); got != l.want && l.want != 0 {
							t.Errorf("%d, want %d", got, l.want)
						}
					})
				}
			}
		}
	})
	a.wantNothing(t)
	form := "POST /api/v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
	body := formPart + "content\r\n--b--\r\n"
	for cut := range strings.LastIndex(body, "--\r\n") {
		if got := a.lie(t, fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", form, cut, body), "half"); got != 400 && got != 422 {
			t.Errorf("shorter than the form, cut at %d: %d", cut, got)
		}
	}
	a.wantNothing(t)
	// A form says itself where it ends: what is said about what would come then does not matter to what came before.
	if got := a.lie(t, fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", form, len(body)+100, body), "half"); got != 201 {
		t.Errorf("behind the end of a form: %d", got)
	}
}

// wantNothing waits until neither files nor bytes are in an appliance.
func (a *appliance) wantNothing(t *testing.T) {
	t.Helper()
	var left []string
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		left = nil
		for _, dir := range []string{"blobs", "tmp", "uploads"} {
			left = append(left, filesBelow(t, filepath.Join(a.dir, dir))...)
		}
		if len(left) == 0 {
			break
		}
	}
	if files := list[File](a, "/api/v1/files"); len(files) != 0 || len(left) != 0 {
		t.Errorf("left behind: %+v %v", files, left)
	}
}

// lie sends bytes and gives the status of the answer, 0 for none.
func (a *appliance) lie(t *testing.T, raw, how string) int {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	tcp := conn.(*net.TCPConn)
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.WriteString(conn, raw) // it may have been refused before all was sent
		if how == "half" {
			_ = tcp.CloseWrite()
		}
	}()
	if how == "reset" {
		<-sent
		_ = tcp.SetLinger(0)
		return 0
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	_ = res.Body.Close()
	_ = conn.Close()
	<-sent
	return res.StatusCode
}

// TestExpectContinue has clients wait to be told before they send: they are told, unless their request is refused anyway, and who
// then sends nothing leaves nothing behind.
func TestExpectContinue(t *testing.T) {
	t.Setenv("WAYSIDE_SERVER_UPLOAD_STALL", "1s")
	t.Setenv("WAYSIDE_SERVER_MAX_UPLOAD", "1000")
	a := start(t, t.TempDir())
	form := formPart + "waited\r\n--b--\r\n"
	formType := "Content-Type: multipart/form-data; boundary=b\r\n"
	begun := tusBegin(t, a, 6)
	for _, tc := range []struct {
		name, head, body string
		told             bool
		want             int
	}{
		{"raw", "POST /api/v1/files?name=a HTTP/1.1\r\nContent-Length: 6\r\n", "waited", true, 201},
		{"form", fmt.Sprintf("POST /api/v1/files HTTP/1.1\r\n%sContent-Length: %d\r\n", formType, len(form)), form, true, 200},
		{"chunks", "POST /api/v1/files?name=a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", "6\r\nwaited\r\n0\r\n\r\n", true, 200},
		{"piece", "PATCH " + begun + " HTTP/1.1\r\nTus-Resumable: 1.0.0\r\nContent-Type: application/offset+octet-stream\r\nUpload-Offset: 0\r\nContent-Length: 6\r\n", "waited", true, 204},
		{"nothing is sent", "POST /api/v1/files?name=b HTTP/1.1\r\nContent-Length: 6\r\n", "", true, 400},
		{"nothing of a form is sent", "POST /api/v1/files HTTP/1.1\r\n" + formType + "Content-Length: 60\r\n", "", true, 400},
		{"too large", "POST /api/v1/files?name=c HTTP/1.1\r\nContent-Length: 1001\r\n", "", false, 413},
		{"not found", "POST /api/v1/none HTTP/1.1\r\nContent-Length: 6\r\n", "", false, 404},
		{"wrong offset", "PATCH " + begun + " HTTP/1.1\r\nTus-Resumable: 1.0.0\r\nContent-Type: application/offset+octet-stream\r\nUpload-Offset: 3\r\nContent-Length: 6\r\n", "", false, 409},
	} {
		t.Run(tc.name, func(t *testing.T) {
			told, status := a.expect(t, tc.head+"Host: localhost\r\nExpect: 100-continue\r\n\r\n", tc.body)
			if told != tc.told || status != tc.want {
				t.Errorf("told to go on: %v, answer %d, want %v and %d", told, status, tc.told, tc.want)
			}
		})
	}
	for _, f := range list[File](a, "/api/v1/files") {
		if f.SHA256 != digest([]byte("waited")) {
			t.Errorf("file %+v", f)
		}
		if status, p, err := a.call(t.Context(), http.MethodDelete, "/api/v1/files/"+f.ID, nil, nil); err != nil || p != nil {
			t.Errorf("delete: %d %+v %v", status, p, err)
		}
	}
	a.wantNothing(t)
}

// tusBegin begins an upload and gives its path.
func tusBegin(t *testing.T, a *appliance, size int) string {
	t.Helper()
	status, h := tusDo(t.Context(), a, http.MethodPost, "/api/v1/uploads", nil, "Upload-Length", strconv.Itoa(size))
	if status != http.StatusCreated {
		t.Fatalf("begin: %d %v", status, h)
	}
	return h.Get("Location")
}

// expect sends a head, waits to be told, sends the body if it is, and gives the status of the answer.
func (a *appliance) expect(t *testing.T, head, body string) (told bool, status int) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, head); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	for {
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusContinue {
			return told, res.StatusCode
		}
		told = true
		if _, err := io.WriteString(conn, body); err != nil {
			t.Fatal(err)
		}
	}
}
