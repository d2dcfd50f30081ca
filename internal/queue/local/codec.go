package local

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

// Families of keys in the queue's space: the letter, then the job's number in 8 bytes, big-endian.
const (
	bodyKey       = 'b' // what never changes
	stateKey      = 's' // what changes: one small record, overwritten in place
	resultKey     = 'r'
	errorKey      = 'e' // and one byte, the attempt modulo queue.MaxErrors
	uniqueKey     = 'u' // with the hash of the unique key instead of the number: who holds it
	endedKey      = 't' // one byte: what expires, 8 bytes of expiry in seconds, the number
	metaKey       = 'm' // and a name
	leaseKey      = 'l' // who has it outside the process, and for how long
	dependentKey  = 'd' // and a second number: a job that waits for the first
	flowKey       = 'f' // the flow's number instead of the job's
	cronKey       = 'c' // and the id of a schedule
	settingsKey   = 'Q' // and the name of a queue: its settings
	nodeKey       = 'w' // and the name of a worker
	idempotentKey = 'i' // with the hash of the key instead of the number
	forgetKey     = 'x' // 8 bytes of time in seconds, and the hash of an idempotency key: it is forgotten then
)

// recordVersion is in the upper four bits of a record's first byte; optionVersion is that of a body with options.
const (
	recordVersion = 1
	optionVersion = 2
)

var errRecord = errcode.New(errcode.Corrupt, "the record of the job is damaged")

// isCorrupt reports whether an error of a read says that the record is of no use, rather than that reading failed.
func isCorrupt(err error) bool {
	return errcode.Is(err, errcode.Corrupt) || errors.Is(err, store.ErrNotFound)
}

func key(family byte, n uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{family}, n)
}

func failureKey(n uint64, attempt int) []byte {
	return append(key(errorKey, n), byte(attempt%queue.MaxErrors))
}

// record is what the state key holds: the state, and where the job stands in line.
type record struct {
	queue.State
	queue    string
	typ      string
	priority int
	writing  bool
	unique   bool // its body names a unique key
	more     recordMore
}

// recordMore are facts of a record that most jobs have none of.
type recordMore byte

// Facts of a record. The order is the format: append only.
const (
	hasLimitKey recordMore = 1 << iota // its body names a limit key
	_                                  // not used
	inFlow                             // its body names a flow
	isLeasedOut                        // a worker outside has it: there is a key of the family leaseKey
	keyLetGo                           // its unique key, held until the start, is no longer its own
	atTime                             // it waits for a time of day that somebody named
)

// Flags of a record.
const (
	flagWriting = 1 << iota
	flagCancel
	flagUnique
)

// recordHead is the fixed part of an encoded record; with the longest names it has 128 bytes.
const recordHead = 34

func (r record) encode() []byte {
	var flags byte
	if r.writing {
		flags |= flagWriting
	}
	if r.CancelAsked {
		flags |= flagCancel
	}
	if r.unique {
		flags |= flagUnique
	}
	b := make([]byte, 0, recordHead+2+len(r.queue)+len(r.typ))
	b = append(b, recordVersion<<4|statusCode(r.Status), byte(r.priority)|flags<<4)
	b = binary.BigEndian.AppendUint16(b, uint16(min(r.Attempt, 1<<16-1)))
	b = append(b, byte(min(r.Crashes, 255)))
	b = binary.BigEndian.AppendUint16(b, uint16(min(r.MaxAttempts, 1<<16-1)))
	b = appendTime(b, r.RunAt)
	b = appendTime(b, r.StartedAt)
	b = appendTime(b, *momentOf(&r))
	b = binary.BigEndian.AppendUint16(b, uint16(r.Pending))
	b = append(b, byte(r.more))
	b = append(append(b, byte(len(r.queue))), r.queue...)
	return append(append(b, byte(len(r.typ))), r.typ...)
}

// momentOf gives the time that a job in its status has: of its end, since when it is ready, or of the end of its last run.
func momentOf(r *record) *time.Time {
	switch {
	case r.Status.Final():
		return &r.FinishedAt
	case r.Status == queue.Ready:
		return &r.ReadyAt
	default:
		return &r.ParkedAt
	}
}

