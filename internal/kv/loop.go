package kv

import (
	"context"
	"fmt"
	goruntime "runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wayside-edge/wayside/internal/kv/resp"
)

const (
	yieldEvery  = time.Millisecond // of work without a rest, after which other goroutines have their turn
	nestedRest  = 1                // milliseconds in which others are waited for beside a script that runs too long
	mostEndings = 8                // connections that end which have their turn as the others, and in each cycle after them
	keptBuffers = 64               // of input and of output, that are handed from client to client
	awaitLook   = time.Second      // between two looks at who waits for the log for too long
)

// loop serves all connections that are not encrypted, one turn after the other in the order in which something came from
// them. All of it is done by one goroutine, which Server.Run starts and joins; others only rouse it.
type loop struct {
	srv     *Server
	poll    *poller
	doors   []*door
	at      []*socket // by descriptor
	n       int       // of them
	line    line
	late    line // connections that end, where many do at once
	endings int  // that were seen since there was time for all
	yielded time.Time

	readers []*resp.Reader // that nobody needs now
	lent    int            // of their kind, with clients whose command is not whole
	buffers [][]byte       // for answers

	waiting  []*socket // for what their answers tell of to be kept
	watching bool      // the watcher will say when to look at them
	watch    chan (<-chan struct{})
	ended    chan struct{} // run has

	roused   []*socket   // guarded by the engine's lock
	called   atomic.Bool // there are some
	told     atomic.Bool // one of the following was set
	asleep   atomic.Bool // it has to be woken for that
	moved    atomic.Bool // more is kept
	reopen   atomic.Bool // doors that were closed for a while are to be opened
	stopping atomic.Bool // nobody else comes
}

// newLoop makes a loop for the listeners of a server.
func newLoop(s *Server) (*loop, error) {
	poll, err := newPoller()
	if err != nil {
		return nil, err
	}
	l := &loop{srv: s, poll: poll, watch: make(chan (<-chan struct{}), 1), ended: make(chan struct{}), doors: s.doors}
	for _, d := range s.doors {
		if err := poll.control(unix.EPOLL_CTL_ADD, d.fd, unix.EPOLLIN); err != nil {
			poll.close()
			return nil, err
		}
	}
	return l, nil
}

// run serves until stop is called and all clients are gone. The poller is closed by who joins all that may poke.
func (l *loop) run(ctx context.Context) error {
	defer close(l.ended)
	defer func() { // nobody is left, unless waiting has failed
		l.shutDoors()
		for _, p := range l.at {
			if p != nil {
				l.end(p)
			}
		}
	}()
	l.yielded = time.Now()
	for !l.stopping.Load() || l.n > 0 {
		if err := l.cycle(ctx, -1); err != nil {
			return err
		}
	}
	return nil
}

// poke has the loop look at what it was left, of which flag tells. It may be called by anybody.
func (l *loop) poke(flag *atomic.Bool) {
	flag.Store(true)
	if l.asleep.Load() && l.asleep.Swap(false) {
		l.poll.poke()
	}
}

// stop ends run as soon as there are no clients.
func (l *loop) stop() {
	l.stopping.Store(true)
	l.poke(&l.told)
}

// cycle waits for something to do, at most for so many milliseconds, and gives each connection that has something one turn.
func (l *loop) cycle(ctx context.Context, ms int) error {
	defer func() {
		if r := recover(); r != nil { // a mistake of ours outside of turns, which have their own: it must not cost all clients
			l.mistake(ctx, r)
		}
	}()
	if err := l.gather(ms); err != nil {
		return err
	}
	if l.called.Load() {
		l.withLock(l.takeRoused)
	}
	if l.told.Swap(false) {
		l.collect()
	}
	for _, d := range l.doors {
		if d.ready {
			l.accept(ctx, d)
		}
	}
	l.turns(&l.line, l.line.len())
	l.turns(&l.late, mostEndings)
	return nil
}

