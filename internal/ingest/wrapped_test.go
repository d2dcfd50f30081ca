package ingest

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
)

// parcels plays what looks into wrapped recordings: those that begin with "wrapped".
type parcels struct {
	inside Inside
	err    error
	asked  []Parcel
}

func (p *parcels) Inspect(_ context.Context, r Parcel) (Inside, error) {
	p.asked = append(p.asked, r)
	if !strings.HasPrefix(string(r.Head), "wrapped") {
		return Inside{}, nil
	}
	return p.inside, p.err
}

func TestAcceptOfWrappedRecordings(t *testing.T) {
	x := setup(t)
	parts := []catalog.Part{{Name: "a", Size: 1, SHA256: "1"}, {Name: "b", Size: 2, SHA256: "2"}}
	p := &parcels{inside: Inside{Wrapped: "zip", Parts: parts, Match: toy, Known: true}}
	x.Wrapping = p
	acc := x.accept(upload("a.zip", "wrapped"))
	f, err := x.Catalog.File(t.Context(), acc.File.ID)
	if err != nil || f.Wrapped != "zip" || len(f.Parts) != 2 || f.Format != "toy-format" || acc.Decode.Status != catalog.Queued {
		t.Fatalf("%+v %+v %v", f, acc.Decode, err)
	}
	if again := x.accept(upload("a.zip", "wrapped")); !again.Existing || again.File.ID != acc.File.ID {
		t.Errorf("%+v", again)
	}
	u := upload("b.zip", "wrapped with decoder")
	u.Decoder, u.Together = "toy", true
	p.inside.Known = false
	if acc = x.accept(u); acc.Decode.Status != catalog.Queued {
		t.Errorf("%+v", acc.Decode)
	}
	if last := p.asked[len(p.asked)-1]; last.Decoder != "toy" || !last.Together || last.Size != int64(len("wrapped with decoder")) {
		t.Errorf("%+v", last)
	}
	if acc = x.accept(upload("plain.toy", "toy plain")); acc.File.Wrapped != "" || acc.File.Format != "toy-format" {
		t.Errorf("%+v", acc.File)
	}
	p.inside = Inside{Wrapped: "zip", Failure: &catalog.Failure{Code: errcode.OutputLimit, Message: "a bomb"}}
	for _, decoder := range []string{"", "toy"} {
		u := upload("bomb"+decoder, "wrapped bomb"+decoder)
		u.Decoder = decoder
		acc = x.accept(u)
		if d := acc.Decode; d.Status != catalog.Failed || d.Error == nil || d.Error.Code != errcode.OutputLimit || d.JobID != "" || (d.Decoder != nil) != (decoder != "") {
			t.Errorf("%q: %+v", decoder, d)
		}
	}
	p.inside, p.err = Inside{}, errcode.New(errcode.DiskFull, "full")
	if _, err := x.Accept(t.Context(), upload("c", "wrapped, and no room")); !errcode.Is(err, errcode.DiskFull) {
		t.Errorf("%v", err)
	}
	if n := len(x.files("blobs")); n != 5 {
		t.Errorf("%d blobs", n)
	}
}

// TestRedecodeFixesParts: what of an archive is decoded is known once a decoder is.
func TestRedecodeFixesParts(t *testing.T) {
	x := setup(t)
	all := []catalog.Part{{Name: "README"}, {Name: "b"}, {Name: "a"}}
	p := &parcels{inside: Inside{Wrapped: "zip", Parts: all}}
	x.Wrapping = p
	acc := x.accept(upload("a.zip", "wrapped"))
	if acc.Decode.Error == nil || acc.Decode.Error.Code != errcode.UnknownFormat || len(acc.File.Parts) != 3 {
		t.Fatalf("%+v", acc)
	}
	p.inside = Inside{Wrapped: "zip", Parts: []catalog.Part{{Name: "a"}, {Name: "b"}}, Match: toy, Known: true}
	d, existing, err := x.Redecode(t.Context(), Redecode{FileID: acc.File.ID})
	if err != nil || existing || d.Status != catalog.Queued {
		t.Fatalf("%+v %v %v", d, existing, err)
	}
	f, err := x.Catalog.File(t.Context(), acc.File.ID)
	if err != nil || len(f.Parts) != 2 || f.Parts[0].Name != "a" {
		t.Errorf("%+v %v", f, err)
	}
}

// parts gives files to a Bundle.
func parts(pairs ...string) func() (string, io.Reader, error) {
	i := -2
	return func() (string, io.Reader, error) {
		if i += 2; i >= len(pairs) {
			return "", nil, io.EOF
		}
		return pairs[i], iotest.HalfReader(strings.NewReader(pairs[i+1])), nil
	}
}

func TestBundleIsAZipArchiveOfItsParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var pairs []string
		seen := map[string]bool{}
		for range rapid.IntRange(1, 6).Draw(t, "parts") {
			name := rapid.StringN(1, 20, 60).Draw(t, "name")
			if !seen[name] && !strings.ContainsAny(name, `/\`) {
				seen[name] = true
				pairs = append(pairs, name, strings.Repeat(rapid.StringN(0, 20, 100).Draw(t, "data"), rapid.IntRange(0, 3000).Draw(t, "times")))
			}
		}
		if len(pairs) == 0 {
			return
		}
		b, err := io.ReadAll(Bundle(parts(pairs...)))
		again, err2 := io.ReadAll(iotest.OneByteReader(Bundle(parts(pairs...))))
		if err != nil || err2 != nil || !bytes.Equal(b, again) {
			t.Fatalf("%v %v, equal %v", err, err2, bytes.Equal(b, again))
		}
		z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil || len(z.File) != len(pairs)/2 {
			t.Fatalf("%v", err)
		}
		for i, f := range z.File {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(r)
			if err != nil || f.Name != pairs[2*i] || string(data) != pairs[2*i+1] || f.Method != zip.Store {
				t.Fatalf("part %d: %q %v", i, f.Name, err)
			}
		}
	})
}

func TestBundlesThatAreNone(t *testing.T) {
	mine := errors.New("mine")
	broken := func() (string, io.Reader, error) { return "a", iotest.ErrReader(mine), nil }
	for name, tc := range map[string]struct {
		next func() (string, io.Reader, error)
		is   func(error) bool
	}{
		"no parts":  {parts(), func(err error) bool { return errcode.Is(err, errcode.ValidationFailed) }},
		"one name":  {parts("a", "1", "a", "2"), func(err error) bool { return errcode.Is(err, errcode.ValidationFailed) }},
		"a folder":  {parts("a/b", "1"), func(err error) bool { return errcode.Is(err, errcode.ValidationFailed) }},
		"broken":    {broken, func(err error) bool { return errors.Is(err, mine) }},
		"cut short": {func() (string, io.Reader, error) { return "a", iotest.ErrReader(io.ErrUnexpectedEOF), nil }, func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
	} {
		if _, err := io.ReadAll(Bundle(tc.next)); !tc.is(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
