package kv

import (
	"strconv"

	"github.com/wayside-edge/wayside/internal/kv/engine"
	"github.com/wayside-edge/wayside/internal/kv/resp"
)

func appendInt(b []byte, n int64) []byte { return strconv.AppendInt(b, n, 10) }

// confirm answers a subscription or its end. It is a message rather than an answer: CLIENT REPLY does not drop it.
func confirm(c *engine.Ctx, cl *client, word, name string, named bool, n int) {
	write := func(w engine.Reply) {
		w.Push(3)
		w.BulkString(word)
		if named {
			w.BulkString(name)
		} else {
			w.Null()
		}
		w.Int(int64(n))
	}
	if cl.mute == muteNone {
		write(c.Out)
		return
	}
	cl.push(func(w *resp.Writer) { write(w) })
}

// counted is how many subscriptions the confirmation of one kind counts.
func (c *client) counted(kind int) int {
	a, b, d := c.subs.count()
	if kind == shards {
		return d
	}
	return a + b
}

func (s *Server) subscribeTo(c *engine.Ctx, kind int, word string) {
	cl := caller(c)
	if cl == nil {
		return
	}
	for _, arg := range c.Args[1:] {
		s.subscribe(cl, kind, string(arg))
		confirm(c, cl, word, string(arg), true, cl.counted(kind))
	}
	cl.limits()
	cl.refree()
}

func (s *Server) unsubscribeFrom(c *engine.Ctx, kind int, word string) {
	cl := caller(c)
	if cl == nil {
		return
	}
	names := cl.subscriptions(kind)
	if len(c.Args) > 1 {
		names = nil
		for _, arg := range c.Args[1:] {
			names = append(names, string(arg))
		}
	}
	for _, name := range names {
		s.unsubscribe(cl, kind, name)
		confirm(c, cl, word, name, true, cl.counted(kind))
	}
	if len(names) == 0 {
		confirm(c, cl, word, "", false, cl.counted(kind))
	}
	cl.limits()
	cl.refree()
}

func (s *Server) subscribeCmd(c *engine.Ctx)    { s.subscribeTo(c, channels, "subscribe") }
func (s *Server) psubscribeCmd(c *engine.Ctx)   { s.subscribeTo(c, patterns, "psubscribe") }
func (s *Server) ssubscribeCmd(c *engine.Ctx)   { s.subscribeTo(c, shards, "ssubscribe") }
func (s *Server) unsubscribeCmd(c *engine.Ctx)  { s.unsubscribeFrom(c, channels, "unsubscribe") }
func (s *Server) punsubscribeCmd(c *engine.Ctx) { s.unsubscribeFrom(c, patterns, "punsubscribe") }
func (s *Server) sunsubscribeCmd(c *engine.Ctx) { s.unsubscribeFrom(c, shards, "sunsubscribe") }

func (s *Server) publishCmd(c *engine.Ctx)  { c.Out.Int(s.publish(c.Args[1], c.Args[2])) }
func (s *Server) spublishCmd(c *engine.Ctx) { c.Out.Int(s.publishShard(c.Args[1], c.Args[2])) }

// listChannels answers the names that somebody listens to and that match.
func (s *Server) listChannels(c *engine.Ctx, kind int) {
	if len(c.Args) > 3 {
		c.Fail(errSubcommand(c))
		return
	}
	mark, n := c.Out.Mark(), 0
	for name := range s.pubsub.by[kind] {
		if len(c.Args) == 2 || engine.Glob(c.Args[2], []byte(name)) {
			c.Out.BulkString(name)
			n++
		}
	}
	c.Out.ArrayAt(mark, n)
}

func (s *Server) countListeners(c *engine.Ctx, kind int) {
	c.Out.Array(2 * (len(c.Args) - 2))
	for _, name := range c.Args[2:] {
		c.Out.Bulk(name)
		c.Out.Int(int64(len(s.pubsub.by[kind][string(name)])))
	}
}

func (s *Server) pubsubChannelsCmd(c *engine.Ctx)      { s.listChannels(c, channels) }
func (s *Server) pubsubShardchannelsCmd(c *engine.Ctx) { s.listChannels(c, shards) }
func (s *Server) pubsubNumsubCmd(c *engine.Ctx)        { s.countListeners(c, channels) }
func (s *Server) pubsubShardnumsubCmd(c *engine.Ctx)   { s.countListeners(c, shards) }
func (s *Server) pubsubNumpatCmd(c *engine.Ctx)        { c.Out.Int(int64(len(s.pubsub.by[patterns]))) }
