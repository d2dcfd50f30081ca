package kv

import (
	"crypto/sha256"
	"crypto/subtle"

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
	users map[string]*user
	def   *user
}

type user struct {
	name      string
	enabled   bool
	nopass    bool
	passwords [][sha256.Size]byte
}

func newACL(_ *engine.Engine, password string) acl {
	u := &user{name: "default", enabled: true}
	u.setPassword(password)
	return acl{users: map[string]*user{u.name: u}, def: u}
}

// setPassword gives the user one password; none at all if it is empty.
func (u *user) setPassword(password string) {
	u.passwords, u.nopass = nil, password == ""
	if password != "" {
		u.passwords = append(u.passwords, sha256.Sum256([]byte(password)))
	}
}

// accepts says whether a password is the user's.
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

func (u *user) unlimited() bool { return true }

// asksFor says whether the client has to say who it is before it may do anything.
func (a *acl) asksFor(c *client) bool { return !c.authed && (!a.def.nopass || !a.def.enabled) }

func (a *acl) refusal(*client, *engine.Command, [][]byte) string { return "" }

// resetUser makes the client the user default again.
func (c *client) resetUser() {
	c.become(c.srv.acl.def, c.srv.acl.def.nopass && c.srv.acl.def.enabled)
}

// become makes the client a user.
func (c *client) become(u *user, authed bool) {
	c.user, c.authed = u, authed
	c.refree()
	if c.srv.acl.asksFor(c) {
		c.in.SetLimits(resp.Unsure)
	} else {
		c.in.SetLimits(c.srv.set.readLimits())
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

func (a *acl) trimLog(int) {}

// refusedLogin remembers a password that was wrong.
func (s *Server) refusedLogin(*engine.Ctx, *client, []byte) {}
