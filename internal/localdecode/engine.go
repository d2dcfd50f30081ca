package localdecode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/runtime"
	"github.com/wayside-edge/wayside/internal/table"
)

// EngineConfig says where decoders come from.
type EngineConfig struct {
	Builtin fs.FS         // *.wasm inside the binary
	Dirs    []runtime.Dir // folders with more
	Cache   string        // folder whose compiled/ keeps compiled decoders for the next run; "" = a temporary one
	Rules   runtime.Rules // about the decoders in Dirs
	Workers int           // default min(cores, 4)
	Logger  *slog.Logger  // nil = discard
}

// Engine is the decoders and the worker processes of one call of the command line. Its goroutines, one that runs the
// registry and one that runs the pool, end with Close.
type Engine struct {
	*runtime.Registry
	pool *runtime.Pool
	temp string // removed by Close; "" = none
	stop context.CancelFunc
	wg   sync.WaitGroup
	errs [2]error // of the two goroutines, read after wg
}

// Open finds the decoders and begins to compile those that are not in the cache.
func Open(ctx context.Context, cfg EngineConfig) (*Engine, error) {
	e := &Engine{}
	compiled, err := e.compiledDir(cfg.Cache)
	if err != nil {
		return nil, err
	}
	conf := runtime.Config{Builtin: cfg.Builtin, Dirs: cfg.Dirs, CompiledDir: compiled, Rules: cfg.Rules, Workers: cfg.Workers, Logger: cfg.Logger}
	reg, err := runtime.OpenRegistry(ctx, conf)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open decoders: %w", err), e.removeTemp())
	}
	e.Registry, e.pool = reg, runtime.NewPool(reg, conf)
	// The two outlive ctx until Close: a decode that is interrupted still needs them to end in good order.
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	e.stop = stop
	e.wg.Go(func() { e.errs[0] = reg.Run(running) })
	e.wg.Go(func() { e.errs[1] = e.pool.Run(running) })
	return e, nil
}

// Decode runs a decode in a worker process.
func (e *Engine) Decode(ctx context.Context, req runtime.Request) (runtime.Result, error) {
	res, err := e.pool.Decode(ctx, req)
	if err != nil {
		return res, fmt.Errorf("run decoder: %w", err)
	}
	return res, nil
}

// Unpack unwraps a file in a worker process.
func (e *Engine) Unpack(ctx context.Context, req runtime.UnpackRequest) (runtime.Unpacked, error) {
	u, err := e.pool.Unpack(ctx, req)
	if err != nil {
		return u, fmt.Errorf("run unpacker: %w", err)
	}
	return u, nil
}

// Recognise finds the decoder of what was unpacked.
func (e *Engine) Recognise(ctx context.Context, u *runtime.Unpacked, out io.ReaderAt, name string, together bool) (runtime.Detection, bool, error) {
	return e.pool.Recognise(ctx, u, out, name, together) //nolint:wrapcheck // says what it is
}

// Prepare says what of it a decoder gets.
func (e *Engine) Prepare(u *runtime.Unpacked, out io.ReaderAt, name string, p runtime.Plugin) (runtime.Prepared, error) {
	return e.pool.Prepare(u, out, name, p) //nolint:wrapcheck // says what it is
}

// Confinement starts a worker for a plugin, if none runs, by decoding one byte, and tells how far it is shut in. What
// the decoder makes of that byte does not matter.
func (e *Engine) Confinement(ctx context.Context, p runtime.Plugin) (runtime.Confinement, error) {
	f, err := unlinked()
	if err != nil {
		return runtime.Confinement{}, err
	}
	defer f.Close()
	if _, err := f.Write([]byte{0}); err != nil {
		return runtime.Confinement{}, fmt.Errorf("write temporary file: %w", err)
	}
	sum, err := digest(ctx, f, 1)
	if err != nil {
		return runtime.Confinement{}, err
	}
	params, err := e.Params(p.ID, nil)
	if err != nil {
		return runtime.Confinement{}, fmt.Errorf("parameters of %s: %w", p.ID, err)
	}
	_, err = e.Decode(ctx, runtime.Request{
		Plugin: p.SHA256, Input: f, Size: 1, SHA256: sum, Params: params, Form: table.NDJSON,
		Create: func(*table.Schema) (*os.File, error) { return unlinked() },
	})
	if err != nil {
		return runtime.Confinement{}, err
	}
	return e.pool.Stats().Confinement, nil
}

// Close ends the workers.
func (e *Engine) Close() error {
	e.stop()
	e.wg.Wait()
	err := errors.Join(e.errs[:]...)
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, e.removeTemp())
}

// compiledDir gives the folder of compiled decoders: that in cache where it can be used, else a temporary one.
func (e *Engine) compiledDir(cache string) (string, error) {
	if cache != "" {
		dir := filepath.Join(cache, "compiled")
		if usable(dir) {
			return dir, nil
		}
	}
	dir, err := os.MkdirTemp("", "wayside-compiled-")
	if err != nil {
		return "", fmt.Errorf("make folder for compiled decoders: %w", err)
	}
	e.temp = dir
	return dir, nil
}

// usable makes dir, closed to others, and reports whether compiled code can be kept in it: it is ours, and nobody else
// can write it, because what lies there is run.
func usable(dir string) bool {
	if err := disk.MkdirAll(disk.OS, dir, 0o700); err != nil {
		return false
	}
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return false
	}
	return st.Mode&unix.S_IFMT == unix.S_IFDIR && int(st.Uid) == os.Geteuid() && st.Mode&0o022 == 0 &&
		unix.Access(dir, unix.R_OK|unix.W_OK|unix.X_OK) == nil
}

func (e *Engine) removeTemp() error {
	if e.temp == "" {
		return nil
	}
	if err := os.RemoveAll(e.temp); err != nil {
		return fmt.Errorf("remove compiled decoders: %w", err)
	}
	return nil
}
