package engine

import (
	goruntime "runtime"
	"strings"
	"time"
)

// Script runs f as a script of the command that runs: what it calls does not wait, its effects belong together, and the
// database it selects is its own.
func (c *Ctx) Script(f func()) {
	nested, script, db := c.S.nested, c.S.script, c.S.db
	c.S.nested, c.S.script, c.own = true, true, true
	defer func() { c.S.nested, c.S.script, c.S.db = nested, script, db }()
	f()
}

// Changed says that the command has changed what is no key, and is an effect as it was called.
func (c *Ctx) Changed() { c.dirty = true }

// Rights are what a script may do beside what its caller may.
type Rights struct {
	ReadOnly bool // nothing that writes
	AllowOOM bool // also what needs memory where there is none
}

// CallFrom runs a command of a script and writes its answer, unless it may not run: then the refusal says why.
func (c *Ctx) CallFrom(args [][]byte, r Rights, out Reply) (refusal string) {
	cmd, ok := c.E.table.find(args)
	switch {
	case !ok:
		return "ERR Unknown Redis command called from script"
	case !cmd.Takes(len(args)):
		return "ERR Wrong number of args calling Redis command from script"
	case cmd.Flags&NoScript != 0:
		return "ERR This Redis command is not allowed from script"
	}
	if c.S.Peer != nil {
		if refusal := c.S.Peer.Allow(cmd, args); refusal != "" {
			return scriptRefusal(refusal)
		}
	}
	if cmd.Flags&(Write|MayReplicate) != 0 && r.ReadOnly {
		return "ERR Write commands are not allowed from read-only scripts."
	}
	if cmd.Flags&DenyOOM != 0 && !r.AllowOOM && c.E.full && !c.wrote { // what was begun is not stopped half way
		return errOOM
	}
	c.wrote = c.wrote || cmd.Flags&Write != 0
	c.E.Call(c.S, cmd, args, out)
	return ""
}

// Wrote says whether the script has called a command that writes, whatever came of it. The count of changes does not say that:
// it begins anew with each save, and has keys that ended as well.
func (c *Ctx) Wrote() bool { return c.wrote }

// scriptRefusal says of a script what Peer.Allow says of a client.
func scriptRefusal(text string) string {
	if !strings.HasPrefix(text, "NOPERM") {
		return text
	}
	switch {
	case strings.Contains(text, "channel"):
		return "ERR The user executing the script can't access at least one of the channels mentioned in the command arguments"
	case strings.Contains(text, "key"):
		return "ERR The user executing the script can't access at least one of the keys mentioned in the command arguments"
	}
	return "ERR The user executing the script can't run this command or subcommand"
}

// Seal has nothing be kept of the command that runs, however much of it has happened, nor of any that comes later: the server
// ends before it is done. The group of its effects is left without an end, and a log repeats none of such a group.
func (c *Ctx) Seal() { c.E.sealed, c.E.grouped = true, false }

// Full says whether there was no memory for more when the command that runs began, or the transaction that it is in.
func (e *Engine) Full() bool { return e.full }

// Beside lets others in while a script runs too long: commands marked AllowBusy run, others are answered BUSY. It is called
// by the script's own goroutine, under the lock, which it gives up for a moment and takes again.
func (c *Ctx) Beside() {
	e := c.E
	depth, grouped, silent, now, tick := e.depth, e.grouped, e.silent, e.now, e.tick
	e.depth, e.grouped = 0, false
	e.busy = func([][]byte) bool { return false }
	func() {
		e.mu.Unlock()
		defer e.mu.Lock()
		if beside := e.cfg.Hooks.Beside; beside == nil || !beside(c.S) {
			goruntime.Gosched()
			time.Sleep(besideTime)
		}
	}()
	e.busy = nil
	e.depth, e.grouped, e.silent, e.now, e.tick = depth, grouped, silent, now, tick
}

// besideTime is long enough for those who wait for the lock to get it.
const besideTime = time.Millisecond

// Busy says whether a script runs too long.
func (e *Engine) Busy() bool { return e.busy != nil }
