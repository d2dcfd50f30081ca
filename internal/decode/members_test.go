package decode

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/wayside-edge/wayside/internal/archive"
	"github.com/wayside-edge/wayside/internal/blob"
	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime"
)

// packed is a file in an archive.
type packed struct{ Name, Data string }

// unpackLimits are those of the worker, but for the base, so that a bomb of a test may be small.
var unpackLimits = archive.Limits{Ratio: 200, Base: 1 << 20, Entries: runtime.MaxParts}

// realUnpacker unpacks what it is given as the worker does, in this process.
type realUnpacker struct {
	unpacker
	entries []runtime.Entry
	out     io.Writer
}

func (u *realUnpacker) Begin(name string) error {
	at := int64(0)
	if n := len(u.entries); n > 0 {
		at = u.entries[n-1].At + u.entries[n-1].Size
	}
	u.entries = append(u.entries, runtime.Entry{Name: name, At: at})
	return nil
}

func (u *realUnpacker) Write(p []byte) (int, error) {
	if n := len(u.entries); n > 0 {
		u.entries[n-1].Size += int64(len(p))
		u.entries[n-1].Kept += int64(len(p))
	}
	return u.out.Write(p)
}

func (u *realUnpacker) Unpack(_ context.Context, r runtime.UnpackRequest) (runtime.Unpacked, error) {
	u.entries, u.out = nil, r.Output
	res, err := archive.Unpack(r.Input, r.Size, unpackLimits, u)
	out := runtime.Unpacked{Wrapped: string(res.Kind), Bundle: res.Bundle(), Entries: u.entries, Hidden: res.Hidden}
	for _, d := range res.Damage {
		out.Damage = append(out.Damage, runtime.Damage{Code: d.Code, Message: d.Text, At: d.At, Ignored: d.Ignored})
	}
	if e, ok := errors.AsType[*errcode.Error](err); ok {
		out.Entries, out.Refused = nil, &runtime.Failure{Code: e.Code, Message: e.Text}
		return out, nil
	}
	return out, err
}

func zipOf(files ...packed) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range files {
		in, _ := w.Create(f.Name)
		_, _ = io.WriteString(in, f.Data)
	}
	_ = w.Close()
	return b.Bytes()
}

// rawZipOf writes the header of one file as it is given.
func rawZipOf(h *zip.FileHeader) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	_, _ = w.CreateRaw(h)
	_ = w.Close()
	return b.Bytes()
}

func tarOf(files ...packed) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		_ = w.WriteHeader(&tar.Header{Name: f.Name, Size: int64(len(f.Data)), Mode: 0o600, Typeflag: tar.TypeReg})
		_, _ = io.WriteString(w, f.Data)
	}
	_ = w.Close()
	return b.Bytes()
}

func tarLink(name, to string) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	_ = w.WriteHeader(&tar.Header{Name: name, Linkname: to, Typeflag: tar.TypeSymlink})
	_ = w.Close()
	return b.Bytes()
}

func gzipOf(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}

func zstdOf(b []byte) []byte {
	w, _ := zstd.NewWriter(nil, zstd.WithEncoderCRC(true))
	defer func() { _ = w.Close() }()
	return w.EncodeAll(b, nil)
}

// packers are all ways to pack files, each by a writer that is not ours.
var packers = map[string]func(...packed) []byte{
	"zip": zipOf, "tar": tarOf,
	"tar.gz":  func(f ...packed) []byte { return gzipOf(tarOf(f...)) },
	"tar.zst": func(f ...packed) []byte { return zstdOf(tarOf(f...)) },
}

// members gives the files of an archive that is sent.
func (x *fixture) members(b []byte, limit int64) (got []packed, err error) {
	err = x.d.Members(x.Context(), bytes.NewReader(b), limit, func(name string, r io.Reader) error {
		data, err := io.ReadAll(r)
		got = append(got, packed{name, string(data)})
		return err
	})
	return got, err
}

