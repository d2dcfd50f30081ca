package runtime

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	// rescanEvery is how often the folders are looked at whatever the kernel tells: it tells nothing of folders on
	// other machines, and may lose events. One look costs a stat a file.
	rescanEvery = 30 * time.Second
	// pollEveryBlind is how often, where the kernel tells nothing at all.
	pollEveryBlind = 2 * time.Second
)

// watcher follows the plugin folders for a registry. Its goroutine is watch.
type watcher struct {
	reg     *Registry
	notify  notifier         // nil = the kernel tells nothing
	watched map[string]stamp // folders, as they were when the watch began
	timer   *time.Timer      // to the next scan
	armed   time.Time        // when that is, zero = not at all
}

// watch makes changes of the folders count until ctx ends.
func (r *Registry) watch(ctx context.Context) {
	w := &watcher{reg: r, watched: map[string]stamp{}, timer: time.NewTimer(0)}
	defer w.timer.Stop()
	every := rescanEvery
	notify, err := r.cfg.notify()
	if err != nil {
		every = pollEveryBlind
		r.cfg.Logger.WarnContext(ctx, "plugin folders are looked at now and then: the kernel does not tell of changes", "error", err)
	} else {
		w.notify = notify
		defer func() { _ = notify.Close() }()
	}
	w.follow(ctx)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case ev := <-w.events():
			w.event(ctx, ev)
		case err := <-w.lost():
			r.cfg.Logger.WarnContext(ctx, "changes of plugin folders were missed, looking at all", "error", err)
			w.follow(ctx) // a folder may have gone
			w.arm(0)
		case <-w.timer.C:
			w.armed = time.Time{}
			w.scan(ctx)
		case <-tick.C:
			w.follow(ctx)
			w.scan(ctx)
		}
	}
}

func (w *watcher) events() <-chan folderEvent {
	if w.notify == nil {
		return nil
	}
	return w.notify.Events()
}

func (w *watcher) lost() <-chan error {
	if w.notify == nil {
		return nil
	}
	return w.notify.Lost()
}

// scan reads what has changed.
func (w *watcher) scan(ctx context.Context) {
	release, err := w.reg.enter(ctx)
	if err != nil {
		return // it ends
	}
	again := w.reg.rescan(ctx, readChanged)
	release()
	if again > 0 {
		w.arm(again)
	}
}

// arm makes the next scan come in d, unless one comes sooner.
func (w *watcher) arm(d time.Duration) {
	at := time.Now().Add(d)
	if !w.armed.IsZero() && w.armed.Before(at) {
		return
	}
	w.armed = at
	w.timer.Reset(d)
}

// event takes what the kernel told.
func (w *watcher) event(ctx context.Context, ev folderEvent) {
	if _, folder := w.watched[ev.path]; folder || w.leads(ev.path) || !w.isDir(filepath.Dir(ev.path)) {
		w.follow(ctx) // a folder has come, gone or been moved
		w.arm(w.reg.cfg.Debounce)
		return
	}
	if filepath.Ext(ev.path) != wasmExt {
		return
	}
	q := w.reg.quiet
	switch ev.what {
	case gone:
		q.forget(ev.path)
		w.arm(q.soon())
	case complete:
		q.changed(ev.path, true, time.Now())
		w.arm(q.soon())
	case changed, itself:
		q.changed(ev.path, false, time.Now())
		w.arm(w.reg.cfg.Debounce)
	}
}

// leads reports whether one of the folders is, or would be, at a path or below it.
func (w *watcher) leads(path string) bool {
	for _, d := range w.reg.cfg.Dirs {
		if dir := filepath.Clean(d.Path); dir == path || strings.HasPrefix(dir, path+"/") {
			return true
		}
	}
	return false
}

func (w *watcher) isDir(path string) bool {
	for _, d := range w.reg.cfg.Dirs {
		if filepath.Clean(d.Path) == path {
			return true
		}
	}
	return false
}

// follow makes the kernel tell of every folder, or, of one that does not exist, of the nearest above it. A folder that
// comes between the look and the watch above it is told of by nobody, so it looks again after each watch.
func (w *watcher) follow(ctx context.Context) {
	for w.notify != nil && w.followOnce(ctx) {
	}
}

// followOnce reports whether it has begun to watch a folder.
func (w *watcher) followOnce(ctx context.Context) (began bool) {
	want := map[string]stamp{}
	for _, d := range w.reg.cfg.Dirs {
		for dir := filepath.Clean(d.Path); ; dir = filepath.Dir(dir) {
			if info, err := os.Stat(dir); err == nil && info.IsDir() {
				want[dir] = stamp{inode: stampOf(info).inode}
				break
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	for dir, st := range w.watched {
		if want[dir] != st {
			w.notify.Remove(dir)
			delete(w.watched, dir)
		}
	}
	for dir, st := range want {
		if _, ok := w.watched[dir]; ok {
			continue
		}
		if err := w.notify.Add(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
			w.reg.cfg.Logger.WarnContext(ctx, "plugin folder is looked at now and then only", "folder", dir, "error", err)
			continue
		}
		w.watched[dir], began = st, true
		w.arm(0) // what came before the watch is seen for the first time now, and read when it is quiet
	}
	return began
}
