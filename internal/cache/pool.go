package cache

import (
	"context"
	"errors"
	"sync"
	"time"
)

// idleMost is how long a connection is kept that nobody uses.
const idleMost = 5 * time.Minute

// pool is some connections to one server, made when they are needed.
type pool struct {
	addr  address
	slots chan struct{} // holds one value for each connection in use

	mu     sync.Mutex // guards what follows
	idle   []*conn    // that used last is the last
	closed bool
}

// ask sends commands over a connection that is free.
func (p *pool) ask(ctx context.Context, cmds [][]string) ([]reply, error) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return nil, context.Cause(ctx) //nolint:wrapcheck // the caller's own
	}
	for {
		c, fresh, err := p.take(ctx)
		if err != nil {
			return nil, err
		}
		replies, err := c.ask(ctx, cmds)
		again := err != nil && !fresh && !c.heard && ctx.Err() == nil
		p.give(c)
		if !again {
			return replies, err
		}
		// The server has closed it while nobody used it, which it may. What is asked here can be asked twice.
	}
}

// take gives a connection; fresh = it was made for this.
func (p *pool) take(ctx context.Context) (c *conn, fresh bool, err error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, false, errClosed
	}
	var old []*conn
	for len(p.idle) > 0 && time.Since(p.idle[0].idle) > idleMost {
		old, p.idle = append(old, p.idle[0]), p.idle[1:]
	}
	if n := len(p.idle); n > 0 {
		c, p.idle = p.idle[n-1], p.idle[:n-1]
	}
	p.mu.Unlock()
	for _, o := range old {
		_ = o.net.Close() // nobody has anything to send over it
	}
	if c != nil {
		return c, false, nil
	}
	c, err = dial(ctx, p.addr)
	return c, true, err
}

// errClosed reports a call after the cache was closed.
var errClosed = errors.New("the cache is closed")

// give takes a connection back.
func (p *pool) give(c *conn) {
	p.mu.Lock()
	keep := !c.broken && !p.closed
	if keep {
		c.idle = time.Now()
		p.idle = append(p.idle, c)
	}
	p.mu.Unlock()
	if !keep {
		_ = c.net.Close() // what it could say is of no use any more
	}
}

// close ends the connections that nobody uses, and each of the others when it is given back.
func (p *pool) close() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	for _, c := range idle {
		_ = c.net.Close() // nobody has anything to send over it
	}
}
