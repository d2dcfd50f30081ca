package local

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

// Groups of expiry keys, by what expires. Each is in the order of time, so that a flood of jobs of one status can be cut
// short without looking at the others. The numbers are the format.
const (
	groupResult    = 0x80
	groupCompleted = 0x81
	groupDead      = 0x82
	groupCancelled = 0x83
	groupFlow      = 0x84
	// groupOld are the keys of versions without groups: the first byte of their time, and behind the number what
	// expires, a job (0) or its result (1).
	groupOld = 0x00
)

const (
	sweepBatch = 256         // keys that are looked at in one commit
	sweepOps   = 1200        // changes in one commit, one removed job more still fits the smallest database
	shortest   = time.Minute // what is put off comes again after this, at least
)

// expiry is what an expiry key says.
type expiry struct {
	group byte
	at    int64 // in seconds
	n     uint64
}

func expiryKey(group byte, at time.Time, n uint64) []byte {
	// Rounded up: a job is not to expire before it has ended.
	k := binary.BigEndian.AppendUint64([]byte{endedKey, group}, uint64(max(at.Add(time.Second-1).Unix(), 0)))
	return binary.BigEndian.AppendUint64(k, n)
}

func parseExpiryKey(k []byte) (expiry, bool) {
	switch {
	case len(k) != 18:
		return expiry{}, false
	case k[1] == groupOld:
		x := expiry{group: groupOld, at: int64(binary.BigEndian.Uint64(k[1:])), n: binary.BigEndian.Uint64(k[9:])}
		if k[17] != 0 {
			x.group = groupResult
		}
		return x, true
	case k[1] < groupResult || k[1] > groupFlow:
		return expiry{}, false
	}
	return expiry{group: k[1], at: int64(binary.BigEndian.Uint64(k[2:])), n: binary.BigEndian.Uint64(k[10:])}, true
}

func groupOf(s queue.Status) byte {
	switch s {
	case queue.Dead:
		return groupDead
	case queue.Cancelled:
		return groupCancelled
	default:
		return groupCompleted
	}
}

// retention gives how long a job is kept that has ended with a status.
func (e *Engine) retention(s queue.Status) time.Duration {
	switch s {
	case queue.Dead:
		return e.cfg.RetentionDead
	case queue.Cancelled:
		return e.cfg.RetentionCancelled
	default:
		return e.cfg.Retention
	}
}

// stageResultExpiry stages when the result of a job that ended goes; with the job itself if nothing is sooner.
func (e *Engine) stageResultExpiry(b *store.Batch, f final, from time.Time) {
	ttl := e.cfg.ResultTTL
	if f.job.ResultTTL > 0 {
		ttl = f.job.ResultTTL
	}
	if ttl < e.cfg.Retention {
		b.Set(e.space, expiryKey(groupResult, from.Add(ttl), f.n), nil)
	}
}

// unstageEnd takes back what stageEnd staged, of a job that has ended and is to live on or to be removed. Keys that were
// put off since find nothing when their time comes.
func (e *Engine) unstageEnd(b *store.Batch, n uint64, r record, j queue.Job) {
	if r.Status == queue.Completed {
		ttl := e.cfg.ResultTTL
		if j.ResultTTL > 0 {
			ttl = j.ResultTTL
		}
		b.Delete(e.space, expiryKey(groupResult, r.FinishedAt.Add(ttl), n))
	}
	b.Delete(e.space, expiryKey(groupOf(r.Status), r.FinishedAt.Add(e.retention(r.Status)), n))
}

// sweeper is one commit that removes what has expired.
type sweeper struct {
	e       *Engine
	b       *store.Batch
	now     time.Time
	seen    int
	removed int
	surplus map[byte]int64 // by group: jobs that are too many
	flows   map[queue.FlowID]flowEnd
}

// sweep removes a batch of what has expired, and reports whether there may be more.
func (e *Engine) sweep(ctx context.Context) (more bool, err error) {
	s := &sweeper{e: e, b: e.db.Batch(), now: e.now().wall, surplus: e.surplus(), flows: map[queue.FlowID]flowEnd{}}
	s.b.Essential()
	for _, group := range []byte{groupOld, groupResult, groupCompleted, groupDead, groupCancelled, groupFlow} {
		if err := s.sweep(ctx, group); err != nil {
			return false, fmt.Errorf("look for expired jobs: %w", err)
		}
	}
	if s.b.Len() == 0 {
		return false, nil
	}
	if err := e.commit(ctx, s.b); err != nil {
		return false, err
	}
	return s.full() && s.removed > 0, nil
}

