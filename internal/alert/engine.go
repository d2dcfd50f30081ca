package alert

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/event"
	"github.com/wayside-edge/wayside/internal/store"
)

// Bounds.
const (
	maxSubjects = 500  // of a rule that are beyond its limits, or were just now
	maxHistory  = 1000 // alerts that are resolved
	maxSilences = 100
	maxSilence  = 366 * 24 * time.Hour

	tellTime   = 10 * time.Second // that a turn waits for notifiers, less than an interval
	heedTime   = time.Second      // that a notifier takes to give up
	sampleTime = 10 * time.Second // of the readings of one turn
	recordTime = 5 * time.Second  // that a turn waits for the database
	clockSlack = time.Minute      // a clock that is set back by less is being kept right

	defaultInterval = 15 * time.Second
	defaultWindow   = 5 * time.Minute
)

// Errors that callers tell apart.
var (
	ErrNotFound = errcode.New(errcode.NotFound, "no such alert or silence")
	ErrTooMany  = errcode.New(errcode.Conflict, fmt.Sprintf("there are %d silences already: delete one that is not needed", maxSilences))
)

// Notifier tells people or programs of alerts.
type Notifier interface {
	// Notify tells of a change. It is called by one goroutine at a time, in the order of the changes, and gives up when
	// ctx ends. What it could not tell, or was too busy to be told, is logged, not told again. After a crash it may be told
	// the same a second time.
	Notify(ctx context.Context, n Notification) error
}

// Config is what an Engine works with. DB and Readings are needed.
type Config struct {
	DB *store.DB
	// Readings gives every signal as it is now. A rule and subject that was read before and is not among them any more
	// is within its limits: the queue is gone.
	Readings  func(ctx context.Context) []Reading
	Rules     []Rule
	Notifiers []Notifier
	Bus       *event.Bus       // is told of every change, de-duplicated or not; nil: none
	Interval  time.Duration    // between two looks, default 15 s
	Window    time.Duration    // of de-duplication, default 5 min; negative: none
	Logger    *slog.Logger     // default: discard
	Now       func() time.Time // default time.Now
}

// Validate reports what is wrong with the configuration.
func (c Config) Validate() error {
	names := map[string]bool{}
	for _, r := range c.Rules {
		if err := r.Validate(); err != nil {
			return err
		}
		if names[r.Name] {
			return errcode.New(errcode.ValidationFailed, "two rules are named "+r.Name)
		}
		names[r.Name] = true
	}
	return nil
}

// key is what an alert is of.
type key struct{ rule, subject string }

// Engine judges readings. All methods are safe for concurrent use.
type Engine struct {
	cfg Config
	log *slog.Logger
	db  records

	mu       sync.Mutex // guards what follows
	rules    []Rule
	window   time.Duration
	tracks   map[key]*track
	subjects map[string]int  // tracks of each rule
	untold   map[*Alert]told // what notifiers were told before of alerts that they are being told of
	latest   map[key]*Alert  // the newest of each rule and subject that is not forgotten
	alerts   []*Alert        // in the order they were made
	silences []Silence
	dirty    map[*Alert]bool // changed and not recorded yet
	adding   int             // silences on their way into the database
	crowded  map[string]bool // rules with more subjects than are watched, which was said

	reading chan []Reading // of a turn before that is not back yet; only Run's goroutine uses it
	tellers []*teller      // likewise
}

