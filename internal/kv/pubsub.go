package kv

import (
	"maps"
	"slices"

	"github.com/wayside-edge/wayside/internal/kv/engine"
	"github.com/wayside-edge/wayside/internal/kv/resp"
)

// Kinds of subscriptions.
const (
	channels = iota
	patterns
	shards
	subKinds
)

// hub is who listens to what: for each kind the listeners by name.
type hub struct {
	by [subKinds]map[string]map[*client]struct{}
}

func newHub() hub {
	h := hub{}
	for i := range h.by {
		h.by[i] = map[string]map[*client]struct{}{}
	}
	return h
}

// subscriptions are what one client listens to.
type subscriptions [subKinds]map[string]struct{}

func (s *subscriptions) count() (ofChannels, ofPatterns, ofShards int) {
	if s == nil {
		return 0, 0, 0
	}
	return len(s[channels]), len(s[patterns]), len(s[shards])
}

// subscribed says that the client listens to something.
func (c *client) subscribed() bool { return c.subs != nil }

// subscribe adds a subscription.
func (s *Server) subscribe(c *client, kind int, name string) {
	if c.subs == nil {
		c.subs = &subscriptions{}
	}
	if c.subs[kind] == nil {
		c.subs[kind] = map[string]struct{}{}
	}
	if _, has := c.subs[kind][name]; has {
		return
	}
	c.subs[kind][name] = struct{}{}
	listeners := s.pubsub.by[kind][name]
	if listeners == nil {
		listeners = map[*client]struct{}{}
		s.pubsub.by[kind][name] = listeners
	}
	listeners[c] = struct{}{}
}

// unsubscribe ends a subscription, if there is one.
func (s *Server) unsubscribe(c *client, kind int, name string) {
	if c.subs == nil {
		return
	}
	if _, has := c.subs[kind][name]; !has {
		return
	}
	delete(c.subs[kind], name)
	listeners := s.pubsub.by[kind][name]
	delete(listeners, c)
	if len(listeners) == 0 {
		delete(s.pubsub.by[kind], name)
	}
	if a, b, d := c.subs.count(); a+b+d == 0 {
		c.subs = nil
	}
}

// unsubscribeAll ends all subscriptions without a word.
func (s *Server) unsubscribeAll(c *client) {
	for kind := range subKinds {
		for _, name := range c.subscriptions(kind) {
			s.unsubscribe(c, kind, name)
		}
	}
}

// subscriptions gives the names of one kind, in order.
func (c *client) subscriptions(kind int) []string {
	if c.subs == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(c.subs[kind]))
}

// publish sends a message to whoever listens to a channel, and counts them.
func (s *Server) publish(channel, message []byte) (n int64) {
	for c := range s.pubsub.by[channels][string(channel)] {
		c.push(func(w *resp.Writer) { writeMessage(w, "message", channel, message) })
		n++
	}
	for pattern, listeners := range s.pubsub.by[patterns] {
		if !engine.Glob([]byte(pattern), channel) {
			continue
		}
		for c := range listeners {
			c.push(func(w *resp.Writer) {
				w.Push(4)
				w.BulkString("pmessage")
				w.BulkString(pattern)
				w.Bulk(channel)
				w.Bulk(message)
			})
			n++
		}
	}
	return n
}

// publishShard is publish for shard channels, which have no patterns.
func (s *Server) publishShard(channel, message []byte) (n int64) {
	for c := range s.pubsub.by[shards][string(channel)] {
		c.push(func(w *resp.Writer) { writeMessage(w, "smessage", channel, message) })
		n++
	}
	return n
}

func writeMessage(w *resp.Writer, word string, channel, message []byte) {
	w.Push(3)
	w.BulkString(word)
	w.Bulk(channel)
	w.Bulk(message)
}

// keyEvent publishes what happened to a key.
func (s *Server) keyEvent(_ byte, event string, db int, key []byte) {
	if len(s.pubsub.by[channels]) == 0 && len(s.pubsub.by[patterns]) == 0 {
		return
	}
	byKey, byEvent := s.engine.NotifyKinds()
	prefix := func(kind string) []byte {
		return append(appendInt([]byte("__"+kind+"@"), int64(db)), "__:"...)
	}
	if byKey {
		s.publish(append(prefix("keyspace"), key...), []byte(event))
	}
	if byEvent {
		s.publish(append(prefix("keyevent"), event...), key)
	}
}
