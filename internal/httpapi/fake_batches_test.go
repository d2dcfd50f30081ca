package httpapi

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/wayside-edge/wayside/internal/batch"
	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
)

// fakeBatches are batches whose files are as the decodes of the world are.
type fakeBatches struct {
	w   *world
	mu  sync.Mutex
	all []fakeBatch
}

type fakeBatch struct {
	made  batch.New
	ended string // cancelled
}

func (f *fakeBatches) Create(ctx context.Context, n batch.New) (batch.Batch, error) {
	if err := n.CheckOptions(); err != nil {
		return batch.Batch{}, err
	}
	for i, it := range n.Items {
		if _, err := f.w.File(ctx, it.FileID); err != nil {
			return batch.Batch{}, errcode.Invalid(fmt.Sprintf("file_ids[%d]", i), "there is no such file")
		}
		if it.DecodeID == "" {
			if d, _, err := f.w.Redecode(ctx, redecodeOf(it.FileID)); err == nil {
				n.Items[i].DecodeID = d.ID
			}
		}
	}
	f.mu.Lock()
	f.all = append(f.all, fakeBatch{made: n})
	id := fmt.Sprintf("b%04d", len(f.all))
	f.mu.Unlock()
	return f.Get(ctx, id)
}

func (f *fakeBatches) find(id string) (*fakeBatch, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.all {
		if fmt.Sprintf("b%04d", i+1) == id {
			return &f.all[i], nil
		}
	}
	return nil, errcode.New(errcode.NotFound, "there is no such batch")
}

func (f *fakeBatches) Get(ctx context.Context, id string) (batch.Batch, error) {
	b, err := f.find(id)
	if err != nil {
		return batch.Batch{}, err
	}
	out := batch.Batch{ID: id, Name: b.made.Name, Total: len(b.made.Items), Concurrency: b.made.Concurrency, Timeout: b.made.Timeout, Params: b.made.Params, Decoder: b.made.Decoder, Status: batch.Queued, Closed: b.ended != ""}
	items, err := f.Items(ctx, id, 0, batch.MaxItems)
	for _, it := range items {
		switch it.State {
		case batch.ItemDone:
			out.Successful++
		case batch.ItemFailed, batch.ItemCancelled:
			out.Failed++
		default:
			out.Running++
		}
	}
	if out.Running == 0 && len(f.w.files) > 0 {
		out.Status, out.FinishedAt = batch.Done, f.w.files[0].CreatedAt
	}
	return out, err
}

func (f *fakeBatches) Items(ctx context.Context, id string, from, limit int) ([]batch.Item, error) {
	b, err := f.find(id)
	if err != nil {
		return nil, err
	}
	var out []batch.Item
	for i, it := range b.made.Items {
		if i < from || len(out) == limit {
			continue
		}
		file, _ := f.w.File(ctx, it.FileID)
		item := batch.Item{At: i, FileID: it.FileID, Name: file.Name, DecodeID: it.DecodeID, State: batch.ItemRunning}
		d, err := f.w.Decode(ctx, it.DecodeID)
		switch {
		case err != nil || b.ended != "":
			item.State, item.Error = batch.ItemCancelled, &catalog.Failure{Code: errcode.Cancelled, Message: "the batch was cancelled"}
		case d.Status == catalog.Done, d.Status == catalog.Partial:
			item.State, item.Partial = batch.ItemDone, d.Status == catalog.Partial
		case d.Status.Final():
			item.State, item.Error = batch.ItemFailed, d.Error
		}
		out = append(out, item)
	}
	return out, nil
}

func (f *fakeBatches) List(ctx context.Context, q batch.Query) (items []batch.Batch, next string, err error) {
	for i := len(f.all); i > 0 && len(items) < q.Limit; i-- {
		b, err := f.Get(ctx, fmt.Sprintf("b%04d", i))
		if err != nil {
			return nil, "", err
		}
		items = append(items, b)
	}
	return items, "", nil
}

func (f *fakeBatches) Cancel(ctx context.Context, id string) (batch.Batch, error) {
	b, err := f.find(id)
	if err != nil {
		return batch.Batch{}, err
	}
	if b.ended != "" {
		return batch.Batch{}, errcode.New(errcode.Conflict, "the batch has ended")
	}
	b.ended = "cancelled"
	return f.Get(ctx, id)
}

func (f *fakeBatches) Retry(ctx context.Context, id string) (batch.Batch, error) {
	b, err := f.find(id)
	if err != nil {
		return batch.Batch{}, err
	}
	b.ended = ""
	return f.Get(ctx, id)
}

func (f *fakeBatches) Delete(_ context.Context, id string) error {
	b, err := f.find(id)
	if err == nil {
		b.made.Items = nil
	}
	return err
}

// fakeArchives take lines of the form name=content as an archive.
type fakeArchives struct{}

func (fakeArchives) Members(_ context.Context, body io.Reader, _ int64, each func(string, io.Reader) error) error {
	all, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(all)) {
		name, content, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok {
			return errcode.Invalid("archive", "it is none")
		}
		if err := each(name, strings.NewReader(content)); err != nil {
			return err
		}
	}
	return nil
}

func (f fakeArchives) StoredMembers(ctx context.Context, file catalog.File, each func(string, io.Reader) error) error {
	return f.Members(ctx, strings.NewReader("x.ru="+file.ID+"\n"), 0, each)
}
