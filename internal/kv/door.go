package kv

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// mostAccepted is how many connections are accepted before those that are there have their turn.
const mostAccepted = 16

// door is a listener for connections that are not encrypted. It is the loop's alone: Go's own poller, which knows every
// listener of package net, would be roused by each connection that comes.
type door struct {
	fd    int
	addr  net.Addr
	path  string        // of a unix socket, which is removed when it is closed
	ready bool          // somebody may wait
	rests bool          // nobody is let in for a while
	rest  time.Duration // of the next error
	once  sync.Once
}

// openDoor listens.
func openDoor(ctx context.Context, network, addr string) (*door, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, network, addr)
	if err != nil {
		return nil, fmt.Errorf("open kv server: %w", err)
	}
	defer l.Close() // what listens on is the descriptor's copy
	d := &door{addr: l.Addr(), rest: acceptRest}
	if u, ok := l.(*net.UnixListener); ok {
		d.path = addr
		u.SetUnlinkOnClose(false)
	}
	raw, err := l.(syscall.Conn).SyscallConn() //nolint:forcetypeassert // of package net each is
	if err != nil {
		return nil, fmt.Errorf("open kv server: %w", err)
	}
	var dupErr error
	if err := raw.Control(func(fd uintptr) { d.fd, dupErr = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }); err != nil || dupErr != nil {
		return nil, fmt.Errorf("open kv server: %w", errors.Join(err, dupErr))
	}
	return d, nil
}

// close may be called again.
func (d *door) close() {
	d.once.Do(func() {
		if d.path != "" {
			_ = os.Remove(d.path)
		}
		_ = unix.Close(d.fd)
	})
}

// accept takes some of those who wait.
func (l *loop) accept(ctx context.Context, d *door) {
	d.ready = false // else it will be told again
	defer func() {
		if r := recover(); r != nil { // the same may be met at once again, before those who are there have their turn
			l.mistake(ctx, r)
			l.restDoor(d)
		}
	}()
	for range mostAccepted {
		fd, peer, err := unix.Accept4(d.fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch {
		case err == nil:
			d.rest = acceptRest
			l.welcome(d, fd, peer)
		case errors.Is(err, unix.EAGAIN):
			return
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.ECONNABORTED):
		default:
			l.srv.log.WarnContext(ctx, "client not accepted", "error", err)
			l.restDoor(d)
			return
		}
	}
}

// restDoor has nobody come in for a while.
func (l *loop) restDoor(d *door) {
	if !d.rests { // one that cannot be left out is told of again, and rests then
		d.rests = l.poll.control(unix.EPOLL_CTL_DEL, d.fd, 0) == nil
	}
	timer := time.NewTimer(d.rest)
	d.rest = min(2*d.rest, mostRest)
	l.srv.wg.Go(func() {
		defer timer.Stop()
		select {
		case <-timer.C:
			l.reopen.Store(true)
			l.poke(&l.told)
		case <-l.ended:
		}
	})
}

// openDoors has those watched again that rested.
func (l *loop) openDoors() {
	for _, d := range l.doors {
		if !d.rests {
			continue
		}
		if err := l.poll.control(unix.EPOLL_CTL_ADD, d.fd, unix.EPOLLIN); err != nil {
			l.srv.log.Warn("client not accepted", "error", err.Error())
			l.restDoor(d)
			continue
		}
		d.rests = false
	}
}

// shutDoors closes them for good.
func (l *loop) shutDoors() {
	for _, d := range l.doors {
		d.close()
	}
	l.doors = nil
}

// welcome begins to serve a connection, unless there are too many.
func (l *loop) welcome(d *door, fd int, peer unix.Sockaddr) {
	s := l.srv
	c := newClient(s, netTCP, "", "")
	if d.path != "" {
		c.net, c.addr = netUnix, d.path+":0"
		c.laddr = c.addr
	} else {
		c.addr, c.laddr = address(peer), d.local(fd)
	}
	p := &socket{client: c, loop: l, fd: fd}
	c.link = p
	every, admitted := l.admit(p)
	if !admitted {
		_, _ = unix.SendmsgN(fd, []byte("-ERR max number of clients reached\r\n"), nil, nil, unix.MSG_NOSIGNAL)
		_ = unix.Close(fd)
		return
	}
	for fd >= len(l.at) {
		l.at = append(l.at, nil)
	}
	l.at[fd] = p
	l.n++
	if d.path == "" {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		probeSocket(fd, every)
	}
	if err := l.poll.connection(unix.EPOLL_CTL_ADD, fd, false); err != nil {
		s.log.Warn("client not accepted", "error", err)
		l.end(p)
	}
}

// admit has a client be known, unless there are too many; every is when a silent one is probed.
func (l *loop) admit(p *socket) (every time.Duration, admitted bool) {
	s, e := l.srv, l.srv.engine
	e.Lock()
	defer e.Unlock()
	if !s.admits() {
		return 0, false
	}
	p.begin(e)
	p.bounds = p.lim
	return s.set.keepAlive, true
}

// probeSocket is probe of a descriptor.
func probeSocket(fd int, every time.Duration) {
	if every <= 0 {
		return
	}
	for _, option := range [][3]int{
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, int(every / time.Second)},
		{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, int(probeInterval(every) / time.Second)},
		{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, probeCount},
	} {
		_ = unix.SetsockoptInt(fd, option[0], option[1], option[2])
	}
}

// local is the address that a client has connected to. It is the listener's, unless that listens on all of the machine's.
func (d *door) local(fd int) string {
	if a, ok := d.addr.(*net.TCPAddr); ok && !a.IP.IsUnspecified() {
		return d.addr.String()
	}
	own, err := unix.Getsockname(fd)
	if err != nil {
		return d.addr.String()
	}
	return address(own)
}

// address is a socket's as package net shows it.
func address(sa unix.Sockaddr) string {
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)).String()
	case *unix.SockaddrInet6:
		ip := netip.AddrFrom16(a.Addr).Unmap()
		if a.ZoneId != 0 && ip.Is6() {
			ip = ip.WithZone(strconv.FormatUint(uint64(a.ZoneId), 10))
		}
		return netip.AddrPortFrom(ip, uint16(a.Port)).String()
	}
	return ""
}
