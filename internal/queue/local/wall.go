package local

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

const (
	saveWall = time.Minute // how often the latest time that was seen is made durable at most
	slack    = time.Minute // a clock that is set back by less is not behind
)

// wall is what is known of the wall clock. A box without a battery starts in the past until its clock is set, and a clock
// may be set back while it runs: then what follows the time of day waits, instead of firing anew what has fired.
// Engine.scheduling guards it.
type wall struct {
	high   time.Time     // the latest time that was seen, also by the process before
	saved  time.Time     // of that, what is durable
	behind bool          // the clock shows less
	since  time.Duration // of the monotonic clock
	booted bool          // it was behind at the start: jobs of before wait for a time that was computed from it
	oldest uint64        // jobs below are of before the start
}

func wallKey() []byte { return append([]byte{metaKey}, "wall"...) }

// readWall reads the latest time that the process before has seen.
func (e *Engine) readWall(ctx context.Context) error {
	v, err := e.space.Get(wallKey())
	switch {
	case errors.Is(err, store.ErrNotFound), err != nil && isCorrupt(err), err == nil && len(v) != 8:
		return nil
	case err != nil:
		return fmt.Errorf("read the latest time: %w", err)
	}
	e.watch.high = time.UnixMicro(int64(binary.BigEndian.Uint64(v))).UTC()
	e.watch.saved = e.watch.high
	if at := e.now(); at.wall.Before(e.watch.high.Add(-slack)) {
		e.fallBehind(ctx, at)
		e.watch.booted = true
	}
	return nil
}

func (e *Engine) fallBehind(ctx context.Context, at instant) {
	e.watch.behind, e.watch.since = true, at.mono
	e.cfg.Recorder.ClockBehind(true)
	e.log.WarnContext(ctx, "the clock is behind the time that was known before; schedules wait until it is set",
		"clock", at.wall, "known", e.watch.high, "at_most", e.cfg.ClockWait.String())
}

// watchWall looks at the wall clock. e.scheduling is held.
func (e *Engine) watchWall(ctx context.Context, at instant) {
	w := &e.watch
	switch {
	case w.behind && !at.wall.Before(w.high.Add(-slack)):
		e.log.InfoContext(ctx, "the clock is right again", "clock", at.wall)
		e.trustWall(ctx, at)
	case w.behind && at.mono-w.since >= e.cfg.ClockWait:
		e.log.WarnContext(ctx, "the clock was not set; its time is taken for right", "clock", at.wall)
		known := instant{wall: later(at.wall, w.high.Add(at.mono-w.since)), mono: at.mono}
		w.high = at.wall
		for id, p := range e.plans {
			if p.stored.Through.After(at.wall) {
				e.plans[id] = p.through(at.wall)
			}
		}
		e.trustWall(ctx, known)
	case w.behind:
		return
	case at.wall.Before(w.high.Add(-slack)):
		e.fallBehind(ctx, at)
		return
	}
	w.high = later(w.high, at.wall)
	if len(e.plans) == 0 && !e.waitsForWall() {
		return // nothing follows it
	}
	if d := w.high.Sub(w.saved); d < saveWall && d >= 0 {
		return
	}
	b := e.db.Batch()
	b.Essential()
	b.Set(e.space, wallKey(), binary.BigEndian.AppendUint64(nil, uint64(w.high.UnixMicro())))
	if err := e.commit(ctx, b); err != nil {
		e.log.WarnContext(ctx, "the latest time could not be stored", "error", err)
		return
	}
	w.saved = w.high
}

// waitsForWall reports whether jobs wait for a time.
func (e *Engine) waitsForWall() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.table.later) > 0
}

// trustWall ends the wait for the clock. What waited for a time of day when the process started, with a clock that was
// behind, waits for it by the time that it is now. e.scheduling is held.
func (e *Engine) trustWall(ctx context.Context, at instant) {
	w := &e.watch
	w.behind = false
	e.cfg.Recorder.ClockBehind(false)
	if !w.booted {
		return
	}
	w.booted = false
	e.mu.Lock()
	var old []timed
	for _, t := range e.table.later {
		if t.from == queue.Scheduled && t.n <= w.oldest {
			old = append(old, t)
		}
	}
	e.mu.Unlock()
	for _, t := range old {
		e.waitAnew(ctx, t, at)
	}
}

// waitAnew lets a scheduled job wait for its time by the clock of now.
func (e *Engine) waitAnew(ctx context.Context, t timed, at instant) {
	c, err := e.claim(ctx, t.n)
	if err != nil {
		return
	}
	defer e.giveUp(c)
	r, err := e.loadRecord(t.n)
	if err != nil || r.Status != queue.Scheduled {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.statusOf(t.n, r) != queue.Scheduled || e.table.holds[t.n] != nil {
		return
	}
	ln := e.lane(r)
	due := at.mono + r.RunAt.Sub(at.wall)
	if due >= t.due {
		return
	}
	e.table.gone.add(t.n, nil)
	anew := timed{due: due, n: t.n, lane: ln, from: queue.Scheduled}
	e.table.gone.later(anew)
	e.table.later.add(anew)
}
