package kv

import (
	"fmt"
	"math"
	"strings"

	"github.com/wayside-edge/wayside/internal/kv/engine"
)

func (s *Server) clientIDCmd(c *engine.Ctx) { c.Out.Int(c.S.ID) }

func (s *Server) clientGetnameCmd(c *engine.Ctx) {
	if cl := caller(c); cl == nil {
		return
	} else if cl.name == "" {
		c.Out.Null()
	} else {
		c.Out.BulkString(cl.name)
	}
}

func (s *Server) clientSetnameCmd(c *engine.Ctx) {
	if cl := caller(c); cl != nil && cl.setName(c, c.Args[2]) {
		c.OK()
	}
}

func (s *Server) clientSetinfoCmd(c *engine.Ctx) {
	cl := caller(c)
	if cl == nil {
		return
	}
	var field *string
	switch {
	case c.Is(2, "lib-name"):
		field = &cl.libName
	case c.Is(2, "lib-ver"):
		field = &cl.libVer
	default:
		c.Fail(fmt.Sprintf("ERR Unrecognized option '%.128s'", c.Args[2]))
		return
	}
	if !plain(c.Args[3]) {
		c.Fail("ERR " + strings.ToLower(string(c.Args[2])) + " cannot contain spaces, newlines or special characters.")
		return
	}
	*field = string(c.Args[3])
	c.OK()
}

// onOff reads a switch; false after an error was answered.
func onOff(c *engine.Ctx, i int) (on, ok bool) {
	switch {
	case c.Is(i, "on"):
		return true, true
	case c.Is(i, "off"):
		return false, true
	}
	c.Fail(errSyntax)
	return false, false
}

func (s *Server) clientNoEvictCmd(c *engine.Ctx) {
	cl := caller(c)
	if cl == nil {
		return
	}
	if on, ok := onOff(c, 2); ok {
		cl.noEvict = on
		c.OK()
	}
}

func (s *Server) clientNoTouchCmd(c *engine.Ctx) {
	if on, ok := onOff(c, 2); ok {
		c.S.NoTouch = on
		c.OK()
	}
}

func (s *Server) clientReplyCmd(c *engine.Ctx) {
	cl := caller(c)
	if cl == nil {
		return
	}
	switch {
	case c.Is(2, "on"):
		cl.mute = muteNone
		c.OK()
	case c.Is(2, "off"):
		cl.mute = muteOff
	case c.Is(2, "skip"):
		if cl.mute != muteOff {
			cl.mute = muteNext
		}
	default:
		c.Fail(errSyntax)
	}
}

func (s *Server) clientPauseCmd(c *engine.Ctx) {
	all := true
	if len(c.Args) > 4 {
		c.Fail(errSubcommand(c))
		return
	}
	if len(c.Args) == 4 {
		switch {
		case c.Is(3, "write"):
			all = false
		case c.Is(3, "all"):
		default:
			c.Fail("ERR CLIENT PAUSE mode must be WRITE or ALL")
			return
		}
	}
	ms, ok := engine.ParseInt(c.Args[2])
	switch {
	case !ok:
		c.Fail("ERR timeout is not an integer or out of range")
	case ms < 0:
		c.Fail("ERR timeout is negative")
	case ms > math.MaxInt64-c.E.Now():
		c.Fail("ERR timeout is out of range")
	default:
		c.E.Pause(c.E.Now()+ms, all)
		c.OK()
	}
}

func (s *Server) clientUnpauseCmd(c *engine.Ctx) {
	c.E.Unpause()
	c.OK()
}

// errSubcommand is what Redis says of a subcommand with a wrong number of arguments.
func errSubcommand(c *engine.Ctx) string {
	return fmt.Sprintf("ERR unknown subcommand or wrong number of arguments for '%.128s'. Try %s HELP.", c.Args[1], strings.ToUpper(string(c.Args[0])))
}

func (s *Server) clientUnblockCmd(c *engine.Ctx) {
	fail := false
	if len(c.Args) > 4 {
		c.Fail(errSubcommand(c))
		return
	}
	if len(c.Args) == 4 {
		switch {
		case c.Is(3, "timeout"):
		case c.Is(3, "error"):
			fail = true
		default:
			c.Fail("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
			return
		}
	}
	id, ok := c.Int(2)
	if !ok {
		return
	}
	if cl := s.clients[id]; cl != nil && c.E.Unblock(cl.s, fail) {
		c.Out.Int(1)
		return
	}
	c.Out.Int(0)
}

// killFilter is which clients CLIENT KILL means.
type killFilter struct {
	addr, laddr, class string
	id                 int64
	user               *user
	skipMe             bool
}

func (f *killFilter) matches(c, me *client) bool {
	return (f.addr == "" || c.addr == f.addr) && (f.laddr == "" || c.laddr == f.laddr) && (f.class == "" || c.class() == f.class) &&
		(f.id == 0 || c.s.ID == f.id) && (f.user == nil || c.user == f.user) && (c != me || !f.skipMe)
}

func (s *Server) clientKillCmd(c *engine.Ctx) {
	me := clientOf(c.S)
	if len(c.Args) == 3 { // the old form may hit the caller
		if s.killAll(&killFilter{addr: string(c.Args[2])}, me) == 0 {
			c.Fail("ERR No such client")
			return
		}
		c.OK()
		return
	}
	f, ok := s.killFilter(c)
	if ok {
		c.Out.Int(s.killAll(f, me))
	}
}

// killFilter reads the options; false after an error was answered.
func (s *Server) killFilter(c *engine.Ctx) (f *killFilter, ok bool) {
	f = &killFilter{skipMe: true}
	for i := 2; i < len(c.Args); i += 2 {
		if i+1 == len(c.Args) {
			c.Fail(errSyntax)
			return nil, false
		}
		val := c.Args[i+1]
		switch {
		case c.Is(i, "id"):
			if f.id, ok = engine.ParseInt(val); !ok || f.id < 1 {
				c.Fail("ERR client-id should be greater than 0")
				return nil, false
			}
		case c.Is(i, "type"):
			if f.class, ok = classOf(c, val); !ok {
				return nil, false
			}
		case c.Is(i, "addr"):
			f.addr = string(val)
		case c.Is(i, "laddr"):
			f.laddr = string(val)
		case c.Is(i, "user"):
			if f.user = s.acl.users[string(val)]; f.user == nil {
				c.Fail(fmt.Sprintf("ERR No such user '%.128s'", val))
				return nil, false
			}
		case c.Is(i, "skipme") && (c.Is(i+1, "yes") || c.Is(i+1, "no")):
			f.skipMe = c.Is(i+1, "yes")
		default:
			c.Fail(errSyntax)
			return nil, false
		}
	}
	return f, true
}

// killAll closes the clients that are meant and counts them. The caller gets its answer first.
func (s *Server) killAll(f *killFilter, me *client) (n int64) {
	for _, c := range s.clients {
		if c.closing && c != me || !f.matches(c, me) {
			continue
		}
		n++
		if c == me {
			c.closing = true
		} else {
			s.dismiss(c)
		}
	}
	return n
}

// dismiss closes another client at once: whoever asks who is there will not find it any more.
func (s *Server) dismiss(c *client) {
	c.kill()
	s.leave(c)
}
