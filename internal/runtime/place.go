package runtime

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/module"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
	"github.com/wayside-edge/wayside/internal/table"
)

// place is one file that holds a module. All fields but path and source are guarded by Registry.mu.
type place struct {
	path   string // of a built-in module its name
	source Source
	dir    int    // index in Config.Dirs; -1 = built in
	stamp  stamp  // of the file when it was read
	now    *entry // what the file holds
	good   *entry // the last that could be used: it serves while now cannot; nil = none yet
}

// entries gives the modules of a place, what the file holds first.
func (p *place) entries() []*entry {
	if p.good != nil && p.good != p.now {
		return []*entry{p.now, p.good}
	}
	return []*entry{p.now}
}

// entry is one module: the content of a file at a time.
type entry struct {
	sha    string // "" = it could not be read
	file   string // for people
	source Source
	load   func() ([]byte, error)
	size   int // bytes

	manifest atomic.Pointer[module.Manifest] // nil = not known yet
	params   atomic.Pointer[paramSchema]

	// Guarded by Registry.mu.
	state     State
	reason    string
	fatal     bool          // rejected by its bytes: trying again changes nothing
	reread    bool          // rejected because reading failed: the next scan tries again
	parsed    bool          // its file is a module
	asks      bool          // its file has no manifest: the module itself is asked for it
	step      wire.Step     // of its compile, begun last; "" = it was rejected before, or was not begun
	record    *wire.Record  // of compiled code, nil = none
	ready     chan struct{} // closed when state is neither Compiling nor waiting
	stale     bool          // the folder's record is not to be believed
	compiling bool          // somebody compiles it
	wanted    int           // decodes that wait
	killed    int           // compile workers that ended without an explanation, one after the other
	retryAt   time.Time
	signature Signature
	retiredAt time.Time
}

func (e *entry) id() string {
	if m := e.manifest.Load(); m != nil {
		return m.ID
	}
	return e.label()
}

// label names a module whose id is not known: by its file. No id of a manifest has a dot.
func (e *entry) label() string {
	if e.source == Data {
		return filepath.Base(e.file)
	}
	return string(e.source) + ":" + filepath.Base(e.file)
}

func (e *entry) version() string {
	if m := e.manifest.Load(); m != nil {
		return m.Version
	}
	return ""
}

func (e *entry) schemas() []*table.Schema {
	if m := e.manifest.Load(); m != nil {
		return m.Schemas
	}
	return nil
}

// open makes an entry wait for its compile. The caller holds Registry.mu, or nobody else knows the entry.
func (e *entry) open() { e.state, e.reason, e.step, e.ready = Compiling, "", "", make(chan struct{}) }

// reject ends the wait for a module that cannot be used. The same holds for the caller.
func (e *entry) reject(reason string) {
	e.state, e.reason = Rejected, reason
	select {
	case <-e.ready:
	default:
		close(e.ready)
	}
}

// newEntry makes an entry of a file and reads what can be known without running it.
func (r *Registry) newEntry(file string, source Source, load func() ([]byte, error)) *entry {
	e := &entry{file: file, source: source, load: load}
	e.open()
	if err := r.adopt(e); err != nil {
		e.fatal = errcode.Is(err, errcode.PluginRejected)
		e.reread = !e.fatal
		e.reject(err.Error())
	} else if reason, step := r.rejectedBefore(e); reason != "" {
		e.step = step
		e.reject(reason)
	}
	return e
}

// adopt reads what can be known of a module without running it.
func (r *Registry) adopt(e *entry) error {
	b, err := e.load()
	if err != nil {
		return err
	}
	e.sha, e.size = module.Hash(b), len(b)
	r.mu.Lock()
	keys := r.rules.Keys
	r.mu.Unlock()
	e.signature = readSignature(b, keys)
	raw, err := module.EmbeddedManifest(b)
	if err != nil {
		return fmt.Errorf("read module: %w", err)
	}
	e.parsed, e.asks = true, raw == nil
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

// original gives the bytes of a module: from its file, or the copy that was kept when the file has changed since.
func (r *Registry) original(e *entry) ([]byte, error) {
	b, err := e.load()
	if err == nil && module.Hash(b) == e.sha {
		return b, nil
	}
	if kept, kerr := readModule(os.DirFS(r.keptDir()), e.sha+wasmExt, r.cfg.Limits.static().Bytes); kerr == nil && module.Hash(kept) == e.sha {
		return kept, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return nil, errcode.New(errcode.PluginRejected, "the file has changed since it was found")
}

// readModule reads a module that nobody else writes.
func readModule(fsys fs.FS, name string, limit int) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read module: %w", err)
	}
	defer f.Close()
	return readOpen(f, limit)
}

// readFile reads a module from a folder where anybody may have put anything: links are not followed, opening a FIFO or a
// device does not wait, and a file that grows while it is read is not followed without end.
func readFile(path string, limit int) ([]byte, error) {
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return nil, errNoFile() // opening some devices does something
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	switch {
	case errors.Is(err, unix.ELOOP), errors.Is(err, unix.ENXIO), errors.Is(err, unix.ENODEV): // a link, a socket, a device that is not there
		return nil, errNoFile()
	case err != nil:
		return nil, fmt.Errorf("read module: %w", err)
	}
	defer f.Close()
	return readOpen(f, limit)
}

func readOpen(f fs.File, limit int) ([]byte, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read module: %w", err)
	}
	if !st.Mode().IsRegular() {
		return nil, errNoFile()
	}
	size := st.Size()
	if size <= int64(limit) {
		b := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead))
		if _, err := b.ReadFrom(io.LimitReader(f, int64(limit)+1)); err != nil {
			return nil, fmt.Errorf("read module: %w", err)
		}
		if b.Len() <= limit {
			return b.Bytes(), nil
		}
		size = int64(b.Len())
	}
	return nil, errcode.Newf(errcode.PluginRejected, "the module has %d bytes, the limit is %d", size, limit)
}

func errNoFile() error {
	return errcode.New(errcode.PluginRejected, "it is no regular file; links are not followed")
}
