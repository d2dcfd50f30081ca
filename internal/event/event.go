// Package event owns the bus that tells watchers (the event stream, the console) what just happened.
//
// It is a ring of the last events with one sequence number. Publishing never waits for anyone: a reader that is
// slower than the ring gets one Reset event and goes on from the newest, and must then fetch the state it shows
// anew. A publisher that cannot tell of everything says so (Lose): its readers get a Reset of that topic, in its place. Nothing here is durable, and nothing may depend on an event for being correct. The package is apart because
// publishers (store callbacks, decode, queue) and readers must not know each other; it imports nothing of Wayside.
//
// The bus starts no goroutine: a subscriber costs a cursor and, while its Next waits, the goroutine it is called
// from. One mutex guards a bus; no callback or blocking send happens under it.
package event

import (
	"context"
	"errors"
	"math"
	"sync"
)

// Now as the place to begin, given to Subscribe, means only events published from now on.
const Now = math.MaxUint64

// DefaultSize is the number of events a bus made with New(0) keeps.
const DefaultSize = 4096

// ErrClosed is returned by Next after the bus or the subscription was closed.
var ErrClosed = errors.New("event stream is closed")

// Event is one thing that happened.
type Event struct {
	Seq   uint64 // from 1, without gaps over all topics of a bus
	Topic string // such as "file" or "decode"; empty with Reset of all topics
	Key   string // the id of the thing it is about
	Data  any    // shared by all readers: never changed after Publish
	Gone  bool   // the thing was deleted
	Reset bool   // events were lost: fetch the state anew, then go on after Seq
}

// Bus passes events from publishers to subscribers.
type Bus struct {
	mu      sync.Mutex // guards what follows
	ring    []Event    // event s is at (s-1) % len
	head    uint64     // seq of the newest event, 0 = none yet
	dropped map[string]uint64
	missed  uint64                       // times that a reader was told that events were lost
	subs    map[string]map[*Sub]struct{} // by topic; "" = all topics
	closed  bool
}

// Sub is one reader of a bus.
type Sub struct {
	bus    *Bus
	topics map[string]struct{} // nil = all
	wake   chan struct{}       // capacity 1

	cursor uint64 // guarded by bus.mu: seq of the last event this reader has passed
	closed bool   // guarded by bus.mu
}

// New returns a bus that keeps the last size events; 0 means DefaultSize.
func New(size int) *Bus {
	if size <= 0 {
		size = DefaultSize
	}
	return &Bus{
		ring:    make([]Event, size),
		dropped: map[string]uint64{},
		subs:    map[string]map[*Sub]struct{}{},
	}
}

// Publish adds an event and returns its sequence number; 0 after Close. It never blocks.
func (b *Bus) Publish(topic, key string, data any) uint64 {
	return b.add(Event{Topic: topic, Key: key, Data: data})
}

// Gone adds the event that a thing was deleted.
func (b *Bus) Gone(topic, key string) uint64 { return b.add(Event{Topic: topic, Key: key, Gone: true}) }

// Lose adds the event that others of a topic were left out: what the topic is about is to be fetched anew.
func (b *Bus) Lose(topic string) uint64 { return b.add(Event{Topic: topic, Reset: true}) }

func (b *Bus) add(ev Event) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0
	}
	b.head++
	ev.Seq = b.head
	slot := &b.ring[(b.head-1)%uint64(len(b.ring))]
	if slot.Seq != 0 {
		b.dropped[slot.Topic] = slot.Seq
	}
	*slot = ev
	for s := range b.subs[ev.Topic] {
		s.signal()
	}
	if ev.Topic != "" {
		for s := range b.subs[""] {
			s.signal()
		}
	}
	return b.head
}

// Head gives the sequence number of the newest event, 0 if there was none.
func (b *Bus) Head() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.head
}

// Kept gives the events of a topic that are still there, the oldest first. It tells nothing of those that are not.
func (b *Bus) Kept(topic string) []Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	size := uint64(len(b.ring))
	var kept []Event
	for seq := b.head - min(b.head, size); seq < b.head; seq++ {
		if ev := b.ring[seq%size]; ev.Topic == topic {
			kept = append(kept, ev)
		}
	}
	return kept
}

