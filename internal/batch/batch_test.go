package batch

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/ingest"
	"github.com/wayside-edge/wayside/internal/store"
)

// TestLife leads a batch through its life, with a restart at every step: order, concurrency, counts.
func TestLife(t *testing.T) {
	b := openBox(t)
	made := b.create(New{Name: " night run ", Items: b.files(5), Concurrency: 2})
	if made.Name != "night run" || made.Total != 5 || made.Status != Queued || made.Progress != 0 {
		t.Errorf("made %+v", made)
	}
	states := []catalog.Status{catalog.Done, catalog.Partial, catalog.Failed, catalog.Done, catalog.Done}
	for i, s := range states {
		v := b.awaitRunning(made.ID, min(2, 5-i))
		if v.Successful+v.Failed != i || v.Status != Running || v.Progress != float64(i)/5 {
			t.Errorf("after %d: %+v", i, v)
		}
		b.reopen()
		b.ends(b.working(made.ID)[0], s)
		b.await(made.ID, "further", func(v Batch) bool { return v.Successful+v.Failed == i+1 })
	}
	v := b.awaitStatus(made.ID, Partial)
	if v.Successful != 4 || v.Failed != 1 || v.Progress != 1 || v.FinishedAt.IsZero() || v.Running != 0 {
		t.Errorf("ended %+v", v)
	}
	b.reopen()
	if got, err := b.Get(t.Context(), made.ID); err != nil || got.Status != Partial || got.Successful != 4 {
		t.Errorf("after a restart %+v, %v", got, err)
	}
	items, err := b.Items(t.Context(), made.ID, 0, MaxItems)
	if err != nil || len(items) != 5 {
		t.Fatalf("%d items, %v", len(items), err)
	}
	for i, it := range items {
		wantPartial := states[i] == catalog.Partial
		if it.Name != fmt.Sprintf("r%d.ru", i) || (it.State == ItemFailed) != (states[i] == catalog.Failed) || it.Partial != wantPartial || (it.Error != nil) != (wantPartial || it.State == ItemFailed) {
			t.Errorf("item %d: %+v", i, it)
		}
		if n := b.started[it.FileID]; n != 1 {
			t.Errorf("%d decodes of item %d", n, i)
		}
	}
}

func TestRetry(t *testing.T) {
	b := openBox(t)
	made := b.create(New{Items: b.files(3)})
	b.awaitRunning(made.ID, 3)
	if _, err := b.Retry(t.Context(), made.ID); errcode.Of(err) != errcode.Conflict {
		t.Errorf("Retry of one that goes on: %v", err)
	}
	all := b.working(made.ID)
	b.ends(all[0], catalog.Done)
	b.ends(all[1], catalog.Failed)
	b.ends(all[2], catalog.Failed)
	b.awaitStatus(made.ID, Partial)
	for round := range 2 {
		v, err := b.Retry(t.Context(), made.ID)
		if err != nil || v.Successful != 1+round || v.Failed != 0 || !v.FinishedAt.IsZero() {
			t.Fatalf("Retry: %+v, %v", v, err)
		}
		b.reopen()
		b.awaitRunning(made.ID, 2-round)
		b.reopen()
		again := b.working(made.ID)
		if len(again) != 2-round || again[0].ID == all[1].ID {
			t.Fatalf("at work again: %+v", again)
		}
		b.ends(again[0], catalog.Done)
		if round == 0 {
			b.ends(again[1], catalog.Failed)
			b.awaitStatus(made.ID, Partial)
		}
	}
	b.awaitStatus(made.ID, Done)
	if _, err := b.Retry(t.Context(), made.ID); errcode.Of(err) != errcode.Conflict {
		t.Errorf("Retry of one that is done: %v", err)
	}
	if items, _ := b.Items(t.Context(), made.ID, 0, MaxItems); items[2].Error != nil || items[2].State != ItemDone || b.started[items[2].FileID] != 3 || b.started[items[0].FileID] != 1 {
		t.Errorf("items: %+v, decodes %v", items, b.started)
	}
}

