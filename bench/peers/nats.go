package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// natsRole is the first argument with which this program is the NATS server: the one of Debian 12 is too old to flush
// every message.
const natsRole = "nats-server"

func natsMain(config string) int {
	opts, err := natsserver.ProcessConfigFile(config)
	if err != nil {
		fmt.Fprintln(os.Stderr, "nats-server:", err)
		return 1
	}
	s, err := natsserver.NewServer(opts)
	if err != nil {
		fmt.Fprintln(os.Stderr, "nats-server:", err)
		return 1
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	go s.Start()
	<-interrupted
	s.Shutdown()
	return 0
}

const subject = "jobs"

type natsPeer struct {
	server *process
	conns  []*nats.Conn
	js     []nats.JetStreamContext
}

func startNATS(ctx context.Context, dir string, clients int) (peer, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	var failed error
	server, err := startProcess(ctx, self, func(port string) []string {
		config := filepath.Join(dir, "nats.conf")
		failed = os.WriteFile(config, fmt.Appendf(nil,
			"listen: %q\njetstream { store_dir: %q, sync_interval: always }\n", net.JoinHostPort("127.0.0.1", port), dir), 0o600)
		return []string{natsRole, config}
	})
	if err = errors.Join(failed, err); err != nil {
		return nil, err
	}
	p := &natsPeer{server: server}
	for range clients {
		c, err := nats.Connect("nats://" + server.addr)
		if err != nil {
			return nil, fmt.Errorf("connect: %w", err)
		}
		js, err := c.JetStream(nats.MaxWait(30 * time.Second))
		if err != nil {
			return nil, fmt.Errorf("connect: %w", err)
		}
		p.conns, p.js = append(p.conns, c), append(p.js, js)
	}
	_, err = p.js[0].AddStream(&nats.StreamConfig{Name: "JOBS", Subjects: []string{subject}, Retention: nats.WorkQueuePolicy})
	if err == nil {
		_, err = p.js[0].AddConsumer("JOBS", &nats.ConsumerConfig{Durable: "workers", AckPolicy: nats.AckExplicitPolicy, MaxAckPending: 10_000})
	}
	if err != nil {
		return nil, fmt.Errorf("make the stream: %w", err)
	}
	return p, nil
}

func (p *natsPeer) enqueue(_ context.Context, i int) error {
	if _, err := p.js[i].Publish(subject, []byte(payload)); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	return nil
}

func (p *natsPeer) consume(_ context.Context, n int) error {
	subs := make([]*nats.Subscription, len(p.js))
	for i, js := range p.js {
		var err error
		if subs[i], err = js.PullSubscribe(subject, "workers", nats.Bind("JOBS", "workers")); err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
	}
	return share(len(subs), n, func(i int) error {
		msgs, err := subs[i].Fetch(1, nats.MaxWait(30*time.Second))
		if err != nil {
			return fmt.Errorf("fetch: %w", err)
		}
		if err := msgs[0].AckSync(); err != nil {
			return fmt.Errorf("acknowledge: %w", err)
		}
		return nil
	})
}

func (p *natsPeer) close() error {
	for _, c := range p.conns {
		c.Close()
	}
	return p.server.stop()
}
