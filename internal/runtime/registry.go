package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/module"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
	"github.com/wayside-edge/wayside/internal/table"
)

const (
	wasmExt     = ".wasm"
	forgetAfter = 30 * 24 * time.Hour // an unused folder of compiled code
	retryAfter  = 10 * time.Second    // a compile that failed for a reason of ours
	killedAfter = time.Second         // a compile whose worker was killed more than once
	maxKilled   = 3                   // then it is the module's fault
)

// Registry knows the plugins: what they are, which formats they decode, and whether they can be used yet.
type Registry struct {
	cfg      Config
	launcher *launcher
	wake     chan struct{} // capacity 1: there may be something to compile
	now      atomic.Pointer[view]

	mu      sync.Mutex // guards what follows and the guarded fields of entries; nothing blocks under it
	entries []*entry
	sniffer sniffer
}

// sniffer runs wayside_sniff of a plugin; the pool is one.
type sniffer interface {
	sniff(ctx context.Context, e *entry, head []byte, size int64) (float64, error)
}

// entry is one module file.
type entry struct {
	sha    string
	file   string // for people
	source Source
	load   func() ([]byte, error)

	manifest atomic.Pointer[module.Manifest] // nil = not known yet
	params   atomic.Pointer[paramSchema]

	// Guarded by Registry.mu.
	state   State
	reason  string
	record  *wire.Record  // of compiled code, nil = none
	ready   chan struct{} // closed when state is neither Compiling nor waiting
	stale   bool          // the folder's record is not to be believed
	wanted  int           // decodes that wait
	killed  int           // compile workers that ended without an explanation, one after the other
	retryAt time.Time
}

func (e *entry) id() string {
	if m := e.manifest.Load(); m != nil {
		return m.ID
	}
	return e.file
}

func (e *entry) schemas() []*table.Schema {
	if m := e.manifest.Load(); m != nil {
		return m.Schemas
	}
	return nil
}

// OpenRegistry reads the modules and their manifests. It compiles nothing: Run does. A module that cannot be a
// plugin is listed as rejected; only a folder that cannot be read is an error.
func OpenRegistry(ctx context.Context, cfg Config) (*Registry, error) {
	r := &Registry{cfg: withDefaults(cfg), launcher: newLauncher(), wake: make(chan struct{}, 1)}
	if r.cfg.CompiledDir == "" {
		return nil, errors.New("open plugins: no folder for compiled code")
	}
	dir, err := filepath.Abs(r.cfg.CompiledDir)
	if err != nil {
		return nil, fmt.Errorf("open plugins: %w", err)
	}
	r.cfg.CompiledDir = dir
	if err := disk.MkdirAll(disk.OS, dir, 0o700); err != nil {
		return nil, fmt.Errorf("open plugins: %w", err)
	}
	if err := r.loadAll(ctx); err != nil {
		return nil, fmt.Errorf("open plugins: %w", err)
	}
	r.forgetUnused(time.Now())
	r.mu.Lock()
	r.resolve()
	r.mu.Unlock()
	return r, nil
}

func (r *Registry) loadAll(ctx context.Context) error {
	if r.cfg.Builtin != nil {
		if err := r.loadFrom(ctx, r.cfg.Builtin, BuiltIn, ""); err != nil {
			return err
		}
	}
	for _, d := range r.cfg.Dirs {
		if _, err := os.Stat(d.Path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := r.loadFrom(ctx, os.DirFS(d.Path), d.Source, d.Path); err != nil {
			return err
		}
	}
	return nil
}

func (r *Registry) loadFrom(ctx context.Context, fsys fs.FS, source Source, where string) error {
	files, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return fmt.Errorf("list %s plugins: %w", source, err)
	}
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("list %s plugins: %w", source, err)
		}
		if filepath.Ext(f.Name()) != wasmExt || !f.Type().IsRegular() {
			continue
		}
		name := f.Name()
		e := &entry{
			file: filepath.Join(where, name), source: source, state: Compiling, ready: make(chan struct{}),
			load: func() ([]byte, error) { return readModule(fsys, name, r.cfg.Limits.static().Bytes) },
		}
		if err := r.adopt(e); err != nil {
			r.cfg.Logger.WarnContext(ctx, "plugin rejected", "file", e.file, "source", string(source), "reason", err.Error())
			e.state, e.reason = Rejected, err.Error()
			close(e.ready)
		}
		if !slices.ContainsFunc(r.entries, func(o *entry) bool { return o.sha == e.sha && e.sha != "" }) {
			r.entries = append(r.entries, e)
		}
	}
	return nil
}

