package local

import (
	"container/heap"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/wayside-edge/wayside/internal/queue"
)

// bucket is a token bucket on the monotonic clock. The zero bucket is full.
type bucket struct {
	tokens float64
	at     time.Duration
	used   bool
}

// fill brings the bucket up to now. Rates are checked: Jobs and Per are positive, or the rate is none at all.
func (b *bucket) fill(r queue.Rate, now time.Duration) {
	burst := float64(burstOf(r))
	if !b.used {
		b.tokens, b.at, b.used = burst, now, true
		return
	}
	b.tokens = min(burst, b.tokens+float64(now-b.at)*float64(r.Jobs)/float64(r.Per))
	b.at = now
}

func burstOf(r queue.Rate) int {
	if r.Burst > 0 {
		return r.Burst
	}
	return r.Jobs
}

// wait gives how long it is until there is a token, 0 = there is one.
func (b *bucket) wait(r queue.Rate, now time.Duration) time.Duration {
	if r.Jobs <= 0 {
		return 0
	}
	if b.fill(r, now); b.tokens >= 1 {
		return 0
	}
	return max(1, time.Duration(math.Ceil((1-b.tokens)*float64(r.Per)/float64(r.Jobs))))
}

func (b *bucket) take(r queue.Rate, now time.Duration) {
	if r.Jobs > 0 {
		b.fill(r, now)
		b.tokens--
	}
}

// give takes back what take did, for a job that was not started after all.
func (b *bucket) give(r queue.Rate) {
	if r.Jobs > 0 && b.used {
		b.tokens = min(float64(burstOf(r)), b.tokens+1)
	}
}

// full reports whether the bucket may be forgotten.
func (b *bucket) full(r queue.Rate, now time.Duration) bool {
	if r.Jobs <= 0 || !b.used {
		return true
	}
	b.fill(r, now)
	return b.tokens >= float64(burstOf(r))
}

// limitKey is what the jobs of a queue have in common that share a limit key.
type limitKey struct {
	active int // at work
	bucket bucket
	aside  aside         // ready jobs that came to the front of their lanes while there was no room for them
	timer  time.Duration // of its first entry in table.refills, 0 = it has none
	name   uniqueHash
}

// asideJob is a ready job that is not in its lane for the time being.
type asideJob struct {
	n     uint64
	lane  *lane
	since tick
}

// aside is a heap, the job that is to run first in front.
type aside []asideJob

// Len is part of heap.Interface.
func (a *aside) Len() int { return len(*a) }

// Less is part of heap.Interface.
func (a *aside) Less(i, j int) bool {
	x, y := (*a)[i], (*a)[j]
	if x.lane.priority != y.lane.priority {
		return x.lane.priority > y.lane.priority
	}
	return x.n < y.n
}

// Swap is part of heap.Interface.
func (a *aside) Swap(i, j int) { (*a)[i], (*a)[j] = (*a)[j], (*a)[i] }

// Push is part of heap.Interface.
func (a *aside) Push(x any) { *a = append(*a, x.(asideJob)) }

// Pop is part of heap.Interface.
func (a *aside) Pop() any {
	old := *a
	last := len(old) - 1
	j := old[last]
	old[last] = asideJob{}
	*a = old[:last]
	return j
}

// refill is when a queue, or a limit key of it, has its next token.
type refill struct {
	due  time.Duration
	line *line
	key  *limitKey // nil = the queue's own
}

type refills []refill

// Len is part of heap.Interface.
func (r *refills) Len() int { return len(*r) }

// Less is part of heap.Interface.
func (r *refills) Less(i, j int) bool { return (*r)[i].due < (*r)[j].due }

// Swap is part of heap.Interface.
func (r *refills) Swap(i, j int) { (*r)[i], (*r)[j] = (*r)[j], (*r)[i] }

// Push is part of heap.Interface.
func (r *refills) Push(x any) { *r = append(*r, x.(refill)) }

// Pop is part of heap.Interface.
func (r *refills) Pop() any {
	old := *r
	last := len(old) - 1
	x := old[last]
	old[last] = refill{}
	*r = old[:last]
	return x
}

// keyOf gives the limit key of a job, nil if it has none. e.mu is held.
func (e *Engine) keyOf(q *line, n uint64) *limitKey {
	h, ok := e.table.limited[n]
	if !ok {
		return nil
	}
	k := q.keys[h]
	if k == nil {
		k = &limitKey{name: h}
		q.keys[h] = k
	}
	return k
}

