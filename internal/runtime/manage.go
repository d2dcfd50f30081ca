package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/module"
)

// Install writes a module into Config.InstallDir, durably, under the name of its id and version. A body that is no
// module is a ValidationFailed error in a Refused; one that cannot be a plugin is installed as Rejected. existing says that the
// same bytes were there before. The plugin is as Module gives it.
func (r *Registry) Install(ctx context.Context, body io.Reader) (p Plugin, existing bool, err error) {
	b, err := readBody(body, r.cfg.Limits.static().Bytes)
	if err != nil {
		return Plugin{}, false, err
	}
	name, err := installName(b)
	if err != nil {
		return Plugin{}, false, err
	}
	dir := slices.IndexFunc(r.cfg.Dirs, func(d Dir) bool { return r.cfg.InstallDir != "" && d.Path == r.cfg.InstallDir })
	if dir < 0 {
		return Plugin{}, false, errcode.New(errcode.Conflict, "plugins.dirs does not have the plugins folder of the data folder, where plugins are installed")
	}
	release, err := r.enter(ctx)
	if err != nil {
		return Plugin{}, false, fmt.Errorf("install plugin: %w", err)
	}
	defer release()
	sha := module.Hash(b)
	if p, ok := r.Module(sha); ok && r.present(sha) {
		return p, true, nil
	}
	path := filepath.Join(r.cfg.InstallDir, name)
	if err := r.write(path, b); err != nil {
		return Plugin{}, false, err
	}
	ctx = context.WithoutCancel(ctx) // it is there now
	if _, err := r.look(ctx, dir, path, readAll); err != nil {
		return Plugin{}, false, fmt.Errorf("install plugin: %w", err)
	}
	r.publish(ctx)
	p, ok := r.Module(sha)
	if !ok {
		return Plugin{}, false, errcode.New(errcode.Conflict, "the plugin's file was changed or removed while it was installed")
	}
	return p, false, nil
}

func readBody(body io.Reader, limit int) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(body, int64(limit)+1))
	if err != nil {
		return nil, fmt.Errorf("read module: %w", err)
	}
	if len(b) > limit {
		return nil, refused(errcode.Newf(errcode.TooLarge, "a module may have at most %d bytes", limit))
	}
	return b, nil
}

// installName gives the name of a module's file: <id>-<version>.wasm where the manifest can be read, else one made of
// its hash.
func installName(b []byte) (string, error) {
	raw, err := module.EmbeddedManifest(b)
	if err != nil {
		return "", refused(errcode.Wrap(errcode.ValidationFailed, err, err.Error()))
	}
	if raw != nil {
		if m, err := module.ParseManifest(raw); err == nil {
			return m.ID + "-" + m.Version + wasmExt, nil
		}
	}
	return "module-" + module.Hash(b)[:12] + wasmExt, nil
}

func (r *Registry) write(path string, b []byte) error {
	err := disk.MkdirAll(disk.OS, filepath.Dir(path), 0o700)
	if err == nil {
		err = disk.WriteFile(disk.OS, path, b, 0o644)
	}
	switch {
	case disk.IsNoSpace(err):
		return errcode.Wrap(errcode.DiskFull, err, "no space left for the plugin")
	case err != nil:
		return fmt.Errorf("install plugin: %w", err)
	}
	return nil
}

// present reports whether a file holds the module now.
func (r *Registry) present(sha string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.places, func(p *place) bool { return p.now.sha == sha })
}

// Module describes the module of a hash, whether it serves its id or not: State is Standby where it could and another
// version does.
func (r *Registry) Module(sha string) (Plugin, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.find(sha)
	if e == nil || !e.retiredAt.IsZero() {
		return Plugin{}, false
	}
	v := r.now.Load()
	p := r.plugin(e)
	for i := range v.plugins {
		if v.plugins[i].SHA256 == sha {
			return v.plugins[i], true
		}
		if v.plugins[i].ID == p.ID && p.State == Active {
			p.State, p.Reason = Standby, fmt.Sprintf("version %s serves", v.plugins[i].Version)
		}
	}
	return p, true
}

