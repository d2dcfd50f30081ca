package local

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

// adopted is a lease of before the start.
type adopted struct {
	leaseRecord
	rec record // zero = the job is not at work
}

// scanLeases reads who had which job outside the process. A record that is damaged is no lease.
func (e *Engine) scanLeases(ctx context.Context) (map[uint64]*adopted, error) {
	out := map[uint64]*adopted{}
	o := store.ScanOptions{Prefix: []byte{leaseKey}, OnCorrupt: func([]byte) error { return nil }}
	err := e.space.Scan(ctx, o, func(k, v []byte) (bool, error) {
		if l, err := decodeLease(v); err == nil && isNumberKey(k) {
			out[binary.BigEndian.Uint64(k[1:])] = &adopted{leaseRecord: l}
		}
		return true, nil
	})
	if err != nil {
		return nil, fmt.Errorf("read leases: %w", err)
	}
	return out, nil
}

// adoptLeases gives the workers outside the process the leases that they had, each with its full length, since they
// could not give a sign of life meanwhile. What is left of leases without a job at work is removed.
func (e *Engine) adoptLeases(ctx context.Context, leases map[uint64]*adopted) error {
	b := e.db.Batch()
	b.Essential()
	at := e.now()
	for n, l := range leases {
		if l.rec.Status != queue.Active {
			if b.Len() < changeOps {
				b.Delete(e.space, key(leaseKey, n)) // more than that is left for the next start
			}
			continue
		}
		if err := e.adoptLease(n, l, at); err != nil {
			return err
		}
	}
	if b.Len() == 0 {
		return nil
	}
	return e.commit(ctx, b)
}

func (e *Engine) adoptLease(n uint64, l *adopted, at instant) error {
	_, j, err := e.load(n)
	if err != nil && !isCorrupt(err) {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil {
		e.line(l.rec.queue).counts[queue.Ready]++
		l.rec.State = queue.Reclaim(l.rec.State)
		e.table.doomed[n] = doom{code: errcode.Corrupt, message: damageText, rec: l.rec}
		return nil
	}
	describe(&j, n, l.rec)
	j.Payload = nil
	length := max(l.length, queue.RestartLease)
	h := &hold{
		n: n, token: l.token, lane: e.lane(l.rec), slot: -1, stored: l.rec, rec: l.rec, job: j, worker: l.worker,
		progress: l.progress, started: at.mono,
		ext: &outside{length: l.length, when: l.when, until: at.mono + length, hard: at.mono + e.timeLeft(l.rec, j, at), index: -1, saved: at.mono},
	}
	if l.rec.CancelAsked {
		// What was to be staged when it ends as cancelled is lost; its handler, if it has one, is told instead.
		h.cancel = func(b *store.Batch) error {
			d := j
			d.Payload = e.payload(n)
			d.Status = queue.Cancelled
			return e.cfg.Dead(b, d, errcode.Cancelled, "the job was cancelled")
		}
	}
	e.table.holds[n] = h
	e.began(h)
	e.table.leases.add(h, h.ext.due())
	if e.table.nodes[l.worker] == nil {
		e.seen(l.worker, true)
	}
	return nil
}

// timeLeft is how long a run that goes on over a restart may still take: as the clock says, but not so little that its
// worker cannot even come back, and no more than its timeout, should the clock be wrong.
func (e *Engine) timeLeft(r record, j queue.Job, at instant) time.Duration {
	return min(max(r.StartedAt.Add(j.Timeout).Sub(at.wall), queue.RestartLease), max(j.Timeout, queue.RestartLease))
}

// manyKeyed is the share of jobs with a limit key, one in so many, from which on one pass over all bodies takes less time
// than to read theirs one by one (1.4 µs a job to 4.4 µs, BenchmarkOpenKeys).
const manyKeyed = 8

// adoptLimits notes the limit keys of jobs of the database, by ascending number; all is how many jobs there are.
func (e *Engine) adoptLimits(ctx context.Context, keyed []uint64, all int) error {
	if len(keyed) == 0 {
		return nil
	}
	note := func(n uint64, key uniqueHash, has bool) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.limit(n, key, has)
	}
	if len(keyed) < all/manyKeyed {
		for _, n := range keyed {
			key, has := e.limitOf(n, record{more: hasLimitKey})
			note(n, key, has)
		}
		return nil
	}
	o := store.ScanOptions{Prefix: []byte{bodyKey}, From: key(bodyKey, keyed[0]), OnCorrupt: func([]byte) error { return nil }}
	err := e.space.Scan(ctx, o, func(k, v []byte) (bool, error) {
		if !isNumberKey(k) {
			return true, nil
		}
		n := numberOf(k)
		for len(keyed) > 0 && keyed[0] < n {
			keyed = keyed[1:]
		}
		if len(keyed) == 0 {
			return false, nil
		}
		if keyed[0] != n {
			return true, nil
		}
		if j, err := decodeBody(v); err == nil && j.LimitKey != "" {
			note(n, hashUnique(j.LimitKey), true)
		}
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("read limit keys: %w", err)
	}
	return nil
}
