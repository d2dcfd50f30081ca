package local

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

// rememberFor is how long an idempotency key gives the answer of the call that brought it.
const rememberFor = 24 * time.Hour

// maxDoubt is how many keys whose commit failed are remembered.
const maxDoubt = 100_000

// answer is what the record of an idempotency key holds: which request it belongs to, and which jobs that gave.
type answer struct {
	request [16]byte
	when    time.Time
	numbers []uint64
	twice   []bool // by job: it was there already
}

func answerKey(h uniqueHash) []byte { return append([]byte{idempotentKey}, h[:]...) }

// forgetKeyOf gives the key that tells the sweep when the answer can be forgotten.
func forgetKeyOf(when time.Time, h uniqueHash) []byte {
	k := binary.BigEndian.AppendUint64([]byte{forgetKey}, uint64(max(when.Add(rememberFor).Unix()+1, 0)))
	return append(k, h[:]...)
}

func (a answer) encode() []byte {
	b := append(make([]byte, 0, 24+9*len(a.numbers)), a.request[:]...)
	b = appendTime(b, a.when)
	for i, n := range a.numbers {
		n <<= 1
		if a.twice[i] {
			n |= 1
		}
		b = binary.AppendUvarint(b, n)
	}
	return b
}

func decodeAnswer(b []byte) (answer, error) {
	if len(b) < 24 {
		return answer{}, errRecord
	}
	a := answer{request: [16]byte(b), when: timeAt(b[16:])}
	r := reader{b: b[24:]}
	for len(r.b) > 0 && !r.failed && len(a.numbers) < maxEnqueue {
		n := r.uvarint(1<<64 - 1)
		a.numbers, a.twice = append(a.numbers, n>>1), append(a.twice, n&1 != 0)
	}
	if r.failed || len(r.b) > 0 {
		return answer{}, errRecord
	}
	return a, nil
}

// fingerprint stands for all that a request asks for, whatever the defaults are when it comes again. Where it comes from
// is not part of that: the second try of a request has another id.
func fingerprint(jobs []queue.New, prepared []queue.Job) [16]byte {
	sum := sha256.New()
	for i, n := range jobs {
		j := prepared[i]
		j.Limits = queue.Limits{MaxAttempts: n.MaxAttempts, Timeout: n.Timeout, SoftTimeout: n.SoftTimeout}
		j.Trace, j.Times = queue.Trace{}, queue.Times{}
		body := encodeBody(j)
		head := appendTime(binary.AppendUvarint(nil, uint64(len(body))), n.RunAt)
		_, _ = sum.Write(binary.AppendVarint(head, int64(n.Delay))) // a hash takes everything
		_, _ = sum.Write(body)
	}
	return [16]byte(sum.Sum(nil))
}

// enqueueOnce makes jobs whose call has an idempotency key, or gives what an earlier call with it made. Of two calls at
// the same time one waits for the other.
func (e *Engine) enqueueOnce(ctx context.Context, jobs []queue.New, out []queue.Job, at instant) ([]queue.Job, error) {
	request := fingerprint(jobs, out)
	h := hashUnique(jobs[0].IdempotencyKey)
	over, err := e.ask(ctx, h)
	if err != nil {
		return nil, err
	}
	defer over()
	raw, err := e.space.Get(answerKey(h))
	if err != nil && !isCorrupt(err) {
		return nil, fmt.Errorf("read idempotency key: %w", err)
	}
	if err == nil {
		a, err := decodeAnswer(raw)
		if err == nil && a.when.Add(rememberFor).After(at.wall) {
			if err := e.adoptDoubtful(ctx, h, a); err != nil {
				return nil, err
			}
			return e.repeat(ctx, a, request, out)
		}
	}
	out, err = e.enqueue(ctx, e.db.Batch(), out, at, func(b *store.Batch, made []queue.Job) error {
		a := answer{request: request, when: at.wall}
		for _, j := range made {
			n, err := parseID(j.ID)
			if err != nil {
				panic("queue: an id of its own cannot be read: " + err.Error())
			}
			a.numbers, a.twice = append(a.numbers, n), append(a.twice, j.Duplicate)
		}
		b.Set(e.space, answerKey(h), a.encode())
		b.Set(e.space, forgetKeyOf(at.wall, h), nil)
		return nil
	})
	e.mu.Lock()
	defer e.mu.Unlock()
	if err == nil {
		delete(e.table.keys.doubt, h)
	} else if len(e.table.keys.doubt) < maxDoubt {
		e.table.keys.doubt[h] = struct{}{}
	}
	return out, err
}

