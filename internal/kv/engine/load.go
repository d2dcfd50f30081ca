package engine

import (
	"errors"
	"fmt"
)

// Loader repeats what a log has kept. While it does nothing ends, nothing is evicted, and nothing is told to Effects.
type Loader struct {
	e *Engine
	s *Session
}

// Load begins to repeat a log into the engine. Others that ask for commands meanwhile are answered LOADING by their own
// Peers.
func (e *Engine) Load() *Loader {
	e.Lock()
	defer e.Unlock()
	e.loading, e.propagate = true, false
	s := e.NewSession(nil)
	s.Internal = true
	return &Loader{e: e, s: s}
}

// Apply runs one command of the log. An error is the command's own answer.
func (l *Loader) Apply(args [][]byte) error {
	l.e.Lock()
	defer l.e.Unlock()
	if len(args) == 2 && string(args[0]) == selectWord {
		n, ok := parseInt(args[1])
		if !ok || n < 0 || n >= int64(len(l.e.dbs)) {
			return fmt.Errorf("the log names database %q of %d", args[1], len(l.e.dbs))
		}
		l.s.db = int(n)
		return nil
	}
	var out refusals
	l.e.Do(l.s, args, &out)
	return out.err
}

// selectWord changes the database for what follows in a log.
const selectWord = "SELECT"

// End ends the loading: from now on keys end, and effects are told.
func (l *Loader) End() {
	l.e.Lock()
	defer l.e.Unlock()
	l.e.Close(l.s)
	l.e.loading, l.e.propagate = false, true
	l.e.stats.Dirty = 0
	l.e.rouse()
}

// SetEffects says who keeps what commands change from now on.
func (e *Engine) SetEffects(to Effects) { e.cfg.Effects = to }

// refusals takes an answer and keeps its errors only.
type refusals struct {
	discard
	err error
}

// Error implements Reply.
func (r *refusals) Error(text string) { r.err = errors.Join(r.err, errors.New(text)) }
