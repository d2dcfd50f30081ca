package kv

import (
	"time"

	"golang.org/x/sys/unix"
)

// turn does for a connection what there is to do, within bounds: it sends what could not be sent before, reads once, runs the
// commands that are whole, and sends their answers. What is left waits for the next turn, behind the others.
func (l *loop) turn(p *socket) {
	if p.gone {
		return
	}
	defer func() {
		if r := recover(); r != nil { // a mistake of ours: it must cost this client, not all
			l.srv.mistake(p.client, r)
			if p.doing { // it is closed when its command is done
				p.broken = true
				return
			}
			l.end(p)
		}
	}()
	if p.doing { // the command that lets others in is its own
		p.again = true
		l.sendBeside(p)
		return
	}
	if p.sending != nil && !p.awaits && p.send() {
		p.look = true
	}
	came := p.ready && !p.shut && p.receive()
	if came || p.look || p.more || p.hungUp || p.stuffed && p.ending {
		fresh, over := l.answer(p, came)
		if over || p.gone {
			l.close(p)
			return
		}
		if fresh && l.kept(p) {
			p.send()
			p.look = p.look || p.broken || p.behind || p.closed || p.owes || p.shut || p.stuck // what is stuck is to be counted
		}
	}
	l.giveBack(p)
	if p.look || p.stuffed && p.ending || p.sending != nil && !p.awaits && !p.stuck || (p.more || p.ready) && !p.shut {
		l.line.push(p)
	}
}

// sendBeside sends what a client was answered before the command that it runs now.
func (l *loop) sendBeside(p *socket) {
	if p.sending == nil {
		l.withLock(func() {
			if len(p.full) > 0 { // out is being written
				l.begin(p)
			}
		})
		if p.sending == nil || !l.kept(p) {
			return
		}
	}
	if !p.awaits && p.send() && !p.stuck {
		l.line.push(p)
	}
}

// answer runs what has come, under the lock, and has the answers ready: fresh ones, unless earlier ones are still to be sent
// before. If it is over the connection is to be closed.
func (l *loop) answer(p *socket, came bool) (fresh, over bool) {
	s, e := l.srv, l.srv.engine
	if p.in != nil {
		p.in.Ahead(batchAhead) // they may be long
	}
	e.Lock()
	defer e.Unlock()
	if came || p.look {
		p.active = e.Now()
	}
	if came {
		s.counts.reads++
		s.counts.input += p.in.Came()
	}
	p.look = false
	if !l.over(p) {
		l.runs(p)
	}
	if l.over(p) {
		l.forget(p)
		return false, true
	}
	if p.settle(); p.sending == nil && p.has() {
		fresh = true
		l.begin(p)
	} else {
		p.seal()
		p.account()
	}
	p.owes = p.told > 0
	l.rest(p)
	if p.closed && p.sending == nil {
		l.forget(p)
		return false, true
	}
	l.takeRoused()
	return fresh, false
}

// over says that nothing is to be sent to a client any more.
func (l *loop) over(p *socket) bool {
	if p.killed || p.broken {
		return true
	}
	return p.s.Blocked() && (p.hungUp || p.eof && !p.more || p.ending && p.stuffed) // what it waits for must not be given to nobody
}

// runs runs commands, if the client is where it may have some run.
func (l *loop) runs(p *socket) {
	switch {
	case p.awaits:
		return
	case p.in == nil || p.closing || p.s.Blocked():
		p.more = false
	case p.pending() > p.mayLeave():
		p.more = p.in.Buffered() > 0
	default:
		if p.out.Buf == nil {
			p.out.Buf = l.buffer()
		}
		p.more = p.run()
		l.srv.broadcast()
		if len(p.out.Buf) == 0 {
			l.keepBuffer(p.out.Buf)
			p.out.Buf = nil
		}
	}
	if p.eof && !p.more {
		p.closing = true
	}
}

