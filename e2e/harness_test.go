//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// readyWait bounds how long an appliance may take to answer: generous, since a shared machine may be slow. The figure
// itself is measured by bench.
const readyWait = 60 * time.Second

// built gives the path of the built appliance.
func built(tb testing.TB) string {
	tb.Helper()
	path := os.Getenv("E2E_APPLIANCE")
	if path == "" {
		path = filepath.Join("..", "bin", "wayside")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		tb.Fatalf("the appliance is not built (make build): %v", err)
	}
	return path
}

// appliance is a running process of the real binary.
type appliance struct {
	t    testing.TB
	dir  string
	url  string
	cmd  *exec.Cmd
	log  *logBuffer
	done chan error // takes the process's end once
	once sync.Once
	err  error
}

// start runs the appliance on a data folder and waits until it answers.
func start(tb testing.TB, dir string, args ...string) *appliance {
	tb.Helper()
	a, err := tryStart(tb, dir, args...)
	if err != nil {
		tb.Fatalf("start: %v", err)
	}
	return a
}

func tryStart(tb testing.TB, dir string, args ...string) (*appliance, error) {
	tb.Helper()
	args = append([]string{"serve", "--data-dir", dir, "--listen", "127.0.0.1:0", "--kv-listen", "off"}, args...)
	cmd := exec.Command(built(tb), args...)
	cmd.Env = append(os.Environ(), "WAYSIDE_LOG_LEVEL=info")
	a := &appliance{t: tb, dir: dir, cmd: cmd, log: &logBuffer{}, done: make(chan error, 1)}
	cmd.Stdout = a.log
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ready := make(chan string, 1)
	go func() {
		sc := bufio.NewScanner(stderr)
		sc.Buffer(nil, 1<<20)
		for sc.Scan() {
			if url, ok := strings.CutPrefix(sc.Text(), "ready "); ok {
				ready <- strings.TrimSpace(url)
			}
			fmt.Fprintln(a.log, sc.Text())
		}
		a.done <- cmd.Wait()
	}()
	tb.Cleanup(func() {
		a.kill()
		if line := a.log.shown(); line != "" {
			tb.Errorf("the log shows a secret: %s", line)
		}
	})
	select {
	case a.url = <-ready:
		return a, nil
	case err := <-a.done:
		a.done <- err
		return nil, fmt.Errorf("the appliance ended: %w\n%s", err, a.log.tail())
	case <-time.After(readyWait):
		a.kill()
		return nil, fmt.Errorf("not ready in %v\n%s", readyWait, a.log.tail())
	}
}

// wait joins the process and gives how it ended.
func (a *appliance) wait() error {
	a.once.Do(func() { a.err = <-a.done })
	return a.err
}

// kill ends the process as a power cut would, as far as a process can see.
func (a *appliance) kill() {
	_ = a.cmd.Process.Kill() // it may have ended already
	_ = a.wait()
}

// stop ends the process gracefully and gives how long that took.
func (a *appliance) stop() (time.Duration, error) {
	began := time.Now()
	if err := a.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, err
	}
	err := a.wait()
	return time.Since(began), err
}

// logBuffer keeps what the process printed, and the first line with a secret of the tests in it.
type logBuffer struct {
	mu   sync.Mutex
	buf  []byte
	line []byte // that is not ended yet
	leak string
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf = append(l.buf, p...)
	l.look(p)
	return len(p), nil
}

// look looks at the lines that p ends for secrets.
func (l *logBuffer) look(p []byte) {
	l.line = append(l.line, p...)
	end := bytes.LastIndexByte(l.line, '\n') + 1
	for line := range bytes.Lines(l.line[:end]) {
		if l.leak == "" && (bytes.Contains(line, []byte(planted)) || bytes.Contains(line, []byte(plantedCard))) {
			l.leak = string(line)
		}
	}
	l.line = append(l.line[:0], l.line[end:]...)
}

// shown gives the first line with a secret in it, "" for none.
func (l *logBuffer) shown() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.leak
}

// all gives everything that was printed, for tests that ask whether it says something: on a busy machine many lines of requests
// may come after what they look for.
func (l *logBuffer) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.buf)
}

// tail gives the end of it, to be shown when a test fails.
func (l *logBuffer) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.buf[max(0, len(l.buf)-6000):])
}

