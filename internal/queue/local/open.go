package local

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

// formatVersion is the version of the records, kept under the meta key "version".
const formatVersion = 1

// Open reads the queue's records and makes ready what ran when the process ended. Jobs can be leased at once; Run is
// needed for what waits for a time and for what has to be buried.
func Open(ctx context.Context, cfg Config) (*Engine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	seq, err := cfg.DB.Sequence("job")
	if err != nil {
		return nil, fmt.Errorf("open queue: %w", err)
	}
	flows, err := cfg.DB.Sequence("flow")
	if err != nil {
		return nil, fmt.Errorf("open queue: %w", err)
	}
	e := &Engine{
		cfg: cfg, db: cfg.DB, space: cfg.DB.Space("q/"), log: cfg.Logger, ids: newIDs(seq), flowIDs: flows,
		wake: make(chan struct{}, 1), done: make(chan struct{}), notes: newNotes(), own: map[string]struct{}{}, plans: map[string]*plan{},
		table: table{
			weights: cfg.Weights, lines: map[string]*line{}, lanes: map[laneKey]*lane{}, holds: map[uint64]*hold{},
			claims: map[uint64]*claim{}, promoted: map[uint64]tick{}, gone: newVoids(),
			doomed: map[uint64]doom{}, nodes: map[string]*node{}, lostNodes: map[string]struct{}{}, ending: map[uint64][]chan struct{}{}, keys: newKeys(), ahead: newAhead(), limited: map[uint64]uniqueHash{},
			pending: map[uint64]pendingJob{}, dependents: map[uint64][]edge{}, unsettled: map[uint64]unsettled{}, marks: map[uint64][]uint64{},
		},
	}
	e.opened = cfg.Clock.Elapsed()
	e.table.mode.Configured = queue.ModeSettings{Mode: cfg.Mode, Ageing: cfg.Ageing}
	for _, t := range cfg.Types {
		e.own[t] = struct{}{}
	}
	for name := range cfg.Weights {
		e.line(name)
	}
	var ran []running
	if e.slots, ran, err = openSlots(cfg.SlotFile, cfg.Logger); err != nil {
		return nil, fmt.Errorf("open queue: %w", err)
	}
	if err := e.recover(ctx, ran); err != nil {
		return nil, errors.Join(fmt.Errorf("open queue: %w", err), e.slots.close())
	}
	return e, nil
}

// recover brings database and memory to where they were, with the runs that ended with the process counted.
func (e *Engine) recover(ctx context.Context, ran []running) error {
	if err := e.checkVersion(ctx); err != nil {
		return err
	}
	if err := e.countCrashes(ctx, ran); err != nil {
		return err
	}
	if err := e.slots.reset(); err != nil {
		return err
	}
	if err := errors.Join(e.scanSettings(ctx), e.readMode(ctx), e.scanNodes(ctx)); err != nil {
		return err
	}
	if err := errors.Join(e.scanPlans(ctx), e.readWall(ctx)); err != nil {
		return err
	}
	if err := e.scanEdges(ctx); err != nil {
		return err
	}
	leases, err := e.scanLeases(ctx)
	if err != nil {
		return err
	}
	holders, err := e.scanStates(ctx, leases)
	if err != nil {
		return err
	}
	if err := e.adoptLeases(ctx, leases); err != nil {
		return err
	}
	return e.scanUniques(ctx, holders)
}

func (e *Engine) checkVersion(ctx context.Context) error {
	k := append([]byte{metaKey}, "version"...)
	v, err := e.space.Get(k)
	switch {
	case errors.Is(err, store.ErrNotFound):
		b := e.db.Batch()
		b.Essential()
		b.Set(e.space, k, []byte{formatVersion})
		return e.commit(ctx, b)
	case err != nil && !isCorrupt(err):
		return fmt.Errorf("read version of the queue: %w", err)
	case err == nil && !bytes.Equal(v, []byte{formatVersion}):
		return errcode.Newf(errcode.Unsupported, "the queue was written by a newer version (format %x)", v)
	}
	return nil
}

// countCrashes counts the runs the slot file tells of, all in one commit. A slot whose attempt the record knows
// already is left over from before its job's last commit.
func (e *Engine) countCrashes(ctx context.Context, ran []running) error {
	b := e.db.Batch()
	b.Essential()
	at := e.now()
	for _, slot := range ran {
		r, err := e.loadRecord(slot.n)
		if err != nil && !isCorrupt(err) {
			return err
		}
		if err != nil || r.Status.Final() || slot.attempt != r.Attempt+1 {
			continue
		}
		if r.State, err = e.crashed(r.State, at.wall); err != nil {
			return fmt.Errorf("count crash of job %s: %w", formatID(slot.n), err)
		}
		if r.unique {
			if j, err := e.body(slot.n); err == nil && startsFirst(r, j) {
				r.more |= keyLetGo
			}
		}
		b.Set(e.space, key(stateKey, slot.n), r.encode())
		e.stageFailure(b, slot.n, queue.Failure{
			Attempt: slot.attempt, At: at.wall, Code: errcode.WorkerCrashed, Message: "the process ended while the job ran",
		})
		e.log.WarnContext(ctx, "job ran when the process ended", "job", formatID(slot.n), "type", r.typ, "crashes", r.Crashes)
	}
	if b.Len() == 0 {
		return nil
	}
	return e.commit(ctx, b)
}

