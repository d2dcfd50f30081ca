package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// Places in a pair of servers.
const (
	kvOwn = iota
	kvPeer
)

// kvServer is a server of the Redis protocol.
type kvServer struct {
	name string
	addr string
	pid  int
	conn *kvConn // for preparations
	end  func() error
}

// kvPair are the appliance and redis-server, both with a log of changes that the kernel may write when it likes, without
// a bound of memory, each on a data folder of its own.
type kvPair struct{ servers [2]*kvServer }

// kvPair starts both on empty data folders.
func (b *bench) kvPair(ctx context.Context) (*kvPair, error) {
	for _, program := range []string{"redis-server", "redis-benchmark"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, fmt.Errorf("compare with redis-server: %w", err)
		}
	}
	p := &kvPair{}
	for k, start := range [...]func(context.Context) (*kvServer, error){kvOwn: b.kvAppliance, kvPeer: b.kvRedis} {
		s, err := start(ctx)
		if err != nil {
			p.stop()
			return nil, err
		}
		p.servers[k] = s
	}
	return p, nil
}

// stop ends both.
func (p *kvPair) stop() {
	for _, s := range p.servers {
		if s != nil {
			_ = s.stop() // its data go anyway
		}
	}
}

// order is which server is first in a round.
func (p *kvPair) order(round int) []int {
	if round%2 == 0 {
		return []int{kvPeer, kvOwn}
	}
	return []int{kvOwn, kvPeer}
}

// each does something with both servers.
func (p *kvPair) each(round int, do func(s *kvServer) error) error {
	for _, k := range p.order(round) {
		if err := do(p.servers[k]); err != nil {
			return fmt.Errorf("%s: %w", p.servers[k].name, err)
		}
	}
	return nil
}

// freePort gives an address that nobody listens on.
func freePort(ctx context.Context) (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a port: %w", err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		return "", fmt.Errorf("find a port: %w", err)
	}
	return addr, nil
}

// kvAppliance starts the appliance with its Redis-protocol server, and waits until it has compiled its decoders.
func (b *bench) kvAppliance(ctx context.Context) (*kvServer, error) {
	addr, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := b.folder()
	if err != nil {
		return nil, err
	}
	a, err := startServing(ctx, b.bin, dir, addr, "WAYSIDE_KV_APPENDFSYNC=no", "WAYSIDE_KV_MAXMEMORY=0")
	if err != nil {
		return nil, err
	}
	s := &kvServer{name: "appliance", addr: addr, pid: a.cmd.Process.Pid, end: a.stop}
	if err := a.compiled(ctx); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, s.connect(ctx)
}

// kvRedis starts redis-server.
func (b *bench) kvRedis(ctx context.Context) (*kvServer, error) {
	addr, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := b.folder()
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("find a port: %w", err)
	}
	//nolint:gosec // words of this program
	cmd := exec.CommandContext(ctx, "redis-server", "--bind", host, "--port", port, "--dir", dir, "--save", "",
		"--appendonly", "yes", "--appendfsync", "no", "--loglevel", "warning", "--daemonize", "no")
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start redis-server: %w", err)
	}
	s := &kvServer{name: "redis-server", addr: addr, pid: cmd.Process.Pid, end: func() error {
		err := cmd.Process.Kill()
		_ = cmd.Wait() // killed: that is its error
		return err     //nolint:wrapcheck // of a process that is not needed any more
	}}
	return s, s.connect(ctx)
}

// connect waits until the server listens.
func (s *kvServer) connect(ctx context.Context) (err error) {
	for deadline := time.Now().Add(20 * time.Second); ; {
		if s.conn, err = dialKV(ctx, s.addr); err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("%s does not listen: %w", s.name, err), s.stop())
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%s does not listen: %w", s.name, ctx.Err()), s.stop())
		}
	}
}

func (s *kvServer) stop() error {
	if s.conn != nil {
		s.conn.close()
	}
	return s.end()
}

// flush empties the server.
func (s *kvServer) flush() error { return s.conn.do("FLUSHALL") }

// cpu is what the server's process has computed so far, all its threads together.
func (s *kvServer) cpu() (time.Duration, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.pid))
	if err != nil {
		return 0, fmt.Errorf("read processor time: %w", err)
	}
	const user, system, tick = 11, 12, 10 * time.Millisecond // fields behind the name; USER_HZ is 100 wherever Go runs
	_, rest, _ := strings.Cut(string(data), ") ")
	f := strings.Fields(rest)
	if len(f) <= system {
		return 0, errors.New("read processor time: the line is short")
	}
	var sum time.Duration
	for _, i := range []int{user, system} {
		n, err := strconv.ParseInt(f[i], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read processor time: %w", err)
		}
		sum += time.Duration(n) * tick
	}
	return sum, nil
}

// measure gives what n commands cost that fn has the server do.
func (s *kvServer) measure(n int, fn func() error) (kvSample, error) {
	before, err := s.cpu()
	if err != nil {
		return kvSample{}, err
	}
	began := time.Now()
	if err := fn(); err != nil {
		return kvSample{}, err
	}
	took := time.Since(began)
	after, err := s.cpu()
	if err != nil {
		return kvSample{}, err
	}
	// The clock of processor time has ticks: a run that needs less than one is counted as one.
	spent := max(after-before, 10*time.Millisecond)
	return kvSample{rate: float64(n) / took.Seconds(), cpu: float64(spent.Microseconds()) / float64(n)}, nil
}

// load has redis-benchmark put a load on the server. The rate is the one that it tells.
func (s *kvServer) load(ctx context.Context, c *kvCase) (kvSample, error) {
	host, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		return kvSample{}, fmt.Errorf("find the port: %w", err)
	}
	args := append([]string{
		"-h", host, "-p", port, "--csv", "-c", strconv.Itoa(kvClients), "-d", strconv.Itoa(kvValue),
		"-n", strconv.Itoa(c.n), "-r", strconv.Itoa(c.rng), "-P", strconv.Itoa(c.deep),
	}, c.words...)
	var out, said strings.Builder
	cmd := exec.CommandContext(ctx, "redis-benchmark", args...) //nolint:gosec // words of this program
	cmd.Stdout, cmd.Stderr = &out, &said
	sample, err := s.measure(c.n, cmd.Run)
	if err != nil {
		return sample, fmt.Errorf("redis-benchmark: %w: %.300s", err, said.String())
	}
	rows, err := csv.NewReader(strings.NewReader(out.String())).ReadAll()
	if err != nil || len(rows) != 2 || len(rows[1]) < 2 {
		return sample, fmt.Errorf("redis-benchmark gave no row: %.300s%.300s", out.String(), said.String())
	}
	if sample.rate, err = strconv.ParseFloat(rows[1][1], 64); err != nil {
		return sample, fmt.Errorf("redis-benchmark gave no rate: %w", err)
	}
	return sample, nil
}
