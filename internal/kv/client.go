package kv

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	goruntime "runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
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
	conn        net.Conn
	in          *resp.Reader
	s           *engine.Session
	addr, laddr string
	raw         syscall.RawConn // for writes that do not wait; nil where the connection has none, as with TLS
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
	lim          resp.Limits // of in, from the next batch on
	buffered     int         // bytes of in, since the last batch
	held         int
	left         int64 // pending when it was looked at last, of a client that is closing
}

// output is what a client is to get.
type output struct {
	out       resp.Writer
	later     resp.Writer // messages that came while a command's answer is being written
	full      [][]byte    // buffers that go out before out, the oldest first
	fullBytes int         // in them
	spare     []byte      // the buffer that is not being filled
	room      sync.Cond   // the state of the output has changed
	doing     bool        // the client's own goroutine runs a command, and will send what there is
	running   bool        // a command of the client has begun, and its answer is not whole
	writing   bool        // a goroutine sends; it takes what is there when it is done
	scheduled bool        // a goroutine will send
	changed   bool        // there are answers about changes since own was found
	own       int64       // position behind the last change of the client's, or made for it
	told      int64       // of pending, in what all clients leave unread
	closing   bool        // after what is there was sent, the connection ends
	mute      muteMode    // CLIENT REPLY
	overSince int64       // more than the soft limit waits since then; 0 = no
}

