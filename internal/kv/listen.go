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
	"syscall"
	"time"

	"github.com/wayside-edge/wayside/internal/kv/engine"
	"github.com/wayside-edge/wayside/internal/kv/resp"
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
	lc := net.ListenConfig{KeepAlive: -1} // each connection gets its own
	add := func(network, addr string) error {
		if addr == "" {
			return nil
		}
		l, err := lc.Listen(s.ctx, network, addr)
		if err != nil {
			return &ListenError{Addr: addr, Err: err}
		}
		s.listeners = append(s.listeners, l)
		return nil
	}
	if err := add("tcp", s.cfg.Addr); err != nil {
		return err
	}
	if s.cfg.Socket != "" {
		removeStale(s.ctx, s.cfg.Socket)
		if err := add("unix", s.cfg.Socket); err != nil {
			return err
		}
		if err := os.Chmod(s.cfg.Socket, 0o600); err != nil {
			return fmt.Errorf("open kv server: %w", err)
		}
	}
	if s.cfg.TLSAddr == "" {
		return nil
	}
	if err := add("tcp", s.cfg.TLSAddr); err != nil {
		return err
	}
	last := len(s.listeners) - 1
	s.listeners[last] = tls.NewListener(s.listeners[last], s.cfg.TLS)
	return nil
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

const (
	acceptRest = 10 * time.Millisecond // after an error that may pass, as when there are no descriptors
	rejectTime = 100 * time.Millisecond
)

// accept takes connections until the listener is closed.
func (s *Server) accept(ctx context.Context, l net.Listener) error {
	rest := acceptRest
	for {
		conn, err := l.Accept()
		if err == nil {
			rest = acceptRest
			s.welcome(conn)
			goruntime.Gosched() // of ten thousand that come at once each has its turn before the next: others wait behind one
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
			rest = min(2*rest, time.Second)
		}
	}
}

// welcome begins to serve a connection, unless there are too many.
func (s *Server) welcome(conn net.Conn) {
	c := &client{srv: s, conn: conn, in: resp.NewReader(conn, resp.Full), raw: rawOf(conn)}
	c.describe()
	e := s.engine
	e.Lock()
	if len(s.clients) >= s.set.maxClients || s.draining {
		s.counts.rejected++
		e.Unlock()
		if c.net != netTLS { // which would have to shake hands first
			_ = conn.SetWriteDeadline(time.Now().Add(rejectTime))
			_, _ = conn.Write([]byte("-ERR max number of clients reached\r\n"))
		}
		_ = conn.Close()
		return
	}
	s.counts.accepted++
	c.begin(e)
	s.wg.Go(c.serve)
	every := s.set.keepAlive
	e.Unlock()
	probe(conn, every)
}

// rawOf gives what writes without waiting; nil where there is none: TLS has its own idea of what a write is.
func rawOf(conn net.Conn) syscall.RawConn {
	if c, ok := conn.(syscall.Conn); ok {
		if raw, err := c.SyscallConn(); err == nil {
			return raw
		}
	}
	return nil
}

// probe has the system ask a silent client whether it is still there; three questions without an answer end it.
func probe(conn net.Conn, every time.Duration) {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	if t, ok := conn.(*net.TCPConn); ok && every > 0 {
		_ = t.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: every, Interval: max(every/3, time.Second), Count: 3})
	}
}

// begin makes the client known.
func (c *client) begin(e *engine.Engine) {
	c.s = e.NewSession(c)
	c.born, c.active = e.Now(), e.Now()
	c.room.L = lockOf{e}
	c.srv.clients[c.s.ID] = c
	c.resetUser()
	c.in.SetLimits(c.lim)
	c.setVersion(2)
	c.limits()
}

// lockOf makes the engine's lock a sync.Locker whose time is that of the moment it was taken.
type lockOf struct{ e *engine.Engine }

func (l lockOf) Lock()   { l.e.Lock() }
func (l lockOf) Unlock() { l.e.Unlock() }
