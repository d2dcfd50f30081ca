package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const kvKeys = 1_000_000

// kvText is a value of 100 bytes.
const kvText = "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"

// kvBytes is what a server takes.
type kvBytes struct{ used, resident float64 }

// bytes is what the server says that it uses, and what the kernel has given it.
func (s *kvServer) bytes() (kvBytes, error) {
	info, err := s.conn.text("INFO", "memory")
	if err != nil {
		return kvBytes{}, err
	}
	_, rest, _ := strings.Cut(info, "used_memory:")
	used, _, _ := strings.Cut(rest, "\r\n")
	n, err := strconv.ParseFloat(used, 64)
	if err != nil {
		return kvBytes{}, fmt.Errorf("read used_memory: %w", err)
	}
	rss, err := pss(s.pid)
	return kvBytes{n, float64(rss)}, err
}

// fillKeys sets keys.
func (s *kvServer) fillKeys(n int) error {
	return s.conn.fill(n, func(i int) []string { return []string{"SET", fmt.Sprintf("key:%012d", i), kvText} })
}

// measureKVMemory compares what a million keys take: as the servers count, and as the kernel does, a while after.
func measureKVMemory(ctx context.Context, b *bench) ([]figure, error) {
	var used, resident, ownUsed, peerUsed, ownResident, peerResident, left spread
	for round := range b.runs {
		p, err := b.kvPair(ctx)
		if err != nil {
			return kvMissing(err)
		}
		var got [2]kvBytes
		var back float64
		for _, k := range p.order(round) {
			if got[k], err = p.servers[k].kept(ctx); err != nil {
				break
			}
			if k == kvOwn {
				if back, err = p.servers[k].emptied(ctx); err != nil {
					break
				}
			}
		}
		p.stop()
		if err != nil {
			return nil, err
		}
		own, peer := got[kvOwn], got[kvPeer]
		used, resident = append(used, own.used/peer.used), append(resident, own.resident/peer.resident)
		ownUsed, peerUsed = append(ownUsed, own.used), append(peerUsed, peer.used)
		ownResident, peerResident = append(ownResident, own.resident), append(peerResident, peer.resident)
		left = append(left, back/mib)
	}
	return []figure{
		b.figure("kv: used_memory a key, 1 M keys of 100 B ÷ redis-server", "≤ 1.5",
			fmt.Sprintf("%s; %.0f of %.0f B", used, ownUsed.median(), peerUsed.median()),
			map[string]spread{"ratio": used, "bytes": ownUsed, "bytes_redis": peerUsed}),
		b.figure("kv: PSS a key, 1 M keys of 100 B ÷ redis-server", "≤ 1.5",
			fmt.Sprintf("%s; %.0f of %.0f B", resident, ownResident.median(), peerResident.median()),
			map[string]spread{"ratio": resident, "bytes": ownResident, "bytes_redis": peerResident}),
		b.figure("kv: PSS after 1 M keys were deleted one by one, MiB", "–", left.String(), map[string]spread{"left_mib": left}),
	}, nil
}

// kept fills the server and gives what a key takes. It waits for what goes on behind the answers: the collector gives
// memory back to the kernel bit by bit.
func (s *kvServer) kept(ctx context.Context) (kvBytes, error) {
	empty, err := s.bytes()
	if err != nil {
		return kvBytes{}, err
	}
	if err := s.fillKeys(kvKeys); err != nil {
		return kvBytes{}, err
	}
	if err := rest(ctx, 10*time.Second); err != nil {
		return kvBytes{}, err
	}
	full, err := s.bytes()
	return kvBytes{(full.used - empty.used) / kvKeys, (full.resident - empty.resident) / kvKeys}, err
}

// emptied deletes all keys and gives how many bytes the server keeps for itself.
func (s *kvServer) emptied(ctx context.Context) (float64, error) {
	if err := s.conn.fill(kvKeys, func(i int) []string { return []string{"DEL", fmt.Sprintf("key:%012d", i)} }); err != nil {
		return 0, err
	}
	if err := rest(ctx, 10*time.Second); err != nil {
		return 0, err
	}
	now, err := s.bytes()
	return now.resident, err
}

// rest waits.
func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait: %w", ctx.Err())
	}
}
