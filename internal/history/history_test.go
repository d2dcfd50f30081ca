package history

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wayside-edge/wayside/internal/disk"
)

// box is an appliance whose figures and clock the test sets.
type box struct {
	now  time.Time
	list []Reading
	*History
	cfg Config
}

func newBox(t *testing.T) *box {
	t.Helper()
	b := &box{now: time.Unix(1_700_000_000, 0).Truncate(time.Minute)}
	b.cfg = Config{
		Kinds:    []Kind{{Name: "memory", Unit: "By"}, {Name: "files", Per: time.Minute}, {Name: "ready"}},
		Readings: func(context.Context) []Reading { return b.list },
		Path:     filepath.Join(t.TempDir(), "readings"), Now: func() time.Time { return b.now },
	}
	b.History = Open(b.cfg)
	return b
}

// at reads a figure so long after now.
func (b *box) at(after time.Duration, list ...Reading) {
	b.now, b.list = b.now.Add(after), list
	b.Look(context.Background())
}

func (b *box) mean(t *testing.T, q Query, n int) string {
	t.Helper()
	a := b.Read(q)
	if n >= len(a.Series) {
		return "none"
	}
	s := a.Series[n].Mean
	return fmt.Sprint(s[max(0, len(s)-5):])
}

func TestMinutes(t *testing.T) {
	b := newBox(t)
	b.at(0, Reading{Kind: "memory", Value: 10, Limit: 100})
	b.at(10*time.Second, Reading{Kind: "memory", Value: 30, Limit: 100})
	b.at(50*time.Second, Reading{Kind: "memory", Value: 7, Limit: 100})
	b.at(2*time.Minute, Reading{Kind: "memory", Value: math.NaN(), Limit: 100}, Reading{Kind: "nobody knows", Value: 1})
	a := b.Read(Query{})
	if len(a.Series) != 1 || a.Points != Minutes || a.Step != time.Minute || !a.From.Equal(b.now.Truncate(time.Minute).Add(-(Minutes-1)*time.Minute)) {
		t.Fatalf("%d series, %d points of %s from %s", len(a.Series), a.Points, a.Step, a.From)
	}
	s := a.Series[0]
	if got := fmt.Sprint(s.Min[Minutes-4:], s.Max[Minutes-4:], s.Mean[Minutes-4:], s.Limit); got != "[10 7 NaN NaN] [30 7 NaN NaN] [20 7 NaN NaN] 100" {
		t.Errorf("minutes %s", got)
	}
	if got := b.mean(t, Query{Points: 720}, 0); got != "[NaN NaN NaN 13.5 NaN]" {
		t.Errorf("buckets of two minutes: %s", got)
	}
	if a := b.Read(Query{Last: 10 * time.Minute, Points: 3}); a.Points != 3 || a.Step != 4*time.Minute {
		t.Errorf("%d points of %s", a.Points, a.Step)
	}
}

func TestRates(t *testing.T) {
	b := newBox(t)
	for _, v := range []float64{100, 103, 2, 8} { // it falls where the process began anew
		b.at(time.Minute, Reading{Kind: "files", Value: v})
	}
	if got := b.mean(t, Query{Kinds: []string{"files"}}, 0); got != "[NaN NaN 3 NaN 6]" {
		t.Errorf("rates %s", got)
	}
}

// TestRestart reads on after the appliance was off; what it was off for is a gap.
func TestRestart(t *testing.T) {
	b := newBox(t)
	b.at(0, Reading{Kind: "memory", Value: 1, Limit: 9}, Reading{Kind: "ready", Subject: "decode", Value: 5}, Reading{Kind: "files", Value: 1})
	b.at(time.Minute, Reading{Kind: "memory", Value: 2, Limit: 9}, Reading{Kind: "files", Value: 4})
	b.save(t.Context())
	b.now = b.now.Add(2 * time.Minute)
	b.History = Open(b.cfg)
	b.at(0, Reading{Kind: "memory", Value: 3, Limit: 9})
	if got := b.mean(t, Query{}, 0); got != "[NaN 1 2 NaN 3]" {
		t.Errorf("after a restart: %s", got)
	}
	if a := b.Read(Query{Subject: "decode"}); len(a.Series) != 1 || a.Series[0].Kind.Name != "ready" {
		t.Errorf("of a subject: %+v", a.Series)
	}
	if got := b.mean(t, Query{Kinds: []string{"files"}}, 0); got != "[NaN NaN 3 NaN NaN]" {
		t.Errorf("rates: %s", got)
	}
	b.save(t.Context())
	b.now = b.now.Add(Minutes * time.Minute)
	if b.History = Open(b.cfg); len(b.all) != 0 {
		t.Errorf("%d series a day later", len(b.all))
	}
}

