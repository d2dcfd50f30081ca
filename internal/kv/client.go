package kv

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/wayside-edge/wayside/internal/kv/engine"
	"github.com/wayside-edge/wayside/internal/kv/resp"
)

const (
	batchOutput = 256 << 10              // answers that are collected before they are sent, however many commands wait
	batchTime   = 500 * time.Microsecond // of commands, after which others have their turn
	batchAhead  = 16                     // commands that are prepared together
	keepOutput  = 64 << 10               // a larger buffer is let go of
	keepInput   = 64 << 10               // bytes that a client which waits for a key may have sent in advance
	writePiece  = 256 << 10              // bytes between two looks at how much went out
	mostUnread  = 64 << 20               // answers that a client may leave unread before it is read from no more
	allUnread   = 128 << 20              // of all clients together, from which on each has batchOutput only
)

// Networks that clients come over.
const (
	netTCP = iota
	netUnix
	netTLS
)

// client is one connection.
type client struct {
	srv         *Server
	link        link
	in          *resp.Reader // of whom serves it; nil = nothing has come that is not done
	s           *engine.Session
	addr, laddr string
	net         int
	unsent      atomic.Int64 // bytes of what is being written

	// The rest is guarded by the engine's lock.
	output
	identity
	born, active int64           // milliseconds of Unix time
	last         *engine.Command // that was looked at, one within a transaction too
	outer        *engine.Command // that the client sent
	spent        time.Duration   // of the commands of this batch
	subs         *subscriptions
	track        *tracking
	script       *engine.Command // that the client runs; nil = none
	scriptArgs   [][]byte
	monitor      bool
	noEvict      bool
	killed       bool        // the connection ends at once
	lim          resp.Limits // of in, from the next batch on
	buffered     int         // bytes of in, since the last batch
	held         int
	left         int64 // pending when it was looked at last, of a client that is closing
}

// link is who serves a connection: the loop, or a goroutine of its own. It is told under the engine's lock, and does not wait.
type link interface {
	// rouse says that the client waits no longer, or is closing.
	rouse()
	// cut says that nothing more is taken from the client or sent to it.
	cut()
	// deliver says that there are messages, and nothing that the client has sent is being answered.
	deliver()
	// ended says that the other side has ended the connection, where nobody reads from it at the moment and would see that.
	ended() bool
}

// output is what a client is to get.
type output struct {
	out       resp.Writer
	later     resp.Writer // messages that came while a command's answer is being written
	full      [][]byte    // buffers that go out before out, the oldest first
	fullBytes int         // in them
	spare     []byte      // the buffer that is not being filled
	doing     bool        // a command of the client is being run, and what there is will be sent after it
	running   bool        // a command of the client has begun, and its answer is not whole
	changed   bool        // there are answers about changes since own was found
	own       int64       // position behind the last change of the client's, or made for it
	told      int64       // of pending, in what all clients leave unread
	closing   bool        // after what is there was sent, the connection ends
	mute      muteMode    // CLIENT REPLY
	overSince int64       // more than the soft limit waits since then; 0 = no
}

// newClient makes a client that nobody knows yet.
func newClient(s *Server, net int, addr, laddr string) *client {
	return &client{srv: s, net: net, addr: addr, laddr: laddr}
}

// begin makes the client known.
func (c *client) begin(e *engine.Engine) {
	c.s = e.NewSession(c)
	c.born, c.active = e.Now(), e.Now()
	c.srv.clients[c.s.ID] = c
	c.resetUser()
	c.setVersion(2)
	c.limits()
}

// run runs the commands that are whole, up to a bound of output and time; there may be more. It is called under the lock.
func (c *client) run() (more bool) {
	c.spent = 0
	begun := time.Now()
	for n := 0; !c.s.Blocked() && !c.closing && !more; n++ {
		if n%batchAhead == 0 {
			if n > 0 && time.Since(begun) > batchTime { // commands that take no time by themselves
				return true
			}
			c.prepare()
		}
		args, err := c.in.Next()
		if err != nil {
			if broken, is := errors.AsType[*resp.ProtocolError](err); is {
				c.breach(broken)
			}
			break
		}
		c.do(args)
		more = len(c.out.Buf) > batchOutput || c.spent > batchTime
	}
	if int64(c.in.Buffered()) > c.srv.set.queryBuffer {
		c.srv.log.Warn("client closed: it sent too much that is no whole command", "client", c.addr)
		c.kill()
	}
	return more
}

