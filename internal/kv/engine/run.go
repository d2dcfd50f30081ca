package engine

import (
	"fmt"
	"runtime/debug"
	"strings"
	"time"
)

// Errors that several commands give.
const (
	errWrongType = "WRONGTYPE Operation against a key holding the wrong kind of value"
	errOOM       = "OOM command not allowed when used memory > 'maxmemory'."
	errSyntax    = "ERR syntax error"
	errNotInt    = "ERR value is not an integer or out of range"
	errNotFloat  = "ERR value is not a valid float"
	errNoKey     = "ERR no such key"
	errIndex     = "ERR index out of range"
	errMinMax    = "ERR min or max is not a float"
	errNegative  = "ERR value is out of range, must be positive"
	errTooLong   = "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
	errInternal  = "ERR internal error; it was logged"
)

// Do runs one command of a session under the lock and writes its answer, unless the session has to wait: then Blocked
// says so, and the answer comes through its Peer.
func (e *Engine) Do(s *Session, args [][]byte, out Reply) {
	if len(args) == 0 {
		return
	}
	cmd, ok := e.table.find(args)
	if refusal := e.check(s, cmd, ok, args); refusal != "" {
		if cmd != nil {
			cmd.stats.Rejected++
		}
		if s.multi != nil && (cmd == nil || cmd.Name != "exec") {
			s.multi.broken = true
		}
		if cmd != nil && cmd.Name == "exec" && s.multi != nil {
			e.discardMulti(s)
			refusal = "EXECABORT Transaction discarded because of: " + strings.TrimPrefix(refusal, "-")
		}
		e.fail(out, refusal)
		return
	}
	if s.multi != nil && cmd.Flags&runsInMulti == 0 {
		s.multi.add(cmd, args)
		out.Simple("QUEUED")
		return
	}
	if e.paused.holdsCall(e, s, cmd, args) {
		e.postpone(s, cmd, args)
		return
	}
	e.Call(s, cmd, args, out)
	e.serveReady()
}

// runsInMulti marks the commands that a transaction does not queue.
const runsInMulti = NoMulti

// check gives why a command must not run; "" if it may.
func (e *Engine) check(s *Session, cmd *Command, ok bool, args [][]byte) string {
	switch {
	case cmd == nil:
		return fmt.Sprintf("ERR unknown command '%.128s', with args beginning with: %s", args[0], quoteArgs(args[1:]))
	case !ok:
		return fmt.Sprintf("ERR unknown subcommand '%.128s'. Try %s HELP.", args[1], strings.ToUpper(cmd.Name))
	case !cmd.Takes(len(args)):
		return "ERR wrong number of arguments for '" + cmd.FullName() + "' command"
	}
	if s.Peer != nil {
		if refusal := s.Peer.Allow(cmd, args); refusal != "" {
			return refusal
		}
	}
	if e.sealed && cmd.Flags&(Write|MayReplicate) != 0 {
		return "ERR the server ends"
	}
	if e.busy != nil && cmd.Flags&AllowBusy == 0 && !e.busy(args) {
		return "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
	}
	if e.busy == nil { // nothing is evicted in the middle of a script
		e.full = e.cfg.MaxMemory > 0 && !e.loading && !e.room()
	}
	if e.full && (cmd.Flags&DenyOOM != 0 || cmd.Name == "exec" && s.multi != nil && s.multi.denyOOM) {
		return errOOM
	}
	return ""
}

// Takes says whether a command may have n arguments, its name included.
func (c *Command) Takes(n int) bool {
	if c.Arity < 0 {
		return n >= -c.Arity
	}
	return n == c.Arity
}