// clean fails the test where a file is left open or lying about.
func (x *fixture) clean(what string) {
	x.Helper()
	x.noTemp()
	if n := unnamed(x.T, x.dir); n != 0 {
		x.Errorf("%s: %d files are still open", what, n)
	}
}

// wantRefused fails the test unless an archive was refused for what it is, before any of its files was seen.
func (x *fixture) wantRefused(what string, got []packed, err error, words string) {
	x.Helper()
	e, ok := errors.AsType[*errcode.Error](err)
	if !ok || e.Code != errcode.ValidationFailed || len(e.Fields) != 1 || e.Fields[0].Field != "archive" || !strings.Contains(e.Text, words) {
		x.Errorf("%s: %v, want a refusal with %q", what, err, words)
	}
	if len(got) != 0 {
		x.Errorf("%s: %d of its files were given all the same", what, len(got))
	}
	x.clean(what)
}

func TestMembersAreTheFilesOfAnArchiveInItsOrder(t *testing.T) {
	x := setup(t)
	x.d.Unwrapper = &realUnpacker{}
	files := []packed{{"b/2.ru", "second"}, {"b/1.ru", "first"}, {"empty", ""}, {".DS_Store", "junk"}, {"ä 日本.ru", strings.Repeat("x", 300<<10)}}
	want := append(append([]packed{}, files[:3]...), files[4])
	for kind, pack := range packers {
		body := pack(files...)
		got, err := x.members(body, 0)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %d files, %v", kind, len(got), err)
		}
		x.clean(kind)
		b, err := x.d.Blobs.Put(t.Context(), bytes.NewReader(body), 0)
		if err != nil {
			t.Fatal(err)
		}
		got = nil
		err = x.d.StoredMembers(t.Context(), catalog.File{SHA256: b.SHA256, Size: b.Size}, func(name string, r io.Reader) error {
			data, err := io.ReadAll(r)
			got = append(got, packed{name, string(data)})
			return err
		})
		b.Release()
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("stored %s: %d files, %v", kind, len(got), err)
		}
		x.clean(kind)
	}
}

func TestMembersOfHostileArchives(t *testing.T) {
	x := setup(t)
	x.d.Unwrapper = &realUnpacker{}
	good, bomb := packed{"good.ru", "data"}, strings.Repeat("\x00", 16<<20)
	many := make([]packed, 100_000)
	for i := range many {
		many[i].Name = fmt.Sprint(i)
	}
	for kind, pack := range packers {
		for what, tc := range map[string]struct {
			files []packed
			words string
		}{
			"out of the folder": {[]packed{good, {"../bad.ru", "x"}}, "leads out of its folder"},
			"out, deeper":       {[]packed{good, {"a/b/../../../bad.ru", "x"}}, "leads out of its folder"},
			"absolute":          {[]packed{good, {"/etc/passwd", "x"}}, "is absolute"},
			"backslashes":       {[]packed{good, {`..\..\bad.ru`, "x"}}, "backslash"},
			"drive":             {[]packed{good, {"C:bad.ru", "x"}}, "drive"},
			"control":           {[]packed{good, {"a\nb", "x"}}, "control characters"},
			"one name":          {[]packed{good, good}, "two of its entries"},
			"one name, unclean": {[]packed{good, {"./x/./good.ru", "x"}, {"x//good.ru", "y"}}, "two of its entries"},
			"long name":         {[]packed{good, {strings.Repeat("n", 300), "x"}}, "longer than 255"},
			"bomb":              {[]packed{good, {"bomb", bomb}}, "bomb"},
			"bomb, hidden":      {[]packed{good, {".bomb", bomb}}, "bomb"},
			"1e5 files":         {many, fmt.Sprintf("more than %d entries", runtime.MaxParts)},
			"no files":          {nil, "holds no files"},
			"only hidden ones":  {[]packed{{".a", "x"}, {"__MACOSX/b", "y"}}, "holds no files"},
		} {
			switch {
			case kind == "tar" && strings.HasPrefix(what, "bomb"): // it is as large as its files
				continue
			case kind != "zip" && what == "no files": // zeros are no archive
				continue
			case strings.HasPrefix(kind, "tar.") && what == "1e5 files": // as in the tar, which takes its time
				continue
			}
			got, err := x.members(pack(tc.files...), 0)
			x.wantRefused(kind+" "+what, got, err, tc.words)
		}
	}
	for what, tc := range map[string]struct {
		body  []byte
		words string
	}{
		"encrypted":         {rawZipOf(&zip.FileHeader{Name: "bad", Flags: 1}), "encrypted"},
		"unknown method":    {rawZipOf(&zip.FileHeader{Name: "bad", Method: 99}), "method 99"},
		"link":              {tarLink("bad", "/etc/passwd"), "a link"},
		"link in a stream":  {zstdOf(tarLink("bad", "/etc/passwd")), "a link"},
		"stream":            {gzipOf([]byte("one recording")), "it is none"},
		"archive in gzip":   {gzipOf(zipOf(good)), "it is none"},
		"no archive":        {[]byte("toy recording"), "it is none"},
		"nothing":           {nil, "it is none"},
		"begins like one":   {[]byte("PK\x03\x04 and no more"), ""},
		"end of a zip only": {append([]byte("PK\x05\x06"), make([]byte, 18)...), "holds no files"},
	} {
		got, err := x.members(tc.body, 0)
		x.wantRefused(what, got, err, tc.words)
	}
}