func readModule(fsys fs.FS, name string, limit int) ([]byte, error) {
	st, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("read module: %w", err)
	}
	if st.Size() > int64(limit) {
		return nil, errcode.Newf(errcode.PluginRejected, "the module has %d bytes, the limit is %d", st.Size(), limit)
	}
	b, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("read module: %w", err)
	}
	return b, nil
}

// adopt reads what can be known of a module without running it.
func (r *Registry) adopt(e *entry) error {
	b, err := e.load()
	if err != nil {
		return err
	}
	e.sha = module.Hash(b)
	raw, err := module.EmbeddedManifest(b)
	if err != nil {
		return fmt.Errorf("read module: %w", err)
	}
	rec, compiled := r.recordOf(e)
	if raw == nil && compiled {
		raw = rec.Manifest
	}
	if raw != nil {
		if err := e.describe(raw); err != nil {
			return err
		}
	}
	if compiled && e.manifest.Load() != nil {
		e.record, e.state = rec, Active
		close(e.ready)
	}
	return nil
}

// describe takes over a manifest.
func (e *entry) describe(raw []byte) error {
	m, err := module.ParseManifest(raw)
	if err != nil {
		return fmt.Errorf("read manifest: %w", err)
	}
	ps, err := compileParams(m.Params, naive(m.Schemas))
	if err != nil {
		return errcode.Wrap(errcode.PluginRejected, err, "manifest: params: "+err.Error())
	}
	e.params.Store(ps)
	e.manifest.Store(m)
	return nil
}

// folder is where a module's compiled code lies.
func (r *Registry) folder(e *entry) string { return filepath.Join(r.cfg.CompiledDir, e.sha) }

// recordOf reads a module's record, unless the module was held against other limits than those of now.
func (r *Registry) recordOf(e *entry) (*wire.Record, bool) {
	rec, ok := wire.ReadRecord(r.folder(e), e.sha)
	if !ok || rec.Limits != r.cfg.Limits.wire() {
		return nil, false
	}
	return rec, true
}

// forgetUnused removes the compiled code of modules that are gone for long.
func (r *Registry) forgetUnused(now time.Time) {
	dirs, err := os.ReadDir(r.cfg.CompiledDir)
	if err != nil {
		return
	}
	for _, d := range dirs {
		info, err := d.Info()
		if err != nil || !d.IsDir() || now.Sub(info.ModTime()) < forgetAfter ||
			slices.ContainsFunc(r.entries, func(e *entry) bool { return e.sha == d.Name() }) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(r.cfg.CompiledDir, d.Name())); err != nil {
			r.cfg.Logger.Warn("old compiled plugin could not be removed", "folder", d.Name(), "error", err)
		}
	}
}

// view is what callers see, made anew with every change.
type view struct {
	plugins  []Plugin
	entries  []*entry // beside plugins
	byID     map[string]int
	byFormat map[string]int
}

// resolve decides which module serves each id and makes the view. Of one id the highest version wins, on equality
// data over system over built-in; a dropped module takes the place of a built-in id only with Config.Override. A
// rejected module is listed under its own id only where no other serves it. The caller holds mu.
func (r *Registry) resolve() {
	best := map[string]*entry{}
	builtin := map[string]bool{}
	for _, e := range r.entries {
		if e.source == BuiltIn && e.state != Rejected {
			builtin[e.id()] = true
		}
	}
	for _, e := range r.entries {
		id := e.id()
		if e.source != BuiltIn && builtin[id] && !r.cfg.Override {
			continue
		}
		if cur, ok := best[id]; !ok || better(e, cur) {
			best[id] = e
		}
	}
	v := &view{byID: map[string]int{}, byFormat: map[string]int{}}
	for _, e := range best {
		v.entries = append(v.entries, e)
	}
	slices.SortFunc(v.entries, func(a, b *entry) int { return cmp.Compare(a.id(), b.id()) })
	for i, e := range v.entries {
		p := e.plugin()
		v.plugins = append(v.plugins, p)
		v.byID[p.ID] = i
		for _, f := range p.Formats {
			if _, taken := v.byFormat[f.ID]; !taken && e.state != Rejected {
				v.byFormat[f.ID] = i
			}
		}
	}
	r.now.Store(v)
}

