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
	"strconv"
	"strings"
	"syscall"
	"time"
)

// maxFiles is how many modules of a folder are looked at; the log says that there are others.
const maxFiles = 1000

// stamp tells whether a file may have changed.
type stamp struct {
	size         int64
	mtime, ctime int64
	inode        uint64
	mode         fs.FileMode
}

func stampOf(info fs.FileInfo) stamp {
	s := stamp{size: info.Size(), mtime: info.ModTime().UnixNano(), mode: info.Mode()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		s.ctime, s.inode = st.Ctim.Nano(), st.Ino
	}
	return s
}

// scanMode says which files are read.
type scanMode int

const (
	readChanged scanMode = iota // those that have changed and are quiet
	readAll                     // all, at once
)

// rescan reads what has changed in the folders and makes it count. again is when a file may have become quiet that is
// not yet, 0 = there is none. The caller has the gate.
func (r *Registry) rescan(ctx context.Context, mode scanMode) (again time.Duration) {
	for i := range r.cfg.Dirs {
		wait, err := r.scanDir(ctx, i, mode)
		text := ""
		if err != nil && ctx.Err() == nil {
			text = err.Error()
		}
		if path := r.cfg.Dirs[i].Path; r.news("unread", path, text) {
			r.cfg.Logger.WarnContext(ctx, "plugin folder not read", "folder", path, "error", err)
		}
		if wait > 0 && (again == 0 || wait < again) {
			again = wait
		}
	}
	r.publish(ctx)
	r.dropKept(ctx)
	r.forgetUnused(ctx, time.Now())
	return again
}

// news reports whether there is something to say of a folder that was not said of it the last time: folders are looked
// at again and again. "" = there is nothing. The caller has the gate.
func (r *Registry) news(kind, folder, text string) bool {
	key := kind + " " + folder
	old := r.said[key]
	r.said[key] = text
	return text != "" && text != old
}

// publish makes what the entries say count.
func (r *Registry) publish(ctx context.Context) {
	r.mu.Lock()
	c := r.settle(time.Now())
	r.mu.Unlock()
	r.tell(ctx, c)
	r.signal()
}

// scanDir reads one folder. A folder that does not exist is empty; one that cannot be read leaves all as it was.
func (r *Registry) scanDir(ctx context.Context, dir int, mode scanMode) (again time.Duration, err error) {
	d := r.cfg.Dirs[dir]
	names, err := listModules(d.Path)
	if err != nil {
		return 0, fmt.Errorf("list %s plugins: %w", d.Source, err)
	}
	many := ""
	if len(names) > maxFiles {
		many, names = strconv.Itoa(len(names)), names[:maxFiles]
	}
	if r.news("many", d.Path, many) {
		r.cfg.Logger.WarnContext(ctx, "too many plugins in a folder, the others are left out", "folder", d.Path, "files", many, "limit", maxFiles)
	}
	present := map[string]bool{}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return 0, fmt.Errorf("list %s plugins: %w", d.Source, err)
		}
		path := filepath.Join(d.Path, name)
		present[path] = true
		wait, err := r.look(ctx, dir, path, mode)
		if errors.Is(err, fs.ErrNotExist) {
			delete(present, path)
		}
		if wait > 0 && (again == 0 || wait < again) {
			again = wait
		}
	}
	r.dropMissing(ctx, dir, present)
	r.quiet.keep(filepath.Clean(d.Path), present)
	return again, nil
}

// listModules gives the names of the modules in a folder. Hidden files are someone's temporary ones.
func listModules(dir string) ([]string, error) {
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err //nolint:wrapcheck // the caller says what it is
	}
	var names []string
	for _, f := range files {
		if filepath.Ext(f.Name()) == wasmExt && !strings.HasPrefix(f.Name(), ".") && !f.IsDir() {
			names = append(names, f.Name())
		}
	}
	return names, nil
}