// Stats counts what a bus has passed on since it was made.
type Stats struct {
	Published uint64 // events
	Missed    uint64 // times that a reader was told that events were lost
}

// Stats tells what the bus has passed on.
func (b *Bus) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	return Stats{Published: b.head, Missed: b.missed}
}

// Subscribe returns a reader of the given topics, of all topics if none is given, that begins after the event with
// the sequence number after: 0 is the first event ever, Now is what comes from now on. If events in between are
// gone, or after is beyond the newest (it was of an earlier run), the first event is a Reset.
func (b *Bus) Subscribe(after uint64, topics ...string) *Sub {
	s := &Sub{bus: b, wake: make(chan struct{}, 1)}
	b.mu.Lock()
	defer b.mu.Unlock()
	if after == Now {
		after = b.head
	}
	s.cursor = after
	s.closed = b.closed
	if s.closed {
		return s
	}
	if len(topics) == 0 {
		b.join("", s)
		return s
	}
	s.topics = make(map[string]struct{}, len(topics))
	for _, t := range topics {
		s.topics[t] = struct{}{}
		b.join(t, s)
	}
	return s
}

func (b *Bus) join(topic string, s *Sub) {
	if b.subs[topic] == nil {
		b.subs[topic] = map[*Sub]struct{}{}
	}
	b.subs[topic][s] = struct{}{}
}

// Close ends all subscriptions; later publishing has no effect. It may be called more than once.
func (b *Bus) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for _, set := range b.subs {
		for s := range set {
			s.closed = true
			s.signal()
		}
	}
	clear(b.subs)
}

// Next waits for the next event of the subscription. It returns ErrClosed after Close, or the cause for which ctx
// ended. Only one goroutine may call it at a time.
func (s *Sub) Next(ctx context.Context) (Event, error) {
	for {
		ev, ok, err := s.take()
		if ok || err != nil {
			return ev, err
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return Event{}, context.Cause(ctx)
		}
	}
}

// TryNext gives the next event if it is there already, under the conditions of Next.
func (s *Sub) TryNext() (ev Event, ok bool, err error) { return s.take() }

// Wake gives a channel that receives when there may be a next event, or the subscription has ended. It is for one who
// waits for other things too; the goroutine that calls TryNext, and no other, may receive from it.
func (s *Sub) Wake() <-chan struct{} { return s.wake }

// At gives the sequence number of the last event that the subscription has passed: where another one goes on from.
func (s *Sub) At() uint64 {
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
	return s.cursor
}

// Close ends the subscription. It may be called at any time, more than once.
func (s *Sub) Close() {
	b := s.bus
	b.mu.Lock()
	defer b.mu.Unlock()
	s.closed = true
	s.signal()
	if s.topics == nil {
		delete(b.subs[""], s)
		return
	}
	for t := range s.topics {
		delete(b.subs[t], s)
		if len(b.subs[t]) == 0 {
			delete(b.subs, t)
		}
	}
}

func (s *Sub) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// take gives the next event that is there already.
func (s *Sub) take() (Event, bool, error) {
	b := s.bus
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.closed {
		return Event{}, false, ErrClosed
	}
	if s.overrun() {
		s.cursor = b.head
		b.missed++
		return Event{Seq: b.head, Reset: true}, true, nil
	}
	size := uint64(len(b.ring))
	if b.head > size {
		s.cursor = max(s.cursor, b.head-size) // what lies before was of other topics
	}
	for s.cursor < b.head {
		s.cursor++
		ev := b.ring[(s.cursor-1)%size]
		if _, ok := s.topics[ev.Topic]; ok || s.topics == nil {
			if ev.Reset {
				b.missed++
			}
			return ev, true, nil
		}
	}
	return Event{}, false, nil
}

// overrun reports whether an event that this reader should have seen has left the ring. A reader of a quiet topic is
// not overrun by a busy one.
func (s *Sub) overrun() bool {
	b := s.bus
	if s.cursor > b.head {
		return true
	}
	if s.topics == nil {
		return s.cursor+uint64(len(b.ring)) < b.head
	}
	for t := range s.topics {
		if b.dropped[t] > s.cursor {
			return true
		}
	}
	return false
}
