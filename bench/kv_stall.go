package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

const (
	kvQuiet   = 2 * time.Second  // in which nothing ends: what the machine itself does to a client
	kvEnding  = time.Second      // within which half of the keys end
	kvFilling = 30 * time.Second // that filling may take
)

// kvProbe is what a client saw that asked for nothing but an answer, one after another.
type kvProbe struct{ quiet, busy spread }

// measureKVStall compares the longest that a client waits for the answer to PING while half of a million keys end, and
// for comparison while none does: what others on the machine do is in both.
func measureKVStall(ctx context.Context, b *bench) ([]figure, error) {
	type seen struct{ quiet, busy, quiet999, busy999 spread }
	var all [2]seen
	for round := range b.runs {
		p, err := b.kvPair(ctx)
		if err != nil {
			return kvMissing(err)
		}
		for _, k := range p.order(round) {
			var got kvProbe
			if got, err = p.servers[k].stall(ctx); err != nil {
				break
			}
			s := &all[k]
			s.quiet, s.busy = append(s.quiet, got.quiet.quantile(1)), append(s.busy, got.busy.quantile(1))
			s.quiet999, s.busy999 = append(s.quiet999, got.quiet.quantile(0.999)), append(s.busy999, got.busy.quantile(0.999))
			if err = p.servers[k].flush(); err != nil { // the other one is to have the machine
				break
			}
		}
		p.stop()
		if err != nil {
			return nil, err
		}
	}
	var out []figure
	for k, name := range []string{kvOwn: "appliance", kvPeer: "redis-server"} {
		reach := "–"
		if k == kvOwn {
			reach = "≤ 2"
		}
		s := &all[k]
		out = append(out,
			b.figure("kv: longest PING while half of 1 M keys end, "+name+", ms", reach, fmt.Sprintf("%s; %s while none ends", s.busy, s.quiet),
				map[string]spread{"longest_ms": s.busy, "longest_quiet_ms": s.quiet}),
			b.figure("kv: PING at p99.9 while half of 1 M keys end, "+name+", ms", "–", fmt.Sprintf("%s; %s while none ends", s.busy999, s.quiet999),
				map[string]spread{"p999_ms": s.busy999, "p999_quiet_ms": s.quiet999}),
		)
	}
	return out, nil
}

// stall fills the server, half of it with keys that end at one time, and asks while that goes on.
func (s *kvServer) stall(ctx context.Context) (kvProbe, error) {
	var got kvProbe
	ends := time.Now().Add(kvFilling)
	if err := s.fillKeys(kvKeys / 2); err != nil {
		return got, err
	}
	err := s.conn.fill(kvKeys/2, func(i int) []string {
		at := ends.UnixMilli() + int64(i)%kvEnding.Milliseconds()
		return []string{"SET", fmt.Sprintf("ends:%012d", i), kvText, "PXAT", strconv.FormatInt(at, 10)}
	})
	if err != nil {
		return got, err
	}
	quiet := ends.Add(-kvQuiet)
	if time.Now().After(quiet) {
		return got, fmt.Errorf("the machine is too busy: a million keys took longer than %s", kvFilling-kvQuiet)
	}
	if err := rest(ctx, time.Until(quiet)); err != nil {
		return got, err
	}
	for time.Now().Before(ends) {
		if err := s.ping(&got.quiet); err != nil {
			return got, err
		}
	}
	const look = 200 // pings between two looks at how many keys are left
	for n := 0; ; n++ {
		if err := s.ping(&got.busy); err != nil {
			return got, err
		}
		if n%look != 0 {
			continue
		}
		size, err := s.conn.text("DBSIZE")
		if err != nil {
			return got, err
		}
		if left, err := strconv.Atoi(size); err != nil || left <= kvKeys/2 {
			return got, err //nolint:wrapcheck // of a number
		}
		if time.Since(ends) > 2*kvFilling {
			return got, errors.New("keys that have ended are still there")
		}
	}
}

// ping adds how long the answer to PING took, in milliseconds.
func (s *kvServer) ping(to *spread) error {
	began := time.Now()
	err := s.conn.do("PING")
	*to = append(*to, ms(time.Since(began)))
	return err
}
