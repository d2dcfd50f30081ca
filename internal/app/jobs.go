package app

import (
	"context"
	"fmt"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/httpapi"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

// queue shows the engine to the HTTP API.
func (a *appliance) queue() httpapi.Queue {
	e := a.engine
	return httpapi.Queue{
		Jobs: jobs{e, a.mux}, Editor: e, Waiter: e, Queues: e, Workers: e, Flows: e, Schedules: e, Transfer: e,
		Internal: func(typ string) bool { return a.mux.Handler(typ) != nil },
	}
}

// jobs shows the engine's jobs to the HTTP API. A job that is cancelled there takes what belongs to it along: its
// handler records that, as it does when a job is buried.
type jobs struct {
	queue.Engine
	mux *queue.Mux
}

func (j jobs) Cancel(ctx context.Context, id queue.ID) error {
	job, err := j.Get(ctx, id)
	if err != nil {
		return fmt.Errorf("find job: %w", err)
	}
	_, err = j.Engine.Cancel(ctx, id, func(b *store.Batch) error {
		return j.mux.Dead(b, job, errcode.Cancelled, "cancelled by request")
	})
	if err != nil {
		return fmt.Errorf("cancel job: %w", err)
	}
	return nil
}
