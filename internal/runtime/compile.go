package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
)

const (
	lockPoll = 50 * time.Millisecond
	// compilePatience is how many times its limit of processor time a compile may take by the clock: it has the lowest
	// priority, and a module must not be rejected because the machine is busy.
	compilePatience = 20
)

// maxCompiles is how many modules are compiled at a time where there is memory for it, so that one that takes half a
// minute does not keep another waiting.
const maxCompiles = 2

// Run compiles what is not compiled yet, until ctx ends: those that decodes wait for first, then the smaller ones.
func (r *Registry) Run(ctx context.Context) error {
	launching, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var wg, compilers sync.WaitGroup
	wg.Go(func() { r.launcher.run(launching) })
	defer wg.Wait()
	defer cancel()
	if r.cfg.Watch && len(r.cfg.Dirs) > 0 {
		wg.Go(func() { r.watch(ctx) })
	}
	for range maxCompiles {
		compilers.Go(func() { r.compileAll(ctx) })
	}
	compilers.Wait()
	return nil
}

// compileAll compiles one module after the other until ctx ends.
func (r *Registry) compileAll(ctx context.Context) {
	for ctx.Err() == nil {
		e, again := r.next(time.Now(), r.cfg.room())
		if e == nil {
			r.sleep(ctx, again)
			continue
		}
		r.signal() // one change of the folders may bring several, and wakes one of us
		r.compile(ctx, e)
		r.mu.Lock()
		r.compiling--
		e.compiling = false
		r.mu.Unlock()
		r.signal() // a place is free, and another module may serve the id now
	}
}

// sleep returns when there may be something to compile, at the latest in again (0 = whenever that is).
func (r *Registry) sleep(ctx context.Context, again time.Duration) {
	var later <-chan time.Time
	if again > 0 {
		t := time.NewTimer(again)
		defer t.Stop()
		later = t.C
	}
	select {
	case <-r.wake:
	case <-later:
	case <-ctx.Done():
	}
}

// next takes the module to compile, which the caller gives back; with none, again says when to ask once more (0 = when
// woken). Only modules that serve an id or are to serve it, or whose id is not known yet, are compiled unasked. room
// says whether there is memory for one beside another.
func (r *Registry) next(now time.Time, room bool) (chosen *entry, again time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.compiling > 0 && !room {
		return nil, 0 // its end wakes us
	}
	v := r.now.Load()
	for _, e := range r.all() {
		if st, _ := r.verdict(e); st != Compiling || e.compiling || (e.wanted == 0 && !r.needed(v, e)) {
			continue
		}
		if wait := e.retryAt.Sub(now); wait > 0 {
			if again == 0 || wait < again {
				again = wait
			}
			continue
		}
		if chosen == nil || e.sooner(chosen) {
			chosen = e
		}
	}
	if chosen != nil {
		chosen.compiling, chosen.step = true, ""
		r.compiling++
	}
	return chosen, again
}

// sooner reports whether e is to be compiled before another module. The caller holds mu.
func (e *entry) sooner(than *entry) bool {
	if waits := e.wanted > 0; waits != (than.wanted > 0) {
		return waits
	}
	return e.size < than.size
}

// needed reports whether a module is to be compiled though no decode waits for it. The caller holds mu.
func (r *Registry) needed(v *view, e *entry) bool {
	switch {
	case !e.retiredAt.IsZero():
		return false
	case e.manifest.Load() == nil:
		return true
	}
	return !r.off(e.id()) && (v.heirs[e] || slices.Contains(v.entries, e))
}

// compile has one module compiled and notes how it went.
func (r *Registry) compile(ctx context.Context, e *entry) {
	began := time.Now()
	rec, err := r.compiled(ctx, e)
	if err == nil && e.manifest.Load() == nil {
		if err = e.describe(rec.Manifest); err != nil {
			r.begun(e, wire.StepManifest)
		}
	}
	if ctx.Err() != nil {
		return // no verdict; the next start compiles it
	}
	log := r.cfg.Logger.With("plugin", e.id(), "file", e.file)
	r.mu.Lock()
	switch {
	case err == nil:
		e.record, e.state, e.reason, e.stale, e.killed = rec, Active, "", false, 0
		close(e.ready)
	case errors.Is(err, errKilled) && e.killed+1 < maxKilled:
		e.retryAt = time.Now().Add(time.Duration(e.killed) * killedAfter)
		e.killed++
	case errcode.Is(err, errcode.PluginRejected):
		e.reject(err.Error())
		r.refused = append(r.refused, e)
	default:
		e.retryAt = time.Now().Add(retryAfter)
	}
	state := e.state
	changed := r.settle(time.Now())
	p := r.plugin(e)
	r.mu.Unlock()
	switch state {
	case Active:
		log.InfoContext(ctx, "plugin ready", "version", p.Version, "duration_ms", time.Since(began).Milliseconds())
		if len(rec.Partly) > 0 {
			log.WarnContext(ctx, "golden vectors are too slow or too deep for the interpreter, which compared only how they begin",
				"vectors", rec.Partly)
		}
	case Rejected:
		log.WarnContext(ctx, "plugin rejected", "reason", p.Reason)
	default:
		log.ErrorContext(ctx, "plugin could not be compiled, trying again later", "error", err)
	}
	r.tell(ctx, changed)
}