// decodeRecord is the inverse of encode. names gives the strings of byte slices, so that a scan of a million records
// does not make two million strings.
func decodeRecord(b []byte, names func([]byte) string) (record, error) {
	if len(b) < recordHead+2 || b[0]>>4 != recordVersion {
		return record{}, errRecord
	}
	status, ok := statusOf(b[0] & 15)
	if !ok {
		return record{}, errRecord
	}
	r := record{priority: int(b[1] & 15)}
	flags := b[1] >> 4
	r.writing, r.CancelAsked, r.unique = flags&flagWriting != 0, flags&flagCancel != 0, flags&flagUnique != 0
	r.Status = status
	r.Attempt = int(binary.BigEndian.Uint16(b[2:]))
	r.Crashes = int(b[4])
	r.MaxAttempts = int(binary.BigEndian.Uint16(b[5:]))
	r.RunAt, r.StartedAt = timeAt(b[7:]), timeAt(b[15:])
	*momentOf(&r) = timeAt(b[23:])
	r.Pending = int(binary.BigEndian.Uint16(b[31:]))
	r.more = recordMore(b[33])
	rest := b[recordHead:]
	n := int(rest[0])
	if len(rest) < 2+n || len(rest) != 2+n+int(rest[1+n]) || r.priority > queue.MaxPriority {
		return record{}, errRecord
	}
	r.queue, r.typ = names(rest[1:1+n]), names(rest[2+n:])
	return r, nil
}

func plainNames(b []byte) string { return string(b) }

// statuses gives every status its number in records. The order is the format: append only.
var statuses = [...]queue.Status{
	queue.Waiting, queue.Scheduled, queue.Ready, queue.Active, queue.Completed, queue.Retry, queue.Dead, queue.Cancelled,
}

func statusCode(s queue.Status) byte {
	for i, t := range statuses {
		if s == t {
			return byte(i)
		}
	}
	return 15
}

func statusOf(c byte) (queue.Status, bool) {
	if int(c) >= len(statuses) {
		return "", false
	}
	return statuses[c], true
}

// Times are stored in microseconds since 1970, 0 = none.
func appendTime(b []byte, t time.Time) []byte {
	var us int64
	if !t.IsZero() {
		us = t.UnixMicro()
	}
	return binary.BigEndian.AppendUint64(b, uint64(us))
}

