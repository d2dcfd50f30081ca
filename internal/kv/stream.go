package kv

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	goruntime "runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wayside-edge/wayside/internal/kv/engine"
	"github.com/wayside-edge/wayside/internal/kv/resp"
)

// stream serves an encrypted connection, by a goroutine of its own: TLS has its own idea of what a read and a write are,
// and they wait.
type stream struct {
	*client
	conn *tls.Conn

	// The rest is guarded by the engine's lock.
	room      sync.Cond // the state of the output has changed
	writing   bool      // a goroutine sends; it takes what is there when it is done
	scheduled bool      // a goroutine will send
	stuffed   bool      // it is not read from, as much has come while it waits for a key
}

// welcome begins to serve an encrypted connection, unless there are too many.
func (s *Server) welcome(conn *tls.Conn) {
	c := newClient(s, netTLS, conn.RemoteAddr().String(), conn.LocalAddr().String())
	t := &stream{client: c, conn: conn}
	c.link, c.in = t, resp.NewReader(conn, resp.Full)
	e := s.engine
	e.Lock()
	if !s.admits() {
		e.Unlock()
		_ = conn.Close() // to be told why it would have to shake hands first
		return
	}
	t.room.L = lockOf{e}
	c.begin(e)
	c.in.SetLimits(c.lim)
	s.wg.Go(t.serve)
	every := s.set.keepAlive
	e.Unlock()
	probe(conn.NetConn(), every)
}

// rouse implements link: it cuts the read short in which the goroutine waits.
func (t *stream) rouse() {
	_ = t.conn.SetReadDeadline(time.Unix(1, 0))
	t.room.Broadcast()
}

// cut implements link.
func (t *stream) cut() {
	_ = t.conn.SetDeadline(time.Unix(1, 0))
	t.room.Broadcast()
}

// ended implements link.
func (t *stream) ended() bool {
	conn, ok := t.conn.NetConn().(syscall.Conn)
	if !t.stuffed || !ok {
		return false
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return true
	}
	over := false
	err = raw.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, err := unix.Poll(fds, 0)
		over = err == nil && n > 0
	})
	return err != nil || over
}

// deliver implements link.
func (t *stream) deliver() {
	if t.writing || t.scheduled {
		t.seal()
		return
	}
	t.schedule()
}

// schedule has a goroutine of its own send what there is, so that the client's goes on reading: there are clients that read
// no answer before they have sent all their commands.
func (t *stream) schedule() {
	t.scheduled = true
	t.srv.wg.Go(func() {
		t.srv.engine.Lock()
		t.scheduled = false
		t.room.Broadcast() // the client's own goroutine may wait for this one, which may find nothing left to send
		t.flush(false)
	})
}

// serve reads and answers until the connection ends.
func (t *stream) serve() {
	defer t.end()
	defer func() {
		if r := recover(); r != nil {
			t.srv.mistake(t.client, r)
		}
	}()
	if !t.shake() {
		return
	}
	blocked := false
	for {
		goruntime.Gosched() // until it has its turn again more may have come, which need not be waited for then
		if err := t.in.Fill(); err != nil && !t.goesOn(err) {
			return
		}
		for more := true; more; {
			var closing bool
			if more, blocked, closing = t.batch(blocked); closing {
				return
			}
		}
	}
}

