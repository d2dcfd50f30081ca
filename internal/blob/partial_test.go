package blob

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/errcode"
)

// piece makes a piece without a checksum, and counts how often progress was kept.
func piece(body io.Reader, kept *int) Piece {
	return Piece{Body: body, Keep: func(Partial) error { *kept++; return nil }}
}

func TestExtendGoesOnInAnotherProcess(t *testing.T) {
	cfg := testConfig(t)
	want := content(3<<20+12345, 7)
	p := Partial{Path: filepath.Join(t.TempDir(), "u1")}
	kept := 0
	for int(p.Size) < len(want) {
		d := openTest(t, cfg) // nothing is known but what p says
		n := min(1+rand.IntN(700_000), len(want)-int(p.Size))
		next, err := d.Extend(t.Context(), p, piece(iotest.HalfReader(bytes.NewReader(want[p.Size:int(p.Size)+n])), &kept))
		if err != nil || next.Size != p.Size+int64(n) {
			t.Fatalf("after %d of %d bytes: %d, %v", p.Size, n, next.Size, err)
		}
		p = next
		// A process that was killed leaves bytes that nobody knows of.
		f, err := os.OpenFile(p.Path, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte("not counted")); err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
	}
	d := openTest(t, cfg)
	b, err := d.Adopt(t.Context(), p)
	if err != nil || b.SHA256 != hashOf(want) || b.Size != int64(len(want)) || !bytes.Equal(b.Head, want[:HeadSize]) {
		t.Fatalf("adopted %s %d %v", b.SHA256, b.Size, err)
	}
	if _, err := os.Stat(p.Path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file of the partial recording is left: %v", err)
	}
	if _, err := d.Adopt(t.Context(), p); !errors.Is(err, ErrNotFound) {
		t.Errorf("adopted twice: %v", err)
	}
	again, err := d.Stored(t.Context(), b.SHA256)
	if err != nil || again.Size != b.Size || !bytes.Equal(again.Head, b.Head) {
		t.Errorf("stored: %d %v", again.Size, err)
	}
	if err := d.Remove(t.Context(), b.SHA256); !errors.Is(err, ErrHeld) {
		t.Errorf("removed while it is held: %v", err)
	}
	b.Release()
	again.Release()
	got, err := os.ReadFile(filepath.Join(cfg.Dir, b.SHA256[:2], b.SHA256[2:]))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("other bytes: %v", err)
	}
	wantClean(t, d, 1)
}

func TestExtendKeepsWhatCameBeforeAnError(t *testing.T) {
	data := content(600_000, 1)
	for name, tc := range map[string]struct {
		fault func(f *disk.Fault)
		body  io.Reader
		want  int64 // bytes that count
		code  errcode.Code
	}{
		"cut off":       {body: io.MultiReader(bytes.NewReader(data), iotest.ErrReader(errors.New("gone"))), want: 600_000},
		"flush fails":   {fault: func(f *disk.Fault) { f.Fail(disk.OpSync, 0, -1, syscall.EIO) }, body: bytes.NewReader(data)},
		"folder fails":  {fault: func(f *disk.Fault) { f.Fail(disk.OpSyncDir, 0, -1, syscall.EIO) }, body: bytes.NewReader(data)},
		"disk full":     {fault: func(f *disk.Fault) { f.Budget(300_000) }, body: bytes.NewReader(data), want: 256 << 10, code: errcode.DiskFull},
		"second write":  {fault: func(f *disk.Fault) { f.Fail(disk.OpWrite, 1, 1, syscall.EIO) }, body: bytes.NewReader(data), want: 256 << 10},
		"open fails":    {fault: func(f *disk.Fault) { f.Fail(disk.OpOpen, 0, 1, syscall.ENOSPC) }, body: bytes.NewReader(data), code: errcode.DiskFull},
		"beyond limit":  {body: bytes.NewReader(content(1<<20+1, 1)), code: errcode.TooLarge},
		"keeping fails": {body: bytes.NewReader(data)},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig(t)
			fault := disk.NewFault(disk.OS)
			cfg.FS = fault
			d := openTest(t, cfg)
			if tc.fault != nil {
				tc.fault(fault)
			}
			kept := int64(0)
			pc := Piece{Body: tc.body, Limit: 1 << 20, Keep: func(p Partial) error {
				if name == "keeping fails" {
					return errors.New("no database")
				}
				kept = p.Size
				return nil
			}}
			p, err := d.Extend(t.Context(), Partial{Path: filepath.Join(cfg.TempDir, "u1")}, pc)
			if err == nil || (tc.code != "" && errcode.Of(err) != tc.code) {
				t.Errorf("error %v", err)
			}
			if p.Size != tc.want || kept != tc.want {
				t.Fatalf("%d bytes count, %d were recorded, want %d", p.Size, kept, tc.want)
			}
			fault.Heal()
			n := 0
			whole := content(1<<20+1, 1)[:600_000]
			if p, err = d.Extend(t.Context(), p, piece(bytes.NewReader(whole[min(p.Size, 600_000):]), &n)); err != nil {
				t.Fatal(err)
			}
			if sha, err := p.SHA256(); name != "beyond limit" && (err != nil || sha != hashOf(data)) {
				t.Errorf("hash %s %v", sha, err)
			}
		})
	}
}

