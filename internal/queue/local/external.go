package local

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

const (
	maxEnds  = 10_000 // leases that one call ends
	maxNames = 256    // queues, and types, that one call names
)

var errNotLeased = errcode.New(errcode.Internal, "the lease could not be recorded")

// LeaseExternal implements queue.External.
func (e *Engine) LeaseExternal(ctx context.Context, r queue.ExternalRequest) ([]queue.ExternalLeased, error) {
	if err := e.checkRequest(&r); err != nil {
		return nil, err
	}
	for {
		e.measureSpace()
		holds, err := e.waitForJobs(ctx, e.waiterFor(r))
		if len(holds) == 0 {
			if ctx.Err() != nil {
				err = nil // nothing came in time
			}
			return nil, err
		}
		if out, err := e.startOutside(ctx, holds, r.Lease); err != nil || len(out) > 0 {
			return out, err
		}
	}
}

func (e *Engine) waiterFor(r queue.ExternalRequest) *waiter {
	return &waiter{
		r:       queue.LeaseRequest{Queues: r.Queues, Types: r.Types, Max: r.Max, Worker: r.Worker},
		outside: true, without: e.own, now: r.NoWait,
	}
}

// checkRequest checks a request and fills in what it leaves out.
func (e *Engine) checkRequest(r *queue.ExternalRequest) error {
	switch {
	case r.Worker == "" || len(r.Worker) > queue.MaxLabel:
		return errcode.Invalid("worker", "1 to %d bytes", queue.MaxLabel)
	case len(r.Queues) > maxNames || len(r.Types) > maxNames:
		return errcode.Invalid("queues, types", "at most %d each", maxNames)
	case r.Max < 0 || r.Max > queue.MaxLeaseBatch:
		return errcode.Invalid("max", "1 to %d", queue.MaxLeaseBatch)
	case r.Lease != 0 && (r.Lease < queue.MinLease || r.Lease > queue.MaxLease):
		return errcode.Invalid("lease_seconds", "%d to %d", int(queue.MinLease.Seconds()), int(queue.MaxLease.Seconds()))
	}
	for _, t := range r.Types {
		if _, ok := e.own[t]; ok {
			return errcode.Invalid("types", "jobs of type %s are run by the appliance itself", t)
		}
	}
	r.Max = max(r.Max, 1)
	if r.Lease == 0 {
		r.Lease = queue.DefaultLease
	}
	return nil
}

// newToken gives a token that nobody can guess and that was never given before.
func newToken() uint64 {
	var b [8]byte
	for {
		_, _ = rand.Read(b[:]) // never fails
		if t := binary.BigEndian.Uint64(b[:]); t != 0 {
			return t
		}
	}
}

// startOutside makes the jobs that were taken active, all in one commit, and gives those that can be run. If the
// caller has gone by then, they are taken back.
func (e *Engine) startOutside(ctx context.Context, holds []*hold, length time.Duration) ([]queue.ExternalLeased, error) {
	s := &starts{holds: holds, length: length}
	b := e.db.Batch()
	b.Essential() // it is the beginning of the end of what is there, and small
	if e.stageStarts(ctx, b, s); len(s.out) > 0 {
		e.endStarts(s, e.commit(ctx, b))
	}
	return e.started(ctx, s)
}

// starts are jobs that were taken, to become active in one commit.
type starts struct {
	holds  []*hold // that can be started
	length time.Duration
	out    []queue.ExternalLeased // one for each hold
	err    error                  // why none, or one of those left out, could not be started
}

// stageStarts stages the start of jobs; those that cannot be started are put back. It may be done again with another batch.
func (e *Engine) stageStarts(ctx context.Context, b *store.Batch, s *starts) {
	can := s.holds[:0]
	s.out = make([]queue.ExternalLeased, 0, len(s.holds))
	for _, h := range s.holds {
		l, err := e.stageStart(ctx, b, h, s.length)
		if err == nil {
			can, s.out = append(can, h), append(s.out, l)
			continue
		}
		e.mu.Lock()
		if err := e.putBack(h, err); err != nil {
			s.err = err
		}
		e.mu.Unlock()
	}
	s.holds = can
}

// endStarts puts all back if their commit failed.
func (e *Engine) endStarts(s *starts, err error) {
	if err == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, h := range s.holds {
		_ = e.putBack(h, errNotLeased)
	}
	s.holds, s.out, s.err = nil, nil, fmt.Errorf("lease: %w", err)
}

