package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

const (
	kvClients = 50 // of redis-benchmark
	kvValue   = 16 // bytes
	kvDeep    = 16 // commands in a pipeline
	kvRange   = 100_000
	kvWide    = 1_000_000
)

// kvCase is a load that redis-benchmark puts on both servers in turn.
type kvCase struct {
	name  string
	reach string
	words []string // the command, or a test of redis-benchmark
	n     int      // commands
	rng   int      // different numbers that stand for __rand_int__
	deep  int
}

// kvSimple are the commands of everyday, in an order in which each finds what those before it have left: RPOP takes what
// LPUSH has put there.
func kvSimple(deep int) []kvCase {
	reach, n := "≥ 1.0", 600_000
	if deep == 1 {
		reach, n = "≥ 0.7", 100_000 // bound by system calls
	}
	var list []kvCase
	for _, t := range []string{"set", "get", "incr", "hset", "sadd", "lpush", "rpop", "zadd"} {
		list = append(list, kvCase{name: strings.ToUpper(t), reach: reach, words: []string{"-t", t}, n: n, rng: kvRange, deep: deep})
	}
	return list
}

// measureKVDeep compares the commands of everyday, sixteen at a time, with redis-server.
func measureKVDeep(ctx context.Context, b *bench) ([]figure, error) {
	list := kvSimple(kvDeep)
	wide := list[len(list)-1]
	wide.name, wide.rng = "ZADD of 1 M members", kvWide
	few := kvCase{name: "ZADD of 100 members", reach: "≥ 1.0", words: wide.words, n: wide.n, rng: 100, deep: kvDeep}
	return b.kvCompare(ctx, append(list, wide, few), func(c *kvCase, s *kvServer) error {
		if strings.HasPrefix(c.name, "ZADD") { // each begins with an empty set
			return s.flush()
		}
		return nil
	})
}

// measureKVFlat does so one command at a time.
func measureKVFlat(ctx context.Context, b *bench) ([]figure, error) {
	return b.kvCompare(ctx, kvSimple(1), nil)
}

// measureKVScript compares a short script.
func measureKVScript(ctx context.Context, b *bench) ([]figure, error) {
	const n = 150_000
	key := "script:__rand_int__"
	return b.kvCompare(ctx, []kvCase{
		{"EVAL of a script of one command", "≥ 0.3", []string{"EVAL", "return redis.call('incr',KEYS[1])", "1", key}, n, kvRange, kvDeep},
		{"EVAL of a script that branches", "≥ 0.3", []string{"EVAL", kvBranch, "1", key, "60"}, n, kvRange, kvDeep},
	}, nil)
}

// kvBranch counts calls within a window, as limiters of rates do.
const kvBranch = `local n = redis.call('incr', KEYS[1]) if n == 1 then redis.call('expire', KEYS[1], ARGV[1]) end return {n, tonumber(ARGV[1]) * 2}`

// kvSample is one run of a load.
type kvSample struct {
	rate float64 // commands a second
	cpu  float64 // of the server's process, microseconds a command
}

// kvResult is what both servers did with a load. Ratios are those of one round each.
type kvResult struct {
	rate, cpu         spread // ratios: above one is faster, and needs less of the processor
	ownRate, peerRate spread
	ownCPU, peerCPU   spread
}

func (r *kvResult) add(own, peer kvSample) {
	r.rate, r.cpu = append(r.rate, own.rate/peer.rate), append(r.cpu, peer.cpu/own.cpu)
	r.ownRate, r.peerRate = append(r.ownRate, own.rate), append(r.peerRate, peer.rate)
	r.ownCPU, r.peerCPU = append(r.ownCPU, own.cpu), append(r.peerCPU, peer.cpu)
}

// figure puts the ratio by the clock first, which others on the machine disturb, and the one by the time of the processor
// beside it, which they do not.
func (r *kvResult) figure(b *bench, name, reach string) figure {
	value := fmt.Sprintf("%s; by processor time %s; %.0f of %.0f /s, %.2f of %.2f µs",
		r.rate, r.cpu, r.ownRate.median(), r.peerRate.median(), r.ownCPU.median(), r.peerCPU.median())
	return b.figure(name, reach, value, map[string]spread{
		"ratio": r.rate, "ratio_cpu": r.cpu, "rate": r.ownRate, "rate_redis": r.peerRate, "cpu_us": r.ownCPU, "cpu_us_redis": r.peerCPU,
	})
}

// kvCompare puts every load on both servers, in each round the other one first. before is called before each run.
func (b *bench) kvCompare(ctx context.Context, cases []kvCase, before func(c *kvCase, s *kvServer) error) ([]figure, error) {
	p, err := b.kvPair(ctx)
	if err != nil {
		return kvMissing(err)
	}
	defer p.stop()
	results := make([]kvResult, len(cases))
	for round := range b.runs {
		if err := p.each(round, (*kvServer).flush); err != nil {
			return nil, err
		}
		for i := range cases {
			c := &cases[i]
			var got [2]kvSample
			for _, k := range p.order(round) {
				s := p.servers[k]
				if before != nil {
					if err := before(c, s); err != nil {
						return nil, err
					}
				}
				if got[k], err = s.load(ctx, c); err != nil {
					return nil, fmt.Errorf("%s: %s: %w", s.name, c.name, err)
				}
			}
			results[i].add(got[kvOwn], got[kvPeer])
		}
	}
	var out []figure
	for i, c := range cases {
		out = append(out, results[i].figure(b, fmt.Sprintf("kv: %s, pipeline %d ÷ redis-server", c.name, c.deep), c.reach))
	}
	return out, nil
}

// kvMissing says which program is not installed, in place of figures.
func kvMissing(err error) ([]figure, error) {
	if missing, is := errors.AsType[*exec.Error](err); is && errors.Is(err, exec.ErrNotFound) {
		return []figure{{name: "kv: beside redis-server", reach: "–", value: "not measured: " + missing.Name + " is not installed"}}, nil
	}
	return nil, err
}
