package kv

import (
	"fmt"
	"time"

	"github.com/wayside-edge/wayside/internal/kv/engine"
)

const (
	slowArgs  = 32  // arguments that are kept of a slow command
	slowBytes = 128 // of each
)

// slowLog is the commands that took long, the newest last.
type slowLog struct {
	list []slowEntry
	next int64
}

type slowEntry struct {
	id   int64
	at   int64 // seconds of Unix time
	took time.Duration
	args []string
	addr string
	name string
}

func (l *slowLog) add(s *Server, c *client, cmd *engine.Command, args [][]byte, took time.Duration) {
	if s.set.slowMax <= 0 {
		return
	}
	e := slowEntry{id: l.next, at: s.engine.Now() / 1000, took: took, args: shortened(redacted(cmd, args))}
	if c != nil {
		e.addr, e.name = c.addr, c.name
	}
	l.next++
	l.list = append(l.list, e)
	l.trim(s.set.slowMax)
}

// trim drops the oldest.
func (l *slowLog) trim(most int) {
	if n := len(l.list) - most; n > 0 {
		clear(l.list[:n])
		l.list = l.list[n:]
	}
}

// shortened copies the arguments, as far as they are kept.
func shortened(args [][]byte) []string {
	n := min(len(args), slowArgs)
	out := make([]string, n)
	for i, arg := range args[:n] {
		switch {
		case i == slowArgs-1 && len(args) > slowArgs:
			out[i] = fmt.Sprintf("... (%d more arguments)", len(args)-slowArgs+1)
		case len(arg) > slowBytes:
			out[i] = fmt.Sprintf("%s... (%d more bytes)", arg[:slowBytes], len(arg)-slowBytes)
		default:
			out[i] = string(arg)
		}
	}
	return out
}

func (s *Server) slowlogGetCmd(c *engine.Ctx) {
	n := int64(10)
	if len(c.Args) > 3 {
		c.Fail(errSubcommand(c))
		return
	}
	if len(c.Args) == 3 {
		var ok bool
		if n, ok = engine.ParseInt(c.Args[2]); !ok || n < -1 {
			c.Fail("ERR count should be greater than or equal to -1")
			return
		}
	}
	list := s.slow.list
	if n < 0 || n > int64(len(list)) {
		n = int64(len(list))
	}
	c.Out.Array(int(n))
	for i := range int(n) {
		e := list[len(list)-1-i]
		c.Out.Array(6)
		c.Out.Int(e.id)
		c.Out.Int(e.at)
		c.Out.Int(e.took.Microseconds())
		c.Out.Array(len(e.args))
		for _, arg := range e.args {
			c.Out.BulkString(arg)
		}
		c.Out.BulkString(e.addr)
		c.Out.BulkString(e.name)
	}
}

func (s *Server) slowlogLenCmd(c *engine.Ctx) { c.Out.Int(int64(len(s.slow.list))) }

func (s *Server) slowlogResetCmd(c *engine.Ctx) {
	s.slow.list = nil
	c.OK()
}
