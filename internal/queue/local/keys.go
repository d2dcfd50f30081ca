package local

import (
	"container/heap"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

// keys are the unique keys and the idempotency keys that memory knows of. Engine.mu guards them.
type keys struct {
	held      map[uniqueHash]uint64        // who holds a unique key
	until     map[uniqueHash]time.Duration // of those that are held for a time: how long, on Clock.Elapsed
	order     keyTimes                     // the same, the next first; entries that until does not agree with are void
	spent     map[uniqueHash]struct{}      // nobody holds them, but the database has them still
	reserving map[uniqueHash]chan struct{} // being enqueued or swept; closed when decided
	asked     map[uniqueHash]chan struct{} // idempotency keys of calls that are under way; closed when they are over
	doubt     map[uniqueHash]struct{}      // idempotency keys of calls whose commit may or may not have been made
}

func newKeys() keys {
	return keys{
		held: map[uniqueHash]uint64{}, until: map[uniqueHash]time.Duration{}, spent: map[uniqueHash]struct{}{},
		reserving: map[uniqueHash]chan struct{}{}, asked: map[uniqueHash]chan struct{}{},
		doubt: map[uniqueHash]struct{}{},
	}
}

// holder gives the job that holds a unique key, 0 if none does.
func (k *keys) holder(h uniqueHash, now time.Duration) uint64 {
	if until, ok := k.until[h]; ok && until <= now {
		return 0
	}
	return k.held[h]
}

// take makes job n the holder of a key, for a time if until is not 0.
func (k *keys) take(h uniqueHash, n uint64, until time.Duration) {
	k.held[h] = n
	delete(k.spent, h)
	delete(k.until, h)
	if until != 0 {
		k.until[h] = until
		heap.Push(&k.order, keyTime{until, h})
	}
}

// drop makes a key nobody's.
func (k *keys) drop(h uniqueHash) {
	delete(k.held, h)
	delete(k.until, h)
}

// letGo makes a key of job n nobody's, for the sweep to remove it from the database.
func (k *keys) letGo(h uniqueHash, n uint64) {
	if k.held[h] == n {
		k.drop(h)
		k.spent[h] = struct{}{}
	}
}

// letGoAll makes the keys that job n holds until its end nobody's. It looks at all keys, and is for what is rare.
func (k *keys) letGoAll(n uint64) {
	for h, holder := range k.held {
		if _, timed := k.until[h]; holder == n && !timed {
			k.letGo(h, n)
		}
	}
}

// keyTime is when a unique key is free again.
type keyTime struct {
	at  time.Duration
	key uniqueHash
}

type keyTimes []keyTime

// Len is part of heap.Interface.
func (t *keyTimes) Len() int { return len(*t) }

// Less is part of heap.Interface.
func (t *keyTimes) Less(i, j int) bool { return (*t)[i].at < (*t)[j].at }

// Swap is part of heap.Interface.
func (t *keyTimes) Swap(i, j int) { (*t)[i], (*t)[j] = (*t)[j], (*t)[i] }

// Push is part of heap.Interface.
func (t *keyTimes) Push(x any) { *t = append(*t, x.(keyTime)) }

// Pop is part of heap.Interface.
func (t *keyTimes) Pop() any {
	old := *t
	last := len(old) - 1
	x := old[last]
	*t = old[:last]
	return x
}

// uniqueValue is what the record of a unique key holds: the job, and of one that is held for a time its beginning and
// its length.
func uniqueValue(n uint64, j queue.Job) []byte {
	v := binary.BigEndian.AppendUint64(nil, n)
	if j.UniqueUntil == queue.UntilTTL {
		v = binary.BigEndian.AppendUint64(appendTime(v, j.CreatedAt), uint64(j.UniqueTTL))
	}
	return v
}

// uniqueOf gives the key under which the unique key that a job gives back at its end is kept, nil if there is none. A
// job whose body is lost no longer knows; then the table does.
func (e *Engine) uniqueOf(n uint64, r record, j queue.Job) []byte {
	if !r.unique || r.more&keyLetGo != 0 || j.UniqueUntil == queue.UntilTTL {
		return nil
	}
	if j.UniqueKey != "" {
		return uniqueKeyOf(hashUnique(j.UniqueKey))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for h, holder := range e.table.keys.held {
		if _, timed := e.table.keys.until[h]; holder == n && !timed {
			return uniqueKeyOf(h)
		}
	}
	return nil
}

// startsFirst reports whether a job that is leased now lets its unique key go by that.
func startsFirst(r record, j queue.Job) bool {
	return j.UniqueUntil == queue.UntilStart && r.more&keyLetGo == 0
}

// sweepKeys removes a batch of unique keys that nobody holds any more, and reports whether there may be more.
func (e *Engine) sweepKeys(ctx context.Context) (more bool, err error) {
	decided := make(chan struct{})
	mine := e.overdueKeys(decided)
	if len(mine) == 0 {
		return false, nil
	}
	defer e.unreserve(mine, decided)
	b := e.db.Batch()
	b.Essential()
	for _, h := range mine {
		b.Delete(e.space, uniqueKeyOf(h))
	}
	b.OnCommit(func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		for _, h := range mine {
			e.table.keys.drop(h)
			delete(e.table.keys.spent, h)
		}
	})
	return len(mine) == sweepBatch, e.commit(ctx, b)
}

// overdueKeys reserves keys that are to be removed.
func (e *Engine) overdueKeys(decided chan struct{}) (mine []uniqueHash) {
	now := e.cfg.Clock.Elapsed()
	e.mu.Lock()
	defer e.mu.Unlock()
	k := &e.table.keys
	for len(k.order) > 0 && k.order[0].at <= now {
		if t := heap.Pop(&k.order).(keyTime); k.until[t.key] == t.at {
			k.letGo(t.key, k.held[t.key])
		}
	}
	for h := range k.spent {
		if len(mine) == sweepBatch {
			break
		}
		if k.reserving[h] == nil {
			k.reserving[h] = decided
			mine = append(mine, h)
		}
	}
	return mine
}

func (e *Engine) unreserve(mine []uniqueHash, decided chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, h := range mine {
		delete(e.table.keys.reserving, h)
	}
	close(decided)
}

// heldUntil gives until when a key is held that was taken for a time before the start. The clock may be behind.
func heldUntil(since time.Time, length time.Duration, at instant) time.Duration {
	return max(at.mono+min(since.Add(length).Sub(at.wall), length), 1)
}

// scanUniques fills in who holds which key. A key whose job has let it go, or is no longer there, is spent. holders
// are the jobs that may hold one, ascending.
func (e *Engine) scanUniques(ctx context.Context, holders []uint64) error {
	at := e.now()
	o := store.ScanOptions{Prefix: []byte{uniqueKey}, OnCorrupt: func([]byte) error { return nil }}
	err := e.space.Scan(ctx, o, func(k, v []byte) (bool, error) {
		if len(k) != 1+len(uniqueHash{}) || (len(v) != 8 && len(v) != 24) {
			return true, nil
		}
		h, n := uniqueHash(k[1:]), binary.BigEndian.Uint64(v)
		e.mu.Lock()
		defer e.mu.Unlock()
		if len(v) == 24 {
			e.table.keys.take(h, n, heldUntil(timeAt(v[8:]), time.Duration(binary.BigEndian.Uint64(v[16:])), at))
		} else if _, ok := slices.BinarySearch(holders, n); ok {
			e.table.keys.take(h, n, 0)
		} else {
			e.table.keys.spent[h] = struct{}{}
		}
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("read unique keys: %w", err)
	}
	return nil
}
