package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/wayside-edge/wayside/internal/blob"
	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/event"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

// Redecode asks for another decode of a stored file.
type Redecode struct {
	FileID  string
	Decoder string            // plugin or format id; "" = the file's own format
	Params  map[string]string // of the decoder
	Force   bool              // also where a result exists
	Trace   queue.Trace
	// Also gives what stages the caller's own record that this has happened: in the commit that records the decode, or in one
	// of its own where the decode was there before. nil = nothing.
	Also func(d catalog.Decode, existing bool) Stage
}

// Redecode records a decode of a stored file. Unless forced, a decode with the same decoder and parameters is given
// back instead, existing = true.
func (in *Ingester) Redecode(ctx context.Context, r Redecode) (d catalog.Decode, existing bool, err error) {
	f, err := in.Catalog.File(ctx, r.FileID)
	if err != nil {
		return d, false, fmt.Errorf("find file: %w", err)
	}
	u := Upload{Name: f.Name, Decoder: r.Decoder, Params: r.Params}
	p, err := in.plan(u)
	if err != nil {
		return d, false, err
	}
	release, err := in.Blobs.Hold(ctx, f.SHA256)
	if err != nil {
		return d, false, fmt.Errorf("hold recording: %w", err)
	}
	defer release()
	if err := in.recogniseStored(ctx, &p, u, f); err != nil {
		return d, false, err
	}
	unlock, err := in.locks.lock(ctx, f.SHA256)
	if err != nil {
		return d, false, err
	}
	defer unlock()
	if f, err = in.Catalog.File(ctx, f.ID); err != nil {
		return d, false, fmt.Errorf("find file: %w", err) // deleted while this waited
	}
	if !r.Force {
		d, ok, err := in.decodeOf(ctx, f, p)
		if err == nil && ok && r.Also != nil {
			b := in.DB.Batch()
			if err = r.Also(d, true)(b); err == nil {
				err = in.DB.Commit(ctx, b)
			}
		}
		if err != nil || ok {
			return d, ok, err
		}
	}
	b := in.DB.Batch()
	if f.Format == "" && p.known && (f.Wrapped == "" && p.inside.Wrapped != "" || p.inside.Parts != nil) {
		// Nobody knew what of it is to be decoded when it came, or looked into it. Now a decoder does, and offsets count
		// in its parts.
		f.Wrapped, f.Parts, f.PartCount = p.inside.Wrapped, p.inside.Parts, 0
		if err := in.Catalog.PutFile(b, f); err != nil {
			return d, false, fmt.Errorf("record parts: %w", err)
		}
	}
	if d, err = in.stageDecode(ctx, b, f, p, request{force: r.Force, trace: r.Trace}); err != nil {
		return d, false, err
	}
	if r.Also != nil {
		if err := r.Also(d, false)(b); err != nil {
			return d, false, fmt.Errorf("record decode: %w", err)
		}
	}
	if err := in.DB.Commit(ctx, b); err != nil {
		return d, false, fmt.Errorf("record decode: %w", err)
	}
	return d, false, nil
}

// headBytes is what formats are recognised by.
const headBytes = 64 << 10

func (in *Ingester) recogniseStored(ctx context.Context, p *plan, u Upload, f catalog.File) error {
	plain := f.Wrapped == "" && f.Format != "" // else it may be that nobody has looked into it: see look
	if p.known && plain {
		return nil
	}
	r, err := in.Blobs.Open(f.SHA256)
	if err != nil {
		return fmt.Errorf("open recording: %w", err)
	}
	head := make([]byte, min(f.Size, headBytes))
	_, err = r.ReadAt(head, 0)
	if err = errors.Join(err, r.Close()); err != nil && f.Size > 0 {
		return fmt.Errorf("read recording: %w", err)
	}
	s := sample{head, f.Size}
	if plain {
		return in.recognise(ctx, p, u, s)
	}
	return in.recogniseBlob(ctx, p, u, f.SHA256, s)
}

// Cancel ends a decode that has not ended, by a person's wish. A decode that runs is told to end: the answer may
// still show it running.
func (in *Ingester) Cancel(ctx context.Context, decodeID string) (catalog.Decode, error) {
	d, err := in.Catalog.Decode(ctx, decodeID)
	if err != nil {
		return d, fmt.Errorf("find decode: %w", err)
	}
	if d.Status.Final() {
		return d, errcode.New(errcode.Conflict, "the decode has ended")
	}
	if err := in.cancelJob(ctx, d); err != nil {
		return d, err
	}
	if d, err = in.Catalog.Decode(ctx, decodeID); err != nil {
		return d, fmt.Errorf("find decode: %w", err)
	}
	return d, nil
}

