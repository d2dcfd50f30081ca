package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
)

const (
	readyWait   = 30 * time.Second // for a worker to load its module
	passedLimit = 16               // times that a waiter lets others of the free worker's plugin go first
)

// Pool owns the decode workers. At most Config.Workers live at a time; each holds one plugin. A decode takes an idle
// worker of its plugin, else starts one, else takes the place of the worker that was idle longest, else waits.
type Pool struct {
	cfg      Config
	reg      *Registry
	launcher *launcher

	mu      sync.Mutex // guards what follows; nothing blocks under it
	idle    []*proc    // the longest idle first
	procs   map[*proc]struct{}
	live    int // places taken: workers that live or are being started
	waiters []*waiter
	closed  bool
	conf    wire.Confinement // of the last worker that got ready
	ready   bool             // conf is set
	warned  bool
	usage   map[string]Usage // by plugin id
	crashes []time.Time      // the last CrashesKept

	active sync.WaitGroup // decodes in progress
	stop   chan struct{}  // closed by Close
	done   chan struct{}  // closed when Run has ended
	once   sync.Once
	ran    bool

	unpackers unpackers
}

// waiter waits for a worker or a place for one.
type waiter struct {
	sha    string
	passed int
	grant  chan *proc // capacity 1; nil = a place to start one
}

// NewPool returns a pool over the plugins of reg. Decodes wait until Run runs.
func NewPool(reg *Registry, cfg Config) *Pool {
	p := &Pool{
		cfg: withDefaults(cfg), reg: reg, launcher: newLauncher(), procs: map[*proc]struct{}{},
		usage: map[string]Usage{},
		stop:  make(chan struct{}), done: make(chan struct{}),
	}
	p.unpackers.slots = make(chan struct{}, p.cfg.Workers)
	reg.setSniffer(p)
	return p
}

// Run starts workers for decodes and ends idle ones until ctx ends or Close is called; then it ends all workers and
// returns when they are gone. Decodes that run then fail with ShuttingDown.
func (p *Pool) Run(ctx context.Context) error {
	p.mu.Lock()
	p.ran = true
	p.mu.Unlock()
	defer close(p.done)
	launching, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { p.launcher.run(launching) })
	tick := time.NewTicker(max(p.cfg.Idle/8, 5*time.Millisecond))
	defer tick.Stop()
	for running := true; running; {
		select {
		case <-tick.C:
			for _, w := range p.expired(time.Now()) {
				p.end(w, "idle")
			}
			for _, w := range p.outdated() {
				p.end(w, "outdated")
			}
			p.endUnpackers(time.Now().Add(-p.cfg.Idle), "idle")
		case <-ctx.Done():
			running = false
		case <-p.stop:
			running = false
		}
	}
	p.shutdown()
	cancel()
	wg.Wait()
	return nil
}

// Close ends all workers and returns when they are gone.
func (p *Pool) Close() error {
	p.once.Do(func() { close(p.stop) })
	p.mu.Lock()
	ran := p.ran
	p.closed = true
	p.mu.Unlock()
	p.launcher.refuse()
	if ran {
		<-p.done
	}
	return nil
}

func (p *Pool) shutdown() {
	p.mu.Lock()
	p.closed = true
	idle := p.idle
	p.idle = nil
	for _, w := range p.waiters {
		close(w.grant)
	}
	p.waiters = nil
	p.launcher.refuse()
	for w := range p.procs {
		w.kill()
	}
	p.mu.Unlock()
	for _, w := range idle {
		p.end(w, "shutdown")
	}
	p.active.Wait()
	p.endUnpackers(time.Now(), "shutdown")
}

// expired takes the workers that were idle for too long out of the pool, but never the one used last.
func (p *Pool) expired(now time.Time) []*proc {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for n < len(p.idle)-1 && now.Sub(p.idle[n].since) >= p.cfg.Idle {
		n++
	}
	out := slices.Clone(p.idle[:n])
	p.idle = slices.Delete(p.idle, 0, n)
	return out
}

