package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// pace lets through so many actions a second, of all clients together.
type pace struct {
	interval time.Duration // 0 = no limit

	mu   sync.Mutex // guards next
	next time.Time
}

func newPace(perSecond float64) *pace {
	p := &pace{}
	if perSecond > 0 {
		p.interval = time.Duration(float64(time.Second) / perSecond)
	}
	return p
}

// wait returns when the next action may begin, false when ctx has ended.
func (p *pace) wait(ctx context.Context) bool {
	if p.interval == 0 {
		return ctx.Err() == nil
	}
	p.mu.Lock()
	now := time.Now()
	// What was missed while the appliance was slow is not made up for: that would be a burst.
	at := p.next
	if at.Before(now) {
		at = now
	}
	p.next = at.Add(p.interval)
	p.mu.Unlock()
	return pause(ctx, at.Sub(now))
}

// action is something that clients do, and how often beside the others.
type action struct {
	weight int
	run    func(ctx context.Context, c *client)
}

// mix is everything that clients do under mixed load.
func mix() []action {
	smallSize := func(c *client) int64 { return 4000 + c.rnd.Int64N(16_000) }
	return []action{
		{240, func(ctx context.Context, c *client) { c.upload(ctx, small, smallSize(c), "") }},
		{80, func(ctx context.Context, c *client) { c.upload(ctx, small, smallSize(c), "&wait=30") }},
		{40, func(ctx context.Context, c *client) { c.upload(ctx, faults, smallSize(c), "") }},
		{40, func(ctx context.Context, c *client) { c.upload(ctx, cut, smallSize(c), "") }},
		{20, func(ctx context.Context, c *client) { c.upload(ctx, unknown, c.rnd.Int64N(60_000), "") }},
		{10, func(ctx context.Context, c *client) { c.upload(ctx, misled, 1000+c.rnd.Int64N(20_000), "") }},
		{20, func(ctx context.Context, c *client) { c.again(ctx) }},
		{20, func(ctx context.Context, c *client) { c.copy(ctx) }},
		{15, func(ctx context.Context, c *client) { c.redecode(ctx, false) }},
		{15, func(ctx context.Context, c *client) { c.redecode(ctx, true) }},
		{60, func(ctx context.Context, c *client) { c.follow(ctx) }},
		{80, func(ctx context.Context, c *client) { c.rows(ctx) }},
		{60, func(ctx context.Context, c *client) { c.parquet(ctx) }},
		{30, func(ctx context.Context, c *client) { c.export(ctx) }},
		{40, func(ctx context.Context, c *client) { c.direct(ctx) }},
		{60, func(ctx context.Context, c *client) { c.content(ctx) }},
		{40, func(ctx context.Context, c *client) { c.watch(ctx) }},
		{6, func(ctx context.Context, c *client) { c.list(ctx) }},
		{10, func(ctx context.Context, c *client) { c.listDecodes(ctx) }},
		{120, func(ctx context.Context, c *client) { c.enqueue(ctx) }},
		{15, func(ctx context.Context, c *client) { c.chain(ctx) }},
		{120, func(ctx context.Context, c *client) { c.work(ctx) }},
		{30, func(ctx context.Context, c *client) { c.remove(ctx, func(*entry) bool { return true }) }},
	}
}

// choose gives a random action in proportion to the weights.
func choose(rnd *rand.Rand, actions []action) action {
	sum := 0
	for _, a := range actions {
		sum += a.weight
	}
	at := rnd.IntN(sum)
	for _, a := range actions {
		if at -= a.weight; at < 0 {
			return a
		}
	}
	return actions[0]
}

// heavy says how often a larger recording is uploaded beside the rest, and how large.
type heavy struct {
	kind  kind
	size  int64
	every time.Duration // 0 = never
	query string
}

// crowd are the clients of one life of an appliance.
type crowd struct {
	target  *target
	seed    uint64
	clients int
	pace    *pace
	full    int
	heavy   []heavy
}

// run lets the clients work until ctx ends, and joins them.
func (w crowd) run(ctx context.Context) {
	var wg sync.WaitGroup
	actions := mix()
	for i := range w.clients {
		c := w.client(uint64(i))
		wg.Go(func() {
			for w.pace.wait(ctx) {
				choose(c.rnd, actions).run(ctx, c)
				c.tally.add("actions", 1)
				if c.failing() {
					return
				}
			}
		})
	}
	for i, h := range w.heavy {
		c := w.client(uint64(1000 + i))
		wg.Go(func() { c.haul(ctx, h) })
	}
	wg.Wait()
}

func (w crowd) client(n uint64) *client {
	return &client{target: w.target, rnd: rand.New(rand.NewPCG(w.seed, n)), full: w.full} //nolint:gosec // not for secrets
}

// haul uploads a large recording now and then. It keeps the two newest of its own.
func (c *client) haul(ctx context.Context, h heavy) {
	var mine []*entry
	for h.every > 0 && ctx.Err() == nil && !c.failing() {
		e, err := c.book.send(h.kind, h.size)
		if err != nil {
			c.tally.broke("runner", "%v", err)
			return
		}
		if c.send(ctx, e, h.query) != nil {
			mine = append(mine, e)
		}
		if len(mine) > 2 && c.full > 0 {
			oldest := mine[0]
			mine = mine[1:]
			c.remove(ctx, func(e *entry) bool { return e == oldest })
		}
		if !pause(ctx, h.every) {
			return
		}
	}
}

// failing reports that so much is broken, or the process so dead, that more requests say nothing new.
func (c *client) failing() bool { return c.tally.hopeless() || c.dying.Load() }
