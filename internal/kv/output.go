package kv

import (
	"slices"

	"github.com/wayside-edge/wayside/internal/kv/engine"
	"github.com/wayside-edge/wayside/internal/kv/resp"
)

// muteMode is what CLIENT REPLY has asked for.
type muteMode uint8

const (
	muteNone muteMode = iota
	muteOff           // no command is answered
	muteNext          // the next one is not
	muteSkip          // this one is not
)

// push gives the client a message that answers no command: write writes it. While a command of the client runs, its answer
// comes first.
func (c *client) push(write func(w *resp.Writer)) {
	if c.closing {
		return
	}
	w := &c.out
	if c.running || c.s.Blocked() || len(c.later.Buf) > 0 {
		w = &c.later
	}
	write(w)
	if !c.within() {
		c.srv.log.Warn("client closed: it does not read what it gets", "client", c.addr, "waiting_bytes", c.pending())
		c.kill()
		return
	}
	if !c.doing {
		c.link.deliver()
	}
}

// settle puts messages behind the answers.
func (c *client) settle() {
	if len(c.later.Buf) == 0 {
		return
	}
	if c.out.Buf == nil {
		c.out.Buf = c.later.Buf
		c.later.Buf = nil
		return
	}
	c.out.Buf = append(c.out.Buf, c.later.Buf...)
	if c.later.Buf = c.later.Buf[:0]; cap(c.later.Buf) > keepOutput {
		c.later.Buf = nil
	}
}

// has says that there is something to send.
func (c *client) has() bool { return len(c.out.Buf) > 0 || len(c.full) > 0 }

// seal has a buffer that is large wait for its turn as it is, and another be filled. One that grew on, while the client does
// not read, would be copied each time to one of twice the size, under the lock. A command that runs knows places in its buffer.
func (c *client) seal() {
	if c.doing || len(c.out.Buf) < batchOutput {
		return
	}
	c.full = append(c.full, c.out.Buf)
	c.fullBytes += len(c.out.Buf)
	c.out.Buf = nil
	c.limits()
}

// next takes the buffer away that goes out first.
func (c *client) next() []byte {
	if len(c.full) == 0 {
		b := c.out.Buf
		c.out.Buf, c.spare = c.spare[:0], nil
		return b
	}
	b := c.full[0]
	if c.full = slices.Delete(c.full, 0, 1); len(c.full) == 0 {
		c.full = nil
	}
	c.fullBytes -= len(b)
	c.limits()
	return b
}

// back puts the rest of a buffer to where it was.
func (c *client) back(b []byte) {
	c.full = slices.Insert(c.full, 0, b)
	c.fullBytes += len(b)
	c.limits()
}

// drop forgets what there is. A command that runs knows places in its buffer: that one goes where its connection ends.
func (c *client) drop() {
	c.full, c.fullBytes = nil, 0
	if !c.doing {
		c.out.Buf = nil
	}
}

// pending is how many bytes wait for the client to read.
func (c *client) pending() int64 {
	return c.unsent.Load() + c.waiting()
}

// waiting is pending without what is being written.
func (c *client) waiting() int64 { return int64(c.fullBytes + len(c.out.Buf) + len(c.later.Buf)) }

// memory is what the buffers take.
func (c *client) memory() int64 {
	return c.unsent.Load() + int64(c.fullBytes+cap(c.out.Buf)+cap(c.spare)+cap(c.later.Buf))
}

// limit is the bound of the client's class: who gets messages, and who asks for answers.
func (c *client) limit() OutputLimit {
	if c.subscribed() || c.monitor {
		return c.srv.set.outputPubSub
	}
	return c.srv.set.outputNormal
}

// within says whether the client keeps its bound. It may be over the soft one for a while.
func (c *client) within() bool {
	l, n := c.limit(), c.pending()
	if c.out.Full || l.Hard > 0 && n > l.Hard {
		return false
	}
	if l.Soft <= 0 || n <= l.Soft {
		c.overSince = 0
		return true
	}
	now := c.srv.engine.Now()
	if c.overSince == 0 {
		c.overSince = now
	}
	return now-c.overSince <= l.For.Milliseconds()
}

// limits bounds what one answer may be, after the class of the client, its bound or what waits before it has changed.
func (c *client) limits() {
	if c.out.Max = int(c.limit().Hard); c.out.Max > 0 {
		c.out.Max = max(c.out.Max-c.fullBytes, 1)
	}
}

// finish ends the connection when what runs is done and its answers are sent.
func (c *client) finish() {
	c.closing = true
	c.link.rouse()
}

// kill ends the connection now.
func (c *client) kill() {
	c.closing, c.killed = true, true
	c.later.Buf = nil
	c.link.cut()
}

// Reply implements engine.Peer.
func (c *client) Reply() engine.Reply {
	if c.mute == muteOff {
		return engine.Discard
	}
	return &c.out
}

// Wake implements engine.Peer: the client is served on. What it is answered may tell of a change that another has made for it.
func (c *client) Wake() {
	c.running, c.changed = false, true
	c.link.rouse()
}

// setVersion changes the version of the protocol.
func (c *client) setVersion(v int) {
	c.out.SetVersion(v)
	c.later.SetVersion(v)
}

// Unread is how many bytes of answers and messages wait for clients to read them.
func (s *Server) Unread() int64 {
	s.engine.Lock()
	defer s.engine.Unlock()
	return s.unread
}

// tells gives the positions that have to be kept before what the client is answered goes out: of all changes, and of those
// that the answers are about.
func (c *client) tells() (position, own int64) {
	position = c.srv.position()
	if c.changed {
		c.changed, c.own = false, position
	}
	return position, c.own
}

// took says that the client has taken something.
func (c *client) took() {
	if c.overSince != 0 && c.pending() <= c.limit().Soft {
		c.overSince = 0
	}
}
