//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/plugins/rail/railtest"
)

// crashCycles is how often the appliance is killed; E2E_CYCLES says otherwise.
const crashCycles = 50

func cycles(t *testing.T) int {
	t.Helper()
	s := os.Getenv("E2E_CYCLES")
	if s == "" {
		return crashCycles
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("E2E_CYCLES: %v", err)
	}
	return n
}

// ledger is what the appliance has answered 2xx to.
type ledger struct {
	mu    sync.Mutex
	files map[string]string // file id → sha256
	decs  map[string]string // decode id → file id
}

// TestNothingAcknowledgedIsLostByKill kills the appliance at random moments while clients upload, and then looks for
// every file and decode that was ever acknowledged.
func TestNothingAcknowledgedIsLostByKill(t *testing.T) {
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
	book := &ledger{files: map[string]string{}, decs: map[string]string{}}
	n := cycles(t)
	var next int
	for cycle := range n {
		a := start(t, dir)
		ctx, cancel := context.WithCancel(t.Context())
		var clients sync.WaitGroup
		for c := range 3 {
			first := next + c*1000
			clients.Go(func() { uploadUntil(ctx, a, book, first) })
		}
		next += 3000
		// The moment of the kill is what is tested: from the start of the first upload to well into the decodes.
		<-time.After(time.Duration(rng.IntN(400)) * time.Millisecond)
		a.kill()
		cancel()
		clients.Wait()
		if t.Failed() {
			t.Fatalf("cycle %d", cycle)
		}
	}
	a := start(t, dir)
	checkLedger(t, a, book)
	t.Logf("%d kills, %d files acknowledged", n, len(book.files))
	if len(book.files) < n {
		t.Errorf("only %d files were acknowledged in %d cycles: the test saw too little", len(book.files), n)
	}
	if took, err := a.stop(); err != nil {
		t.Errorf("stop after %v: %v\n%s", took, err, a.log.tail())
	}
}

// uploadUntil uploads different recordings until ctx ends or the appliance is gone, and books what was acknowledged.
func uploadUntil(ctx context.Context, a *appliance, book *ledger, seed int) {
	for ; ctx.Err() == nil; seed++ {
		data := railtest.Recording(railtest.Options{Seed: uint64(seed), Bytes: 10_000})
		var up Uploaded
		path := fmt.Sprintf("/api/v1/files?name=r%d.RU", seed)
		status, p, err := a.call(ctx, http.MethodPost, path, bytes.NewReader(data), &up)
		if err != nil {
			return // killed
		}
		if p != nil {
			a.t.Errorf("upload: %d %+v", status, p)
			return
		}
		book.mu.Lock()
		book.files[up.File.ID] = digest(data)
		if up.Decode != nil {
			book.decs[up.Decode.ID] = up.File.ID
		}
		book.mu.Unlock()
	}
}

func checkLedger(t *testing.T, a *appliance, book *ledger) {
	t.Helper()
	files := map[string]File{}
	for _, f := range list[File](a, "/api/v1/files") {
		if _, twice := files[f.ID]; twice {
			t.Errorf("file %s is listed twice", f.ID)
		}
		files[f.ID] = f
	}
	for id, sha := range book.files {
		f, ok := files[id]
		if !ok {
			t.Errorf("file %s was acknowledged and is gone", id)
			continue
		}
		if got := contentDigest(t, a, id); f.SHA256 != sha || got != sha {
			t.Errorf("file %s: recorded %s, content %s, sent %s", id, f.SHA256, got, sha)
		}
	}
	for id := range book.decs {
		if d := a.final(id); d.Status != "done" {
			t.Errorf("decode %s: %s %+v", id, d.Status, d.Error)
		}
	}
	seen := map[string]int{}
	for _, d := range list[Decode](a, "/api/v1/decodes") {
		seen[d.FileID]++
		if d := a.final(d.ID); d.Status != "done" {
			t.Errorf("decode %s of an unacknowledged upload: %s", d.ID, d.Status)
		}
	}
	for id := range files {
		if seen[id] != 1 {
			t.Errorf("file %s has %d decodes", id, seen[id])
		}
	}
}

func contentDigest(t *testing.T, a *appliance, id string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.url+"/api/v1/files/"+id+"/content", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var buf bytes.Buffer
	if _, err := buf.ReadFrom(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("content of %s: %d %v", id, resp.StatusCode, err)
	}
	return digest(buf.Bytes())
}
