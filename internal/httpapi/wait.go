package httpapi

import (
	"context"
	"fmt"
	"time"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/event"
	"github.com/wayside-edge/wayside/internal/ingest"
)

// decodeWatch waits for decodes to end. It listens before the state is read, so that no end is missed in between.
type decodeWatch struct {
	decodes Decodes
	sub     *event.Sub
	drain   context.Context //nolint:containedctx // the server's: nobody is kept waiting while it stops
}

func (s *Server) watchDecodes() *decodeWatch {
	return &decodeWatch{decodes: s.deps.Decodes, sub: s.deps.Events.Subscribe(event.Now, ingest.TopicDecode), drain: s.drain}
}

func (w *decodeWatch) close() { w.sub.Close() }

// final gives the decode once it has ended, or as it is at the time until or when the server begins to stop.
func (w *decodeWatch) final(ctx context.Context, id string, until time.Time) (catalog.Decode, error) {
	timed, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	defer context.AfterFunc(w.drain, cancel)() //nolint:contextcheck // both contexts end the wait
	for {
		d, err := w.decodes.Decode(ctx, id)
		if err != nil {
			return d, fmt.Errorf("get decode: %w", err)
		}
		if d.Status.Final() || (timed.Err() != nil && ctx.Err() == nil) {
			return d, nil
		}
		if err := w.next(timed, id); err != nil && (timed.Err() == nil || ctx.Err() != nil) {
			return d, fmt.Errorf("wait for decode %s: %w", id, err)
		}
	}
}

// next waits for an event about the decode, or for one that says events were lost.
func (w *decodeWatch) next(ctx context.Context, id string) error {
	for {
		ev, err := w.sub.Next(ctx)
		if err != nil {
			return fmt.Errorf("next event: %w", err)
		}
		if ev.Reset || ev.Key == id {
			return nil
		}
	}
}
