package alert

import (
	"fmt"
	"math"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// Level is how bad an alert is.
type Level string

// Levels, the worst last. None is the level of what is resolved.
const (
	None     Level = ""
	Warning  Level = "warning"
	Critical Level = "critical"
)

func (l Level) rank() int {
	switch l {
	case Critical:
		return 2
	case Warning:
		return 1
	case None:
	}
	return 0
}

// Rule compares a signal with its limits.
type Rule struct {
	Name   string // "cpu", "queue_age"; part of the alert for good
	Signal string // of the readings that it looks at; default Name
	Text   string // what the signal is, for people: "processor load"
	Unit   string // "%", "s", or empty for a number

	Below    bool    // a reading below the limit is bad, not one above
	Warning  float64 // NaN: none
	Critical float64 // NaN: none

	For  time.Duration // how long a reading is beyond a limit before that is told
	Keep time.Duration // how long it is within before that is; default For
}

// Validate reports what is wrong with the rule.
func (r Rule) Validate() error {
	switch {
	case r.Name == "":
		return errcode.New(errcode.ValidationFailed, "a rule needs a name")
	case math.IsInf(r.Warning, 0) || math.IsInf(r.Critical, 0):
		return errcode.New(errcode.ValidationFailed, "rule "+r.Name+": a limit must be finite")
	case r.Below && r.Critical > r.Warning:
		return errcode.New(errcode.ValidationFailed, "rule "+r.Name+": critical must not be above warning")
	case !r.Below && r.Critical < r.Warning:
		return errcode.New(errcode.ValidationFailed, "rule "+r.Name+": critical must not be below warning")
	case r.For < 0 || r.Keep < 0:
		return errcode.New(errcode.ValidationFailed, "rule "+r.Name+": a time must not be negative")
	}
	return nil
}

func (r Rule) limit(l Level) float64 {
	switch l {
	case Critical:
		return r.Critical
	case Warning:
		return r.Warning
	case None:
	}
	return math.NaN()
}

// beyond tells whether the value is on the bad side of a level's limit. A limit itself is reached by being met, as
// people read "disk 90 %".
func (r Rule) beyond(l Level, value float64) bool {
	limit := r.limit(l)
	if r.Below {
		return value < limit
	}
	return value >= limit && !math.IsNaN(limit)
}

// Reading is a signal as it is now.
type Reading struct {
	Signal  string
	Subject string  // what it is of: a queue, a plugin; empty: the appliance
	Value   float64 // NaN: it could not be read, which changes nothing
}

// latch is one level of one rule and subject: on after the value was beyond its limit for a while, off after it was
// within for a while.
type latch struct {
	on    bool
	since time.Time // when the value came to the side on which the latch is not; zero while it is on its own
}

// step tells the latch a reading.
func (l *latch) step(now time.Time, beyond bool, after, keep time.Duration) {
	if beyond == l.on {
		l.since = time.Time{}
		return
	}
	if l.since.IsZero() {
		l.since = now
	}
	wait := after
	if l.on {
		wait = keep
	}
	if now.Sub(l.since) >= wait {
		l.on, l.since = beyond, time.Time{}
	}
}

// track is one rule and subject over time.
type track struct {
	warning, critical latch
	value             float64 // the last that could be read
	seen              bool    // in the readings of this turn
}

// step tells the track a reading and gives the level that holds now.
func (t *track) step(now time.Time, r Rule, value float64) Level {
	// A limit that the rules have no more ends at once: nothing can be said of it.
	if math.IsNaN(r.Warning) {
		t.warning = latch{}
	}
	if math.IsNaN(r.Critical) {
		t.critical = latch{}
	}
	if !math.IsNaN(value) {
		keep := r.Keep
		if keep == 0 {
			keep = r.For
		}
		value = max(-math.MaxFloat64, min(math.MaxFloat64, value)) // JSON has no infinity
		t.value = value
		t.warning.step(now, r.beyond(Warning, value), r.For, keep)
		t.critical.step(now, r.beyond(Critical, value), r.For, keep)
	}
	switch {
	case t.critical.on:
		return Critical
	case t.warning.on:
		return Warning
	}
	return None
}

// idle tells whether nothing of the track is worth keeping.
func (t *track) idle() bool {
	return !t.warning.on && !t.critical.on && t.warning.since.IsZero() && t.critical.since.IsZero()
}

// words says for people what is the matter.
func (r Rule) words(subject string, level Level, value float64) string {
	name := r.Text
	if name == "" {
		name = r.Name
	}
	if subject != "" {
		name += " of " + subject
	}
	if level == None {
		return fmt.Sprintf("%s is %s, within its limits again", name, r.number(value))
	}
	side := "reaches"
	if r.Below {
		side = "is below"
	}
	return fmt.Sprintf("%s is %s, which %s the %s limit of %s", name, r.number(value), side, level, r.number(r.limit(level)))
}

func (r Rule) number(v float64) string {
	switch r.Unit {
	case "s":
		if v < 60 {
			return fmt.Sprintf("%.3g s", v)
		}
		return time.Duration(v * float64(time.Second)).Round(time.Second).String()
	case "%":
		return fmt.Sprintf("%.1f %%", v)
	case "":
		return fmt.Sprintf("%.10g", v)
	}
	return fmt.Sprintf("%.4g %s", v, r.Unit)
}
