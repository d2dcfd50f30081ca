package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"
)

const (
	kvMembers = 100_000
	kvSets    = 4 // of which members are taken out, so that they stay large
	kvScanner = 4 // connections that go through everything
	kvPasses  = 4 // each
)

// kvLarge are commands on values of 100,000 members.
func kvLarge() []kvCase {
	one, each := "z:000000000000", "z:__rand_int__"
	return []kvCase{
		{"ZRANK", "≥ 0.7", []string{"ZRANK", one, "member:__rand_int__"}, 200_000, kvMembers, kvDeep},
		{"ZRANGEBYSCORE, ten of the middle", "≥ 0.7", []string{"ZRANGEBYSCORE", one, "__rand_int__", "+inf", "LIMIT", "0", "10"}, 100_000, kvMembers, kvDeep},
		{"SRANDMEMBER", "≥ 0.7", []string{"SRANDMEMBER", "s:000000000000"}, 400_000, 1, kvDeep},
		{"ZPOPMIN", "≥ 0.7", []string{"ZPOPMIN", each}, kvSets * kvMembers / 2, kvSets, kvDeep},
		{"SPOP", "≥ 0.7", []string{"SPOP", "s:__rand_int__"}, kvSets * kvMembers / 2, kvSets, kvDeep},
	}
}

// fillLarge makes everything that kvLarge and the scans look at.
func (s *kvServer) fillLarge() error {
	if err := s.flush(); err != nil {
		return err
	}
	const batch = 50
	numbered := func(name string, i int) string { return fmt.Sprintf("%s:%012d", name, i) }
	for set := range kvSets {
		for _, command := range []string{"ZADD", "SADD"} {
			name := numbered(string(command[0]|0x20), set)
			err := s.conn.fill(kvMembers/batch, func(i int) []string {
				words := []string{command, name}
				for k := range batch {
					// Their order is neither that of the scores nor of the names.
					at := (i*batch + k) * 7919 % kvMembers
					if command == "ZADD" {
						words = append(words, strconv.Itoa(at))
					}
					words = append(words, numbered("member", at))
				}
				return words
			})
			if err != nil {
				return err
			}
		}
	}
	value := numbered("val", 1)
	if err := s.conn.fill(kvMembers, func(i int) []string { return []string{"HSET", "h", numbered("field", i), value} }); err != nil {
		return err
	}
	return s.conn.fill(kvMembers, func(i int) []string { return []string{"SET", numbered("key", i), value} })
}

// measureKVLarge compares what large values are made for.
func measureKVLarge(ctx context.Context, b *bench) ([]figure, error) {
	p, err := b.kvPair(ctx)
	if err != nil {
		return kvMissing(err)
	}
	defer p.stop()
	cases := kvLarge()
	scans := [][]string{{"HSCAN", "h"}, {"SCAN"}}
	results := make([]kvResult, len(cases)+len(scans))
	for round := range b.runs {
		if err := p.each(round, (*kvServer).fillLarge); err != nil {
			return nil, err
		}
		for i := range results {
			var got [2]kvSample
			for _, k := range p.order(round) {
				s := p.servers[k]
				if i < len(cases) {
					got[k], err = s.load(ctx, &cases[i])
				} else {
					got[k], err = s.scans(ctx, scans[i-len(cases)]...)
				}
				if err != nil {
					return nil, fmt.Errorf("%s: %w", s.name, err)
				}
			}
			results[i].add(got[kvOwn], got[kvPeer])
		}
	}
	var out []figure
	for i := range results {
		name := "kv: %s of 100 k members, pipeline 16 ÷ redis-server"
		if i < len(cases) {
			name = fmt.Sprintf(name, cases[i].name)
		} else {
			name = fmt.Sprintf("kv: %s through 100 k, COUNT 100, %d clients ÷ redis-server", scans[i-len(cases)][0], kvScanner)
		}
		out = append(out, results[i].figure(b, name, "≥ 0.7"))
	}
	return out, nil
}

// scans has some connections go through everything. What counts as a command is a call.
func (s *kvServer) scans(ctx context.Context, words ...string) (kvSample, error) {
	var conns [kvScanner]*kvConn
	for i := range conns {
		c, err := dialKV(ctx, s.addr)
		if err != nil {
			return kvSample{}, err
		}
		defer c.close()
		conns[i] = c
	}
	var calls [kvScanner]int
	var errs [kvScanner]error
	sample, err := s.measure(1, func() error {
		var all sync.WaitGroup
		for i, c := range conns {
			all.Go(func() {
				for range kvPasses {
					n, err := c.scan(words...)
					if calls[i] += n; err != nil {
						errs[i] = err
						return
					}
				}
			})
		}
		all.Wait()
		for _, err := range errs {
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return sample, fmt.Errorf("%s: %w", words[0], err)
	}
	n := 0
	for _, k := range calls {
		n += k
	}
	return kvSample{rate: sample.rate * float64(n), cpu: sample.cpu / float64(n)}, nil
}