// Remove removes every module of an id from Config.InstallDir. A plugin that is somewhere else is a Conflict.
func (r *Registry) Remove(ctx context.Context, id string) error {
	release, err := r.enter(ctx)
	if err != nil {
		return fmt.Errorf("remove plugin: %w", err)
	}
	defer release()
	r.mu.Lock()
	var files []string
	known := false
	for _, p := range r.places {
		if !slices.ContainsFunc(p.entries(), func(e *entry) bool { return e.id() == id || e.label() == id }) {
			continue
		}
		known = true
		if p.dir >= 0 && r.cfg.InstallDir != "" && r.cfg.Dirs[p.dir].Path == r.cfg.InstallDir {
			files = append(files, p.path)
		}
	}
	r.mu.Unlock()
	switch {
	case !known:
		return errcode.New(errcode.NotFound, "no such plugin")
	case len(files) == 0:
		return errcode.Newf(errcode.Conflict, "%s is not in the data folder: a built-in plugin can be disabled, one of the system is removed by who put it there", id)
	}
	for _, f := range files {
		if err := disk.OS.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove plugin: %w", err)
		}
	}
	if err := disk.OS.SyncDir(r.cfg.InstallDir); err != nil {
		return fmt.Errorf("remove plugin: %w", err)
	}
	r.rescan(context.WithoutCancel(ctx), readChanged)
	return nil
}

// SetEnabled makes a plugin be used or not, also at the next start. Decodes that run go on.
func (r *Registry) SetEnabled(ctx context.Context, id string, on bool) (Plugin, error) {
	r.mu.Lock()
	p, ok := r.Get(id)
	switch {
	case !ok || p.ID != id:
		r.mu.Unlock()
		return Plugin{}, errcode.New(errcode.NotFound, "no such plugin")
	case p.Version == "":
		r.mu.Unlock()
		return Plugin{}, errcode.Newf(errcode.Conflict, "%s is no plugin yet: %s", id, p.State)
	case on && r.rules.Settings[id].Disabled:
		r.mu.Unlock()
		return Plugin{}, errcode.Newf(errcode.Conflict, "%s is disabled in the configuration: plugins.settings.%s.enabled", id, id)
	}
	r.mu.Unlock()
	if err := r.saveEnabled(ctx, id, on); err != nil {
		return Plugin{}, err
	}
	r.publish(ctx)
	r.cfg.Logger.InfoContext(ctx, "plugin switched", "plugin", id, "enabled", on)
	p, _ = r.Get(id)
	return p, nil
}

// saveEnabled makes it durable whether a plugin is used, then makes it count.
func (r *Registry) saveEnabled(ctx context.Context, id string, on bool) error {
	r.saving <- struct{}{} // from the look at what is saved to its change: a save in between would be undone
	defer func() { <-r.saving }()
	r.mu.Lock()
	s := r.saved[id]
	s.Disabled, s.Good = !on, maps.Clone(s.Good)
	r.mu.Unlock()
	if r.cfg.States != nil {
		if err := r.cfg.States.SavePlugin(ctx, id, s); err != nil {
			return fmt.Errorf("save state of plugin %s: %w", id, err)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s = r.saved[id] // its good versions may have changed: who changed them waits for the turn to save them
	s.Disabled = !on
	r.saved[id] = s
	return nil
}

// Reload reads the folders anew, whether anything seems to have changed or not, and gives the modules of an id that
// were rejected another try.
func (r *Registry) Reload(ctx context.Context, id string) (Plugin, error) {
	release, err := r.enter(ctx)
	if err != nil {
		return Plugin{}, fmt.Errorf("reload plugin: %w", err)
	}
	defer release()
	if p, ok := r.Get(id); !ok || p.ID != id {
		return Plugin{}, errcode.New(errcode.NotFound, "no such plugin")
	}
	r.rescan(ctx, readAll)
	r.mu.Lock()
	for _, p := range r.places {
		for _, e := range p.entries() {
			if e.state == Rejected && !e.fatal && e.sha != "" && (e.id() == id || e.label() == id || p.good != nil && p.good.id() == id) {
				e.open()
				e.killed = 0
			}
		}
	}
	r.mu.Unlock()
	r.publish(ctx)
	p, ok := r.Get(id)
	if !ok || p.ID != id {
		return Plugin{}, errcode.New(errcode.NotFound, "the plugin is gone: its file was removed")
	}
	return p, nil
}