// serve reads and answers until the connection ends.
func (c *client) serve() {
	defer c.end()
	defer func() {
		if r := recover(); r != nil {
			c.srv.log.Error("client closed: the server made a mistake with it", "client", c.addr, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
		}
	}()
	if !c.shake() {
		return
	}
	blocked := false
	for {
		goruntime.Gosched() // until it has its turn again more may have come, which need not be waited for then
		if err := c.in.Fill(); err != nil && !c.goesOn(err) {
			return
		}
		for more := true; more; {
			var closing bool
			if more, blocked, closing = c.batch(blocked); closing {
				return
			}
		}
	}
}

// goesOn says whether the client is served on after its read was cut short: one that Wake has roused is. Any other gets what
// it was answered so far, also one that has said that it will send nothing more: it may read on for long. Whose deadline it
// was is asked under the lock, where it was set: a second Wake must not be taken for the end.
func (c *client) goesOn(err error) bool {
	e := c.srv.engine
	roused := errors.Is(err, os.ErrDeadlineExceeded)
	if roused {
		e.Lock()
	} else {
		c.srv.lockLast()
	}
	if roused && !c.closing {
		_ = c.conn.SetReadDeadline(time.Time{})
		e.Unlock()
		return true
	}
	if c.s.Blocked() { // what it waits for must not be given to nobody
		e.Unlock()
		return false
	}
	c.closing = true
	c.flush(true)
	return false
}

// shake does TLS's handshake, which has to end in time.
func (c *client) shake() bool {
	t, ok := c.conn.(*tls.Conn)
	if !ok {
		return true
	}
	ctx, cancel := context.WithTimeout(c.srv.ctx, orDefault(c.srv.cfg.AuthTimeout, time.Minute))
	defer cancel()
	return t.HandshakeContext(ctx) == nil
}

// batch runs the commands that are whole, up to a bound of output and time, and sends the answers. There may be more, and
// the client may wait for a key after it, or may have done so before it. The first commands, which may be long, are taken
// apart before the lock is taken.
func (c *client) batch(waited bool) (more, waits, closing bool) {
	e := c.srv.engine
	if !waited && len(c.in.Ahead(batchAhead)) > 0 {
		e.Lock()
	} else { // nothing to run
		c.srv.lockLast()
	}
	locked := true
	defer func() {
		if locked { // a mistake of ours: it must cost this client, not all
			e.Unlock()
		}
	}()
	c.active, c.spent = e.Now(), 0
	begun := time.Now()
	c.srv.counts.reads++
	c.srv.counts.input += c.in.Came()
	for n := 0; !c.s.Blocked() && !c.closing; n++ {
		if n%batchAhead == 0 {
			if n > 0 && time.Since(begun) > batchTime { // commands that take no time by themselves
				more = true
				break
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
		if len(c.out.Buf) > batchOutput || c.spent > batchTime {
			more = true
			break
		}
	}
	if int64(c.in.Buffered()) > c.srv.set.queryBuffer {
		c.srv.log.Warn("client closed: it sent too much that is no whole command", "client", c.addr)
		c.kill()
	}
	c.srv.broadcast()
	locked = false
	waits, closing = c.flush(true)
	return more, waits, closing
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

// flush sends what there is. It is called under the lock, which it releases. The client's own goroutine waits until there
// is room for the answers of more commands, or until it may be closed.
func (c *client) flush(own bool) (waits, closing bool) {
	e := c.srv.engine
	for {
		if own || !c.doing { // within an answer there is no place for a message
			c.settle()
		}
		busy := c.writing || own && c.scheduled
		if busy {
			c.seal()
		}
		c.account()
		switch {
		case busy && own && (c.closing || c.pending() > c.mayLeave()):
			c.room.Wait()
			continue
		case busy, !own && c.doing: // who is busy goes on with it
		case c.has() && own && !c.closing: // one that is closing has nothing to read meanwhile
			c.offer(e)
			continue
		case c.has():
			c.write(e)
			continue
		case own && c.s.Blocked() && !c.closing && c.in.Buffered() > keepInput:
			c.room.Wait()
			continue
		}
		if own {
			c.buffered, c.held = c.in.Buffered(), c.in.Held()
			c.in.SetLimits(c.lim)
		}
		waits, closing = c.s.Blocked(), c.closing
		e.Unlock()
		return waits, closing
	}
}

// mayLeave is how much the client may leave unread and still be read from. A client that sends many commands before it
// reads an answer relies on that; many that never read must not fill the memory.
func (c *client) mayLeave() int64 {
	if c.srv.unread > allUnread {
		return batchOutput
	}
	return mostUnread
}

// account adds what the client leaves unread to what all do.
func (c *client) account() {
	n := c.pending()
	c.srv.unread += n - c.told
	c.told = n
}

// offer sends what the connection takes without waiting. The rest is left to a goroutine of its own, so that the client's
// goes on reading: there are clients that read no answer before they have sent all their commands.
func (c *client) offer(e *engine.Engine) {
	b, err := c.take(e)
	n := 0
	if err == nil && c.raw != nil {
		n, err = c.sendSome(b)
	}
	e.Lock()
	c.taken(b, n, err)
	if c.has() && !c.closing { // else flush goes on with it
		c.scheduled = true
		c.srv.wg.Go(c.deliver)
	}
}

// write sends the buffer, without the lock.
func (c *client) write(e *engine.Engine) {
	b, err := c.take(e)
	if err == nil {
		err = c.send(b)
	}
	e.Lock()
	c.taken(b, len(b), err)
}

// take takes the buffer that is the first to go out and waits until what it tells of is kept. It releases the lock.
func (c *client) take(e *engine.Engine) ([]byte, error) {
	b := c.next()
	c.writing = true
	c.unsent.Store(int64(len(b)))
	p := c.srv.keeper
	if p == nil {
		e.Unlock()
		return b, nil
	}
	position := p.Position()
	if c.changed {
		c.changed, c.own = false, position
	}
	own := c.own
	e.Unlock()
	err := p.Wait(position, own)
	if err != nil {
		c.srv.log.Warn("client closed: its answers tell of what could not be kept in time", "client", c.addr, "error", err.Error())
	}
	return b, err //nolint:wrapcheck // only whether there is one counts
}

// taken says that n bytes of a buffer were sent, under the lock again. What was not goes before what came meanwhile.
func (c *client) taken(b []byte, n int, err error) {
	c.writing = false
	c.unsent.Store(0)
	c.srv.counts.writes++
	c.srv.counts.output += int64(n)
	switch {
	case err != nil:
		c.kill() // its own goroutine may be reading
		c.drop()
	case n < len(b):
		c.back(b[n:])
	case cap(b) <= keepOutput:
		c.spare = b
	}
	if c.overSince != 0 && c.pending() <= c.limit().Soft {
		c.overSince = 0
	}
	c.room.Broadcast()
}

// sendSome writes what the connection takes at once.
func (c *client) sendSome(b []byte) (n int, err error) {
	werr := c.raw.Write(func(fd uintptr) bool {
		for n < len(b) && err == nil {
			var k int
			if k, err = syscall.Write(int(fd), b[n:]); k > 0 {
				n += k
			}
		}
		return true // never wait
	})
	switch {
	case werr != nil:
		return n, werr //nolint:wrapcheck // only whether there is one counts
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EINTR):
		return n, nil
	}
	return n, err
}

// send writes piece by piece, so that others see how much is left.
func (c *client) send(b []byte) error {
	for len(b) > 0 {
		n, err := c.conn.Write(b[:min(len(b), writePiece)])
		c.unsent.Add(int64(-n))
		if err != nil {
			return err //nolint:wrapcheck // only whether there is one counts
		}
		b = b[n:]
	}
	return nil
}

// end closes the connection.
func (c *client) end() {
	e := c.srv.engine
	c.srv.lockLast()
	c.closing = true
	c.room.Broadcast()
	c.srv.leave(c)
	e.Unlock()
	_ = c.conn.Close()
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
