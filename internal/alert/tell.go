package alert

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// teller tells one notifier, in a goroutine of its own: one that hangs or panics costs neither the others nor the judging.
type teller struct {
	to   Notifier
	log  *slog.Logger
	busy bool          // it is telling of an earlier turn; only Run's goroutine uses it
	done chan struct{} // capacity 1; the goroutine has ended
}

// notify tells every notifier, and waits for them for a while.
func (e *Engine) notify(ctx context.Context, list []Notification) {
	if len(list) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, tellTime)
	defer cancel()
	for _, t := range e.tellers {
		select {
		case <-t.done:
			t.busy = false
		default:
		}
		if t.busy {
			e.log.ErrorContext(ctx, "alerts could not be told: the notifier is still at earlier ones", "notifier", fmt.Sprintf("%T", t.to), "alerts", len(list))
			continue
		}
		t.busy = true
		go t.tell(ctx, list) // ends with its notifier; joined below unless that heeds no context
	}
	for _, t := range e.tellers {
		if t.busy && !t.join(ctx) {
			e.log.ErrorContext(ctx, "a notifier does not come back and is not waited for", "notifier", fmt.Sprintf("%T", t.to))
		}
	}
}

// join waits for the goroutine until ctx ends, and as long as a notifier needs to heed that.
func (t *teller) join(ctx context.Context) bool {
	select {
	case <-t.done:
		t.busy = false
		return true
	case <-ctx.Done():
	}
	late := time.NewTimer(heedTime)
	defer late.Stop()
	select {
	case <-t.done:
		t.busy = false
		return true
	case <-late.C:
		return false
	}
}

func (t *teller) tell(ctx context.Context, list []Notification) {
	defer func() { t.done <- struct{}{} }()
	for _, n := range list {
		if err := t.one(ctx, n); err != nil {
			t.log.ErrorContext(ctx, "alert could not be told", "alert", n.Alert.Rule, "subject", n.Alert.Subject, "error", err)
		}
	}
}

func (t *teller) one(ctx context.Context, n Notification) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the notifier failed: %v", v)
		}
	}()
	if err := t.to.Notify(ctx, n); err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	return nil
}

// wasTold records that notifiers were told: not before, so that what a crash cuts off is told after it.
func (e *Engine) wasTold(ctx context.Context, list []Notification) {
	if len(list) == 0 {
		return
	}
	e.mu.Lock()
	for a := range e.untold {
		e.dirty[a] = true
	}
	clear(e.untold)
	e.mu.Unlock()
	e.record(ctx)
}
