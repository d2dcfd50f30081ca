package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// kvSoak wears the Redis-protocol server out under one way of keeping what it is told.
type kvSoak struct {
	*run
	policy  string
	tally   *tally // of this policy
	rnd     *rand.Rand
	writers []*kvWriter
	queues  []*kvQueue
	ways    []handover
	promise kvPromise // of what was acknowledged in the last life
	filled  bool      // the disk is, or was: answers may not come
}

// kvLife is one life of the process.
type kvLife struct {
	*appliance
	*target
	addr    string
	control *kvConn
}

// mostKVClients have two databases each for themselves.
const mostKVClients = 7

// kvPhase kills the appliance again and again while clients write to its Redis-protocol server, under each policy of its
// log, and then damages the log and fills its disk.
func kvPhase(ctx context.Context, p *run) error {
	p.kv = "127.0.0.1:0"
	socket := filepath.Join(p.work, "kv.sock")
	p.env = []string{"WAYSIDE_KV_UNIX_SOCKET=" + socket}
	if err := p.warmUp(ctx); err != nil {
		return err
	}
	s := &kvSoak{run: p, rnd: rand.New(rand.NewPCG(p.seed, 0x6b76)), ways: handovers(), promise: kvPromise{all: true}} //nolint:gosec // not for secrets
	s.begin()
	parts := []struct {
		name, policy string
		run          func() error
	}{
		{"always", "always", func() error { return s.kills(ctx, p.cycles, p.life) }},
		// Lives are longer than what may be lost.
		{"everysec", "everysec", func() error { return s.kills(ctx, p.cycles, 3*p.life) }},
		{"no", "no", func() error { return s.kills(ctx, p.cycles/10+1, p.life) }},
		{"damage", "always", func() error { return s.damage(ctx, p.fills) }},
		{"full", "always", func() error { return s.full(ctx, p.fills) }},
	}
	wanted := strings.Split(p.kvOnly, ",")
	for _, part := range parts {
		if p.kvOnly != "" && !slices.Contains(wanted, part.name) {
			continue
		}
		s.policy, s.tally = part.policy, newTally()
		p.env = []string{"WAYSIDE_KV_UNIX_SOCKET=" + socket, "WAYSIDE_KV_APPENDFSYNC=" + part.policy, "WAYSIDE_KV_MAXMEMORY=0"}
		err := part.run()
		p.tally.merge(part.name+": ", s.tally)
		if err != nil {
			return err
		}
	}
	return nil
}

// begin makes clients that know of nothing.
func (s *kvSoak) begin() {
	s.writers, s.queues = nil, nil
	for i := range min(s.clients, mostKVClients) {
		s.writers = append(s.writers, newKVWriter(nil, i, s.seed))
	}
	for range s.ways {
		s.queues = append(s.queues, newKVQueue())
	}
}

// kills kills the appliance at random moments, and looks after each for what was acknowledged.
func (s *kvSoak) kills(ctx context.Context, cycles int, life time.Duration) error {
	for cycle := 1; cycle <= cycles && !s.tally.hopeless(); cycle++ {
		l, err := s.start(ctx)
		if err != nil {
			return fmt.Errorf("%s, cycle %d: %w", s.policy, cycle, err)
		}
		err = s.load(ctx, l, func() error {
			pause(ctx, time.Duration(s.rnd.Int64N(int64(life)))) // the moment of the kill is what is tested
			s.kill(ctx, l)
			return nil
		})
		if err = errors.Join(err, ctx.Err()); err != nil {
			return fmt.Errorf("%s, cycle %d: %w", s.policy, cycle, err)
		}
		s.tally.add("kills", 1)
		if left, err := filepath.Glob(filepath.Join(s.data, "kv", "*.tmp")); err == nil && len(left) > 0 {
			s.tally.add("kills within a compaction", 1)
		}
		if cycle%20 == 0 || cycle == cycles {
			s.progress("%s: %d of %d kills, %d acknowledged, %d verified, %d lost as may be", s.policy, cycle, cycles,
				s.tally.count("acknowledged"), s.tally.count("verified"), s.tally.count("lost, as may be"))
		}
	}
	l, err := s.start(ctx)
	if err != nil {
		return err
	}
	return s.stopLife(ctx, l)
}

