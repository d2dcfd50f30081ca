package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/hibiken/asynq"
)

type asynqPeer struct {
	server  *process
	client  *asynq.Client
	clients int
}

func startAsynq(ctx context.Context, dir string, clients int) (peer, error) {
	server, err := startProcess(ctx, "redis-server", func(port string) []string {
		return []string{
			"--bind", "127.0.0.1", "--port", port, "--dir", dir, "--appendonly", "yes", "--appendfsync", "always",
			"--save", "", "--loglevel", "warning",
		}
	})
	if err != nil {
		return nil, err
	}
	client := asynq.NewClient(asynq.RedisClientOpt{Addr: server.addr, PoolSize: clients})
	return &asynqPeer{server: server, client: client, clients: clients}, nil
}

func (p *asynqPeer) enqueue(ctx context.Context, _ int) error {
	if _, err := p.client.EnqueueContext(ctx, asynq.NewTask("bench", []byte(payload))); err != nil {
		return fmt.Errorf("enqueue: %w", err)
	}
	return nil
}

// consume runs asynq's own server: it exposes no lease and acknowledgement.
func (p *asynqPeer) consume(ctx context.Context, n int) error {
	server := asynq.NewServer(asynq.RedisClientOpt{Addr: p.server.addr, PoolSize: p.clients}, asynq.Config{
		Concurrency: p.clients, LogLevel: asynq.FatalLevel,
	})
	var left atomic.Int64
	left.Store(int64(n))
	done := make(chan struct{})
	err := server.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		if left.Add(-1) == 0 {
			close(done)
		}
		return nil
	}))
	if err != nil {
		return fmt.Errorf("start workers: %w", err)
	}
	defer server.Shutdown()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for jobs: %w", ctx.Err())
	}
}

func (p *asynqPeer) close() error { return errors.Join(p.client.Close(), p.server.stop()) }