// surplus gives by how many the jobs of each final status are too many.
func (e *Engine) surplus() map[byte]int64 {
	out := map[byte]int64{groupCompleted: -e.cfg.MaxFinished, groupDead: -e.cfg.MaxDead, groupCancelled: -e.cfg.MaxCancelled}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, q := range e.table.order {
		out[groupCompleted] += q.counts[queue.Completed]
		out[groupDead] += q.counts[queue.Dead]
		out[groupCancelled] += q.counts[queue.Cancelled]
	}
	return out
}

func (s *sweeper) full() bool { return s.seen >= sweepBatch || s.b.Len() >= sweepOps }

func (s *sweeper) sweep(ctx context.Context, group byte) error {
	o := store.ScanOptions{Prefix: []byte{endedKey, group}, KeysOnly: true}
	err := s.e.space.Scan(ctx, o, func(k, _ []byte) (bool, error) {
		if s.full() {
			return false, nil
		}
		x, ok := parseExpiryKey(k)
		if ok && x.at > s.now.Unix() && s.surplus[x.group] <= 0 {
			return false, nil
		}
		s.seen++
		s.b.Delete(s.e.space, k)
		if !ok {
			return true, nil
		}
		return true, s.expire(ctx, x)
	})
	if err != nil {
		return fmt.Errorf("read what expires: %w", err)
	}
	return nil
}

func (s *sweeper) expire(ctx context.Context, x expiry) error {
	switch x.group {
	case groupFlow:
		return s.expireFlow(x)
	case groupResult:
		return s.expireResult(x)
	default:
		return s.expireJob(ctx, x)
	}
}

// expireResult removes the result of a job, unless another of its flow may still ask for it.
func (s *sweeper) expireResult(x expiry) error {
	r, err := s.e.loadRecord(x.n)
	if err != nil && !isCorrupt(err) {
		return err
	}
	if err == nil && r.more&inFlow != 0 {
		f, err := s.flow(x.n)
		if err != nil {
			return err
		}
		if f.open {
			s.putOff(x, s.now.Add(max(s.e.cfg.ResultTTL, shortest)))
			return nil
		}
	}
	s.removed++
	s.b.Delete(s.e.space, key(resultKey, x.n))
	return nil
}

// expireJob removes a job, unless it lives again, has its time still to come or belongs to a flow that has.
func (s *sweeper) expireJob(ctx context.Context, x expiry) error {
	r, err := s.e.loadRecord(x.n)
	switch {
	case err != nil && !isCorrupt(err):
		return err
	case err != nil:
		return s.remove(ctx, x)
	case !r.Status.Final():
		return nil // it has been brought back to life since
	}
	group := groupOf(r.Status)
	surplus := s.surplus[group] > 0
	due := r.FinishedAt.Add(s.e.retention(r.Status))
	if r.more&inFlow != 0 {
		f, err := s.flow(x.n)
		switch {
		case err != nil:
			return err
		case f.open:
			x.group = group
			s.putOff(x, s.now.Add(max(s.e.retention(r.Status), shortest)))
			return nil
		case f.last.After(due):
			due = f.last
		}
	}
	if due.After(s.now) && !surplus {
		x.group = group
		s.putOff(x, due)
		return nil
	}
	if surplus {
		s.surplus[group]--
	}
	return s.remove(ctx, x)
}

func (s *sweeper) remove(ctx context.Context, x expiry) error {
	s.removed++
	return s.e.stageRemoval(ctx, s.b, x.n)
}

func (s *sweeper) putOff(x expiry, to time.Time) {
	s.b.Set(s.e.space, expiryKey(x.group, to, x.n), nil)
}

// stageRemoval stages the removal of all records of a job that has ended.
func (e *Engine) stageRemoval(ctx context.Context, b *store.Batch, n uint64) error {
	r, err := e.loadRecord(n)
	switch {
	case err != nil && !isCorrupt(err):
		return err
	case err == nil:
		b.OnCommit(func() {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.line(r.queue).counts[r.Status]--
			e.noteQueue()
		})
	}
	return e.stageRemoveKeys(ctx, b, n, r)
}

// stageRemoveKeys stages the removal of the keys of job n, which has ended with record r.
func (e *Engine) stageRemoveKeys(ctx context.Context, b *store.Batch, n uint64, r record) error {
	for _, family := range []byte{stateKey, bodyKey, resultKey} {
		b.Delete(e.space, key(family, n))
	}
	if r.Status == queue.Completed && r.Attempt <= 1 {
		return nil // nothing failed
	}
	o := store.ScanOptions{Prefix: binary.BigEndian.AppendUint64([]byte{errorKey}, n), KeysOnly: true}
	err := e.space.Scan(ctx, o, func(k, _ []byte) (bool, error) {
		b.Delete(e.space, k)
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("look for errors of job %s: %w", formatID(n), err)
	}
	return nil
}