// started gives the jobs that were started. If the caller has gone, they are taken back; one whose time to wait is over
// is still there, and a commit may well take longer than it would wait.
func (e *Engine) started(ctx context.Context, s *starts) ([]queue.ExternalLeased, error) {
	if len(s.out) == 0 {
		return nil, s.err
	}
	if err := ctx.Err(); err == nil || errors.Is(err, context.DeadlineExceeded) {
		return s.out, nil
	}
	e.takeBack(ctx, s.holds)
	return nil, nil
}

// stageStart stages the start of a job that was taken.
func (e *Engine) stageStart(
	ctx context.Context, b *store.Batch, h *hold, length time.Duration,
) (queue.ExternalLeased, error) {
	at := e.now()
	r, j, err := e.loadLeased(ctx, h)
	h.stored = r
	waited := age(at.wall, j.CreatedAt, r.RunAt)
	if err == nil {
		r.State, err = startState(r.State, at.wall)
	}
	if err != nil {
		return queue.ExternalLeased{}, err
	}
	r.more |= isLeasedOut
	first := startsFirst(r, j)
	var spent uniqueHash
	if first {
		r.more |= keyLetGo
		spent = hashUnique(j.UniqueKey)
	}
	token := newToken()
	e.mu.Lock()
	h.token = token
	h.ext = &outside{length: length, when: at.wall, index: -1, saved: at.mono}
	e.mu.Unlock()
	b.Set(e.space, key(stateKey, h.n), r.encode())
	b.Set(e.space, key(leaseKey, h.n), h.lease().encode())
	describe(&j, h.n, r)
	j.Worker = h.worker
	kept := j
	kept.Payload = nil // a worker may take many jobs, and their payloads are large
	b.OnCommit(func() {
		now := e.cfg.Clock.Elapsed()
		e.cfg.Recorder.Leased(r.queue, waited, now-h.started)
		e.mu.Lock()
		defer e.mu.Unlock()
		h.stored, h.rec, h.job = r, r, kept
		h.ext.until, h.ext.hard = now+length, now+j.Timeout
		if e.table.leases.add(h, h.ext.due()) {
			e.nudge()
		}
		if first {
			e.table.keys.letGo(spent, h.n)
		}
		e.unclaim(e.table.claims[h.n])
	})
	j.Payload = bytes.Clone(j.Payload)
	return queue.ExternalLeased{
		Leased: queue.Leased{Job: j, Lease: queue.Lease{ID: j.ID, Token: token}}, Expires: at.wall.Add(min(length, j.Timeout)),
	}, nil
}

// startState gives the state of a job that is leased.
func startState(s queue.State, now time.Time) (queue.State, error) {
	var err error
	if s.Status == queue.Waiting {
		s = released(s, now) // or it would not be in a lane
	}
	if s.Status == queue.Scheduled || s.Status == queue.Retry {
		if s, _, err = queue.Transition(s, queue.Event{Kind: queue.Due}, now); err != nil {
			return s, fmt.Errorf("make ready: %w", err)
		}
	}
	if s, _, err = queue.Transition(s, queue.Event{Kind: queue.LeasedOut}, now); err != nil {
		return s, fmt.Errorf("start: %w", err)
	}
	return s, nil
}

// takeBack gives jobs back whose worker has gone before it heard of them. What cannot be given back expires.
func (e *Engine) takeBack(ctx context.Context, holds []*hold) {
	ends := make([]queue.End, len(holds))
	for i, h := range holds {
		ends[i] = queue.End{Lease: queue.Lease{ID: formatID(h.n), Token: h.token}, Outcome: queue.Outcome{Release: true}}
	}
	ended, err := e.FinishAll(context.WithoutCancel(ctx), ends)
	for i, l := range ended {
		err = errors.Join(err, l.Err)
		if l.Err == nil && !l.Lost {
			e.refund(holds[i])
		}
	}
	if err != nil {
		e.log.WarnContext(ctx, "leases of a worker that has gone could not be taken back, they will expire", "error", err)
	}
}

// FinishAll implements queue.External.
func (e *Engine) FinishAll(ctx context.Context, ends []queue.End) ([]queue.Ended, error) {
	if err := e.checkEnds(ends); err != nil {
		return nil, err
	}
	return e.finishAll(ctx, ends, nil), nil
}

