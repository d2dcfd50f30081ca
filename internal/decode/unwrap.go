package decode

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime"
)

// Unwrapper takes recordings out of what they came wrapped in; it is runtime.Pool.
type Unwrapper interface {
	Unpack(ctx context.Context, r runtime.UnpackRequest) (runtime.Unpacked, error)
	Recognise(ctx context.Context, u *runtime.Unpacked, out io.ReaderAt, name string, together bool) (runtime.Detection, bool, error)
	Prepare(u *runtime.Unpacked, out io.ReaderAt, name string, p runtime.Plugin) (runtime.Prepared, error)
}

// unpackShare is the part of a decode's progress that unwrapping its file is counted as.
const unpackShare = 0.3

// refusal is the verdict on a file that cannot be unwrapped, or not for its decoder.
type refusal struct {
	runtime.Failure
	wrapped string // how the file is wrapped
	cost    int64  // bytes that were unpacked to find it out
}

func (r *refusal) Error() string { return r.Message }

// unwrapped is a file without its wrapping. Its bytes lie in a file without a name.
type unwrapped struct {
	runtime.Unpacked
	file *os.File
}

func (u *unwrapped) close() error {
	if err := u.file.Close(); err != nil {
		return fmt.Errorf("close unwrapped recording: %w", err)
	}
	return nil
}

// wrapped is a file to unwrap.
type wrapped struct {
	input    *os.File
	size     int64
	heads    int64               // bytes of each part that are wanted, 0 = all
	most     int64               // unpacked bytes that may be spent, 0 = as many as the limits allow
	progress func(share float64) // nil = nobody asks
}

// unwrap unwraps a file; the caller closes the result. nil = it is not wrapped.
func (d *Decoder) unwrap(ctx context.Context, w wrapped) (*unwrapped, error) {
	room, err := d.Blobs.Room()
	if err != nil {
		return nil, fmt.Errorf("unwrap recording: %w", err)
	}
	out, err := d.Blobs.Scratch()
	if err != nil {
		return nil, fmt.Errorf("unwrap recording: %w", err)
	}
	req := runtime.UnpackRequest{
		Input: w.input, Size: w.size, Output: out, Heads: w.heads, Most: w.most, Room: room, Check: func() error { return d.Blobs.CheckSpace(0) },
	}
	if w.progress != nil {
		req.Progress = func(read int64) { w.progress(float64(read) / float64(max(w.size, 1))) }
	}
	u := &unwrapped{file: out}
	u.Unpacked, err = d.Unwrapper.Unpack(ctx, req)
	switch {
	case err != nil:
		return nil, errors.Join(fmt.Errorf("unwrap recording: %w", err), u.close())
	case u.Refused != nil:
		return nil, errors.Join(&refusal{*u.Refused, u.Wrapped, u.Cost}, u.close())
	case u.Wrapped == "":
		return nil, u.close()
	}
	return u, nil
}

// prepare says what of an unwrapped file a decoder gets.
func (d *Decoder) prepare(u *unwrapped, name string, pl runtime.Plugin) (runtime.Prepared, error) {
	p, err := d.Unwrapper.Prepare(&u.Unpacked, u.file, name, pl)
	if e, ok := errors.AsType[*errcode.Error](err); ok {
		return p, &refusal{runtime.Failure{Code: e.Code, Message: e.Text}, u.Wrapped, u.Cost}
	}
	if err != nil {
		return p, fmt.Errorf("unwrap recording: %w", err)
	}
	return p, nil
}

// unwrapInto makes the request of a decode one for the unwrapped file, if the file is wrapped. The result, nil if it is
// not, is to be closed after the decode.
func (d *Decoder) unwrapInto(ctx context.Context, a *attempt, f catalog.File, req *runtime.Request) (*unwrapped, error) {
	if f.Wrapped == "" || d.Unwrapper == nil {
		return nil, nil //nolint:nilnil // nothing to close
	}
	u, err := d.unwrap(ctx, wrapped{input: req.Input, size: f.Size, progress: func(share float64) {
		d.Catalog.SetProgress(a.rec.ID, catalog.Progress{StartedAt: a.rec.StartedAt, Share: unpackShare * share})
	}})
	if err != nil || u == nil {
		return nil, err
	}
	p, err := d.prepare(u, f.Name, *a.plugin)
	if err != nil {
		return nil, errors.Join(err, u.close())
	}
	p.Fill(req)
	req.Input = u.file
	if meta := partsMetadata(p); meta != "" {
		req.Options.Metadata["wayside.parts"] = meta
	}
	inner := req.Progress
	req.Progress = func(now runtime.Progress) {
		inner(now)
		d.Catalog.SetProgress(a.rec.ID, catalog.Progress{
			StartedAt: a.rec.StartedAt, BytesRead: now.BytesRead, Size: p.Size, Rows: now.Rows,
			Share: unpackShare + (1-unpackShare)*float64(now.BytesRead)/float64(max(p.Size, 1)),
		})
	}
	return u, nil
}