// Open reads what was there before.
func Open(ctx context.Context, cfg Config) (*Engine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Interval <= 0 {
		cfg.Interval = defaultInterval
	}
	if cfg.Window == 0 {
		cfg.Window = defaultWindow
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	e := &Engine{
		cfg: cfg, log: cfg.Logger, rules: cfg.Rules, window: cfg.Window, tracks: map[key]*track{}, latest: map[key]*Alert{},
		dirty: map[*Alert]bool{}, subjects: map[string]int{}, untold: map[*Alert]told{}, crowded: map[string]bool{},
	}
	for _, to := range cfg.Notifiers {
		e.tellers = append(e.tellers, &teller{to: to, log: cfg.Logger, done: make(chan struct{}, 1)})
	}
	var err error
	if e.db, err = openRecords(cfg.DB); err != nil {
		return nil, err
	}
	if e.alerts, e.silences, err = e.db.load(ctx, e.log); err != nil {
		return nil, err
	}
	e.restore()
	return e, nil
}

// restore goes on with the alerts that were open.
func (e *Engine) restore() {
	for _, a := range e.alerts {
		k := key{a.Rule, a.Subject}
		if old := e.latest[k]; old != nil && old.State == Firing { // its end was not recorded, a newer one was
			old.State, old.ResolvedAt = Resolved, new(a.StartedAt)
			e.dirty[old] = true
		}
		e.latest[k] = a
	}
	for k, a := range e.latest {
		if a.State == Firing {
			e.tracks[k] = &track{warning: latch{on: true}, critical: latch{on: a.Level == Critical}, value: a.Value}
			e.subjects[k.rule]++
		}
	}
}

// SetRules changes the rules and the time of de-duplication while running. An alert whose rule is gone is resolved by the
// next look.
func (e *Engine) SetRules(rules []Rule, window time.Duration) error {
	if err := (Config{Rules: rules}).Validate(); err != nil {
		return err
	}
	if window == 0 {
		window = defaultWindow
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.rules, e.window = rules, window
	return nil
}

// Run looks at the readings until ctx ends.
func (e *Engine) Run(ctx context.Context) error {
	tick := time.NewTicker(e.cfg.Interval)
	defer tick.Stop()
	for {
		e.turn(ctx)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// turn is one look: read, judge, record, tell.
func (e *Engine) turn(ctx context.Context) {
	readings, ok := e.read(ctx)
	if !ok || ctx.Err() != nil {
		return
	}
	list := e.Evaluate(ctx, readings)
	e.notify(ctx, list)
	e.wasTold(ctx, list)
}

// read reads the signals. What is not back in time, as from a disk that does not answer, is waited for in the turns after.
func (e *Engine) read(ctx context.Context) ([]Reading, bool) {
	ctx, cancel := context.WithTimeout(ctx, sampleTime)
	defer cancel()
	if e.reading == nil {
		back := make(chan []Reading, 1)
		e.reading = back
		go func() { back <- e.cfg.Readings(ctx) }() // ends with the readings
	}
	select {
	case readings := <-e.reading:
		e.reading = nil
		return readings, true
	case <-ctx.Done():
	}
	select {
	case readings := <-e.reading: // it heeded its context
		e.reading = nil
		return readings, true
	default:
		e.log.ErrorContext(ctx, "figures could not be read in time, no alerts are judged", "wait", sampleTime.String())
		return nil, false
	}
}

// Evaluate judges readings, records what changed and gives what is to be told.
func (e *Engine) Evaluate(ctx context.Context, readings []Reading) []Notification {
	now := e.cfg.Now()
	e.mu.Lock()
	changed := e.judge(now, readings)
	var list []Notification
	for _, a := range e.alerts {
		e.silence(now, a, changed)
		had := a.told
		if kind, ok := a.next(now, e.window); ok {
			list = append(list, Notification{Kind: kind, Alert: *a})
			e.untold[a] = had
		}
	}
	tell := make([]Alert, 0, len(changed))
	for _, a := range e.alerts {
		if changed[a] {
			e.dirty[a] = true
			tell = append(tell, *a)
		}
	}
	e.mu.Unlock()
	e.record(ctx)
	for _, a := range tell {
		if e.cfg.Bus != nil {
			e.cfg.Bus.Publish("alert", a.ID, a)
		}
	}
	return list
}

// judge steps every rule and subject. It gives the alerts that changed.
func (e *Engine) judge(now time.Time, readings []Reading) map[*Alert]bool {
	changed := map[*Alert]bool{}
	bySignal := map[string][]Reading{}
	for _, r := range readings {
		bySignal[r.Signal] = append(bySignal[r.Signal], r)
	}
	for _, t := range e.tracks {
		t.seen = false
	}
	rules := map[string]Rule{}
	for _, r := range e.rules {
		rules[r.Name] = r
		signal := r.Signal
		if signal == "" {
			signal = r.Name
		}
		for _, reading := range bySignal[signal] {
			k := key{r.Name, reading.Subject}
			t := e.tracks[k]
			if t == nil {
				t = &track{}
			}
			if t.seen {
				continue
			}
			t.seen = true
			level := t.step(now, r, reading.Value)
			if e.keep(k, t) {
				e.apply(now, k, r, t, level, changed)
			}
		}
	}
	for k, t := range e.tracks {
		if !t.seen { // its subject or its rule is gone
			r, ok := rules[k.rule]
			if !ok {
				r = Rule{Name: k.rule, Warning: math.NaN(), Critical: math.NaN()}
			}
			e.apply(now, k, r, t, None, changed)
			e.drop(k)
		} else if t.idle() {
			e.drop(k)
		}
	}
	return changed
}

// keep takes a track that is worth it among those that are watched, if there is room: what is within its limits takes none,
// and no rule takes that of another.
func (e *Engine) keep(k key, t *track) bool {
	if e.tracks[k] != nil || t.idle() {
		return true
	}
	if e.subjects[k.rule] >= maxSubjects {
		if !e.crowded[k.rule] {
			e.crowded[k.rule] = true
			e.log.Warn("too many subjects of a rule are beyond its limits: further ones are not watched", "rule", k.rule, "most", maxSubjects)
		}
		return false
	}
	e.tracks[k] = t
	e.subjects[k.rule]++
	return true
}

func (e *Engine) drop(k key) {
	delete(e.tracks, k)
	if e.subjects[k.rule]--; e.subjects[k.rule] == 0 {
		delete(e.subjects, k.rule)
		delete(e.crowded, k.rule)
	}
}

// apply makes the alert of a track what its level says.
func (e *Engine) apply(now time.Time, k key, r Rule, t *track, level Level, changed map[*Alert]bool) {
	a := e.latest[k]
	open := a != nil && a.State == Firing
	switch {
	case level == None && !open:
		return
	case level == None:
		a.State, a.ChangedAt, a.ResolvedAt = Resolved, now, new(now)
		a.Value, a.Text = t.value, r.words(k.subject, None, t.value)
	case open && a.Level == level:
		a.Value = t.value
		return
	default:
		if !open {
			a = e.open(now, k, a)
		}
		a.Level, a.ChangedAt, a.Value, a.Limit = level, now, t.value, r.limit(level)
		a.Text = r.words(k.subject, level, t.value)
		if level.rank() > a.Worst.rank() {
			a.Worst = level
		}
	}
	changed[a] = true
}

// open makes the alert of a track that fires: the last one anew, if it ended just now, else a new one.
func (e *Engine) open(now time.Time, k key, last *Alert) *Alert {
	if last != nil && last.ResolvedAt != nil && e.window > 0 && within(now, *last.ResolvedAt, e.window) {
		last.State, last.ResolvedAt = Firing, nil
		last.Times++
		return last
	}
	a := &Alert{ID: e.db.id(), Rule: k.rule, Subject: k.subject, State: Firing, StartedAt: now, Times: 1}
	if last != nil && e.window > 0 {
		a.told = last.told // the time of de-duplication does not end with the alert
	}
	e.latest[k] = a
	e.alerts = append(e.alerts, a)
	return a
}

// silence notes whether a silence holds for an alert.
func (e *Engine) silence(now time.Time, a *Alert, changed map[*Alert]bool) {
	holds := false
	for _, s := range e.silences {
		holds = holds || a.State == Firing && s.holds(now, a)
	}
	if holds != a.Silenced {
		a.Silenced = holds
		changed[a] = true
	}
}
