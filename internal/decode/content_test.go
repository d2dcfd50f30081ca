package decode

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime"
)

// archived makes a file of three parts, of which its record lists some.
func (x *fixture) archived(body string, listed int) (catalog.File, *unpacker) {
	x.Helper()
	b, err := x.d.Blobs.Put(x.Context(), strings.NewReader(body), 0)
	if err != nil {
		x.Fatal(err)
	}
	b.Release()
	u := &unpacker{content: "aaaabbbcc", out: runtime.Unpacked{Wrapped: "zip", Bundle: true, Size: 9, Entries: []runtime.Entry{
		{Name: "a", Size: 4}, {Name: "b", Size: 3, At: 4}, {Name: "c", Size: 2, At: 7},
	}}}
	x.d.Unwrapper = u
	all := []catalog.Part{{Name: "a", Size: 4}, {Name: "b", Size: 3}, {Name: "c", Size: 2}}
	return catalog.File{ID: "f1", SHA256: b.SHA256, Size: b.Size, Wrapped: "zip", Parts: all[:listed], PartCount: 3}, u
}

// content reads all of a file as /hex does.
func (x *fixture) content(f catalog.File) (string, error) {
	x.Helper()
	c, err := x.d.Unwrapped(x.Context(), f)
	if err != nil {
		return "", err
	}
	whole, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
	if err != nil {
		x.Fatal(err)
	}
	return string(whole), c.Close()
}

// TestContentBeyondTheListedParts: a record that lists the first parts only, or none, is no end of the file.
func TestContentBeyondTheListedParts(t *testing.T) {
	for _, format := range []string{"", "toy-format"} {
		for listed := range 4 {
			x := setup(t)
			f, _ := x.archived("PK", listed)
			f.Format = format
			if got, err := x.content(f); got != "aaaabbbcc" || err != nil {
				t.Errorf("format %q, %d parts listed: %q %v", format, listed, got, err)
			}
		}
	}
	x := setup(t)
	f, u := x.archived("PK", 1)
	f.Parts[0].SHA256 = "another"
	if got, err := x.content(f); !errcode.Is(err, errcode.Conflict) {
		t.Errorf("a decoder that chooses others: %q %v", got, err)
	}
	f.Parts, f.PartCount, f.Format = nil, 4, ""
	if got, err := x.content(f); !errcode.Is(err, errcode.Conflict) {
		t.Errorf("parts that are not there: %q %v", got, err)
	}
	f.PartCount, f.Format = 3, "gone"
	if got, err := x.content(f); !errcode.Is(err, errcode.Conflict) {
		t.Errorf("a decoder that is gone: %q %v", got, err)
	}
	u.out.Entries[0].Name, f.Format = "refused", "toy-format"
	if got, err := x.content(f); !errcode.Is(err, errcode.Conflict) {
		t.Errorf("nothing chosen: %q %v", got, err)
	}
}

// TestContentIsChosenByTheDecoderOfTheFirstDecode, whatever decoder its format has now.
func TestContentIsChosenByTheDecoderOfTheFirstDecode(t *testing.T) {
	x := setup(t)
	f, _ := x.archived("PK", 0)
	f.Format = "gone"
	rec, _ := x.queued("PK")
	f.ID = rec.FileID
	if got, err := x.content(f); got != "aaaabbbcc" || err != nil {
		t.Errorf("%q %v", got, err)
	}
}

// unnamed counts the open files of this process that have no name any more.
func unnamed(t *testing.T, below string) int {
	t.Helper()
	fds, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && strings.HasPrefix(to, below) && strings.HasSuffix(to, "(deleted)") {
			n++
		}
	}
	return n
}

// TestShelf unwraps once for several looks, keeps few files for a short time, and none after its end.
func TestShelf(t *testing.T) {
	x := setup(t)
	f, u := x.archived("PK", 3)
	want := func(unpacked, held int) {
		t.Helper()
		if got := unnamed(t, x.dir); len(u.asked) != unpacked || got != held {
			t.Errorf("unwrapped %d times, want %d; %d files held, want %d", len(u.asked), unpacked, got, held)
		}
	}
	look := func(f catalog.File) {
		t.Helper()
		if got, err := x.content(f); got != "aaaabbbcc" || err != nil {
			t.Errorf("%q %v", got, err)
		}
	}
	look(f)
	look(f)
	want(2, 0) // nobody owns it
	x.d.shelf.setOpen(true)
	look(f)
	look(f)
	want(3, 1)
	if r := u.asked[0]; r.Room <= 0 {
		t.Errorf("no room given: %+v", r)
	}
	reading, err := x.d.Unwrapped(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	for i := range shelfFiles {
		g, v := x.archived("PK"+strings.Repeat("x", i+1), 3)
		v.asked = u.asked
		u = v
		look(g)
	}
	want(3+shelfFiles, shelfFiles+1) // pushed off the shelf while it is read
	b := make([]byte, 9)
	if _, err := reading.ReadAt(b, 0); err != nil || string(b) != "aaaabbbcc" {
		t.Errorf("%q %v", b, err)
	}
	if err := reading.Close(); err != nil {
		t.Error(err)
	}
	want(3+shelfFiles, shelfFiles)
	g, v := x.archived("PK large", 3)
	v.out.Size = shelfBytes + 1
	v.out.Bundle, v.out.Entries = false, nil
	c, err := x.d.Unwrapped(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	want(3+shelfFiles, shelfFiles)
	v.out.Size = shelfBytes // takes all of the shelf
	if c, err = x.d.Unwrapped(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	want(3+shelfFiles, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := x.d.ShelveUntil(ctx); err != nil {
		t.Error(err)
	}
	want(3+shelfFiles, 0)
	look(f)
	want(3+shelfFiles, 0)
}

// TestShelfEnds lets time pass.
func TestShelfEnds(t *testing.T) {
	x := setup(t)
	f, u := x.archived("PK", 3)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- x.d.ShelveUntil(ctx) }()
		synctest.Wait()
		look := func(want int) {
			t.Helper()
			if _, err := x.content(f); err != nil || len(u.asked) != want {
				t.Errorf("unwrapped %d times, want %d, %v", len(u.asked), want, err)
			}
		}
		look(1)
		time.Sleep(shelfLife - time.Second)
		look(1)
		time.Sleep(shelfLife - time.Second)
		synctest.Wait()
		look(1)
		time.Sleep(shelfLife + shelfEvery)
		synctest.Wait()
		look(2)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
