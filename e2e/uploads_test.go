//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// uploadKills is how often the appliance is killed while an upload goes on.
const uploadKills = 20

// tusClient uploads recordings in pieces, one after the other, and goes on where it was when the appliance comes back.
type tusClient struct {
	rng   *rand.Rand
	n     int    // of the recording that is being uploaded
	at    string // of its upload, "" = not begun
	sum   string // of its bytes
	data  []byte
	acked int64 // the largest offset that was answered
	done  map[string]string
}

// request sends a request; ok is false where there was no answer.
func (c *tusClient) request(ctx context.Context, t *testing.T, a *appliance, method, path string, body []byte, headers ...string) (*http.Response, bool) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, a.url+path, bytes.NewReader(body))
	if err != nil {
		t.Error(err)
		return nil, false
	}
	req.Header.Set("Tus-Resumable", "1.0.0")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, false
	}
	_ = res.Body.Close()
	if res.StatusCode >= 400 && res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("%s %s: %d", method, path, res.StatusCode)
		return nil, false
	}
	return res, res.StatusCode < 400
}

// run uploads until the appliance does not answer.
func (c *tusClient) run(ctx context.Context, t *testing.T, a *appliance) {
	t.Helper()
	for ctx.Err() == nil && !t.Failed() && c.one(ctx, t, a) {
	}
}

// one uploads one recording to its end, and reports whether it has come to it.
func (c *tusClient) one(ctx context.Context, t *testing.T, a *appliance) bool {
	t.Helper()
	if c.at == "" && !c.begin(ctx, t, a) {
		return false
	}
	res, ok := c.request(ctx, t, a, http.MethodHead, c.at, nil) //nolint:bodyclose // request closes it
	if !ok {
		return false
	}
	offset, err := strconv.ParseInt(res.Header.Get("Upload-Offset"), 10, 64)
	if err != nil || offset < c.acked || offset > int64(len(c.data)) {
		t.Errorf("%s has %q bytes, %d were acknowledged (%v)", c.at, res.Header.Get("Upload-Offset"), c.acked, err)
		return false
	}
	file := res.Header.Get("X-File-ID")
	for file == "" {
		end := min(offset+1+c.rng.Int64N(2<<20), int64(len(c.data)))
		res, ok := c.request(ctx, t, a, http.MethodPatch, c.at, c.data[offset:end], //nolint:bodyclose // as above
			"Upload-Offset", strconv.FormatInt(offset, 10), "Content-Type", "application/offset+octet-stream")
		if !ok {
			return false
		}
		offset, c.acked, file = end, end, res.Header.Get("X-File-ID")
	}
	c.done[file] = c.sum
	c.at = ""
	return true
}

// begin begins the next recording, or the same again where nobody knows whether it was begun.
func (c *tusClient) begin(ctx context.Context, t *testing.T, a *appliance) bool {
	t.Helper()
	if c.n == len(c.done) { // the one before is a file
		c.n++
		c.data = make([]byte, 4<<20+c.rng.IntN(4<<20))
		for i := 0; i+8 <= len(c.data); i += 8 {
			for k, v := 0, c.rng.Uint64(); k < 8; k++ {
				c.data[i+k] = byte(v >> (8 * k))
			}
		}
		c.sum, c.acked = digest(c.data), 0
	}
	res, ok := c.request(ctx, t, a, http.MethodPost, "/api/v1/uploads", nil, //nolint:bodyclose // as above
		"Upload-Length", strconv.Itoa(len(c.data)), "Idempotency-Key", fmt.Sprint("recording ", c.n))
	if !ok {
		return false
	}
	c.at = res.Header.Get("Location")
	return true
}

// TestUploadSurvivesKills kills the appliance at random moments of uploads in pieces: each goes on where it was
// acknowledged, and becomes one file with the bytes that were sent.
func TestUploadSurvivesKills(t *testing.T) {
	dir := t.TempDir()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	c := &tusClient{rng: rand.New(rand.NewPCG(2, seed)), done: map[string]string{}}
	for range uploadKills {
		a := start(t, dir)
		moment := time.Duration(5+c.rng.IntN(250)) * time.Millisecond
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			c.run(ctx, t, a)
		}()
		time.Sleep(moment) // the moment of the kill is what is tested
		a.kill()
		cancel()
		<-ended
		http.DefaultClient.CloseIdleConnections()
		if t.Failed() {
			t.Fatalf("%s", a.log.tail())
		}
	}
	a := start(t, dir)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if !c.one(ctx, t, a) { // what the last kill met comes to its end too
		t.Fatalf("not finished\n%s", a.log.tail())
	}
	files := list[File](a, "/api/v1/files")
	if len(files) != len(c.done) {
		t.Errorf("%d files of %d recordings", len(files), len(c.done))
	}
	for _, f := range files {
		if f.SHA256 != c.done[f.ID] || f.Source != "tus" {
			t.Errorf("file %s has the digest %s, sent was %s", f.ID, f.SHA256, c.done[f.ID])
		}
	}
	left, err := os.ReadDir(filepath.Join(dir, "uploads"))
	if err != nil || len(left) > 1 {
		t.Errorf("%d partial files are left, %v", len(left), err)
	}
	t.Logf("%d recordings, %d kills", len(c.done), uploadKills)
}
