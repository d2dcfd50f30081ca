package event

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"
)

// next takes an event that must be there.
func next(t *testing.T, s *Sub) Event {
	t.Helper()
	ev, err := s.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return ev
}

func wantNone(t *testing.T, s *Sub) {
	t.Helper()
	if ev, ok, err := s.take(); ok || err != nil {
		t.Errorf("event %+v, %v", ev, err)
	}
}

func TestEventsComeInOrder(t *testing.T) {
	b := New(0)
	if b.Head() != 0 {
		t.Errorf("head %d", b.Head())
	}
	all, files := b.Subscribe(0), b.Subscribe(0, "file", "disk")
	for i, topic := range []string{"file", "job", "disk"} {
		if seq := b.Publish(topic, "k", i); seq != uint64(i)+1 || b.Head() != seq {
			t.Errorf("seq %d, head %d", seq, b.Head())
		}
	}
	want := func(s *Sub, seq uint64, topic string, data any) {
		t.Helper()
		if ev := next(t, s); ev != (Event{Seq: seq, Topic: topic, Key: "k", Data: data}) {
			t.Errorf("event %+v", ev)
		}
	}
	want(all, 1, "file", 0)
	want(all, 2, "job", 1)
	want(all, 3, "disk", 2)
	wantNone(t, all)
	want(files, 1, "file", 0)
	want(files, 3, "disk", 2)
	wantNone(t, files)
	want(b.Subscribe(2), 3, "disk", 2)
	wantNone(t, b.Subscribe(Now))
	wantNone(t, b.Subscribe(3))
}

func TestSlowReaderIsReset(t *testing.T) {
	b := New(4)
	all, quiet, other := b.Subscribe(0), b.Subscribe(0, "quiet"), b.Subscribe(0, "none")
	b.Publish("quiet", "1", nil)
	if next(t, quiet).Key != "1" {
		t.Error("wrong event")
	}
	for i := range 4 {
		b.Publish("busy", fmt.Sprint(i), nil)
	}
	if ev := next(t, all); !ev.Reset || ev.Seq != 5 || ev.Topic != "" {
		t.Errorf("overrun reader got %+v", ev)
	}
	wantNone(t, all)
	b.Publish("quiet", "2", nil)
	if ev := next(t, all); ev.Reset || ev.Seq != 6 {
		t.Errorf("after the reset came %+v", ev)
	}
	if ev := next(t, quiet); ev.Reset || ev.Key != "2" {
		t.Errorf("a busy topic disturbed a quiet one: %+v", ev)
	}
	wantNone(t, other)
	if ev := next(t, b.Subscribe(0, "quiet")); !ev.Reset {
		t.Errorf("reader from the beginning got %+v", ev)
	}
	if ev := next(t, b.Subscribe(5000)); !ev.Reset || ev.Seq != 6 {
		t.Errorf("reader of another run got %+v", ev)
	}
	if got, want := b.Stats(), (Stats{Published: 6, Missed: 3}); got != want {
		t.Errorf("counted: %+v, want %+v", got, want)
	}
	b.Lose("none")
	for range 2 { // the second finds nothing
		if _, _, err := other.TryNext(); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := b.Stats(), (Stats{Published: 7, Missed: 4}); got != want {
		t.Errorf("counted with one that its publisher left out: %+v, want %+v", got, want)
	}
}

func TestKept(t *testing.T) {
	b := New(4)
	keys := func(topic string) (s string) {
		for _, ev := range b.Kept(topic) {
			s += ev.Key
		}
		return s
	}
	if got := keys("a"); got != "" {
		t.Errorf("of an empty bus %q is kept", got)
	}
	for i, key := range []string{"1", "2", "3", "4", "5", "6"} {
		b.Publish([]string{"a", "b"}[i%2], key, nil)
		if want := []string{"1", "1", "13", "13", "35", "35"}[i]; keys("a") != want {
			t.Errorf("after %s %q is kept, want %q", key, keys("a"), want)
		}
	}
	if got := keys("b"); got != "46" {
		t.Errorf("%q is kept of the other topic", got)
	}
}

func TestNextWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(0)
		s, other := b.Subscribe(0, "file"), b.Subscribe(0, "job")
		got := make(chan Event, 1)
		go func() {
			ev, err := s.Next(t.Context())
			if err != nil {
				t.Error(err)
			}
			got <- ev
		}()
		woken := make(chan error, 1)
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			_, err := other.Next(ctx)
			woken <- err
		}()
		synctest.Wait()
		b.Publish("file", "a", nil)
		synctest.Wait()
		if ev := <-got; ev.Key != "a" {
			t.Errorf("event %+v", ev)
		}
		gone := errors.New("client is gone")
		cancel(gone)
		if err := <-woken; !errors.Is(err, gone) {
			t.Errorf("ended context: %v", err)
		}
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(0)
		subs := []*Sub{b.Subscribe(0), b.Subscribe(0, "file"), b.Subscribe(0, "file", "job")}
		ended := make(chan error, len(subs))
		for _, s := range subs {
			go func() {
				_, err := s.Next(t.Context())
				ended <- err
			}()
		}
		synctest.Wait()
		subs[1].Close()
		subs[1].Close()
		synctest.Wait()
		if len(ended) != 1 {
			t.Fatalf("%d readers ended", len(ended))
		}
		b.Close()
		b.Close()
		for range subs {
			if err := <-ended; !errors.Is(err, ErrClosed) {
				t.Errorf("closed: %v", err)
			}
		}
		subs[2].Close()
		if seq := b.Publish("file", "", nil); seq != 0 {
			t.Errorf("published %d after close", seq)
		}
		if _, err := b.Subscribe(0).Next(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	})
}