// compiled gives the record of the module's compiled code, which it has made unless another process has made it in
// the meantime.
func (r *Registry) compiled(ctx context.Context, e *entry) (*wire.Record, error) {
	dir := r.folder(e)
	if err := disk.MkdirAll(disk.OS, dir, 0o700); err != nil {
		return nil, fmt.Errorf("compile: %w", err)
	}
	unlock, err := lockFolder(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("compile: %w", err)
	}
	defer unlock()
	r.mu.Lock()
	stale := e.stale
	r.mu.Unlock()
	if rec, ok := r.recordOf(e); ok && !stale {
		return rec, nil
	}
	b, err := r.original(e)
	if err != nil {
		return nil, fmt.Errorf("compile: %w", err)
	}
	if err := r.compileIn(ctx, e, dir, b); err != nil {
		r.noteRejection(ctx, e, err)
		return nil, err
	}
	rec, ok := r.recordOf(e)
	if !ok {
		return nil, errors.New("compile: the worker left no record")
	}
	return rec, nil
}

// lockFolder keeps other processes from compiling into the same folder.
func lockFolder(ctx context.Context, dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("lock folder: %w", err)
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		t := time.NewTimer(lockPoll)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			_ = f.Close()
			return nil, fmt.Errorf("lock folder: %w", context.Cause(ctx))
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			_ = f.Close()
			return nil, fmt.Errorf("lock folder: %w", err)
		}
	}
}

// compileIn runs a compile worker.
func (r *Registry) compileIn(ctx context.Context, e *entry, dir string, wasm []byte) error {
	file, err := wire.MemFile("wayside-module", wasm)
	if err != nil {
		return fmt.Errorf("compile: %w", err)
	}
	defer file.Close()
	setup := &wire.Setup{
		Role: wire.RoleCompile, Dir: dir, SHA256: e.sha, MemoryMiB: r.limitsOf(e).MemoryMiB,
		DataMiB: r.cfg.dataMiB(r.cfg.Limits.CompileMiB), Sandbox: !r.cfg.Sandbox.Off,
		CPUSeconds:   int((r.cfg.Limits.Compile + time.Second - 1) / time.Second),
		NeedManifest: e.manifest.Load() == nil, PlainInit: r.cfg.plainInit, HeapMiB: compileHeapMiB, Module: r.cfg.Limits.wire(),
		Golden: e.source != BuiltIn,
	}
	w, err := startProc(ctx, &r.cfg, r.launcher, setup, e.id(), file, func(*proc) {})
	if err != nil {
		return fmt.Errorf("compile: %w", err)
	}
	reason := "compiled"
	defer func() {
		w.dispose()
		r.cfg.Recorder.WorkerEnded(e.id(), reason)
	}()
	defer context.AfterFunc(ctx, w.kill)()
	if err := w.sock.SetDeadline(time.Now().Add(compilePatience * r.cfg.Limits.Compile)); err != nil {
		return fmt.Errorf("compile: %w", err)
	}
	out, doing, err := r.followCompile(ctx, w, e, wasm)
	if err != nil {
		reason = "failed"
		return r.compileEnd(ctx, w, doing, err)
	}
	switch {
	case out.Rejected != "":
		return errcode.New(errcode.PluginRejected, clip(out.Rejected))
	case out.Error != "":
		return fmt.Errorf("compile: %s", clip(out.Error))
	}
	return nil
}

// compileEnd judges a compile worker that did not answer. doing is what it said last that it is at.
func (r *Registry) compileEnd(ctx context.Context, w *proc, doing string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("compile: %w", context.Cause(ctx))
	}
	if errcode.Is(err, errcode.PluginRejected) || errors.Is(err, wire.ErrProtocol) {
		return fmt.Errorf("compile: %w", err)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errcode.Wrap(errcode.PluginRejected, err, fmt.Sprintf("compiling took longer than %s%s", compilePatience*r.cfg.Limits.Compile, doing))
	}
	death, said := w.death(err), w.stderr.String()
	if w.spent() >= r.cfg.Limits.Compile/2 { // RLIMIT_CPU has ended it; what is accounted here lags behind
		return errcode.Wrap(errcode.PluginRejected, death, fmt.Sprintf("compiling takes longer than %s%s", r.cfg.Limits.Compile, doing))
	}
	// A Go program that is refused memory does not always get to say so: it may fault where it did not expect it.
	faulted := !w.killed() && w.peak() >= int64(r.cfg.Limits.CompileMiB)<<20/2
	if faulted || strings.Contains(said, "out of memory") || strings.Contains(said, "cannot allocate memory") {
		return errcode.Wrap(errcode.PluginRejected, death, fmt.Sprintf("compiling needs more than %d MiB%s", r.cfg.Limits.CompileMiB, doing))
	}
	if w.killed() {
		death = errors.Join(errKilled, death)
	}
	return errcode.Wrap(errcode.PluginRejected, death, "compiling ended the worker"+doing+": "+death.Error())
}

// errKilled says that a compile worker was killed, not by us and for no limit of ours. Most likely the machine had too
// little memory at that moment, which says nothing about the module until it has happened again and again.
var errKilled = errors.New("killed from outside")

// recompile has a module compiled again whose compiled code cannot be loaded, and waits for it.
func (r *Registry) recompile(ctx context.Context, e *entry) (*entry, error) {
	r.mu.Lock()
	if e.state == Active {
		e.record, e.stale = nil, true
		e.open()
		r.now.Store(r.resolve())
	}
	r.mu.Unlock()
	return r.wait(ctx, e.sha)
}
