package alert

import (
	"time"
)

// State says whether an alert goes on.
type State string

// States of an alert.
const (
	Firing   State = "firing"
	Resolved State = "resolved"
)

// Alert is one rule and subject from the first level that was on until none was.
type Alert struct {
	ID      string  `json:"id"`
	Rule    string  `json:"rule"`
	Subject string  `json:"subject,omitempty"`
	State   State   `json:"state"`
	Level   Level   `json:"level"` // now, or the last before it was resolved
	Worst   Level   `json:"worst"` // ever
	Value   float64 `json:"value"` // at the last change, and when it was last looked at while firing
	Limit   float64 `json:"limit"` // of the level
	Text    string  `json:"text"`  // for people

	StartedAt  time.Time  `json:"started_at"`            // when it first fired
	ChangedAt  time.Time  `json:"changed_at"`            // state or level
	ResolvedAt *time.Time `json:"resolved_at,omitempty"` // nil while it fires
	Times      int        `json:"times"`                 // how often it fired, opened anew within the time of de-duplication
	Silenced   bool       `json:"silenced"`              // a silence holds for it now

	told told
}

// told is what notifiers were told of an alert.
type told struct {
	level Level // None: nothing, or that it is resolved
	// When a level was last told: what is told again within the time of de-duplication is a repetition.
	warningAt, criticalAt time.Time
}

func (t *told) at(l Level) time.Time {
	if l == Critical {
		return t.criticalAt
	}
	return t.warningAt
}

// Kind says what a notification is about.
type Kind string

// Kinds of notifications.
const (
	Fired     Kind = "fired"
	Escalated Kind = "escalated"
	Eased     Kind = "eased" // from critical to warning
	Ended     Kind = "resolved"
)

// Notification tells of an alert.
type Notification struct {
	Kind  Kind
	Alert Alert
}

// next says what is to be told of an alert now, and remembers it as told.
func (a *Alert) next(now time.Time, window time.Duration) (Kind, bool) {
	level := a.Level
	if a.State == Resolved {
		level = None
	}
	was := a.told.level
	if level == was || a.Silenced && level != None {
		return "", false
	}
	if level == None {
		a.told.level = None
		return Ended, true
	}
	// What was told of this level, or of a worse one, a moment ago is known.
	last := a.told.at(level)
	if a.told.criticalAt.After(last) {
		last = a.told.criticalAt
	}
	if was.rank() < level.rank() && !last.IsZero() && within(now, last, window) {
		return "", false
	}
	a.told.level = level
	if level == Critical {
		a.told.criticalAt = now
	} else {
		a.told.warningAt = now
	}
	switch {
	case was == None:
		return Fired, true
	case level.rank() > was.rank():
		return Escalated, true
	}
	return Eased, true
}

// within tells whether two times are less than a window apart. One that is further ahead was noted while the clock was wrong: it
// must not keep anything quiet until the clock is there again.
func within(now, then time.Time, window time.Duration) bool { return now.Sub(then).Abs() < window }

// Silence keeps notifiers from being told of alerts for a while. The alerts are there all the same.
type Silence struct {
	ID        string    `json:"id"`
	Rule      string    `json:"rule,omitempty"`    // empty: every rule
	Subject   string    `json:"subject,omitempty"` // empty: every subject
	Comment   string    `json:"comment,omitempty"`
	CreatedBy string    `json:"created_by,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	Until     time.Time `json:"until"`
}

func (s Silence) holds(now time.Time, a *Alert) bool {
	if now.Before(s.CreatedAt.Add(-clockSlack)) {
		return false // it was made while the clock was ahead: nobody knows when it was to end
	}
	return now.Before(s.Until) && (s.Rule == "" || s.Rule == a.Rule) && (s.Subject == "" || s.Subject == a.Subject)
}
