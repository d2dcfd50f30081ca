package upload

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Run finishes what was complete when the process ended, and from then on, from time to time, what could not be finished
// for lack of room, has files join their batches that could not, and removes what has expired. It returns when ctx ends.
func (u *Uploads) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		u.sweep(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// sweep finishes and removes what it is time for. An upload that is being worked on waits for the next time.
func (u *Uploads) sweep(ctx context.Context) {
	complete, joining, expired := u.due()
	for _, id := range complete {
		if ctx.Err() != nil {
			return
		}
		if _, err := u.Finish(ctx, id); err != nil && !errors.Is(err, ErrNotFound) {
			u.cfg.Logger.WarnContext(ctx, "upload not finished", "upload", id, "error", err)
		}
	}
	for _, id := range joining {
		if ctx.Err() != nil {
			return
		}
		if err := u.joinLater(ctx, id); err != nil {
			u.cfg.Logger.WarnContext(ctx, "upload not looked at", "upload", id, "error", err)
		}
	}
	for _, id := range expired {
		if ctx.Err() != nil {
			return
		}
		if err := u.expire(ctx, id); err != nil {
			u.cfg.Logger.WarnContext(ctx, "expired upload not removed", "upload", id, "error", err)
		}
	}
}

// due lists uploads that can be finished, those whose files are still to join a batch, and those that are to go: the expired,
// and of the finished the oldest where there are too many.
func (u *Uploads) due() (complete, joining, expired []string) {
	now := u.cfg.Now()
	u.mu.Lock()
	defer u.mu.Unlock()
	var finished []string
	for id, e := range u.entries {
		switch {
		case len(e.turn) == 0: // somebody is at it
		case !now.Before(e.expires):
			expired = append(expired, id)
		case e.joining:
			joining = append(joining, id)
		case e.finished:
			finished = append(finished, id)
		case e.offset == e.size && !e.refused:
			complete = append(complete, id)
		}
	}
	if n := len(finished) - maxFinished; n > 0 {
		slices.SortFunc(finished, func(a, b string) int { return u.entries[a].expires.Compare(u.entries[b].expires) })
		expired = append(expired, finished[:n]...)
	}
	return complete, joining, expired
}

func (u *Uploads) expire(ctx context.Context, id string) error {
	e, done, err := u.acquire(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	defer done()
	u.mu.Lock()
	alive := !e.finished && u.cfg.Now().Before(e.expires) // a piece came meanwhile
	u.mu.Unlock()
	if alive {
		return nil
	}
	if !e.finished {
		u.cfg.Logger.InfoContext(ctx, "upload expired", "upload", id)
	}
	return u.remove(ctx, id, e)
}
