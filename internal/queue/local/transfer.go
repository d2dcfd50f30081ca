package local

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

const (
	exportPage = 32 // jobs that are in memory at once; each may have 256 KiB
	// A commit of an import is closed when it has so many operations or bytes; one job more still fits.
	importOps   = 512
	importBytes = 64 << 10
)

// Export implements queue.Transfer.
func (e *Engine) Export(ctx context.Context, f queue.Filter, emit func(queue.Exported) error) error {
	left := f.Limit
	f.Newest = false
	for {
		if f.Limit = exportPage; left > 0 {
			f.Limit = min(left, exportPage)
		}
		page, err := e.List(ctx, f)
		if err != nil {
			return fmt.Errorf("export: %w", err)
		}
		for _, j := range page.Jobs {
			full, err := e.Get(ctx, j.ID)
			if errors.Is(err, queue.ErrNotFound) {
				continue // removed meanwhile
			}
			if err != nil {
				return fmt.Errorf("export: %w", err)
			}
			if full.DependsOn, err = e.known(full.DependsOn); err != nil {
				return fmt.Errorf("export: %w", err)
			}
			if err := emit(full.Export()); err != nil {
				return fmt.Errorf("export job %s: %w", j.ID, err)
			}
		}
		if left > 0 {
			if left -= len(page.Jobs); left <= 0 {
				return nil
			}
		}
		if f.Cursor = page.Next; f.Cursor == "" {
			return nil
		}
	}
}

// known leaves out the jobs that have been removed: nobody waits for them any more.
func (e *Engine) known(ids []queue.ID) ([]queue.ID, error) {
	var out []queue.ID
	for _, id := range ids {
		n, err := parseID(id)
		if err != nil {
			continue
		}
		switch _, err := e.loadRecord(n); {
		case isNotThere(err):
		case err != nil && !isCorrupt(err):
			return nil, err
		default:
			out = append(out, id)
		}
	}
	return out, nil
}

// importer makes the jobs of one import.
type importer struct {
	e      *Engine
	at     instant
	in     []queue.Exported
	made   []queue.Job // prepared, later with their ids
	states []queue.State
	on     [][]int // by index: those among the jobs that it depends on
	needed []bool  // others depend on it
	number []uint64
	flows  map[queue.FlowID]*importedFlow
	order  []int
	unique *reservation
	claims []*claim
	out    []queue.Job
}

type importedFlow struct {
	num     uint64
	members []int
	keys    map[string]int
}

// Import implements queue.Transfer. What others of the import depend on is claimed until the last commit, so that it
// does not end before they exist.
func (e *Engine) Import(ctx context.Context, jobs []queue.Exported) ([]queue.Job, error) {
	if len(jobs) > queue.MaxTransfer {
		return nil, errcode.Invalid("jobs", "at most %d", queue.MaxTransfer)
	}
	if err := e.usable(); err != nil {
		return nil, err
	}
	m := &importer{
		e: e, at: e.now(), in: jobs, on: make([][]int, len(jobs)), needed: make([]bool, len(jobs)), number: make([]uint64, len(jobs)),
		flows: map[queue.FlowID]*importedFlow{}, out: make([]queue.Job, len(jobs)),
	}
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("import: %w", err)
	}
	u, err := e.reserve(ctx, m.holders())
	if err != nil {
		return nil, err
	}
	if m.unique = u; u != nil {
		defer e.unreserve(u.keys(), u.decided)
	}
	for i := range m.in {
		if m.needed[i] && u.taken(i) {
			return nil, errcode.Newf(errcode.Conflict, "jobs[%d].unique_key: it is held, and other jobs depend on this one", i)
		}
	}
	if err := m.take(ctx); err != nil {
		return nil, fmt.Errorf("import: %w", err)
	}
	defer m.giveUp()
	if err := m.make(ctx); err != nil {
		return m.out, fmt.Errorf("import: %w", err)
	}
	for i := range m.out { // twins come after the job whose key they have
		u.duplicate(i, m.out)
	}
	return m.out, e.fillDuplicates(ctx, m.out, u)
}

