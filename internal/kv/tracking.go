package kv

import (
	"maps"
	"slices"
	"strings"

	"github.com/wayside-edge/wayside/internal/kv/engine"
	"github.com/wayside-edge/wayside/internal/kv/resp"
)

// tracking is how a client wants to be told of keys that change.
type tracking struct {
	redirect      int64 // the client that is told instead; 0 = none
	bcast         bool
	optIn, optOut bool
	noLoop        bool
	caching       bool     // CLIENT CACHING was said
	broken        bool     // the client that is told instead is gone
	given         []string // prefixes that were asked for and not looked at yet
	prefixes      map[string]struct{}
}

// tracked is which clients may have which keys. Clients are remembered by number and forgotten when a key changes, or
// when most of those that may have it are gone: one that goes away costs nothing.
type tracked struct {
	keys     map[string]map[int64]struct{}
	items    int
	prefixes map[string]*prefix
	clients  int
	changed  []*prefix // with keys that were not told yet
}

// prefix is a beginning of keys whose changes are told to all that asked.
type prefix struct {
	clients map[*client]struct{}
	keys    map[string]*client // that have changed, and by whom; nil by none
}

func newTracked() tracked {
	return tracked{keys: map[string]map[int64]struct{}{}, prefixes: map[string]*prefix{}}
}

// trackingOff ends tracking for a client.
func (s *Server) trackingOff(c *client) {
	if c.track == nil {
		return
	}
	for name := range c.track.prefixes {
		p := s.tracked.prefixes[name]
		if delete(p.clients, c); len(p.clients) == 0 {
			delete(s.tracked.prefixes, name)
		}
	}
	c.track = nil
	c.s.Tracking = false
	s.tracked.clients--
}

// trackingOn begins it, or changes how.
func (s *Server) trackingOn(c *client, t *tracking) {
	if c.track == nil {
		s.tracked.clients++
	} else {
		maps.Copy(t.prefixes, c.track.prefixes)
	}
	c.track = t
	c.s.Tracking = !t.bcast
	for name := range t.prefixes {
		p := s.tracked.prefixes[name]
		if p == nil {
			p = &prefix{clients: map[*client]struct{}{}, keys: map[string]*client{}}
			s.tracked.prefixes[name] = p
		}
		p.clients[c] = struct{}{}
	}
}

// commandEnded forgets what CLIENT CACHING said of the command that has ended.
func (t *tracking) commandEnded(c *client) {
	if _, in := c.s.InMulti(); !in && !strings.HasPrefix(c.last.FullName(), "client") {
		t.caching = false
	}
}

// read remembers the keys that a client has read. It is the engine's hook.
func (s *Server) read(es *engine.Session, cmd *engine.Command, args [][]byte) {
	c := clientOf(es)
	if c == nil || c.track == nil || c.track.bcast || c.track.optIn && !c.track.caching || c.track.optOut && c.track.caching {
		return
	}
	if cmd.Flags&engine.PubSub != 0 || runsScript(cmd) {
		return
	}
	if c.script != nil { // the keys that it has declared count
		cmd, args = c.script, c.scriptArgs
	}
	for _, i := range cmd.Positions(args) {
		ids := s.tracked.keys[string(args[i])]
		if ids == nil {
			ids = map[int64]struct{}{}
			s.tracked.keys[string(args[i])] = ids
		}
		if _, has := ids[c.s.ID]; !has {
			if len(ids) > 2*len(s.clients) {
				s.forgetGone(ids)
			}
			ids[c.s.ID] = struct{}{}
			s.tracked.items++
		}
	}
	s.boundTracked()
}

// forgetGone takes clients that are gone out of those that may have a key: one that is read and never changed would gather
// the number of every client that ever came.
func (s *Server) forgetGone(ids map[int64]struct{}) {
	for id := range ids {
		if s.clients[id] == nil {
			delete(ids, id)
			s.tracked.items--
		}
	}
}

// boundTracked forgets keys when there are too many, and tells whoever has them as if they had changed.
func (s *Server) boundTracked() {
	for key := range s.tracked.keys {
		if s.set.trackingMax == 0 || len(s.tracked.keys) <= s.set.trackingMax {
			return
		}
		s.invalidate([]byte(key), nil)
	}
}

// modified is the engine's hook: a key has another value, or all have.
func (s *Server) modified(_ int, key []byte, by *engine.Session) {
	if s.tracked.clients == 0 && len(s.tracked.keys) == 0 {
		return
	}
	if key == nil {
		s.invalidateAll()
		return
	}
	c := clientOf(by)
	for name, p := range s.tracked.prefixes {
		if len(name) <= len(key) && string(key[:len(name)]) == name {
			if len(p.keys) == 0 {
				s.tracked.changed = append(s.tracked.changed, p)
			}
			p.keys[string(key)] = c
		}
	}
	s.invalidate(key, c)
}

// invalidate tells the clients that may have a key.
func (s *Server) invalidate(key []byte, by *client) {
	ids := s.tracked.keys[string(key)]
	if ids == nil {
		return
	}
	delete(s.tracked.keys, string(key))
	s.tracked.items -= len(ids)
	keys := [][]byte{key}
	for id := range ids {
		if c := s.clients[id]; c != nil && c.track != nil && !c.track.bcast && (!c.track.noLoop || c != by) {
			s.tell(c, keys)
		}
	}
}

// invalidateAll tells all clients that whatever they have is no more.
func (s *Server) invalidateAll() {
	for _, c := range s.clients {
		if c.track != nil {
			s.tell(c, nil)
		}
	}
	s.tracked.keys, s.tracked.items = map[string]map[int64]struct{}{}, 0
}

// tell sends the keys that have changed to a client, or to the one that is told instead; nil = all keys.
func (s *Server) tell(c *client, keys [][]byte) {
	to := c
	if c.track.redirect != 0 {
		if to = s.clients[c.track.redirect]; to == nil {
			c.track.broken = true
			if c.out.Version() > 2 {
				c.push(func(w *resp.Writer) {
					w.Push(2)
					w.BulkString("tracking-redir-broken")
					w.Int(c.track.redirect)
				})
			}
			return
		}
	}
	switch {
	case to.out.Version() > 2:
		to.push(func(w *resp.Writer) {
			w.Push(2)
			w.BulkString("invalidate")
			writeKeys(w, keys)
		})
	case to != c && to.subscribed():
		to.push(func(w *resp.Writer) {
			w.Push(3)
			w.BulkString("message")
			w.BulkString("__redis__:invalidate")
			writeKeys(w, keys)
		})
	}
}

func writeKeys(w *resp.Writer, keys [][]byte) {
	if keys == nil {
		w.Null()
		return
	}
	w.Array(len(keys))
	for _, key := range keys {
		w.Bulk(key)
	}
}

// broadcast tells what has changed among the keys of prefixes since the last time.
func (s *Server) broadcast() {
	for _, p := range s.tracked.changed {
		names := slices.Sorted(maps.Keys(p.keys))
		for c := range p.clients {
			var keys [][]byte
			for _, name := range names {
				if !c.track.noLoop || p.keys[name] != c {
					keys = append(keys, []byte(name))
				}
			}
			if len(keys) > 0 {
				s.tell(c, keys)
			}
		}
		p.keys = map[string]*client{}
	}
	s.tracked.changed = s.tracked.changed[:0]
}
