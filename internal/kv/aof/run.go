package aof

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Run writes until ctx ends; then everything is written and flushed, and nothing more is taken.
func (l *Log) Run(ctx context.Context) error {
	tick := time.NewTicker(retryEvery)
	defer tick.Stop()
	l.ran.Store(true)
	for ctx.Err() == nil {
		l.await(ctx, tick.C)
		l.write(time.Now())
		switch {
		case l.rewrite != nil && l.rewrite.copying:
			l.rewriteStep()
		case l.rewrite != nil && l.rewrite.held != nil:
			l.rewriteStart(*l.rewrite.held)
		case l.rewrite == nil && (l.wanted || l.due(time.Now())):
			l.wanted = false
			l.rewriteBegin()
		}
	}
	return l.shut()
}

// await waits until there is something to do. While a compaction copies there always is.
func (l *Log) await(ctx context.Context, tick <-chan time.Time) {
	var began chan begun
	var ended chan error
	copying := l.rewrite != nil && l.rewrite.copying
	var more chan struct{}
	if copying {
		more = make(chan struct{})
		close(more)
	}
	if l.rewrite != nil {
		began, ended = l.rewrite.began, l.rewrite.ended
	}
	select {
	case <-ctx.Done():
	case err := <-l.flush.ended:
		l.flushed(err)
	case b := <-began:
		l.rewriteStart(b)
	case err := <-ended:
		l.rewriteEnd(err)
	case <-more:
	case <-l.kick:
		if !copying && l.Settings().Policy != Always {
			pause(ctx, collect)
		}
	case <-l.demand:
		l.wanted = true
	case <-tick:
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// Close ends a log that Run was never called for; after Run there is nothing to do.
func (l *Log) Close() error {
	if l.ran.Load() {
		return nil
	}
	return l.shut()
}

// shut ends the log.
func (l *Log) shut() error {
	l.engine.Lock()
	l.closed = true
	l.engine.Unlock()
	l.rewriteAbandon()
	l.flush.last = time.Time{} // flush whatever the policy says
	l.write(time.Now())
	l.join()
	l.aside.Wait()
	err := l.Failure()
	if err == nil && l.flush.dirty {
		err = l.sync(l.file)
	}
	if l.file != nil {
		err = errors.Join(err, l.file.Close())
	}
	if err != nil {
		return fmt.Errorf("end the log: %w", err)
	}
	return nil
}
