package decode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/runtime"
	"github.com/wayside-edge/wayside/internal/store"
	"github.com/wayside-edge/wayside/internal/table"
)

// Children takes the files that decoders find inside files; app passes ingest, the one way in.
type Children interface {
	// Refused gives the code of the issue that says why none are taken from inside a file (runtime.ChildDepth or
	// ChildLimit), "" = they are.
	Refused(ctx context.Context, f catalog.File) (code string, err error)
	// Take makes the bytes of files durable that a decode of a file found.
	Take(ctx context.Context, f catalog.File, d catalog.Decode, found []Found) (Family, error)
	// TakeSame is Take for what another decode with the same result found; false = some of that is gone.
	TakeSame(ctx context.Context, f catalog.File, d, twin catalog.Decode) (Family, bool, error)
}

// Family are files found inside one, before they are recorded.
type Family interface {
	IDs() []string
	// Stage stages the files and their decodes. It may be called more than once, each time with a fresh batch.
	Stage(b *store.Batch) error
	// Release is called once the commit has ended or will not come.
	Release()
}

// Found is a file found inside another.
type Found struct {
	Name string
	Open func() (io.ReadCloser, error)
}

// cradle is the folder of the files that a running decode finds: they have to be read once more when it has ended, and
// may be too many to keep open. What a kill leaves of it is removed by table.OpenDir.
type cradle struct {
	temp string
	path string // "" = not needed yet
}

// create gives the file of the i-th; again for the same number, it is empty again.
func (c *cradle) create(i int) (*os.File, error) {
	if c.path == "" {
		path, err := os.MkdirTemp(c.temp, table.PassingPattern)
		if err != nil {
			return nil, fmt.Errorf("make folder for files found inside another: %w", err)
		}
		c.path = path
	}
	f, err := os.OpenFile(c.name(i), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make file found inside another: %w", err)
	}
	return f, nil
}

func (c *cradle) name(i int) string { return filepath.Join(c.path, strconv.Itoa(i)) }

func (c *cradle) found(children []runtime.Child) []Found {
	var out []Found
	for _, one := range children {
		path := c.name(one.Index)
		out = append(out, Found{Name: one.Name, Open: func() (io.ReadCloser, error) {
			f, err := os.Open(path)
			if err != nil {
				return nil, fmt.Errorf("open file found inside another: %w", err)
			}
			// The last one to need the name: its space is free again as soon as its bytes are a recording.
			if err := os.Remove(path); err != nil {
				return nil, errors.Join(fmt.Errorf("open file found inside another: %w", err), f.Close())
			}
			return f, nil
		}})
	}
	return out
}

func (c *cradle) remove() error {
	if c.path == "" {
		return nil
	}
	if err := os.RemoveAll(c.path); err != nil {
		return fmt.Errorf("remove files found inside another: %w", err)
	}
	return nil
}

// cached ends a decode whose result another decode has made already; false = there is none, or not all of it is there
// any more. A decode that may make no files of what it finds takes the result of one that could only if that found none.
func (d *Decoder) cached(ctx context.Context, a *attempt) (ok bool, err error) {
	sha := a.file.SHA256
	var twin catalog.Decode
	if twin, a.asked, err = d.Memory.earlier(ctx, resultOf(sha, a.rec, ""), a.rec); err != nil {
		return false, err
	}
	ok = twin.ID != ""
	if ok && len(twin.Children) > 0 && a.refused == "" {
		if a.family, ok, err = d.Children.TakeSame(ctx, a.file, a.rec, twin); err != nil {
			return false, fmt.Errorf("take the files of a result that is there: %w", err)
		}
	} else if ok && len(twin.Children) > 0 {
		ok = false
	}
	if a.refused != "" && !ok {
		a.leaf()
		if twin, a.asked, err = d.Memory.earlier(ctx, resultOf(sha, a.rec, a.refused), a.rec); err != nil {
			return false, err
		}
		ok = twin.ID != ""
	}
	if ok {
		a.rec.CopyResult(twin)
		a.rec.Cached = true
	}
	return ok, nil
}

// leaf gives the decode the key of a result without files found inside.
func (a *attempt) leaf() {
	if a.rec.Decoder != nil {
		a.rec.ResultKey = catalog.LeafKey(a.file.SHA256, a.rec.Decoder.SHA256, a.rec.Params, a.refused)
	}
}

// begin finds the file of a decode and whether files found inside it are taken.
func (d *Decoder) begin(ctx context.Context, a *attempt) (err error) {
	if a.file, err = d.Catalog.File(ctx, a.rec.FileID); err != nil {
		return fmt.Errorf("read file: %w", err)
	}
	if a.refused, err = d.Children.Refused(ctx, a.file); err != nil {
		return fmt.Errorf("look for room: %w", err)
	}
	return nil
}

// takeChildren makes what a decode found durable.
func (d *Decoder) takeChildren(ctx context.Context, a *attempt, c *cradle, res runtime.Result) (err error) {
	if len(res.Children) == 0 {
		return nil
	}
	if a.family, err = d.Children.Take(ctx, a.file, a.rec, c.found(slices.Clone(res.Children))); err != nil {
		return fmt.Errorf("take files found inside: %w", err)
	}
	return nil
}

// release lets go of what was found inside a file, where the decode ends without it.
func (a *attempt) release() {
	if a.family != nil {
		a.family.Release()
		a.family = nil
	}
}
