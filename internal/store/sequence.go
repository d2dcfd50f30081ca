package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
)

// sequenceBlock is how many numbers are reserved at once: so many at most are left out after a crash.
const sequenceBlock = 256

// Sequence gives numbers that are never given again, not even after a crash.
type Sequence struct {
	db    *DB
	space Space
	key   []byte

	turn chan struct{} // holds one token; its owner may use what follows
	next uint64
	end  uint64 // numbers below it are reserved
}

// Sequence opens the sequence of that name; its first number is 1. A name must be opened once only.
func (db *DB) Sequence(name string) (*Sequence, error) {
	s := &Sequence{
		db:    db,
		space: Space{db: db, prefix: "\x00seq/"},
		key:   []byte(name),
		turn:  make(chan struct{}, 1),
	}
	v, err := db.engine.get(s.space.full(s.key))
	switch {
	case errors.Is(err, ErrNotFound):
		s.next = 1
	case err != nil:
		return nil, fmt.Errorf("open sequence %s: %w", name, err)
	case len(v) != 8:
		return nil, fmt.Errorf("open sequence %s: %w", name, ErrCorrupt)
	default:
		s.next = binary.BigEndian.Uint64(v)
	}
	s.end = s.next
	s.turn <- struct{}{}
	return s, nil
}

// Next gives the next number. Once in a while it waits for a commit that reserves further ones. It is safe for
// concurrent use.
func (s *Sequence) Next(ctx context.Context) (uint64, error) {
	select {
	case <-s.turn:
	case <-ctx.Done():
		return 0, fmt.Errorf("wait for a number: %w", context.Cause(ctx))
	}
	defer func() { s.turn <- struct{}{} }()
	if s.next == s.end {
		end := s.end + sequenceBlock
		b := s.db.Batch()
		b.Set(s.space, s.key, binary.BigEndian.AppendUint64(nil, end))
		b.Essential() // results of what was begun need ids too
		if err := s.db.Commit(ctx, b); err != nil {
			return 0, fmt.Errorf("reserve numbers: %w", err)
		}
		s.end = end
	}
	n := s.next
	s.next++
	return n, nil
}
