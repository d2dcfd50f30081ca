package local

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

// flowKind begins the ids of flows.
const flowKind = 'f'

// Limits of a page of flows: each costs a read for every job.
const (
	defaultFlowPage = 20
	maxFlowPage     = 100
)

var errNoFlow = errcode.New(errcode.NotFound, "no such flow")

func formatFlowID(n uint64) queue.FlowID {
	return queue.FlowID(store.FormatID(flowKind, min(n, store.MaxID)))
}

func parseFlowID(id queue.FlowID) (uint64, error) {
	kind, n, err := store.ParseID(string(id))
	if err != nil || kind != flowKind {
		return 0, errNoFlow
	}
	return n, nil
}

// flowRecord is what the flow key holds; it never changes.
type flowRecord struct {
	created time.Time
	nodes   []flowNode // as they were given
}

type flowNode struct {
	n   uint64 // number of the job
	key string
	on  []int // indexes of the jobs of the flow that it depends on
}

func (r flowRecord) encode() []byte {
	b := appendTime([]byte{recordVersion}, r.created)
	b = binary.AppendUvarint(b, uint64(len(r.nodes)))
	for _, d := range r.nodes {
		b = binary.AppendUvarint(b, d.n)
		b = append(binary.AppendUvarint(b, uint64(len(d.key))), d.key...)
		b = binary.AppendUvarint(b, uint64(len(d.on)))
		for _, i := range d.on {
			b = binary.AppendUvarint(b, uint64(i))
		}
	}
	return b
}

func decodeFlow(b []byte) (flowRecord, error) {
	if len(b) < 9 || b[0] != recordVersion {
		return flowRecord{}, errRecord
	}
	f := flowRecord{created: timeAt(b[1:])}
	r := reader{b: b[9:]}
	nodes := int(r.uvarint(queue.MaxFlowJobs))
	for i := 0; i < nodes && !r.failed; i++ {
		d := flowNode{n: r.uvarint(store.MaxID), key: string(r.bytes())}
		for k := int(r.uvarint(queue.MaxDependsOn)); k > 0 && !r.failed; k-- {
			d.on = append(d.on, int(r.uvarint(uint64(nodes)-1)))
		}
		f.nodes = append(f.nodes, d)
	}
	if r.failed || len(r.b) > 0 {
		return flowRecord{}, errRecord
	}
	return f, nil
}

// CreateFlow implements queue.Flows.
func (e *Engine) CreateFlow(ctx context.Context, jobs []queue.FlowJob) (queue.Flow, error) {
	order, err := queue.CheckFlow(jobs)
	if err != nil {
		return queue.Flow{}, fmt.Errorf("create flow: %w", err)
	}
	if err := e.usable(); err != nil {
		return queue.Flow{}, err
	}
	at := e.now()
	made, err := e.prepareFlow(jobs, at)
	if err != nil {
		return queue.Flow{}, fmt.Errorf("create flow: %w", err)
	}
	u, err := e.reserve(ctx, made)
	if err != nil {
		return queue.Flow{}, err
	}
	if u != nil {
		defer e.unreserve(u.keys(), u.decided)
	}
	for i := range made {
		if u.taken(i) {
			return queue.Flow{}, errcode.Newf(errcode.Conflict, "jobs[%d].unique_key: another job holds it", i)
		}
	}
	deps, err := e.hold(ctx, made)
	if err != nil {
		return queue.Flow{}, fmt.Errorf("create flow: %w", err)
	}
	defer e.letGo(deps)
	id, err := e.stageFlow(ctx, flowDraft{jobs: jobs, made: made, order: order, deps: deps, unique: u, at: at})
	if errcode.Is(err, errcode.TooLarge) {
		return queue.Flow{}, errcode.New(errcode.TooLarge, "the flow is too large: all its jobs have to fit one commit")
	}
	if err != nil {
		return queue.Flow{}, fmt.Errorf("create flow: %w", err)
	}
	return e.Flow(ctx, id)
}

// prepareFlow gives the jobs of a flow without id, and without their dependencies inside the flow.
func (e *Engine) prepareFlow(jobs []queue.FlowJob, at instant) ([]queue.Job, error) {
	made := make([]queue.Job, len(jobs))
	var size int
	for i, f := range jobs {
		if f.IdempotencyKey != "" {
			return nil, queue.InJob(i, errcode.Invalid("idempotency_key", "not possible in a flow"))
		}
		j, err := f.Prepare(e.cfg.Rules, at.wall)
		if err != nil {
			return nil, queue.InJob(i, err)
		}
		if size += len(j.Payload) + 48*len(f.DependsOn); size > maxFlowBytes {
			return nil, errcode.New(errcode.TooLarge, "the flow is too large: all its jobs have to fit one commit")
		}
		if len(f.DependsOn) > 0 && j.OnFailure == "" {
			if j.OnFailure = f.OnFailure; j.OnFailure == "" {
				j.OnFailure = queue.FailToo
			}
		}
		j.FlowKey = f.Key
		made[i] = j
	}
	return made, nil
}