// FinishAndLease implements queue.External. Where the runs that end make room at a limit they end first: what that lets
// through may come before everything that is there already.
func (e *Engine) FinishAndLease(
	ctx context.Context, ends []queue.End, r queue.ExternalRequest,
) ([]queue.Ended, []queue.ExternalLeased, error) {
	err := e.checkEnds(ends)
	if err == nil {
		err = e.checkRequest(&r)
	}
	if err != nil {
		return nil, nil, err
	}
	if len(ends) == 0 {
		out, err := e.LeaseExternal(ctx, r)
		return nil, out, err
	}
	e.measureSpace()
	w := e.waiterFor(r)
	w.now = true
	// With an error, or nothing, LeaseExternal will say so, or wait; the runs have ended all the same.
	var holds []*hold
	if !e.makeRoom(ends) {
		holds, _ = e.waitForJobs(ctx, w)
	}
	var with *starts
	if len(holds) > 0 {
		with = &starts{holds: holds, length: r.Lease}
	}
	ended := e.finishAll(ctx, ends, with)
	if with != nil {
		if out, err := e.started(ctx, with); err != nil || len(out) > 0 {
			return ended, out, err
		}
	}
	// Of an end that was not kept the worker is to hear before its lease has expired.
	r.NoWait = r.NoWait || slices.ContainsFunc(ended, func(d queue.Ended) bool { return d.Err != nil })
	out, err := e.LeaseExternal(ctx, r)
	return ended, out, err
}

// makeRoom reports whether the end of a run lets another one start that a limit keeps waiting.
func (e *Engine) makeRoom(ends []queue.End) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, end := range ends {
		n, err := parseID(end.Lease.ID)
		if err != nil {
			continue
		}
		h := e.table.holds[n]
		if h == nil {
			continue
		}
		q := h.lane.queue
		full := q.set.MaxActive > 0 && q.counts[queue.Active] >= int64(q.set.MaxActive)
		fullKey := h.key != nil && q.set.KeyMaxActive > 0 && h.key.active >= q.set.KeyMaxActive
		if (full || fullKey) && q.counts[queue.Ready] > 0 {
			return true
		}
	}
	return false
}

func (e *Engine) checkEnds(ends []queue.End) error {
	if len(ends) > maxEnds {
		return errcode.Invalid("leases", "at most %d", maxEnds)
	}
	return e.usable()
}

// finishAll ends runs, and starts the jobs of with, unless it is nil, in the same commit.
func (e *Engine) finishAll(ctx context.Context, ends []queue.End, with *starts) []queue.Ended {
	numbers := make([]uint64, len(ends))
	afters := make([]func(), len(ends))
	for i, end := range ends {
		numbers[i], _ = parseID(end.Lease.ID) // 0 is nobody's number
	}
	errs := e.changeAll(context.WithoutCancel(ctx), numbers, func(i int) change {
		return func(b *store.Batch, c *claim) error {
			o := ends[i].Outcome
			o.Commit = nil
			h := e.outsideHold(ends[i].Lease)
			if h == nil {
				return queue.ErrLeaseLost
			}
			if err := e.checkResult(o); err != nil {
				return err
			}
			var err error
			afters[i], err = e.stageFinish(b, c, h, o)
			return err
		}
	}, with)
	out := make([]queue.Ended, len(ends))
	for i, err := range errs {
		out[i] = queue.Ended{Lease: ends[i].Lease, Lost: errors.Is(err, queue.ErrLeaseLost)}
		if err == nil {
			afters[i]()
		} else if !out[i].Lost {
			out[i].Err = err
		}
	}
	return out
}

// outsideHold gives the started hold that a lease of a worker outside stands for, nil if there is none.
func (e *Engine) outsideHold(l queue.Lease) *hold {
	n, err := parseID(l.ID)
	if err != nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	h := e.table.holds[n]
	if h == nil || h.ext == nil || h.rec.Status != queue.Active || h.token != l.Token {
		return nil
	}
	return h
}

// payload reads the payload of a job that is at work outside the process; null if it is lost.
func (e *Engine) payload(n uint64) json.RawMessage {
	raw, err := e.space.Get(key(bodyKey, n))
	if err == nil {
		var j queue.Job
		if j, err = decodeBody(raw); err == nil {
			return j.Payload
		}
	}
	e.log.Error("payload of a job could not be read", "job", formatID(n), "error", err)
	return json.RawMessage("null")
}
