package decode

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/runtime"
	"github.com/wayside-edge/wayside/internal/table"
)

// ledger keeps what a Recorder is told.
type ledger struct{ told []string }

func (l *ledger) FileReceived(format string, size int64) {
	l.told = append(l.told, fmt.Sprint("received ", format, " ", size))
}

func (l *ledger) FileProcessed(ctx context.Context, format, status string, took time.Duration) {
	l.told = append(l.told, fmt.Sprint("processed ", format, " ", status, " ", took >= 0, " ", queue.TraceOf(ctx).TraceID))
}

// TestDecodesAreCounted counts each decode once: of a job, in its trace, and one that is stored nowhere, together with the
// recording; also one that failed, that was buried, and whose worker died; not one whose caller has gone.
func TestDecodesAreCounted(t *testing.T) {
	x := setup(t)
	rec := &ledger{}
	x.d.Recorder = rec
	want := func(what string, lines ...string) {
		t.Helper()
		if d := cmp.Diff(lines, rec.told); d != "" {
			t.Errorf("%s (-want +got):\n%s", what, d)
		}
		rec.told = nil
	}
	_, job := x.queued("toy 1")
	x.d.Handle(queue.WithTrace(t.Context(), queue.Trace{TraceID: "4711"}), job)
	want("a job", "processed toy-format success true 4711")

	_, job = x.queued("toy 2")
	b := x.db.Batch()
	if err := x.d.Dead(b, job, errcode.Timeout, "too long"); err != nil {
		t.Fatal(err)
	}
	want("a burial", "processed toy-format error true ")

	direct := func(ctx context.Context) {
		_ = x.d.Direct(ctx, DirectRequest{Body: strings.NewReader("toy"), To: table.CSV}, func(DirectInfo) {}, &bytes.Buffer{})
	}
	direct(t.Context())
	want("direct", "received toy-format 3", "processed toy-format success true ")
	x.run.rows, x.run.result = 0, runtime.Result{Status: runtime.Failed, Failure: &runtime.Failure{Code: errcode.Trap}}
	direct(t.Context())
	want("direct, failed", "received toy-format 3", "processed toy-format error true ")
	x.run.err = errors.New("worker died")
	direct(t.Context())
	want("direct, without a verdict", "received toy-format 3", "processed toy-format error true ")
	ctx, cancel := context.WithCancel(t.Context())
	x.run.before = func(ctx context.Context) error { cancel(); return context.Cause(ctx) }
	direct(ctx)
	want("direct, left", "received toy-format 3")
}
