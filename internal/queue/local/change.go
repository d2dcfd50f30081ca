package local

import (
	"context"
	"errors"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

// A commit of many changes is closed when it has so many operations or bytes: what the database takes at once has
// bounds, and a result alone may have 64 KiB.
const (
	changeOps   = 1024
	changeBytes = 256 << 10
)

// change is a change of one job's records: it stages them into b, and what it does to memory as callbacks of b, which
// give the claim back. An error of the kind queue.ErrStage may leave a part of it in b, any other leaves nothing.
type change func(b *store.Batch, c *claim) error

// changeOne makes a change of job n.
func (e *Engine) changeOne(ctx context.Context, n uint64, f change) error {
	c, err := e.claim(ctx, n)
	if err != nil {
		return err
	}
	defer e.giveUp(c)
	b := e.db.Batch()
	b.Essential()
	if err := f(b, c); err != nil {
		return err
	}
	return e.commit(ctx, b)
}

// changeAll makes changes of many jobs, in one commit as far as it takes them, and says what became of each. Jobs that
// somebody else changes just then come afterwards, one by one: nobody waits for a claim while holding one.
// The first commit also starts the jobs of with, unless it is nil: those hold claims, which are given back before any
// claim is waited for.
func (e *Engine) changeAll(ctx context.Context, numbers []uint64, f func(i int) change, with *starts) []error {
	errs := make([]error, len(numbers))
	claims := e.claimFree(numbers)
	for from := 0; from < len(claims); with = nil {
		from = e.commitSome(ctx, claims, from, f, errs, with)
	}
	e.mu.Lock()
	for _, c := range claims {
		if c != nil {
			e.unclaim(c)
		}
	}
	e.mu.Unlock()
	for i, c := range claims {
		if c == nil {
			errs[i] = e.changeOne(ctx, numbers[i], f(i))
		}
	}
	return errs
}

// claimFree claims the jobs that nobody has claimed; the others are nil. A job that comes twice is claimed once.
func (e *Engine) claimFree(numbers []uint64) []*claim {
	claims := make([]*claim, len(numbers))
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, n := range numbers {
		if e.table.claims[n] == nil {
			claims[i] = e.newClaim(n)
		}
	}
	return claims
}

// commitSome makes one commit of the changes from the given one on, and gives the first that it had no room for. When
// a hook of one has failed, its batch is of no use: it is made anew without that one. So it is when the database takes
// less at once than was staged: a small one cannot have all, but it can have them one after the other.
func (e *Engine) commitSome(ctx context.Context, claims []*claim, from int, f func(i int) change, errs []error, with *starts) int {
	for ops, size := changeOps, int64(changeBytes); ; {
		b := e.db.Batch()
		b.Essential()
		staged, next, spoilt := stageSome(b, claims, from, f, errs, ops, size)
		if spoilt {
			continue
		}
		if with != nil {
			e.stageStarts(ctx, b, with)
		}
		if len(staged) == 0 && (with == nil || len(with.out) == 0) {
			return next
		}
		err := e.commit(ctx, b)
		if errcode.Is(err, errcode.TooLarge) && (with != nil || len(staged) > 1) {
			if with != nil {
				e.endStarts(with, err)
				with.err, with = nil, nil // who wants them asks again
			}
			ops, size = b.Len()/2, b.Size()/2
			for _, i := range staged {
				errs[i] = nil
			}
			continue
		}
		if with != nil {
			e.endStarts(with, err)
		}
		for _, i := range staged {
			errs[i] = err
		}
		return next
	}
}

// stageSome stages changes from the given one on until b has so many operations or bytes, and gives which those are and
// the first that it left. Spoilt: half of a change is in b.
func stageSome(
	b *store.Batch, claims []*claim, from int, f func(i int) change, errs []error, ops int, size int64,
) (staged []int, next int, spoilt bool) {
	for next = from; next < len(claims) && (next == from || (b.Len() < ops && b.Size() < size)); next++ {
		if claims[next] == nil || errs[next] != nil {
			continue
		}
		if errs[next] = f(next)(b, claims[next]); errs[next] == nil {
			staged = append(staged, next)
		} else if errors.Is(errs[next], queue.ErrStage) {
			return nil, next, true
		}
	}
	return staged, next, false
}
