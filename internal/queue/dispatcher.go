package queue

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// Defaults of DispatcherConfig.
const (
	DefaultConcurrency = 4
	DefaultTotal       = 64
	DefaultDrain       = 3 * time.Second
	DefaultGrace       = time.Second
)

// retryLease is the wait after a lease that failed, for example because the database is being reopened.
const retryLease = time.Second

// DispatcherConfig says what a dispatcher runs. Only Engine and Mux have no default.
type DispatcherConfig struct {
	// Engine is where the jobs come from.
	Engine Engine
	// Mux has the handlers. Jobs of other types are left alone.
	Mux *Mux
	// Logger takes what an operator should know. Default: discard.
	Logger *slog.Logger
	// Concurrency is how many jobs of a queue run at once, by queue name.
	Concurrency map[string]int
	// Default is the same for a queue that is not named. Default 4.
	Default int
	// Total is how many jobs run at once altogether. Default 64.
	Total int
	// Drain is how long handlers may go on when Run's context ends. Default 3 s.
	Drain time.Duration
	// Grace is how long they may take to return once their context has ended then. Default 1 s.
	Grace time.Duration
	// Worker is the name the jobs show. Default "local".
	Worker string
	// Context adds to the context of a handler, for example what a logger looks for. Default: nothing.
	Context func(ctx context.Context, j Job) context.Context
}

func (c DispatcherConfig) withDefaults() DispatcherConfig {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Default = orDefault(c.Default, DefaultConcurrency)
	c.Total = orDefault(c.Total, DefaultTotal)
	c.Drain = orDefault(c.Drain, DefaultDrain)
	c.Grace = orDefault(c.Grace, DefaultGrace)
	if c.Worker == "" {
		c.Worker = "local"
	}
	if c.Context == nil {
		c.Context = func(ctx context.Context, _ Job) context.Context { return ctx }
	}
	return c
}

// Dispatcher runs the handlers of this process on the jobs of an engine.
type Dispatcher struct {
	cfg   DispatcherConfig
	freed chan struct{} // a handler returned; holds one

	mu        sync.Mutex // guards what follows
	runs      map[uint64]*run
	busy      map[string]int      // by queue
	early     map[uint64]struct{} // cancelled between lease and start
	interrupt context.CancelFunc  // of the waiting lease, which skips a queue that was full
}

// NewDispatcher returns a dispatcher that Run starts.
func NewDispatcher(cfg DispatcherConfig) *Dispatcher {
	return &Dispatcher{
		cfg: cfg.withDefaults(), freed: make(chan struct{}, 1),
		runs: map[uint64]*run{}, busy: map[string]int{}, early: map[uint64]struct{}{},
	}
}

// Run leases jobs and runs their handlers until ctx ends; then it leases no more, lets handlers finish for Drain,
// ends the contexts of the others with ErrShutdown, and gives back without an attempt what they leave. It returns nil
// unless the engine was closed under it.
func (d *Dispatcher) Run(ctx context.Context) error {
	base := context.WithoutCancel(ctx)
	giveUp := make(chan struct{})
	var failed error
	for ctx.Err() == nil {
		skip, ok := d.room()
		if !ok {
			d.wait(ctx, nil)
			continue
		}
		err := d.lease(ctx, base, skip, giveUp)
		if errors.Is(err, ErrClosed) {
			failed = err
			break
		}
		if err != nil && ctx.Err() == nil {
			d.cfg.Logger.WarnContext(ctx, "jobs could not be leased", "error", err)
			t := time.NewTimer(retryLease)
			d.wait(ctx, t.C)
			t.Stop()
		}
	}
	d.drain(base, giveUp)
	return failed
}

// wait returns when a handler has returned, or with ctx, or with c.
func (d *Dispatcher) wait(ctx context.Context, c <-chan time.Time) {
	select {
	case <-ctx.Done():
	case <-c:
	case <-d.freed:
	}
}

