package main

import (
	"context"
	"fmt"
	"time"

	"github.com/beanstalkd/go-beanstalk"
)

type beanstalkd struct {
	server *process
	conns  []*beanstalk.Conn
}

func startBeanstalk(ctx context.Context, dir string, clients int) (peer, error) {
	server, err := startProcess(ctx, "beanstalkd", func(port string) []string {
		return []string{"-l", "127.0.0.1", "-p", port, "-b", dir, "-f", "0"}
	})
	if err != nil {
		return nil, err
	}
	p := &beanstalkd{server: server}
	for range clients {
		c, err := beanstalk.Dial("tcp", server.addr)
		if err != nil {
			return nil, fmt.Errorf("connect: %w", err)
		}
		p.conns = append(p.conns, c)
	}
	return p, nil
}

func (p *beanstalkd) enqueue(_ context.Context, i int) error {
	if _, err := p.conns[i].Put([]byte(payload), 5, 0, time.Minute); err != nil {
		return fmt.Errorf("put: %w", err)
	}
	return nil
}

func (p *beanstalkd) consume(_ context.Context, n int) error {
	return share(len(p.conns), n, func(i int) error {
		id, _, err := p.conns[i].Reserve(time.Minute)
		if err != nil {
			return fmt.Errorf("reserve: %w", err)
		}
		if err := p.conns[i].Delete(id); err != nil {
			return fmt.Errorf("delete: %w", err)
		}
		return nil
	})
}

func (p *beanstalkd) close() error {
	for _, c := range p.conns {
		_ = c.Close() // the server goes with its data
	}
	return p.server.stop()
}