// TestClock sets the clock back and ahead: what was read in a time that is yet to come is forgotten.
func TestClock(t *testing.T) {
	for _, back := range []time.Duration{2 * time.Minute, 3 * Minutes * time.Minute} {
		b := newBox(t)
		for v := range 5 {
			b.at(time.Minute, Reading{Kind: "memory", Value: float64(v)})
		}
		b.at(-back, Reading{Kind: "memory", Value: 99})
		want := "[NaN NaN 0 1 99]"
		if back > time.Hour {
			want = "[NaN NaN NaN NaN 99]"
		}
		if got := b.mean(t, Query{}, 0); got != want {
			t.Errorf("set back by %s: %s", back, got)
		}
		b.at(2*time.Minute, Reading{Kind: "memory", Value: 100})
		if got := b.mean(t, Query{Last: 3 * time.Minute}, 0); got != "[99 NaN 100]" {
			t.Errorf("ahead again: %s", got)
		}
		b.save(t.Context())
		b.now = b.now.Add(-time.Minute)
		b.History = Open(b.cfg)
		if got := b.mean(t, Query{Last: 3 * time.Minute}, 0); got != map[bool]string{false: "[1 99 NaN]", true: "[NaN 99 NaN]"}[back > time.Hour] {
			t.Errorf("read again while it is back: %s", got)
		}
	}
}

func TestBounds(t *testing.T) {
	b := newBox(t)
	var list []Reading
	for i := range 3 * MaxSeries {
		list = append(list, Reading{Kind: "ready", Subject: fmt.Sprint(i), Value: 1})
	}
	list = append(list, Reading{Kind: "ready", Subject: string(make([]byte, maxSubject+1)), Value: 1})
	b.at(0, list...)
	if len(b.all) != MaxSeries {
		t.Errorf("%d series", len(b.all))
	}
	if raw := b.raw(); len(raw) > maxFile {
		t.Errorf("a full file has %d bytes, more than are read", len(raw))
	}
	b.at(Minutes*time.Minute, Reading{Kind: "ready", Subject: "new", Value: 1})
	if len(b.all) > MaxSeries || !slices.ContainsFunc(b.Read(Query{}).Series, func(s Series) bool { return s.Subject == "new" }) {
		t.Error("a day later there is no place for a new subject")
	}
}

// TestDamage cuts and changes the file at every place: it is read as it was, or not at all.
func TestDamage(t *testing.T) {
	b := newBox(t)
	b.at(0, Reading{Kind: "memory", Value: 1}, Reading{Kind: "ready", Subject: "decode", Value: 5})
	b.save(t.Context())
	data, err := os.ReadFile(b.cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range data {
		changed := slices.Clone(data)
		changed[i] ^= 0x40
		for _, bad := range [][]byte{data[:i], changed} {
			if err := os.WriteFile(b.cfg.Path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			if h := Open(b.cfg); len(h.all) != 0 {
				t.Fatalf("damage at %d of %d is read", i, len(data))
			}
		}
	}
}

// noRoom takes no file.
type noRoom struct{ disk.FS }

func (noRoom) OpenFile(string, int, os.FileMode) (disk.File, error) {
	return nil, errors.New("no space left on device")
}

// TestRun reads and writes at its intervals and at the end, also where the disk takes nothing.
func TestRun(t *testing.T) {
	for _, full := range []bool{false, true} {
		dir := t.TempDir()
		synctest.Test(t, func(t *testing.T) {
			looks := 0
			cfg := Config{
				Kinds: []Kind{{Name: "memory"}}, Path: filepath.Join(dir, "readings"),
				Readings: func(context.Context) []Reading { looks++; return []Reading{{Kind: "memory", Value: float64(looks)}} },
			}
			if full {
				cfg.FS = noRoom{disk.OS}
			}
			h := Open(cfg)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- h.Run(ctx) }()
			time.Sleep(defaultSave + time.Second)
			synctest.Wait()
			if looks != 31 {
				t.Errorf("%d looks", looks)
			}
			if _, err := os.Stat(cfg.Path); (err == nil) == full {
				t.Errorf("full %v, the file: %v", full, err)
			}
			_ = os.Remove(cfg.Path)
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(cfg.Path); (err == nil) == full {
				t.Errorf("at the end, full %v, the file: %v", full, err)
			}
		})
	}
}

func FuzzFile(f *testing.F) {
	h := Open(Config{Kinds: []Kind{{Name: "memory"}}})
	h.turn(1)
	h.add(&Reading{Kind: "memory", Value: 1}, time.Unix(60, 0))
	data, err := h.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, data []byte) {
		h := Open(Config{Kinds: []Kind{{Name: "memory"}}})
		if h.decode(data) == nil && len(h.all) > MaxSeries {
			t.Error("too many series")
		}
	})
}

func BenchmarkLook(b *testing.B) {
	var list []Reading
	for i := range MaxSeries {
		list = append(list, Reading{Kind: "ready", Subject: fmt.Sprint(i), Value: 1})
	}
	h := Open(Config{Kinds: []Kind{{Name: "ready"}}, Readings: func(context.Context) []Reading { return list }})
	b.Run("look", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			h.Look(b.Context())
		}
	})
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			h.Read(Query{Points: 240})
		}
	})
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			if _, err := h.encode(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
