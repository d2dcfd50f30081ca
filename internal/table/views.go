package table

import (
	"container/list"
	"crypto/sha256"
	"strconv"
	"sync"
)

// Views remembers, within a limit of bytes, what reading of tables has found out about filtered and sorted views of them, so
// that a place in the middle of one is found without reading from its beginning each time. What is longest unused goes
// first; what is lost is only found out again. It serves any number of goroutines.
type Views struct {
	mu    sync.Mutex // guards all below; never held while anything is read
	most  int
	bytes int
	views map[viewKey]*list.Element
	used  list.List // of *view, the last used first
}

// viewKey names a view: a digest of the table's origin and of the query.
type viewKey [sha256.Size]byte

// view is what is known of one filtered or sorted view of one stored table. What is in it is never changed, but replaced.
type view struct {
	key   viewKey
	bytes int

	mu     sync.Mutex // guards all below; never held while anything is read
	counts []int64    // rows of each row group that match, notCounted where nobody has looked
	order  *order     // nil = not made
	near   *band      // of the sorted view, that which was read last; nil = none
}

const notCounted = -1

// viewBytes is what a view takes beside what it holds.
const viewBytes = 256

// NewViews makes a memory of at most so many bytes.
func NewViews(bytes int) *Views { return &Views{most: bytes, views: map[viewKey]*list.Element{}} }

// view gives the view of a plan; a new one if there is none, or nothing is to be remembered.
func (v *Views) view(r *Reader, p *plan) *view {
	if v == nil || p.Source == "" {
		return newView(r, viewKey{})
	}
	key := viewKey(sha256.Sum256(p.appendText(strconv.AppendQuote(nil, p.Source))))
	v.mu.Lock()
	defer v.mu.Unlock()
	if e := v.views[key]; e != nil {
		v.used.MoveToFront(e)
		if w, ok := e.Value.(*view); ok && len(w.counts) == len(r.groups) {
			return w
		}
	}
	return newView(r, key)
}

func newView(r *Reader, key viewKey) *view {
	w := &view{key: key, counts: make([]int64, len(r.groups))}
	for i := range w.counts {
		w.counts[i] = notCounted
	}
	return w
}

// keep remembers a view as it is now.
func (v *Views) keep(w *view) {
	if v == nil || w.key == (viewKey{}) {
		return
	}
	size := w.size()
	v.mu.Lock()
	defer v.mu.Unlock()
	if e := v.views[w.key]; e != nil {
		v.drop(e) // it may be another one, of a query at the same time: the later one stays
	}
	if size > v.most {
		return
	}
	w.bytes = size
	v.views[w.key] = v.used.PushFront(w)
	for v.bytes += size; v.bytes > v.most; {
		v.drop(v.used.Back())
	}
}

func (v *Views) drop(e *list.Element) {
	if w, ok := v.used.Remove(e).(*view); ok {
		v.bytes -= w.bytes
		delete(v.views, w.key)
	}
}

func (w *view) size() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := viewBytes + 8*len(w.counts)
	if w.order != nil {
		n += w.order.size()
	}
	if w.near != nil {
		n += 8 * len(w.near.rows)
	}
	return n
}

// count gives what is known of a row group.
func (w *view) count(group int) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.counts[group]
}

func (w *view) setCount(group int, n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts[group] = n
}

// total gives the rows that match, false where not all row groups are counted.
func (w *view) total() (sum int64, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.order != nil {
		return w.order.total, true
	}
	for _, n := range w.counts {
		if n == notCounted {
			return 0, false
		}
		sum += n
	}
	return sum, true
}

func (w *view) sorted() (*order, *band) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.order, w.near
}

func (w *view) setOrder(o *order) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.order = o
}

func (w *view) setNear(s *band) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.near = s
}
