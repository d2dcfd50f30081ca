package kv

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/wayside-edge/wayside/internal/kv/engine"
	"github.com/wayside-edge/wayside/internal/kv/resp"
)

const (
	batchOutput = 256 << 10 // answers that are collected before they are sent, however many commands wait
	keepOutput  = 64 << 10  // a larger buffer is let go of
)

// client is one connection.
type client struct {
	srv  *Server
	conn net.Conn
	in   *resp.Reader
	s    *engine.Session

	// Guarded by the engine's lock.
	out     resp.Writer
	spare   []byte // the buffer that is not being filled
	writing bool   // a goroutine sends; it takes what is there when it is done
	closing bool   // after what is there was sent, the connection ends

	woken atomic.Bool
}

// serve reads and answers until the connection ends.
func (c *client) serve() {
	defer c.end()
	for {
		if err := c.in.Fill(); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) && c.woken.Swap(false) {
				_ = c.conn.SetReadDeadline(time.Time{})
			} else {
				return
			}
		}
		for c.batch() {
		}
		if c.closed() {
			return
		}
	}
}

// batch runs the commands that are whole, up to a bound of output, and sends the answers; true if there may be more.
func (c *client) batch() (more bool) {
	e := c.srv.engine
	e.Lock()
	for !c.s.Blocked() && !c.closing {
		args, err := c.in.Next()
		if err != nil {
			var broken *resp.ProtocolError
			if errors.As(err, &broken) {
				c.out.Error("ERR " + broken.Error())
				c.closing = true
			}
			break
		}
		e.Do(c.s, args, &c.out)
		if c.s.Broken {
			c.closing = true
		}
		if len(c.out.Buf) > batchOutput {
			more = true
			break
		}
	}
	c.flush(e)
	return more
}

// flush sends what there is. It is called under the lock, which it releases.
func (c *client) flush(e *engine.Engine) {
	if c.writing {
		e.Unlock()
		return
	}
	c.writing = true
	for len(c.out.Buf) > 0 {
		b := c.out.Buf
		c.out.Buf = c.spare[:0]
		c.spare = nil
		e.Unlock()
		_, err := c.conn.Write(b)
		e.Lock()
		if cap(b) <= keepOutput {
			c.spare = b
		}
		if err != nil {
			c.closing = true
			c.out.Buf = nil
		}
	}
	c.writing = false
	e.Unlock()
}

func (c *client) closed() bool {
	c.srv.engine.Lock()
	defer c.srv.engine.Unlock()
	return c.closing
}

func (c *client) end() {
	e := c.srv.engine
	e.Lock()
	e.Close(c.s)
	e.Unlock()
	_ = c.conn.Close()
}

// Allow implements engine.Peer.
func (c *client) Allow(*engine.Command, [][]byte) string { return "" }

// Reply implements engine.Peer.
func (c *client) Reply() engine.Reply { return &c.out }

// Wake implements engine.Peer: it cuts the read short in which the client waits.
func (c *client) Wake() {
	c.woken.Store(true)
	_ = c.conn.SetReadDeadline(time.Unix(1, 0))
}