// check prepares all jobs and puts them in order.
func (m *importer) check() error {
	index := make(map[queue.ID]int, len(m.in))
	for i, x := range m.in {
		if _, twice := index[x.ID]; twice && x.ID != "" {
			return queue.InJob(i, errcode.Invalid("id", "%s comes twice", cut(string(x.ID), queue.MaxLabel)))
		}
		index[x.ID] = i
	}
	for i, x := range m.in {
		s, err := x.State()
		if err != nil {
			return queue.InJob(i, err)
		}
		j, err := x.New().Prepare(m.e.cfg.Rules, m.at.wall)
		if err != nil {
			return queue.InJob(i, err)
		}
		if !x.CreatedAt.IsZero() {
			j.CreatedAt = storable(x.CreatedAt)
		}
		s.StartedAt, s.FinishedAt = storable(s.StartedAt), storable(s.FinishedAt)
		m.made, m.states = append(m.made, j), append(m.states, s)
		if err := m.relate(i, index); err != nil {
			return queue.InJob(i, err)
		}
	}
	order, stuck := queue.InOrder(m.on)
	if stuck >= 0 {
		return queue.InJob(stuck, errcode.Invalid("depends_on", "the job depends on itself in the end"))
	}
	m.order = order
	return nil
}

// relate finds what job i depends on and its flow. What is not among the jobs is refused of one that still waits; of one
// that does not it is history.
func (m *importer) relate(i int, index map[queue.ID]int) error {
	x := m.in[i]
	if len(x.DependsOn) > queue.MaxDependsOn {
		return errcode.Invalid("depends_on", "at most %d jobs", queue.MaxDependsOn)
	}
	for _, id := range x.DependsOn {
		k, known := index[id]
		switch {
		case known && id != "":
			m.on[i] = append(m.on[i], k)
			m.needed[k] = true
		case x.Status == queue.Waiting:
			return errcode.Invalid("depends_on", "job %s is not among those to be imported", cut(string(id), queue.MaxLabel))
		}
	}
	if len(x.DependsOn) > 0 && x.OnFailure == "" {
		m.made[i].OnFailure = queue.FailToo
	}
	if x.FlowID == "" {
		return nil
	}
	f := m.flows[x.FlowID]
	if f == nil {
		f = &importedFlow{keys: map[string]int{}}
		m.flows[x.FlowID] = f
	}
	_, twice := f.keys[x.FlowKey]
	switch {
	case twice:
		return errcode.Invalid("flow_key", "comes twice in its flow")
	case len(f.members) == queue.MaxFlowJobs:
		return errcode.Invalid("flow_id", "a flow has at most %d jobs", queue.MaxFlowJobs)
	}
	f.keys[x.FlowKey] = len(f.members)
	f.members = append(f.members, i)
	m.made[i].FlowKey = x.FlowKey
	return nil
}

// holders gives the jobs with the unique keys that they take: what has ended takes none.
func (m *importer) holders() []queue.Job {
	out := slices.Clone(m.made)
	for i := range out {
		if m.states[i].Status.Final() {
			out[i].UniqueKey = ""
		}
	}
	return out
}

// take gives jobs and flows their new numbers, and claims the jobs that others depend on: nobody else can know them.
func (m *importer) take(ctx context.Context) error {
	for _, f := range m.flows {
		num, err := m.e.flowIDs.Next(ctx)
		if err != nil {
			return fmt.Errorf("take flow id: %w", err)
		}
		f.num = num
	}
	for _, i := range m.order {
		if m.unique.taken(i) {
			continue
		}
		n, err := m.e.ids.take(ctx)
		if err != nil {
			return err
		}
		m.number[i] = n
	}
	m.e.mu.Lock()
	defer m.e.mu.Unlock()
	for i, n := range m.number {
		if m.needed[i] {
			m.claims = append(m.claims, m.e.newClaim(n))
		}
	}
	return nil
}

func (m *importer) giveUp() {
	m.e.mu.Lock()
	defer m.e.mu.Unlock()
	for _, c := range m.claims {
		m.e.unclaim(c)
	}
}

