package kv

import (
	"slices"
	"strings"

	"github.com/wayside-edge/wayside/internal/kv/engine"
)

// denial is what a user lacks to run a command, the worst first.
type denial uint8

const (
	allowed denial = iota
	deniedCommand
	deniedKey
	deniedChannel
	deniedLogin
)

func (d denial) String() string {
	return [...]string{"", "command", "key", "channel", "auth"}[d]
}

// reason says it within a transaction.
func (d denial) reason() string {
	return [...]string{
		deniedCommand: "no permission to execute the command or subcommand", deniedKey: "no permission to touch the specified keys",
		deniedChannel: "no permission to access one of the channels used as arguments to the command",
	}[d]
}

// check says whether a user may run a command, and which argument it may not touch. Any selector that allows all of it
// will do; otherwise the one counts that came furthest.
func (u *user) check(specs keySpecs, cmd *engine.Command, args [][]byte) (worst denial, at int) {
	worst = deniedCommand
	for _, s := range u.selectors {
		d, i := s.check(specs, cmd, args)
		if d == allowed {
			return allowed, 0
		}
		if d > worst || d == worst && i > at {
			worst, at = d, i
		}
	}
	return worst, at
}

func (s *selector) check(specs keySpecs, cmd *engine.Command, args [][]byte) (d denial, at int) {
	if !s.runs(cmd, args) {
		return deniedCommand, 0
	}
	if !s.allKeys {
		for _, k := range specs.keys(cmd, args) {
			if !k.has(notKey) && !s.touches(args[k.at], k.flags) {
				return deniedKey, k.at
			}
		}
	}
	if !s.allChannels {
		from, pattern := channelsOf(cmd)
		if from > 0 {
			to := len(args)
			if strings.HasSuffix(cmd.Name, "publish") {
				to = from + 1
			}
			for i := from; i < to; i++ {
				if !mayListen(s.channels, string(args[i]), pattern) {
					return deniedChannel, i
				}
			}
		}
	}
	return allowed, 0
}

// runs says whether the selector has the command.
func (s *selector) runs(cmd *engine.Command, args [][]byte) bool {
	if s.all || cmd.Flags&engine.NoAuth != 0 || s.commands[cmd] {
		return true
	}
	return len(args) > 1 && slices.ContainsFunc(s.firstArgs[cmd], func(a string) bool { return equalFold(args[1], a) })
}

// touches says whether the selector may do with a key what a command does.
func (s *selector) touches(key []byte, flags keyFlags) bool {
	read, write := flags&keyAccess != 0, flags&(keyInsert|keyUpdate|keyDelete) != 0
	return slices.ContainsFunc(s.keys, func(p keyPattern) bool {
		return (p.read || !read) && (p.write || !write) && engine.Glob([]byte(p.pattern), key)
	})
}

// channelsOf says from which argument on a command names channels, 0 = nowhere, and whether they are patterns.
func channelsOf(cmd *engine.Command) (from int, pattern bool) {
	switch cmd.FullName() {
	case "publish", "spublish", "subscribe", "ssubscribe":
		return 1, false
	case "psubscribe":
		return 1, true
	}
	return 0, false
}

// mayListen says whether a channel is among those allowed. A pattern has to be there letter by letter.
func mayListen(channels []string, name string, pattern bool) bool {
	return slices.ContainsFunc(channels, func(allowed string) bool {
		if pattern {
			return allowed == name
		}
		return engine.Glob([]byte(allowed), []byte(name))
	})
}

// refusal says why the client's user may not run a command, and remembers it.
func (s *Server) aclRefusal(c *client, cmd *engine.Command, args [][]byte) string {
	d, at := c.user.check(s.specs, cmd, args)
	if d == allowed {
		return c.user.sortRefusal(cmd, args)
	}
	object := cmd.FullName()
	if d != deniedCommand {
		object = string(args[at])
	}
	context := "toplevel"
	inExec := c.s.Nested() && c.script == nil && c.outer != nil && c.outer.Name == "exec"
	switch _, queuing := c.s.InMulti(); {
	case queuing, inExec:
		context = "multi"
	case c.s.Nested():
		context = "lua"
	}
	s.acl.remember(s, c, d, context, c.user.name, object)
	if inExec {
		return "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is no longer allowed for the following reason: " +
			d.reason()
	}
	if d == deniedCommand {
		return "NOPERM this user has no permissions to run the '" + cmd.FullName() + "' command"
	}
	return "NOPERM this user has no permissions to access one of the " + d.String() + "s used as arguments"
}

// sortRefusal refuses patterns of SORT to who may not read all keys: they name keys that nobody checks.
func (u *user) sortRefusal(cmd *engine.Command, args [][]byte) string {
	if cmd.Name != "sort" && cmd.Name != "sort_ro" {
		return ""
	}
	for i := 2; i+1 < len(args); i++ {
		word := strings.ToUpper(string(args[i]))
		by := word == "BY" && strings.Contains(string(args[i+1]), "*")
		if (by || word == "GET" && string(args[i+1]) != "#") && !u.readsAll() {
			return "ERR " + word + " option of SORT denied due to insufficient ACL permissions."
		}
	}
	return ""
}

// readsAll says whether some selector lets the user read any key.
func (u *user) readsAll() bool {
	return slices.ContainsFunc(u.selectors, func(s *selector) bool {
		return s.allKeys || slices.ContainsFunc(s.keys, func(k keyPattern) bool { return k.read && k.pattern == "*" })
	})
}

// refusal is an entry of ACL LOG.
type refusal struct {
	count                         int64
	reason                        denial
	context, object, user, client string
	at                            int64 // milliseconds of Unix time
}

const (
	logCompared = 10        // entries in which an equal one is looked for
	logApart    = 60 * 1000 // milliseconds after which it is another one
	logObject   = 1 << 10   // bytes that are kept of what a client sent
)

// remember adds to ACL LOG, or counts an entry up that is the same.
func (a *acl) remember(s *Server, c *client, d denial, context, name, object string) {
	now := s.engine.Now()
	r := &refusal{
		count: 1, reason: d, context: context, at: now, client: strings.TrimSuffix(c.line(now), "\n"),
		object: object[:min(len(object), logObject)], user: name[:min(len(name), logObject)],
	}
	for i, old := range a.log[:min(len(a.log), logCompared)] {
		if old.reason == d && old.context == context && old.user == r.user && old.object == r.object && now-old.at <= logApart {
			r.count += old.count
			a.log = slices.Delete(a.log, i, i+1)
			break
		}
	}
	a.log = slices.Insert(a.log, 0, r)
	a.trimLog(s.set.aclLogMax)
}

func (a *acl) trimLog(most int) {
	if len(a.log) > most {
		clear(a.log[most:])
		a.log = a.log[:most]
	}
}

// refusedLogin remembers a password that was wrong.
func (s *Server) refusedLogin(ctx *engine.Ctx, c *client, name []byte) {
	context := "toplevel"
	if ctx.Nested() {
		context = "multi"
	}
	s.acl.remember(s, c, deniedLogin, context, string(name), string(ctx.Args[0]))
}
