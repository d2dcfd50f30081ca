package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

// inheritedParam is the one parameter of a decode that also holds for the files found inside its file: they come from the
// same clock.
const inheritedParam = "timezone"

// Room says whether files found inside a file are taken.
type Room int

// Rooms.
const (
	RoomLeft Room = iota
	TooDeep       // the file lies as deep inside others as files may (Config.ChildDepth)
	TooMany       // as many were found inside the delivered file as may be (Config.ChildTotal)
)

// Room tells whether files found inside f are taken. The number is looked at when a decode begins: decodes that run at
// the same time inside one delivered file may go beyond it by what one decode may find, each.
func (in *Ingester) Room(ctx context.Context, f catalog.File) (Room, error) {
	if f.Depth() >= in.ChildDepth {
		return TooDeep, nil
	}
	n, err := in.Catalog.TreeSize(ctx, f.Root())
	if err != nil {
		return RoomLeft, fmt.Errorf("look for room: %w", err)
	}
	if n >= in.ChildTotal {
		return TooMany, nil
	}
	return RoomLeft, nil
}

// Child is a file that a decoder found inside another.
type Child struct {
	Name string
	Open func() (io.ReadCloser, error)
}

// Children are files found inside another that are about to be recorded: their bytes are stored and held, and nobody
// else records or deletes files of the same delivered file, until Release.
type Children struct {
	in        *Ingester
	parent    catalog.Parent // of each
	list      []*child
	trace     queue.Trace
	before    int  // files of the tree that are recorded already
	look      look // what looking into the files may still cost
	partsLeft int  // bytes that lists of parts may still take in the commit
	committed bool // written by the committer, read after the end of the commit
	held      []hold
	unlock    func()
}

type child struct {
	file   catalog.File
	plan   plan
	known  bool // the file is recorded already
	decode bool // it is to be decoded
}

// hold is the bytes of a file, stored and kept from being removed.
type hold struct {
	name, sha string
	size      int64
	plan      plan
	release   func()
}

// Take stores what a decode of a file found. The caller stages it with the decode's end and calls Release when that is
// committed or given up.
func (in *Ingester) Take(ctx context.Context, f catalog.File, d catalog.Decode, found []Child) (*Children, error) {
	c := &Children{in: in, trace: queue.TraceOf(ctx), look: in.newLook()}
	for _, one := range found {
		if err := c.store(ctx, d.Params, one); err != nil {
			c.Release() //nolint:contextcheck // cleans up whatever ended
			return nil, fmt.Errorf("take file found inside another: %w", err)
		}
	}
	if err := c.settle(ctx, f, d); err != nil {
		c.Release() //nolint:contextcheck // cleans up whatever ended
		return nil, err
	}
	return c, nil
}

// TakeSame is Take for what another decode with the same result found; nil where some of that is gone.
func (in *Ingester) TakeSame(ctx context.Context, f catalog.File, d, twin catalog.Decode) (*Children, error) {
	c := &Children{in: in, trace: queue.TraceOf(ctx), look: in.newLook()}
	for _, id := range twin.Children {
		err := c.hold(ctx, d.Params, id)
		if err != nil {
			c.Release() //nolint:contextcheck // cleans up whatever ended
		}
		if errcode.Is(err, errcode.NotFound) {
			return nil, nil //nolint:nilnil // said above
		}
		if err != nil {
			return nil, fmt.Errorf("take file found inside another: %w", err)
		}
	}
	if err := c.settle(ctx, f, d); err != nil {
		c.Release() //nolint:contextcheck // cleans up whatever ended
		return nil, err
	}
	return c, nil
}

// store stores the bytes of a file and recognises it.
func (c *Children) store(ctx context.Context, params json.RawMessage, one Child) error {
	r, err := one.Open()
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	b, err := c.in.Blobs.Put(ctx, r, 0)
	if err = errors.Join(err, r.Close()); err != nil {
		b.Release()
		return fmt.Errorf("store: %w", err)
	}
	c.held = append(c.held, hold{name: one.Name, sha: b.SHA256, size: b.Size, release: b.Release})
	h := &c.held[len(c.held)-1]
	h.plan, err = c.in.planFor(&c.look, params, func(p *plan, u Upload) error {
		u.Name = one.Name
		return c.in.recogniseBlob(ctx, p, u, b.SHA256, sample{b.Head, b.Size})
	})
	return err
}

// hold keeps the bytes of a recorded file and recognises it anew.
func (c *Children) hold(ctx context.Context, params json.RawMessage, id string) error {
	f, err := c.in.Catalog.File(ctx, id)
	if err != nil {
		return fmt.Errorf("find file: %w", err)
	}
	release, err := c.in.Blobs.Hold(ctx, f.SHA256)
	if err != nil {
		return fmt.Errorf("hold recording: %w", err)
	}
	c.held = append(c.held, hold{name: f.Name, sha: f.SHA256, size: f.Size, release: release})
	h := &c.held[len(c.held)-1]
	h.plan, err = c.in.planFor(&c.look, params, func(p *plan, u Upload) error {
		u.Name = f.Name
		return c.in.recogniseStored(ctx, p, u, f)
	})
	return err
}

// planFor recognises a file with the parameters that it inherits, or without where its decoder does not take them.
func (in *Ingester) planFor(l *look, params json.RawMessage, recognise func(*plan, Upload) error) (plan, error) {
	var given map[string]json.RawMessage
	var zone string
	p := plan{look: l}
	if json.Unmarshal(params, &given) == nil && json.Unmarshal(given[inheritedParam], &zone) == nil && zone != "" {
		err := recognise(&p, Upload{Params: map[string]string{inheritedParam: zone}})
		if !errcode.Is(err, errcode.ValidationFailed) {
			return p, err
		}
	}
	err := recognise(&p, Upload{})
	if errcode.Is(err, errcode.ValidationFailed) {
		// Its decoder cannot do without parameters, which nobody gave: the file is kept, for a decode that brings them.
		return plan{inside: p.inside}, nil
	}
	return p, err
}