// maxFlowBytes is more than any commit takes, so that what can never be made is refused before it costs memory.
const maxFlowBytes = 16 << 20

// flowDraft is a flow that is being made.
type flowDraft struct {
	jobs   []queue.FlowJob
	made   []queue.Job
	order  []int
	deps   *dependencies
	unique *reservation
	at     instant
}

// stageFlow makes the flow in one commit.
func (e *Engine) stageFlow(ctx context.Context, d flowDraft) (queue.FlowID, error) {
	num, err := e.flowIDs.Next(ctx)
	if err != nil {
		return "", fmt.Errorf("take flow id: %w", err)
	}
	id := formatFlowID(num)
	index := make(map[string]int, len(d.jobs))
	rec := flowRecord{created: d.at.wall, nodes: make([]flowNode, len(d.jobs))}
	for i, j := range d.jobs {
		index[j.Key] = i
	}
	b := e.db.Batch()
	for _, i := range d.order {
		n, err := e.ids.take(ctx)
		if err != nil {
			return "", err
		}
		j := d.made[i]
		j.FlowID = id
		node := flowNode{n: n, key: d.jobs[i].Key}
		j.DependsOn = slices.Clone(j.DependsOn)
		for _, k := range d.jobs[i].DependsOn {
			node.on = append(node.on, index[k])
			j.DependsOn = append(j.DependsOn, formatID(rec.nodes[index[k]].n))
		}
		rec.nodes[i] = node
		if h, ok := d.unique.reserved(i); ok {
			e.stageUnique(b, h, n, j, d.at)
		}
		if _, err := e.stageNew(b, n, j, d.deps.of(j), d.at); err != nil {
			return "", err
		}
	}
	e.stageFlowRecord(b, num, rec)
	return id, e.commit(ctx, b)
}

func (e *Engine) stageFlowRecord(b *store.Batch, num uint64, rec flowRecord) {
	b.Set(e.space, key(flowKey, num), rec.encode())
	b.Set(e.space, expiryKey(groupFlow, rec.created.Add(max(e.cfg.Retention, shortest)), num), nil)
}

func (e *Engine) loadFlow(num uint64) (flowRecord, error) {
	raw, err := e.space.Get(key(flowKey, num))
	if err == nil {
		var rec flowRecord
		if rec, err = decodeFlow(raw); err == nil {
			return rec, nil
		}
	}
	if isNotThere(err) {
		return flowRecord{}, errNoFlow
	}
	return flowRecord{}, fmt.Errorf("read flow %s: %w", formatFlowID(num), err)
}

// Flow implements queue.Flows.
func (e *Engine) Flow(_ context.Context, id queue.FlowID) (queue.Flow, error) {
	num, err := parseFlowID(id)
	if err != nil {
		return queue.Flow{}, err
	}
	rec, err := e.loadFlow(num)
	if err != nil {
		return queue.Flow{}, err
	}
	f := queue.Flow{ID: id, CreatedAt: rec.created, Counts: map[queue.Status]int{}}
	for _, d := range rec.nodes {
		node := queue.FlowNode{Key: d.key, Job: queue.Job{ID: formatID(d.n)}}
		for _, i := range d.on {
			node.DependsOn = append(node.DependsOn, rec.nodes[i].key)
		}
		switch j, _, err := e.glance(d.n); {
		case errors.Is(err, queue.ErrNotFound): // removed before its time, there were too many
		case err != nil:
			return queue.Flow{}, err
		default:
			j.Payload = nil
			node.Job = j
			count(&f, j.Status, j.FinishedAt)
		}
		f.Jobs = append(f.Jobs, node)
	}
	conclude(&f)
	if len(f.Counts) == 0 {
		return queue.Flow{}, errNoFlow // its jobs are removed, it is next
	}
	return f, nil
}

// summary is Flow without the jobs, from their states alone.
func (e *Engine) summary(num uint64, rec flowRecord) (queue.Flow, error) {
	f := queue.Flow{ID: formatFlowID(num), CreatedAt: rec.created, Counts: map[queue.Status]int{}}
	for _, d := range rec.nodes {
		r, err := e.loadRecord(d.n)
		switch {
		case isNotThere(err):
			continue
		case isCorrupt(err):
			r.Status = queue.Ready // for the moment until it is dead
		case err != nil:
			return f, err
		}
		e.mu.Lock()
		s := e.statusOf(d.n, r)
		e.mu.Unlock()
		count(&f, s, r.FinishedAt)
	}
	conclude(&f)
	return f, nil
}

func count(f *queue.Flow, s queue.Status, finished time.Time) {
	f.Counts[s]++
	if finished.After(f.EndedAt) {
		f.EndedAt = finished
	}
}

// conclude gives a flow the status that its jobs' counts make.
func conclude(f *queue.Flow) {
	f.Status = queue.Completed
	for s := range f.Counts {
		if !s.Final() {
			f.Status, f.EndedAt = queue.Active, time.Time{}
			return
		}
	}
	switch {
	case f.Counts[queue.Dead] > 0:
		f.Status = queue.Dead
	case f.Counts[queue.Cancelled] > 0:
		f.Status = queue.Cancelled
	}
}