// limit notes that a job that has not ended has a limit key. e.mu is held.
func (e *Engine) limit(n uint64, key uniqueHash, has bool) {
	if has {
		e.table.limited[n] = key
	}
}

// limitOf reads the limit key of a job, if its record says that there is one. One that is lost is none.
func (e *Engine) limitOf(n uint64, r record) (key uniqueHash, has bool) {
	if r.more&hasLimitKey == 0 {
		return key, false
	}
	j, err := e.body(n)
	if err != nil || j.LimitKey == "" {
		return key, false
	}
	return hashUnique(j.LimitKey), true
}

// closedFor reports whether nothing of a queue may be leased now. e.mu is held.
func (e *Engine) closedFor(q *line, now time.Duration) bool {
	s := &q.set
	if s.Paused || (s.MaxActive > 0 && q.counts[queue.Active] >= int64(s.MaxActive)) {
		return true
	}
	wait := q.bucket.wait(s.Rate, now)
	if wait == 0 {
		return false
	}
	e.expect(&q.timer, refill{due: now + wait, line: q})
	return true
}

// expect has Run look when a token is there, unless it will look before. timer is the first time at which it will. e.mu
// is held.
func (e *Engine) expect(timer *time.Duration, r refill) {
	if *timer != 0 && *timer <= r.due {
		return
	}
	*timer = r.due
	heap.Push(&e.table.refills, r)
	if e.table.refills[0].due == r.due {
		e.nudge()
	}
}

// hasRoom reports whether one more job of a limit key may be leased. e.mu is held.
func (e *Engine) hasRoom(q *line, k *limitKey, now time.Duration) bool {
	s := &q.set
	if s.KeyMaxActive > 0 && k.active >= s.KeyMaxActive {
		return false
	}
	wait := k.bucket.wait(s.KeyRate, now)
	if wait == 0 {
		return true
	}
	e.expect(&k.timer, refill{due: now + wait, line: q, key: k})
	return false
}

// blocked gives the limit key of a job if that has no room for it, nil if it may be leased. e.mu is held.
func (e *Engine) blocked(ln *lane, n uint64, now time.Duration) *limitKey {
	if len(e.table.limited) == 0 {
		return nil
	}
	if k := e.keyOf(ln.queue, n); k != nil && !e.hasRoom(ln.queue, k, now) {
		return k
	}
	return nil
}

// returnAside puts jobs back into their lanes, as many as may have room. e.mu is held.
func (e *Engine) returnAside(q *line, k *limitKey, now time.Duration) {
	room := len(k.aside)
	if q.set.KeyMaxActive > 0 {
		room = min(room, q.set.KeyMaxActive-k.active)
	}
	if q.set.KeyRate.Jobs > 0 {
		k.bucket.fill(q.set.KeyRate, now)
		room = min(room, int(k.bucket.tokens))
	}
	for room > 0 && len(k.aside) > 0 {
		j := heap.Pop(&k.aside).(asideJob)
		if e.table.gone.in(j.n, j.lane) {
			continue // one that was cancelled has no use for the room
		}
		room--
		j.lane.ready.push(j.n, j.since)
		e.grant(j.lane)
	}
	e.expectToken(q, k, now)
}

// expectToken has Run look after what is aside once there is a token for it. What is aside for want of a place comes back
// with the end of a job. e.mu is held.
func (e *Engine) expectToken(q *line, k *limitKey, now time.Duration) {
	if len(k.aside) > 0 {
		e.hasRoom(q, k, now)
	}
}

// unlimit forgets the limit key of a job that runs no more in a queue, or never will, and lets another of it have its
// place in the lane. e.mu is held.
func (e *Engine) unlimit(q *line, n uint64) {
	h, ok := e.table.limited[n]
	if !ok {
		return
	}
	delete(e.table.limited, n)
	if k := q.keys[h]; k != nil && len(k.aside) > 0 {
		e.returnAside(q, k, e.cfg.Clock.Elapsed())
	}
}

