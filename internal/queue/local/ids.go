package local

import (
	"context"
	"fmt"

	"github.com/wayside-edge/wayside/internal/store"
)

// idBlock is how many ids one number of the durable sequence stands for: so many are left out at most when the
// process ends, and enqueueing waits for the sequence's own commit once in 256 blocks only.
const idBlock = 1 << 10

// ids gives job numbers, ascending, none twice. Whoever holds the turn may use the other fields.
type ids struct {
	seq  *store.Sequence
	turn chan struct{}
	next uint64
	end  uint64
}

func newIDs(seq *store.Sequence) *ids {
	i := &ids{seq: seq, turn: make(chan struct{}, 1)}
	i.turn <- struct{}{}
	return i
}

func (i *ids) take(ctx context.Context) (uint64, error) {
	select {
	case <-i.turn:
	case <-ctx.Done():
		return 0, fmt.Errorf("wait for a job id: %w", context.Cause(ctx))
	}
	defer func() { i.turn <- struct{}{} }()
	if i.next == i.end {
		block, err := i.seq.Next(ctx)
		if err != nil {
			return 0, fmt.Errorf("take job ids: %w", err)
		}
		i.next = block * idBlock
		i.end = i.next + idBlock
	}
	i.next++
	return i.next - 1, nil
}
