package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

// Limits of settings.
const (
	maxWeight = 1000
	maxActive = 1_000_000
	maxRate   = 1_000_000
	maxPer    = 24 * time.Hour
	maxLines  = 1000 // queues with settings
)

// meter counts ends over the last minute, by second.
type meter struct {
	second [60]int64
	count  [60]int64
}

func (m *meter) add(now time.Duration) {
	s := int64(now / time.Second)
	i := s % int64(len(m.second))
	if m.second[i] != s {
		m.second[i], m.count[i] = s, 0
	}
	m.count[i]++
}

func (m *meter) perSecond(now time.Duration) float64 {
	s, sum := int64(now/time.Second), int64(0)
	for i, at := range m.second {
		if s-at < int64(len(m.second)) {
			sum += m.count[i]
		}
	}
	return float64(sum) / float64(len(m.second))
}

func settingsRecord(name string) []byte { return append([]byte{settingsKey}, name...) }

// scanSettings reads the settings of queues. One that is damaged is as if it had never been changed.
func (e *Engine) scanSettings(ctx context.Context) error {
	damaged := func(k []byte) {
		e.log.ErrorContext(ctx, "settings of a queue are damaged, its defaults hold", "queue", string(k[1:]))
	}
	o := store.ScanOptions{Prefix: []byte{settingsKey}, OnCorrupt: func(k []byte) error {
		damaged(k)
		return nil
	}}
	err := e.space.Scan(ctx, o, func(k, v []byte) (bool, error) {
		var s queue.Settings
		if err := json.Unmarshal(v, &s); err != nil || checkSettings(s) != nil { //nolint:musttag // as below
			damaged(k)
			return true, nil
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		e.line(string(k[1:])).set = s
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("read settings of queues: %w", err)
	}
	return nil
}

func checkSettings(s queue.Settings) error {
	switch {
	case s.Weight < 0 || s.Weight > maxWeight:
		return errcode.Invalid("weight", "1 to %d, or 0 for the configured one", maxWeight)
	case s.MaxActive < 0 || s.MaxActive > maxActive:
		return errcode.Invalid("max_active", "1 to %d, or 0 for no limit", maxActive)
	case s.KeyMaxActive < 0 || s.KeyMaxActive > maxActive:
		return errcode.Invalid("key_max_active", "1 to %d, or 0 for no limit", maxActive)
	}
	for _, r := range []struct {
		field string
		rate  queue.Rate
	}{{"rate", s.Rate}, {"key_rate", s.KeyRate}} {
		switch {
		case r.rate == queue.Rate{}:
		case r.rate.Jobs < 1 || r.rate.Jobs > maxRate:
			return errcode.Invalid(r.field, "1 to %d jobs", maxRate)
		case r.rate.Per < time.Millisecond || r.rate.Per > maxPer:
			return errcode.Invalid(r.field, "per 0.001 to %d seconds", int(maxPer.Seconds()))
		case r.rate.Burst < 0 || r.rate.Burst > maxRate:
			return errcode.Invalid(r.field, "a burst of 1 to %d jobs, or 0 for as many as the rate's", maxRate)
		}
	}
	return nil
}

func patched(s queue.Settings, p queue.SettingsPatch) queue.Settings {
	set(&s.Weight, p.Weight)
	set(&s.Paused, p.Paused)
	if set(&s.Drain, p.Drain); p.Drain != nil && s.Drain {
		s.Paused = true
	}
	s.Drain = s.Drain && s.Paused
	set(&s.MaxActive, p.MaxActive)
	set(&s.Rate, p.Rate)
	set(&s.KeyMaxActive, p.KeyMaxActive)
	set(&s.KeyRate, p.KeyRate)
	return s
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// Configure implements queue.Manager.
func (e *Engine) Configure(ctx context.Context, name string, p queue.SettingsPatch) (queue.Line, error) {
	if err := e.configure(ctx, name, p); err != nil {
		return queue.Line{}, fmt.Errorf("configure queue %s: %w", name, err)
	}
	return e.Line(ctx, name)
}

func (e *Engine) configure(ctx context.Context, name string, p queue.SettingsPatch) error {
	if !queue.ValidQueue(name) {
		return errcode.Invalid("name", "1 to %d letters, digits, '.', '_', '-' or ':'", queue.MaxQueueName)
	}
	if err := e.usable(); err != nil {
		return err
	}
	e.configuring.Lock()
	defer e.configuring.Unlock()
	e.mu.Lock()
	q := e.table.lines[name]
	var before queue.Settings
	if q != nil {
		before = q.set
	}
	many := q == nil && len(e.table.lines) >= maxLines
	e.mu.Unlock()
	if many {
		return errcode.Newf(errcode.Conflict, "there are %d queues already", maxLines)
	}
	s := patched(before, p)
	if err := checkSettings(s); err != nil {
		return err
	}
	raw, err := json.Marshal(s) //nolint:musttag // the names of the model are those of the record
	if err != nil {
		return fmt.Errorf("encode settings: %w", err)
	}
	b := e.db.Batch()
	b.Essential() // a queue can be paused while the disk is full
	b.Set(e.space, settingsRecord(name), raw)
	b.OnCommit(func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.apply(e.line(name), s)
	})
	return e.commit(ctx, b)
}

// apply changes the settings of a queue in memory and hands out what may run now. e.mu is held.
func (e *Engine) apply(q *line, s queue.Settings) {
	q.set, q.gone = s, false
	e.noteQueue()
	if !s.Paused {
		q.letGo() // it is not being drained any more
	}
	now := e.cfg.Clock.Elapsed()
	for _, k := range q.keys {
		e.returnAside(q, k, now)
	}
	e.grantLine(q)
}

// Line implements queue.Manager.
func (e *Engine) Line(ctx context.Context, name string) (queue.Line, error) {
	all, err := e.Lines(ctx)
	if err != nil {
		return queue.Line{}, err
	}
	for _, l := range all {
		if l.Queue == name {
			return l, nil
		}
	}
	return queue.Line{}, errcode.Newf(errcode.NotFound, "there is no queue %s", name)
}

// Lines implements queue.Manager.
func (e *Engine) Lines(ctx context.Context) ([]queue.Line, error) {
	counts, err := e.Counts(ctx)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.cfg.Clock.Elapsed()
	own := builtIn()
	out := make([]queue.Line, 0, len(counts))
	for _, c := range counts {
		q := e.table.lines[c.Queue]
		if q == nil {
			continue // deleted in between
		}
		_, builtIn := own[c.Queue]
		l := queue.Line{Counts: c, Settings: q.set, Configured: q.weight, BuiltIn: builtIn, PerSecond: q.ended.perSecond(now)}
		l.Settings.Weight = q.share()
		idle := q.counts[queue.Active] == 0
		l.Draining, l.Drained = q.set.Drain && !idle, q.set.Drain && idle
		out = append(out, l)
	}
	return out, nil
}

// Drain implements queue.Manager.
func (e *Engine) Drain(ctx context.Context, name string) (queue.Line, error) {
	if err := e.configure(ctx, name, queue.SettingsPatch{Drain: new(true)}); err != nil {
		return queue.Line{}, fmt.Errorf("drain queue %s: %w", name, err)
	}
	e.mu.Lock()
	q := e.line(name)
	idle := make(chan struct{})
	busy := q.set.Paused && q.counts[queue.Active] > 0
	if busy {
		q.idle = append(q.idle, idle)
	}
	e.mu.Unlock()
	if busy {
		if err := e.waitIdle(ctx, q, idle); err != nil {
			return queue.Line{}, fmt.Errorf("drain queue %s: %w", name, err)
		}
	}
	l, err := e.Line(ctx, name)
	if err == nil && !l.Paused {
		return queue.Line{}, errcode.Newf(errcode.Conflict, "queue %s was resumed while it was drained", name)
	}
	return l, err
}

// waitIdle waits until a queue lets those go that wait for it.
func (e *Engine) waitIdle(ctx context.Context, q *line, idle chan struct{}) error {
	select {
	case <-idle:
		return nil
	case <-e.done:
		return queue.ErrClosed
	case <-ctx.Done():
		e.mu.Lock()
		defer e.mu.Unlock()
		q.idle = slices.DeleteFunc(q.idle, func(c chan struct{}) bool { return c == idle })
		return context.Cause(ctx)
	}
}

// letGo tells those that wait for the end of what is at work. e.mu is held.
func (q *line) letGo() {
	for _, c := range q.idle {
		close(c)
	}
	q.idle = nil
}

// Purge implements queue.Manager.
func (e *Engine) Purge(ctx context.Context, name string) (removed int, err error) {
	if _, err := e.Line(ctx, name); err != nil {
		return 0, err
	}
	acted, err := e.Act(ctx, queue.ActDelete, queue.Filter{Queue: name}, 0)
	if err == nil && !errors.Is(acted.Err, queue.ErrActive) {
		err = acted.Err // else those that it failed for are at work
	}
	if err != nil {
		return acted.Done, fmt.Errorf("purge queue %s: %w", name, err)
	}
	return acted.Done, nil
}

// Forget implements queue.Manager.
func (e *Engine) Forget(ctx context.Context, name string) error {
	if _, own := builtIn()[name]; own {
		return errcode.Newf(errcode.Conflict, "queue %s is built in", name)
	}
	e.configuring.Lock()
	defer e.configuring.Unlock()
	e.mu.Lock()
	q := e.table.lines[name]
	empty := q != nil && q.empty()
	e.mu.Unlock()
	switch {
	case q == nil:
		return errcode.Newf(errcode.NotFound, "there is no queue %s", name)
	case !empty:
		return errcode.Newf(errcode.Conflict, "queue %s has jobs", name)
	}
	b := e.db.Batch()
	b.Essential()
	b.Delete(e.space, settingsRecord(name))
	b.OnCommit(func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if q.empty() {
			e.forget(q)
			e.noteQueue()
			return
		}
		e.apply(q, queue.Settings{}) // a job came in between: the queue lives, without its settings
	})
	return e.commit(ctx, b)
}

// empty reports whether a queue has no job. e.mu is held.
func (q *line) empty() bool {
	for _, n := range q.counts {
		if n != 0 {
			return false
		}
	}
	return true
}

// forget takes a queue without jobs out of memory. Its lanes stay: void entries of jobs that have gone may still be in
// them. e.mu is held.
func (e *Engine) forget(q *line) {
	q.weight, q.set, q.current = e.configuredWeight(q.name), queue.Settings{}, 0
	q.gone = true
}
