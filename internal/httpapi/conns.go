package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
)

const (
	// minProgress is how much a client has to send, or to take, within its patience to count as slow and not as gone.
	minProgress = 1 << 10
	// sendChunk is how much of a file is handed to the kernel before the deadline is looked at again.
	sendChunk = 4 << 20
	// lingerers is how many connections that were turned away may be read on at once, so that their clients see why.
	lingerers  = 64
	lingerTime = time.Second
	lingerMost = 64 << 10
)

// listener bounds how many connections there are, and gives each the rule that an answer which nobody takes ends.
type listener struct {
	net.Listener
	most     int64
	patience time.Duration
	refuser  refuser
	silent   bool // one too many is told nothing: it could not read it
	metrics  bool // its requests get the metrics and nothing else

	open      atomic.Int64
	away      atomic.Int64 // turned away, since the start
	lingering chan struct{}
	joined    sync.WaitGroup // those that linger
}

func newListener(l net.Listener, most int, patience time.Duration, refuser refuser) *listener {
	return &listener{Listener: l, most: int64(most), patience: patience, refuser: refuser, lingering: make(chan struct{}, lingerers)}
}

type connKey struct{}

// connContext makes a connection known to its requests.
func connContext(ctx context.Context, c net.Conn) context.Context {
	if over, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = over.NetConn()
	}
	return context.WithValue(ctx, connKey{}, c)
}

// unused are the connections on which nothing has come yet. Browsers make them ahead; net/http would wait five seconds for
// them when it stops.
type unused struct {
	mu    sync.Mutex // guards conns
	conns map[net.Conn]struct{}
}

// close closes them.
func (u *unused) close() {
	u.mu.Lock()
	conns := slices.Collect(maps.Keys(u.conns))
	u.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
	}
}

// connState notes which connections are unused, and that one waits for its next request.
func (s *Server) connState(c net.Conn, st http.ConnState) {
	if own, ok := c.(*conn); ok && st == http.StateIdle {
		own.busy.Store(false)
	}
	s.unused.mu.Lock()
	defer s.unused.mu.Unlock()
	if st == http.StateNew {
		s.unused.conns[c] = struct{}{}
	} else {
		delete(s.unused.conns, c)
	}
}

// taken notes that a request has reached its handler: what is written from now on is an answer of ours.
func taken(ctx context.Context) {
	if c, ok := ctx.Value(connKey{}).(*conn); ok {
		c.busy.Store(true)
	}
}

// Accept gives the next connection that there is room for. The others are told and closed.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err //nolint:wrapcheck // net/http looks for what it is
		}
		if l.open.Add(1) > l.most {
			l.open.Add(-1)
			l.away.Add(1)
			l.turnAway(c)
			continue
		}
		tcp, ok := c.(*net.TCPConn)
		if !ok {
			l.open.Add(-1)
			return nil, errors.Join(fmt.Errorf("accept: a connection of type %T", c), c.Close())
		}
		return &conn{TCPConn: tcp, patience: l.patience, refuser: &l.refuser, metrics: l.metrics, closed: sync.OnceFunc(func() { l.open.Add(-1) })}, nil
	}
}

// crowded reports whether connections are so many that none should be kept without need.
func (l *listener) crowded() bool { return l.open.Load() > l.most-l.most/4 }

// turnAway tells a client that there are too many. It never waits: the answer fits into the buffer of a new connection.
func (l *listener) turnAway(c net.Conn) {
	if l.silent {
		_ = c.Close()
		return
	}
	_ = c.SetDeadline(time.Now().Add(lingerTime))
	_, err := c.Write(l.refuser.answer(c.RemoteAddr(), errcode.New(errcode.Unavailable, "there are too many connections")))
	tcp, ok := c.(*net.TCPConn)
	if err != nil || !ok || tcp.CloseWrite() != nil {
		_ = c.Close()
		return
	}
	select {
	case l.lingering <- struct{}{}:
	default: // too many of those too
		_ = c.Close()
		return
	}
	// A connection that is closed with its request unread is reset, and the client would not see the answer.
	l.joined.Go(func() {
		defer func() { <-l.lingering }()
		_, _ = io.CopyN(io.Discard, tcp, lingerMost)
		_ = tcp.Close()
	})
}