func TestSubsAreForgotten(t *testing.T) {
	b := New(0)
	for range 100 {
		b.Subscribe(0, "a", "b").Close()
		b.Subscribe(0).Close()
	}
	if len(b.subs["a"])+len(b.subs["b"])+len(b.subs[""]) != 0 {
		t.Errorf("left: %v", b.subs)
	}
}

// TestModel compares readers with a list of all events: what a reader gets is in order, of its topics, complete
// unless it was told, and it is told only if something of its own was lost.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		size := rapid.IntRange(1, 8).Draw(rt, "size")
		b := New(size)
		topics := []string{"a", "b", "c"}
		type reader struct {
			sub  *Sub
			want map[string]bool
			last uint64
		}
		var all []Event
		var readers []*reader
		rt.Repeat(map[string]func(*rapid.T){
			"publish": func(rt *rapid.T) {
				topic := rapid.SampledFrom(topics).Draw(rt, "topic")
				all = append(all, Event{Seq: b.Publish(topic, "k", len(all)), Topic: topic, Key: "k", Data: len(all)})
			},
			"subscribe": func(rt *rapid.T) {
				after := rapid.Uint64Range(0, uint64(len(all))).Draw(rt, "after")
				names := rapid.SliceOfNDistinct(rapid.SampledFrom(topics), 0, 2, rapid.ID).Draw(rt, "topics")
				r := &reader{sub: b.Subscribe(after, names...), want: map[string]bool{}, last: after}
				for _, n := range names {
					r.want[n] = true
				}
				readers = append(readers, r)
			},
			"take": func(rt *rapid.T) {
				if len(readers) == 0 {
					return
				}
				r := rapid.SampledFrom(readers).Draw(rt, "reader")
				var expect *Event
				lost := false
				for _, ev := range all {
					if ev.Seq <= r.last || (len(r.want) > 0 && !r.want[ev.Topic]) {
						continue
					}
					if ev.Seq+uint64(size) <= uint64(len(all)) {
						lost = true
					} else if expect == nil {
						expect = &ev
					}
				}
				ev, ok, err := r.sub.take()
				switch {
				case err != nil:
					rt.Fatal(err)
				case lost:
					if !ok || !ev.Reset || ev.Seq != uint64(len(all)) {
						rt.Fatalf("got %+v, %t; want a reset", ev, ok)
					}
					r.last = ev.Seq
				case expect == nil:
					if ok {
						rt.Fatalf("got %+v, want none", ev)
					}
				default:
					if !ok || ev != *expect {
						rt.Fatalf("got %+v, %t; want %+v", ev, ok, *expect)
					}
					r.last = ev.Seq
				}
			},
		})
	})
}

func TestManyAtOnce(t *testing.T) {
	b := New(1 << 12)
	const n = 500
	var wg sync.WaitGroup
	for r := range 8 {
		s := b.Subscribe(0)
		wg.Go(func() {
			defer s.Close()
			for last := uint64(0); last < 4*n; {
				ev, err := s.Next(t.Context())
				if err != nil || ev.Seq != last+1 {
					t.Errorf("reader %d: %+v after %d, %v", r, ev, last, err)
					return
				}
				last = ev.Seq
			}
		})
	}
	for range 4 {
		wg.Go(func() {
			for range n {
				b.Publish("t", "", nil)
			}
		})
	}
	wg.Wait()
}

// BenchmarkPublish publishes with a thousand idle subscribers of another topic.
func BenchmarkPublish(b *testing.B) {
	bus := New(0)
	for range 1000 {
		bus.Subscribe(Now, "other")
	}
	for b.Loop() {
		bus.Publish("t", "k", nil)
	}
}

func TestWhatIsLeftOutIsSaidInItsPlace(t *testing.T) {
	b := New(4)
	all, jobs, files := b.Subscribe(0), b.Subscribe(0, "job", "file"), b.Subscribe(0, "file")
	b.Publish("file", "f1", 1)
	b.Lose("job")
	b.Gone("file", "f1")
	for name, s := range map[string]*Sub{"all": all, "jobs": jobs, "late": b.Subscribe(0, "job", "file")} {
		for _, want := range []Event{
			{Seq: 1, Topic: "file", Key: "f1", Data: 1}, {Seq: 2, Topic: "job", Reset: true}, {Seq: 3, Topic: "file", Key: "f1", Gone: true},
		} {
			if ev, ok, err := s.TryNext(); ev != want || !ok || err != nil {
				t.Errorf("%s: %+v, want %+v", name, ev, want)
			}
		}
		wantNone(t, s)
		if s.At() != 3 {
			t.Errorf("%s: at %d", name, s.At())
		}
	}
	if next(t, files).Seq != 1 || next(t, files).Seq != 3 {
		t.Error("a reader of files was told of jobs")
	}
	for range 4 {
		b.Publish("file", "f2", 2)
	}
	if ev := next(t, b.Subscribe(1, "job")); !ev.Reset || ev.Topic != "" {
		t.Errorf("jobs were left out after that, and the event that says so has left the ring: %+v", ev)
	}
}
