package kv

import (
	"errors"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wayside-edge/wayside/internal/kv/resp"
)

// mostSent is how much one connection is sent before the others have their turn.
const mostSent = 256 << 10

// socket is a connection that is not encrypted. The loop serves it.
type socket struct {
	*client
	loop *loop
	fd   int

	roused bool // it is in loop.roused; guarded by the engine's lock

	// The rest is the loop's own.
	queued  bool        // it waits for its turn
	gone    bool        // it was closed
	ready   bool        // there may be something to read
	ending  bool        // the other side has ended its half, or all: reads go on until they say so
	hungUp  bool        // nothing can be sent any more either
	eof     bool        // all was read that will ever come
	broken  bool        // it cannot be written to, or must not be
	look    bool        // something is to be done for it, beside what it sends
	more    bool        // commands are there that did not run
	shut    bool        // it is not read from for now
	stuffed bool        // because much has come while it waits for a key
	closed  bool        // it ends when all is sent
	again   bool        // it had its turn while its own command ran
	stuck   bool        // it takes no more now
	armed   bool        // it will be told of when it does
	owes    bool        // what it leaves unread was counted
	bounds  resp.Limits // of what comes next
	lent    bool        // in is one of the loop's, and kept beyond a turn
	small   bool        // in is a small one
	sending []byte
	sent    int  // of them
	behind  bool // there is more behind what is being sent
	awaits  bool // what is being sent waits for wants
	wants   wants
}

// wants is what has to be kept before a client's answers may go out.
type wants struct {
	position, own int64
	since         time.Time
}

var errAgain = errors.New("nothing has come")

// Read implements io.Reader: it does not wait.
func (p *socket) Read(b []byte) (int, error) {
	for {
		n, err := unix.Read(p.fd, b)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			p.ready = false
			return 0, errAgain
		case err != nil:
			return 0, err //nolint:wrapcheck // only whether there is one counts
		case n == 0:
			return 0, io.EOF
		}
		if n < len(b) && !p.ending { // there was no more; what comes later is told of
			p.ready = false
		}
		return n, nil
	}
}

// receive reads once.
func (p *socket) receive() (came bool) {
	if p.in == nil {
		p.in = p.loop.reader(p)
	}
	err := p.in.Fill()
	if err == nil {
		return true
	}
	if !errors.Is(err, errAgain) {
		p.eof, p.ready = true, false
	}
	return p.eof
}

// send writes what the connection takes at once, up to a bound; true if that was anything.
func (p *socket) send() bool {
	from := p.sent
	p.stuck = false
	for p.sent < len(p.sending) && p.sent-from < mostSent && !p.broken {
		n, err := unix.SendmsgN(p.fd, p.sending[p.sent:min(len(p.sending), p.sent+writePiece)], nil, nil, unix.MSG_NOSIGNAL)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			p.stuck = true
			p.arm(true)
			p.count(p.sent - from)
			return p.sent > from || p.broken
		case err != nil:
			p.broken = true
		default:
			p.sent += n
			p.unsent.Add(int64(-n))
		}
	}
	p.count(p.sent - from)
	if p.sent == len(p.sending) {
		p.arm(false)
		p.loop.keepBuffer(p.sending)
		p.sending, p.sent = nil, 0
	}
	return p.sent != from || p.sending == nil || p.broken
}

func (p *socket) count(n int) {
	p.srv.sent.Add(int64(n))
	p.srv.writes.Add(1)
}

// arm has the loop told when the connection takes more, or no longer.
func (p *socket) arm(on bool) {
	if p.armed == on {
		return
	}
	p.armed = on
	if err := p.loop.poll.connection(unix.EPOLL_CTL_MOD, p.fd, on); err != nil {
		p.broken = true
	}
}

// rouse implements link.
func (p *socket) rouse() {
	if p.roused {
		return
	}
	p.roused = true
	p.loop.roused = append(p.loop.roused, p)
	p.loop.poke(&p.loop.called)
}

// cut implements link.
func (p *socket) cut() { p.rouse() }

// ended implements link: the loop is told of it.
func (p *socket) ended() bool { return false }

// deliver implements link.
func (p *socket) deliver() {
	p.seal()
	p.rouse()
}
