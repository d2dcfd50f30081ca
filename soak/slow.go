package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// slowPhase runs mixed load on a disk that is slow in everything, and kills the appliance in the middle of its waits:
// the moments between a write, its flush and its name, which a fast disk passes in no time, are long there.
func slowPhase(ctx context.Context, p *run) error {
	if p.soakBin == "" {
		return fmt.Errorf("%w: it takes a binary built with -tags soak (-soakbin)", errNotRun)
	}
	p.bin = p.soakBin
	p.env = []string{"WAYSIDE_QUEUE_CRASHES=100", "SOAK_DELAY=5ms-200ms"}
	rnd := rand.New(rand.NewPCG(p.seed, 0x736c6f77)) //nolint:gosec // not for secrets
	until := time.Now().Add(p.slow)
	for n := 1; (time.Now().Before(until) || n <= 3) && !p.tally.hopeless(); n++ {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("life %d: %w", n, err)
		}
		if err := p.slowLife(ctx, n, rnd); err != nil {
			return fmt.Errorf("life %d: %w", n, err)
		}
		p.progress("%d lives on a slow disk, %d files owed", n, p.book.size())
	}
	p.env = p.env[:1] // looking for everything may be quick
	return p.finish(ctx)
}

// slowLife lets one appliance live for some seconds; the even ones are killed, the others stopped.
func (p *run) slowLife(ctx context.Context, n int, rnd *rand.Rand) error {
	a, g, err := p.launch(ctx)
	if err != nil {
		return err
	}
	defer g.close()
	life, end := context.WithCancel(ctx)
	defer end()
	crowd := crowd{
		target: g, seed: p.seed + uint64(n)<<20, clients: 2 * p.clients, pace: newPace(p.rate),
		heavy: []heavy{{middle, mib + rnd.Int64N(3*mib), 5 * time.Second, ""}},
	}
	var wg sync.WaitGroup
	wg.Go(func() { crowd.run(life) })
	if n > 1 {
		newVerifier(g, p.seed+uint64(n)).sample(ctx, 6, 3)
	}
	pause(ctx, 2*time.Second+time.Duration(rnd.Int64N(int64(6*time.Second))))
	if n%2 == 0 {
		err = p.kill(ctx, a, g)
		p.tally.add("kills", 1)
	} else {
		err = p.stop(ctx, a, g)
		p.tally.add("restarts", 1)
	}
	end()
	wg.Wait()
	return err
}
