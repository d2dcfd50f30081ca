package table

import (
	"bytes"
	"context"
	"math/rand/v2"
	"slices"
	"sort"
)

// Places in sorted views. A view is not sorted as a whole: rows drawn by chance divide it into bands, all rows are
// counted by band once, and a place then needs one reading of the sorted column that keeps the rows of its own band
// and sorts those. So memory does not grow with the table but by its thousandth part.

const (
	// orderSplits is how many bands a sorted view is divided into: of 3 million rows, about 3,000 each.
	orderSplits = 1024
	// orderSample is how many rows are drawn for each: the longest band is then seldom twice as long as the mean.
	orderSample = 16
	// topRows is how far into a sorted view a page is found by keeping all rows before it, which takes one reading, not three.
	topRows = 20_000
)

// order divides a sorted view into bands. It is not changed.
type order struct {
	splits []sortKey // where a band begins, but the first
	ranks  []int64   // rows of the view before each band
	total  int64
}

func (o *order) size() int {
	n := (8 + 48) * len(o.ranks)
	for i := range o.splits {
		n += len(o.splits[i].text)
	}
	return n
}

// band is rows of a sorted view, in its order, from a position on.
type band struct {
	from int64
	rows []int64
}

// makeOrder reads the sorted column twice.
func (r *Reader) makeOrder(ctx context.Context, p *plan) (*order, error) {
	splits, err := r.drawSplits(ctx, p)
	if err != nil {
		return nil, err
	}
	groups := r.allGroups()
	s := sorter{col: &r.schema.Columns[p.sort], desc: p.Desc}
	each := make([][]int64, partsOf(groups))
	err = parts(ctx, groups, len(each), func(ctx context.Context, part int, groups []int) error {
		counts := make([]int64, len(splits)+1)
		each[part] = counts
		f := newFilter(r.schema, p.Where, p.Search)
		return r.walkGroups(ctx, &f, p.sort, groups, func(m match) bool {
			for _, i := range m.rows {
				k := s.keyOf(m.extra, i, m.first+int64(i))
				counts[s.bandOf(splits, &k)]++
			}
			return true
		})
	})
	if err != nil {
		return nil, err
	}
	o := &order{splits: splits, ranks: make([]int64, len(splits)+1)}
	for i := range o.ranks {
		o.ranks[i] = o.total
		for _, counts := range each {
			o.total += counts[i]
		}
	}
	return o, nil
}

func (r *Reader) allGroups() []int {
	all := make([]int, len(r.groups))
	for i := range all {
		all[i] = i
	}
	return all
}