func (in *Ingester) cancelJob(ctx context.Context, d catalog.Decode) error {
	_, err := in.Queue.Cancel(ctx, queue.ID(d.JobID), func(b *store.Batch) error {
		d, err := in.Catalog.Decode(ctx, d.ID)
		if err != nil {
			return fmt.Errorf("find decode: %w", err)
		}
		d.Status, d.FinishedAt = catalog.Cancelled, in.Now().UTC()
		d.Error = &catalog.Failure{Code: errcode.Cancelled, Message: "cancelled by request"}
		return in.putDecode(b, d)
	})
	if errors.Is(err, queue.ErrEnded) || errors.Is(err, queue.ErrNotFound) {
		return nil // it ended by itself meanwhile
	}
	if err != nil {
		return fmt.Errorf("cancel decode: %w", err)
	}
	return nil
}

// stopWait bounds how long a deletion waits for a decode to let go of its files. A worker is killed, not asked, so
// that is a matter of milliseconds.
const stopWait = 10 * time.Second

// stop cancels decodes that have not ended and waits until they have.
func (in *Ingester) stop(ctx context.Context, decodeIDs []string) error {
	sub := in.Events.Subscribe(event.Now, TopicDecode)
	defer sub.Close()
	ctx, cancel := context.WithTimeoutCause(ctx, stopWait,
		errcode.New(errcode.Conflict, "a decode of this file still runs"))
	defer cancel()
	for _, id := range decodeIDs {
		for {
			d, err := in.Catalog.Decode(ctx, id)
			if errcode.Is(err, errcode.NotFound) {
				break
			}
			if err != nil {
				return fmt.Errorf("find decode: %w", err)
			}
			if d.Status.Final() {
				break
			}
			if err := in.cancelJob(ctx, d); err != nil {
				return err
			}
			if d, err = in.Catalog.Decode(ctx, id); err == nil && d.Status.Final() {
				break
			}
			if _, err := sub.Next(ctx); err != nil {
				return fmt.Errorf("wait for the decode to end: %w", err)
			}
		}
	}
	return nil
}

// DeleteFile deletes a file with its decodes and, where nobody else refers to them, its bytes and tables. Decodes
// that run are cancelled first. What was found inside the file goes before it, so that nothing is left of it whenever
// the deletion ends early.
func (in *Ingester) DeleteFile(ctx context.Context, id string) error {
	f, err := in.Catalog.File(ctx, id)
	if err != nil {
		return fmt.Errorf("find file: %w", err)
	}
	gone, err := in.deleteRecords(ctx, f)
	for inner := (*childrenError)(nil); errors.As(err, &inner); gone, err = in.deleteRecords(ctx, f) {
		for _, child := range inner.ids {
			if err := in.DeleteFile(ctx, child); err != nil && !errcode.Is(err, errcode.NotFound) {
				return fmt.Errorf("delete file found inside another: %w", err)
			}
		}
	}
	if err != nil {
		return err
	}
	err = in.dropBlob(ctx, f.SHA256)
	for _, d := range gone {
		in.Earlier.Forget(ctx, f.SHA256, d)
		err = errors.Join(err, in.dropResult(ctx, f.SHA256, d.ResultKey))
	}
	return err
}

// childrenError reports that files were found inside a file, which are to be deleted first.
type childrenError struct{ ids []string }

func (e *childrenError) Error() string { return fmt.Sprintf("%d files were found inside", len(e.ids)) }

// deleteRecords deletes the records of a file and gives the decodes it had. Its error is a childrenError where that cannot
// be yet; no decode of the file runs any more then.
func (in *Ingester) deleteRecords(ctx context.Context, f catalog.File) (gone []catalog.Decode, err error) {
	unlock, err := in.locks.lock(ctx, f.SHA256)
	if err != nil {
		return nil, err
	}
	defer unlock()
	ids, err := in.Catalog.DecodesOf(ctx, f.ID)
	if err != nil {
		return nil, fmt.Errorf("find decodes: %w", err)
	}
	if err := in.stop(ctx, ids); err != nil {
		return nil, err
	}
	if err := in.childless(ctx, f.ID); err != nil {
		return nil, err
	}
	b := in.DB.Batch()
	b.Essential()
	leave, err := in.leaveTree(ctx, b, f)
	if err != nil {
		return nil, err
	}
	defer leave()
	for _, id := range ids {
		d, err := in.Catalog.Decode(ctx, id)
		if errcode.Is(err, errcode.NotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("find decode: %w", err)
		}
		in.Catalog.DeleteDecode(b, d)
		b.OnCommit(func() { in.Events.Gone(TopicDecode, id) })
		gone = append(gone, d)
	}
	in.Catalog.DeleteFile(b, f)
	b.OnCommit(func() { in.Events.Gone(TopicFile, f.ID) })
	if err := in.DB.Commit(ctx, b); err != nil {
		return nil, fmt.Errorf("delete file: %w", err)
	}
	return gone, nil
}

