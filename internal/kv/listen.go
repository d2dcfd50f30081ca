package kv

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	goruntime "runtime"
	"time"
)

// ListenError reports an address, as Config has it, that could not be listened on.
type ListenError struct {
	Addr string
	Err  error
}

func (e *ListenError) Error() string { return "open kv server: " + e.Err.Error() }
func (e *ListenError) Unwrap() error { return e.Err }

// listen opens what the configuration asks for.
func (s *Server) listen() error {
	for _, addr := range []string{s.cfg.Addr, s.cfg.TLSAddr} {
		if addr != "" && s.cfg.Password == "" && !loopback(addr) {
			return fmt.Errorf("listen on %s: %w", addr, ErrOpenToAll)
		}
	}
	if s.cfg.TLSAddr != "" && s.cfg.TLS == nil {
		return fmt.Errorf("listen on %s: TLS without a certificate", s.cfg.TLSAddr)
	}
	if s.cfg.Addr != "" {
		if err := s.open("tcp", s.cfg.Addr); err != nil {
			return err
		}
	}
	if s.cfg.Socket != "" {
		removeStale(s.ctx, s.cfg.Socket)
		if err := s.open("unix", s.cfg.Socket); err != nil {
			return err
		}
		if err := os.Chmod(s.cfg.Socket, 0o600); err != nil {
			return fmt.Errorf("open kv server: %w", err)
		}
	}
	if s.cfg.TLSAddr == "" {
		return nil
	}
	lc := net.ListenConfig{KeepAlive: -1} // each connection gets its own
	l, err := lc.Listen(s.ctx, "tcp", s.cfg.TLSAddr)
	if err != nil {
		return &ListenError{Addr: s.cfg.TLSAddr, Err: err}
	}
	s.secure = tls.NewListener(l, s.cfg.TLS)
	return nil
}

// open listens for connections that are not encrypted.
func (s *Server) open(network, addr string) error {
	d, err := openDoor(s.ctx, network, addr)
	if err != nil {
		return &ListenError{Addr: addr, Err: err}
	}
	s.doors = append(s.doors, d)
	return nil
}

// closeListeners closes them all where no loop has them.
func (s *Server) closeListeners() {
	for _, d := range s.doors {
		d.close()
	}
	if s.secure != nil {
		_ = s.secure.Close()
	}
}

// loopback says whether an address is this machine's alone. A name other than localhost may be anybody's.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// exposed says whether others than this machine may connect.
func (s *Server) exposed() bool {
	return s.cfg.Addr != "" && !loopback(s.cfg.Addr) || s.cfg.TLSAddr != "" && !loopback(s.cfg.TLSAddr)
}

// removeStale removes a socket that a server which is gone has left behind, and nothing else.
func removeStale(ctx context.Context, path string) {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&os.ModeSocket == 0 {
		return
	}
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "unix", path)
	if err == nil {
		_ = conn.Close()
		return
	}
	_ = os.Remove(path)
}

// After an error that may pass, as when there are no descriptors, nobody is accepted for a while.
const (
	acceptRest = 10 * time.Millisecond
	mostRest   = time.Second
)

// accept takes encrypted connections until the listener is closed.
func (s *Server) accept(ctx context.Context) error {
	rest := acceptRest
	for {
		conn, err := s.secure.Accept()
		if err == nil {
			rest = acceptRest
			s.welcome(conn.(*tls.Conn)) //nolint:forcetypeassert // it is what the listener of package tls gives
			goruntime.Gosched()         // of thousands that come at once each has its turn before the next: others wait behind one
			continue
		}
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was closed on purpose
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("accept clients: %w", err)
		}
		s.log.WarnContext(ctx, "client not accepted", "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(rest):
			rest = min(2*rest, mostRest)
		}
	}
}

// admits says whether one more client may come. It counts those who come, under the lock.
func (s *Server) admits() bool {
	if len(s.clients) >= s.set.maxClients || s.draining {
		s.counts.rejected++
		return false
	}
	s.counts.accepted++
	return true
}

// probe has the system ask a silent client whether it is still there; three questions without an answer end it.
func probe(conn net.Conn, every time.Duration) {
	if t, ok := conn.(*net.TCPConn); ok && every > 0 {
		_ = t.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: every, Interval: probeInterval(every), Count: probeCount})
	}
}

const probeCount = 3

func probeInterval(every time.Duration) time.Duration { return max(every/3, time.Second) }
