package local

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/queue"
)

// TestReadAhead changes jobs whose records have been read ahead, or are being read: a lease gives them as they are.
func TestReadAhead(t *testing.T) {
	for _, during := range []bool{false, true} {
		t.Run(fmt.Sprintf("during=%v", during), func(t *testing.T) {
			b := openIdle(t, t.TempDir(), Config{})
			news := make([]queue.New, 400)
			for i := range news {
				news[i] = queue.New{Type: "a", Payload: fmt.Appendf(nil, "%d", i)}
			}
			jobs := mustEnqueue(t, b.Engine, news...)
			n, _ := parseID(jobs[0].ID)
			var read map[uint64]both
			if during {
				b.table.ahead.reading = true
				read = b.readBoth(t.Context(), n)
			} else {
				mustFinish(t, b.Engine, mustLease(t, b.Engine), queue.Outcome{})
				if got := len(b.table.ahead.jobs); got != 399 {
					t.Fatalf("%d jobs were read ahead, want all that follow", got)
				}
			}
			ctx := t.Context()
			if _, err := b.Edit(ctx, jobs[3].ID, queue.Edit{Payload: []byte(`"new"`)}); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Cancel(ctx, jobs[4].ID, nil); err != nil {
				t.Fatal(err)
			}
			if err := b.Delete(ctx, jobs[5].ID); err != nil {
				t.Fatal(err)
			}
			// Leased and given back: its record says of a start that there was none.
			l := mustLeaseOutside(t, b.Engine, queue.ExternalRequest{Lease: time.Minute})[0]
			b.finishOutside(t, l.Lease, queue.Outcome{Release: true})
			if during {
				b.table.ahead.keep(read, b.table.claims)
			}
			first := 1
			if during {
				first = 0
			}
			for i := first; i < len(jobs); i++ {
				if i == 4 || i == 5 {
					continue
				}
				l := mustLease(t, b.Engine)
				want := fmt.Sprint(i)
				if i == 3 {
					want = `"new"`
				}
				if l.Job.ID != jobs[i].ID || string(l.Job.Payload) != want || l.Job.Attempt != 1 || l.Job.Status != queue.Active {
					t.Fatalf("leased %s attempt %d with %s, want %s with %s", l.Job.ID, l.Job.Attempt, l.Job.Payload, jobs[i].ID, want)
				}
				mustFinish(t, b.Engine, l, queue.Outcome{})
			}
		})
	}
}

// TestReadAheadIsBounded reads ahead of jobs with large payloads.
func TestReadAheadIsBounded(t *testing.T) {
	b := openIdle(t, t.TempDir(), Config{})
	large := []byte(`"` + strings.Repeat("x", 30<<10) + `"`)
	for range 300 {
		mustEnqueue(t, b.Engine, queue.New{Type: "a", Payload: large})
	}
	mustLease(t, b.Engine)
	size := 0
	for _, x := range b.table.ahead.jobs {
		size += len(x.body)
	}
	if size == 0 || size > aheadBytes+len(large)+1<<10 {
		t.Errorf("%d bytes were read ahead", size)
	}
}
