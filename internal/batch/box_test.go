package batch

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/event"
	"github.com/wayside-edge/wayside/internal/ingest"
	"github.com/wayside-edge/wayside/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// box is an Engine on a database and a catalog, with decodes that end when the test says so.
type box struct {
	*Engine
	t    testing.TB
	dir  string
	db   *store.DB
	cat  *catalog.Catalog
	bus  *event.Bus
	stop func()
	torn atomic.Value // func(store.Point) error
	seen tally

	mu      sync.Mutex
	now     time.Time
	refuse  map[string]error // by file
	started map[string]int   // decodes made, by file
}

func openBox(tb testing.TB) *box {
	tb.Helper()
	b := &box{t: tb, dir: tb.TempDir(), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), refuse: map[string]error{}, started: map[string]int{}}
	b.open()
	tb.Cleanup(func() { b.close() })
	return b
}

func (b *box) open() {
	b.t.Helper()
	must := func(err error) {
		b.t.Helper()
		if err != nil {
			b.t.Fatal(err)
		}
	}
	ctx := context.WithoutCancel(b.t.Context())
	var err error
	b.db, err = store.Open(ctx, store.Config{Dir: filepath.Join(b.dir, "db"), Reserve: 1 << 20, Ballast: -1, Hook: func(p store.Point) error {
		if torn, ok := b.torn.Load().(func(store.Point) error); ok {
			return torn(p)
		}
		return nil
	}})
	must(err)
	b.cat, err = catalog.Open(b.db)
	must(err)
	b.bus = event.New(0)
	b.Engine, err = Open(ctx, Config{DB: b.db, Decodes: b.cat, Starter: b, Events: b.bus, Recorder: &b.seen, Now: b.clock})
	must(err)
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	b.stop = func() {
		cancel()
		must(<-done)
	}
}

func (b *box) close() {
	if b.stop == nil {
		return
	}
	b.stop()
	b.stop = nil
	b.bus.Close()
	if err := b.db.Close(); err != nil {
		b.t.Error(err)
	}
}

func (b *box) reopen() {
	b.t.Helper()
	b.close()
	b.open()
}

