//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// tusDo sends a request of the protocol and gives status and headers of its answer; 0 where none came.
func tusDo(ctx context.Context, a *appliance, method, path string, body io.Reader, headers ...string) (int, http.Header) {
	req, err := http.NewRequestWithContext(ctx, method, a.url+path, body)
	if err != nil {
		return 0, nil
	}
	req.Header.Set("Tus-Resumable", "1.0.0")
	if method == http.MethodPatch {
		req.Header.Set("Content-Type", "application/offset+octet-stream")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil
	}
	_, _ = io.Copy(io.Discard, res.Body) // what matters is in the headers
	_ = res.Body.Close()
	return res.StatusCode, res.Header
}

// tusSend sends what an upload does not have yet.
func tusSend(ctx context.Context, a *appliance, path string, data []byte) (int, http.Header) {
	status, h := tusDo(ctx, a, http.MethodHead, path, nil)
	if status != http.StatusOK {
		return status, h
	}
	offset, err := strconv.Atoi(h.Get("Upload-Offset"))
	if err != nil || offset > len(data) {
		return 0, h
	}
	return tusDo(ctx, a, http.MethodPatch, path, bytes.NewReader(data[offset:]), "Upload-Offset", strconv.Itoa(offset))
}

func randomBytes(n int, seed byte) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(data) // it always succeeds
	return data
}

// TestDiskFullDuringUpload fills the disk under an upload: the guard or the kernel ends the piece, what came before counts, and
// when there is room the rest makes the file.
func TestDiskFullDuringUpload(t *testing.T) {
	for name, reserve := range map[string]int64{"guard": 24 << 20, "kernel": 1 << 20} {
		t.Run(name, func(t *testing.T) {
			dir := smallDisk(t, 128<<20)
			t.Setenv("WAYSIDE_STORE_RESERVE", strconv.FormatInt(reserve, 10))
			a := start(t, dir+"/data")
			data := randomBytes(40<<20, 1)
			path := tusBegin(t, a, len(data))
			fillWithJunk(t, dir+"/junk", uint64(reserve)+12<<20)
			status, h := tusSend(t.Context(), a, path, data)
			if status != http.StatusInsufficientStorage || h.Get("Retry-After") == "" {
				t.Fatalf("%d %v\n%s", status, h, a.log.tail())
			}
			had, _ := strconv.Atoi(h.Get("Upload-Offset"))
			if had <= 0 || had >= len(data) {
				t.Errorf("%d bytes were kept", had)
			}
			if status, h := tusDo(t.Context(), a, http.MethodPost, "/api/v1/uploads", nil, "Upload-Length", strconv.Itoa(len(data))); status != http.StatusInsufficientStorage {
				t.Errorf("another one: %d %v", status, h)
			}
			a.kill()
			a = start(t, dir+"/data")
			if _, h := tusDo(t.Context(), a, http.MethodHead, path, nil); h.Get("Upload-Offset") != strconv.Itoa(had) {
				t.Errorf("after a kill %s of %d bytes are there", h.Get("Upload-Offset"), had)
			}
			if err := os.Remove(dir + "/junk"); err != nil {
				t.Fatal(err)
			}
			if status, h := tusSend(t.Context(), a, path, data); status != http.StatusNoContent || h.Get("X-File-ID") == "" {
				t.Fatalf("with room: %d %v\n%s", status, h, a.log.tail())
			}
			if files := list[File](a, "/api/v1/files"); len(files) != 1 || files[0].SHA256 != digest(data) {
				t.Errorf("%+v", files)
			}
		})
	}
}

// TestManyUnfinishedUploads begins as many uploads as there may be: more are refused for now, everything else goes on, also
// after a restart.
func TestManyUnfinishedUploads(t *testing.T) {
	const most = 1000 // uploads.max_count
	dir := t.TempDir()
	a := start(t, dir)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := w; i < most; i += 8 {
				if status, h := tusDo(t.Context(), a, http.MethodPost, "/api/v1/uploads", strings.NewReader("x"), "Upload-Length", "1000", "Content-Type", "application/offset+octet-stream"); status != http.StatusCreated {
					t.Errorf("upload %d: %d %v", i, status, h)
					return
				}
			}
		})
	}
	wg.Wait()
	refused := func() {
		t.Helper()
		if status, h := tusDo(t.Context(), a, http.MethodPost, "/api/v1/uploads", nil, "Upload-Length", "1"); status != http.StatusServiceUnavailable || h.Get("Retry-After") == "" {
			t.Errorf("one more: %d %v", status, h)
		}
	}
	refused()
	a.kill()
	a = start(t, dir)
	refused()
	if up := a.upload("example.RU", example(t), ""); up.Decode.Status != "done" {
		t.Errorf("meanwhile: %+v", up.Decode)
	}
	one := "/api/v1/uploads/" + filepath.Base(filesBelow(t, filepath.Join(dir, "uploads"))[0])
	if status, _ := tusDo(t.Context(), a, http.MethodDelete, one, nil); status != http.StatusNoContent {
		t.Errorf("end of one: %d", status)
	}
	if path := tusBegin(t, a, 10); path == "" {
		t.Error("none begun in its place")
	}
	refused()
	if n := len(filesBelow(t, filepath.Join(dir, "uploads"))); n != most-1 {
		t.Errorf("%d files of unfinished uploads, %d have bytes", n, most-1)
	}
}