// Call runs a command that was checked. Transactions and scripts call it for each of theirs.
func (e *Engine) Call(s *Session, cmd *Command, args [][]byte, out Reply) {
	c := e.context()
	*c = Ctx{E: e, S: s, Cmd: cmd, Args: args, Out: out, db: e.dbs[s.db]}
	hooks := &e.cfg.Hooks
	if hooks.Before != nil {
		hooks.Before(s, cmd, args)
	}
	e.stats.Commands++
	if e.depth == 0 {
		e.silent = s.NoTouch && cmd.Name != "touch"
	}
	e.depth++
	c.run()
	e.depth--
	if c.waits { // it did not happen yet
		e.recycle(c)
		e.endGroup()
		return
	}
	took := c.spent()
	c.logEffect()
	e.endGroup()
	c.account(took)
	e.recycle(c)
}

// account counts a run that has ended, and tells who wants to know.
func (c *Ctx) account(took time.Duration) {
	c.Cmd.stats.Calls++
	c.Cmd.stats.Nanos += int64(took)
	if c.failed {
		c.Cmd.stats.Failed++
	}
	hooks := &c.E.cfg.Hooks
	if c.S.Tracking && c.Cmd.Flags&ReadOnly != 0 && hooks.Read != nil {
		hooks.Read(c.S, c.Cmd, c.Args)
	}
	if hooks.Ran != nil {
		hooks.Ran(c.S, c.Cmd, c.Args, took)
	}
}

// spent is how long the command has run, without what it waited.
func (c *Ctx) spent() time.Duration {
	if c.begin == 0 { // it waited until its time was over
		return 0
	}
	c.E.last = c.E.elapsed()
	return c.E.last - c.begin
}

// began is when a command begins. One that follows another under the same lock begins when that one ended: reading the clock
// once a command instead of twice is five percent of a GET in a pipeline.
func (e *Engine) began() time.Duration {
	if e.last != 0 && e.depth == 1 {
		return e.last
	}
	return e.elapsed()
}

// elapsed is the time since the engine was made, never 0.
func (e *Engine) elapsed() time.Duration { return max(time.Since(e.born), 1) }

// run runs the command's function. What it does wrong costs its session the connection, not the process.
func (c *Ctx) run() {
	c.begin = c.E.began()
	depth, mark := c.E.depth, c.Out.Mark()
	defer func() {
		if r := recover(); r != nil {
			c.E.depth = depth
			c.E.stats.Panics++
			c.S.Broken = true
			c.E.log.Error("command_failed", "command", c.Cmd.FullName(), "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			c.Out.Undo(mark)
			c.Fail(errInternal)
		}
	}()
	c.Cmd.Run(c)
}

// context gives a Ctx; commands within commands need one each.
func (e *Engine) context() *Ctx {
	if n := len(e.spare); n > 0 {
		c := e.spare[n-1]
		e.spare = e.spare[:n-1]
		return c
	}
	return new(Ctx)
}

func (e *Engine) recycle(c *Ctx) {
	*c = Ctx{}
	e.spare = append(e.spare, c)
}

// fail writes an error and counts it.
func (e *Engine) fail(out Reply, text string) {
	e.stats.Errors++
	word, _, _ := strings.Cut(text, " ")
	if e.stats.ErrorsByWord == nil {
		e.stats.ErrorsByWord = map[string]int64{}
	}
	if _, known := e.stats.ErrorsByWord[word]; known || len(e.stats.ErrorsByWord) < 128 {
		e.stats.ErrorsByWord[word]++
	}
	out.Error(text)
}

// effect hands a change on to who keeps it.
func (e *Engine) effect(db int, args [][]byte) {
	e.stats.Dirty++
	if e.cfg.Effects == nil || !e.propagate || e.sealed {
		return
	}
	if e.depth > 0 && !e.grouped {
		e.grouped = true
		e.cfg.Effects.Begin()
	}
	e.cfg.Effects.Effect(db, args)
}

// endGroup ends the group of effects when the outermost command has ended.
func (e *Engine) endGroup() {
	if e.grouped && e.depth == 0 {
		e.grouped = false
		e.cfg.Effects.End()
	}
}