// prepare has the processor fetch what the next commands look for.
func (c *client) prepare() {
	var keys [batchAhead]engine.Place
	n := 0
	for _, call := range c.in.Ahead(batchAhead) {
		if len(call.Args) > 1 && n < len(keys) {
			keys[n].Key = call.Args[1]
			if len(call.Args) > 2 {
				keys[n].Member = call.Args[2]
			}
			n++
		}
	}
	c.srv.engine.Warm(c.s, keys[:n])
}

// breach answers what is no command, after which nothing can be understood.
func (c *client) breach(err *resp.ProtocolError) {
	c.srv.engine.Stats().Errors++
	c.out.Error("ERR " + err.Error())
	c.closing = true
}

// do runs one command.
func (c *client) do(args [][]byte) {
	if forgery(args[0]) {
		c.srv.log.Warn("client closed: it speaks HTTP, which a browser may have been made to do", "client", c.addr)
		c.kill()
		return
	}
	e := c.srv.engine
	mute, mark := c.mute, c.out.Mark()
	c.doing, c.running, c.outer = true, false, nil
	before := c.srv.position()
	e.Do(c.s, args, &c.out)
	c.changed = c.changed || c.srv.position() != before
	c.doing, c.running = false, false
	if muted := mute == muteOff || mute == muteSkip; muted && (c.mute == mute || c.mute == muteNext) {
		c.out.Undo(mark)
	}
	switch {
	case c.mute == muteNext:
		c.mute = muteSkip
	case mute == muteSkip && c.mute == muteSkip:
		c.mute = muteNone
	}
	c.settle()
	if c.track != nil {
		c.track.commandEnded(c)
	}
	if c.s.Broken {
		c.closing = true
	}
	if c.out.Full {
		c.srv.log.Warn("client closed: an answer is larger than it may be", "client", c.addr)
		c.out.Buf = nil
		c.kill()
	}
	if n := c.s.QueuedBytes(); n > 0 && int64(n+c.in.Buffered()) > c.srv.set.queryBuffer {
		c.srv.log.Warn("client closed: its transaction is too large", "client", c.addr, "queued_bytes", n)
		c.kill()
	}
}

// forgery says that a word is what HTTP begins a line with: a browser that was made to send to this port.
func forgery(word []byte) bool {
	const post, host = "post", "host:"
	if len(word) != len(post) && len(word) != len(host) {
		return false
	}
	return equalFold(word, post) || equalFold(word, host)
}

// mayLeave is how much the client may leave unread and still be read from. A client that sends many commands before it
// reads an answer relies on that; many that never read must not fill the memory.
func (c *client) mayLeave() int64 {
	if c.srv.crowded {
		return batchOutput
	}
	return mostUnread
}

// account adds what the client leaves unread to what all do.
func (c *client) account() { c.tell(c.pending()) }

// tell is account of n bytes.
func (c *client) tell(n int64) {
	s := c.srv
	s.unread += n - c.told
	c.told = n
	switch {
	case s.unread > allUnread:
		s.crowded = true
	case s.crowded && s.unread <= allUnread/2:
		s.crowded = false
		for _, other := range s.clients { // who reads nothing before all was taken is not heard of again by itself
			if other.pending() > batchOutput {
				other.link.rouse()
			}
		}
	}
}

// leave forgets a client. It may be called again.
func (s *Server) leave(c *client) {
	if s.clients[c.s.ID] != c {
		return
	}
	c.drop()
	c.later.Buf = nil
	c.account()
	s.unsubscribeAll(c)
	s.trackingOff(c)
	delete(s.monitors, c)
	s.engine.Close(c.s)
	delete(s.clients, c.s.ID)
}