// start starts the appliance and compares what it has kept with what it had to.
func (s *kvSoak) start(ctx context.Context) (*kvLife, error) {
	a, g, err := s.launch(ctx)
	if err != nil {
		return nil, err
	}
	l := &kvLife{appliance: a, target: g}
	if err := s.meet(ctx, l); err != nil {
		a.kill()
		g.close()
		return nil, err
	}
	return l, nil
}

// meet connects to a new life, and verifies.
func (s *kvSoak) meet(ctx context.Context, l *kvLife) error {
	door, err := dialKV(ctx, "unix", filepath.Join(s.work, "kv.sock"))
	if err != nil {
		return err
	}
	defer door.close()
	v, err := door.do("CONFIG", "GET", "port")
	if err != nil {
		return err
	}
	l.addr = "127.0.0.1:" + kvText(fieldOf(v, "port"))
	if l.control, err = dialKV(ctx, "tcp", l.addr); err != nil {
		return err
	}
	// Small enough that many kills fall into a compaction.
	if _, err := l.control.do("CONFIG", "SET", "auto-aof-rewrite-min-size", "60000", "auto-aof-rewrite-percentage", "10"); err != nil {
		return err
	}
	return s.verify(l)
}

// verify has all clients compare.
func (s *kvSoak) verify(l *kvLife) error {
	for _, w := range s.writers {
		w.tally = s.tally
		if err := w.verify(l.control, s.promise); err != nil {
			return fmt.Errorf("client %d: %w", w.maker.client, err)
		}
	}
	for i, q := range s.queues {
		if err := q.verify(l.control, s.ways[i], s.promise, s.tally); err != nil {
			return err
		}
	}
	return nil
}

// load has all clients at work while f runs, which ends the appliance.
func (s *kvSoak) load(ctx context.Context, l *kvLife, f func() error) error {
	life, end := context.WithCancel(ctx)
	var wg sync.WaitGroup
	client := func(name string, work func(c *kvConn) error) {
		wg.Go(func() {
			c, err := dialKV(life, "tcp", l.addr)
			if err == nil {
				err = work(c)
				c.close()
			}
			switch {
			case err == nil:
			case errors.Is(err, errNoAnswer):
				s.tally.broke("stuck", "%s: %v", name, err)
			case !s.filled && !l.dying.Load() && ctx.Err() == nil:
				s.tally.broke("failed", "%s: %v", name, err)
			default:
				s.tally.refused("connection cut")
			}
		})
	}
	for i, w := range s.writers {
		client(fmt.Sprintf("writer %d", i), func(c *kvConn) error { return w.write(life, c) })
	}
	for i, q := range s.queues {
		way := s.ways[i]
		for n := range 2 {
			client(way.name+" producer", func(c *kvConn) error { return q.produce(life, c, way, n, s.tally) })
		}
		for _, consumer := range kvConsumers() {
			client(way.name+" consumer", func(c *kvConn) error { return q.consume(life, c, way, consumer, s.tally) })
		}
	}
	err := f()
	end()
	wg.Wait()
	return err
}

// kill ends a life as a power cut would, and says what is promised of what it has acknowledged.
func (s *kvSoak) kill(ctx context.Context, l *kvLife) {
	if l.gone() {
		s.tally.broke("died", "the appliance ended by itself: %v\n%s", l.err, logTail(s.binary().log, 20))
	}
	workers := children(l.pid)
	l.control.close()
	l.dying.Store(true)
	s.promise = kvPromise{killed: time.Now(), all: s.policy == "always", within: time.Second}
	if s.policy == "no" {
		s.promise.within = -1
	}
	l.kill()
	l.close()
	s.checkOrphans(ctx, workers)
}

// stopLife ends a life in the orderly way: all that it has acknowledged has to be there then, whatever the policy.
func (s *kvSoak) stopLife(ctx context.Context, l *kvLife) error {
	l.control.close()
	s.promise = kvPromise{killed: time.Now(), all: true}
	err := s.stop(ctx, l.appliance, l.target)
	l.close()
	return err
}