// Close ends accepting, and waits for those that were turned away last.
func (l *listener) Close() error {
	err := l.Listener.Close()
	l.joined.Wait()
	return err //nolint:wrapcheck // net/http's own
}

// conn gives every write its time: as long as the client takes something of an answer, however slowly, it goes on; when
// it takes nothing the connection ends, and with it the handler. Whoever sets a deadline of writing himself is left to it.
type conn struct {
	*net.TCPConn
	patience time.Duration
	refuser  *refuser
	metrics  bool // see listener
	closed   func()
	set      atomic.Int64 // when the deadline was last moved, in nanoseconds
	own      atomic.Bool  // somebody else sets the deadlines
	busy     atomic.Bool  // a request has reached its handler; else what is written is net/http's own refusal
}

// Close ends the connection and makes room for another.
func (c *conn) Close() error {
	c.closed()
	return c.TCPConn.Close() //nolint:wrapcheck // a connection's own errors
}

// SetDeadline sets the deadline of reading and writing.
func (c *conn) SetDeadline(t time.Time) error {
	c.own.Store(!t.IsZero())
	c.set.Store(0)
	return c.TCPConn.SetDeadline(t) //nolint:wrapcheck // a connection's own errors
}

// SetWriteDeadline sets the deadline of writing.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.own.Store(!t.IsZero())
	c.set.Store(0)
	return c.TCPConn.SetWriteDeadline(t) //nolint:wrapcheck // a connection's own errors
}

// extend gives the client its time anew. Moving a deadline costs a little, so it is not done for every write.
func (c *conn) extend(now time.Time) {
	if at := now.UnixNano(); !c.own.Load() && at-c.set.Load() > int64(c.patience/16) {
		c.set.Store(at)
		_ = c.TCPConn.SetWriteDeadline(now.Add(c.patience + c.patience/16)) // fails only when closed: so does the write
	}
}

// goesOn reports whether a write that met its deadline is to go on because the client takes something.
func (c *conn) goesOn(took int64, err error) bool {
	return took >= minProgress && !c.own.Load() && errors.Is(err, os.ErrDeadlineExceeded)
}

// refused gives the answer in the place of one that net/http gives on its own to what it cannot read, in plain text. It is
// nil for anything else.
func (c *conn) refused(p []byte) []byte {
	const begin = "HTTP/1.x 000"
	if len(p) < len(begin) || string(p[:7]) != begin[:7] || p[8] != ' ' || c.busy.Swap(true) {
		return nil
	}
	return c.refuser.answer(c.RemoteAddr(), unreadable(string(p[:8]), string(p[9:12])))
}

// Write writes all of p while the client takes something.
func (c *conn) Write(p []byte) (n int, err error) {
	if other := c.refused(p); other != nil {
		if _, err := c.Write(other); err != nil {
			return 0, err
		}
		return len(p), nil
	}
	for {
		c.extend(time.Now())
		var took int
		took, err = c.TCPConn.Write(p[n:])
		n += took
		if err == nil || !c.goesOn(int64(took), err) {
			return n, err //nolint:wrapcheck // a connection's own errors
		}
	}
}

// ReadFrom has the kernel copy a file, a piece at a time.
func (c *conn) ReadFrom(r io.Reader) (n int64, err error) {
	all, ok := r.(*io.LimitedReader)
	if !ok {
		all = &io.LimitedReader{R: r, N: math.MaxInt64}
	}
	file, ok := all.R.(*os.File)
	if !ok {
		return io.Copy(struct{ io.Writer }{c}, r) //nolint:wrapcheck // a connection's own errors
	}
	begin, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, fmt.Errorf("send file: %w", err)
	}
	for all.N > 0 {
		c.extend(time.Now())
		piece := &io.LimitedReader{R: file, N: min(all.N, sendChunk)}
		size := piece.N
		took, err := c.TCPConn.ReadFrom(piece)
		n, all.N = n+took, all.N-took
		switch {
		case err == nil && took < size:
			return n, nil // the file ends
		case err == nil:
		case !c.goesOn(took, err):
			return n, err //nolint:wrapcheck // a connection's own errors
		default:
			// What was read and not sent would be missing in between.
			if after, serr := file.Seek(0, io.SeekCurrent); serr != nil || after != begin+n {
				return n, err //nolint:wrapcheck // a connection's own errors
			}
		}
	}
	return n, nil
}