// childless gives an error of childrenError where there are files that were found inside a file.
func (in *Ingester) childless(ctx context.Context, id string) error {
	ids, err := in.Catalog.ChildrenOf(ctx, id)
	if err != nil {
		return fmt.Errorf("find files inside: %w", err)
	}
	inner := &childrenError{}
	for _, child := range ids {
		_, err := in.Catalog.File(ctx, child)
		if err == nil {
			inner.ids = append(inner.ids, child)
		} else if !errcode.Is(err, errcode.NotFound) {
			return fmt.Errorf("find file inside: %w", err)
		}
	}
	if len(inner.ids) > 0 {
		return inner
	}
	return nil
}

// leaveTree stages that a file found inside another is not among those of its delivered file any more. The function it
// gives is to be called after the commit.
func (in *Ingester) leaveTree(ctx context.Context, b *store.Batch, f catalog.File) (leave func(), err error) {
	if f.Parent == nil {
		return func() {}, nil
	}
	unlock, err := in.locks.lock(ctx, treeLock(f.Root()))
	if err != nil {
		return nil, err
	}
	n, err := in.Catalog.TreeSize(ctx, f.Root())
	if err != nil {
		unlock()
		return nil, fmt.Errorf("leave the files inside %s: %w", f.Root(), err)
	}
	in.Catalog.PutTreeSize(b, f.Root(), n-1)
	return unlock, nil
}

// DeleteDecode deletes a decode and, where no other decode shares it, its result. The files that it found inside its file
// stay: another decode of the file may have found the same.
func (in *Ingester) DeleteDecode(ctx context.Context, id string) error {
	d, err := in.Catalog.Decode(ctx, id)
	if err != nil {
		return fmt.Errorf("find decode: %w", err)
	}
	f, err := in.Catalog.File(ctx, d.FileID)
	if err != nil {
		return fmt.Errorf("find file: %w", err)
	}
	if d, err = in.deleteDecodeRecord(ctx, f.SHA256, id); err != nil {
		return err
	}
	in.Earlier.Forget(ctx, f.SHA256, d)
	return in.dropResult(ctx, f.SHA256, d.ResultKey)
}

// deleteDecodeRecord deletes the record of a decode and gives it as it was last.
func (in *Ingester) deleteDecodeRecord(ctx context.Context, sha, id string) (d catalog.Decode, err error) {
	unlock, err := in.locks.lock(ctx, sha)
	if err != nil {
		return d, err
	}
	defer unlock()
	if err := in.stop(ctx, []string{id}); err != nil {
		return d, err
	}
	if d, err = in.Catalog.Decode(ctx, id); err != nil {
		return d, fmt.Errorf("find decode: %w", err)
	}
	b := in.DB.Batch()
	b.Essential()
	in.Catalog.DeleteDecode(b, d)
	b.OnCommit(func() { in.Events.Gone(TopicDecode, id) })
	if err := in.DB.Commit(ctx, b); err != nil {
		return d, fmt.Errorf("delete decode: %w", err)
	}
	return d, nil
}

// dropBlob removes the bytes of a digest if no file refers to them and nobody is just recording one.
func (in *Ingester) dropBlob(ctx context.Context, sha string) error {
	_, err := in.Blobs.RemoveIf(ctx, sha, func() (bool, error) {
		ids, err := in.Catalog.FilesOfBlob(ctx, sha)
		return len(ids) == 0, err
	})
	if err != nil && !errors.Is(err, blob.ErrHeld) { // its holder records it or drops it
		return fmt.Errorf("remove recording: %w", err)
	}
	return nil
}

// dropResult removes the tables of a key if no decode refers to them.
func (in *Ingester) dropResult(ctx context.Context, sha, key string) error {
	if key == "" {
		return nil
	}
	unlock, err := in.locks.lock(ctx, sha)
	if err != nil {
		return err
	}
	defer unlock()
	ids, err := in.Catalog.DecodesOfResult(ctx, key)
	if err != nil {
		return fmt.Errorf("look who uses a result: %w", err)
	}
	if len(ids) > 0 {
		return nil
	}
	if err := in.Results.Remove(key); err != nil {
		return fmt.Errorf("remove result: %w", err)
	}
	return nil
}
