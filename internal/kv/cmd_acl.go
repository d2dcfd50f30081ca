package kv

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/wayside-edge/wayside/internal/kv/engine"
)

func (s *Server) aclSetuserCmd(c *engine.Ctx) {
	name := string(c.Args[2])
	if hasSpaces(name) {
		c.Fail("ERR Usernames can't contain spaces or null characters")
		return
	}
	ops := make([]string, 0, len(c.Args)-3)
	for _, arg := range c.Args[3:] {
		ops = append(ops, string(arg))
	}
	old := s.acl.users[name]
	u := s.newUser(name)
	if old != nil {
		u = old.clone()
	}
	if err := s.rules(u, ops); err != nil {
		c.Fail("ERR " + err.Error())
		return
	}
	if u == s.acl.def || name == s.acl.def.name {
		if err := s.mayOpen(u); err != nil {
			c.Fail("ERR " + err.Error())
			return
		}
	}
	if !s.keepable(u) {
		c.Fail("ERR this user cannot be kept: patterns and names may have no blanks")
		return
	}
	s.users.ownDefault = s.users.ownDefault || name == s.acl.def.name
	if old == nil {
		s.acl.users[name] = u
	} else {
		s.dismissListeners(old, u)
		*old = *u
	}
	s.refreeAll()
	s.usersChanged(c, func(c *engine.Ctx) { c.OK() })
}

// mayOpen refuses a user default without a password where strangers may connect.
func (s *Server) mayOpen(u *user) error {
	if s.exposed() && u.enabled && u.nopass {
		return ErrOpenToAll
	}
	return nil
}

// dismissListeners closes the clients of a user that listen to what it may not any more.
func (s *Server) dismissListeners(old, now *user) {
	var channelsNow []string
	for _, sel := range now.selectors {
		if sel.allChannels {
			return
		}
		channelsNow = append(channelsNow, sel.channels...)
	}
	for _, c := range s.sorted() {
		if c.user != old || !c.subscribed() {
			continue
		}
		for kind := range subKinds {
			if slices.ContainsFunc(c.subscriptions(kind), func(name string) bool { return !mayListen(channelsNow, name, kind == patterns) }) {
				s.expel(c)
				break
			}
		}
	}
}

// expel closes a client; one whose command runs gets its answer first.
func (s *Server) expel(c *client) {
	if c.doing {
		c.closing = true
		return
	}
	s.dismiss(c)
}

func (s *Server) aclDeluserCmd(c *engine.Ctx) {
	for _, arg := range c.Args[2:] {
		if string(arg) == s.acl.def.name {
			c.Fail("ERR The 'default' user cannot be removed")
			return
		}
	}
	var n int64
	for _, arg := range c.Args[2:] {
		u := s.acl.users[string(arg)]
		if u == nil {
			continue
		}
		n++
		delete(s.acl.users, u.name)
		for _, cl := range s.sorted() {
			if cl.user == u {
				cl.become(s.acl.def, false)
				s.expel(cl)
			}
		}
	}
	if n == 0 {
		c.Out.Int(n)
		return
	}
	s.usersChanged(c, func(c *engine.Ctx) { c.Out.Int(n) })
}

func (s *Server) aclGetuserCmd(c *engine.Ctx) {
	u := s.acl.users[string(c.Args[2])]
	if u == nil {
		c.Out.Null()
		return
	}
	c.Out.Map(6)
	c.Out.BulkString("flags")
	flags := u.flags()
	c.Out.Set(len(flags))
	for _, f := range flags {
		c.Out.BulkString(f)
	}
	c.Out.BulkString("passwords")
	c.Out.Array(len(u.passwords))
	for _, p := range u.passwords {
		c.Out.BulkString(hex.EncodeToString(p[:]))
	}
	s.writeSelector(c, u.selectors[0])
	c.Out.BulkString("selectors")
	c.Out.Array(len(u.selectors) - 1)
	for _, sel := range u.selectors[1:] {
		c.Out.Map(3)
		s.writeSelector(c, sel)
	}
}

// writeSelector answers three pairs.
func (s *Server) writeSelector(c *engine.Ctx, sel *selector) {
	for _, pair := range [][2]string{{"commands", s.acl.commandRules(sel)}, {"keys", sel.keyRules()}, {"channels", sel.channelRules()}} {
		c.Out.BulkString(pair[0])
		c.Out.BulkString(pair[1])
	}
}

