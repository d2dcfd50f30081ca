package progress

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"
)

// after makes the screen's clock stand at d after its start.
func after(s *Screen, d time.Duration) *Screen {
	s.now = func() time.Time { return s.started.Add(d) }
	return s
}

func TestBar(t *testing.T) {
	files := after(New(nil, nil, 70), 2*time.Second)
	files.Expect(2, 1000)
	files.Began(1, -1, 3000) // its size is known only now
	files.Moved(1, 1000)
	files.Finish(0, 1000, 0)

	sent := after(New(nil, nil, 80), 10*time.Second)
	sent.Expect(2, 10_000_000)
	sent.Began(0, 4_000_000, 4_000_000)
	sent.Finish(0, 4_000_000, 3_000_000) // of which 3 MB were there
	sent.Moved(0, 1)                     // late: it is done with
	sent.Began(1, 6_000_000, 6_000_000)
	sent.Moved(1, 1_000_000)

	stream := after(New(nil, nil, 60), 2*time.Second)
	stream.Expect(1, 0)
	stream.Began(0, -1, -1)
	stream.Moved(0, 5000)

	more := after(New(nil, nil, 60), time.Second)
	more.Expect(1, 10)
	more.Began(0, 10, 10)
	more.Moved(0, 99) // it has grown

	batch := New(nil, nil, 60)
	batch.Expect(4, 0)
	batch.At(1, 0.5)
	batch.Say("2 at work")

	empty := New(nil, nil, 60)
	empty.Expect(2, 0)
	empty.Finish(0, 0, 0)

	for _, tc := range []struct {
		s    *Screen
		want string
	}{
		{files, "[##############...............]  50 %  1/2  2.0 kB  1.0 kB/s  2s left"},
		{sent, "[##################..................]  50 %  1/2  5.0 MB  200.0 kB/s  25s left"},
		{stream, "[............................]   0 %  0/1  5.0 kB  2.5 kB/s"},
		{more, "[########################################] 100 %  0/1  10 B"},
		{batch, "[#################..................]  50 %  1/4  2 at work"},
		{empty, "[####################....................]  50 %  1/2"},
	} {
		if got := tc.s.bar(); got != tc.want {
			t.Errorf("got  %s\nwant %s", got, tc.want)
		}
	}
}

func TestBarFits(t *testing.T) {
	s := after(New(nil, nil, 0), 10*time.Second)
	s.Expect(2, 10_000_000)
	s.Began(0, 10_000_000, 10_000_000)
	s.Moved(0, 5_000_000)
	for _, width := range []int{1, 10, 20, 40, 80, 300} {
		s.width = width
		got := s.bar()
		if n := utf8.RuneCountInString(got); n >= max(width, 1) {
			t.Errorf("a bar of %d on a terminal of %d", n, width)
		}
		if has := strings.ContainsAny(got, "[]"); has != (width >= 80) {
			t.Errorf("on a terminal of %d: %s", width, got)
		}
	}
}

// buffer may be read while a bar is drawn.
type buffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// The bar comes by itself, disappears before anything else is printed, and for good in the end.
func TestBarGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out, errs buffer
		s := New(&out, &errs, 60)
		s.Expect(1, 10)
		stop := s.Start()
		time.Sleep(redraw + redraw/2) // virtual time
		synctest.Wait()
		if n := strings.Count(errs.String(), erase+"["); n != 1 {
			t.Fatalf("%d bars in %q", n, errs.String())
		}
		if err := s.Note("note\n"); err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(errs.String(), erase+"note\n") {
			t.Errorf("the bar does not give way: %q", errs.String())
		}
		if err := s.Print("line\n"); err != nil || out.String() != "line\n" || !strings.HasSuffix(errs.String(), "note\n") {
			t.Errorf("%q, %q, %v", out.String(), errs.String(), err)
		}
		time.Sleep(redraw)
		synctest.Wait()
		stop()
		if !strings.HasSuffix(errs.String(), erase) {
			t.Errorf("the bar is still there: %q", errs.String())
		}
	})
}

func TestNoBarWithoutTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var errs strings.Builder
		s := New(nil, &errs, 0)
		stop := s.Start()
		time.Sleep(3 * redraw)
		stop()
		if errs.Len() > 0 {
			t.Errorf("%q", errs.String())
		}
	})
}

func TestNumbers(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567", 1e12: "1,000,000,000,000"} {
		if got := Count(n); got != want {
			t.Errorf("Count(%d) = %s, want %s", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 999_950: "1.0 MB", 1234567: "1.2 MB", 1 << 62: "4.6 EB"} {
		if got := Size(n); got != want {
			t.Errorf("Size(%d) = %s, want %s", n, got, want)
		}
	}
}
