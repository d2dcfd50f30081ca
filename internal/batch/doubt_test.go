package batch

import (
	"context"
	"errors"
	goruntime "runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/store"
)

// tearOnce has the disk fail once, at the commit with this number, and reports whether there was one.
func (b *box) tearOnce(point store.Point, at int) *atomic.Bool {
	var count atomic.Int64
	var torn atomic.Bool
	b.torn.Store(func(p store.Point) error {
		if p == point && count.Add(1) == int64(at) {
			torn.Store(true)
			return errors.New("torn")
		}
		return nil
	})
	return &torn
}

// playOn lets decodes of a batch end until it has, while the clock goes on and the disk may fail.
func (b *box) playOn(id string) {
	b.t.Helper()
	b.await(id, "ended", func(v Batch) bool {
		items, err := b.Items(context.Background(), id, 0, MaxItems)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, it := range items {
			if d, err := b.cat.Decode(context.Background(), it.DecodeID); err == nil && !d.Status.Final() {
				b.tryEnd(d)
			}
		}
		b.advance(time.Second)
		return !v.FinishedAt.IsZero()
	})
}

func (b *box) wantAllDone(id string, files []NewItem) {
	b.t.Helper()
	v, err := b.Get(context.Background(), id)
	items, ierr := b.Items(context.Background(), id, 0, MaxItems)
	if err != nil || ierr != nil || v.Status != Done || v.Successful != len(files) || len(items) != len(files) {
		b.t.Fatalf("%+v, %d items, %v", v, len(items), errors.Join(err, ierr))
	}
	for i, it := range items {
		decodes, err := b.cat.DecodesOf(context.Background(), it.FileID)
		if it.FileID != files[i].FileID || it.State != ItemDone || len(decodes) != 1 || err != nil {
			b.t.Errorf("item %d is %+v, %d decodes, %v", i, it, len(decodes), err)
		}
	}
	b.Engine.mu.Lock()
	defer b.Engine.mu.Unlock()
	if len(b.active)+len(b.decodes)+len(b.doubt) != 0 {
		b.t.Errorf("in memory still: %v, %v, %v", b.active, b.decodes, b.doubt)
	}
}

// wantCounted wants the end of one batch, and of so many files, to have been counted once.
func (b *box) wantCounted(files int) {
	b.t.Helper()
	b.seen.mu.Lock()
	defer b.seen.mu.Unlock()
	ends := 0
	for what, n := range b.seen.said {
		if strings.Contains(what, " after ") {
			ends += n
		}
	}
	if ends != 1 || b.seen.said[string(ItemDone)] != files {
		b.t.Errorf("counted: %v", b.seen.said)
	}
}

// TestOnAfterACommitInDoubt has the disk fail once at each commit of a batch's life, before it, before its flush and after it: the
// engine goes on, and every file is decoded once.
func TestOnAfterACommitInDoubt(t *testing.T) {
	for _, point := range []store.Point{store.BeforeCommit, store.BeforeSync, store.BeforeAck} {
		t.Run(string(point), func(t *testing.T) {
			at, seen := 1, 0
			for torn := true; torn; at++ {
				b := openBox(t)
				files := b.files(4)
				was := b.tearOnce(point, at)
				made, err := b.Create(t.Context(), New{Items: files, Concurrency: 2})
				if err == nil {
					seen++
					b.playOn(made.ID)
					b.wantAllDone(made.ID, files)
					b.wantCounted(len(files))
				}
				torn = was.Load()
				b.close()
			}
			if seen < 7 {
				t.Errorf("a batch has only %d commits: the test saw too little", seen)
			}
		})
	}
}

// TestEndedButForItsRecord opens a batch whose files have all ended, and which itself has not: an earlier process left it so.
func TestEndedButForItsRecord(t *testing.T) {
	b := openBox(t)
	files := b.files(2)
	made := b.create(New{Items: files})
	b.playOn(made.ID)
	b.rewrite(made.ID, func(rec *record) { rec.FinishedAt, rec.Counts = time.Time{}, counts{} })
	b.awaitStatus(made.ID, Done)
	b.wantAllDone(made.ID, files)
}

