package kv

import (
	"crypto/sha256"
	"crypto/subtle"
	"slices"
	"strings"

	"github.com/wayside-edge/wayside/internal/kv/engine"
	"github.com/wayside-edge/wayside/internal/kv/resp"
)

// identity is who a client is.
type identity struct {
	user    *user
	authed  bool // it has said who it is, or did not have to
	free    bool // nothing needs to be asked of its commands
	name    string
	libName string
	libVer  string
}

// acl is who may do what.
type acl struct {
	table []aclCommand // all commands and subcommands, by name
	users map[string]*user
	def   *user
	log   []*refusal // the newest first
}

// aclCommand is a command with its categories.
type aclCommand struct {
	cmd        *engine.Command
	categories []string
}

// user is an account: its passwords, and what it may do. The first selector is its own, each other one is a further way
// to be allowed something.
type user struct {
	name      string
	enabled   bool
	nopass    bool
	payloads  string // what was said of RESTORE's payloads; remembered only
	passwords [][sha256.Size]byte
	selectors []*selector
}

// selector is a set of commands with the keys and channels they may touch.
type selector struct {
	all         bool // of commands, none taken away
	future      bool // commands that are to come are allowed too
	commands    map[*engine.Command]bool
	firstArgs   map[*engine.Command][]string // commands that may run with these first arguments only
	allKeys     bool
	keys        []keyPattern
	allChannels bool
	channels    []string
}

// keyPattern is keys that may be read, written or both.
type keyPattern struct {
	pattern     string
	read, write bool
}

func newACL(e *engine.Engine, password string) acl {
	a := acl{users: map[string]*user{}}
	for cmd := range e.Commands() {
		a.table = append(a.table, aclCommand{cmd, categoriesOf(cmd)})
		for _, sub := range cmd.Subcommands() {
			a.table = append(a.table, aclCommand{sub, categoriesOf(sub)})
		}
	}
	a.def = &user{name: "default", enabled: true, selectors: []*selector{a.selector()}}
	a.def.selectors[0].allKeys, a.def.selectors[0].allChannels = true, true
	a.allow(a.def.selectors[0], true)
	a.def.setPassword(password)
	a.users[a.def.name] = a.def
	return a
}

// selector makes one that allows nothing.
func (a *acl) selector() *selector {
	return &selector{commands: map[*engine.Command]bool{}, firstArgs: map[*engine.Command][]string{}}
}

// allow lets a selector run all commands or none.
func (a *acl) allow(s *selector, all bool) {
	s.all, s.future = all, all
	clear(s.commands)
	clear(s.firstArgs)
	if all {
		for _, c := range a.table {
			s.commands[c.cmd] = true
		}
	}
}

// set lets a selector run a command with its subcommands, or not.
func (s *selector) set(cmd *engine.Command, on bool) {
	if on {
		s.commands[cmd] = true
	} else {
		delete(s.commands, cmd)
		s.all = false
	}
	delete(s.firstArgs, cmd)
	for _, sub := range cmd.Subcommands() {
		s.set(sub, on)
	}
}

// setCategory is set for all commands of a category; false of one that is none.
func (a *acl) setCategory(s *selector, name string, on bool) bool {
	name = strings.ToLower(name)
	if name == "all" {
		a.allow(s, on)
		return true
	}
	if !slices.Contains(categories[:], name) {
		return false
	}
	for _, c := range a.table {
		if slices.Contains(c.categories, name) {
			s.set(c.cmd, on)
		}
	}
	return true
}

// lookup finds a command by its full name: client|list.
func (a *acl) lookup(name string) *engine.Command {
	name = strings.ToLower(name)
	i := slices.IndexFunc(a.table, func(c aclCommand) bool { return c.cmd.FullName() == name })
	if i < 0 {
		return nil
	}
	return a.table[i].cmd
}

// setPassword gives the user one password; none at all if it is empty.
func (u *user) setPassword(password string) {
	u.passwords, u.nopass = nil, password == ""
	if password != "" {
		u.passwords = append(u.passwords, sha256.Sum256([]byte(password)))
	}
}

// accepts says whether a password is the user's. All are compared, so that the time tells nothing.
func (u *user) accepts(password []byte) bool {
	sum := sha256.Sum256(password)
	ok := u.nopass
	for _, p := range u.passwords {
		if subtle.ConstantTimeCompare(p[:], sum[:]) == 1 {
			ok = true
		}
	}
	return ok && u.enabled
}

// unlimited says that nothing is refused to the user.
func (u *user) unlimited() bool {
	return slices.ContainsFunc(u.selectors, func(s *selector) bool { return s.all && s.allKeys && s.allChannels })
}

func (u *user) clone() *user {
	c := *u
	c.passwords = slices.Clone(u.passwords)
	c.selectors = nil
	for _, s := range u.selectors {
		c.selectors = append(c.selectors, s.clone())
	}
	return &c
}

// asksFor says whether the client has to say who it is before it may do anything.
func (a *acl) asksFor(c *client) bool { return !c.authed && (!a.def.nopass || !a.def.enabled) }

// resetUser makes the client the user default again.
func (c *client) resetUser() {
	c.become(c.srv.acl.def, c.srv.acl.def.nopass && c.srv.acl.def.enabled)
}

// become makes the client a user.
func (c *client) become(u *user, authed bool) {
	c.user, c.authed = u, authed
	c.refree()
	c.relimit()
	if c.doing {
		c.in.SetLimits(c.lim)
	}
}

// relimit works out anew what one command may be.
func (c *client) relimit() {
	c.lim = resp.Unsure
	if !c.srv.acl.asksFor(c) {
		c.lim = c.srv.set.readLimits()
	}
}

// authenticate makes the client a user if the password is right.
func (s *Server) authenticate(c *client, name, password []byte) bool {
	u := s.acl.users[string(name)]
	if u == nil || !u.accepts(password) {
		return false
	}
	c.become(u, true)
	return true
}