// outdated takes the idle workers out of the pool whose module does not serve any more: it was replaced, removed or
// disabled.
func (p *Pool) outdated() []*proc {
	v := p.reg.now.Load()
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []*proc
	p.idle = slices.DeleteFunc(p.idle, func(w *proc) bool {
		i, serves := v.bySHA[w.sha]
		if serves && v.plugins[i].Limits.MemoryMiB == w.memory {
			return false
		}
		out = append(out, w)
		return true
	})
	return out
}

// enter notes that a decode begins.
func (p *Pool) enter() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errShutdown()
	}
	p.active.Add(1)
	return nil
}

func errShutdown() error {
	return errcode.New(errcode.ShuttingDown, "the appliance is shutting down")
}

// acquire gives a worker for the plugin. fresh asks for one that has not been used.
func (p *Pool) acquire(ctx context.Context, e *entry, fresh bool) (*proc, error) {
	memory := p.reg.limitsOf(e).MemoryMiB
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, errShutdown()
	}
	if !fresh {
		for i, v := range slices.Backward(p.idle) {
			if w := v; w.sha == e.sha && w.memory == memory {
				p.idle = slices.Delete(p.idle, i, i+1)
				p.mu.Unlock()
				return w, nil
			}
		}
	}
	switch {
	case p.live < p.cfg.Workers:
		p.live++
		p.mu.Unlock()
	case len(p.idle) > 0:
		victim := p.idle[0]
		p.idle = slices.Delete(p.idle, 0, 1)
		p.mu.Unlock()
		p.forget(victim, "replaced")
	default:
		w := &waiter{sha: e.sha, grant: make(chan *proc, 1)}
		p.waiters = append(p.waiters, w)
		p.mu.Unlock()
		got, err := p.await(ctx, w)
		if err != nil {
			return nil, err
		}
		if got != nil && got.sha == e.sha && got.memory == memory && !fresh {
			return got, nil
		}
		if got != nil { // of its place, not of itself
			p.forget(got, "replaced")
		}
	}
	return p.start(ctx, e)
}

// await waits for a grant. A grant that comes together with the end of ctx is passed on.
func (p *Pool) await(ctx context.Context, w *waiter) (*proc, error) {
	select {
	case got, ok := <-w.grant:
		if !ok {
			return nil, errShutdown()
		}
		return got, nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	i := slices.Index(p.waiters, w)
	if i >= 0 {
		p.waiters = slices.Delete(p.waiters, i, i+1)
	}
	p.mu.Unlock()
	if i < 0 {
		if got, ok := <-w.grant; ok {
			p.release(got, "")
		}
	}
	return nil, context.Cause(ctx)
}

// start starts a worker in a place that is already counted.
func (p *Pool) start(ctx context.Context, e *entry) (*proc, error) {
	w, err := p.launch(ctx, e)
	if err != nil {
		p.release(nil, "")
		return nil, err
	}
	return w, nil
}

func (p *Pool) launch(ctx context.Context, e *entry) (*proc, error) {
	setup, module, err := p.reg.decodeSetup(e)
	if err != nil {
		return nil, err
	}
	defer module.Close()
	w, err := startProc(ctx, &p.cfg, p.launcher, setup, e.id(), module, p.died)
	if err != nil {
		return nil, err
	}
	return p.started(w)
}

// started waits until a new worker is ready.
func (p *Pool) started(w *proc) (*proc, error) {
	p.mu.Lock()
	p.procs[w] = struct{}{}
	if p.closed {
		w.kill()
	}
	p.mu.Unlock()
	ready, err := w.awaitReady()
	if err == nil && ready.Error != "" {
		err = fmt.Errorf("%w: %s", errUnusable, ready.Error)
	}
	if err != nil {
		p.forget(w, "failed to start")
		return nil, p.startError(err)
	}
	p.confined(ready.Confinement)
	w.conf = ready.Confinement
	return w, nil
}

// errUnusable reports that what was compiled cannot be loaded: it is to be compiled again.
var errUnusable = errors.New("compiled plugin cannot be loaded")

func (p *Pool) startError(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errShutdown()
	}
	return err
}