// TestCancelledAndThenTheEnd has the process end when it is recorded that a batch is cancelled, and nothing else: the next one
// cancels its decodes.
func TestCancelledAndThenTheEnd(t *testing.T) {
	b := openBox(t)
	made := b.create(New{Items: b.files(3), Concurrency: 2})
	b.awaitRunning(made.ID, 2)
	b.rewrite(made.ID, func(rec *record) { rec.Cancelled = true })
	if v := b.awaitStatus(made.ID, Cancelled); v.Failed != 3 {
		t.Errorf("%+v", v)
	}
}

// TestCancelledOnAFullDisk has a cancelled batch whose files cannot be recorded as cancelled: it is tried again after a while,
// not at once for ever.
func TestCancelledOnAFullDisk(t *testing.T) {
	b := openBox(t)
	files := b.files(2)
	for _, f := range files {
		b.refuse[f.FileID] = errcode.New(errcode.DiskFull, "full")
	}
	made := b.create(New{Items: files})
	var tries atomic.Int64
	tried := make(chan struct{}, 1)
	b.rewriteWhile(made.ID, func(rec *record) { rec.Cancelled = true }, func(p store.Point) error {
		if p != store.BeforeCommit {
			return nil
		}
		tries.Add(1)
		select {
		case tried <- struct{}{}:
		default:
		}
		return errors.New("full")
	})
	<-tried
	for range 20 {
		b.wake <- struct{}{} // Run has taken the one before
	}
	if n := tries.Load(); n > 4 {
		t.Errorf("%d tries", n)
	}
	b.torn.Store(func(store.Point) error { return nil })
	b.advance(startAgain)
	b.awaitStatus(made.ID, Cancelled)
}

// TestNotMadeAndNotUndone has a batch of which the record was written, whose flush failed, and which could not be undone at once:
// it goes once the disk is there again.
func TestNotMadeAndNotUndone(t *testing.T) {
	b := openBox(t)
	files := b.files(2)
	var flushes atomic.Int64
	var gone atomic.Bool
	b.torn.Store(func(p store.Point) error {
		switch {
		case p == store.BeforeSync && flushes.Add(1) == 3: // the sequence's, the items', the batch's
			gone.Store(true)
		case p != store.BeforeCommit || !gone.Load():
			return nil
		}
		return errors.New("torn")
	})
	if _, err := b.Create(t.Context(), New{Items: files}); err == nil {
		t.Fatal("no error")
	}
	if b.records(t) == 0 {
		t.Fatal("nothing is there: the test saw too little")
	}
	b.torn.Store(func(store.Point) error { return nil })
	b.advance(startAgain)
	for b.records(t) > 0 {
		if t.Context().Err() != nil {
			t.Fatal("it is there still")
		}
		b.advance(startAgain)
		goruntime.Gosched()
	}
	if all, _, err := b.List(t.Context(), Query{Limit: 10}); err != nil || len(all) != 0 {
		t.Errorf("%+v, %v", all, err)
	}
}

// TestDamagedInDoubt has the record of a batch be damaged while it is in doubt: it is left out, and can be deleted.
func TestDamagedInDoubt(t *testing.T) {
	b := openBox(t)
	made := b.create(New{Items: b.files(2), Concurrency: 1})
	b.awaitRunning(made.ID, 1)
	batch := b.db.Batch()
	batch.Set(b.space, keyOfBatch(made.ID), []byte("{"))
	if err := b.commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	b.Engine.mu.Lock()
	b.doubt[made.ID] = true
	b.Engine.mu.Unlock()
	if _, err := b.Engine.Cancel(t.Context(), made.ID); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("cancelled: %v", err)
	}
	if err := b.Delete(t.Context(), made.ID); err != nil || b.records(t) != 0 {
		t.Errorf("%d records, %v", b.records(t), err)
	}
}

