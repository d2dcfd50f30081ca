package runtime

import (
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
	"github.com/wayside-edge/wayside/internal/runtime/wire"
)

const (
	wasmExt     = ".wasm"
	retryAfter  = 10 * time.Second // a compile that failed for a reason of ours
	killedAfter = time.Second      // a compile whose worker was killed more than once
	maxKilled   = 3                // then it is the module's fault
	comeBack    = 15 * time.Second // decodes wait for a plugin whose file was removed
)

// Registry knows the plugins: what they are, which formats they decode, and whether they can be used yet. Run compiles
// them and, where Config.Watch says so, follows what happens in the folders.
type Registry struct {
	cfg      Config
	launcher *launcher
	wake     chan struct{} // capacity 1: there may be something to compile
	gate     chan struct{} // capacity 1: taken by who reads or changes the folders
	saving   chan struct{} // capacity 1: taken by who saves states
	quiet    *quiet
	said     map[string]string // of folders, the last time; who has the gate may use it
	now      atomic.Pointer[view]

	mu        sync.Mutex // guards what follows and the guarded fields of entries and places; nothing blocks under it
	rules     Rules
	places    []*place         // built-in ones, then those of Config.Dirs in their order, by name in each
	retired   []*entry         // replaced or removed not long ago
	saved     map[string]Saved // by plugin id
	compiling int              // modules that are being compiled
	refused   []*entry         // rejected since the last settle: to be told, also where they only would have served
	sniffer   sniffer
}

// sniffer runs wayside_sniff of a plugin; the pool is one.
type sniffer interface {
	sniff(ctx context.Context, e *entry, head []byte, size int64) (float64, error)
}

// OpenRegistry reads the modules and their manifests. It compiles nothing: Run does. A module that cannot be a
// plugin is listed as rejected; only a folder that cannot be read is an error.
func OpenRegistry(ctx context.Context, cfg Config) (*Registry, error) {
	cfg = withDefaults(cfg)
	r := &Registry{
		cfg: cfg, launcher: newLauncher(), wake: make(chan struct{}, 1), gate: make(chan struct{}, 1),
		saving: make(chan struct{}, 1), quiet: newQuiet(cfg.Debounce), said: map[string]string{}, rules: cfg.Rules, saved: map[string]Saved{},
	}
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
	r.forgetUnused(ctx, time.Now())
	r.mu.Lock()
	c := r.settle(time.Now())
	r.mu.Unlock()
	r.tell(ctx, c)
	r.tellRejected()
	return r, nil
}

func (r *Registry) loadAll(ctx context.Context) error {
	if err := r.loadSaved(ctx); err != nil {
		return err
	}
	if r.cfg.Builtin != nil {
		if err := r.loadBuiltin(ctx, r.cfg.Builtin); err != nil {
			return err
		}
	}
	r.removeUnfinished(ctx)
	for i := range r.cfg.Dirs {
		if _, err := r.scanDir(ctx, i, readAll); err != nil {
			return err
		}
	}
	r.restore(ctx)
	return nil
}

func (r *Registry) loadBuiltin(ctx context.Context, fsys fs.FS) error {
	files, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return fmt.Errorf("list %s plugins: %w", BuiltIn, err)
	}
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("list %s plugins: %w", BuiltIn, err)
		}
		name := f.Name()
		if filepath.Ext(name) != wasmExt || !f.Type().IsRegular() {
			continue
		}
		e := r.newEntry(name, BuiltIn, func() ([]byte, error) { return readModule(fsys, name, r.cfg.Limits.static().Bytes) })
		if e.state == Rejected {
			r.warnRejected(ctx, e)
		}
		r.mu.Lock()
		r.places = append(r.places, &place{path: name, source: BuiltIn, dir: -1, now: e})
		r.mu.Unlock()
	}
	return nil
}

// enter takes the gate: the folders are read and changed by one at a time.
func (r *Registry) enter(ctx context.Context) (release func(), err error) {
	select {
	case r.gate <- struct{}{}:
		return func() { <-r.gate }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// tell saves and reports what has changed.
func (r *Registry) tell(ctx context.Context, c change) {
	for _, e := range c.promoted {
		r.keep(ctx, e)
	}
	for _, id := range c.save {
		r.save(ctx, id)
	}
	for _, p := range c.plugins {
		r.cfg.Recorder.PluginChanged(p)
	}
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

// MayComeBack reports whether a plugin was removed only just now. Who replaces a file by removing it and copying another
// does not mean to fail the decodes that wait.
func (r *Registry) MayComeBack(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.retired, func(e *entry) bool { return e.id() == id && time.Since(e.retiredAt) < comeBack })
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
	e := r.find(sha)
	if e == nil {
		r.mu.Unlock()
		return nil, errcode.Newf(errcode.PluginRejected, "no decoder of hash %.12s is installed", sha)
	}
	if st, reason := r.verdict(e); st == Rejected {
		r.mu.Unlock()
		return nil, errcode.Newf(errcode.PluginRejected, "decoder %s is rejected: %s", e.id(), reason)
	}
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

// find gives the module of a hash, one that can be used before one that cannot. The caller holds mu.
func (r *Registry) find(sha string) *entry {
	var found *entry
	for _, e := range r.all() {
		if e.sha == sha && (found == nil || e.state == Active && found.state != Active) {
			found = e
		}
	}
	return found
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
	rec, memory := e.record, r.limits(e).MemoryMiB
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
	return &wire.Setup{
		Role: wire.RoleDecode, Dir: r.folder(e), SHA256: e.sha, Initialised: rec.Initialised, MemoryMiB: memory,
		DataMiB: r.cfg.dataMiB(memory + overheadMiB), Sandbox: !r.cfg.Sandbox.Off,
		Interpreter: r.cfg.Interpreter, Tables: m.Schemas, Capabilities: m.Capabilities, HeapMiB: decodeHeapMiB,
	}, f, nil
}

// dataMiB is the limit of a process's data, 0 = none.
func (c *Config) dataMiB(v int) int {
	if c.Sandbox.NoDataLimit {
		return 0
	}
	return v
}
