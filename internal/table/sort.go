package table

import (
	"bytes"
	"cmp"
	"container/heap"
	"context"
	"slices"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// sortKey is what a row is sorted by. Nulls and NaN come last whatever the direction, equal rows in their order.
type sortKey struct {
	row     int64
	key     int64
	text    []byte
	missing bool
}

// sorter compares rows by one column.
type sorter struct {
	col  *Column
	desc bool
}

// keyOf gives the key of a row; its text is only referred to.
func (s *sorter) keyOf(v *Vector, i int, row int64) sortKey {
	k := sortKey{row: row}
	switch {
	case !v.Valid(i):
		k.missing = true
	case s.col.Type.varlen():
		k.text = v.Bytes(i)
		k.text = k.text[:min(len(k.text), sortPrefix)]
	default:
		key, ok := orderKey(s.col.Type, v.Int(s.col.Type, i))
		k.key, k.missing = equalKey(s.col.Type, key), !ok
	}
	return k
}

func (s *sorter) compare(a, b *sortKey) int {
	if a.missing != b.missing {
		if a.missing {
			return 1
		}
		return -1
	}
	c := 0
	if !a.missing {
		if c = cmp.Compare(a.key, b.key); c == 0 {
			c = bytes.Compare(a.text, b.text)
		}
		if s.desc {
			c = -c
		}
	}
	if c == 0 {
		c = cmp.Compare(a.row, b.row)
	}
	return c
}

// topKeys is a heap of the smallest keys met, the largest of them on top.
type topKeys struct {
	*sorter
	keys []sortKey
}

func (t *topKeys) Len() int           { return len(t.keys) }
func (t *topKeys) Less(i, j int) bool { return t.compare(&t.keys[i], &t.keys[j]) > 0 }
func (t *topKeys) Swap(i, j int)      { t.keys[i], t.keys[j] = t.keys[j], t.keys[i] }

// Push implements heap.Interface.
func (t *topKeys) Push(x any) {
	if k, ok := x.(sortKey); ok {
		t.keys = append(t.keys, k)
	}
}

// Pop implements heap.Interface.
func (t *topKeys) Pop() any {
	last := t.keys[len(t.keys)-1]
	t.keys = t.keys[:len(t.keys)-1]
	return last
}

// offer keeps the key if it is among the smallest n.
func (t *topKeys) offer(k sortKey, n int) {
	if len(t.keys) < n {
		k.text = slices.Clone(k.text)
		heap.Push(t, k)
		return
	}
	if top := &t.keys[0]; t.compare(&k, top) < 0 {
		k.text = append(top.text[:0], k.text...)
		t.keys[0] = k
		heap.Fix(t, 0)
	}
}

// fixed gives the order keys of a batch at once where a key alone decides: nothing for texts, and for floating-point
// numbers, among which NaN has no place.
func (t *topKeys) fixed(dst []int64, v *Vector) []int64 {
	if t.col.Type.varlen() || t.col.Type.float() {
		return nil
	}
	return appendKeys(dst[:0], t.col.Type, v.Data)
}

// beyond reports whether a key comes after the largest one kept: most rows of a long table do, once as many are kept as
// are wanted. What stands in a null's place may be anything, but a null comes after every value too.
func (t *topKeys) beyond(key int64) bool {
	top := &t.keys[0]
	if top.missing {
		return false
	}
	if t.desc {
		return key < top.key
	}
	return key > top.key
}

// selectSorted finds the next rows in sorted order after row at, or from the plan's offset on.
func (r *Reader) selectSorted(ctx context.Context, p *plan, w *view, at int64) (selection, error) {
	have, _ := w.sorted()
	if at >= 0 || p.Offset <= topRows && have == nil {
		return r.selectTop(ctx, p, at)
	}
	end := min(p.Offset, r.rows) + int64(p.limit) // an offset may be as large as numbers are
	got, err := r.sortedRows(ctx, p, w, min(p.Offset, r.rows), end)
	if err != nil {
		return selection{}, err
	}
	o, err := r.orderOf(ctx, p, w)
	if err != nil {
		return selection{}, err
	}
	s := selection{more: end < o.total, total: &o.total}
	if skip := p.Offset - got.from; skip < int64(len(got.rows)) {
		s.rows = got.rows[skip:min(skip+int64(p.limit), int64(len(got.rows)))]
	}
	return s, nil
}

// selectTop reads the sorted column of the whole table and keeps the rows up to the end of the page.
func (r *Reader) selectTop(ctx context.Context, p *plan, at int64) (selection, error) {
	skip := int(p.Offset)
	most := skip + p.limit
	top := topKeys{sorter: &sorter{col: &r.schema.Columns[p.sort], desc: p.Desc}}
	var after *sortKey
	if at >= 0 {
		k, err := r.keyAt(ctx, top.sorter, p.sort, at)
		if err != nil {
			return selection{}, err
		}
		after = &k
	}
	total := int64(0)
	var keys []int64
	err := r.walk(ctx, &p.filter, p.sort, 0, func(m match) bool {
		total += int64(len(m.rows))
		keys = top.fixed(keys, m.extra)
		for _, i := range m.rows {
			if len(keys) > 0 && len(top.keys) > most && top.beyond(keys[i]) {
				continue
			}
			k := top.keyOf(m.extra, i, m.first+int64(i))
			if after == nil || top.compare(&k, after) > 0 {
				top.offer(k, most+1)
			}
		}
		return true
	})
	if err != nil {
		return selection{}, err
	}
	slices.SortFunc(top.keys, func(a, b sortKey) int { return top.compare(&a, &b) })
	s := selection{more: len(top.keys) > most, total: &total}
	for i := skip; i < min(len(top.keys), most); i++ {
		s.rows = append(s.rows, top.keys[i].row)
	}
	return s, nil
}

// keyAt reads the sort key of one row.
func (r *Reader) keyAt(ctx context.Context, s *sorter, col int, row int64) (sortKey, error) {
	sc, err := r.newScan([]int{col})
	if err != nil {
		return sortKey{}, err
	}
	sc.seek(row)
	b, err := sc.next(ctx, 1)
	if err != nil {
		return sortKey{}, err
	}
	if b == nil {
		return sortKey{}, corrupt(errDamaged, "rows are missing")
	}
	k := s.keyOf(&b.Columns[0], 0, row)
	k.text = slices.Clone(k.text)
	return k, nil
}

// sortAll gives all matching rows in sorted order, the first limit of them if that is not 0.
func (r *Reader) sortAll(ctx context.Context, p *plan) ([]int64, error) {
	s := &sorter{col: &r.schema.Columns[p.sort], desc: p.Desc}
	var keys []sortKey
	size, tooMany := 0, false
	err := r.walk(ctx, &p.filter, p.sort, 0, func(m match) bool {
		for _, i := range m.rows {
			k := s.keyOf(m.extra, i, m.first+int64(i))
			k.text = slices.Clone(k.text)
			size += len(k.text)
			if len(keys) == MaxSortRows || size > maxSortBytes {
				tooMany = true
				return false
			}
			keys = append(keys, k)
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	if tooMany {
		return nil, errcode.Invalid("sort", "more than %d rows cannot be sorted: filter them, or export unsorted", MaxSortRows)
	}
	slices.SortFunc(keys, func(a, b sortKey) int { return s.compare(&a, &b) })
	if p.limit > 0 && len(keys) > p.limit {
		keys = keys[:p.limit]
	}
	rows := make([]int64, len(keys))
	for i := range keys {
		rows[i] = keys[i].row
	}
	return rows, nil
}

// ordered gives the positions of rows from the smallest row to the largest.
func ordered(rows []int64) []int {
	place := make([]int, len(rows))
	for i := range place {
		place[i] = i
	}
	if !slices.IsSorted(rows) {
		slices.SortFunc(place, func(a, b int) int { return cmp.Compare(rows[a], rows[b]) })
	}
	return place
}
