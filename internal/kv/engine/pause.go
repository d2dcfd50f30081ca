package engine

import "slices"

// pause is CLIENT PAUSE: until a moment, commands that write or all of clients wait.
type pause struct {
	until int64
	all   bool
	held  []*waiter
}

// Pause holds commands of clients until a moment, milliseconds of Unix time: those that may write, or all. A pause that
// runs becomes longer or stricter, never less.
func (e *Engine) Pause(until int64, all bool) {
	running := e.paused.until > e.now
	e.paused.until = max(until, e.paused.until)
	e.paused.all = all || running && e.paused.all
	e.rouse()
}

// Unpause lets all go on.
func (e *Engine) Unpause() {
	e.paused.until = 0
	e.rouse() // keys may have ended
	e.paused.end(e)
}

// Paused says whether a pause runs, and whether it holds all commands.
func (e *Engine) Paused() (running, all bool) {
	return e.paused.until > e.now, e.paused.all
}

// holds says whether a command has to wait for the end of the pause.
func (p *pause) holds(e *Engine, s *Session, cmd *Command) bool { return p.holdsCall(e, s, cmd, nil) }

// holdsCall is holds of a call, whose arguments may say that it only reads.
func (p *pause) holdsCall(e *Engine, s *Session, cmd *Command, args [][]byte) bool {
	if p.until <= e.now || s.Internal || s.nested {
		return false
	}
	if p.all {
		return cmd.Name != "client" && (cmd.parent == nil || cmd.parent.Name != "client")
	}
	if cmd.Name == "exec" && s.multi != nil {
		return s.multi.writes
	}
	return cmd.writes(args)
}

// postpone keeps a command for the end of the pause.
func (e *Engine) postpone(s *Session, cmd *Command, args [][]byte) {
	w := &waiter{s: s, cmd: cmd, args: copyArgs(args), db: e.dbs[s.db]}
	s.waiter = w
	e.paused.held = append(e.paused.held, w)
	e.rouse()
}

func (p *pause) forget(w *waiter) {
	if i := slices.Index(p.held, w); i >= 0 {
		p.held = slices.Delete(p.held, i, i+1)
	}
}

// end runs what was held, when the pause is over.
func (p *pause) end(e *Engine) {
	if p.until > e.now || p.until == 0 && len(p.held) == 0 {
		return
	}
	p.until, p.all = 0, false
	held := p.held
	p.held = nil
	for _, w := range held {
		if w.s.waiter != w {
			continue
		}
		w.s.waiter = nil
		e.Call(w.s, w.cmd, w.args, w.s.Peer.Reply())
		if w.s.waiter == nil {
			w.s.Peer.Wake()
		}
		e.serveReady()
	}
	for _, d := range e.dbs {
		e.signalAll(d)
	}
	e.serveReady()
}