func (w *proc) awaitReady() (wire.Ready, error) {
	var ready wire.Ready
	if err := w.sock.SetDeadline(time.Now().Add(readyWait)); err != nil {
		return ready, fmt.Errorf("load plugin: %w", err)
	}
	m, err := w.sock.Recv()
	if err != nil {
		return ready, errcode.Wrap(errcode.WorkerCrashed, w.death(err), "the decoder's worker ended before it was ready")
	}
	defer m.Close()
	if m.Kind != wire.KindReady {
		return ready, fmt.Errorf("load plugin: %w", wire.ErrProtocol)
	}
	return ready, m.Decode(&ready)
}

// confined keeps the confinement for health and warns once where a part is missing.
func (p *Pool) confined(c wire.Confinement) {
	p.mu.Lock()
	first := !p.warned && len(c.Missing) > 0
	p.conf, p.ready, p.warned = c, true, p.warned || first
	p.mu.Unlock()
	if first {
		p.cfg.Logger.Warn("workers are not fully confined", "missing", c.Missing)
	}
}

// release gives back a worker that can be used again, or with w = nil a place. A reason other than "" ends the
// worker instead.
func (p *Pool) release(w *proc, reason string) {
	if w != nil && reason == "" {
		reason = p.worn(w)
	}
	if w != nil && reason != "" {
		p.end(w, reason)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch next := p.nextWaiter(w); {
	case next != nil:
		next.grant <- w
	case w == nil:
		p.live--
	default:
		w.since = time.Now()
		p.idle = append(p.idle, w)
	}
}

// worn says why a worker is not to be used again, "" if it is.
func (p *Pool) worn(w *proc) string {
	p.mu.Lock()
	closed := p.closed
	p.mu.Unlock()
	switch {
	case closed:
		return "shutdown"
	case !w.alive():
		return "crashed"
	case w.files >= p.cfg.Recycle:
		return "recycled"
	case w.rss() > p.cfg.MaxRSS:
		return "memory"
	}
	return ""
}

// nextWaiter takes the waiter that a free worker or place goes to: the first, unless another wants the worker's own
// plugin, which saves a start.
func (p *Pool) nextWaiter(w *proc) *waiter {
	if len(p.waiters) == 0 {
		return nil
	}
	i := 0
	if w != nil && p.waiters[0].passed < passedLimit {
		if j := slices.IndexFunc(p.waiters, func(x *waiter) bool { return x.sha == w.sha }); j > 0 {
			for _, x := range p.waiters[:j] {
				x.passed++
			}
			i = j
		}
	}
	next := p.waiters[i]
	p.waiters = slices.Delete(p.waiters, i, i+1)
	return next
}

// end ends a worker that its caller owns and gives its place back.
func (p *Pool) end(w *proc, reason string) {
	p.forget(w, reason)
	p.release(nil, "")
}

// forget ends a worker that its caller owns; its place stays taken.
func (p *Pool) forget(w *proc, reason string) {
	w.dispose()
	p.mu.Lock()
	delete(p.procs, w)
	if reason == "crashed" || reason == "failed to start" {
		p.crashes = append(p.crashes, time.Now())
		p.crashes = p.crashes[max(0, len(p.crashes)-CrashesKept):]
	}
	p.mu.Unlock()
	p.cfg.Recorder.WorkerEnded(w.plugin, reason)
}

// died is called when a process has ended. One that was idle is taken out of the pool; any other has an owner who
// will notice.
func (p *Pool) died(w *proc) {
	p.mu.Lock()
	i := slices.Index(p.idle, w)
	if i >= 0 {
		p.idle = slices.Delete(p.idle, i, i+1)
	}
	p.mu.Unlock()
	if i >= 0 {
		p.cfg.Logger.Warn("idle worker ended", "plugin", w.plugin, "state", w.cmd.ProcessState.String())
		p.end(w, "crashed")
	}
}