// settle decides, under the lock of the delivered file, which of the files are new.
func (c *Children) settle(ctx context.Context, f catalog.File, d catalog.Decode) error {
	c.parent = catalog.Parent{FileID: f.ID, DecodeID: d.ID, RootID: f.Root(), Depth: f.Depth() + 1}
	c.partsLeft = childPartsSum
	err := c.recordPlugins(ctx)
	if err != nil {
		return err
	}
	if c.unlock, err = c.in.locks.lock(ctx, treeLock(f.Root())); err != nil {
		return err
	}
	if c.before, err = c.in.Catalog.TreeSize(ctx, f.Root()); err != nil {
		return fmt.Errorf("take files found inside another: %w", err)
	}
	seen := map[[2]string]bool{}
	for i := range c.held {
		h := &c.held[i]
		if key := [2]string{h.name, h.sha}; seen[key] {
			continue
		} else {
			seen[key] = true
		}
		one, err := c.child(ctx, h)
		if err != nil {
			return fmt.Errorf("take files found inside another: %w", err)
		}
		c.list = append(c.list, one)
	}
	return nil
}

// recordPlugins records the decoders of the files, each in a commit of its own: their schemas, of each file again, would
// not fit the commit of the files.
func (c *Children) recordPlugins(ctx context.Context) error {
	done := map[string]bool{}
	for i := range c.held {
		p := &c.held[i].plan
		if !p.known || done[p.match.Plugin.SHA256] {
			continue
		}
		done[p.match.Plugin.SHA256] = true
		b := c.in.DB.Batch()
		if err := c.in.Catalog.PutPlugin(b, p.match.Plugin); err != nil {
			return fmt.Errorf("record decoder: %w", err)
		}
		if b.Len() == 0 {
			continue
		}
		if err := c.in.DB.Commit(ctx, b); err != nil {
			return fmt.Errorf("record decoder: %w", err)
		}
	}
	return nil
}

func (c *Children) child(ctx context.Context, h *hold) (*child, error) {
	one := &child{plan: h.plan, decode: true}
	one.plan.inside.Failure = short(h.plan.inside.Failure)
	id, known, err := c.in.Catalog.ChildOf(ctx, c.parent.FileID, h.name, h.sha)
	if err != nil {
		return nil, fmt.Errorf("look for an earlier one: %w", err)
	}
	if known {
		if one.file, err = c.in.Catalog.File(ctx, id); err != nil {
			return nil, fmt.Errorf("look for an earlier one: %w", err)
		}
		_, there, err := c.in.decodeOf(ctx, one.file, h.plan)
		one.known, one.decode = true, !there
		return one, err
	}
	if id, err = c.in.Catalog.NewFileID(ctx); err != nil {
		return nil, fmt.Errorf("record file: %w", err)
	}
	parent := c.parent
	one.file = catalog.File{
		ID: id, Name: h.name, Size: h.size, SHA256: h.sha, MediaType: "application/octet-stream", Format: h.plan.match.Format,
		CreatedAt: c.in.Now().UTC(), Source: catalog.SourceChild, Parent: &parent, Wrapped: h.plan.inside.Wrapped,
	}
	one.file.Parts, one.file.PartCount, c.partsLeft = fewParts(h.plan.inside.Parts, c.partsLeft)
	return one, nil
}

// IDs gives the ids of the files, in the order in which they were found.
func (c *Children) IDs() []string {
	var ids []string
	for _, one := range c.list {
		ids = append(ids, one.file.ID)
	}
	return ids
}

// Stage stages the new files, and a decode of each that has none yet. It may be called again with another batch.
func (c *Children) Stage(b *store.Batch) error {
	ctx := context.Background() // a commit of the queue, no caller's
	size := c.before
	for _, one := range c.list {
		f := one.file
		if !one.known {
			size++
			if err := c.in.Catalog.PutFile(b, f); err != nil {
				return fmt.Errorf("record file: %w", err)
			}
			b.OnCommit(func() { c.in.Events.Publish(TopicFile, f.ID, f.Brief()) })
		}
		if !one.decode {
			continue
		}
		// Never done at once: whether a result is still there is decided under the lock of the digest, which is not to
		// be waited for here. The job finds it.
		if _, err := c.in.stageDecode(ctx, b, f, one.plan, request{trace: c.trace, later: true}); err != nil {
			return err
		}
	}
	if size != c.before {
		c.in.Catalog.PutTreeSize(b, c.parent.RootID, size)
	}
	b.OnCommit(func() { c.committed = true })
	return nil
}

// Release ends the hold on the files. It is to be called once their commit has ended or will not come. More calls have
// no effect.
func (c *Children) Release() {
	if c.unlock != nil {
		c.unlock()
		c.unlock = nil
	}
	held := c.held
	c.held = nil
	for i := range held {
		held[i].release()
	}
	ctx := context.Background() // what is left behind goes, whatever ended
	if c.committed {
		if c.in.Recorder != nil {
			for _, one := range c.list {
				if !one.known {
					c.in.Recorder.FileReceived(one.file.Format, one.file.Size)
				}
			}
		}
		return
	}
	for i := range held {
		if err := c.in.dropBlob(ctx, held[i].sha); err != nil {
			c.in.Logger.WarnContext(ctx, "recording of a file that was not recorded not removed", "error", err)
		}
	}
}

// treeLock is the key of the lock on what was found inside a delivered file. It is taken after the lock of a digest.
func treeLock(rootID string) string { return "tree " + rootID }
