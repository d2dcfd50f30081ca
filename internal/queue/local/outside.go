package local

import (
	"container/heap"
	"encoding/binary"
	"math"
	"time"

	"github.com/wayside-edge/wayside/internal/queue"
)

// leaseVersion is the first byte of a lease's record.
const leaseVersion = 1

// leaseRecord is what the lease key of a job holds: who outside the process has it.
type leaseRecord struct {
	token    uint64
	length   time.Duration
	when     time.Time
	worker   string
	progress queue.Progress
}

func (l leaseRecord) encode() []byte {
	b := make([]byte, 0, 34+len(l.worker)+len(l.progress.Text))
	b = append(b, leaseVersion)
	b = binary.BigEndian.AppendUint64(b, l.token)
	b = appendTime(b, l.when)
	b = binary.AppendUvarint(b, uint64(l.length))
	b = append(binary.AppendUvarint(b, uint64(len(l.worker))), l.worker...)
	b = binary.BigEndian.AppendUint64(b, math.Float64bits(l.progress.Fraction))
	return append(b, l.progress.Text...)
}

func decodeLease(b []byte) (leaseRecord, error) {
	if len(b) < 17 || b[0] != leaseVersion {
		return leaseRecord{}, errRecord
	}
	l := leaseRecord{token: binary.BigEndian.Uint64(b[1:]), when: timeAt(b[9:])}
	r := reader{b: b[17:]}
	l.length = time.Duration(r.uvarint(uint64(queue.MaxLease)))
	l.worker = string(r.bytes())
	if r.failed || len(r.b) < 8 || l.token == 0 {
		return leaseRecord{}, errRecord
	}
	l.progress = checkedProgress(queue.Progress{
		Fraction: math.Float64frombits(binary.BigEndian.Uint64(r.b)), Text: string(r.b[8:]),
	})
	return l, nil
}

// checkedProgress brings a progress that came from outside within its bounds.
func checkedProgress(p queue.Progress) queue.Progress {
	if math.IsNaN(p.Fraction) {
		p.Fraction = 0
	}
	return queue.Progress{Fraction: min(max(p.Fraction, 0), 1), Text: cut(p.Text, queue.MaxMessage)}
}

// outside is what a hold has besides, if its holder is outside the process. e.mu guards it.
type outside struct {
	length time.Duration
	when   time.Time
	until  time.Duration // moved by signs of life
	hard   time.Duration // the job's timeout: no sign of life moves it
	look   time.Duration // when Run looks at it, not after the two
	index  int           // in table.leases, -1 = it is not there
	saved  time.Duration // when its progress was made durable last
	dirty  bool          // it has changed since
}

// due is when the lease is over.
func (o *outside) due() time.Duration { return min(o.until, o.hard) }

func (h *hold) lease() leaseRecord {
	return leaseRecord{token: h.token, length: h.ext.length, when: h.ext.when, worker: h.worker, progress: h.progress}
}

// deadlines are the leases outside the process as a heap, the one that is to be looked at next first. A sign of life
// costs no move: the lease is put back when it comes to the front.
type deadlines []*hold

// Len is part of heap.Interface.
func (d *deadlines) Len() int { return len(*d) }

// Less is part of heap.Interface.
func (d *deadlines) Less(i, j int) bool { return (*d)[i].ext.look < (*d)[j].ext.look }

// Swap is part of heap.Interface.
func (d *deadlines) Swap(i, j int) {
	s := *d
	s[i], s[j] = s[j], s[i]
	s[i].ext.index, s[j].ext.index = i, j
}

// Push is part of heap.Interface.
func (d *deadlines) Push(x any) {
	h := x.(*hold)
	h.ext.index = len(*d)
	*d = append(*d, h)
}

// Pop is part of heap.Interface.
func (d *deadlines) Pop() any {
	s := *d
	last := len(s) - 1
	h := s[last]
	s[last] = nil
	*d = s[:last]
	h.ext.index = -1
	return h
}

// add puts a lease in and reports whether it is the next one.
func (d *deadlines) add(h *hold, look time.Duration) bool {
	h.ext.look = look
	heap.Push(d, h)
	return h.ext.index == 0
}

// remove takes a lease out, if it is there.
func (d *deadlines) remove(h *hold) {
	if h.ext != nil && h.ext.index >= 0 {
		heap.Remove(d, h.ext.index)
	}
}

// over takes out up to limit leases that are over, and gives the time until the next one is to be looked at.
func (d *deadlines) over(now time.Duration, limit int) (out []*hold, wait time.Duration) {
	for len(*d) > 0 && len(out) < limit {
		h := (*d)[0]
		if h.ext.look > now {
			return out, h.ext.look - now
		}
		if due := h.ext.due(); due > now {
			h.ext.look = due
			heap.Fix(d, 0)
			continue
		}
		heap.Pop(d)
		out = append(out, h)
	}
	if len(*d) > 0 {
		return out, 0
	}
	return out, idleWait
}
