package alert

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// Query says which alerts are wanted.
type Query struct {
	State  State  // empty: all
	Rule   string // empty: all
	Level  Level  // empty: all
	Before string // older than the alert of this id
	Limit  int    // 0: all
}

// Alerts gives alerts, the newest first, and whether there are more.
func (e *Engine) Alerts(q Query) (list []Alert, more bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, a := range slices.Backward(e.alerts) {
		if q.State != "" && a.State != q.State || q.Rule != "" && a.Rule != q.Rule || q.Level != "" && a.Level != q.Level ||
			q.Before != "" && a.ID >= q.Before {
			continue
		}
		if q.Limit > 0 && len(list) == q.Limit {
			return list, true
		}
		list = append(list, *a)
	}
	return list, false
}

// Rules gives the rules in force.
func (e *Engine) Rules() []Rule {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.rules)
}

// Silences gives the silences that hold, the newest last.
func (e *Engine) Silences() []Silence {
	now := e.cfg.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(e.silences), func(s Silence) bool { return !now.Before(s.Until) })
}

// AddSilence keeps notifiers quiet from now until the silence's time. It gives the silence with its id.
func (e *Engine) AddSilence(ctx context.Context, s Silence) (Silence, error) {
	now := e.cfg.Now()
	switch {
	case !s.Until.After(now):
		return Silence{}, errcode.New(errcode.ValidationFailed, "until: the time is over already")
	case s.Until.Sub(now) > maxSilence:
		return Silence{}, errcode.New(errcode.ValidationFailed, "until: a silence lasts a year at most")
	case len(s.Comment) > 1000 || len(s.Subject) > 1000 || len(s.Rule) > 100:
		return Silence{}, errcode.New(errcode.ValidationFailed, "a silence's texts are too long")
	}
	e.mu.Lock()
	if s.Rule != "" && !slices.ContainsFunc(e.rules, func(r Rule) bool { return r.Name == s.Rule }) {
		e.mu.Unlock()
		return Silence{}, errcode.New(errcode.ValidationFailed, fmt.Sprintf("rule: there is no rule %q", s.Rule))
	}
	over := e.dropEnded(now)
	if len(e.silences)+e.adding >= maxSilences {
		e.mu.Unlock()
		return Silence{}, ErrTooMany
	}
	s.ID, s.CreatedAt = e.db.id(), now
	e.adding++
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.adding--
	}()

	v, err := json.Marshal(s)
	if err != nil {
		return Silence{}, fmt.Errorf("encode silence: %w", err)
	}
	b := e.db.db.Batch()
	b.Essential() // that the disk is full is what people may want to hear no more of; silences are few
	b.Set(e.db.space, silenceKey(s.ID), v)
	for _, old := range over {
		b.Delete(e.db.space, silenceKey(old.ID))
	}
	if err := e.db.db.Commit(ctx, b); err != nil {
		return Silence{}, fmt.Errorf("record silence: %w", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.silences = append(e.silences, s)
	return s, nil
}

// dropEnded takes the silences whose time is over out of the list.
func (e *Engine) dropEnded(now time.Time) []Silence {
	var over []Silence
	e.silences = slices.DeleteFunc(e.silences, func(s Silence) bool {
		if now.Before(s.Until) {
			return false
		}
		over = append(over, s)
		return true
	})
	return over
}

// DeleteSilence ends a silence: what it kept back is told by the next look, if it still goes on.
func (e *Engine) DeleteSilence(ctx context.Context, id string) error {
	e.mu.Lock()
	known := slices.ContainsFunc(e.silences, func(s Silence) bool { return s.ID == id })
	e.mu.Unlock()
	if !known {
		return fmt.Errorf("delete silence %s: %w", id, ErrNotFound)
	}
	b := e.db.db.Batch()
	b.Delete(e.db.space, silenceKey(id))
	b.Essential()
	if err := e.db.db.Commit(ctx, b); err != nil {
		return fmt.Errorf("delete silence %s: %w", id, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.silences = slices.DeleteFunc(e.silences, func(s Silence) bool { return s.ID == id })
	return nil
}
