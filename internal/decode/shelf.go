package decode

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// Bounds of the shelf: unwrapped files that are kept for the next look, their bytes, and how long one stays that nobody
// looks at.
const (
	shelfFiles = 2
	shelfBytes = 256 << 20
	shelfLife  = 30 * time.Second
	shelfEvery = 5 * time.Second
)

// shelf keeps files that were unwrapped for a look at their bytes: who looks at one place looks at the next one soon, and
// each look would unwrap all of it. It holds nothing unless ShelveUntil runs, which is its owner. It is known by the digest
// of the wrapped file, so it can never show other bytes, and its files have no name, so they go with the process.
type shelf struct {
	mu   sync.Mutex // guards what follows
	open bool
	kept []*shelved // that used last is the last
}

// shelved is an unwrapped file. It is closed when it is off the shelf and nobody reads it.
type shelved struct {
	*unwrapped
	sha string

	// Guarded by shelf.mu.
	readers int
	off     bool
	used    time.Time
}

// take gives a file that is there, nil if none is. Who takes or puts one leaves it once.
func (s *shelf) take(sha string) *shelved {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.kept, func(k *shelved) bool { return k.sha == sha })
	if i < 0 {
		return nil
	}
	k := s.kept[i]
	s.kept = append(slices.Delete(s.kept, i, i+1), k)
	k.readers++
	k.used = time.Now()
	return k
}

// put gives a file that was just unwrapped to its first reader and keeps it, where it fits.
func (s *shelf) put(sha string, u *unwrapped) (*shelved, error) {
	k := &shelved{unwrapped: u, sha: sha, readers: 1, off: true, used: time.Now()}
	s.mu.Lock()
	twin := slices.ContainsFunc(s.kept, func(k *shelved) bool { return k.sha == sha }) // unwrapped at the same time
	if !s.open || twin || u.Size > shelfBytes {
		s.mu.Unlock()
		return k, nil
	}
	k.off = false
	s.kept = append(s.kept, k)
	total := int64(0)
	for _, k := range s.kept {
		total += k.Size
	}
	first := 0
	for len(s.kept)-first > shelfFiles || total > shelfBytes {
		total -= s.kept[first].Size
		first++
	}
	gone := s.takeOff(first)
	s.mu.Unlock()
	return k, closeAll(gone)
}

// takeOff takes the first n off the shelf and gives those that nobody reads. s.mu is held.
func (s *shelf) takeOff(n int) []*unwrapped {
	var gone []*unwrapped
	for _, k := range s.kept[:n] {
		k.off = true
		if k.readers == 0 {
			gone = append(gone, k.unwrapped)
		}
	}
	s.kept = slices.Delete(s.kept, 0, n)
	return gone
}

// leave ends a reader's use of a file.
func (s *shelf) leave(k *shelved) error {
	s.mu.Lock()
	k.readers--
	last := k.off && k.readers == 0
	s.mu.Unlock()
	if last {
		return k.close()
	}
	return nil
}

// clear takes off what nobody has used since a time.
func (s *shelf) clear(since time.Time) error {
	s.mu.Lock()
	n := 0
	for n < len(s.kept) && !s.kept[n].used.After(since) {
		n++
	}
	gone := s.takeOff(n)
	s.mu.Unlock()
	return closeAll(gone)
}

func (s *shelf) setOpen(open bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = open
}

func closeAll(files []*unwrapped) error {
	var errs []error
	for _, u := range files {
		errs = append(errs, u.close())
	}
	return errors.Join(errs...)
}

// ShelveUntil lets Unwrapped keep what it unwraps for the next look, a few files for a short time, until ctx ends. On a
// disk that is full nothing is kept.
func (d *Decoder) ShelveUntil(ctx context.Context) error {
	d.shelf.setOpen(true)
	defer func() {
		d.shelf.setOpen(false)
		d.clearShelf(ctx, time.Now())
	}()
	tick := time.NewTicker(shelfEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			if d.Blobs.CheckSpace(0) != nil {
				d.clearShelf(ctx, now)
			}
			d.clearShelf(ctx, now.Add(-shelfLife))
		}
	}
}

func (d *Decoder) clearShelf(ctx context.Context, since time.Time) {
	if err := d.shelf.clear(since); err != nil {
		d.Logger.WarnContext(ctx, "unwrapped recording not closed", "error", err)
	}
}
