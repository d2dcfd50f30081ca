package aof

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/kv/resp"
)

// TestLargeGroups writes groups that go on over several frames, and one whose end is missing.
func TestLargeGroups(t *testing.T) {
	f := framer{db: -1}
	f.buf = append(f.buf, magic...)
	value := []byte(strings.Repeat("v", 600<<10))
	for range 5 {
		f.add(0, [][]byte{[]byte("SET"), []byte("a"), value})
	}
	f.close(0)
	whole := len(f.buf)
	for range 4 {
		f.add(0, [][]byte{[]byte("SET"), []byte("b"), value})
	}
	s, err := scan(bytes.NewReader(f.buf[:f.from]))
	if err != nil || s.good != int64(whole) || s.size != int64(f.from) || s.damaged {
		t.Fatalf("%+v %v, want %d of %d", s, err, whole, f.from)
	}
	if n := commands(t, f.buf[len(magic):s.good]); n != 6 { // with the SELECT
		t.Errorf("%d commands", n)
	}
	if got := groups(f.buf[len(magic):], f.from-len(magic)); got != whole-len(magic) {
		t.Errorf("groups: %d, want %d", got, whole-len(magic))
	}
}

func commands(tb testing.TB, good []byte) (n int) {
	tb.Helper()
	r := resp.NewReader(&payloads{r: bytes.NewReader(good), left: int64(len(good))}, logLimits)
	for {
		_, err := r.Next()
		switch {
		case err == nil:
			n++
		case errors.Is(err, resp.ErrIncomplete):
			if err := r.Fill(); errors.Is(err, io.EOF) {
				return n
			} else if err != nil {
				tb.Fatal(err)
			}
		default:
			tb.Fatal(err)
		}
	}
}

// FuzzScan takes any bytes for a log: what is called good can be read, and a good log that was damaged in one place is
// never called good beyond it.
func FuzzScan(f *testing.F) {
	w := framer{db: -1}
	w.add(1, [][]byte{[]byte("SET"), []byte("a"), []byte("1")})
	w.close(0)
	w.add(0, [][]byte{[]byte("DEL"), []byte("a")})
	w.close(flagMore)
	w.add(0, [][]byte{[]byte("DEL"), []byte("b")})
	w.close(0)
	f.Add(slices.Clone(w.buf), 3, byte(1))
	f.Add([]byte{}, 0, byte(0))
	f.Fuzz(func(t *testing.T, body []byte, at int, change byte) {
		data := append([]byte(magic), body...)
		s, err := scan(bytes.NewReader(data))
		if err != nil || s.good < int64(len(magic)) || s.good > s.size || s.size != int64(len(data)) {
			t.Fatalf("%+v %v of %d", s, err, len(data))
		}
		p := &payloads{r: bytes.NewReader(data[len(magic):]), left: s.good - int64(len(magic))}
		if _, err := io.Copy(io.Discard, p); err != nil {
			t.Fatal(err)
		}
		if s.good == int64(len(magic)) || change == 0 {
			return
		}
		at = len(magic) + int(uint(at)%uint(s.good-int64(len(magic))))
		data[at] ^= change
		if d, err := scan(bytes.NewReader(data)); err != nil || d.good > int64(at) {
			t.Fatalf("changed at %d: good up to %d, %v", at, d.good, err)
		}
	})
}

// TestLengths frames arguments of each length, few and many of them at once, and reads them again.
func TestLengths(t *testing.T) {
	for _, n := range []int{1, 9, 10, 99, 100, 101, manyArgs + 1, 5000} {
		f := framer{db: -1}
		var args [][]byte
		for i := range n {
			args = append(args, bytes.Repeat([]byte{'x'}, i%1003))
		}
		f.add(3, args)
		f.close(0)
		r := resp.NewReader(&payloads{r: bytes.NewReader(f.buf), left: int64(len(f.buf))}, logLimits)
		var got [][]byte
		for range 2 { // SELECT goes before it
			var err error
			for got, err = r.Next(); errors.Is(err, resp.ErrIncomplete); got, err = r.Next() {
				if err := r.Fill(); err != nil {
					t.Fatal(err)
				}
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if !slices.EqualFunc(got, args, bytes.Equal) {
			t.Errorf("%d arguments are %d others when they are read", n, len(got))
		}
	}
}