func (s *Server) aclListCmd(c *engine.Ctx) {
	c.Out.Array(len(s.acl.users))
	for _, name := range slices.Sorted(maps.Keys(s.acl.users)) {
		c.Out.BulkString("user " + name + " " + s.acl.describe(s.acl.users[name]))
	}
}

func (s *Server) aclUsersCmd(c *engine.Ctx) {
	c.Out.Array(len(s.acl.users))
	for _, name := range slices.Sorted(maps.Keys(s.acl.users)) {
		c.Out.BulkString(name)
	}
}

func (s *Server) aclWhoamiCmd(c *engine.Ctx) {
	if cl := caller(c); cl != nil {
		c.Out.BulkString(cl.user.name)
	}
}

func (s *Server) aclCatCmd(c *engine.Ctx) {
	switch len(c.Args) {
	case 2:
		c.Out.Array(len(categories))
		for _, name := range categories {
			c.Out.BulkString(name)
		}
	case 3:
		name := strings.ToLower(string(c.Args[2]))
		if !slices.Contains(categories[:], name) {
			c.Fail(fmt.Sprintf("ERR Unknown category '%.128s'", c.Args[2]))
			return
		}
		mark, n := c.Out.Mark(), 0
		for _, cmd := range s.acl.table {
			if slices.Contains(cmd.categories, name) {
				c.Out.BulkString(cmd.cmd.FullName())
				n++
			}
		}
		c.Out.ArrayAt(mark, n)
	default:
		c.Fail(errSubcommand(c))
	}
}

// genpassBits is the most that ACL GENPASS gives.
const genpassBits = 4096

func aclGenpassCmd(c *engine.Ctx) {
	bits := int64(256)
	if len(c.Args) > 3 {
		c.Fail(errSubcommand(c))
		return
	}
	if len(c.Args) == 3 {
		var ok bool
		if bits, ok = c.Int(2); !ok {
			return
		}
	}
	if bits <= 0 || bits > genpassBits {
		c.Fail(fmt.Sprintf("ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to %d", genpassBits))
		return
	}
	var b [genpassBits / 8]byte
	_, _ = rand.Read(b[:]) // never fails
	c.Out.BulkString(hex.EncodeToString(b[:])[:(bits+3)/4])
}

// errNoFile is ACL LOAD's and SAVE's where users are not kept.
const errNoFile = "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store users in the Redis configuration."

func (s *Server) aclLogCmd(c *engine.Ctx) {
	n := int64(10)
	if len(c.Args) > 3 {
		c.Fail(errSubcommand(c))
		return
	}
	if len(c.Args) == 3 {
		if c.Is(2, "reset") {
			s.acl.log = nil
			c.OK()
			return
		}
		var ok bool
		if n, ok = c.Int(2); !ok {
			return
		}
	}
	n = min(max(n, 0), int64(len(s.acl.log)))
	c.Out.Array(int(n))
	for _, r := range s.acl.log[:n] {
		c.Out.Map(7)
		c.Out.BulkString("count")
		c.Out.Int(r.count)
		for _, pair := range [][2]string{{"reason", r.reason.String()}, {"context", r.context}, {"object", r.object}, {"username", r.user}} {
			c.Out.BulkString(pair[0])
			c.Out.BulkString(pair[1])
		}
		c.Out.BulkString("age-seconds")
		c.Out.Double(float64(c.E.Now()-r.at) / 1000)
		c.Out.BulkString("client-info")
		c.Out.BulkString(r.client)
	}
}

func (s *Server) aclDryrunCmd(c *engine.Ctx) {
	u := s.acl.users[string(c.Args[2])]
	if u == nil {
		c.Fail(fmt.Sprintf("ERR User '%.128s' not found", c.Args[2]))
		return
	}
	args := c.Args[3:]
	cmd := c.E.Lookup(args)
	if cmd == nil {
		c.Fail(fmt.Sprintf("ERR Command '%.128s' not found", args[0]))
		return
	}
	if !cmd.Takes(len(args)) {
		c.Fail("ERR wrong number of arguments for '" + cmd.FullName() + "' command")
		return
	}
	switch d, at := u.check(s.specs, cmd, args); d {
	case deniedCommand:
		c.Out.BulkString("This user has no permissions to run the '" + cmd.FullName() + "' command")
	case deniedKey, deniedChannel:
		c.Out.BulkString("This user has no permissions to access the '" + string(args[at]) + "' " + d.String())
	default:
		c.OK()
	}
}