// rewrite changes the record of a batch behind the back of the engine, and opens it anew.
func (b *box) rewrite(id string, change func(*record)) {
	b.t.Helper()
	b.rewriteWhile(id, change, func(store.Point) error { return nil })
}

// rewriteWhile is rewrite, after which commits go as torn says.
func (b *box) rewriteWhile(id string, change func(*record), torn func(store.Point) error) {
	b.t.Helper()
	rec, err := b.load(id)
	if err != nil {
		b.t.Fatal(err)
	}
	change(&rec)
	batch := b.db.Batch()
	if err := errors.Join(b.stage(batch, keyOfBatch(id), rec), b.commit(b.t.Context(), batch)); err != nil {
		b.t.Fatal(err)
	}
	b.close()
	b.torn.Store(torn)
	b.open()
}

// TestChangesInDoubt has the commits of changes fail once: whoever calls again finds the batch as the database has it, and so
// does the next process.
func TestChangesInDoubt(t *testing.T) {
	changes := map[string]func(b *box, id string, more NewItem) error{
		"cancel": func(b *box, id string, _ NewItem) error { _, err := b.Engine.Cancel(b.t.Context(), id); return err },
		"delete": func(b *box, id string, _ NewItem) error { return b.Delete(b.t.Context(), id) },
		"join":   func(b *box, id string, more NewItem) error { return b.Join(b.t.Context(), id, more) },
		"retry":  func(b *box, id string, _ NewItem) error { _, err := b.Retry(b.t.Context(), id); return err },
	}
	for name, change := range changes {
		for _, point := range []store.Point{store.BeforeCommit, store.BeforeSync, store.BeforeAck} {
			t.Run(name+"/"+string(point), func(t *testing.T) {
				b := openBox(t)
				files := b.files(3)
				made := b.create(New{Items: files[:2], Concurrency: 2})
				b.awaitRunning(made.ID, 2)
				if name == "retry" {
					for _, d := range b.working(made.ID) {
						b.ends(d, catalog.Failed)
					}
					b.awaitStatus(made.ID, Failed)
				}
				b.tearOnce(point, 1)
				if err := change(b, made.ID, files[2]); err == nil {
					t.Fatal("no error")
				}
				err := change(b, made.ID, files[2])
				durable := point != store.BeforeCommit
				switch code := errcode.Of(err); {
				case err == nil:
				case durable && name == "delete" && code == errcode.NotFound:
				case durable && (name == "retry" || name == "cancel") && code == errcode.Conflict:
				default:
					t.Fatal(err)
				}
				if name == "delete" {
					if _, err := b.Get(t.Context(), made.ID); !errcode.Is(err, errcode.NotFound) || b.records(t) != 0 {
						t.Fatalf("%d records, %v", b.records(t), err)
					}
					return
				}
				b.playOn(made.ID)
				before, err := b.Get(t.Context(), made.ID)
				if err != nil {
					t.Fatal(err)
				}
				b.reopen()
				after, err := b.Get(t.Context(), made.ID)
				want := map[string]Status{"cancel": Cancelled, "join": Done, "retry": Done}[name]
				if err != nil || before.Status != want || after.Status != want || before.Total != after.Total || before.Total != map[bool]int{true: 3, false: 2}[name == "join"] {
					t.Errorf("%+v, then %+v, %v", before, after, err)
				}
				ids, err := b.cat.DecodesOf(t.Context(), files[0].FileID)
				if err != nil || (name == "cancel" && !slices.ContainsFunc(ids, func(id string) bool {
					d, err := b.cat.Decode(t.Context(), id)
					return err == nil && d.Status == catalog.Cancelled
				})) {
					t.Errorf("the decode of a cancelled batch went on: %v, %v", ids, err)
				}
			})
		}
	}
}
