package batch

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/ingest"
	"github.com/wayside-edge/wayside/internal/store"
)

// joining gives a file with a decode that has begun, as an upload makes them.
func (b *box) joining(f NewItem) NewItem {
	b.t.Helper()
	d, _, err := b.Redecode(context.Background(), ingest.Redecode{FileID: f.FileID})
	if err != nil {
		b.t.Fatal(err)
	}
	return NewItem{FileID: f.FileID, DecodeID: d.ID}
}

// TestJoin adds files to a batch at every point of its life, with restarts and twice each.
func TestJoin(t *testing.T) {
	b := openBox(t)
	files := b.files(4)
	made := b.create(New{Items: files[:1], Concurrency: 1})
	join := func(n NewItem) {
		t.Helper()
		for range 2 {
			if err := b.Join(t.Context(), made.ID, n); err != nil {
				t.Fatal(err)
			}
			b.reopen()
		}
	}
	b.awaitRunning(made.ID, 1)
	join(NewItem{FileID: files[1].FileID}) // the batch starts its decode, when it may
	for i := range 2 {
		b.awaitRunning(made.ID, 1)
		b.ends(b.working(made.ID)[0], catalog.Done)
		b.reopen()
		b.await(made.ID, "further", func(v Batch) bool { return v.Successful == i+1 })
	}
	if v := b.awaitStatus(made.ID, Done); v.Total != 2 || v.Successful != 2 {
		t.Errorf("%+v", v)
	}
	third := b.joining(files[2])
	join(third)
	if v := b.awaitRunning(made.ID, 1); v.Total != 3 || v.Status != Running || !v.FinishedAt.IsZero() {
		t.Errorf("it had ended, and goes on: %+v", v)
	}
	b.ends(b.working(made.ID)[0], catalog.Failed)
	if v := b.awaitStatus(made.ID, Partial); v.Successful != 2 || v.Failed != 1 {
		t.Errorf("%+v", v)
	}
	last := b.joining(files[3])
	d, err := b.cat.Decode(t.Context(), last.DecodeID)
	if err != nil {
		t.Fatal(err)
	}
	b.ends(d, catalog.Done) // before anybody waits for it
	join(last)
	if v := b.awaitStatus(made.ID, Partial); v.Successful != 3 || v.Failed != 1 || v.Total != 4 {
		t.Errorf("%+v", v)
	}
	items, err := b.Items(t.Context(), made.ID, 0, MaxItems)
	if err != nil || len(items) != 4 {
		t.Fatalf("%d items, %v", len(items), err)
	}
	for i, it := range items {
		if it.FileID != files[i].FileID || it.Name != fmt.Sprintf("r%d.ru", i) {
			t.Errorf("item %d: %+v", i, it)
		}
	}
	if _, err := b.Retry(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	b.awaitRunning(made.ID, 1)
	b.ends(b.working(made.ID)[0], catalog.Done)
	if v := b.awaitStatus(made.ID, Done); v.Successful != 4 {
		t.Errorf("retried: %+v", v)
	}
}

func TestJoinIsRefused(t *testing.T) {
	b := openBox(t)
	files := b.files(2)
	if err := b.Join(t.Context(), "b0000000009", files[0]); !errcode.Is(err, errcode.NotFound) {
		t.Errorf("no batch: %v", err)
	}
	made := b.create(New{Items: files[:1]})
	if err := b.Join(t.Context(), made.ID, NewItem{FileID: "f0000000009"}); !errcode.Is(err, errcode.NotFound) {
		t.Errorf("no file: %v", err)
	}
	if _, err := b.Engine.Cancel(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := b.Join(t.Context(), made.ID, files[1]); !errcode.Is(err, errcode.Conflict) {
			t.Errorf("cancelled: %v", err)
		}
		b.reopen()
	}
}

// TestJoinThatIsTorn has the commit fail, before and after it is durable: called again, with and without a restart in
// between, the file is in the batch once.
func TestJoinThatIsTorn(t *testing.T) {
	for _, at := range []store.Point{store.BeforeCommit, store.BeforeSync, store.BeforeAck} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprint(at, restart), func(t *testing.T) {
				b := openBox(t)
				files := b.files(2)
				made := b.create(New{Items: files[:1]})
				b.awaitRunning(made.ID, 1)
				b.torn.Store(func(p store.Point) error {
					if p == at {
						return errors.New("torn")
					}
					return nil
				})
				if err := b.Join(t.Context(), made.ID, files[1]); err == nil {
					t.Error("joined")
				}
				b.torn.Store(func(store.Point) error { return nil })
				if restart {
					b.reopen()
				}
				if err := b.Join(t.Context(), made.ID, files[1]); err != nil {
					t.Fatal(err)
				}
				// Its start may have been tried while the disk was away, and be tried again after a while.
				v := b.await(made.ID, "2 at work", func(v Batch) bool {
					b.advance(startAgain)
					return v.Running == 2
				})
				if v.Total != 2 {
					t.Errorf("%+v", v)
				}
			})
		}
	}
}
