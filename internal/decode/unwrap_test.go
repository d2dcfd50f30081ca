package decode

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime"
)

// unpacker plays the worker that unwraps: files that begin as zip archives do hold what it is told.
type unpacker struct {
	out     runtime.Unpacked
	content string
	err     error
	found   error
	asked   []runtime.UnpackRequest
}

func (u *unpacker) Unpack(_ context.Context, r runtime.UnpackRequest) (runtime.Unpacked, error) {
	u.asked = append(u.asked, r)
	if err := r.Check(); err != nil {
		return runtime.Unpacked{}, err
	}
	if r.Progress != nil {
		r.Progress(r.Size)
	}
	_, err := r.Output.WriteString(u.content)
	if err == nil {
		err = u.err
	}
	return u.out, err
}

func (u *unpacker) Recognise(context.Context, *runtime.Unpacked, io.ReaderAt, string, bool) (runtime.Detection, bool, error) {
	return runtime.Detection{Format: "toy-format", Decoder: "toy"}, u.found == nil, u.found
}

func (u *unpacker) Prepare(un *runtime.Unpacked, _ io.ReaderAt, name string, _ runtime.Plugin) (runtime.Prepared, error) {
	p := runtime.Prepared{Size: un.Size, Name: name}
	for _, e := range un.Entries {
		if e.Name == "refused" {
			return p, errcode.New(errcode.Unsupported, "nothing to decode")
		}
		p.Parts = append(p.Parts, runtime.Part{Name: e.Name, Size: e.Size, At: e.At})
		p.Paths = append(p.Paths, e.Name)
	}
	return p, nil
}

// wrappedDecode records a decode of a wrapped file and gives its record after a run.
func (x *fixture) wrappedDecode() catalog.Decode {
	x.Helper()
	rec, job := x.queued("PK\x03\x04")
	f, err := x.d.Catalog.File(x.Context(), rec.FileID)
	if err != nil {
		x.Fatal(err)
	}
	f.Wrapped = "zip"
	b := x.db.Batch()
	if err := x.d.Catalog.PutFile(b, f); err != nil {
		x.Fatal(err)
	}
	if err := x.db.Commit(x.Context(), b); err != nil {
		x.Fatal(err)
	}
	out := x.d.Handle(x.Context(), job)
	if out.Commit == nil {
		rec.Status = "released"
		if !out.Release || out.Err != nil {
			x.Fatalf("%+v", out)
		}
		return rec
	}
	b = x.db.Batch()
	if err := out.Commit(b); err != nil {
		x.Fatal(err)
	}
	if err := x.db.Commit(x.Context(), b); err != nil {
		x.Fatal(err)
	}
	if rec, err = x.d.Catalog.Decode(x.Context(), rec.ID); err != nil {
		x.Fatal(err)
	}
	return rec
}

func TestDecodeOfAWrappedFile(t *testing.T) {
	x := setup(t)
	u := &unpacker{content: "toyAtoyBB", out: runtime.Unpacked{
		Wrapped: "zip", Bundle: true, Size: 9, Entries: []runtime.Entry{{Name: "a", Size: 4}, {Name: "b", Size: 5, At: 4}},
	}}
	x.d.Unwrapper = u
	var seen string
	x.run.seen = func(r runtime.Request) {
		b := make([]byte, 9)
		_, _ = r.Input.ReadAt(b, 0)
		seen = string(b)
		if len(r.Parts) != 2 || r.Size != 9 || !strings.Contains(r.Options.Metadata["wayside.parts"], `"offset":4`) {
			t.Errorf("%+v", r)
		}
		r.Progress(runtime.Progress{BytesRead: 9})
	}
	if rec := x.wrappedDecode(); rec.Status != catalog.Done || rec.Rows != 3 || seen != "toyAtoyBB" {
		t.Errorf("%+v, input %q", rec, seen)
	}
	for name, tc := range map[string]struct {
		u    unpacker
		code errcode.Code
	}{
		"refused":      {unpacker{out: runtime.Unpacked{Wrapped: "zip", Refused: &runtime.Failure{Code: errcode.OutputLimit}}}, errcode.OutputLimit},
		"nothing left": {unpacker{out: runtime.Unpacked{Wrapped: "zip", Bundle: true, Entries: []runtime.Entry{{Name: "refused"}}}}, errcode.Unsupported},
	} {
		x := setup(t)
		x.d.Unwrapper = &tc.u
		if rec := x.wrappedDecode(); rec.Status != catalog.Failed || rec.Error == nil || rec.Error.Code != tc.code {
			t.Errorf("%s: %+v %+v", name, rec, rec.Error)
		}
	}
	for name, code := range map[string]errcode.Code{"full disk": errcode.DiskFull, "shutdown": errcode.ShuttingDown} {
		x := setup(t)
		x.d.Unwrapper = &unpacker{err: errcode.New(code, "not now")}
		if rec := x.wrappedDecode(); rec.Status != "released" {
			t.Errorf("%s: %+v", name, rec)
		}
		if left, _ := filepath.Glob(filepath.Join(x.d.TempDir, "*")); len(left) > 0 {
			t.Errorf("%s: left %v", name, left)
		}
	}
}