// room gives the queues that are full, and whether there is room for a job at all.
func (d *Dispatcher) room() (skip []string, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	total := 0
	for name, n := range d.busy {
		total += n
		if n >= d.limit(name) {
			skip = append(skip, name)
		}
	}
	return skip, total < d.cfg.Total
}

func (d *Dispatcher) limit(queue string) int {
	if n := d.cfg.Concurrency[queue]; n > 0 {
		return n
	}
	return d.cfg.Default
}

// lease takes one job and starts it. It comes back empty when a queue in skip has room again.
func (d *Dispatcher) lease(ctx, base context.Context, skip []string, giveUp <-chan struct{}) error {
	lctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d.mu.Lock()
	d.interrupt = cancel
	stale := d.roomIn(skip)
	d.mu.Unlock()
	if stale {
		return nil
	}
	leased, err := d.cfg.Engine.Lease(lctx, LeaseRequest{
		Skip: skip, Types: d.cfg.Mux.Types(), Max: 1, Worker: d.cfg.Worker, OnCancel: d.cancelled,
	})
	d.mu.Lock()
	d.interrupt = nil
	d.mu.Unlock()
	for _, l := range leased {
		d.start(base, l, giveUp)
	}
	d.mu.Lock()
	clear(d.early)
	d.mu.Unlock()
	if err != nil && lctx.Err() != nil {
		return nil // interrupted, by us or by ctx
	}
	return err //nolint:wrapcheck // only logged and compared by Run
}

// roomIn reports whether one of the queues is not full (any more). d.mu is held.
func (d *Dispatcher) roomIn(queues []string) bool {
	for _, name := range queues {
		if d.busy[name] < d.limit(name) {
			return true
		}
	}
	return false
}

// release makes room after a handler has returned.
func (d *Dispatcher) release(r *run) {
	d.mu.Lock()
	name := r.leased.Job.Queue
	full := d.busy[name] >= d.limit(name)
	if d.busy[name]--; d.busy[name] == 0 {
		delete(d.busy, name)
	}
	delete(d.runs, r.leased.Lease.Token)
	if full && d.interrupt != nil {
		d.interrupt()
	}
	d.mu.Unlock()
	select {
	case d.freed <- struct{}{}:
	default:
	}
}

// cancelled is the engine's word that a leased job is to be cancelled.
func (d *Dispatcher) cancelled(l Lease) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r := d.runs[l.Token]; r != nil {
		r.cancel(ErrCancelled)
		return
	}
	d.early[l.Token] = struct{}{}
}

// drain ends what runs.
func (d *Dispatcher) drain(base context.Context, giveUp chan<- struct{}) {
	d.mu.Lock()
	left := make([]*run, 0, len(d.runs))
	for _, r := range d.runs {
		left = append(left, r)
	}
	d.mu.Unlock()
	all := left
	left = settled(left, d.cfg.Drain)
	for _, r := range left {
		r.cancel(ErrShutdown)
	}
	left = settled(left, d.cfg.Grace)
	for _, r := range left {
		if r.settle() {
			r.given.Store(true)
			d.cfg.Logger.ErrorContext(base, "handler ignored the end of its context",
				"job", r.leased.Job.ID.String(), "type", r.leased.Job.Type)
			go func() { // joined by the wait for r.done below
				defer close(r.done)
				d.finish(base, r, Outcome{Release: true})
			}()
		}
	}
	// What the engine does not take now runs again after the next start.
	left = settled(left, d.cfg.Grace)
	close(giveUp)
	for _, r := range left {
		<-r.done
	}
	for _, r := range all {
		if !r.given.Load() {
			<-r.returned
		}
	}
}

// settled waits for runs to be finished, at most d, and gives those that are not.
func settled(runs []*run, d time.Duration) []*run {
	t := time.NewTimer(d)
	defer t.Stop()
	for i, r := range runs {
		select {
		case <-r.done:
		case <-t.C:
			var left []*run
			for _, r := range runs[i:] {
				select {
				case <-r.done:
				default:
					left = append(left, r)
				}
			}
			return left
		}
	}
	return nil
}
