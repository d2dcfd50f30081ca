package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"
)

// killPhase kills the appliance again and again at random moments under mixed load, and looks for everything it ever
// acknowledged.
func killPhase(ctx context.Context, p *run) error {
	// A job that runs at three ends of the process counts as their cause and is given up. Here the runner is the cause.
	p.env = []string{"WAYSIDE_QUEUE_CRASHES=100"}
	if err := p.warmUp(ctx); err != nil {
		return err
	}
	rnd := rand.New(rand.NewPCG(p.seed, 0x6b696c6c)) //nolint:gosec // not for secrets
	for cycle := 1; cycle <= p.cycles && !p.tally.hopeless(); cycle++ {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("cycle %d: %w", cycle, err)
		}
		if err := p.killCycle(ctx, cycle, rnd); err != nil {
			return fmt.Errorf("cycle %d: %w", cycle, err)
		}
		p.tally.add("kills", 1)
		if cycle%20 == 0 || cycle == p.cycles {
			p.progress("%d of %d kills, %d files owed, %d acknowledged in all", cycle, p.cycles, p.book.size(), p.tally.count("uploads acknowledged"))
		}
	}
	return p.finish(ctx)
}

// warmUp lives until the decoders are compiled. On a busy machine that takes longer than a life here, and without it
// nothing would ever be decoded.
func (p *run) warmUp(ctx context.Context) error {
	a, g, err := p.launch(ctx)
	if err != nil {
		return err
	}
	defer g.close()
	e, err := p.book.send(small, 5000)
	if err != nil {
		return err
	}
	limit, cancel := context.WithTimeout(ctx, decodeWait)
	defer cancel()
	c := crowd{target: g, seed: p.seed}.client(0)
	if err := c.schedule(ctx); err != nil {
		return fmt.Errorf("put schedule: %w", err)
	}
	if d := c.send(ctx, e, ""); d != nil {
		if _, err := c.final(limit, d.ID); err != nil {
			return fmt.Errorf("first decode: %w", err)
		}
	}
	return p.stop(ctx, a, g)
}

func (p *run) killCycle(ctx context.Context, cycle int, rnd *rand.Rand) error {
	a, g, err := p.launch(ctx)
	if err != nil {
		return err
	}
	defer g.close()
	g.provoked = workerKilled
	life, end := context.WithCancel(ctx)
	var wg sync.WaitGroup
	crowd := crowd{target: g, seed: p.seed + uint64(cycle)<<20, clients: p.clients, pace: newPace(p.rate)}
	if cycle%5 == 0 { // a longer decode, to be met in its middle
		crowd.heavy = []heavy{{middle, mib + rnd.Int64N(3*mib), time.Minute, ""}}
	}
	wg.Go(func() { crowd.run(life) })
	if cycle > 1 {
		// What was acknowledged before has to be there while new work comes in.
		newVerifier(g, p.seed+uint64(cycle)).sample(ctx, 6, 3)
	}
	// The moment of the kill is what is tested: from before the first upload has ended to well into the decodes.
	pause(ctx, time.Duration(rnd.Int64N(int64(p.life))))
	if cycle%3 == 0 {
		p.killWorker(a, rnd)
		pause(ctx, time.Duration(rnd.Int64N(int64(p.life)/2)))
	}
	err = p.kill(ctx, a, g)
	end()
	wg.Wait()
	return err
}

// workerKilled says which refusals are explained by a worker process that the runner has killed: those of decodes that
// nobody repeats.
func workerKilled(kind string, _ int, code string) bool {
	return kind == "direct decode" && code == "decode_failed"
}

// killWorker kills one worker process alone.
func (p *run) killWorker(a *appliance, rnd *rand.Rand) {
	list := children(a.pid)
	if len(list) == 0 {
		return
	}
	if pr, err := os.FindProcess(list[rnd.IntN(len(list))].pid); err == nil && pr.Kill() == nil {
		p.tally.add("worker processes killed", 1)
	}
}

// restartPhase stops and starts the appliance in the orderly way, again and again under mixed load.
func restartPhase(ctx context.Context, p *run) error {
	rnd := rand.New(rand.NewPCG(p.seed, 0x72657374)) //nolint:gosec // not for secrets
	for n := 1; n <= p.restarts && !p.tally.hopeless(); n++ {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("restart %d: %w", n, err)
		}
		a, g, err := p.launch(ctx)
		if err != nil {
			return fmt.Errorf("restart %d: %w", n, err)
		}
		life, end := context.WithCancel(ctx)
		crowd := crowd{
			target: g, seed: p.seed + uint64(n)<<20, clients: p.clients, pace: newPace(p.rate),
			heavy: []heavy{{middle, 2*mib + rnd.Int64N(8*mib), 2 * time.Second, ""}},
		}
		var wg sync.WaitGroup
		wg.Go(func() { crowd.run(life) })
		if n > 1 {
			newVerifier(g, p.seed+uint64(n)).sample(ctx, 6, 3)
		}
		pause(ctx, time.Duration(rnd.Int64N(int64(2*p.life))))
		err = p.stop(ctx, a, g)
		end()
		wg.Wait()
		g.close()
		if err != nil {
			return fmt.Errorf("restart %d: %w", n, err)
		}
		p.tally.add("restarts", 1)
		if n%10 == 0 || n == p.restarts {
			p.progress("%d of %d restarts, %d files owed", n, p.restarts, p.book.size())
		}
	}
	return p.finish(ctx)
}