// partEntry is a part in the metadata of tables.
type partEntry struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	Offset int64  `json:"offset"` // of its first byte, in what offsets count
}

// partsMetadata lists the parts that offsets of a table count in, "" where there are none.
func partsMetadata(p runtime.Prepared) string {
	if p.Parts == nil {
		return ""
	}
	var list []partEntry
	at := int64(0)
	for _, part := range p.Parts {
		list = append(list, partEntry{part.Name, part.Size, part.SHA256, at})
		at += part.Size
	}
	b, err := json.Marshal(list)
	if err != nil {
		return "" // text and numbers always are JSON
	}
	return string(b)
}

// InspectRequest is a file that may be wrapped.
type InspectRequest struct {
	Input    *os.File
	Size     int64
	Head     []byte // its first bytes
	Name     string
	Decoder  string // plugin id; "" = find out
	Together bool   // the caller knows that the files of an archive are one recording
	// Most is how many unpacked bytes looking into it may cost: 0 = as many as the limits allow, less = none are left.
	Most int64
}

// Inspection is what a wrapped file holds.
type Inspection struct {
	Wrapped string // "" = it is not wrapped
	Parts   []catalog.Part
	Found   runtime.Detection
	Known   bool             // Found is set
	Failure *catalog.Failure // why it can never be decoded
	Cost    int64            // bytes that were unpacked to find it out
}

// Inspect looks into a file. Of a stream it unpacks the beginning only, of an archive everything, but it keeps no more
// than what formats are recognised by. An error says that it could not be looked at now.
func (d *Decoder) Inspect(ctx context.Context, r InspectRequest) (Inspection, error) {
	if d.Unwrapper == nil || !runtime.MaybeWrapped(r.Head) {
		return Inspection{}, nil
	}
	if r.Most < 0 {
		return Inspection{Failure: &catalog.Failure{
			Code: errcode.OutputLimit, Message: "looking into the files found beside it has unpacked as much as it may: decode it by itself",
		}}, nil
	}
	u, err := d.unwrap(ctx, wrapped{input: r.Input, size: r.Size, heads: runtime.HeadBytes, most: r.Most})
	if err != nil {
		return Inspection{}.failed(err)
	}
	if u == nil {
		return Inspection{}, nil
	}
	in, err := d.inspect(ctx, u, r)
	return in, errors.Join(err, u.close())
}

func (d *Decoder) inspect(ctx context.Context, u *unwrapped, r InspectRequest) (Inspection, error) {
	in := Inspection{Wrapped: u.Wrapped, Cost: u.Cost}
	for _, e := range u.Entries {
		in.Parts = append(in.Parts, catalog.Part{Name: e.Name, Size: e.Size, SHA256: e.SHA256})
	}
	id := r.Decoder
	if id == "" {
		found, ok, err := d.Unwrapper.Recognise(ctx, &u.Unpacked, u.file, r.Name, r.Together)
		if err != nil {
			return in.failed(err)
		}
		if !ok {
			return in, nil
		}
		in.Found, in.Known, id = found, true, found.Decoder
	}
	pl, ok := d.Registry.Get(id)
	if !ok {
		return in, nil
	}
	p, err := d.prepare(u, r.Name, pl)
	if err != nil {
		return in.failed(err)
	}
	if u.Bundle {
		in.Parts = nil
		for i, part := range p.Parts {
			in.Parts = append(in.Parts, catalog.Part{Name: p.Paths[i], Size: part.Size, SHA256: part.SHA256})
		}
	}
	return in, nil
}

// failed makes a verdict of an error that is one about the file.
func (in Inspection) failed(err error) (Inspection, error) {
	if r, ok := errors.AsType[*refusal](err); ok {
		in.Cost = max(in.Cost, r.cost)
		in.Wrapped, in.Failure = r.wrapped, &catalog.Failure{Code: r.Code, Message: r.Message}
		return in, nil
	}
	switch code := errcode.Of(err); code {
	case errcode.Unsupported, errcode.WorkerCrashed:
		in.Failure = &catalog.Failure{Code: code, Message: err.Error()}
		return in, nil
	default:
		return in, err
	}
}
