package idempotency

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/store"
)

// Run removes answers whose time is over, or that are more than are kept, until ctx ends.
func (k *Keys) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if err := k.sweep(ctx); err != nil && ctx.Err() == nil {
			k.cfg.Logger.WarnContext(ctx, "old idempotency keys not removed", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// order is what a key of the order says.
type order struct {
	when time.Time
	size int64
	key  Key
}

func parseOrder(k []byte) (o order, ok bool) {
	if len(k) != 13+len(o.key) {
		return o, false
	}
	o.when = time.Unix(int64(binary.BigEndian.Uint64(k[1:])), 0)
	o.size = int64(binary.BigEndian.Uint32(k[9:]))
	copy(o.key[:], k[13:])
	return o, true
}

func (k *Keys) sweep(ctx context.Context) error {
	count, size := 0, int64(0)
	o := store.ScanOptions{Prefix: []byte{orderPrefix}, KeysOnly: true}
	err := k.space.Scan(ctx, o, func(key, _ []byte) (bool, error) {
		if o, ok := parseOrder(key); ok {
			count++
			size += o.size
		}
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("count idempotency keys: %w", err)
	}
	for more := true; more; {
		b := k.cfg.DB.Batch()
		b.Essential()
		if more, err = k.stageOld(ctx, b, &count, &size); err != nil {
			return err
		}
		if b.Len() == 0 {
			return nil
		}
		if err := k.cfg.DB.Commit(ctx, b); err != nil {
			return fmt.Errorf("remove idempotency keys: %w", err)
		}
	}
	return nil
}

// stageOld stages the removal of a batch of answers, the oldest first, and reports whether there may be more to remove.
func (k *Keys) stageOld(ctx context.Context, b *store.Batch, count *int, size *int64) (more bool, err error) {
	oldest := k.cfg.Now().Add(-keepFor)
	o := store.ScanOptions{Prefix: []byte{orderPrefix}, KeysOnly: true, Limit: sweepBatch}
	n := 0
	err = k.space.Scan(ctx, o, func(key, _ []byte) (bool, error) {
		n++
		one, ok := parseOrder(key)
		if !ok {
			b.Delete(k.space, key)
			return true, nil
		}
		if one.when.After(oldest) && *count <= k.cfg.MaxCount && *size <= k.cfg.MaxBytes {
			n = 0 // those that follow are younger
			return false, nil
		}
		*count--
		*size -= one.size
		b.Delete(k.space, key)
		return true, k.stageForget(b, one)
	})
	if err != nil {
		return false, fmt.Errorf("look for old idempotency keys: %w", err)
	}
	return n == sweepBatch, nil
}

// stageForget stages the removal of an answer, unless a younger one has the key by now.
func (k *Keys) stageForget(b *store.Batch, o order) error {
	raw, err := k.space.Get(answerKey(o.key))
	if err != nil && !errcode.Is(err, errcode.NotFound) && !errcode.Is(err, errcode.Corrupt) {
		return fmt.Errorf("read idempotency key: %w", err)
	}
	if when, _, ok := decode(raw); err == nil && ok && when.After(o.when) {
		return nil
	}
	b.Delete(k.space, answerKey(o.key))
	return nil
}
