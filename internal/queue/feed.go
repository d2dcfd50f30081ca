package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"
)

// Topics of the events that a Feed publishes.
const (
	TopicJob   = "job"   // the key is the id; what the job is now is to be asked for
	TopicQueue = "queue" // the key is the name, the data a Line
)

const (
	feedEvery = 250 * time.Millisecond // between two looks at what has changed
	feedJobs  = 256                    // jobs that are told of one by one at a look
	lostEvery = time.Second            // between two events that say that jobs were left out
)

// Changes tells which jobs have changed.
type Changes interface {
	// Changed gives a channel that receives when something has changed since TakeChanged; one reader at a time.
	Changed() <-chan struct{}
	// TakeChanged gives the jobs that have changed since it was called last, each once. lost says that there were more
	// than are kept.
	TakeChanged() (ids []ID, lost bool)
	// Lines gives every queue that exists.
	Lines(ctx context.Context) ([]Line, error)
}

// Publisher takes events; it is event.Bus.
type Publisher interface {
	Publish(topic, key string, data any) uint64
	// Lose says that events of a topic were left out.
	Lose(topic string) uint64
	// Gone says that the thing is no more.
	Gone(topic, key string) uint64
}

// Feed publishes what happens to jobs and queues, at a bounded rate whatever the queue does: a job that changes several
// times within a moment is told of once, a queue at most every 250 ms, and when so many jobs change that telling of each would be
// more than anybody reads, that is said instead, once a second. Without changes it does nothing.
type Feed struct {
	changes Changes
	bus     Publisher
	log     *slog.Logger

	known map[string]Line // as published last
	lost  bool            // jobs were left out, and it was not said yet
	said  time.Time       // when it was said last
}

// NewFeed makes a feed. log may be nil.
func NewFeed(c Changes, bus Publisher, log *slog.Logger) *Feed {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Feed{changes: c, bus: bus, log: log, known: map[string]Line{}}
}

// Run publishes until ctx ends. What it finds at the start is no change.
func (f *Feed) Run(ctx context.Context) error {
	f.changes.TakeChanged()
	lines, err := f.changes.Lines(ctx)
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("look at the queues: %w", err)
	}
	for i := range lines {
		f.known[lines[i].Queue] = lines[i]
	}
	pause := time.NewTimer(feedEvery)
	defer pause.Stop()
	owed := false
	for {
		var again <-chan time.Time
		if owed {
			again = pause.C
			pause.Reset(lostEvery - time.Since(f.said))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-f.changes.Changed():
		case <-again:
		}
		owed = f.look(ctx)
		pause.Reset(feedEvery)
		select {
		case <-ctx.Done():
			return nil
		case <-pause.C:
		}
	}
}

// look publishes what has changed, and reports whether it is to look again though nothing changes.
func (f *Feed) look(ctx context.Context) (owed bool) {
	ids, lost := f.changes.TakeChanged()
	f.lost = f.lost || lost || len(ids) > feedJobs
	switch {
	case !f.lost:
		for _, id := range ids {
			f.bus.Publish(TopicJob, string(id), nil)
		}
	case time.Since(f.said) >= lostEvery:
		f.bus.Lose(TopicJob)
		f.lost, f.said = false, time.Now()
	}
	f.queues(ctx)
	return f.lost
}

// queues publishes the queues that differ from what was published of them last.
func (f *Feed) queues(ctx context.Context) {
	lines, err := f.changes.Lines(ctx)
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, ErrClosed) {
			f.log.WarnContext(ctx, "queues not looked at", "error", err)
			f.bus.Lose(TopicQueue)
		}
		return
	}
	there := make(map[string]bool, len(lines))
	for i := range lines {
		l := &lines[i]
		there[l.Queue] = true
		if old, ok := f.known[l.Queue]; ok && sameLine(&old, l) {
			continue
		}
		f.known[l.Queue] = *l
		f.bus.Publish(TopicQueue, l.Queue, *l)
	}
	for name := range f.known {
		if !there[name] {
			delete(f.known, name)
			f.bus.Gone(TopicQueue, name)
		}
	}
}

// sameLine compares what does not change by itself as time goes by.
func sameLine(a, b *Line) bool {
	return a.Settings == b.Settings && a.Draining == b.Draining && maps.Equal(a.Counts.Counts, b.Counts.Counts)
}
