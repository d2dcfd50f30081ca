package kv

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/kv/engine"
)

// Users that ACL SETUSER makes are kept in a file, which is written whole before the client is answered. Its first line
// has a checksum of the others, one a user: what is lost of it could be what shuts somebody out, so a file that is not as it
// was written gives no rights to anybody, the user default included.

const (
	usersHead  = "# users 1 "
	usersRetry = time.Second
)

// ErrUsersDamaged reports a file of users that is not as it was written.
var ErrUsersDamaged = errors.New("the file of ACL users is damaged; nobody has rights until it is restored, or removed and the server started anew")

// keptUsers is the file of users. It is guarded by the engine's lock, but for what does not change.
type keptUsers struct {
	path       string // "" = users are not kept
	fs         disk.FS
	changed    chan struct{} // for keepUsers
	ownDefault bool          // the user default was changed, and is kept too
	failure    error         // of reading or of the last writing
	waits      []func(answer func(c *engine.Ctx))
	answers    []func(c *engine.Ctx)
}

// usersText is the whole file.
func (s *Server) usersText() []byte {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(s.acl.users)) {
		if u := s.acl.users[name]; u != s.acl.def || s.users.ownDefault {
			fmt.Fprintf(&b, "user %s %s\n", name, s.acl.describe(u))
		}
	}
	sum := sha256.Sum256([]byte(b.String()))
	return []byte(usersHead + hex.EncodeToString(sum[:]) + "\n" + b.String())
}

// loadUsers reads the file, before anybody is served. If it is damaged, nobody may do anything.
func (s *Server) loadUsers() {
	if s.users.path == "" {
		return
	}
	users, err := s.readUsers()
	if err != nil {
		s.users.failure = err
		s.log.Error("users not loaded: nobody has rights", "file", s.users.path, "error", err)
		s.acl.def.enabled, s.acl.def.nopass, s.acl.def.passwords = false, false, nil
		return
	}
	for name, u := range users {
		if name != s.acl.def.name {
			s.acl.users[name] = u
			continue
		}
		s.users.ownDefault = true
		if *s.acl.def = *u; s.cfg.Password != "" { // the configuration's is the only one
			s.acl.def.setPassword(s.cfg.Password)
		}
		if s.mayOpen(u) != nil {
			s.acl.def.nopass = false
		}
	}
}

func (s *Server) readUsers() (map[string]*user, error) {
	text, err := os.ReadFile(s.users.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read the file of ACL users: %w", err)
	}
	head, body, _ := strings.Cut(string(text), "\n")
	sum := sha256.Sum256([]byte(body))
	if head != usersHead+hex.EncodeToString(sum[:]) {
		return nil, ErrUsersDamaged
	}
	users := map[string]*user{}
	for line := range strings.Lines(body) {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != "user" {
			return nil, ErrUsersDamaged
		}
		u := s.newUser(words[1])
		if err := s.rules(u, words[2:]); err != nil {
			return nil, fmt.Errorf("%w: user %s: %w", ErrUsersDamaged, u.name, err)
		}
		users[u.name] = u
	}
	return users, nil
}

// keepable says whether a user can be read again as it is: a pattern with a blank cannot.
func (s *Server) keepable(u *user) bool {
	if s.users.path == "" {
		return true
	}
	again := s.newUser(u.name)
	text := s.acl.describe(u)
	return s.rules(again, strings.Fields(text)) == nil && s.acl.describe(again) == text
}

// usersChanged has the file written, and the client answered after that. Within a transaction it is answered at once.
func (s *Server) usersChanged(c *engine.Ctx, answer func(c *engine.Ctx)) {
	if s.users.path == "" {
		answer(c)
		return
	}
	select {
	case s.users.changed <- struct{}{}:
	default:
	}
	if c.Nested() {
		answer(c)
		return
	}
	s.users.waits = append(s.users.waits, c.Hold())
	s.users.answers = append(s.users.answers, answer)
}

// keepUsers writes the file whenever users have changed, until ctx ends, and once more for what was changed just then.
func (s *Server) keepUsers(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			select {
			case <-s.users.changed:
				_ = s.writeUsers(ctx) // it is logged
			default:
			}
			return
		case <-s.users.changed:
		}
		if s.writeUsers(ctx) == nil {
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(usersRetry):
			select {
			case s.users.changed <- struct{}{}:
			default:
			}
		}
	}
}

// writeUsers writes the file and answers those who wait for that.
func (s *Server) writeUsers(ctx context.Context) error {
	s.engine.Lock()
	text, waits, answers := s.usersText(), s.users.waits, s.users.answers
	s.users.waits, s.users.answers = nil, nil
	s.engine.Unlock()
	err := disk.WriteFile(s.users.fs, s.users.path, text, 0o600)
	s.engine.Lock()
	defer s.engine.Unlock()
	s.users.failure = err
	for i, end := range waits {
		answer := answers[i]
		if err != nil {
			answer = func(c *engine.Ctx) {
				c.Fail("ERR the users could not be written, and are as they were after a restart: " + err.Error())
			}
		}
		end(answer)
	}
	if err != nil {
		s.log.ErrorContext(ctx, "users not written", "file", s.users.path, "error", err)
		return fmt.Errorf("write the file of ACL users: %w", err)
	}
	return nil
}

// UsersFailure is why ACL users are not kept, or nobody has rights; nil where all is well.
func (s *Server) UsersFailure() error {
	s.engine.Lock()
	defer s.engine.Unlock()
	return s.users.failure
}

// aclSaveCmd has the file written.
func (s *Server) aclSaveCmd(c *engine.Ctx) {
	if s.users.path == "" {
		c.Fail(errNoFile)
		return
	}
	if s.users.failure != nil && errors.Is(s.users.failure, ErrUsersDamaged) {
		c.Fail("ERR " + ErrUsersDamaged.Error())
		return
	}
	s.usersChanged(c, func(c *engine.Ctx) { c.OK() })
}

// aclLoadCmd has nothing to load: the file is what the server has written last.
func (s *Server) aclLoadCmd(c *engine.Ctx) {
	if s.users.path == "" {
		c.Fail(errNoFile)
		return
	}
	c.Fail("ERR the file of users is written with every change and read at the start: there is nothing to load")
}
