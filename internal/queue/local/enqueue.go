package local

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

// maxEnqueue is how many jobs one call may bring.
const maxEnqueue = 10_000

// uniqueHash stands for a unique key, so that long keys cost no memory.
type uniqueHash [16]byte

func hashUnique(k string) uniqueHash {
	sum := sha256.Sum256([]byte(k))
	return uniqueHash(sum[:16])
}

func uniqueKeyOf(h uniqueHash) []byte { return append([]byte{uniqueKey}, h[:]...) }

// Stage implements queue.Engine.
func (e *Engine) Stage(b *store.Batch, n queue.New) (queue.Job, error) {
	if n.UniqueKey != "" {
		return queue.Job{}, errcode.Invalid("unique_key", "not possible here")
	}
	if n.IdempotencyKey != "" {
		return queue.Job{}, errcode.Invalid("idempotency_key", "not possible here")
	}
	at := e.now()
	j, err := n.Prepare(e.cfg.Rules, at.wall)
	if err == nil && len(j.DependsOn) > 0 {
		err = errcode.Invalid("depends_on", "not possible here") // nothing would keep them from ending before b is committed
	}
	if err != nil {
		return queue.Job{}, fmt.Errorf("stage job: %w", err)
	}
	if err := e.usable(); err != nil {
		return queue.Job{}, err
	}
	num, err := e.ids.take(context.Background())
	if err != nil {
		return queue.Job{}, fmt.Errorf("stage job: %w", err)
	}
	return e.stageNew(b, num, j, wait{}, at)
}

func (e *Engine) usable() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return queue.ErrClosed
	}
	return nil
}

// stageNew stages the records of a new job; when they are committed, the job is placed.
func (e *Engine) stageNew(b *store.Batch, n uint64, j queue.Job, w wait, at instant) (queue.Job, error) {
	r := recordOf(j)
	s, _, err := queue.Transition(queue.State{MaxAttempts: j.MaxAttempts}, queue.Event{Kind: queue.Created, At: storable(j.RunAt), Pending: w.count()}, at.wall)
	if err != nil {
		return queue.Job{}, fmt.Errorf("create job: %w", err)
	}
	r.State = s
	b.Set(e.space, key(bodyKey, n), encodeBody(j))
	b.Set(e.space, key(stateKey, n), r.encode())
	e.stageWait(b, n, w)
	limited := r.more&hasLimitKey != 0
	var key uniqueHash
	if limited {
		key = hashUnique(j.LimitKey)
	}
	b.OnCommit(func() {
		e.cfg.Recorder.Enqueued(r.queue, r.typ)
		e.mu.Lock()
		defer e.mu.Unlock()
		e.limit(n, key, limited)
		e.place(n, r, at)
	})
	describe(&j, n, r)
	return j, nil
}

// Enqueue implements queue.Engine.
func (e *Engine) Enqueue(ctx context.Context, jobs ...queue.New) ([]queue.Job, error) {
	if len(jobs) > maxEnqueue {
		return nil, errcode.Invalid("jobs", "at most %d", maxEnqueue)
	}
	if err := e.usable(); err != nil {
		return nil, err
	}
	at := e.now()
	out := make([]queue.Job, len(jobs))
	for i, n := range jobs {
		var err error
		if out[i], err = n.Prepare(e.cfg.Rules, at.wall); err != nil {
			return nil, fmt.Errorf("enqueue job %d: %w", i, err)
		}
		if i > 0 && n.IdempotencyKey != "" {
			return nil, errcode.Invalid("idempotency_key", "one for the whole call, on its first job")
		}
	}
	if len(jobs) > 0 && jobs[0].IdempotencyKey != "" {
		return e.enqueueOnce(ctx, jobs, out, at)
	}
	return e.enqueue(ctx, e.db.Batch(), out, at, nil)
}

// enqueue makes jobs that were prepared, and commits b with them. last may stage what belongs to them.
func (e *Engine) enqueue(
	ctx context.Context, b *store.Batch, out []queue.Job, at instant, last func(*store.Batch, []queue.Job) error,
) ([]queue.Job, error) {
	u, err := e.reserve(ctx, out)
	if err != nil {
		return nil, err
	}
	if u != nil {
		defer e.unreserve(u.keys(), u.decided)
	}
	// After the keys: who has a reservation may wait for a claim, not the other way round.
	deps, err := e.hold(ctx, out)
	if err != nil {
		return nil, fmt.Errorf("enqueue: %w", err)
	}
	defer e.letGo(deps)
	for i := range out {
		if u.duplicate(i, out) {
			continue
		}
		n, err := e.ids.take(ctx)
		if err != nil {
			return nil, fmt.Errorf("enqueue: %w", err)
		}
		if h, ok := u.reserved(i); ok {
			e.stageUnique(b, h, n, out[i], at)
		}
		if out[i], err = e.stageNew(b, n, out[i], deps.of(out[i]), at); err != nil {
			return nil, err
		}
	}
	if last != nil {
		if err := last(b, out); err != nil {
			return nil, err
		}
	}
	if b.Len() > 0 {
		err := e.commit(ctx, b)
		if errcode.Is(err, errcode.TooLarge) && len(out) > 1 {
			err = errcode.Newf(errcode.TooLarge, "%d jobs are more than one commit takes, and none was made: make them in several calls", len(out))
		}
		if err != nil {
			return nil, fmt.Errorf("enqueue: %w", err)
		}
	}
	return out, e.fillDuplicates(ctx, out, u)
}

