package app

import (
	"context"
	"fmt"

	"github.com/wayside-edge/wayside/internal/batch"
)

// openBatches opens the batches: they start decodes through ingest, so they come after it.
func (a *appliance) openBatches(ctx context.Context) error {
	engine, err := batch.Open(ctx, batch.Config{
		DB: a.db, Decodes: a.catalog, Starter: a.ingester, Events: a.events, Recorder: a.metrics, Now: a.world.now, Logger: a.logs.Logger("queue"),
	})
	if err != nil {
		return fmt.Errorf("open batches: %w", err)
	}
	a.batches = engine
	return nil
}
