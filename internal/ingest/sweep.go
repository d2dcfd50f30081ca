package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/wayside-edge/wayside/internal/blob"
)

// Sweep removes blobs and results that nothing refers to: what a power cut left between the bytes and the record. It
// is to run once after a start; it may run beside everything else.
func (in *Ingester) Sweep(ctx context.Context) error {
	blobs, err := in.sweepBlobs(ctx)
	if err != nil {
		return err
	}
	keys, err := in.Results.Keys()
	if err != nil {
		return fmt.Errorf("sweep results: %w", err)
	}
	results := 0
	for _, key := range keys {
		if err := context.Cause(ctx); err != nil {
			return fmt.Errorf("sweep results: %w", err)
		}
		ids, err := in.Catalog.DecodesOfResult(ctx, key)
		if err != nil {
			return fmt.Errorf("sweep results: %w", err)
		}
		if len(ids) > 0 {
			continue
		}
		if err := in.Results.Remove(key); err != nil {
			return fmt.Errorf("sweep results: %w", err)
		}
		results++
	}
	if blobs+results > 0 {
		in.Logger.InfoContext(ctx, "orphans removed", "blobs", blobs, "results", results)
	}
	return nil
}

func (in *Ingester) sweepBlobs(ctx context.Context) (removed int, err error) {
	err = in.Blobs.Walk(ctx, func(sha string, _ int64, _ time.Time) error {
		gone, err := in.Blobs.RemoveIf(ctx, sha, func() (bool, error) {
			ids, err := in.Catalog.FilesOfBlob(ctx, sha)
			return len(ids) == 0, err
		})
		if errors.Is(err, blob.ErrHeld) {
			return nil
		}
		if gone {
			removed++
		}
		return err
	})
	if err != nil {
		return removed, fmt.Errorf("sweep recordings: %w", err)
	}
	return removed, nil
}
