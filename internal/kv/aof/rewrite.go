package aof

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/wayside-edge/wayside/internal/disk"
)

// rewriting is a compaction that runs.
type rewriting struct {
	begun   time.Time
	file    disk.File
	path    string // where it will be
	size    int64
	flushed int64
	old     []string // what the new base makes needless
}

// due says whether the logs have grown enough.
func (l *Log) due(now time.Time) bool {
	if now.Before(l.nextTry) {
		return false
	}
	set := l.Settings()
	return l.doubtful || set.RewriteGrowth > 0 && l.logBytes > set.RewriteSize && float64(l.logBytes) > float64(l.baseBytes)*float64(set.RewriteGrowth)/100
}

// keepOld has the open log removed by the next compaction.
func (l *Log) keepOld() {
	if path := filepath.Join(l.cfg.Dir, name(l.seq, logSuffix)); !slices.Contains(l.old, path) {
		l.old = append(l.old, path)
	}
}

// rewriteBegin opens the next log and, under the lock that makes it the one in use, begins the copy of the keyspace.
func (l *Log) rewriteBegin() {
	if len(l.unwritten) > 0 && !l.doubtful {
		return // the log comes first
	}
	fresh, seq, err := l.create()
	if err != nil {
		l.rewriteFailed(err)
		return
	}
	tmp, err := l.fs.OpenFile(filepath.Join(l.cfg.Dir, name(seq, baseSuffix)+tempSuffix), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		l.keepOld()
		l.rewriteFailed(errors.Join(fmt.Errorf("begin a base: %w", err), fresh.Close(), l.fs.Remove(filepath.Join(l.cfg.Dir, name(seq, logSuffix)))))
		return
	}
	l.keepOld()
	l.rewrite = &rewriting{begun: time.Now(), file: tmp, path: filepath.Join(l.cfg.Dir, name(seq, baseSuffix)), old: slices.Clone(l.old)}

	l.engine.Lock()
	if l.frames.open { // a script that others were let in beside: not now
		l.engine.Unlock()
		l.rewriteStop(nil)
		l.switchTo(fresh, seq)
		return
	}
	rest := l.frames.buf
	l.frames.buf, l.frames.db = nil, -1
	l.taken += int64(len(rest))
	pos := l.taken
	l.base = framer{db: -1}
	l.base.buf = append(l.base.buf, magic...)
	l.copy = l.engine.Copy(l.emit)
	l.engine.Unlock()

	if l.doubtful { // what is in memory is more than what the logs have; the base will have it
		l.switchTo(fresh, seq)
		l.unwritten = nil
		return
	}
	if len(rest) > 0 && !l.put(rest, pos) {
		l.rewriteStop(nil)
		_ = fresh.Close() // empty, and found at the next start
		return
	}
	if err := l.flush(); err != nil {
		l.rewriteStop(nil)
		_ = fresh.Close()
		l.doubt(err)
		return
	}
	l.dirty = false
	l.switchTo(fresh, seq)
	l.advance(pos, true)
	l.note()
}

// switchTo makes a log the one that is written.
func (l *Log) switchTo(f disk.File, seq int) {
	_ = l.file.Close() // it was flushed, or is in doubt anyway
	l.file, l.seq = f, seq
}

// emit takes a command of the copy, under the engine's lock.
func (l *Log) emit(db int, args [][]byte) {
	if slices.Contains(l.cfg.Volatile, db) {
		return
	}
	l.base.add(db, args)
	l.base.close(0)
}

// rewriteStep copies some items.
func (l *Log) rewriteStep() {
	l.engine.Lock()
	more := l.copy.Step(copyStep)
	b := l.base.buf
	l.base.buf = nil
	l.engine.Unlock()
	r := l.rewrite
	n, err := r.file.Write(b)
	r.size += int64(n)
	if w, ok := r.file.(disk.Writeback); ok && err == nil && r.size-r.flushed > writeback {
		w.StartWriteback(r.flushed, r.size-r.flushed)
		r.flushed = r.size
	}
	if err != nil {
		l.rewriteStop(fmt.Errorf("write a base: %w", err))
		return
	}
	if !more {
		l.rewriteEnd()
	}
}

// rewriteEnd makes the base the one that counts and removes what is older.
func (l *Log) rewriteEnd() {
	r := l.rewrite
	err := r.file.Sync()
	if err = errors.Join(err, r.file.Close()); err == nil {
		err = disk.Rename(l.fs, r.path+tempSuffix, r.path)
	}
	if err != nil {
		l.rewrite = nil
		l.copy = nil
		l.rewriteFailed(errors.Join(fmt.Errorf("end a base: %w", err), l.fs.Remove(r.path+tempSuffix)))
		return
	}
	for _, path := range r.old {
		if err := l.fs.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			l.log.Warn("kv_log_not_removed", "error", err.Error()) // the next start tries again
		}
	}
	l.old = slices.DeleteFunc(l.old, func(p string) bool { return slices.Contains(r.old, p) })
	l.old = append(l.old, r.path)
	l.baseBytes, l.logBytes = r.size, sizeOf(filepath.Join(l.cfg.Dir, name(l.seq, logSuffix)))
	l.rewrite, l.copy = nil, nil
	l.mu.Lock()
	l.status.Rewrites++
	l.status.RewriteErr, l.status.RewriteTook = nil, time.Since(r.begun)
	l.mu.Unlock()
	if l.doubtful {
		l.doubtful = false
		l.recovered()
	}
	l.note()
}

// rewriteStop gives a compaction up.
func (l *Log) rewriteStop(err error) {
	r := l.rewrite
	if r == nil {
		return
	}
	l.engine.Lock()
	if l.copy != nil {
		l.copy.Stop()
	}
	l.copy = nil
	l.base = framer{db: -1}
	l.engine.Unlock()
	l.rewrite = nil
	left := errors.Join(r.file.Close(), l.fs.Remove(r.path+tempSuffix))
	if err != nil {
		l.rewriteFailed(errors.Join(err, left))
	}
	l.note()
}

func (l *Log) rewriteFailed(err error) {
	l.nextTry = time.Now().Add(restAfter)
	if l.doubtful {
		l.nextTry = time.Now().Add(5 * retryEvery)
	}
	l.log.Error("kv_log_not_compacted", "error", err.Error())
	l.mu.Lock()
	l.status.RewriteErr = err
	l.mu.Unlock()
	l.note()
}