func TestCancel(t *testing.T) {
	b := openBox(t)
	files := b.files(4)
	// The second file's decode was there before, and is not the batch's to cancel.
	other, _, err := b.Redecode(t.Context(), ingest.Redecode{FileID: files[1].FileID})
	if err != nil {
		t.Fatal(err)
	}
	made := b.create(New{Items: files, Concurrency: 2})
	b.awaitRunning(made.ID, 2)
	if _, err := b.Engine.Cancel(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	v := b.awaitStatus(made.ID, Cancelled)
	if v.Failed != 4 || v.Running != 0 {
		t.Errorf("cancelled: %+v", v)
	}
	if d, err := b.cat.Decode(t.Context(), other.ID); err != nil || d.Status.Final() {
		t.Errorf("somebody else's decode: %+v, %v", d, err)
	}
	items, _ := b.Items(t.Context(), made.ID, 0, MaxItems)
	for i, it := range items {
		if it.State != ItemCancelled || it.Error == nil || it.Error.Code != errcode.Cancelled || (it.DecodeID == "") != (i > 1) {
			t.Errorf("item %d: %+v", i, it)
		}
	}
	if _, err := b.Engine.Cancel(t.Context(), made.ID); errcode.Of(err) != errcode.Conflict {
		t.Errorf("Cancel again: %v", err)
	}
	if _, err := b.Retry(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	b.awaitRunning(made.ID, 2)
	if err := b.Delete(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Get(t.Context(), made.ID); errcode.Of(err) != errcode.NotFound {
		t.Errorf("Get of one that was deleted: %v", err)
	}
	b.reopen()
	if n := b.records(t); n != 0 {
		t.Errorf("%d records are left", n)
	}
}

func (b *box) records(t *testing.T) (n int) {
	t.Helper()
	if err := b.space.Scan(t.Context(), store.ScanOptions{KeysOnly: true}, func(_, _ []byte) (bool, error) {
		n++
		return true, nil
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestFilesThatCannotBeDecoded: errors of the file end it, errors that pass are waited out.
func TestFilesThatCannotBeDecoded(t *testing.T) {
	b := openBox(t)
	files := b.files(3)
	b.mu.Lock()
	b.refuse[files[0].FileID] = errcode.New(errcode.UnknownFormat, "nobody knows it")
	b.refuse[files[1].FileID] = errcode.New(errcode.DiskFull, "the disk is full")
	b.mu.Unlock()
	made := b.create(New{Items: files})
	b.await(made.ID, "one failed", func(v Batch) bool { return v.Failed == 1 })
	b.mu.Lock()
	delete(b.refuse, files[1].FileID)
	b.mu.Unlock()
	b.advance(startAgain)
	b.awaitRunning(made.ID, 2)
	d := b.working(made.ID)
	batch := b.db.Batch()
	b.cat.DeleteDecode(batch, d[0])
	if err := b.db.Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	b.ends(d[1], catalog.Done)
	b.look(t.Context())
	v := b.awaitStatus(made.ID, Partial)
	items, _ := b.Items(t.Context(), made.ID, 0, MaxItems)
	if v.Successful != 1 || items[0].Error.Code != errcode.UnknownFormat || items[1].Error.Code != errcode.NotFound {
		t.Errorf("%+v %+v", v, items)
	}
}

func TestTimeout(t *testing.T) {
	b := openBox(t)
	made := b.create(New{Items: b.files(2), Timeout: time.Minute})
	b.awaitRunning(made.ID, 2)
	b.advance(time.Hour) // waiting does not count
	b.look(t.Context())
	d := b.working(made.ID)
	for i := range d {
		d[i].Status, d[i].StartedAt = catalog.Running, b.clock().Add(time.Duration(i)*time.Minute)
		b.put(d[i])
	}
	b.advance(time.Minute + time.Second)
	b.look(t.Context())
	b.await(made.ID, "one failed", func(v Batch) bool { return v.Failed == 1 && v.Running == 1 })
	if got, err := b.cat.Decode(t.Context(), d[0].ID); err != nil || got.Status != catalog.Cancelled {
		t.Errorf("the decode that took too long: %+v, %v", got, err)
	}
	b.ends(d[1], catalog.Done)
	b.awaitStatus(made.ID, Partial)
	if items, _ := b.Items(t.Context(), made.ID, 0, MaxItems); items[0].State != ItemFailed || items[0].Error.Code != errcode.Deadline {
		t.Errorf("items: %+v", items)
	}
}

func TestBatchesThatCannotBe(t *testing.T) {
	b := openBox(t)
	files := b.files(1)
	for name, n := range map[string]New{
		"no files": {}, "unknown": {Items: []NewItem{{FileID: "f000000000v"}}}, "too many": {Items: make([]NewItem, MaxItems+1)}, "name": {Name: "a\nb", Items: files}, "concurrency": {Items: files, Concurrency: -1},
		"timeout": {Items: files, Timeout: time.Millisecond},
	} {
		if _, err := b.Create(t.Context(), n); errcode.Of(err) != errcode.ValidationFailed {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, id := range []string{"", "b0", "f0000000001", "b0000000009"} {
		if _, err := b.Get(t.Context(), id); errcode.Of(err) != errcode.NotFound {
			t.Errorf("Get %q: %v", id, err)
		}
		if _, err := b.Items(t.Context(), id, 0, MaxItems); errcode.Of(err) != errcode.NotFound {
			t.Errorf("Items %q: %v", id, err)
		}
	}
	if n := b.records(t); n != 0 {
		t.Errorf("%d records", n)
	}
}

// TestSameFileTwice: a file that is in a batch more than once is decoded once, also when it is retried, and ends each time.
func TestSameFileTwice(t *testing.T) {
	b := openBox(t)
	f := b.files(1)[0]
	made := b.create(New{Items: []NewItem{f, f, f}, Concurrency: 2})
	b.awaitRunning(made.ID, 2)
	b.ends(b.working(made.ID)[0], catalog.Failed)
	if v := b.awaitStatus(made.ID, Failed); v.Failed != 3 || b.started[f.FileID] != 1 {
		t.Errorf("%+v, %d decodes", v, b.started[f.FileID])
	}
	if _, err := b.Retry(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	b.awaitRunning(made.ID, 2)
	b.reopen()
	b.ends(b.working(made.ID)[0], catalog.Done)
	if v := b.awaitStatus(made.ID, Done); v.Successful != 3 || b.started[f.FileID] != 2 {
		t.Errorf("retried: %+v, %d decodes", v, b.started[f.FileID])
	}
}

// TestDecodesThatAreThere: a batch of decodes of which some have ended already has them at once; what another one started
// is not cancelled with it.
func TestDecodesThatAreThere(t *testing.T) {
	b := openBox(t)
	files := b.files(3)
	for i := range files {
		d, _, err := b.Redecode(t.Context(), ingest.Redecode{FileID: files[i].FileID})
		if err != nil {
			t.Fatal(err)
		}
		if i < 2 {
			b.ends(d, []catalog.Status{catalog.Done, catalog.Failed}[i])
		}
		files[i].DecodeID, files[i].Shared = d.ID, i == 2
	}
	made := b.create(New{Items: files})
	if made.Successful != 1 || made.Failed != 1 || made.Running != 1 {
		t.Errorf("made %+v", made)
	}
	if ended := b.create(New{Items: files[:2]}); ended.Status != Partial || ended.FinishedAt.IsZero() {
		t.Errorf("all had ended: %+v", ended)
	}
	if _, err := b.Engine.Cancel(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	b.awaitStatus(made.ID, Cancelled)
	if d, err := b.cat.Decode(t.Context(), files[2].DecodeID); err != nil || d.Status.Final() {
		t.Errorf("somebody else's decode: %+v, %v", d, err)
	}
}

// TestItemsInPages reads the files of a batch a few at a time.
func TestItemsInPages(t *testing.T) {
	b := openBox(t)
	made := b.create(New{Items: b.files(5)})
	var names []string
	for from := 0; from < 6; from += 2 {
		page, err := b.Items(t.Context(), made.ID, from, 2)
		if err != nil {
			t.Fatal(err)
		}
		for i, it := range page {
			if it.At != from+i {
				t.Errorf("item %d is at %d", from+i, it.At)
			}
			names = append(names, it.Name)
		}
	}
	if got := strings.Join(names, " "); got != "r0.ru r1.ru r2.ru r3.ru r4.ru" {
		t.Errorf("read %s", got)
	}
}

func TestList(t *testing.T) {
	b := openBox(t)
	var ids []string
	for range 5 {
		ids = append(ids, b.create(New{Items: b.files(1)}).ID)
	}
	b.awaitRunning(ids[2], 1)
	b.ends(b.working(ids[2])[0], catalog.Failed)
	b.awaitStatus(ids[2], Failed)
	var got []string
	for cursor, more := "", true; more; more = cursor != "" {
		page, next, err := b.List(t.Context(), Query{Limit: 2, Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range page {
			got = append(got, v.ID)
		}
		cursor = next
	}
	slices.Reverse(got)
	if !slices.Equal(got, ids) {
		t.Errorf("listed %v, want %v", got, ids)
	}
	if page, _, err := b.List(t.Context(), Query{Limit: 10, Status: Failed}); err != nil || len(page) != 1 || page[0].ID != ids[2] {
		t.Errorf("failed ones: %+v, %v", page, err)
	}
	if _, _, err := b.List(t.Context(), Query{Limit: 10, Cursor: "x"}); errcode.Of(err) != errcode.Malformed {
		t.Errorf("a made-up cursor: %v", err)
	}
}

// TestLarge makes the largest batch there may be of files whose decodes are done already, and looks at what it costs.
func TestLarge(t *testing.T) {
	b := openBox(t)
	files := b.files(1000)
	made := b.create(New{Items: files, Concurrency: 1000})
	b.awaitRunning(made.ID, 1000)
	for _, d := range b.working(made.ID) {
		b.ends(d, catalog.Done)
	}
	b.awaitStatus(made.ID, Done)
	again := b.create(New{Items: files, Concurrency: 3})
	b.awaitStatus(again.ID, Done)
	if n := len(b.decodes) + len(b.active); n != 0 {
		t.Errorf("%d are in memory still", n)
	}
}

// TestDamage loses records: what is lost fails, the rest goes on.
func TestDamage(t *testing.T) {
	b := openBox(t)
	made := b.create(New{Items: b.files(3), Concurrency: 1})
	b.awaitRunning(made.ID, 1)
	batch := b.db.Batch()
	batch.Set(b.space, keyOfItem(made.ID, 1), []byte("{"))
	batch.Delete(b.space, keyOfItem(made.ID, 2))
	batch.Set(b.space, keyOfItem("b000000000v", 1), []byte("{}")) // of a batch that was not made
	batch.Set(b.space, []byte("i/nonsense"), []byte("{}"))
	if err := b.db.Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	b.reopen()
	b.ends(b.working(made.ID)[0], catalog.Done)
	v := b.awaitStatus(made.ID, Partial)
	if v.Successful != 1 || v.Failed != 2 || b.records(t) != 4 {
		t.Errorf("%+v, %d records", v, b.records(t))
	}
}

// TestTornCommits has commits fail at random points: the batch ends all the same, each file with one decode.
func TestTornCommits(t *testing.T) {
	b := openBox(t)
	var mu sync.Mutex
	n := 0
	tear := false
	b.torn.Store(func(p store.Point) error {
		mu.Lock()
		defer mu.Unlock()
		if n++; tear && p == store.BeforeCommit && n%5 == 0 {
			return errors.New("torn")
		}
		return nil
	})
	files := b.files(20)
	made := b.create(New{Items: files, Concurrency: 4})
	set := func(on bool) {
		mu.Lock()
		defer mu.Unlock()
		tear = on
	}
	for range 20 {
		set(true)
		b.advance(startAgain)
		b.look(t.Context())
		set(false)
		b.advance(startAgain)
		b.await(made.ID, "at work or done", func(v Batch) bool { return v.Running > 0 || v.Status == Done })
		for _, d := range b.working(made.ID) {
			if !d.Status.Final() {
				b.ends(d, catalog.Done)
			}
		}
		b.look(t.Context())
		b.advance(startAgain)
	}
	b.awaitStatus(made.ID, Done)
	for _, f := range files {
		if b.started[f.FileID] != 1 {
			t.Errorf("%d decodes of %s", b.started[f.FileID], f.FileID)
		}
	}
}

// TestAnyOrder does random things to batches that share files, with restarts, and in the end lets all decodes end: every
// batch ends, with as many files as it has, and nothing is left in memory.
func TestAnyOrder(t *testing.T) {
	b := openBox(t)
	rapid.Check(t, func(rt *rapid.T) {
		files := b.files(6)
		var ids []string
		steps := map[string]func(){
			"create": func() {
				from := rapid.IntRange(0, 4).Draw(rt, "from")
				ids = append(ids, b.create(New{Items: files[from:], Concurrency: rapid.IntRange(1, 4).Draw(rt, "concurrency")}).ID)
			},
			"end": func() {
				for _, id := range ids {
					for _, d := range b.working(id) {
						if !d.Status.Final() {
							b.ends(d, rapid.SampledFrom([]catalog.Status{catalog.Done, catalog.Failed, catalog.Partial}).Draw(rt, "how"))
							return
						}
					}
				}
			},
			"cancel": func() {
				if len(ids) > 0 {
					_, _ = b.Engine.Cancel(t.Context(), rapid.SampledFrom(ids).Draw(rt, "which")) // a conflict is fine
				}
			},
			"retry": func() {
				if len(ids) > 0 {
					_, _ = b.Retry(t.Context(), rapid.SampledFrom(ids).Draw(rt, "which"))
				}
			},
			"reopen": b.reopen,
		}
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			steps[rapid.SampledFrom([]string{"create", "create", "end", "end", "end", "cancel", "retry", "reopen"}).Draw(rt, "what")]()
		}
		for _, id := range ids {
			b.await(id, "ended", func(v Batch) bool {
				for _, d := range b.working(id) {
					if !d.Status.Final() {
						b.ends(d, catalog.Done)
					}
				}
				return !v.FinishedAt.IsZero()
			})
			v, err := b.Get(t.Context(), id)
			items, ierr := b.Items(t.Context(), id, 0, MaxItems)
			if err != nil || ierr != nil || v.Successful+v.Failed != v.Total || len(items) != v.Total {
				rt.Fatalf("%+v, %d items, %v", v, len(items), errors.Join(err, ierr))
			}
			for _, it := range items {
				if !it.State.final() || (it.State == ItemDone) != (it.Error == nil || it.Partial) {
					rt.Fatalf("%+v", it)
				}
			}
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.Engine.mu.Lock()
		defer b.Engine.mu.Unlock()
		if len(b.active)+len(b.decodes) != 0 {
			rt.Fatalf("in memory still: %v, %v", b.active, b.decodes)
		}
	})
}

// TestCreateInDoubt has the last commit of a batch that is made fail once, after it is written: the caller is told that
// there is no batch, so there is none.
func TestCreateInDoubt(t *testing.T) {
	for _, point := range []store.Point{store.BeforeCommit, store.BeforeSync, store.BeforeAck} {
		t.Run(string(point), func(t *testing.T) {
			b := openBox(t)
			files := b.files(2)
			var count atomic.Int64
			b.torn.Store(func(p store.Point) error {
				if p == point && count.Add(1) == 3 { // the sequence's, the items', the batch's
					return errors.New("torn")
				}
				return nil
			})
			if _, err := b.Create(t.Context(), New{Items: files}); err == nil {
				t.Fatal("no error")
			}
			b.reopen()
			if all, _, err := b.List(t.Context(), Query{Limit: 10}); err != nil || len(all) != 0 || b.records(t) != 0 {
				t.Errorf("%d batches, %d records, %v", len(all), b.records(t), err)
			}
		})
	}
}

// TestEndAtEveryCommit has the disk fail for good at each commit of a batch's life, before it, before its flush and after it,
// as it does when the process ends there, and goes on after a restart: either there is no batch and no record of one, or
// every file is decoded once and in order.
func TestEndAtEveryCommit(t *testing.T) {
	for _, point := range []store.Point{store.BeforeCommit, store.BeforeSync, store.BeforeAck} {
		t.Run(string(point), func(t *testing.T) {
			at := 1
			for endAtCommit(t, point, at) {
				at++
			}
			if at < 10 {
				t.Errorf("a batch has only %d commits: the test saw too little", at)
			}
		})
	}
}

// endAtCommit has the disk go at one commit. It reports whether there was that one.
func endAtCommit(t *testing.T, point store.Point, at int) bool {
	t.Helper()
	b := openBox(t)
	files := b.files(4)
	var torn atomic.Bool
	var count atomic.Int64
	b.torn.Store(func(p store.Point) error {
		if p == point && count.Add(1) == int64(at) {
			torn.Store(true)
		}
		if torn.Load() {
			return errors.New("the disk is gone")
		}
		return nil
	})
	made, err := b.Create(t.Context(), New{Items: files, Concurrency: 2})
	if err == nil {
		b.playUntil(made.ID, torn.Load)
	}
	b.torn.Store(func(store.Point) error { return nil })
	b.reopen()
	all, _, lerr := b.List(t.Context(), Query{Limit: 10})
	if lerr != nil || (err == nil && len(all) != 1) || (len(all) == 0 && b.records(t) != 0) {
		t.Fatalf("commit %d: created with %v; %d batches, %d records, %v", at, err, len(all), b.records(t), lerr)
	}
	for _, v := range all {
		b.playUntil(v.ID, func() bool { return false })
		items, err := b.Items(t.Context(), v.ID, 0, MaxItems)
		if err != nil || len(items) != len(files) {
			t.Fatalf("commit %d: %d items, %v", at, len(items), err)
		}
		for i, it := range items {
			decodes, err := b.cat.DecodesOf(t.Context(), it.FileID)
			if it.FileID != files[i].FileID || it.State != ItemDone || len(decodes) != 1 || err != nil {
				t.Errorf("commit %d: item %d is %+v, %d decodes", at, i, it, len(decodes))
			}
		}
	}
	b.close()
	return torn.Load()
}