// began counts a job that is leased from now on. e.mu is held.
func (e *Engine) began(h *hold) {
	q, now := h.lane.queue, e.cfg.Clock.Elapsed()
	q.counts[queue.Active]++
	e.note(h.n)
	q.bucket.take(q.set.Rate, now)
	if k := e.keyOf(q, h.n); k != nil {
		k.active++
		k.bucket.take(q.set.KeyRate, now)
		h.key = k
		e.expectToken(q, k, now)
	}
}

// over counts a job that is leased no longer, and hands out what it kept from running. e.mu is held, and the job's own
// move comes after.
func (e *Engine) over(h *hold) {
	full := e.uncount(h)
	e.handOn(h, full)
}

// notBegun is over for a job whose lease was never handed out: its rates have their tokens back. back puts the job where
// it was, before those come that are behind it. e.mu is held.
func (e *Engine) notBegun(h *hold, back func()) {
	full := e.uncount(h)
	h.giveTokens()
	back()
	e.handOn(h, full || h.lane.queue.set.Rate.Jobs > 0)
}

// giveTokens takes back what the start of a job took from the rates. e.mu is held.
func (h *hold) giveTokens() {
	q := h.lane.queue
	q.bucket.give(q.set.Rate)
	if h.key != nil {
		h.key.bucket.give(q.set.KeyRate)
	}
}

// refund is for a job that was leased, but whose worker never heard of it, and that has been given back.
func (e *Engine) refund(h *hold) {
	e.mu.Lock()
	defer e.mu.Unlock()
	h.giveTokens()
	if h.key != nil {
		e.returnAside(h.lane.queue, h.key, e.cfg.Clock.Elapsed())
	}
	e.grantLine(h.lane.queue)
}

// uncount counts a job that is leased no longer, and reports whether the queue had as many as it may. e.mu is held.
func (e *Engine) uncount(h *hold) (full bool) {
	q := h.lane.queue
	full = q.set.MaxActive > 0 && q.counts[queue.Active] >= int64(q.set.MaxActive)
	q.counts[queue.Active]--
	e.note(h.n)
	if h.key != nil {
		h.key.active--
	}
	return full
}

// handOn hands out what a job kept from running that is leased no longer; open: of its whole queue. e.mu is held.
func (e *Engine) handOn(h *hold, open bool) {
	q, now := h.lane.queue, e.cfg.Clock.Elapsed()
	if k := h.key; k != nil {
		e.returnAside(q, k, now)
		if q.forgets(k, now) {
			delete(q.keys, k.name)
		}
	}
	if open {
		e.grantLine(q)
	}
	if q.counts[queue.Active] == 0 {
		q.letGo()
	}
}

// refill hands out what has a token now, and gives the time until more has.
func (e *Engine) refill(now time.Duration) time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, q := range e.table.order {
		if q.more {
			q.more = false
			e.grantLine(q)
		}
	}
	for len(e.table.refills) > 0 && e.table.refills[0].due <= now {
		r := heap.Pop(&e.table.refills).(refill)
		if r.key == nil {
			r.line.timer = 0
			e.grantLine(r.line)
			continue
		}
		r.key.timer = 0
		e.returnAside(r.line, r.key, now)
	}
	if len(e.table.refills) == 0 {
		return idleWait
	}
	return e.table.refills[0].due - now
}

// forgets reports whether nothing is known of a limit key but its name. e.mu is held.
func (q *line) forgets(k *limitKey, now time.Duration) bool {
	return k.active == 0 && len(k.aside) == 0 && k.timer == 0 && k.bucket.full(q.set.KeyRate, now)
}

// forgetKeys forgets the limit keys whose buckets have filled up since their last job.
func (e *Engine) forgetKeys() {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.cfg.Clock.Elapsed()
	for _, q := range e.table.order {
		before := len(q.keys)
		for h, k := range q.keys {
			if q.forgets(k, now) {
				delete(q.keys, h)
			}
		}
		if before > 1024 && len(q.keys) < before/4 {
			q.keys = maps.Collect(maps.All(q.keys)) // maps do not shrink
		}
	}
}

// oldestAside gives the jobs of a queue that are set aside and would run first, one of each limit key.
func (q *line) oldestAside() []uint64 {
	var out []uint64
	for _, k := range q.keys {
		if len(k.aside) > 0 {
			out = append(out, k.aside[0].n)
		}
	}
	slices.Sort(out)
	return out[:min(len(out), 1)]
}