// adoptDoubtful takes the jobs of a call into memory whose commit was said to have failed and was durable all the same:
// they are acknowledged now.
func (e *Engine) adoptDoubtful(ctx context.Context, h uniqueHash, a answer) error {
	e.mu.Lock()
	_, doubtful := e.table.keys.doubt[h]
	e.mu.Unlock()
	if !doubtful {
		return nil
	}
	for i, n := range a.numbers {
		if !a.twice[i] {
			if err := e.adoptNew(ctx, n); err != nil {
				return err
			}
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.table.keys.doubt, h)
	return nil
}

// adoptNew takes a job into memory that only the database knows of.
func (e *Engine) adoptNew(ctx context.Context, n uint64) error {
	body, err := e.body(n)
	if isCorrupt(err) {
		return nil // it was removed, or is dead after the next start
	} else if err != nil {
		return err
	}
	done, err := e.rejoin(ctx, n, body)
	if err != nil {
		return err
	}
	defer done()
	r, j, err := e.load(n)
	if isCorrupt(err) {
		return nil
	} else if err != nil {
		return err
	}
	at := e.now()
	e.mu.Lock()
	defer e.mu.Unlock()
	if r.Status.Final() {
		e.unwait(n)
		return nil // somebody has found it by its id and ended it
	}
	e.limit(n, hashUnique(j.LimitKey), j.LimitKey != "")
	e.place(n, r, at)
	if h := hashUnique(j.UniqueKey); j.UniqueKey != "" && e.table.keys.holder(h, at.mono) == 0 {
		var until time.Duration
		if j.UniqueUntil == queue.UntilTTL {
			until = heldUntil(j.CreatedAt, j.UniqueTTL, at)
		}
		e.table.keys.take(h, n, until)
	}
	return nil
}

// ask waits until no other call with the same idempotency key is under way.
func (e *Engine) ask(ctx context.Context, h uniqueHash) (over func(), err error) {
	for {
		over, other := e.tryAsk(h)
		if other == nil {
			return over, nil
		}
		select {
		case <-other:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for idempotency key: %w", context.Cause(ctx))
		}
	}
}

// tryAsk makes an idempotency key the caller's until over is called, unless it is somebody else's until other is closed.
func (e *Engine) tryAsk(h uniqueHash) (over func(), other chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if other := e.table.keys.asked[h]; other != nil {
		return nil, other
	}
	mine := make(chan struct{})
	e.table.keys.asked[h] = mine
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.table.keys.asked, h)
		close(mine)
	}, nil
}

// repeat gives the answer of an earlier call again. Of a job that was removed since it gives what the request says.
func (e *Engine) repeat(ctx context.Context, a answer, request [16]byte, out []queue.Job) ([]queue.Job, error) {
	if !bytes.Equal(a.request[:], request[:]) || len(a.numbers) != len(out) {
		return nil, queue.ErrIdempotency
	}
	for i, n := range a.numbers {
		j, err := e.get(ctx, n)
		switch {
		case err == nil:
			out[i] = j
		case errors.Is(err, queue.ErrNotFound):
			out[i].ID = formatID(n)
		default:
			return nil, err
		}
		out[i].Duplicate = a.twice[i]
	}
	return out, nil
}

// sweepAnswers removes a batch of idempotency keys whose time is over, and reports whether there may be more.
func (e *Engine) sweepAnswers(ctx context.Context) (more bool, err error) {
	now := e.now().wall
	b := e.db.Batch()
	b.Essential()
	var mine []func()
	defer func() {
		for _, over := range mine {
			over()
		}
	}()
	o := store.ScanOptions{Prefix: []byte{forgetKey}, KeysOnly: true, Limit: sweepBatch}
	err = e.space.Scan(ctx, o, func(k, _ []byte) (bool, error) {
		if len(k) != 9+len(uniqueHash{}) {
			b.Delete(e.space, k)
			return true, nil
		}
		if int64(binary.BigEndian.Uint64(k[1:])) > now.Unix() {
			return false, nil
		}
		h := uniqueHash(k[9:])
		over, other := e.tryAsk(h)
		if other != nil {
			return true, nil // its call looks at the time itself; it is swept the next time
		}
		mine = append(mine, over)
		b.Delete(e.space, k)
		return true, e.stageForget(b, h, now)
	})
	if err != nil {
		return false, fmt.Errorf("look for old idempotency keys: %w", err)
	}
	if b.Len() == 0 {
		return false, nil
	}
	return len(mine) == sweepBatch, e.commit(ctx, b)
}

// stageForget stages the removal of an idempotency key, unless it belongs to a younger call by now.
func (e *Engine) stageForget(b *store.Batch, h uniqueHash, now time.Time) error {
	raw, err := e.space.Get(answerKey(h))
	if err != nil && !isCorrupt(err) {
		return fmt.Errorf("read idempotency key: %w", err)
	}
	if a, derr := decodeAnswer(raw); err == nil && derr == nil && a.when.Add(rememberFor).After(now) {
		return nil
	}
	b.Delete(e.space, answerKey(h))
	return nil
}