// make makes the jobs in commits of many, and then their flows.
func (m *importer) make(ctx context.Context) error {
	for rest := m.order; len(rest) > 0; {
		b := m.e.db.Batch()
		var staged []int
		for len(rest) > 0 && b.Len() < importOps && b.Size() < importBytes {
			i := rest[0]
			if rest = rest[1:]; m.unique.taken(i) {
				continue
			}
			m.stage(b, i)
			staged = append(staged, i)
		}
		if err := m.e.commit(ctx, b); err != nil {
			return err
		}
		for _, i := range staged {
			m.out[i] = m.made[i]
		}
	}
	for _, f := range m.flows {
		b := m.e.db.Batch()
		m.e.stageFlowRecord(b, f.num, m.record(f))
		if err := m.e.commit(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// record gives the flow that was imported; its time is that of its first job.
func (m *importer) record(f *importedFlow) flowRecord {
	rec := flowRecord{created: m.at.wall}
	f.members = slices.DeleteFunc(f.members, func(i int) bool { return m.number[i] == 0 }) // duplicates
	for at, i := range f.members {
		f.keys[m.in[i].FlowKey] = at
	}
	for _, i := range f.members {
		d := flowNode{n: m.number[i], key: m.in[i].FlowKey}
		for _, k := range m.on[i] {
			if m.in[k].FlowID == m.in[i].FlowID {
				d.on = append(d.on, f.keys[m.in[k].FlowKey])
			}
		}
		if at := m.made[i].CreatedAt; at.Before(rec.created) {
			rec.created = at
		}
		rec.nodes = append(rec.nodes, d)
	}
	return rec
}

// stage stages one job in the state in which it comes.
func (m *importer) stage(b *store.Batch, i int) {
	n, x, j := m.number[i], m.in[i], m.made[i]
	w := wait{kind: edgeFail}
	if j.OnFailure == queue.Continue {
		w.kind = edgeContinue
	}
	for _, k := range m.on[i] {
		j.DependsOn = append(j.DependsOn, formatID(m.number[k]))
		switch s := m.states[k].Status; {
		case !s.Final():
			w.on = append(w.on, m.number[k])
		case s != queue.Completed && w.kind == edgeFail:
			w.failed = m.number[k]
		}
	}
	slices.Sort(w.on)
	w.on = slices.Compact(w.on)
	if f := m.flows[x.FlowID]; f != nil {
		j.FlowID = formatFlowID(f.num)
	}
	r := recordOf(j)
	r.State = m.states[i]
	r.RunAt = storable(r.RunAt)
	switch {
	case r.Status == queue.Waiting && w.count() == 0:
		r.State = released(r.State, m.at.wall)
	case r.Status == queue.Waiting:
		r.Pending = w.count()
		m.e.stageWait(b, n, w)
	case !r.Status.Final() && !r.RunAt.After(m.at.wall):
		r.Status, r.RunAt, r.ReadyAt = queue.Ready, time.Time{}, m.at.wall
	}
	b.Set(m.e.space, key(bodyKey, n), encodeBody(j))
	b.Set(m.e.space, key(stateKey, n), r.encode())
	for _, f := range x.Errors {
		f.At = storable(f.At)
		m.e.stageFailure(b, n, queue.Failure(f))
	}
	m.place(b, i, r, j)
	describe(&j, n, r)
	m.made[i] = j
}

// place stages what an imported job is in memory, and of one that has ended when it expires.
func (m *importer) place(b *store.Batch, i int, r record, j queue.Job) {
	e, n, at := m.e, m.number[i], m.at
	if !r.Status.Final() {
		if h, ok := m.unique.reserved(i); ok {
			e.stageUnique(b, h, n, j, at)
		}
		b.OnCommit(func() {
			e.cfg.Recorder.Enqueued(r.queue, r.typ)
			e.mu.Lock()
			defer e.mu.Unlock()
			e.limit(n, hashUnique(j.LimitKey), j.LimitKey != "")
			e.place(n, r, at)
		})
		return
	}
	if result := m.in[i].Result; len(result) > 0 {
		b.Set(e.space, key(resultKey, n), result)
		e.stageResultExpiry(b, final{n: n, rec: r, job: j}, at.wall)
	}
	b.Set(e.space, expiryKey(groupOf(r.Status), at.wall.Add(e.retention(r.Status)), n), nil)
	b.OnCommit(func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.end(n, r, nil)
	})
}