// TestMembersOfCutArchives: wherever an archive is cut off, it gives all of its files or none.
func TestMembersOfCutArchives(t *testing.T) {
	x := setup(t)
	x.d.Unwrapper = &realUnpacker{}
	files := []packed{{"a", strings.Repeat("first ", 50)}, {"b", "second"}, {"c", strings.Repeat("third ", 40)}}
	for kind, pack := range packers {
		body := pack(files...)
		whole := 0
		for n := range body {
			got, err := x.members(body[:n], 0)
			switch {
			case err == nil && fmt.Sprint(got) == fmt.Sprint(files):
				whole++ // a tar archive may lack the zeros at its end
			case err == nil:
				t.Fatalf("%s cut to %d of %d bytes gave %d files", kind, n, len(body), len(got))
			default:
				x.wantRefused(fmt.Sprintf("%s cut to %d of %d bytes", kind, n, len(body)), got, err, "")
			}
		}
		if most := map[string]int{"tar": 1024}[kind]; whole > most {
			t.Errorf("%s: %d cuts were not noticed", kind, whole)
		}
		for n := range body {
			bad := bytes.Clone(body)
			bad[n] ^= 0x55
			if got, err := x.members(bad, 0); err != nil && len(got) > 0 {
				t.Errorf("%s with a wrong byte at %d: %d files, and then %v", kind, n, len(got), err)
			}
		}
		x.clean(kind)
	}
}

func TestMembersEndWhereTheirCallerDoes(t *testing.T) {
	x := setup(t)
	x.d.Unwrapper = &realUnpacker{}
	body := zipOf(packed{"a", "1"}, packed{"b", "2"}, packed{"c", "3"})
	enough, calls := errors.New("enough"), 0
	err := x.d.Members(t.Context(), bytes.NewReader(body), 0, func(string, io.Reader) error {
		if calls++; calls == 2 {
			return enough
		}
		return nil // one that reads nothing does not shift the next
	})
	if !errors.Is(err, enough) || calls != 2 {
		t.Errorf("%d calls, %v", calls, err)
	}
	x.clean("caller's error")
	if got, err := x.members(body, int64(len(body)-1)); !errcode.Is(err, errcode.TooLarge) || len(got) > 0 {
		t.Errorf("over the limit: %v %v", got, err)
	}
	if got, err := x.members(body, int64(len(body))); err != nil || len(got) != 3 {
		t.Errorf("at the limit: %v %v", got, err)
	}
	x.clean("limit")
	if err := x.d.StoredMembers(t.Context(), catalog.File{SHA256: strings.Repeat("ab", 32), Size: 9}, nil); !errcode.Is(err, errcode.NotFound) {
		t.Errorf("no such file: %v", err)
	}
	x.d.Unwrapper = nil
	got, err := x.members(body, 0)
	x.wantRefused("nobody to unpack it", got, err, "it is none")
}