// begin takes the answers that go out first.
func (l *loop) begin(p *socket) {
	p.sending, p.sent = p.next(), 0
	p.unsent.Store(int64(len(p.sending)))
	p.behind = p.has()
	p.tell(p.waiting()) // what goes out at once is not counted
	if l.srv.keeper != nil {
		p.wants.position, p.wants.own = p.tells()
	}
}

// rest leaves behind, under the lock, what is to be known of a client without it, and the other way round.
func (l *loop) rest(p *socket) {
	buffered := 0
	p.buffered, p.held = 0, 0
	if p.in != nil {
		if buffered = p.in.Buffered(); buffered > 0 {
			p.buffered, p.held = buffered, p.in.Held()
		}
		p.in.SetLimits(p.lim)
	}
	p.bounds, p.closed = p.lim, p.closing
	blocked := p.s.Blocked()
	p.stuffed = blocked && buffered > keepInput
	p.shut = p.closing || p.awaits || p.stuffed || p.pending() > p.mayLeave()
	if p.again {
		p.again, p.look = false, true
	}
}

// kept says whether what the answers tell of is kept. If not, they wait.
func (l *loop) kept(p *socket) bool {
	if l.srv.keeper == nil {
		return true
	}
	kept, moved := l.srv.keeper.Kept(p.wants.position, p.wants.own)
	if kept {
		return true
	}
	p.wants.since = time.Now()
	p.awaits, p.shut = true, true
	l.waiting = append(l.waiting, p)
	l.watchFor(moved)
	return false
}

// watchFor has the loop told when more is kept.
func (l *loop) watchFor(moved <-chan struct{}) {
	if !l.watching {
		l.watching = true
		l.watch <- moved // there is room: it watches one at a time
	}
}

// watcher tells the loop when more is kept, or when it is time to see who has waited too long.
func (l *loop) watcher() {
	timer := time.NewTimer(awaitLook)
	defer timer.Stop()
	for {
		var moved <-chan struct{}
		select {
		case moved = <-l.watch:
		case <-l.ended:
			return
		}
		timer.Reset(min(awaitLook, l.srv.patience()))
		select {
		case <-moved:
		case <-timer.C:
		case <-l.ended:
			return
		}
		l.moved.Store(true)
		l.poke(&l.told)
	}
}

// lookAtWaiting lets the answers go out of which all is kept now, and ends who has waited too long.
func (l *loop) lookAtWaiting() {
	var moved <-chan struct{}
	still := l.waiting[:0]
	for _, p := range l.waiting {
		if p.gone {
			continue
		}
		kept, m := l.srv.keeper.Kept(p.wants.position, p.wants.own)
		switch {
		case kept:
			p.awaits = false
		case time.Since(p.wants.since) > l.srv.patience():
			l.srv.notKept(p.client, errNotInTime)
			p.awaits, p.broken = false, true
		default:
			still = append(still, p)
			if len(still) == 1 { // the first one's tells of whatever moves from here on
				moved = m
			}
			continue
		}
		p.look = true
		l.line.push(p)
	}
	clear(l.waiting[len(still):])
	if l.waiting = still; len(still) > 0 {
		l.watchFor(moved)
	}
}

// end closes a connection that has done nothing for it.
func (l *loop) end(p *socket) {
	defer l.close(p)
	l.withLock(func() { l.forget(p) })
}

// forget has nobody know a client any more, and nothing be counted for it. It is called under the lock.
func (l *loop) forget(p *socket) {
	p.unsent.Store(0)
	l.srv.leave(p.client)
	p.tell(0)
}

// close closes the connection of a client that is forgotten.
func (l *loop) close(p *socket) {
	if p.gone {
		return
	}
	p.gone = true
	l.at[p.fd] = nil
	l.n--
	_ = unix.Close(p.fd)
	if p.lent {
		l.lent--
	}
	if p.sending != nil {
		l.keepBuffer(p.sending)
	}
	p.in, p.sending = nil, nil
}
