package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/tetratelabs/wazero/experimental"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/module"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// compileWorkers is how many functions are compiled at a time. The process has the lowest priority, so it may use
// whatever is idle.
const compileWorkers = 2

// compileRole checks, initialises and compiles one module into its folder, and says how it went. The record of
// success is written last and durably: a folder without it is as good as empty.
func compileRole(
	ctx context.Context, sock *wire.Conn, page *wire.Page, setup *wire.Setup, wasm []byte, conf *confinement,
) error {
	lowerPriority(conf, lowestNice)
	ctx = experimental.WithCompilationWorkers(ctx, compileWorkers)
	if setup.Sandbox {
		confineFiles(conf, readWrite(setup.Dir))
		confineCalls(conf, wire.RoleCompile)
	}
	rec, err := compile(ctx, &vetting{setup: setup, sock: sock, page: page, wasm: wasm})
	if err == nil {
		err = writeRecord(setup.Dir, rec)
	}
	out := wire.Compiled{Confinement: conf.Confinement}
	switch {
	case errcode.Is(err, errcode.PluginRejected):
		out.Rejected = err.Error()
	case err != nil:
		out.Error = err.Error()
	}
	if err := sock.Send(wire.KindCompiled, out); err != nil {
		return fmt.Errorf("report the end of compiling: %w", err)
	}
	return nil
}

// staticLimits gives what the module is held against before anything of it is compiled.
func staticLimits(setup *wire.Setup) module.Limits {
	m := setup.Module
	return module.Limits{
		Bytes: m.Bytes, Body: m.Body, Functions: m.Functions, Locals: m.Locals, Nesting: m.Nesting, MemoryMiB: setup.MemoryMiB,
	}
}

func compile(ctx context.Context, v *vetting) (*wire.Record, error) {
	setup, wasm := v.setup, v.wasm
	if err := disk.Empty(setup.Dir); err != nil {
		return nil, err
	}
	if err := v.begin(wire.StepRules); err != nil {
		return nil, err
	}
	info, err := module.Check(wasm, staticLimits(setup))
	if err != nil {
		return nil, fmt.Errorf("check: %w", err)
	}
	rec := &wire.Record{Generator: wire.Generator(), SHA256: setup.SHA256, Sniff: info.Sniff, Limits: setup.Module}
	final := wasm
	if setup.NeedManifest || info.Initialize && !setup.PlainInit {
		snap, manifest, err := v.initialise(ctx, info)
		if err != nil {
			return nil, err
		}
		rec.Manifest = manifest
		if snap != nil {
			final, rec.Initialised = snap, true
		}
	}
	if setup.NeedManifest && rec.Manifest == nil {
		return nil, errcode.New(errcode.PluginRejected, "the module has neither a section wayside.manifest nor gives a manifest itself")
	}
	if err := v.ask(rec.Manifest); err != nil {
		return nil, err
	}
	if err := v.begin(wire.StepCompile); err != nil {
		return nil, err
	}
	e, err := newEngine(ctx, final, engineOptions{
		cacheDir: setup.Dir, memoryMiB: setup.MemoryMiB, initialised: rec.Initialised,
	})
	if err != nil {
		return nil, blame(err)
	}
	defer e.close(ctx)
	c := newCall(modeInit)
	m, err := e.instantiate(ctx, c)
	if err != nil {
		return nil, errcode.Wrap(errcode.PluginRejected, err, c.why(err))
	}
	if err := m.Close(ctx); err != nil {
		return nil, fmt.Errorf("close instance: %w", err)
	}
	if rec.Partly, err = v.run(ctx, e); err != nil {
		return nil, err
	}
	rec.Module = module.Hash(final)
	if err := disk.WriteFile(disk.OS, filepath.Join(setup.Dir, wire.ModuleFile), final, 0o600); err != nil {
		return nil, fmt.Errorf("store module: %w", err)
	}
	return rec, nil
}

// blame rejects a module that cannot be compiled, unless it is its compiled code that could not be stored: a full disk
// is not the module's fault, and is not for ever. No module opens files, so an error with a path is never its own.
func blame(err error) error {
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("store compiled code: %w", err)
	}
	return errcode.Wrap(errcode.PluginRejected, err, err.Error())
}

// initialise runs the module's initialisation once, in the interpreter: compiling it twice would double the time of
// an installation. It gives the initialised module, nil where a snapshot would not be the whole state or larger than a
// module may be, and the manifest that the module gives itself, nil if it has none.
func (v *vetting) initialise(ctx context.Context, info module.Info) (snap []byte, manifest json.RawMessage, err error) {
	setup, wasm := v.setup, v.wasm
	if err := v.begin(wire.StepInitialise); err != nil {
		return nil, nil, err
	}
	instrumented, globals, whole := module.Instrument(wasm, info)
	if !whole {
		instrumented = wasm
	}
	e, err := newEngine(ctx, instrumented, engineOptions{interpreter: true, memoryMiB: setup.MemoryMiB})
	if err != nil {
		return nil, nil, errcode.Wrap(errcode.PluginRejected, err, err.Error())
	}
	defer e.close(ctx)
	c := newCall(modeInit)
	m, err := e.instantiate(ctx, c)
	if err != nil {
		return nil, nil, errcode.Wrap(errcode.PluginRejected, err, "the module does not initialise: "+c.why(err))
	}
	defer m.Close(ctx)
	if whole && info.Initialize && !setup.PlainInit {
		values := make([]uint64, globals)
		for i := range values {
			values[i] = m.ExportedGlobal(module.GlobalExport(i)).Get()
		}
		if snap, err = module.Snapshot(wasm, memoryOf(m), values); err != nil {
			return nil, nil, fmt.Errorf("initialise: %w", err)
		}
		if len(snap) > staticLimits(setup).Defaults().Bytes {
			snap = nil // filling its memory is a matter of a moment; storing and loading that for every file's worker is not
		}
	}
	if !setup.NeedManifest {
		return snap, nil, nil
	}
	if err := v.begin(wire.StepManifest); err != nil {
		return nil, nil, err
	}
	if f := m.ExportedFunction(abi.ExportManifest); f != nil {
		c.start(modeManifest, "")
		if _, err := f.Call(ctx); err != nil {
			return nil, nil, errcode.Wrap(errcode.PluginRejected, err, abi.ExportManifest+": "+c.why(err))
		}
		if c.manifest == nil {
			return nil, nil, errcode.New(errcode.PluginRejected, abi.ExportManifest+" gave no manifest")
		}
		if _, err := module.ParseManifest(c.manifest); err != nil {
			return nil, nil, fmt.Errorf("manifest: %w", err)
		}
		manifest = c.manifest
	}
	return snap, manifest, nil
}

func writeRecord(dir string, rec *wire.Record) error {
	b, err := json.Marshal(rec)
	if err != nil {
		return fmt.Errorf("encode record: %w", err)
	}
	if err := disk.WriteFile(disk.OS, filepath.Join(dir, wire.RecordFile), b, 0o600); err != nil {
		return fmt.Errorf("store record: %w", err)
	}
	return nil
}