// mistake tells of a panic that costs nobody the connection.
func (l *loop) mistake(ctx context.Context, r any) {
	l.srv.log.ErrorContext(ctx, "clients not looked for: the server made a mistake", "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
}

// withLock has f done under the engine's lock.
func (l *loop) withLock(f func()) {
	l.srv.engine.Lock()
	defer l.srv.engine.Unlock()
	f()
}

// turns gives the next n of a line a turn each.
func (l *loop) turns(line *line, n int) {
	for range n {
		p := line.pop()
		if p == nil { // there are fewer, or a turn has let others in
			return
		}
		l.turn(p)
	}
}

// beside serves others while a script of p runs too long. It is called by the loop's own goroutine, within p's turn, without
// the lock.
func (l *loop) beside(p *socket) {
	if !p.stuck { // else it will be told of
		l.line.push(p)
	}
	if err := l.cycle(l.srv.ctx, nestedRest); err != nil {
		l.srv.log.Error("clients not looked for", "error", err.Error())
	}
}

// gather has all in line that something has come from. It waits only if there is nothing to do.
func (l *loop) gather(ms int) error {
	events, err := l.poll.wait(0)
	if len(events) < mostEvents && l.late.len() == 0 {
		l.endings = 0
	}
	if err == nil && len(events) == 0 && l.line.len() == 0 && l.late.len() == 0 {
		l.asleep.Store(true)
		if !l.called.Load() && !l.told.Load() {
			events, err = l.poll.wait(ms)
		}
		l.asleep.Store(false)
		l.yielded = time.Now()
	} else if now := time.Now(); now.Sub(l.yielded) > yieldEvery {
		goruntime.Gosched()
		l.yielded = now
	}
	for _, ev := range events {
		l.event(int(ev.Fd), ev.Events)
	}
	return err
}

// event is told of a descriptor. It may be of one that was closed meanwhile, and of another that has its number now: that one
// is looked at in vain.
func (l *loop) event(fd int, what uint32) {
	if fd < len(l.at) && l.at[fd] != nil {
		p := l.at[fd]
		p.ready = p.ready || what&inEvents != 0
		p.ending = p.ending || what&endEvents != 0
		p.hungUp = p.hungUp || what&goneEvent != 0
		if what&outEvent != 0 && p.armed {
			p.look = true
		}
		if what&endEvents != 0 {
			l.endings++
		}
		if what&endEvents != 0 && l.endings > mostEndings {
			l.late.push(p)
		} else {
			l.line.push(p)
		}
		return
	}
	for _, d := range l.doors {
		if d.fd == fd {
			d.ready = true
		}
	}
}

// collect takes what others have left for the loop.
func (l *loop) collect() {
	if l.moved.Swap(false) {
		l.watching = false
		l.lookAtWaiting()
	}
	if l.reopen.Swap(false) {
		l.openDoors()
	}
	if l.stopping.Load() {
		l.shutDoors()
	}
}

// takeRoused has those in line whom others have roused. It is called under the engine's lock.
func (l *loop) takeRoused() {
	if len(l.roused) == 0 {
		return
	}
	l.called.Store(false)
	for i, p := range l.roused {
		p.roused, p.look = false, true
		l.line.push(p)
		l.roused[i] = nil
	}
	l.roused = l.roused[:0]
}

// reader gives one that holds nothing.
func (l *loop) reader(p *socket) *resp.Reader {
	var r *resp.Reader
	if n := len(l.readers); n > 0 {
		r = l.readers[n-1]
		l.readers = l.readers[:n-1]
	} else {
		r = resp.NewReader(nil, resp.Full)
	}
	r.Attach(p, p.bounds)
	return r
}

// giveBack takes the reader of a client of which nothing is there, so that silent clients have none. One whose command is not
// whole keeps it, unless there are many of its kind: then it gets one that has little more room than it needs.
func (l *loop) giveBack(p *socket) {
	r := p.in
	switch {
	case r == nil || p.more:
	case r.Buffered() == 0:
		p.in = nil
		if p.lent {
			l.lent--
		}
		if !p.small {
			l.keepReader(r)
		}
		p.lent, p.small = false, false
	case p.lent || p.small:
	case l.lent < keptBuffers:
		p.lent = true
		l.lent++
	default:
		p.in, p.small = r.Split(), true
		l.keepReader(r)
	}
}

func (l *loop) keepReader(r *resp.Reader) {
	r.Detach()
	if len(l.readers) < keptBuffers {
		l.readers = append(l.readers, r)
	}
}

// buffer gives one for answers.
func (l *loop) buffer() []byte {
	n := len(l.buffers)
	if n == 0 {
		return make([]byte, 0, startOutput)
	}
	b := l.buffers[n-1]
	l.buffers = l.buffers[:n-1]
	return b
}

const startOutput = 4 << 10

// keepBuffer takes a buffer that is not needed any more.
func (l *loop) keepBuffer(b []byte) {
	if cap(b) >= startOutput && cap(b) <= keepOutput && len(l.buffers) < keptBuffers {
		l.buffers = append(l.buffers, b[:0])
	}
}