// mistake tells of a panic that costs a client its connection.
func (s *Server) mistake(c *client, r any) {
	s.log.Error("client closed: the server made a mistake with it", "client", c.addr, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
}

// shake does TLS's handshake, which has to end in time.
func (t *stream) shake() bool {
	ctx, cancel := context.WithTimeout(t.srv.ctx, orDefault(t.srv.cfg.AuthTimeout, time.Minute))
	defer cancel()
	return t.conn.HandshakeContext(ctx) == nil
}

// goesOn says whether the client is served on after its read was cut short: one that Wake has roused is. Any other gets what
// it was answered so far, also one that has said that it will send nothing more: it may read on for long. Whose deadline it
// was is asked under the lock, where it was set: a second Wake must not be taken for the end.
func (t *stream) goesOn(err error) bool {
	e := t.srv.engine
	roused := errors.Is(err, os.ErrDeadlineExceeded)
	if roused {
		e.Lock()
	} else {
		t.srv.lockLast()
	}
	if roused && !t.closing {
		_ = t.conn.SetReadDeadline(time.Time{})
		e.Unlock()
		return true
	}
	if t.s.Blocked() { // what it waits for must not be given to nobody
		e.Unlock()
		return false
	}
	t.closing = true
	t.flush(true)
	return false
}

// batch runs commands and sends their answers. The client may wait for a key after it, or may have done so before it. The
// first commands, which may be long, are taken apart before the lock is taken.
func (t *stream) batch(waited bool) (more, waits, closing bool) {
	e := t.srv.engine
	if !waited && len(t.in.Ahead(batchAhead)) > 0 {
		e.Lock()
	} else { // nothing to run
		t.srv.lockLast()
	}
	locked := true
	defer func() {
		if locked { // a mistake of ours: it must cost this client, not all
			e.Unlock()
		}
	}()
	t.active = e.Now()
	t.srv.counts.reads++
	t.srv.counts.input += t.in.Came()
	more = t.run()
	t.srv.broadcast()
	locked = false
	waits, closing = t.flush(true)
	return more, waits, closing
}

// flush sends what there is. It is called under the lock, which it releases. The client's own goroutine waits until there
// is room for the answers of more commands, or until it may be closed.
func (t *stream) flush(own bool) (waits, closing bool) {
	e := t.srv.engine
	for {
		if own || !t.doing { // within an answer there is no place for a message
			t.settle()
		}
		busy := t.writing || own && t.scheduled
		if busy {
			t.seal()
		}
		t.account()
		switch {
		case busy && own && (t.closing || t.pending() > t.mayLeave()):
			t.room.Wait()
			continue
		case busy, !own && t.doing && len(t.full) == 0: // who is busy goes on with it
		case t.has() && own && !t.closing: // one that is closing has nothing to read meanwhile
			t.schedule()
			continue
		case t.has():
			t.write(e)
			continue
		case own && t.s.Blocked() && !t.closing && t.in.Buffered() > keepInput:
			t.stuffed = true
			t.room.Wait()
			t.stuffed = false
			continue
		}
		if own {
			t.buffered, t.held = t.in.Buffered(), t.in.Held()
			t.in.SetLimits(t.lim)
		}
		waits, closing = t.s.Blocked(), t.closing
		e.Unlock()
		return waits, closing
	}
}

// write sends the buffer that is the first to go out, when what it tells of is kept. It does so without the lock.
func (t *stream) write(e *engine.Engine) {
	b := t.next()
	t.writing = true
	t.unsent.Store(int64(len(b)))
	position, own := t.tells()
	e.Unlock()
	err := t.srv.waitKept(position, own)
	if err != nil {
		t.srv.notKept(t.client, err)
	} else {
		err = t.send(b)
	}
	e.Lock()
	t.taken(b, err)
}

// taken says that a buffer was sent, under the lock again.
func (t *stream) taken(b []byte, err error) {
	t.writing = false
	t.unsent.Store(0)
	t.srv.writes.Add(1)
	if err != nil {
		t.kill() // its own goroutine may be reading
		t.drop()
	} else {
		t.srv.sent.Add(int64(len(b)))
		if cap(b) <= keepOutput {
			t.spare = b
		}
	}
	t.took()
	t.room.Broadcast()
}

// send writes piece by piece, so that others see how much is left.
func (t *stream) send(b []byte) error {
	for len(b) > 0 {
		n, err := t.conn.Write(b[:min(len(b), writePiece)])
		t.unsent.Add(int64(-n))
		if err != nil {
			return err //nolint:wrapcheck // only whether there is one counts
		}
		b = b[n:]
	}
	return nil
}

// end closes the connection.
func (t *stream) end() {
	e := t.srv.engine
	t.srv.lockLast()
	t.closing = true
	t.room.Broadcast()
	t.srv.leave(t.client)
	e.Unlock()
	_ = t.conn.Close()
}

// lockOf makes the engine's lock a sync.Locker whose time is that of the moment it was taken.
type lockOf struct{ e *engine.Engine }

func (l lockOf) Lock()   { l.e.Lock() }
func (l lockOf) Unlock() { l.e.Unlock() }
