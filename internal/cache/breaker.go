package cache

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// tripAfter is how many calls in a row fail before no more are made.
	tripAfter = 3
	// restFirst and restMost are how long none are made then: the first time, and at most when it goes on failing.
	restFirst = time.Second
	restMost  = 30 * time.Second
)

// breaker keeps calls from a server that does not answer. Closed, it lets all of them through; after some failures in a row
// it is open and lets none through; after a rest, which doubles, it is half open: one call goes through, and what comes of
// it decides. It tells the log when it opens and when it closes.
type breaker struct {
	log *slog.Logger

	mu       sync.Mutex // guards what follows
	failed   int        // calls in a row
	open     bool
	trying   bool // the one call of a breaker that is half open is under way
	rest     time.Duration
	until    time.Time // of the rest
	since    time.Time // it is as it is
	last     string    // why a call failed, the last one that did
	lastAt   time.Time
	refusing string // why the server takes no values, "" = it does
}

func newBreaker(log *slog.Logger) *breaker {
	return &breaker{log: log, since: time.Now()}
}

// pass says whether a call may be made. Who may tells done what came of it.
func (b *breaker) pass() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.open {
		return true
	}
	if b.trying || time.Now().Before(b.until) {
		return false
	}
	b.trying = true
	return true
}

// done takes what came of a call: nil, or why it failed.
func (b *breaker) done(ctx context.Context, err error) {
	if err == nil {
		b.worked(ctx)
	} else {
		b.failure(ctx, err)
	}
}

// gaveUp takes the end of a call that says nothing about the server: its caller wanted it no more.
func (b *breaker) gaveUp() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trying = false
}

func (b *breaker) worked(ctx context.Context) {
	b.mu.Lock()
	closes, away := b.open, time.Since(b.since)
	b.failed, b.open, b.trying, b.rest = 0, false, false, 0
	if closes {
		b.since = time.Now()
	}
	b.mu.Unlock()
	if closes {
		b.log.InfoContext(ctx, "cache answers again", "away_seconds", away.Seconds())
	}
}

func (b *breaker) failure(ctx context.Context, err error) {
	now := time.Now()
	b.mu.Lock()
	b.failed++
	b.last, b.lastAt = err.Error(), now
	// A call that was let through before the breaker opened changes nothing any more.
	opens := !b.open && b.failed >= tripAfter
	if opens || b.trying {
		b.rest = min(max(2*b.rest, restFirst), restMost)
		b.until = now.Add(b.rest)
	}
	if opens {
		b.open, b.since = true, now
	}
	b.trying = false
	b.mu.Unlock()
	if opens {
		b.log.WarnContext(ctx, "cache does not answer, decodes go on without it", "error", err)
	}
}

// refused takes that the server answers but takes no value, or takes them again: "". Others than who writes are not kept
// from it by that.
func (b *breaker) refused(ctx context.Context, why string) {
	b.mu.Lock()
	was := b.refusing
	b.refusing = why
	if why != "" {
		b.last, b.lastAt = why, time.Now()
	}
	if (was == "") != (why == "") && !b.open {
		b.since = time.Now()
	}
	b.mu.Unlock()
	switch {
	case was == "" && why != "":
		b.log.WarnContext(ctx, "cache takes no values, decodes go on without it", "error", why)
	case was != "" && why == "":
		b.log.InfoContext(ctx, "cache takes values again")
	}
}

// condition is how the server did last.
type condition struct {
	failing bool
	why     string // of a server that is failing, for everybody
	since   time.Time
	last    string // the last failure there was: it may name the server
	lastAt  time.Time
}

func (b *breaker) condition() condition {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := condition{failing: b.open || b.refusing != "", since: b.since, last: b.last, lastAt: b.lastAt}
	switch {
	case b.open:
		c.why = "it does not answer"
	case b.refusing != "":
		c.why = "it takes no values"
	}
	return c
}
