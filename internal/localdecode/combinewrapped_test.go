package localdecode

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime"
)

// gunzipper plays the unpack worker for gzip.
type gunzipper struct{ fake }

func (gunzipper) Unpack(_ context.Context, req runtime.UnpackRequest) (runtime.Unpacked, error) {
	var u runtime.Unpacked
	z, err := gzip.NewReader(io.NewSectionReader(req.Input, 0, req.Size))
	if err != nil {
		return u, nil //nolint:nilerr // it is not wrapped
	}
	u.Wrapped = "gzip"
	var r io.Reader = z
	if req.Heads > 0 {
		r = io.LimitReader(z, req.Heads)
	}
	n, err := io.Copy(req.Output, r)
	if u.Size = n; errors.Is(err, io.ErrUnexpectedEOF) {
		u.Damage = []runtime.Damage{{Code: errcode.Truncated, Message: "the gzip stream was cut off", At: n}}
		err = nil
	}
	if strings.HasPrefix(z.Name, "bomb") {
		u.Refused = &runtime.Failure{Code: errcode.OutputLimit, Message: "a bomb"}
	}
	u.Bundle = z.Name == "tar"
	return u, err
}

func (g gunzipper) Recognise(ctx context.Context, u *runtime.Unpacked, out io.ReaderAt, name string, _ bool) (runtime.Detection, bool, error) {
	head := make([]byte, min(u.Size, headBytes))
	_, _ = out.ReadAt(head, 0)
	d, ok := g.Detect(ctx, head, u.Size, runtime.InnerName(name))
	return d, ok, nil
}

func (gunzipper) Prepare(u *runtime.Unpacked, _ io.ReaderAt, name string, _ runtime.Plugin) (runtime.Prepared, error) {
	return runtime.Prepared{Size: u.Size, Name: runtime.InnerName(name)}, nil
}

// gz packs a text; the name in its header tells the gunzipper what it is.
func gz(t *testing.T, name, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Name = name
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// combiningPacked combines with an unwrapper and gives what decoders were asked for.
func combiningPacked(dir string) (*call, *[]runtime.Request, *[]string) {
	c := combining(dir)
	var reqs []runtime.Request
	var inputs []string
	c.Workers = 1
	c.Unwrapper = gunzipper{}
	c.Pool = fake{seen: func(r runtime.Request) {
		b, _ := io.ReadAll(io.NewSectionReader(r.Input, 0, r.Size))
		reqs, inputs = append(reqs, r), append(inputs, string(b))
	}}
	return c, &reqs, &inputs
}

// TestCombineUnwraps: a folder whose files are packed one by one is the recording that it is unpacked.
func TestCombineUnwraps(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "trip")
	hours(t, dir, map[string]string{
		"230000.lines.gz": gz(t, "", "LINES\n24123123\nlate\n"), "000000.lines": "LINES\n25010100\nearly\n",
		"010000.lines.gz": gz(t, "", "LINES\n25010101\nlater\n"), "twin.lines.gz": gz(t, "", "LINES\n25010100\nearly\n"),
	})
	c, reqs, inputs := combiningPacked(dir)
	if totals, err := c.run(t.Context()); err != nil || totals != (Totals{Done: 1}) {
		t.Fatal(totals, err, c.out.String())
	}
	if want := "LINES\n24123123\nlate\nLINES\n25010100\nearly\nLINES\n25010101\nlater\n"; (*inputs)[0] != want {
		t.Errorf("the decoder got %q", (*inputs)[0])
	}
	plain := hours(t, filepath.Join(t.TempDir(), "trip"), map[string]string{
		"230000.lines": "LINES\n24123123\nlate\n", "000000.lines": "LINES\n25010100\nearly\n", "010000.lines": "LINES\n25010101\nlater\n",
	})
	d, same, _ := combiningPacked(plain)
	if _, err := d.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff((*same)[0].Parts, (*reqs)[0].Parts); diff != "" || (*same)[0].SHA256 != (*reqs)[0].SHA256 {
		t.Errorf("parts (-plain +packed):\n%s", diff)
	}
	wantText(t, c.out.String(), "left out", "twin.lines.gz: the same bytes as")
}

// TestCombineOfDamagedWrapping: what is missing of a part is said, what cannot be a part stands for itself.
func TestCombineOfDamagedWrapping(t *testing.T) {
	long := "LINES\n25010101\n" + strings.Repeat("early, and different each time 0123456789\n", 500) + "\x00\x01\x02"
	packed := gz(t, "", long)
	dir := filepath.Join(t.TempDir(), "trip")
	hours(t, dir, map[string]string{
		"a.lines.gz": packed[:len(packed)-9], "b.lines.gz": gz(t, "", "LINES\n25010100\nearly\n"), "c.lines": "LINES\n25010102\nlast\n",
		"bomb.lines.gz": gz(t, "bomb", "LINES\n25010103\nbomb\n"), "files.tgz": gz(t, "tar", "LINES\n25010104\ntar\n"), "PK.txt": "PK, and no archive",
	})
	c, reqs, _ := combiningPacked(dir)
	totals, err := c.run(t.Context())
	if err != nil || totals.Failed != 2 {
		t.Fatal(totals, err, c.out.String())
	}
	var r *runtime.Request
	for i := range *reqs {
		if (*reqs)[i].Parts != nil {
			r = &(*reqs)[i]
		}
	}
	if r == nil || len(r.Parts) != 3 || r.Cut == nil || r.Cut.Code != errcode.Truncated || len(r.Notes) != 1 || *r.Notes[0].Offset != r.Parts[0].Size+r.Parts[1].Size {
		t.Fatalf("%+v", *reqs)
	}
	if !strings.HasPrefix(r.Notes[0].Message, "a.lines: ") || r.Parts[0].Name != "b.lines" {
		t.Errorf("%+v %+v", r.Notes, r.Parts)
	}
	wantText(t, c.out.String(), "a bomb (output_limit)")

	in := input{path: filepath.Join(dir, "PK.txt"), shown: "x", inner: "x"}
	if p, err := c.copyInput(t.Context(), io.Discard, &in); !errcode.Is(err, errcode.Conflict) {
		t.Errorf("not wrapped any more: %+v %v", p, err)
	}
	in.path = filepath.Join(dir, "files.tgz")
	if p, err := c.copyInput(t.Context(), io.Discard, &in); !errcode.Is(err, errcode.Conflict) {
		t.Errorf("an archive now: %+v %v", p, err)
	}
	if err := os.Remove(in.path); err != nil {
		t.Fatal(err)
	}
	if p, err := c.copyInput(t.Context(), io.Discard, &in); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("gone: %+v %v", p, err)
	}
}

// TestOneWrappedFileStandsForItself, whatever --combine has seen in it.
func TestOneWrappedFileStandsForItself(t *testing.T) {
	dir := hours(t, t.TempDir(), map[string]string{"a.lines.gz": gz(t, "", "LINES\n25010100\nearly\n")})
	c, reqs, inputs := combiningPacked(dir)
	if totals, err := c.run(t.Context()); err != nil || totals != (Totals{Done: 1}) || (*reqs)[0].Parts != nil || (*inputs)[0] != "LINES\n25010100\nearly\n" {
		t.Error(totals, err, *reqs)
	}
	wantText(t, c.out.String(), "a.lines.gz (", "wrapped   gzip")
}