func TestExtendDropsAPieceWithAWrongChecksum(t *testing.T) {
	d := openTest(t, testConfig(t))
	p := Partial{Path: filepath.Join(d.cfg.TempDir, "u1")}
	n := 0
	p, err := d.Extend(t.Context(), p, piece(bytes.NewReader([]byte("begin ")), &n))
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	wrong := errors.New("wrong sum")
	bad := Piece{Body: bytes.NewReader(content(1<<20, 3)), Check: h, Verdict: func() error {
		if got := h.Sum(nil); hashOf(content(1<<20, 3)) != hex.EncodeToString(got) {
			t.Errorf("the checksum is of other bytes: %x", got)
		}
		return wrong
	}, Keep: func(Partial) error { t.Error("kept"); return nil }}
	next, err := d.Extend(t.Context(), p, bad)
	if !errors.Is(err, wrong) || next.Size != p.Size {
		t.Fatalf("%d %v", next.Size, err)
	}
	if p, err = d.Extend(t.Context(), next, piece(bytes.NewReader([]byte("end")), &n)); err != nil {
		t.Fatal(err)
	}
	if sha, _ := p.SHA256(); sha != hashOf([]byte("begin end")) {
		t.Error("bytes of the dropped piece are left")
	}
}

func TestExtendFindsThatBytesAreGone(t *testing.T) {
	d := openTest(t, testConfig(t))
	n := 0
	p, err := d.Extend(t.Context(), Partial{Path: filepath.Join(d.cfg.TempDir, "u1")}, piece(bytes.NewReader(content(100, 1)), &n))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(p.Path, 50); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Extend(t.Context(), p, piece(bytes.NewReader(nil), &n)); !errors.Is(err, ErrNotFound) {
		t.Errorf("extended: %v", err)
	}
	if _, err := d.Adopt(t.Context(), p); !errors.Is(err, ErrNotFound) {
		t.Errorf("adopted: %v", err)
	}
}

// trickle gives one byte a read, and never fast.
type trickle struct{ left int }

func (r *trickle) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	r.left--
	p[0] = 'x'
	return 1, nil
}

// TestLargeBuffersAreBounded: with all large buffers in use, recordings are received all the same.
func TestLargeBuffersAreBounded(t *testing.T) {
	d := openTest(t, testConfig(t))
	for range fastBuffers {
		d.tokens <- struct{}{}
	}
	want := content(500_000, 5)
	b, err := d.Put(t.Context(), bytes.NewReader(want), 0)
	if err != nil || b.SHA256 != hashOf(want) || len(b.Head) != HeadSize {
		t.Fatalf("%+v %v", b.Size, err)
	}
	b.Release()
	if len(d.tokens) != fastBuffers {
		t.Errorf("%d buffers are out, %d were", len(d.tokens), fastBuffers)
	}
	if b, err = d.Put(t.Context(), &trickle{40_000}, 0); err != nil || b.Size != 40_000 {
		t.Errorf("%d %v", b.Size, err)
	}
	b.Release()
}
