package kv

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/wayside-edge/wayside/internal/kv/engine"
)

// flags is what the client is, as CLIENT LIST has it.
func (c *client) flags() string {
	var b strings.Builder
	add := func(letter byte, is bool) {
		if is {
			b.WriteByte(letter)
		}
	}
	_, multi := c.s.InMulti()
	add('O', c.monitor)
	add('P', c.subscribed())
	add('x', multi)
	add('b', c.s.Blocked())
	if c.track != nil {
		add('t', true)
		add('R', c.track.broken)
		add('B', c.track.bcast)
	}
	add('d', c.s.Stale())
	add('c', c.closing)
	add('U', c.net == netUnix)
	add('e', c.noEvict)
	if b.Len() == 0 {
		return "N"
	}
	return b.String()
}

// line is the client's line of CLIENT LIST.
func (c *client) line(now int64) string {
	channels, patterns, shards := c.subs.count()
	queued, _ := c.s.InMulti()
	user, redirect, last := "(superuser)", int64(-1), "NULL"
	if c.user != nil {
		user = c.user.name
	}
	if c.track != nil {
		redirect = c.track.redirect
	}
	if c.last != nil {
		last = c.last.FullName()
	}
	events := "r"
	if c.unsent.Load() > 0 {
		events = "rw"
	}
	waiting, held := c.waiting(), c.held
	buffered, taken := c.buffered, 0
	if c.doing { // it is the own goroutine that asks
		taken, held = c.in.Taken(), c.in.Held()
		buffered = c.in.Buffered() + taken
	}
	return fmt.Sprintf("id=%d addr=%s laddr=%s fd=%d name=%s age=%d idle=%d flags=%s db=%d sub=%d psub=%d ssub=%d multi=%d "+
		"qbuf=%d qbuf-free=%d argv-mem=%d multi-mem=%d rbs=%d rbp=%d obl=%d oll=%d omem=%d tot-mem=%d events=%s cmd=%s user=%s redir=%d resp=%d"+
		" lib-name=%s lib-ver=%s\n",
		c.s.ID, c.addr, c.laddr, c.s.ID, c.name, (now-c.born)/1000, (now-c.active)/1000, c.flags(), c.s.DB(), channels, patterns, shards, queued,
		buffered, max(held-buffered, 0), taken, c.s.QueuedBytes(), cap(c.out.Buf)+cap(c.spare), waiting, waiting, min(c.unsent.Load(), 1), c.pending(),
		int64(held+c.s.QueuedBytes())+c.memory(), events, last, user, redirect, c.out.Version(),
		c.libName, c.libVer)
}

// sorted gives all clients in the order they came.
func (s *Server) sorted() []*client {
	list := make([]*client, 0, len(s.clients))
	for _, id := range slices.Sorted(maps.Keys(s.clients)) {
		list = append(list, s.clients[id])
	}
	return list
}

// class is the type that CLIENT LIST and CLIENT KILL know.
func (c *client) class() string {
	if c.subscribed() {
		return "pubsub"
	}
	return "normal"
}

// classOf checks the name of a class; false after an error was answered.
func classOf(c *engine.Ctx, word []byte) (string, bool) {
	name := strings.ToLower(string(word))
	switch name {
	case "normal", "pubsub", "master":
		return name, true
	case "replica", "slave":
		return "replica", true
	}
	c.Fail(fmt.Sprintf("ERR Unknown client type '%.128s'", word))
	return "", false
}

func (s *Server) clientListCmd(c *engine.Ctx) {
	var list []*client
	switch {
	case len(c.Args) == 2:
		list = s.sorted()
	case len(c.Args) == 4 && c.Is(2, "type"):
		class, ok := classOf(c, c.Args[3])
		if !ok {
			return
		}
		list = slices.DeleteFunc(s.sorted(), func(cl *client) bool { return cl.class() != class })
	case len(c.Args) > 3 && c.Is(2, "id"):
		for _, arg := range c.Args[3:] {
			id, ok := engine.ParseInt(arg)
			if !ok {
				c.Fail("ERR Invalid client ID")
				return
			}
			if cl := s.clients[id]; cl != nil {
				list = append(list, cl)
			}
		}
	default:
		c.Fail(errSyntax)
		return
	}
	var b strings.Builder
	for _, cl := range list {
		b.WriteString(cl.line(c.E.Now()))
	}
	c.Out.Verbatim("txt", b.String())
}

func (s *Server) clientInfoCmd(c *engine.Ctx) {
	if cl := caller(c); cl != nil {
		c.Out.Verbatim("txt", cl.line(c.E.Now()))
	}
}
