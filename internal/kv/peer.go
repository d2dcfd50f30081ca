package kv

import (
	"strings"
	"time"

	"github.com/wayside-edge/wayside/internal/kv/engine"
)

// hooks are what the engine tells the server.
func (s *Server) hooks() engine.Hooks {
	return engine.Hooks{Event: s.keyEvent, Modified: s.modified, Read: s.read, Before: s.before, Ran: s.ran, Copying: s.scripts.Rewrite, Beside: s.beside}
}

// clientOf gives the client of a session; nil if it has none, as one that repeats a log.
func clientOf(s *engine.Session) *client {
	if s == nil {
		return nil
	}
	c, _ := s.Peer.(*client) // nil is the answer
	return c
}

// caller is the client that a command came from. Commands of this package are refused to sessions that have none.
func caller(c *engine.Ctx) *client {
	cl := clientOf(c.S)
	if cl == nil {
		c.Fail("ERR this command is about a connection, and there is none")
	}
	return cl
}

// Allow implements engine.Peer.
func (c *client) Allow(cmd *engine.Command, args [][]byte) string {
	if c.outer == nil {
		c.outer = cmd
	}
	c.last = cmd
	if c.free && cmd.Flags&engine.Admin == 0 {
		return ""
	}
	return c.refusal(cmd, args)
}

// refusal says why a command may not run.
func (c *client) refusal(cmd *engine.Command, args [][]byte) string {
	if cmd.Flags&engine.NoAuth == 0 && c.srv.acl.asksFor(c) {
		return "NOAUTH Authentication required."
	}
	if refusal := c.srv.aclRefusal(c, cmd, args); refusal != "" {
		return refusal
	}
	if c.srv.failing != nil && cmd.Flags&engine.Write != 0 {
		return "MISCONF Errors writing to the AOF file: " + c.srv.failing.Error()
	}
	if _, in := c.s.InMulti(); in && cmd.Flags&engine.Admin != 0 && notInMulti(cmd) {
		return "ERR Command not allowed inside a transaction"
	}
	if c.subscribed() && c.out.Version() == 2 && !whileSubscribed(cmd) {
		return "ERR Can't execute '" + cmd.FullName() + "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
	}
	return ""
}

func notInMulti(cmd *engine.Command) bool { return cmd.Name == "save" || cmd.Name == "shutdown" }

// whileSubscribed says which commands a client of version 2 may send while it gets messages.
func whileSubscribed(cmd *engine.Command) bool {
	switch cmd.FullName() {
	case "ping", "subscribe", "ssubscribe", "sunsubscribe", "psubscribe", "unsubscribe", "punsubscribe", "quit", "reset":
		return true
	}
	return false
}

// refree works out anew whether commands of the client need a closer look.
func (c *client) refree() {
	c.free = c.srv.failing == nil && !c.srv.acl.asksFor(c) && c.user.unlimited() && !c.subscribed()
}

// before is told of every command that begins. What is pushed to its client from now on comes after its answer; what was
// pushed before, as when a key made room, comes in front of it.
func (s *Server) before(es *engine.Session, cmd *engine.Command, args [][]byte) {
	c := clientOf(es)
	if c != nil {
		c.running = true
	}
	if len(s.monitors) > 0 && shownFirst(cmd) {
		s.show(es, cmd, args)
	}
	if c != nil && runsScript(cmd) {
		c.script, c.scriptArgs = cmd, args
	}
}

// beside lets others in while a script runs too long, without the lock: those that the loop serves are served by nobody else
// while it runs a script.
func (s *Server) beside(es *engine.Session) bool {
	c := clientOf(es)
	if c == nil {
		return false
	}
	p, plain := c.link.(*socket)
	if plain {
		p.loop.beside(p)
	}
	return plain
}

// shownFirst says that MONITOR shows a command when it begins: a script goes before what it calls, and one that waits is
// shown before what it waited for.
func shownFirst(cmd *engine.Command) bool { return runsScript(cmd) || cmd.Flags&engine.Blocking != 0 }

// runsScript says that a command runs a script, which calls others.
func runsScript(cmd *engine.Command) bool {
	return cmd.Group == "scripting" && cmd.Flags&engine.SkipMonitor != 0
}

// ran is told of every command that has run.
func (s *Server) ran(es *engine.Session, cmd *engine.Command, args [][]byte, took time.Duration) {
	c := clientOf(es)
	if c != nil {
		c.spent += took
		if runsScript(cmd) {
			c.script, c.scriptArgs = nil, nil
		}
	}
	s.timed(cmd, took)
	if len(s.monitors) > 0 && cmd.Flags&(engine.SkipMonitor|engine.Admin) == 0 && !shownFirst(cmd) {
		s.show(es, cmd, args)
	}
	if s.set.slowerThan >= 0 && took.Microseconds() >= s.set.slowerThan && cmd.Flags&engine.SkipSlowLog == 0 {
		s.slow.add(s, c, cmd, args, took)
	}
}

// equalFold compares a word with one in lower case.
func equalFold(b []byte, lower string) bool {
	return len(b) == len(lower) && strings.EqualFold(string(b), lower)
}
