package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// steps are by how much the clock is ahead, one after the other: to and fro by hours, a day, months and decades, as a
// box without a clock of its own sees them.
func clockSteps() []time.Duration {
	const day = 24 * time.Hour
	return []time.Duration{
		0, time.Hour, -time.Hour, day, 0, 90 * day, -90 * day, 45 * time.Minute, 20 * 365 * day, 0, -20 * 365 * day, 2 * time.Second, 0,
	}
}

// setting is a clock that is set while an appliance lives by it.
type setting struct {
	path  string
	ahead time.Duration
}

func (s *setting) set(d time.Duration) error {
	next := s.path + ".next"
	//nolint:forbidigo // nothing that has to survive a power cut
	if err := errors.Join(os.WriteFile(next, []byte(d.String()), 0o600), os.Rename(next, s.path)); err != nil {
		return fmt.Errorf("set clock: %w", err)
	}
	s.ahead = d
	return nil
}

// clockPhase sets the clock while the appliance works and between its lives. What waits has to come all the same, in
// its time, once; ids go on ascending; the times of records are those of the clock.
func clockPhase(ctx context.Context, p *run) error {
	if p.soakBin == "" {
		return fmt.Errorf("%w: it takes a binary built with -tags soak (-soakbin)", errNotRun)
	}
	p.bin = p.soakBin
	clock := &setting{path: filepath.Join(p.work, "clock")}
	p.env = []string{"WAYSIDE_QUEUE_CRASHES=100", "SOAK_CLOCK=" + clock.path}
	rnd := rand.New(rand.NewPCG(p.seed, 0x636c6f636b)) //nolint:gosec // not for secrets
	watch := &idWatch{}
	for n, ahead := range clockSteps() {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("step %d: %w", n, err)
		}
		if err := clock.set(ahead); err != nil {
			return err
		}
		live := p.clockLife
		if n%3 == 2 {
			live = p.compileLife
		}
		if err := live(ctx, n, clock, watch, rnd); err != nil {
			return fmt.Errorf("step %d: %w", n, err)
		}
		p.tally.add("steps between lives", 1)
		p.progress("clock %v ahead: %d steps, %d files owed", ahead, n+1, p.book.size())
	}
	return p.finish(ctx)
}

// idWatch remembers the newest id over all lives.
type idWatch struct{ last string }

// compileLife is a short life that is killed while its decodes wait for their decoder to be compiled: how long they
// still wait must not follow from what the clock says at the next start.
func (p *run) compileLife(ctx context.Context, n int, _ *setting, _ *idWatch, rnd *rand.Rand) error {
	if err := os.RemoveAll(filepath.Join(p.data, "compiled")); err != nil {
		return fmt.Errorf("forget compiled decoders: %w", err)
	}
	a, g, err := p.launch(ctx)
	if err != nil {
		return err
	}
	defer g.close()
	life, end := context.WithCancel(ctx)
	defer end()
	crowd := crowd{target: g, seed: p.seed + uint64(n)<<20, clients: p.clients, pace: newPace(p.rate)}
	var wg sync.WaitGroup
	wg.Go(func() { crowd.run(life) })
	pause(ctx, 100*time.Millisecond+time.Duration(rnd.Int64N(int64(200*time.Millisecond))))
	err = p.kill(ctx, a, g)
	p.tally.add("kills while compiling", 1)
	end()
	wg.Wait()
	return err
}

// clockLife lives with the clock as it is set, and sets it to and fro under load while decodes wait for their next
// attempt.
func (p *run) clockLife(ctx context.Context, n int, clock *setting, watch *idWatch, rnd *rand.Rand) error {
	a, g, err := p.launch(ctx)
	if err != nil {
		return err
	}
	defer g.close()
	g.provoked = workerKilled
	life, end := context.WithCancel(ctx)
	defer end()
	crowd := crowd{target: g, seed: p.seed + uint64(n)<<20, clients: p.clients, pace: newPace(max(p.rate, 30))}
	c := crowd.client(99)
	p.timed(ctx, c, clock, watch)
	var wg sync.WaitGroup
	wg.Go(func() { crowd.run(life) })
	base := clock.ahead
	for range 4 {
		pause(ctx, time.Duration(rnd.Int64N(int64(p.life))))
		p.killWorker(a, rnd) // a decode that waits for its next attempt
		if err := clock.set(base + time.Duration(rnd.Int64N(int64(48*time.Hour))) - 24*time.Hour); err != nil {
			return err
		}
		p.tally.add("steps while running", 1)
	}
	if err := clock.set(base); err != nil {
		return err
	}
	p.timed(ctx, c, clock, watch)
	err = p.stop(ctx, a, g)
	end()
	wg.Wait()
	return err
}

// timed stores a recording, waits for its decode and compares times and ids with the clock and with what came before.
func (p *run) timed(ctx context.Context, c *client, clock *setting, watch *idWatch) {
	e, err := p.book.send(small, 6000)
	if err != nil {
		p.tally.broke("runner", "%v", err)
		return
	}
	began := time.Now()
	d := c.send(ctx, e, "")
	if d == nil {
		return
	}
	limit, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	got, err := c.final(limit, d.ID)
	if errors.Is(err, errStuck) {
		p.tally.broke("stuck", "%v, the clock is %v ahead", err, clock.ahead)
		return
	}
	if c.judge(ctx, "wait for decode", err) || err != nil {
		return
	}
	c.checkDecode(e, got)
	id := p.book.view(e).file
	if id <= watch.last {
		p.tally.broke("order", "file %s came after %s, the clock is %v ahead", id, watch.last, clock.ahead)
	}
	watch.last = id
	from, to := began.Add(clock.ahead-time.Second), time.Now().Add(clock.ahead+time.Second)
	for what, at := range map[string]*time.Time{"created": got.CreatedAt, "started": got.StartedAt, "finished": got.FinishedAt} {
		if at == nil || at.Before(from) || at.After(to) {
			p.tally.broke("time", "decode %s: %s at %v, the clock went from %v to %v", got.ID, what, at, from.UTC(), to.UTC())
		}
	}
	if got.Duration == nil || *got.Duration < 0 || *got.Duration > to.Sub(from).Seconds() {
		p.tally.broke("time", "decode %s: a duration of %v", got.ID, got.Duration)
	}
	p.tally.add("times compared", 1)
}