// File and Decode are what the tests read of the API's objects.
type File struct {
	ID     string   `json:"id"`
	Name   string   `json:"name"`
	Size   int64    `json:"size"`
	SHA256 string   `json:"sha256"`
	Format *string  `json:"format"`
	Decs   []string `json:"decodes"`
	Source string   `json:"source"`
	Parent *struct {
		FileID   string `json:"file_id"`
		DecodeID string `json:"decode_id"`
		Depth    int    `json:"depth"`
	} `json:"parent"`
}

// Decode is a decode of the API.
type Decode struct {
	ID     string `json:"id"`
	FileID string `json:"file_id"`
	Status string `json:"status"`
	Cached bool   `json:"cached"`
	Rows   int64  `json:"rows"`
	Tables []struct {
		Name string `json:"name"`
		Rows int64  `json:"rows"`
	} `json:"tables"`
	Issues struct {
		Infos    int64 `json:"infos"`
		Warnings int64 `json:"warnings"`
		Errors   int64 `json:"errors"`
	} `json:"issues"`
	Children []string `json:"children"`
	Error    *struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Offset  *int64 `json:"offset"`
	} `json:"error"`
}

func (d *Decode) rows(table string) int64 {
	for _, t := range d.Tables {
		if t.Name == table {
			return t.Rows
		}
	}
	return -1
}

// Uploaded is the answer to an upload.
type Uploaded struct {
	File   File    `json:"file"`
	Decode *Decode `json:"decode"`
}

// Problem is an error document.
type Problem struct {
	Type      string `json:"type"`
	Status    int    `json:"status"`
	Code      string `json:"code"`
	Detail    string `json:"detail"`
	RequestID string `json:"request_id"`
	Offset    *int64 `json:"offset"`
}

// call sends a request and decodes the JSON answer into out (if not nil). An answer of 400 and above is a problem.
func (a *appliance) call(ctx context.Context, method, path string, body io.Reader, out any) (int, *Problem, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.url+path, body)
	if err != nil {
		return 0, nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/octet-stream")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return resp.StatusCode, nil, err
	}
	if resp.StatusCode >= 400 {
		var p Problem
		if ct := resp.Header.Get("Content-Type"); !strings.HasPrefix(ct, "application/problem+json") {
			return resp.StatusCode, nil, fmt.Errorf("%s %s: %d as %q: %.300s", method, path, resp.StatusCode, ct, data)
		}
		if err := json.Unmarshal(data, &p); err != nil {
			return resp.StatusCode, nil, fmt.Errorf("problem of %s %s: %w", method, path, err)
		}
		return resp.StatusCode, &p, nil
	}
	if out != nil {
		if err := json.Unmarshal(data, out); err != nil {
			return resp.StatusCode, nil, fmt.Errorf("answer of %s %s: %w: %.300s", method, path, err, data)
		}
	}
	return resp.StatusCode, nil, nil
}

// get reads an object and fails the test on any error.
func (a *appliance) get(path string, out any) {
	a.t.Helper()
	status, p, err := a.call(a.t.Context(), http.MethodGet, path, nil, out)
	if err != nil || p != nil {
		a.t.Fatalf("GET %s: %d %+v %v\n%s", path, status, p, err, a.log.tail())
	}
}

// upload stores a recording and waits for its decode.
func (a *appliance) upload(name string, data []byte, query string) Uploaded {
	a.t.Helper()
	var up Uploaded
	path := "/api/v1/files?wait=30&name=" + name + query
	status, p, err := a.call(a.t.Context(), http.MethodPost, path, bytes.NewReader(data), &up)
	if err != nil || p != nil {
		a.t.Fatalf("upload %s: %d %+v %v\n%s", name, status, p, err, a.log.tail())
	}
	return up
}

// final waits until a decode has ended.
func (a *appliance) final(id string) Decode {
	a.t.Helper()
	for {
		var d Decode
		a.get("/api/v1/decodes/"+id+"?wait=30", &d)
		if d.Status != "queued" && d.Status != "running" {
			return d
		}
	}
}

func digest(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// example is the recording of the project.
func example(tb testing.TB) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("..", "examples", "rail", "example.RU"))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// list reads every page of a list.
func list[T any](a *appliance, path string) []T {
	a.t.Helper()
	var all []T
	cursor := ""
	for {
		var page struct {
			Items []T     `json:"items"`
			Next  *string `json:"next_cursor"`
		}
		sep := "?"
		if strings.Contains(path, "?") {
			sep = "&"
		}
		a.get(path+sep+"limit=1000&cursor="+cursor, &page)
		all = append(all, page.Items...)
		if page.Next == nil {
			return all
		}
		cursor = *page.Next
	}
}
