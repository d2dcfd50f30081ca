package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	badger "github.com/dgraph-io/badger/v4"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// maxKey is the length of the longest key, without its space. Badger's own limit is 65,000.
const maxKey = 1024

// A scan reads the database in pages of at most so many records and bytes.
const (
	pageItems = 512
	pageBytes = 256 << 10
)

// Space is one key space of a database. It is a small value, to be copied.
type Space struct {
	db     *DB
	prefix string
}

// Get returns the value of key: ErrNotFound if there is none, ErrCorrupt if it is damaged. The value is the caller's.
func (s Space) Get(key []byte) ([]byte, error) {
	start := time.Now()
	v, err := s.db.engine.get(s.full(key))
	s.db.cfg.Recorder.Query("get", label(s.prefix), status(err), time.Since(start))
	if err != nil {
		return nil, fmt.Errorf("get from %s: %w", s.prefix, err)
	}
	return v, nil
}

// ScanOptions says which records a scan gives, and in which order.
type ScanOptions struct {
	// Prefix limits the scan to keys that begin with it.
	Prefix []byte
	// From is the key to begin at, whether it is there or not; nil: the first key, with Reverse the last.
	From []byte
	// After leaves out the key From itself: it was the last one of the page before.
	After bool
	// Reverse gives the keys in descending order.
	Reverse bool
	// Limit ends the scan after so many records; 0: no limit.
	Limit int
	// KeysOnly gives nil values, and does not look whether they are damaged.
	KeysOnly bool
	// OnCorrupt is given the keys whose values are damaged, in their turn; the scan goes on if it returns nil. Without
	// it the scan ends with ErrCorrupt.
	OnCorrupt func(key []byte) error
}

// Scan calls fn for the records in the order of their keys, given without the prefix of the space, until fn returns
// false or an error, or ctx ends. Key and value are valid until fn returns. The scan reads page by page: a record
// that changes meanwhile is seen as it was or as it is. fn may read, scan and commit.
func (s Space) Scan(ctx context.Context, o ScanOptions, fn func(key, value []byte) (more bool, err error)) error {
	start := time.Now()
	err := s.scan(ctx, o, fn)
	s.db.cfg.Recorder.Query("scan", label(s.prefix), status(err), time.Since(start))
	if err != nil {
		return fmt.Errorf("scan %s: %w", s.prefix, err)
	}
	return nil
}

func (s Space) scan(ctx context.Context, o ScanOptions, fn func(key, value []byte) (bool, error)) error {
	c := cursor{
		prefix:   s.full(o.Prefix),
		reverse:  o.Reverse,
		keysOnly: o.KeysOnly,
		skip:     o.After && o.From != nil,
	}
	if o.From != nil {
		c.from = s.full(o.From)
	}
	left := o.Limit
	for {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		var p page
		if err := s.read(&c, &p, left); err != nil {
			return err
		}
		for _, r := range p.records {
			more, err := s.deliver(&p, r, o, fn)
			if err != nil || !more {
				return err
			}
		}
		if left -= len(p.records); p.last || (o.Limit > 0 && left <= 0) {
			return nil
		}
	}
}

// deliver gives one record to the callback it is for.
func (s Space) deliver(p *page, r record, o ScanOptions, fn func(key, value []byte) (bool, error)) (more bool, err error) {
	key := p.buf[r.start+len(s.prefix) : r.mid : r.mid]
	switch {
	case r.corrupt && o.OnCorrupt == nil:
		return false, ErrCorrupt
	case r.corrupt:
		return true, o.OnCorrupt(key)
	case o.KeysOnly:
		return fn(key, nil)
	default:
		return fn(key, p.buf[r.mid:r.end:r.end])
	}
}

func (s Space) read(c *cursor, p *page, limit int) error {
	h, err := s.db.engine.borrow()
	if err != nil {
		return err
	}
	defer h.readers.Done()
	return h.page(c, p, limit)
}

// cursor is the place of a scan between two pages.
type cursor struct {
	prefix   []byte
	from     []byte // full key to begin at; nil = at the end of the range
	skip     bool   // leave out from itself
	reverse  bool
	keysOnly bool
}

// page is a part of a scan, copied, so that no reader stays in the engine while a callback runs.
type page struct {
	buf     []byte
	records []record
	last    bool
}

type record struct {
	start, mid, end int // key is buf[start:mid], value buf[mid:end]
	corrupt         bool
}

func (h *handle) page(c *cursor, p *page, limit int) (err error) {
	defer catch(&err)
	txn := h.bdb.NewTransaction(false)
	defer txn.Discard()
	opts := badger.IteratorOptions{Reverse: c.reverse}
	if !c.reverse {
		opts.Prefix = c.prefix
	}
	it := txn.NewIterator(opts)
	defer it.Close()
	for c.seek(it); it.ValidForPrefix(c.prefix); it.Next() {
		n := len(p.records)
		if n == pageItems || len(p.buf) >= pageBytes || (limit > 0 && n == limit) {
			return nil
		}
		item := it.Item()
		key := item.Key()
		if c.skip && bytes.Equal(key, c.from) {
			continue
		}
		r := record{start: len(p.buf)}
		p.buf = append(p.buf, key...)
		r.mid, r.end = len(p.buf), len(p.buf)
		if !c.keysOnly {
			r.corrupt = item.Value(func(sealed []byte) error {
				v, err := unseal(key, sealed)
				p.buf = append(p.buf, v...)
				return err
			}) != nil
			r.end = len(p.buf)
		}
		p.records = append(p.records, r)
		c.from, c.skip = p.buf[r.start:r.mid:r.mid], true
	}
	p.last = true
	return nil
}

// seek moves it to the first record of the page.
func (c *cursor) seek(it *badger.Iterator) {
	switch {
	case c.from != nil && (c.reverse || bytes.Compare(c.from, c.prefix) >= 0):
		end := successor(c.prefix)
		if c.reverse && bytes.Compare(c.from, end) >= 0 {
			c.seekLast(it, end)
			return
		}
		it.Seek(c.from)
	case c.reverse:
		c.seekLast(it, successor(c.prefix))
	default:
		it.Seek(c.prefix)
	}
}

func (c *cursor) seekLast(it *badger.Iterator, end []byte) {
	it.Seek(end)
	if it.Valid() && bytes.Compare(it.Item().Key(), end) >= 0 {
		it.Next()
	}
}

// successor is the smallest key greater than all that begin with prefix. Prefixes begin with the name of a space, so
// there is one.
func successor(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i] < 0xff {
			end[i]++
			return end[:i+1]
		}
	}
	return end
}

func (s Space) full(key []byte) []byte {
	return append(append(make([]byte, 0, len(s.prefix)+len(key)), s.prefix...), key...)
}

// label is the name of a space in metrics.
func label(prefix string) string { return strings.Trim(prefix, "\x00/") }

func status(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, ErrNotFound):
		return "not_found"
	case errcode.Is(err, errcode.Corrupt):
		return "corrupt"
	default:
		return "error"
	}
}

func isRefusal(err error) bool {
	switch errcode.Of(err) {
	case errcode.DiskFull, errcode.TooLarge, errcode.ShuttingDown:
		return true
	default:
		return false
	}
}