func (b *box) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *box) advance(d time.Duration) {
	b.mu.Lock()
	b.now = b.now.Add(d)
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// put records a change of a decode as decode and ingest do.
func (b *box) put(d catalog.Decode) {
	b.t.Helper()
	batch := b.db.Batch()
	if err := b.cat.PutDecode(batch, d); err != nil {
		b.t.Fatal(err)
	}
	batch.OnCommit(func() { b.bus.Publish(ingest.TopicDecode, d.ID, d) })
	if err := b.db.Commit(context.Background(), batch); err != nil {
		b.t.Fatal(err)
	}
}

// Redecode is ingest's: it gives the newest decode that was not cancelled, or makes one.
func (b *box) Redecode(ctx context.Context, r ingest.Redecode) (catalog.Decode, bool, error) {
	b.mu.Lock()
	err := b.refuse[r.FileID]
	b.mu.Unlock()
	if err != nil {
		return catalog.Decode{}, false, err
	}
	if _, err := b.cat.File(ctx, r.FileID); err != nil {
		return catalog.Decode{}, false, err
	}
	ids, err := b.cat.DecodesOf(ctx, r.FileID)
	if err != nil {
		return catalog.Decode{}, false, err
	}
	for _, id := range slices.Backward(ids) {
		if d, err := b.cat.Decode(ctx, id); err == nil && d.Status != catalog.Cancelled && !r.Force {
			return d, true, nil
		}
	}
	id, err := b.cat.NewDecodeID(ctx)
	if err != nil {
		return catalog.Decode{}, false, err
	}
	d := catalog.Decode{ID: id, FileID: r.FileID, Status: catalog.Queued, CreatedAt: b.clock()}
	batch := b.db.Batch()
	if err := b.cat.PutDecode(batch, d); err != nil {
		return catalog.Decode{}, false, err
	}
	if err := b.db.Commit(ctx, batch); err != nil {
		return catalog.Decode{}, false, err
	}
	b.mu.Lock()
	b.started[r.FileID]++
	b.mu.Unlock()
	return d, false, nil
}

// Cancel is ingest's.
func (b *box) Cancel(ctx context.Context, id string) (catalog.Decode, error) {
	d, err := b.cat.Decode(ctx, id)
	if err != nil {
		return d, err
	}
	if d.Status.Final() {
		return d, errcode.New(errcode.Conflict, "it has ended")
	}
	d.Status, d.Error = catalog.Cancelled, &catalog.Failure{Code: errcode.Cancelled, Message: "cancelled by request"}
	b.put(d)
	return d, nil
}

// files makes files and gives their ids.
func (b *box) files(n int) []NewItem {
	b.t.Helper()
	out := make([]NewItem, n)
	batch := b.db.Batch()
	for i := range out {
		id, err := b.cat.NewFileID(context.Background())
		if err != nil {
			b.t.Fatal(err)
		}
		if err := b.cat.PutFile(batch, catalog.File{ID: id, Name: fmt.Sprintf("r%d.ru", i), SHA256: fmt.Sprintf("%064d", i), CreatedAt: b.now}); err != nil {
			b.t.Fatal(err)
		}
		out[i].FileID = id
	}
	if err := b.db.Commit(context.Background(), batch); err != nil {
		b.t.Fatal(err)
	}
	return out
}

func (b *box) create(n New) Batch {
	b.t.Helper()
	out, err := b.Create(b.t.Context(), n)
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

// await waits until a batch is as is asked for. What it waits for is told by events, and the test's own time bounds it.
func (b *box) await(id string, what string, ok func(Batch) bool) Batch {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for {
		got, err := b.Get(ctx, id)
		if err != nil {
			b.t.Fatal(err)
		}
		if ok(got) {
			return got
		}
		select {
		case <-ctx.Done():
			b.t.Fatalf("the batch does not become %s: %+v", what, got)
		case <-time.After(time.Millisecond):
		}
	}
}

func (b *box) awaitRunning(id string, n int) Batch {
	b.t.Helper()
	return b.await(id, fmt.Sprint(n, " at work"), func(v Batch) bool { return v.Running == n })
}

func (b *box) awaitStatus(id string, s Status) Batch {
	b.t.Helper()
	return b.await(id, string(s), func(v Batch) bool { return v.Status == s })
}

// working gives the decodes of a batch that are at work, in the order of its files.
func (b *box) working(id string) []catalog.Decode {
	b.t.Helper()
	items, err := b.Items(context.Background(), id, 0, MaxItems)
	if err != nil {
		b.t.Fatal(err)
	}
	var out []catalog.Decode
	for _, it := range items {
		if it.State == ItemRunning {
			d, err := b.cat.Decode(context.Background(), it.DecodeID)
			if err != nil {
				b.t.Fatal(err)
			}
			out = append(out, d)
		}
	}
	return out
}

// ends ends a decode.
func (b *box) ends(d catalog.Decode, s catalog.Status) {
	b.t.Helper()
	if d.Status = s; s == catalog.Failed || s == catalog.Partial {
		d.Error = &catalog.Failure{Code: errcode.Truncated, Message: "cut off"}
	}
	b.put(d)
}

// playUntil lets decodes of a batch end, as far as the disk lets it, until the batch has or stop says so.
func (b *box) playUntil(id string, stop func() bool) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for !stop() {
		v, err := b.Get(ctx, id)
		items, ierr := b.Items(ctx, id, 0, MaxItems)
		if err = errors.Join(err, ierr, ctx.Err()); err != nil && !stop() {
			b.t.Fatalf("the batch does not end: %+v, %v", v, err)
		}
		if !v.FinishedAt.IsZero() {
			return
		}
		for _, it := range items {
			if d, err := b.cat.Decode(ctx, it.DecodeID); err == nil && !d.Status.Final() {
				b.tryEnd(d)
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Millisecond):
		}
	}
}

// tryEnd ends a decode if the disk lets it.
func (b *box) tryEnd(d catalog.Decode) {
	b.t.Helper()
	d.Status = catalog.Done
	batch := b.db.Batch()
	if err := b.cat.PutDecode(batch, d); err != nil {
		b.t.Fatal(err)
	}
	batch.OnCommit(func() { b.bus.Publish(ingest.TopicDecode, d.ID, d) })
	if err := b.db.Commit(context.Background(), batch); err != nil { // it may be that this is where the disk goes, and that it is kept
		if d, err := b.cat.Decode(context.Background(), d.ID); err == nil && d.Status.Final() {
			b.bus.Publish(ingest.TopicDecode, d.ID, d)
		}
	}
}