func timeAt(b []byte) time.Time {
	us := int64(binary.BigEndian.Uint64(b))
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// options is what most jobs leave out; a body has them only if there are any.
type options struct {
	LimitKey    string            `json:"limit_key,omitzero"`
	Backoff     *queue.Backoff    `json:"backoff,omitzero"`
	DependsOn   []queue.ID        `json:"depends_on,omitempty"`
	OnFailure   queue.OnFailure   `json:"on_failure,omitzero"`
	FlowID      queue.FlowID      `json:"flow_id,omitzero"`
	FlowKey     string            `json:"flow_key,omitzero"`
	ScheduleID  string            `json:"schedule_id,omitzero"`
	UniqueUntil queue.UniqueUntil `json:"unique_until,omitzero"`
	UniqueTTL   time.Duration     `json:"unique_ttl,omitzero"`
	ResultTTL   time.Duration     `json:"result_ttl,omitzero"`
}

func optionsOf(j queue.Job) (o options, some bool) {
	o = options{
		LimitKey: j.LimitKey, Backoff: j.Backoff, DependsOn: j.DependsOn, OnFailure: j.OnFailure, FlowID: j.FlowID, FlowKey: j.FlowKey,
		ScheduleID: j.ScheduleID, UniqueTTL: j.UniqueTTL, ResultTTL: j.ResultTTL,
	}
	if j.UniqueUntil != queue.UntilEnd {
		o.UniqueUntil = j.UniqueUntil
	}
	some = o.LimitKey != "" || o.Backoff != nil || len(o.DependsOn) > 0 || o.OnFailure != "" || o.FlowID != "" || o.FlowKey != "" ||
		o.ScheduleID != "" || o.UniqueUntil != "" || o.UniqueTTL != 0 || o.ResultTTL != 0
	return o, some
}

func (o options) describe(j *queue.Job) {
	j.LimitKey, j.Backoff, j.OnFailure, j.FlowID, j.FlowKey = o.LimitKey, o.Backoff, o.OnFailure, o.FlowID, o.FlowKey
	j.ScheduleID, j.UniqueUntil, j.UniqueTTL, j.ResultTTL = o.ScheduleID, o.UniqueUntil, o.UniqueTTL, o.ResultTTL
	if len(o.DependsOn) > 0 {
		j.DependsOn = o.DependsOn
	}
	if o.Backoff != nil && len(o.Backoff.Delays) == 0 {
		o.Backoff.Delays = nil
	}
}

func encodeBody(j queue.Job) []byte {
	b := make([]byte, 0, 96+len(j.UniqueKey)+len(j.RequestID)+len(j.CorrelationID)+len(j.TraceID)+len(j.Payload))
	var writing byte
	if j.Writing {
		writing = 1
	}
	o, some := optionsOf(j)
	version := byte(recordVersion)
	if some {
		version = optionVersion
	}
	b = append(b, version<<4|writing, byte(j.Priority))
	b = appendTime(b, j.CreatedAt)
	b = binary.AppendUvarint(b, uint64(j.MaxAttempts))
	b = binary.AppendUvarint(b, uint64(j.Timeout))
	b = binary.AppendUvarint(b, uint64(j.SoftTimeout))
	for _, s := range []string{j.Type, j.Queue, j.UniqueKey, j.RequestID, j.CorrelationID, j.TraceID} {
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
	if some {
		raw, err := json.Marshal(o)
		if err != nil {
			panic("queue: the options of a job cannot be written: " + err.Error()) // no field of them can fail
		}
		b = append(binary.AppendUvarint(b, uint64(len(raw))), raw...)
	}
	return append(b, j.Payload...)
}

// decodeBody is the inverse of encodeBody. The job's payload is a part of b.
func decodeBody(b []byte) (queue.Job, error) {
	if len(b) < 10 || b[1] > queue.MaxPriority {
		return queue.Job{}, errRecord
	}
	version := b[0] >> 4
	if version != recordVersion && version != optionVersion {
		return queue.Job{}, errRecord
	}
	j := queue.Job{Writing: b[0]&1 != 0, Priority: int(b[1])}
	j.CreatedAt = timeAt(b[2:])
	r := reader{b: b[10:]}
	j.MaxAttempts = int(r.uvarint(1 << 16))
	j.Timeout = time.Duration(r.uvarint(1 << 62))
	j.SoftTimeout = time.Duration(r.uvarint(1 << 62))
	for _, s := range []*string{&j.Type, &j.Queue, &j.UniqueKey, &j.RequestID, &j.CorrelationID, &j.TraceID} {
		*s = string(r.bytes())
	}
	if version == optionVersion {
		var o options
		if err := json.Unmarshal(r.bytes(), &o); err != nil {
			return queue.Job{}, errRecord
		}
		o.describe(&j)
	}
	if r.failed {
		return queue.Job{}, errRecord
	}
	if j.UniqueKey != "" && j.UniqueUntil == "" {
		j.UniqueUntil = queue.UntilEnd
	}
	j.Payload = json.RawMessage(r.b)
	return j, nil
}

func encodeFailure(f queue.Failure) []byte {
	b := appendTime(nil, f.At)
	b = binary.AppendUvarint(b, uint64(f.Attempt))
	b = append(binary.AppendUvarint(b, uint64(len(f.Code))), f.Code...)
	return append(b, f.Message...)
}

func decodeFailure(b []byte) (queue.Failure, error) {
	if len(b) < 8 {
		return queue.Failure{}, errRecord
	}
	f := queue.Failure{At: timeAt(b)}
	r := reader{b: b[8:]}
	f.Attempt = int(r.uvarint(1 << 16))
	f.Code = errcode.Code(r.bytes())
	if r.failed {
		return queue.Failure{}, errRecord
	}
	f.Message = string(r.b)
	return f, nil
}

// reader takes variable-length fields off the front of b; once failed it gives zeros.
type reader struct {
	b      []byte
	failed bool
}

func (r *reader) uvarint(limit uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	if r.failed || n <= 0 || v > limit {
		r.failed = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) bytes() []byte {
	n := r.uvarint(1 << 20)
	if r.failed || n > uint64(len(r.b)) {
		r.failed = true
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

// storable gives t in the precision of the records.
func storable(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Round(0).Truncate(time.Microsecond)
}

func storableState(s queue.State) queue.State {
	s.RunAt = storable(s.RunAt)
	return s
}
