package kv

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// What poller tells of a connection.
const (
	inEvents  = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR
	endEvents = unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR
	goneEvent = unix.EPOLLHUP | unix.EPOLLERR // nothing can be sent any more either
	outEvent  = unix.EPOLLOUT
)

const mostEvents = 256 // that are taken at once

// poller asks the system which descriptors have something. Connections are told of once each time something comes, in the
// order in which it came: whoever is told reads until there is no more, or remembers that there is.
type poller struct {
	fd     int
	wake   int // written to by who wants wait to return
	events [mostEvents]unix.EpollEvent
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make an epoll descriptor: %w", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("make an event descriptor: %w", err)
	}
	p := &poller{fd: fd, wake: wake}
	// It is never read: each write is told of, as it is edge-triggered.
	if err := p.control(unix.EPOLL_CTL_ADD, wake, unix.EPOLLIN|unix.EPOLLET); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *poller) close() {
	_ = unix.Close(p.wake)
	_ = unix.Close(p.fd)
}

func (p *poller) control(op, fd int, events uint32) error {
	if err := unix.EpollCtl(p.fd, op, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)}); err != nil {
		return fmt.Errorf("watch a connection: %w", err)
	}
	return nil
}

// connection has a connection watched, for room to write too if out says so.
func (p *poller) connection(op, fd int, out bool) error {
	events := uint32(unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET)
	if out {
		events |= unix.EPOLLOUT
	}
	return p.control(op, fd, events)
}

// wait gives what has come, after at most ms milliseconds; below zero = however long it takes.
func (p *poller) wait(ms int) ([]unix.EpollEvent, error) {
	n, err := unix.EpollWait(p.fd, p.events[:], ms)
	if errors.Is(err, unix.EINTR) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("wait for connections: %w", err)
	}
	return p.events[:n], nil
}

// poke has wait return. It may be called by anybody.
func (p *poller) poke() {
	one := [8]byte{1}
	_, _ = unix.Write(p.wake, one[:]) // it fails when the count is full, which nobody lives to see
}