// bandOf gives the band of a key.
func (s *sorter) bandOf(splits []sortKey, k *sortKey) int {
	lo, hi := 0, len(splits)
	for lo < hi {
		if mid := (lo + hi) / 2; s.compare(&splits[mid], k) <= 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// drawSplits draws rows of the view by chance, each as likely as any other, so that no table can be made whose bands
// are uneven.
func (r *Reader) drawSplits(ctx context.Context, p *plan) ([]sortKey, error) {
	s := sorter{col: &r.schema.Columns[p.sort], desc: p.Desc}
	const most = orderSplits * orderSample
	var drawn []sortKey
	met := int64(0)
	err := r.walk(ctx, &p.filter, p.sort, 0, func(m match) bool {
		for _, i := range m.rows {
			met++
			if len(drawn) < most {
				k := s.keyOf(m.extra, i, m.first+int64(i))
				k.text = bytes.Clone(k.text)
				drawn = append(drawn, k)
				continue
			}
			if at := rand.Int64N(met); at < most { //nolint:gosec // to be even, not secret
				k := s.keyOf(m.extra, i, m.first+int64(i))
				k.text = append(drawn[at].text[:0], k.text...)
				drawn[at] = k
			}
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(drawn, func(a, b sortKey) int { return s.compare(&a, &b) })
	var splits []sortKey
	for i := orderSample; i < len(drawn); i += orderSample {
		k := drawn[i]
		k.text = bytes.Clone(k.text) // those between are let go
		splits = append(splits, k)
	}
	return splits, nil
}

// orderOf gives the order of a view, and makes it if it is not there.
func (r *Reader) orderOf(ctx context.Context, p *plan, w *view) (*order, error) {
	if o, _ := w.sorted(); o != nil {
		return o, nil
	}
	o, err := r.makeOrder(ctx, p)
	if err == nil {
		w.setOrder(o)
		p.Views.keep(w)
	}
	return o, err
}

// sortedRows gives rows of a sorted view from a position on, at least up to another one where there are so many.
func (r *Reader) sortedRows(ctx context.Context, p *plan, w *view, from, to int64) (*band, error) {
	o, err := r.orderOf(ctx, p, w)
	if err != nil {
		return nil, err
	}
	to = min(to, o.total)
	if _, near := w.sorted(); near != nil && near.from <= from && to <= near.from+int64(len(near.rows)) {
		return near, nil
	}
	// One more on either side, so that scrolling on needs no reading for a while.
	first := max(0, o.holding(from)-1)
	last := min(len(o.ranks)-1, o.holding(to)+1)
	rows, err := r.gather(ctx, p, o, first, last)
	if err != nil {
		return nil, err
	}
	got := &band{from: o.ranks[first], rows: rows}
	w.setNear(got)
	p.Views.keep(w)
	return got, nil
}

// holding gives the band that holds a position.
func (o *order) holding(position int64) int {
	return max(0, sort.Search(len(o.ranks), func(i int) bool { return o.ranks[i] > position })-1)
}

// gather reads the rows of some bands that follow each other, and sorts them.
func (r *Reader) gather(ctx context.Context, p *plan, o *order, first, last int) ([]int64, error) {
	s := sorter{col: &r.schema.Columns[p.sort], desc: p.Desc}
	groups := r.allGroups()
	each := make([][]sortKey, partsOf(groups))
	err := parts(ctx, groups, len(each), func(ctx context.Context, part int, groups []int) error {
		f := newFilter(r.schema, p.Where, p.Search)
		return r.walkGroups(ctx, &f, p.sort, groups, func(m match) bool {
			for _, i := range m.rows {
				k := s.keyOf(m.extra, i, m.first+int64(i))
				if first > 0 && s.compare(&k, &o.splits[first-1]) < 0 || last < len(o.splits) && s.compare(&k, &o.splits[last]) >= 0 {
					continue
				}
				k.text = bytes.Clone(k.text)
				each[part] = append(each[part], k)
			}
			return true
		})
	})
	if err != nil {
		return nil, err
	}
	keys := slices.Concat(each...)
	slices.SortFunc(keys, func(a, b sortKey) int { return s.compare(&a, &b) })
	rows := make([]int64, len(keys))
	for i := range keys {
		rows[i] = keys[i].row
	}
	return rows, nil
}

// positionSorted gives the position of a row in a sorted view.
func (r *Reader) positionSorted(ctx context.Context, p *plan, w *view, row int64) (Position, error) {
	s := sorter{col: &r.schema.Columns[p.sort], desc: p.Desc}
	key, err := r.keyAt(ctx, &s, p.sort, row)
	if err != nil {
		return Position{}, err
	}
	if _, near := w.sorted(); near != nil {
		if i := slices.Index(near.rows, row); i >= 0 {
			return Position{Offset: near.from + int64(i), Found: true}, nil
		}
	}
	o, err := r.orderOf(ctx, p, w)
	if err != nil {
		return Position{}, err
	}
	n := s.bandOf(o.splits, &key)
	at := Position{Offset: o.ranks[n]}
	rows, err := r.gather(ctx, p, o, n, n)
	if err != nil {
		return Position{}, err
	}
	if i := slices.Index(rows, row); i >= 0 {
		return Position{Offset: at.Offset + int64(i), Found: true}, nil
	}
	return r.positionAmong(ctx, &s, p.sort, at, rows, &key)
}

// positionAmong gives where a row that does not match would stand among rows of a band, by reading the keys of some.
func (r *Reader) positionAmong(ctx context.Context, s *sorter, col int, at Position, rows []int64, key *sortKey) (Position, error) {
	lo, hi := 0, len(rows)
	for lo < hi {
		mid := (lo + hi) / 2
		k, err := r.keyAt(ctx, s, col, rows[mid])
		if err != nil {
			return at, err
		}
		if s.compare(&k, key) < 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	at.Offset += int64(lo)
	return at, nil
}