func TestInspect(t *testing.T) {
	x := setup(t)
	u := &unpacker{out: runtime.Unpacked{Wrapped: "zip", Bundle: true, Size: 1, Entries: []runtime.Entry{{Name: "a", Size: 4, SHA256: "s"}}}}
	x.d.Unwrapper = u
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	inspect := func() (Inspection, error) {
		return x.d.Inspect(t.Context(), InspectRequest{Input: f, Head: []byte("PK\x03\x04"), Name: "x"})
	}
	if in, err := inspect(); err != nil || in.Wrapped != "zip" || !in.Known || len(in.Parts) != 1 || in.Parts[0].Name != "a" || in.Failure != nil {
		t.Errorf("%+v %v", in, err)
	}
	u.found = errcode.New(errcode.Unsupported, "several recordings")
	if in, err := inspect(); err != nil || in.Failure == nil || in.Failure.Code != errcode.Unsupported || in.Wrapped != "zip" || in.Known {
		t.Errorf("%+v %v", in, err)
	}
	u.err = errcode.New(errcode.WorkerCrashed, "it died")
	if in, err := inspect(); err != nil || in.Failure == nil || in.Failure.Code != errcode.WorkerCrashed {
		t.Errorf("%+v %v", in, err)
	}
	u.err = errcode.New(errcode.DiskFull, "full")
	if in, err := inspect(); !errcode.Is(err, errcode.DiskFull) {
		t.Errorf("%+v %v", in, err)
	}
	u.err, u.out.Refused = nil, &runtime.Failure{Code: errcode.OutputLimit, Message: "a bomb"}
	if in, err := inspect(); err != nil || in.Wrapped != "zip" || in.Failure == nil || in.Failure.Code != errcode.OutputLimit {
		t.Errorf("%+v %v", in, err)
	}
	if in, err := x.d.Inspect(t.Context(), InspectRequest{Head: []byte("plain")}); err != nil || in.Wrapped != "" || in.Failure != nil {
		t.Errorf("%+v %v", in, err)
	}
}

func TestContentOfABundleIsThatOfItsParts(t *testing.T) {
	x := setup(t)
	x.d.Unwrapper = &unpacker{content: "aaaabbbcc", out: runtime.Unpacked{Wrapped: "zip", Bundle: true, Size: 9, Entries: []runtime.Entry{
		{Name: "a", Size: 4}, {Name: "left out", Size: 3, At: 4}, {Name: "c", Size: 2, At: 7},
	}}}
	b, err := x.d.Blobs.Put(t.Context(), strings.NewReader("PK"), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Release()
	c, err := x.d.Unwrapped(t.Context(), catalog.File{SHA256: b.SHA256, Size: 2, Wrapped: "zip", Parts: []catalog.Part{{Name: "c", Size: 2}, {Name: "a", Size: 4}}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	whole, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
	if err != nil || string(whole) != "ccaaaa" || c.Size() != 6 {
		t.Errorf("%q %v", whole, err)
	}
	p := make([]byte, 3)
	if n, err := c.ReadAt(p, 1); n != 3 || err != nil || !bytes.Equal(p, []byte("caa")) {
		t.Errorf("%q %v", p, err)
	}
	if n, err := c.ReadAt(p, 5); n != 1 || !errors.Is(err, io.EOF) {
		t.Errorf("%d %v", n, err)
	}
}
