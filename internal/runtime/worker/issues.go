package worker

import (
	"encoding/binary"
	"fmt"

	"github.com/wayside-edge/wayside/internal/runtime/wire"
	"github.com/wayside-edge/wayside/internal/table"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

const (
	issueBatch = 1024
)

// issueLog gathers the rows of the table issues, which the host writes itself.
type issueLog struct {
	t     *outTable
	limit int64
	over  int64 // counted only

	infos, warnings, errors int64

	rows                      int
	seq, offset, severity     []byte
	offsetThere               []byte
	code, message             []byte
	codeOffsets, messageIndex []uint32
}

func newIssueLog(t *outTable, limit int64) *issueLog {
	l := &issueLog{t: t, limit: limit}
	l.reset()
	return l
}

func (l *issueLog) reset() {
	l.rows = 0
	l.seq, l.offset, l.severity, l.offsetThere = nil, nil, nil, nil
	l.code, l.message = nil, nil
	l.codeOffsets, l.messageIndex = []uint32{0}, []uint32{0}
}

// full reports that no more issues are listed, unless one is fatal.
func (l *issueLog) full() bool { return l.t.rows >= l.limit }

// issue counts an issue and, while the limit is not reached, writes it. off < 0 = it concerns no offset.
func (o *output) issue(c *call, severity abi.Severity, off int64, code, message string) {
	l := o.issues
	switch severity {
	case abi.Info:
		l.infos++
	case abi.Warning:
		l.warnings++
	case abi.Error, abi.Fatal:
		l.errors++
	}
	if l.full() && severity != abi.Fatal {
		l.over++
		return
	}
	if l.t.rows > l.limit { // one fatal issue beyond the limit, no more
		l.over++
		return
	}
	l.append(severity, off, code, message)
	if l.rows == issueBatch {
		o.put(c, l.take())
	}
}

// unopened adds the host's own issue, whatever the limit, that parts of the input were not read.
func (l *issueLog) unopened(v *wire.Verdict) {
	l.errors++
	l.append(abi.Fatal, *v.Offset, "parts_not_read", v.Message)
}

// leftOut adds the host's own issue, whatever the limit, about sub-files.
func (l *issueLog) leftOut(code, message string) {
	l.warnings++
	l.append(abi.Warning, -1, code, message)
}

// reportNotes adds the issues that the serving process gave with the job, whatever the limit, and the verdict on an
// input that is not whole, where the guest itself has found nothing that ended it.
func (c *call) reportNotes(job *wire.Decode) {
	l := c.out.issues
	for _, n := range job.Notes {
		switch abi.Severity(n.Severity) {
		case abi.Info:
			l.infos++
		case abi.Warning:
			l.warnings++
		default:
			l.errors++
		}
		off := int64(-1)
		if n.Offset != nil {
			off = *n.Offset
		}
		l.append(abi.Severity(n.Severity), off, n.Code, n.Message)
	}
	if c.fatal == nil {
		c.fatal = job.Cut
	}
}

func (l *issueLog) append(severity abi.Severity, off int64, code, message string) {
	l.t.rows++
	l.seq = binary.LittleEndian.AppendUint64(l.seq, uint64(l.t.rows))
	if l.rows%8 == 0 {
		l.offsetThere = append(l.offsetThere, 0)
	}
	if off >= 0 {
		l.offsetThere[l.rows/8] |= 1 << (l.rows % 8)
	}
	l.offset = binary.LittleEndian.AppendUint64(l.offset, uint64(max(off, 0)))
	l.severity = append(l.severity, byte(severity))
	l.code = append(l.code, code...)
	l.codeOffsets = append(l.codeOffsets, uint32(len(l.code)))
	l.message = append(l.message, message...)
	l.messageIndex = append(l.messageIndex, uint32(len(l.message)))
	l.rows++
}

// take gives the gathered rows as a batch.
func (l *issueLog) take() *batch {
	none := make([]byte, (l.rows+7)/8)
	b := &batch{t: l.t, b: table.Batch{Rows: l.rows, Columns: []table.Vector{
		{Data: l.seq},
		{Data: l.offset, Validity: l.offsetThere},
		{Data: l.severity},
		{Data: l.code, Offsets: l.codeOffsets},
		{Data: l.message, Offsets: l.messageIndex},
		{Offsets: make([]uint32, l.rows+1), Validity: none},
		{Data: make([]byte, 8*l.rows), Validity: none},
	}}}
	l.reset()
	return b
}

// finish queues what is left, and says how many issues were not listed.
func (l *issueLog) finish(o *output) {
	if l.over > 0 {
		l.append(abi.Warning, -1, "issues_limit", fmt.Sprintf("%d more issues were counted but not listed", l.over))
	}
	if l.rows == 0 {
		return
	}
	b := l.take()
	if o.fault.Load() == nil && !l.t.skip {
		o.queue <- b
	}
}