// TestMembersSayWhatPasses: that an archive could not be looked at now is no verdict on it.
func TestMembersSayWhatPasses(t *testing.T) {
	x := setup(t)
	for _, code := range []errcode.Code{errcode.DiskFull, errcode.ShuttingDown, errcode.WorkerCrashed} {
		x.d.Unwrapper = &unpacker{err: errcode.New(code, "not now")}
		if got, err := x.members([]byte("PK\x03\x04"), 0); !errcode.Is(err, code) || len(got) > 0 {
			t.Errorf("%s: %v %v", code, got, err)
		}
		x.clean(string(code))
	}
	u := &unpacker{content: "ab", out: runtime.Unpacked{
		Wrapped: "tar", Bundle: true, Size: 2, Entries: []runtime.Entry{{Name: "a", Size: 1, Kept: 1}, {Name: "b", Size: 1, At: 1, Kept: 1}},
		Damage: []runtime.Damage{{Code: errcode.CorruptRecord, Message: "bytes after the end were ignored", Ignored: true}},
	}}
	x.d.Unwrapper = u
	if got, err := x.members([]byte("PK\x03\x04"), 0); err != nil || len(got) != 2 || got[1] != (packed{"b", "b"}) {
		t.Errorf("with damage that loses nothing: %v %v", got, err)
	}
	u.out.Damage = append(u.out.Damage, runtime.Damage{Code: errcode.Truncated, Message: "the tar archive was cut off"})
	got, err := x.members([]byte("PK\x03\x04"), 0)
	x.wantRefused("damage", got, err, "cut off")
}

// FuzzMembers takes whatever is sent for an archive to an end that is all of its files, each under a name that leads
// nowhere else, or a refusal and none.
func FuzzMembers(f *testing.F) {
	for _, pack := range packers {
		f.Add(pack(packed{"a/b.ru", "some data"}, packed{"c", strings.Repeat("more ", 50)}))
		f.Add(pack(packed{"../a", "x"}))
	}
	f.Add(rawZipOf(&zip.FileHeader{Name: "bad", Flags: 1}))
	f.Add(tarLink("a", "b"))
	f.Add(gzipOf([]byte("data")))
	f.Add([]byte{})
	dir := f.TempDir()
	blobs, err := blob.Open(blob.Config{Dir: dir + "/blobs", TempDir: dir + "/tmp"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d := New(Config{Blobs: blobs, Unwrapper: &realUnpacker{}})
		seen, total := map[string]bool{}, int64(0)
		err := d.Members(t.Context(), bytes.NewReader(b), 0, func(name string, r io.Reader) error {
			if clean, err := archive.CleanName(name); err != nil || clean != name || seen[name] {
				t.Errorf("name %q: %v", name, err)
			}
			seen[name] = true
			n, err := io.Copy(io.Discard, r)
			total += n
			return err
		})
		if err != nil && len(seen) > 0 {
			t.Errorf("%d files, and then %v", len(seen), err)
		}
		if err != nil && !errcode.Is(err, errcode.ValidationFailed) {
			t.Errorf("%v is no refusal", err)
		}
		if total > unpackLimits.Base+unpackLimits.Ratio*int64(len(b)) {
			t.Errorf("%d bytes of %d", total, len(b))
		}
		if left, err := os.ReadDir(dir + "/tmp"); len(left) != 0 || err != nil {
			t.Errorf("left behind: %v %v", left, err)
		}
	})
}
