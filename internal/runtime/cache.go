package runtime

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	// forgetAfter is how old the compiled code of a module may be that is not there any more.
	forgetAfter = 30 * 24 * time.Hour
	// maxUnused is how many such modules an appliance keeps the code of: who goes back to a version need not wait for it,
	// and who drops a new one every minute fills no disk.
	maxUnused = 20
)

// forgetUnused removes the compiled code of modules that are gone: what is old, and all but the newest where nobody else
// uses the folder. The caller has the gate, or nobody knows the registry yet.
func (r *Registry) forgetUnused(ctx context.Context, now time.Time) {
	dirs, err := os.ReadDir(r.cfg.CompiledDir)
	if err != nil {
		return // nothing is compiled yet
	}
	r.mu.Lock()
	used := map[string]bool{keptName: true}
	for _, e := range r.all() {
		used[e.sha] = true
	}
	r.mu.Unlock()
	var unused []fs.FileInfo
	for _, d := range dirs {
		if used[d.Name()] || !d.IsDir() {
			continue
		}
		if info, err := d.Info(); err == nil { // else it has gone by itself
			unused = append(unused, info)
		}
	}
	slices.SortFunc(unused, func(a, b fs.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	for i, info := range unused {
		shared := r.cfg.States == nil
		if now.Sub(info.ModTime()) < forgetAfter && (shared || i < maxUnused) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(r.cfg.CompiledDir, info.Name())); err != nil {
			r.cfg.Logger.WarnContext(ctx, "old compiled plugin could not be removed", "folder", info.Name(), "error", err)
		}
	}
}