// better reports whether a goes before b of the same id.
func better(a, b *entry) bool {
	if (a.state == Rejected) != (b.state == Rejected) {
		return b.state == Rejected
	}
	version := func(e *entry) string {
		if m := e.manifest.Load(); m != nil {
			return m.Version
		}
		return ""
	}
	if c := module.CompareVersions(version(a), version(b)); c != 0 {
		return c > 0
	}
	rank := map[Source]int{BuiltIn: 0, System: 1, Data: 2}
	return rank[a.source] > rank[b.source]
}

// plugin makes the description of a module. The caller holds mu.
func (e *entry) plugin() Plugin {
	p := Plugin{ID: e.id(), Name: e.file, SHA256: e.sha, Source: e.source, State: e.state, Reason: e.reason}
	m := e.manifest.Load()
	if m == nil {
		return p
	}
	p.Name, p.Version, p.Description, p.Licence = m.Name, m.Version, m.Description, m.Licence
	p.Tables, p.ParamsSchema, p.Capabilities = m.Schemas, e.params.Load().shown, m.Capabilities
	for _, f := range m.Formats {
		p.Formats = append(p.Formats, Format{
			ID: f.ID, Name: f.Name, Extensions: f.Extensions, MediaTypes: f.MediaTypes, Sequence: sequenceOf(f.Sequence),
		})
	}
	return p
}

// Plugins lists the plugins by id.
func (r *Registry) Plugins() []Plugin { return slices.Clone(r.now.Load().plugins) }

// Get finds a plugin by its id, or else by the id of a format.
func (r *Registry) Get(idOrFormat string) (Plugin, bool) {
	v := r.now.Load()
	i, ok := v.byID[idOrFormat]
	if !ok {
		i, ok = v.byFormat[idOrFormat]
	}
	if !ok {
		return Plugin{}, false
	}
	return v.plugins[i], true
}

// Progress tells how many plugins there are and how many of them still are to be compiled.
func (r *Registry) Progress() (compiling, total int) {
	for _, p := range r.now.Load().plugins {
		total++
		if p.State == Compiling {
			compiling++
		}
	}
	return compiling, total
}

// Wait returns when the module of that hash can be used, or with PluginRejected.
func (r *Registry) Wait(ctx context.Context, sha256 string) error {
	_, err := r.wait(ctx, sha256)
	return err
}

func (r *Registry) wait(ctx context.Context, sha string) (*entry, error) {
	r.mu.Lock()
	i := slices.IndexFunc(r.entries, func(e *entry) bool { return e.sha == sha })
	if i < 0 {
		r.mu.Unlock()
		return nil, errcode.Newf(errcode.PluginRejected, "no decoder of hash %.12s is installed", sha)
	}
	e := r.entries[i]
	ready := e.ready
	e.wanted++
	r.mu.Unlock()
	r.signal()
	defer func() {
		r.mu.Lock()
		e.wanted--
		r.mu.Unlock()
	}()
	select {
	case <-ready:
	default:
		select {
		case <-ready:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for decoder %s: %w", e.id(), context.Cause(ctx))
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.state == Rejected {
		return nil, errcode.Newf(errcode.PluginRejected, "decoder %s is rejected: %s", e.id(), e.reason)
	}
	return e, nil
}

func (r *Registry) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *Registry) setSniffer(s sniffer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sniffer = s
}

// decodeSetup gives what a decode worker needs to load a module.
func (r *Registry) decodeSetup(e *entry) (*wire.Setup, *os.File, error) {
	r.mu.Lock()
	rec := e.record
	r.mu.Unlock()
	m := e.manifest.Load()
	if rec == nil || m == nil {
		return nil, nil, fmt.Errorf("%w: no record", errUnusable)
	}
	f, err := os.Open(filepath.Join(r.folder(e), wire.ModuleFile))
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errUnusable, err)
	}
	if st, err := f.Stat(); err != nil || st.Size() == 0 {
		_ = f.Close()
		return nil, nil, fmt.Errorf("%w: %s is empty", errUnusable, wire.ModuleFile)
	}
	memory := r.cfg.Limits.memory(m.MemoryMiB)
	return &wire.Setup{
		Role: wire.RoleDecode, Dir: r.folder(e), SHA256: e.sha, Initialised: rec.Initialised, MemoryMiB: memory,
		DataMiB: r.cfg.dataMiB(memory + overheadMiB), Sandbox: !r.cfg.Sandbox.Off,
		Tables: m.Schemas, Capabilities: m.Capabilities, HeapMiB: decodeHeapMiB,
	}, f, nil
}

// dataMiB is the limit of a process's data, 0 = none.
func (c *Config) dataMiB(v int) int {
	if c.Sandbox.NoDataLimit {
		return 0
	}
	return v
}
