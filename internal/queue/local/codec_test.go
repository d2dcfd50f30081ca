package local

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
)

func drawTime(t *rapid.T, name string) time.Time {
	us := rapid.Int64Range(0, 250_000_000_000_000_000).Draw(t, name)
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

func TestRecordRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := record{
			State: queue.State{
				Status:      rapid.SampledFrom(queue.Statuses()).Draw(t, "status"),
				Attempt:     rapid.IntRange(0, 1<<16-1).Draw(t, "attempt"),
				Crashes:     rapid.IntRange(0, 255).Draw(t, "crashes"),
				MaxAttempts: rapid.IntRange(0, 1000).Draw(t, "max_attempts"),
				RunAt:       drawTime(t, "run_at"), StartedAt: drawTime(t, "started_at"),
				CancelAsked: rapid.Bool().Draw(t, "cancel"),
				Pending:     rapid.IntRange(0, 1<<16-1).Draw(t, "pending"),
			},
			queue:    rapid.StringMatching(`[a-z]{1,32}`).Draw(t, "queue"),
			typ:      rapid.StringMatching(`[a-z]{1,60}`).Draw(t, "type"),
			priority: rapid.IntRange(0, 9).Draw(t, "priority"),
			writing:  rapid.Bool().Draw(t, "writing"),
			unique:   rapid.Bool().Draw(t, "unique"),
			more:     recordMore(rapid.Byte().Draw(t, "more")),
		}
		switch at := drawTime(t, "moment"); {
		case r.Status.Final():
			r.FinishedAt = at
		case r.Status == queue.Ready:
			r.ReadyAt = at
		default:
			r.ParkedAt = at
		}
		raw := r.encode()
		got, err := decodeRecord(raw, plainNames)
		if err != nil || got != r {
			t.Fatalf("%+v came back as %+v, %v", r, got, err)
		}
		if len(raw) > 128 {
			t.Fatalf("%d bytes", len(raw))
		}
	})
	longest := record{queue: strings.Repeat("q", queue.MaxQueueName), typ: strings.Repeat("t", queue.MaxTypeName)}
	if n := len(longest.encode()); n > 128 {
		t.Errorf("the longest record has %d bytes, want at most 128", n)
	}
}

func TestBodyRoundTrip(t *testing.T) {
	j, err := queue.New{
		Type: "t", Queue: "q", Payload: []byte(`{"a":1}`), UniqueKey: "u", Writing: true, Priority: new(0), MaxAttempts: 1000,
		RequestID: "r", CorrelationID: "c", TraceID: "x", Timeout: 365 * 24 * time.Hour,
	}.Prepare(queue.Rules{}.WithDefaults(), epoch)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeBody(encodeBody(j))
	if diff := cmp.Diff(j, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	j.LimitKey, j.Backoff = "device-1", &queue.Backoff{Kind: queue.Listed, Delays: []time.Duration{time.Second}}
	j.DependsOn, j.OnFailure, j.FlowID, j.FlowKey = []queue.ID{"j1", "j2"}, queue.Continue, "f1", "first"
	j.ScheduleID, j.UniqueUntil, j.UniqueTTL, j.ResultTTL = "nightly", queue.UntilTTL, time.Minute, time.Hour
	got, err = decodeBody(encodeBody(j))
	if diff := cmp.Diff(j, got); err != nil || diff != "" {
		t.Errorf("with options: %v (-want +got):\n%s", err, diff)
	}
	f := queue.Failure{Attempt: 1000, At: epoch, Code: errcode.Trap, Message: "it fell"}
	if got, err := decodeFailure(encodeFailure(f)); err != nil || got != f {
		t.Errorf("%+v came back as %+v, %v", f, got, err)
	}
}

func FuzzRecords(f *testing.F) {
	r := record{State: queue.State{Status: queue.Ready}, queue: "q", typ: "t"}
	f.Add(r.encode())
	f.Add(encodeBody(queue.Job{Type: "t", Queue: "q", Payload: []byte("1")}))
	f.Add(encodeBody(queue.Job{Type: "t", Queue: "q", LimitKey: "k", Backoff: &queue.Backoff{Kind: queue.Fixed}, Payload: []byte("1")}))
	f.Add(encodeFailure(queue.Failure{Attempt: 1, At: epoch, Code: errcode.Trap, Message: "m"}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := decodeRecord(b, plainNames); err == nil {
			if again, err := decodeRecord(r.encode(), plainNames); err != nil || again != r {
				t.Errorf("%+v came back as %+v, %v", r, again, err)
			}
		}
		if j, err := decodeBody(b); err == nil {
			if again, err := decodeBody(encodeBody(j)); err != nil || !cmp.Equal(again, j) {
				t.Errorf("%+v came back as %+v, %v", j, again, err)
			}
		}
		if x, err := decodeFailure(b); err == nil {
			if again, err := decodeFailure(encodeFailure(x)); err != nil || again != x {
				t.Errorf("%+v came back as %+v, %v", x, again, err)
			}
		}
		parseSlots(b)
		parseExpiryKey(b)
	})
}
