package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// phase is one way to wear the appliance out.
type phase struct {
	name string
	run  func(ctx context.Context, p *run) error
}

// phases lists them in the order they run in.
func phases() []phase {
	return []phase{
		{"kill", killPhase},
		{"restart", restartPhase},
		{"full", fullPhase},
		{"slow", slowPhase},
		{"clock", clockPhase},
		{"kv", kvPhase},
		{"load", loadPhase},
	}
}

// errNotRun is why a phase was not run at all: this machine does not permit it.
var errNotRun = errors.New("not run")

// run is a phase that runs.
type run struct {
	options
	name   string
	work   string // folder of the phase, kept if a promise is broken
	data   string // data folder, in it
	tally  *tally
	book   *ledger
	jobs   *jobBook
	out    io.Writer
	began  time.Time
	result *result
	env    []string // of the appliance
	kv     string   // address of its Redis-protocol server; "" = none
}

// perform runs one phase and judges it.
func perform(ctx context.Context, o options, ph phase, out io.Writer) result {
	r := result{Phase: ph.name, Began: time.Now().UTC()}
	work := filepath.Join(o.dir, ph.name)
	p := &run{
		options: o, name: ph.name, work: work, data: filepath.Join(work, "data"), tally: newTally(), book: newLedger(o.seed), jobs: newJobBook(), out: out, began: time.Now(), result: &r,
	}
	err := os.MkdirAll(work, 0o700)
	if err == nil {
		err = ph.run(ctx, p)
	}
	p.tally.into(&r)
	r.Seconds = time.Since(p.began).Seconds()
	switch {
	case errors.Is(err, errNotRun):
		r.Verdict = notRun
	case r.Breaks == 0 && ctx.Err() != nil:
		r.Verdict = stopped
	case r.Breaks > 0 || err != nil:
		r.Verdict = broken
	default:
		r.Verdict = kept
	}
	if err != nil {
		r.Why = err.Error()
	}
	if r.Verdict == broken {
		r.Kept = work
		fmt.Fprintf(out, "%s: a promise is broken; data folder and log are kept in %s\n", ph.name, work)
	} else if err := os.RemoveAll(work); err != nil {
		fmt.Fprintf(out, "%s: %v\n", ph.name, err)
	}
	return r
}

// slowStart is what a start takes on no machine that has only this to do: the promise is a second.
const slowStart = 5 * time.Second

// binary gives the appliance of this phase.
func (p *run) binary() binary {
	return binary{path: p.bin, dir: p.data, log: filepath.Join(p.work, "wayside.log"), env: p.env, kv: p.kv}
}

// launch starts the appliance and gives it as the clients see it.
func (p *run) launch(ctx context.Context) (*appliance, *target, error) {
	a, err := p.binary().launch(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("%w\n%s", err, logTail(p.binary().log, 20))
	}
	p.tally.took("start", a.start)
	if a.start > slowStart {
		p.tally.add("slow starts", 1)
		p.progress("a start took %v; the log so far:\n%s", a.start.Round(time.Millisecond), logTail(p.binary().log, 15))
	}
	return a, newTarget(a.url, p.tally, p.book, p.jobs), nil
}

// finish verifies everything, stops the appliance, and looks at what it leaves. It starts one more life for that, so
// that what a start has to put in order is in order.
func (p *run) finish(ctx context.Context) error {
	a, g, err := p.launch(ctx)
	if err != nil {
		return err
	}
	p.progress("verifying %d files", p.book.size())
	v := newVerifier(g, p.seed)
	complete := v.everything(ctx)
	complete = v.allJobs(ctx, p.name != "load") && complete
	g.close()
	if err := p.stop(ctx, a, g); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("verify: %w", ctx.Err())
	}
	if complete {
		newVerifier(g, p.seed).leftovers(p.binary().dir)
	}
	return nil
}

// stop ends an appliance in the orderly way, and judges how.
func (p *run) stop(ctx context.Context, a *appliance, g *target) error {
	if a.gone() {
		p.tally.broke("died", "the appliance ended by itself: %v\n%s", a.err, logTail(p.binary().log, 20))
		return nil
	}
	workers := children(a.pid)
	g.dying.Store(true)
	took, err := a.stop()
	p.tally.took("stop", took)
	if err != nil {
		p.tally.broke("stop", "%v", err)
	}
	if took > stopLimit {
		p.tally.broke("stop", "took %v of %v", took.Round(time.Millisecond), stopLimit)
	}
	p.checkOrphans(ctx, workers)
	return nil
}

// kill ends an appliance as a power cut would, and sees that its workers end too.
func (p *run) kill(ctx context.Context, a *appliance, g *target) error {
	if a.gone() {
		p.tally.broke("died", "the appliance ended by itself: %v\n%s", a.err, logTail(p.binary().log, 20))
		return nil
	}
	workers := children(a.pid)
	g.dying.Store(true)
	a.kill()
	p.checkOrphans(ctx, workers)
	return nil
}

func (p *run) checkOrphans(ctx context.Context, workers []process) {
	if left := outlived(context.WithoutCancel(ctx), workers); len(left) > 0 {
		p.tally.broke("orphans", "%d worker processes outlived their appliance by %v: %v", len(left), orphanWait, left)
		for _, w := range left {
			if pr, err := os.FindProcess(w.pid); err == nil && w.alive() {
				_ = pr.Kill() // it is gone otherwise
			}
		}
	}
}

// progress says what is going on.
func (p *run) progress(format string, args ...any) {
	fmt.Fprintf(p.out, "%s %-8s %s\n", time.Now().Format("15:04:05"), p.name, fmt.Sprintf(format, args...))
}