// ListFlows implements queue.Flows.
func (e *Engine) ListFlows(ctx context.Context, limit int, cursor string) ([]queue.Flow, string, error) {
	if limit <= 0 {
		limit = defaultFlowPage
	}
	limit = min(limit, maxFlowPage)
	o := store.ScanOptions{Prefix: []byte{flowKey}, Reverse: true, OnCorrupt: func([]byte) error { return nil }}
	if cursor != "" {
		num, err := parseFlowID(queue.FlowID(cursor))
		if err != nil {
			return nil, "", errcode.New(errcode.Malformed, "cursor is not one that this list gave")
		}
		o.From, o.After = key(flowKey, num), true
	}
	var out []queue.Flow
	next := ""
	err := e.space.Scan(ctx, o, func(k, v []byte) (bool, error) {
		rec, err := decodeFlow(v)
		if err != nil || !isNumberKey(k) {
			return true, nil //nolint:nilerr // a damaged record is no part of a list; its jobs go on
		}
		f, err := e.summary(binary.BigEndian.Uint64(k[1:]), rec)
		if err != nil || len(f.Counts) == 0 {
			return err == nil, err
		}
		if len(out) == limit {
			next = string(out[limit-1].ID)
			return false, nil
		}
		out = append(out, f)
		return true, nil
	})
	if err != nil {
		return nil, "", fmt.Errorf("list flows: %w", err)
	}
	return out, next, nil
}

// CancelFlow implements queue.Flows.
func (e *Engine) CancelFlow(ctx context.Context, id queue.FlowID) (queue.Flow, error) {
	num, err := parseFlowID(id)
	if err != nil {
		return queue.Flow{}, err
	}
	rec, err := e.loadFlow(num)
	if err != nil {
		return queue.Flow{}, err
	}
	todo, failed := map[uint64]doom{}, map[uint64]error{}
	for _, d := range rec.nodes {
		todo[d.n] = doom{code: errcode.Cancelled, message: "the flow was cancelled"}
	}
	for len(todo) > 0 {
		e.buryBatch(ctx, todo, func(uint64) bool { return true }, failed)
		for n, err := range failed {
			return queue.Flow{}, fmt.Errorf("cancel job %s of flow %s: %w", formatID(n), id, err)
		}
	}
	// Those at work, or taken meanwhile, are told one by one.
	for _, d := range rec.nodes {
		_, err := e.Cancel(ctx, formatID(d.n), nil)
		if err != nil && !errors.Is(err, queue.ErrEnded) && !errors.Is(err, queue.ErrNotFound) {
			return queue.Flow{}, fmt.Errorf("cancel flow %s: %w", id, err)
		}
	}
	return e.Flow(ctx, id)
}

// flowEnd is what a flow means to the retention of its jobs.
type flowEnd struct {
	open bool      // a job of it has not ended
	last time.Time // when the last of its jobs that have ended expires
}

// flow gives the end of the flow that job n belongs to.
func (s *sweeper) flow(n uint64) (flowEnd, error) {
	_, j, err := s.e.load(n)
	if err != nil && !isCorrupt(err) {
		return flowEnd{}, err
	}
	if f, known := s.flows[j.FlowID]; known {
		return f, nil
	}
	num, err := parseFlowID(j.FlowID)
	if err != nil {
		return flowEnd{}, nil //nolint:nilerr // the body is lost: the job is one of its own
	}
	f, err := s.flowEnd(num)
	if err == nil {
		s.flows[j.FlowID] = f
	}
	return f, err
}

func (s *sweeper) flowEnd(num uint64) (flowEnd, error) {
	rec, err := s.e.loadFlow(num)
	if err != nil {
		if errors.Is(err, errNoFlow) || isCorrupt(err) {
			return flowEnd{}, nil
		}
		return flowEnd{}, err
	}
	var f flowEnd
	for _, d := range rec.nodes {
		r, err := s.e.loadRecord(d.n)
		switch {
		case isCorrupt(err):
		case err != nil:
			return flowEnd{}, err
		case !r.Status.Final():
			f.open = true
		default:
			if at := r.FinishedAt.Add(s.e.retention(r.Status)); at.After(f.last) {
				f.last = at
			}
		}
	}
	return f, nil
}

// expireFlow removes a flow none of whose jobs is left.
func (s *sweeper) expireFlow(x expiry) error {
	f, err := s.flowEnd(x.n)
	switch {
	case err != nil:
		return err
	case f.open:
		s.putOff(x, s.now.Add(max(s.e.cfg.Retention, shortest)))
	case !f.last.IsZero():
		s.putOff(x, latest(f.last, s.now).Add(time.Second))
	default:
		s.removed++
		s.b.Delete(s.e.space, key(flowKey, x.n))
	}
	return nil
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
