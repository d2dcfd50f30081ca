package history

import (
	"context"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/wayside-edge/wayside/internal/disk"
)

// Bounds.
const (
	Step      = time.Minute
	Minutes   = 24 * 60 // kept
	MaxSeries = 128     // kinds and subjects together

	maxSubject = 200 // bytes of a subject's name; longer ones are left out

	defaultEvery = 10 * time.Second
	defaultSave  = 5 * time.Minute
)

// Kind is what is read.
type Kind struct {
	Name string
	Text string // for people
	Unit string // UCUM, "" = a number of things
	// Per makes a rate of a counter: how much it grows in so much time. 0 = it is no counter.
	Per time.Duration
}

// Reading is a figure as it is now. NaN is one that cannot be told.
type Reading struct {
	Kind    string
	Subject string // "" = the appliance
	Value   float64
	Limit   float64 // beyond which it is bad; 0 = it has none
}

// Config is what a History works with. Kinds and Readings are needed.
type Config struct {
	Kinds    []Kind // in the order in which they are shown
	Readings func(ctx context.Context) []Reading
	Path     string           // of the file, "" = none
	FS       disk.FS          // default disk.OS
	Every    time.Duration    // between two looks, default 10 s
	Save     time.Duration    // between two writes of the file, default 5 min
	Logger   *slog.Logger     // default: discard
	Now      func() time.Time // default time.Now
}

type key struct{ kind, subject string }

// cell is one minute of a series.
type cell struct{ min, max, mean float32 }

// gap is a minute without a reading.
func gap() cell {
	none := float32(math.NaN())
	return cell{min: none, max: none, mean: none}
}

func (c *cell) empty() bool { return math.IsNaN(float64(c.mean)) }

// series is the minutes of one kind and subject.
type series struct {
	cells [Minutes]cell // by minute since 1970, modulo Minutes
	limit float64
	last  int64 // minute of the last reading

	// Of the minute that is not over.
	sum   float64
	count int

	// Of a counter: what it was.
	was   float64
	wasAt time.Time
}

// History keeps readings. Its methods may be called by any number of goroutines.
type History struct {
	cfg Config

	mu     sync.Mutex // guards what follows
	all    map[key]*series
	minute int64 // the last with a reading, since 1970
}

// Open reads what was kept before.
func Open(cfg Config) *History {
	if cfg.FS == nil {
		cfg.FS = disk.OS
	}
	if cfg.Every <= 0 {
		cfg.Every = defaultEvery
	}
	if cfg.Save <= 0 {
		cfg.Save = defaultSave
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	h := &History{cfg: cfg, all: map[key]*series{}}
	h.load()
	return h
}

// Run reads until ctx ends, then writes the file.
func (h *History) Run(ctx context.Context) error {
	look, save := time.NewTicker(h.cfg.Every), time.NewTicker(h.cfg.Save)
	defer look.Stop()
	defer save.Stop()
	h.Look(ctx)
	for {
		select {
		case <-ctx.Done():
			h.save(context.WithoutCancel(ctx))
			return nil
		case <-look.C:
			h.Look(ctx)
		case <-save.C:
			h.save(ctx)
		}
	}
}

// Look reads once.
func (h *History) Look(ctx context.Context) {
	list := h.cfg.Readings(ctx)
	now := h.cfg.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.turn(now.Unix() / int64(Step/time.Second))
	for i := range list {
		h.add(&list[i], now)
	}
}

// turn makes a minute the last one. Those between are gaps; if the clock was set back, what lies ahead of it is forgotten.
func (h *History) turn(minute int64) {
	if minute == h.minute {
		return
	}
	first, last := h.minute+1, minute
	if minute < h.minute {
		first, last = minute, h.minute // the minute itself was before: it begins anew
	}
	first = max(first, last-Minutes+1)
	for k, s := range h.all {
		for m := first; m <= last; m++ {
			s.cells[slot(m)] = gap()
		}
		s.sum, s.count = 0, 0
		s.last = min(s.last, minute)
		if minute-s.last >= Minutes {
			delete(h.all, k)
		}
	}
	h.minute = minute
}

func slot(minute int64) int { return int((minute%Minutes + Minutes) % Minutes) }

// add adds a reading to the minute.
func (h *History) add(r *Reading, now time.Time) {
	kind, known := h.kind(r.Kind)
	if !known || len(r.Subject) > maxSubject || math.IsInf(r.Value, 0) {
		return
	}
	s := h.all[key{r.Kind, r.Subject}]
	if s == nil {
		if len(h.all) >= MaxSeries || math.IsNaN(r.Value) {
			return
		}
		s = newSeries()
		h.all[key{r.Kind, r.Subject}] = s
	}
	s.limit = r.Limit
	v := r.Value
	if kind.Per > 0 {
		v = s.rate(v, now, kind.Per)
	}
	if s.last = h.minute; math.IsNaN(v) {
		return
	}
	s.sum, s.count = s.sum+v, s.count+1
	c := &s.cells[slot(h.minute)]
	if c.empty() {
		c.min, c.max = float32(v), float32(v)
	}
	c.min, c.max, c.mean = min(c.min, float32(v)), max(c.max, float32(v)), float32(s.sum/float64(s.count))
}

func newSeries() *series {
	s := &series{was: math.NaN()}
	for i := range s.cells {
		s.cells[i] = gap()
	}
	return s
}

// rate makes a rate of a counter, NaN where there is nothing to compare it with.
func (s *series) rate(v float64, now time.Time, per time.Duration) float64 {
	was, took := s.was, now.Sub(s.wasAt)
	s.was, s.wasAt = v, now
	if took <= 0 || !(v >= was) {
		return math.NaN()
	}
	return (v - was) * float64(per) / float64(took)
}

func (h *History) kind(name string) (Kind, bool) {
	for _, k := range h.cfg.Kinds {
		if k.Name == name {
			return k, true
		}
	}
	return Kind{}, false
}