// TestSlowUploadsCostLittleMemory has many clients send slowly at a time: what they cost is bounded, and what they sent counts
// when they are gone.
func TestSlowUploadsCostLittleMemory(t *testing.T) {
	const clients, sent = 200, 300_000 // more than the largest buffer
	a := start(t, t.TempDir())
	paths := make([]string, clients)
	for i := range paths {
		paths[i] = tusBegin(t, a, 1<<20)
	}
	before := a.resident(t)
	conns := make([]net.Conn, clients)
	for i := range conns {
		conn, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conns[i] = conn
		if _, err := fmt.Fprintf(conn, "PATCH %s HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\nContent-Type: application/offset+octet-stream\r\nUpload-Offset: 0\r\nContent-Length: %d\r\n\r\n", paths[i], 1<<20); err != nil {
			t.Fatal(err)
		}
	}
	piece := make([]byte, sent/20)
	for range 20 {
		for _, conn := range conns {
			if _, err := conn.Write(piece); err != nil {
				t.Fatal(err)
			}
		}
	}
	a.allHave(t, clients, 40_000) // the rest may wait in a buffer that is not full
	if more := a.resident(t) - before; more > 64<<20 {
		t.Errorf("%d slow uploads cost %d MiB", clients, more>>20)
	} else {
		t.Logf("%d slow uploads cost %d KiB each", clients, more/clients>>10)
	}
	for _, conn := range conns {
		_ = conn.Close()
	}
	for i, path := range paths {
		status, h := tusDo(t.Context(), a, http.MethodHead, path, nil)
		if n, err := strconv.Atoi(h.Get("Upload-Offset")); status != http.StatusOK || err != nil || n == 0 || n > sent {
			t.Errorf("upload %d: %d, %q of %d bytes", i, status, h.Get("Upload-Offset"), sent)
		}
	}
}

// allHave waits until so many unfinished uploads have so many bytes in their files.
func (a *appliance) allHave(t *testing.T, uploads int, size int64) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		n := 0
		for _, path := range filesBelow(t, filepath.Join(a.dir, "uploads")) {
			if st, err := os.Stat(path); err == nil && st.Size() >= size {
				n++
			}
		}
		if n == uploads {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("only %d uploads have %d bytes\n%s", n, size, a.log.tail())
		}
	}
}

// resident gives the memory of the process, in bytes.
func (a *appliance) resident(t *testing.T) int {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", a.cmd.Process.Pid))
	if err != nil {
		t.Skipf("no /proc: %v", err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(raw))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// TestKilledAsUploadsFinish kills the appliance within milliseconds of the last byte: the recording becomes a file, once.
func TestKilledAsUploadsFinish(t *testing.T) {
	const cycles = 25
	dir := t.TempDir()
	want := map[string]bool{}
	for n := range cycles {
		a := start(t, dir)
		data := randomBytes(1<<20, byte(n))
		want[digest(data)] = true
		path := tusBegin(t, a, len(data))
		done := make(chan struct{})
		go func() {
			defer close(done)
			tusSend(t.Context(), a, path, data)
		}()
		time.Sleep(time.Duration(rand.IntN(8000)) * time.Microsecond) // the moment of the kill is what is tested
		a.kill()
		<-done
		http.DefaultClient.CloseIdleConnections()
		a = start(t, dir)
		for file := ""; file == ""; {
			status, h := tusSend(t.Context(), a, path, data)
			if file = h.Get("X-File-ID"); file == "" && status != http.StatusNoContent {
				t.Fatalf("cycle %d: %d %v\n%s", n, status, h, a.log.tail())
			}
		}
		a.kill()
	}
	a := start(t, dir)
	files := list[File](a, "/api/v1/files")
	for _, f := range files {
		if !want[f.SHA256] {
			t.Errorf("file %s: another file's bytes, or there twice", f.ID)
		}
		delete(want, f.SHA256)
	}
	if len(files) != cycles {
		t.Errorf("%d files of %d uploads", len(files), cycles)
	}
	if left := filesBelow(t, filepath.Join(dir, "uploads")); len(left) != 0 {
		t.Errorf("left %v", left)
	}
}

// TestSameRecordingAtOnce finishes uploads of the same bytes and name at once: they become one file.
func TestSameRecordingAtOnce(t *testing.T) {
	a := start(t, t.TempDir())
	data := randomBytes(3<<20, 9)
	ids := make([]string, 8)
	paths := make([]string, len(ids))
	for i := range paths {
		paths[i] = tusBegin(t, a, len(data))
	}
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			_, h := tusSend(t.Context(), a, paths[i], data)
			ids[i] = h.Get("X-File-ID")
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id == "" || id != ids[0] {
			t.Errorf("files %q", ids)
			break
		}
	}
	if files := list[File](a, "/api/v1/files"); len(files) != 1 {
		t.Errorf("%+v", files)
	}
}