// crashed gives the state of a job after a run that ended with the process. The limit of crashes, and a cancel that
// was asked for, are left to scanStates: the job is buried by Run, when there are handlers to be told.
func (e *Engine) crashed(s queue.State, now time.Time) (queue.State, error) {
	asked := s.CancelAsked
	s.CancelAsked = false
	events := []queue.Event{{Kind: queue.LeasedOut}, {Kind: queue.Crashed, Rules: queue.Rules{MaxCrashes: math.MaxInt, CrashDelay: e.cfg.Rules.CrashDelay}}}
	s = released(s, now) // it ran, so nothing is left that it waits for
	if s.Status == queue.Scheduled || s.Status == queue.Retry {
		events = append([]queue.Event{{Kind: queue.Due}}, events...)
	}
	for _, ev := range events {
		var err error
		if s, _, err = queue.Transition(s, ev, now); err != nil {
			return s, fmt.Errorf("change state: %w", err)
		}
	}
	s.CancelAsked = asked
	return s, nil
}

// scanStates fills the table, but for the jobs that are at work outside the process: their records go into leases. It
// gives the jobs that may hold a unique key.
func (e *Engine) scanStates(ctx context.Context, leases map[uint64]*adopted) (holders []uint64, err error) {
	names := interner{}
	at := e.now()
	lost := e.waitedFor()
	var keyed []uint64 // jobs with a limit key, ascending
	seen := 0
	damaged := func(k []byte) {
		if isNumberKey(k) {
			delete(lost, binary.BigEndian.Uint64(k[1:])) // its burial tells them
		}
		holders = e.adoptDamaged(k, holders)
	}
	o := store.ScanOptions{Prefix: []byte{stateKey}, OnCorrupt: func(k []byte) error {
		damaged(k)
		return nil
	}}
	err = e.space.Scan(ctx, o, func(k, v []byte) (bool, error) {
		r, err := decodeRecord(v, names.get)
		if err != nil || !isNumberKey(k) {
			damaged(k)
			return true, nil //nolint:nilerr // a damaged record is one dead job, not a queue that does not open
		}
		n := binary.BigEndian.Uint64(k[1:])
		if len(lost) > 0 {
			e.adoptEdges(n, r, lost)
		}
		if r.unique && r.more&keyLetGo == 0 && !r.Status.Final() {
			holders = append(holders, n)
		}
		if seen++; r.more&hasLimitKey != 0 && !r.Status.Final() {
			keyed = append(keyed, n)
		}
		if l := leases[n]; l != nil && r.Status == queue.Active {
			l.rec = r
			return true, nil
		}
		r.State = queue.Reclaim(r.State)
		e.adopt(n, r, at)
		return true, nil
	})
	if err != nil {
		return nil, fmt.Errorf("read jobs: %w", err)
	}
	e.tidyEdges(lost)
	return holders, e.adoptLimits(ctx, keyed, seen)
}

// adopt puts a job of the database into the table.
func (e *Engine) adopt(n uint64, r record, at instant) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case r.Status.Final():
		e.end(n, r, nil)
	case r.CancelAsked:
		e.line(r.queue).counts[r.Status]++
		e.table.doomed[n] = doom{code: errcode.Cancelled, message: "the job was cancelled", rec: r}
	case r.Crashes >= e.cfg.Rules.MaxCrashes:
		e.line(r.queue).counts[r.Status]++
		e.table.doomed[n] = doom{code: errcode.WorkerCrashed, message: fmt.Sprintf("the process ended %d times while the job ran", r.Crashes), rec: r}
	default:
		// A clock that is behind the end of the job's last run says nothing about how long the job is still to wait.
		if r.ParkedAt.After(at.wall) {
			at.wall = r.ParkedAt
		}
		r.more |= atTime // how long it is still to wait, only the clock says
		e.place(n, r, at)
	}
}

// adoptDamaged dooms a job whose state cannot be read. It may hold a unique key.
func (e *Engine) adoptDamaged(k []byte, holders []uint64) []uint64 {
	if !isNumberKey(k) {
		return holders
	}
	n := binary.BigEndian.Uint64(k[1:])
	e.log.Error("job record damaged", "job", formatID(n))
	r, _, err := e.load(n)
	if err != nil {
		r = doom{rec: record{queue: queue.DefaultQueue, State: queue.State{Status: queue.Ready}}}.complete(r)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.line(r.queue).counts[r.Status]++
	e.table.doomed[n] = doom{code: errcode.Corrupt, message: damageText, rec: r}
	return append(holders, n)
}

// interner gives equal byte slices the same string.
type interner map[string]string

func (i interner) get(b []byte) string {
	if s, ok := i[string(b)]; ok {
		return s
	}
	s := string(b)
	i[s] = s
	return s
}
