package app

import (
	"context"
	"fmt"

	"github.com/wayside-edge/wayside/internal/upload"
)

// openUploads opens the uploads that arrive in pieces: their files go through ingest, and join batches. From here on they hold
// the bytes of those that were becoming files when the process ended, so this comes before anything sweeps.
func (a *appliance) openUploads(ctx context.Context) error {
	uploads, err := upload.Open(ctx, upload.Config{
		DB: a.db, Blobs: a.blobs, Accepter: a.ingester, Batches: a.batches, Guard: a.db, Dir: a.folder.uploads(), FS: a.world.fs,
		Expire: a.cfg.Uploads.Expire, MaxCount: a.cfg.Uploads.MaxCount, MaxBytes: int64(a.cfg.Uploads.MaxBytes),
		MaxUpload: int64(a.cfg.Server.MaxUpload), Logger: a.logs.Logger("api"), Now: a.world.now,
	})
	if err != nil {
		return fmt.Errorf("open uploads: %w", err)
	}
	a.uploads = uploads
	return nil
}
