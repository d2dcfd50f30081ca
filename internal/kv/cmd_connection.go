package kv

import (
	"fmt"
	"strings"

	"github.com/wayside-edge/wayside/internal/kv/engine"
)

// redisVersion is the version of Redis whose commands and answers these are. Clients decide by it what they send.
const redisVersion = "7.0.15"

const errWrongPass = "WRONGPASS invalid username-password pair or user is disabled."

func (s *Server) authCmd(c *engine.Ctx) {
	cl := caller(c)
	if cl == nil {
		return
	}
	if len(c.Args) > 3 {
		c.Fail(errSyntax)
		return
	}
	name, password := []byte("default"), c.Args[len(c.Args)-1]
	if len(c.Args) == 3 {
		name = c.Args[1]
	} else if s.acl.def.nopass {
		c.Fail("ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?")
		return
	}
	if !s.authenticate(cl, name, password) {
		s.refusedLogin(c, cl, name)
		c.Fail(errWrongPass)
		return
	}
	c.OK()
}

func (s *Server) helloCmd(c *engine.Ctx) {
	cl := caller(c)
	if cl == nil {
		return
	}
	version := int64(0)
	if len(c.Args) > 1 {
		var ok bool
		if version, ok = engine.ParseInt(c.Args[1]); !ok {
			c.Fail("ERR Protocol version is not an integer or out of range")
			return
		}
		if version != 2 && version != 3 {
			c.Fail("NOPROTO unsupported protocol version")
			return
		}
	}
	for i := 2; i < len(c.Args); i++ {
		switch more := len(c.Args) - 1 - i; {
		case c.Is(i, "auth") && more >= 2:
			if !s.authenticate(cl, c.Args[i+1], c.Args[i+2]) {
				s.refusedLogin(c, cl, c.Args[i+1])
				c.Fail(errWrongPass)
				return
			}
			i += 2
		case c.Is(i, "setname") && more >= 1:
			if !cl.setName(c, c.Args[i+1]) {
				return
			}
			i++
		default:
			c.Fail(fmt.Sprintf("ERR Syntax error in HELLO option '%.128s'", c.Args[i]))
			return
		}
	}
	if s.acl.asksFor(cl) {
		c.Fail("NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time")
		return
	}
	if version != 0 {
		cl.setVersion(int(version))
		cl.refree()
	}
	s.hello(c, cl)
}

func (s *Server) hello(c *engine.Ctx, cl *client) {
	c.Out.Map(7)
	for _, pair := range [][2]string{{"server", "redis"}, {"version", redisVersion}} {
		c.Out.BulkString(pair[0])
		c.Out.BulkString(pair[1])
	}
	c.Out.BulkString("proto")
	c.Out.Int(int64(c.Out.Version()))
	c.Out.BulkString("id")
	c.Out.Int(cl.s.ID)
	for _, pair := range [][2]string{{"mode", "standalone"}, {"role", "master"}} {
		c.Out.BulkString(pair[0])
		c.Out.BulkString(pair[1])
	}
	c.Out.BulkString("modules")
	c.Out.Array(0)
}

func (s *Server) pingCmd(c *engine.Ctx) {
	if len(c.Args) > 2 {
		c.Fail("ERR wrong number of arguments for 'ping' command")
		return
	}
	if cl := clientOf(c.S); cl != nil && cl.subscribed() && c.Out.Version() == 2 {
		c.Out.Array(2)
		c.Out.BulkString("pong")
		if len(c.Args) == 1 {
			c.Out.BulkString("")
		} else {
			c.Out.Bulk(c.Args[1])
		}
		return
	}
	if len(c.Args) == 1 {
		c.Out.Simple("PONG")
		return
	}
	c.Out.Bulk(c.Args[1])
}

func echoCmd(c *engine.Ctx) { c.Out.Bulk(c.Args[1]) }

func (s *Server) quitCmd(c *engine.Ctx) {
	cl := caller(c)
	if cl == nil {
		return
	}
	c.OK()
	cl.closing = true
}

func (s *Server) resetCmd(c *engine.Ctx) {
	cl := caller(c)
	if cl == nil {
		return
	}
	c.E.Reset(cl.s)
	s.unsubscribeAll(cl)
	s.trackingOff(cl)
	delete(s.monitors, cl)
	cl.monitor, cl.noEvict, cl.mute, cl.name = false, false, muteNone, ""
	cl.s.NoTouch = false
	cl.limits()
	cl.setVersion(2)
	cl.resetUser()
	c.Out.Simple("RESET")
}

// setName gives the client a name; false after an error was answered.
func (c *client) setName(ctx *engine.Ctx, name []byte) bool {
	if !plain(name) {
		ctx.Fail("ERR Client names cannot contain spaces, newlines or special characters.")
		return false
	}
	c.name = string(name)
	return true
}

// plain says that a word has only characters that CLIENT LIST may show.
func plain(b []byte) bool {
	return !strings.ContainsFunc(string(b), func(r rune) bool { return r < '!' || r > '~' })
}
