package archive

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// checker is a sink that checks what it is given.
type checker struct {
	t     *testing.T
	seen  map[string]bool
	total int64
}

func (c *checker) Begin(name string) error {
	if clean, err := CleanName(name); err != nil || clean != name || c.seen[name] || strings.Contains(name, "..") && strings.Contains("/"+name+"/", "/../") {
		c.t.Errorf("entry %q: %v", name, err)
	}
	c.seen[name] = true
	return nil
}

func (c *checker) Write(p []byte) (int, error) {
	c.total += int64(len(p))
	return len(p), nil
}

// FuzzUnpack unpacks whatever comes, within its limits, to an end that is a result or a refusal.
func FuzzUnpack(f *testing.F) {
	for _, wrap := range wrappers {
		f.Add(wrap(entry{"a/b.bin", "some data"}, entry{"c", strings.Repeat("more ", 50)}))
	}
	f.Add(gzipped("data"))
	f.Add(zstded("data"))
	f.Add(append(gzipped("data"), gzipped("more")...))
	f.Add([]byte("\x5a\x2a\x4d\x18\x03\x00\x00\x00abc"))
	f.Add(zipped())
	f.Add(gnuSparse())
	f.Fuzz(func(t *testing.T, b []byte) {
		lim := Limits{Ratio: 20, Base: 64 << 10, Entries: 20}
		c := &checker{t: t, seen: map[string]bool{}}
		res, err := Unpack(bytes.NewReader(b), int64(len(b)), lim, c)
		if e, ok := errors.AsType[*errcode.Error](err); err != nil && !ok {
			t.Errorf("%v is no refusal", err)
		} else if ok && e.Code == errcode.Internal {
			t.Errorf("%v", err)
		}
		if c.total > lim.Base+lim.Ratio*int64(len(b)) || len(c.seen) > lim.Entries || len(res.Damage) > maxDamage {
			t.Errorf("%d bytes, %d entries of %d bytes", c.total, len(c.seen), len(b))
		}
		for _, d := range res.Damage {
			if d.At > c.total || d.Code == "" || d.Text == "" {
				t.Errorf("%+v", d)
			}
		}
	})
}
