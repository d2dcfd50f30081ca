// Package kvtest starts a whole Redis-protocol server for tests, and talks to it as plainly as a test wants to.
//
// It is apart so that the tests of several packages, and programs that try a server out, have the same one. Start owns
// the server's goroutines and ends them with the test.
package kvtest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/kv"
)

// Start runs a server on a free port of this machine until the test ends, and gives it with its address.
func Start(tb testing.TB, cfg kv.Config) (s *kv.Server, addr string) {
	tb.Helper()
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1:0"
	}
	s, err := kv.Open(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(context.WithoutCancel(tb.Context())) }()
	tb.Cleanup(func() {
		if err := errors.Join(s.Close(), <-ended); err != nil {
			tb.Errorf("end of the server: %v", err)
		}
	})
	return s, s.Addrs()[0].String()
}

// Serve runs a server on an address until ctx ends: what a person or another program tries out.
func Serve(ctx context.Context, cfg kv.Config) error {
	s, err := kv.Open(cfg) //nolint:contextcheck // what it opens lasts longer than a call
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	return errors.Join(s.Run(ctx), s.Close())
}

// Patience is how long a test waits for what has to happen.
const Patience = 30 * time.Second