// look reads a file if it has changed and is quiet; wait is when it may be. The error is that of the file's stat.
func (r *Registry) look(ctx context.Context, dir int, path string, mode scanMode) (wait time.Duration, err error) {
	info, err := os.Lstat(path)
	if err != nil {
		return 0, err //nolint:wrapcheck // only whether it exists matters
	}
	st := stampOf(info)
	p, early := r.placeOf(path), false
	if mode == readChanged {
		r.mu.Lock()
		same := p != nil && p.stamp == st && !p.now.reread
		r.mu.Unlock()
		if same {
			r.quiet.forget(path)
			return 0, nil
		}
		if st.size == 0 && st.mode.IsRegular() {
			return 0, nil // somebody has only begun to write
		}
		if wait, early = r.quiet.wait(path, st, time.Now()); wait > 0 {
			return wait, nil
		}
	}
	e := r.read(dir, path)
	if early && e.state == Rejected {
		if wait := r.quiet.doubt(path, time.Now()); wait > 0 {
			return wait, nil // it was closed, and somebody may go on writing
		}
	}
	r.quiet.forget(path)
	r.take(ctx, dir, path, st, e)
	if after, err := os.Lstat(path); err == nil && stampOf(after) != st {
		return r.cfg.Debounce, nil // it changed while it was read
	}
	return 0, nil
}

// read makes an entry of what a file holds now.
func (r *Registry) read(dir int, path string) *entry {
	return r.newEntry(path, r.cfg.Dirs[dir].Source, func() ([]byte, error) { return readFile(path, r.cfg.Limits.static().Bytes) })
}

// take makes the content of a file what the place holds. publish makes it count.
func (r *Registry) take(ctx context.Context, dir int, path string, st stamp, e *entry) {
	d := r.cfg.Dirs[dir]
	p := r.placeOf(path)
	r.mu.Lock()
	fresh := p == nil || p.now.sha != e.sha || e.sha == "" && p.now.reason != e.reason
	switch {
	case p == nil:
		p = &place{path: path, source: d.Source, dir: dir, stamp: st, now: e}
		r.places = append(r.places, p)
		slices.SortStableFunc(r.places, func(a, b *place) int {
			return cmp.Or(cmp.Compare(a.dir, b.dir), func() int {
				if a.dir < 0 {
					return 0
				}
				return cmp.Compare(a.path, b.path)
			}())
		})
	case p.now.sha == e.sha && e.sha != "":
		p.stamp = st // touched, or moved onto itself
	default:
		old := p.now
		if p.good != nil && p.good.sha == e.sha && e.sha != "" {
			e = p.good // what worked is back
		}
		p.stamp, p.now = st, e
		if old != p.good && old != e {
			r.retire(old, time.Now())
		}
	}
	state, reason := r.verdict(e)
	if fresh && state == Rejected {
		r.refused = append(r.refused, e)
	}
	r.mu.Unlock()
	if !fresh {
		return
	}
	log := r.cfg.Logger.With("plugin", e.id(), "file", path, "source", string(d.Source))
	switch {
	case state == Rejected:
		log.WarnContext(ctx, "plugin rejected", "reason", reason)
	case e.signature.State == SignatureNone && r.warns():
		log.WarnContext(ctx, "plugin is not signed", "version", e.version())
	case e.signature.State == SignatureUnknown && r.warns():
		log.WarnContext(ctx, "plugin is signed by an unknown key", "version", e.version(), "key", e.signature.KeyID)
	default:
		log.InfoContext(ctx, "plugin found", "version", e.version())
	}
}

func (r *Registry) warns() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rules.Policy != Ignore
}

func (r *Registry) warnRejected(ctx context.Context, e *entry) {
	r.cfg.Logger.WarnContext(ctx, "plugin rejected", "file", e.file, "source", string(e.source), "reason", e.reason)
}

func (r *Registry) placeOf(path string) *place {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.places, func(p *place) bool { return p.dir >= 0 && p.path == path })
	if i < 0 {
		return nil
	}
	return r.places[i]
}

// dropMissing lets go of the modules of a folder whose files are gone.
func (r *Registry) dropMissing(ctx context.Context, dir int, present map[string]bool) {
	r.mu.Lock()
	var gone []*place
	r.places = slices.DeleteFunc(r.places, func(p *place) bool {
		if p.dir != dir || present[p.path] {
			return false
		}
		gone = append(gone, p)
		for _, e := range p.entries() {
			r.retire(e, time.Now())
		}
		return true
	})
	r.mu.Unlock()
	for _, p := range gone {
		r.quiet.forget(p.path)
		r.cfg.Logger.InfoContext(ctx, "plugin removed", "plugin", p.now.id(), "file", p.path)
	}
}
