package app

import (
	"context"
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	"github.com/wayside-edge/wayside/internal/cache"
	"github.com/wayside-edge/wayside/internal/observe"
)

// sizesShare is the part of the time that may be spent on looking at sizes: after a look they are left alone for so many
// times as long as it took.
const sizesShare = 50

// sizes looks, in the background, at what takes a while to find out: it walks the data folder, counts the records of the
// catalog, and asks a cache that is elsewhere. The metrics show what it found last.
type sizes struct {
	app   *appliance
	every time.Duration

	mu    sync.Mutex // guards what follows
	found observe.Data
	cache cache.Usage
	asked bool // cache is known
}

// run looks again and again until ctx ends.
func (s *sizes) run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		began := time.Now()
		s.look(ctx)
		timer.Reset(max(s.every, sizesShare*time.Since(began)))
	}
}

// look finds the sizes. What cannot be found keeps its last value.
func (s *sizes) look(ctx context.Context) {
	a := s.app
	found := observe.Data{Known: true, ResultBytes: folderBytes(ctx, a.folder.results()), StoreBytes: folderBytes(ctx, a.folder.db())}
	found.Blobs, found.BlobBytes = folderFiles(ctx, a.folder.blobs())
	files, decodes, err := a.catalog.Count(ctx)
	if ctx.Err() != nil {
		return // it was not looked at to the end
	}
	if err != nil {
		a.log.WarnContext(ctx, "catalog not counted", "error", err)
	} else {
		found.Records = map[string]int64{"file": files, "decode": decodes}
	}
	var use cache.Usage
	asked := false
	if a.cfg.Cache.Enabled && a.cacheKeeper() == nil {
		st, err := a.cache.Stats(ctx)
		use, asked = st.Usage, err == nil && st.State == cache.StateOK
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if found.Records == nil {
		found.Records = s.found.Records
	}
	s.found = found
	if asked {
		s.cache, s.asked = use, true
	}
}

// data gives what was found last.
func (s *sizes) data() observe.Data {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.found
}

// cacheUsage gives what a cache elsewhere has said last.
func (s *sizes) cacheUsage() (u cache.Usage, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cache, s.asked
}

// folderFiles counts the files below a folder and adds up their sizes; what vanishes meanwhile does not count.
func folderFiles(ctx context.Context, dir string) (files, bytes int64) {
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error { // errors are of files that vanish
		if err == nil && e.Type().IsRegular() {
			if info, ierr := e.Info(); ierr == nil {
				files++
				bytes += info.Size()
			}
		}
		return ctx.Err()
	})
	return files, bytes
}
