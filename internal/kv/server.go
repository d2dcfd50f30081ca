package kv

import (
	"context"
	"net"
	"sync"

	"github.com/wayside-edge/wayside/internal/kv/engine"
	"github.com/wayside-edge/wayside/internal/kv/resp"
)

// Server serves an engine to clients.
type Server struct {
	engine *engine.Engine
}

// New makes a server.
func New(e *engine.Engine) *Server { return &Server{engine: e} }

// Serve accepts clients until ctx ends.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		c := &client{srv: s, conn: conn, in: resp.NewReader(conn, resp.Full), out: *resp.NewWriter()}
		s.engine.Lock()
		c.s = s.engine.NewSession(c)
		s.engine.Unlock()
		wg.Go(c.serve)
	}
}
