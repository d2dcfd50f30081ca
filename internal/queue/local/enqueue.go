package local

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

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
	at := e.now()
	j, err := n.Prepare(e.cfg.Rules, at.wall)
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
	return e.stageNew(b, num, j, at)
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
func (e *Engine) stageNew(b *store.Batch, n uint64, j queue.Job, at instant) (queue.Job, error) {
	r := recordOf(j)
	s, _, err := queue.Transition(queue.State{MaxAttempts: j.MaxAttempts}, queue.Event{Kind: queue.Created, At: storable(j.RunAt)}, at.wall)
	if err != nil {
		return queue.Job{}, fmt.Errorf("create job: %w", err)
	}
	r.State = s
	b.Set(e.space, key(bodyKey, n), encodeBody(j))
	b.Set(e.space, key(stateKey, n), r.encode())
	b.OnCommit(func() {
		e.cfg.Recorder.Enqueued(r.queue, r.typ)
		e.mu.Lock()
		defer e.mu.Unlock()
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
	}
	u, err := e.reserve(ctx, out)
	if err != nil {
		return nil, err
	}
	defer e.unreserve(u)
	b := e.db.Batch()
	for i := range out {
		if u.held[i] != 0 {
			continue
		}
		n, err := e.ids.take(ctx)
		if err != nil {
			return nil, fmt.Errorf("enqueue: %w", err)
		}
		if h, ok := u.mine[i]; ok {
			b.Set(e.space, uniqueKeyOf(h), binary.BigEndian.AppendUint64(nil, n))
			b.OnCommit(func() {
				e.mu.Lock()
				defer e.mu.Unlock()
				e.table.uniques[h] = n
			})
		}
		if out[i], err = e.stageNew(b, n, out[i], at); err != nil {
			return nil, err
		}
	}
	if b.Len() > 0 {
		if err := e.commit(ctx, b); err != nil {
			return nil, fmt.Errorf("enqueue: %w", err)
		}
	}
	return e.fillDuplicates(ctx, out, u)
}

// reservation is what one call of Enqueue holds of the unique keys.
type reservation struct {
	held    map[int]uint64     // by index: the job that holds the key already
	twin    map[int]int        // by index: the earlier job of the same call with the same key
	mine    map[int]uniqueHash // by index: keys reserved for this call
	decided chan struct{}
}

// reserve takes the unique keys of jobs, all at once: while one is being enqueued by somebody else it waits, holding
// none, so that two calls cannot wait for each other.
func (e *Engine) reserve(ctx context.Context, jobs []queue.Job) (*reservation, error) {
	u := &reservation{
		held: map[int]uint64{}, twin: map[int]int{}, mine: map[int]uniqueHash{},
		decided: make(chan struct{}),
	}
	first := map[uniqueHash]int{}
	for i, j := range jobs {
		if j.UniqueKey == "" {
			continue
		}
		h := hashUnique(j.UniqueKey)
		if k, ok := first[h]; ok {
			u.twin[i], u.held[i] = k, ^uint64(0)
			continue
		}
		first[h] = i
	}
	if len(first) == 0 {
		return u, nil
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

func (e *Engine) tryReserve(u *reservation, keys map[uniqueHash]int) (busy chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for h := range keys {
		if c := e.table.reserving[h]; c != nil {
			return c
		}
	}
	for h, i := range keys {
		if n, ok := e.table.uniques[h]; ok {
			u.held[i] = n
			continue
		}
		e.table.reserving[h] = u.decided
		u.mine[i] = h
	}
	return nil
}

func (e *Engine) unreserve(u *reservation) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, h := range u.mine {
		delete(e.table.reserving, h)
	}
	close(u.decided)
}

// fillDuplicates puts the jobs that hold the keys in the place of those that were not enqueued.
func (e *Engine) fillDuplicates(ctx context.Context, out []queue.Job, u *reservation) ([]queue.Job, error) {
	for i, n := range u.held {
		if _, ok := u.twin[i]; ok {
			continue
		}
		j, err := e.get(ctx, n)
		if errors.Is(err, queue.ErrNotFound) {
			j = queue.Job{ID: formatID(n)} // it ended and was removed meanwhile
		} else if err != nil {
			return nil, err
		}
		j.Duplicate = true
		out[i] = j
	}
	for i, k := range u.twin {
		out[i] = out[k]
		out[i].Duplicate = true
	}
	return out, nil
}
