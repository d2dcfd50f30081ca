package runtime

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wayside-edge/wayside/internal/disk"
)

// keptName is the folder in Config.CompiledDir with the bytes of the last good versions: a file of a plugin folder may
// be overwritten with something that does not work.
const keptName = "kept"

// States keeps what is to be known of plugins at the next start.
type States interface {
	// LoadPlugins gives what was saved, by plugin id.
	LoadPlugins(ctx context.Context) (map[string]Saved, error)
	// SavePlugin makes the state of a plugin durable.
	SavePlugin(ctx context.Context, id string, s Saved) error
}

// Saved is what is kept of a plugin. The zero value means that there is nothing to keep.
type Saved struct {
	Disabled bool `json:"disabled,omitempty"`
	// Good are the last versions that could be used, SHA-256 by file: they serve as long as their files hold what
	// cannot be used.
	Good map[string]string `json:"good,omitempty"`
}

func (s Saved) equal(o Saved) bool { return s.Disabled == o.Disabled && maps.Equal(s.Good, o.Good) }

func (r *Registry) keptDir() string { return filepath.Join(r.cfg.CompiledDir, keptName) }

func (r *Registry) keptFile(sha string) string { return filepath.Join(r.keptDir(), sha+wasmExt) }

// loadSaved reads what earlier runs have kept.
func (r *Registry) loadSaved(ctx context.Context) error {
	if r.cfg.States == nil {
		return nil
	}
	saved, err := r.cfg.States.LoadPlugins(ctx)
	if err != nil {
		return fmt.Errorf("read states of plugins: %w", err)
	}
	if saved != nil {
		r.saved = saved
	}
	return nil
}

// restore gives files that hold something which is not known to work the version back that did.
func (r *Registry) restore(ctx context.Context) {
	for _, s := range r.saved {
		for path, sha := range s.Good {
			i := slices.IndexFunc(r.places, func(p *place) bool { return p.path == path && p.source != BuiltIn })
			if i < 0 || r.places[i].now.sha == sha || r.places[i].good != nil || r.places[i].now.state == Active {
				continue
			}
			p := r.places[i]
			e := r.newEntry(path, p.source, func() ([]byte, error) {
				return readModule(os.DirFS(r.keptDir()), sha+wasmExt, r.cfg.Limits.static().Bytes)
			})
			if e.sha != sha {
				r.cfg.Logger.WarnContext(ctx, "last good version of plugin is lost", "file", path, "reason", e.reason)
				continue
			}
			p.good = e
		}
	}
}

// unsaved brings saved up to date and gives the ids whose state is to be saved. The caller holds mu.
func (r *Registry) unsaved() []string {
	if r.cfg.States == nil {
		return nil
	}
	want := map[string]Saved{}
	for id, s := range r.saved {
		want[id] = Saved{Disabled: s.Disabled}
	}
	for _, p := range r.places {
		if p.source == BuiltIn || p.good == nil {
			continue
		}
		s := want[p.good.id()]
		if s.Good == nil {
			s.Good = map[string]string{}
		}
		s.Good[p.path] = p.good.sha
		want[p.good.id()] = s
	}
	var changed []string
	for id, s := range want {
		if !s.equal(r.saved[id]) {
			r.saved[id] = s
			changed = append(changed, id)
		}
	}
	slices.Sort(changed)
	return changed
}

// save makes the state of a plugin durable, as it is by now.
func (r *Registry) save(ctx context.Context, id string) {
	r.saving <- struct{}{} // a commit
	defer func() { <-r.saving }()
	r.mu.Lock()
	s := r.saved[id]
	s.Good = maps.Clone(s.Good)
	r.mu.Unlock()
	if err := r.cfg.States.SavePlugin(context.WithoutCancel(ctx), id, s); err != nil {
		r.cfg.Logger.ErrorContext(ctx, "state of plugin not saved", "plugin", id, "error", err)
	}
}

// keep copies a module that has come to serve, so that it can be compiled again when its file has changed.
func (r *Registry) keep(ctx context.Context, e *entry) {
	if r.cfg.States == nil {
		return
	}
	err := r.writeKept(e)
	if err != nil {
		r.cfg.Logger.WarnContext(ctx, "plugin not kept beside its file", "plugin", e.id(), "file", e.file, "error", err)
	}
}

func (r *Registry) writeKept(e *entry) error {
	if _, err := os.Stat(r.keptFile(e.sha)); err == nil {
		return nil
	}
	b, err := r.original(e)
	if err != nil {
		return err
	}
	if err := disk.MkdirAll(disk.OS, r.keptDir(), 0o700); err != nil {
		return fmt.Errorf("keep module: %w", err)
	}
	if err := disk.WriteFile(disk.OS, r.keptFile(e.sha), b, 0o600); err != nil {
		return fmt.Errorf("keep module: %w", err)
	}
	return nil
}

// dropKept removes the copies that nothing can need any more.
func (r *Registry) dropKept(ctx context.Context) {
	if r.cfg.States == nil {
		return
	}
	files, err := os.ReadDir(r.keptDir())
	if err != nil {
		return // there are none
	}
	r.mu.Lock()
	used := map[string]bool{}
	for _, e := range r.all() {
		used[e.sha+wasmExt] = true
	}
	r.mu.Unlock()
	for _, f := range files {
		if used[f.Name()] {
			continue
		}
		if err := os.Remove(filepath.Join(r.keptDir(), f.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			r.cfg.Logger.WarnContext(ctx, "old copy of plugin not removed", "file", f.Name(), "error", err)
		}
	}
}

// removeUnfinished removes what an Install left that was cut off.
func (r *Registry) removeUnfinished(ctx context.Context) {
	if r.cfg.InstallDir == "" {
		return
	}
	files, err := os.ReadDir(r.cfg.InstallDir)
	if err != nil {
		return // loading says so
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), wasmExt+".tmp") || !f.Type().IsRegular() {
			continue
		}
		if err := os.Remove(filepath.Join(r.cfg.InstallDir, f.Name())); err != nil {
			r.cfg.Logger.WarnContext(ctx, "unfinished plugin not removed", "file", f.Name(), "error", err)
		}
	}
}
