package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
)

func (s *Server) listen(addr string, connections int) (*listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	own := newListener(l, connections, s.cfg.AnswerIdle, refuser{s.fixed, s.cfg.Logger})
	own.silent = s.cert != nil
	return own, nil
}

// Run serves until Close, or until ctx ends; it then closes at once. Its error is nil after Close.
func (s *Server) Run(ctx context.Context) error {
	closed := make(chan struct{})
	unhook := context.AfterFunc(ctx, func() {
		defer close(closed)
		_ = s.Close(ctx) // its error is that it did not wait, which is what was asked for
	})
	if s.cert != nil {
		s.http.TLSConfig = s.cert.config()
	}
	var beside sync.WaitGroup
	var besideErr error
	if s.metrics != nil {
		beside.Go(func() {
			if besideErr = s.serveOn(s.metrics); besideErr != nil {
				_ = s.http.Close() // ends the other
			}
		})
	}
	err := s.serveOn(s.listener)
	if err != nil {
		_ = s.http.Close() // ends the other
	}
	beside.Wait()
	if !unhook() {
		<-closed
	}
	return errors.Join(err, besideErr)
}

// serveOn serves what comes in on a listener. Its error is nil after Close.
func (s *Server) serveOn(l *listener) error {
	serve := s.http.Serve
	if s.cert != nil {
		serve = func(l net.Listener) error { return s.http.ServeTLS(l, "", "") }
	}
	if err := serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve http on %s: %w", l.Addr(), err)
	}
	return nil
}