// stageUnique stages that job n, which is new, holds a unique key.
func (e *Engine) stageUnique(b *store.Batch, h uniqueHash, n uint64, j queue.Job, at instant) {
	b.Set(e.space, uniqueKeyOf(h), uniqueValue(n, j))
	var until time.Duration
	if j.UniqueUntil == queue.UntilTTL {
		until = at.mono + j.UniqueTTL
	}
	b.OnCommit(func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.table.keys.take(h, n, until)
	})
}

// reservation is what one call of Enqueue holds of the unique keys; nil = its jobs have none.
type reservation struct {
	held    map[int]uint64     // by index: the job that holds the key already
	twin    map[int]int        // by index: the earlier job of the same call with the same key
	mine    map[int]uniqueHash // by index: keys reserved for this call
	decided chan struct{}
}

// duplicate puts the id of the job that holds the key in the place of job i, if there is one.
func (u *reservation) duplicate(i int, out []queue.Job) bool {
	if u == nil {
		return false
	}
	if n := u.held[i]; n != 0 {
		out[i] = queue.Job{ID: formatID(n), Duplicate: true}
		return true
	}
	k, twin := u.twin[i]
	if twin {
		out[i] = queue.Job{ID: out[k].ID, Duplicate: true}
	}
	return twin
}

// taken reports whether job i cannot have its unique key: another one holds it, or an earlier one of the call takes it.
func (u *reservation) taken(i int) bool {
	if u == nil {
		return false
	}
	_, twin := u.twin[i]
	return twin || u.held[i] != 0
}

func (u *reservation) reserved(i int) (uniqueHash, bool) {
	if u == nil {
		return uniqueHash{}, false
	}
	h, ok := u.mine[i]
	return h, ok
}

func (u *reservation) keys() []uniqueHash { return slices.Collect(maps.Values(u.mine)) }

// reserve takes the unique keys of jobs, all at once: while one is being enqueued by somebody else it waits, holding
// none, so that two calls cannot wait for each other.
func (e *Engine) reserve(ctx context.Context, jobs []queue.Job) (*reservation, error) {
	var u *reservation
	first := map[uniqueHash]int{}
	for i, j := range jobs {
		if j.UniqueKey == "" {
			continue
		}
		if u == nil {
			u = &reservation{
				held: map[int]uint64{}, twin: map[int]int{}, mine: map[int]uniqueHash{}, decided: make(chan struct{}),
			}
		}
		h := hashUnique(j.UniqueKey)
		if k, ok := first[h]; ok {
			u.twin[i] = k
			continue
		}
		first[h] = i
	}
	if u == nil {
		return nil, nil
	}
	for {
		busy := e.tryReserve(u, first)
		if busy == nil {
			return u, nil
		}
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for unique key: %w", context.Cause(ctx))
		}
	}
}

func (e *Engine) tryReserve(u *reservation, wanted map[uniqueHash]int) (busy chan struct{}) {
	now := e.cfg.Clock.Elapsed()
	e.mu.Lock()
	defer e.mu.Unlock()
	for h := range wanted {
		if c := e.table.keys.reserving[h]; c != nil {
			return c
		}
	}
	for h, i := range wanted {
		if n := e.table.keys.holder(h, now); n != 0 {
			u.held[i] = n
			continue
		}
		e.table.keys.reserving[h] = u.decided
		u.mine[i] = h
	}
	return nil
}

// fillDuplicates completes the jobs that hold the keys, in the place of those that were not enqueued.
func (e *Engine) fillDuplicates(ctx context.Context, out []queue.Job, u *reservation) error {
	if u == nil {
		return nil
	}
	for i, n := range u.held {
		j, err := e.get(ctx, n)
		if errors.Is(err, queue.ErrNotFound) {
			continue // it ended and was removed meanwhile
		} else if err != nil {
			return err
		}
		j.Duplicate = true
		out[i] = j
	}
	for i, k := range u.twin {
		out[i] = out[k]
		out[i].Duplicate = true
	}
	return nil
}
