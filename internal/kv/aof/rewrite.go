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

// rewriting is a compaction that runs: files are begun aside, then the keyspace is copied, then the base is made the one
// that counts, aside again, since the disk may take its time for both.
type rewriting struct {
	since   time.Time
	seq     int
	began   chan begun // while the files are being begun
	held    *begun     // they are, and the copy cannot begin yet
	copying bool
	stale   bool       // the log that began with it lacks something, which it does not have either
	ended   chan error // while the base is being ended
	file    disk.File
	path    string // where it will be
	size    int64
	flushed int64
	old     []string // what the new base makes needless
	spare   []byte   // the buffer that is not being filled
}

// begun are the files of a compaction.
type begun struct {
	log, base disk.File
	err       error
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

// rewriteBegin begins the next log and the base that goes before it.
func (l *Log) rewriteBegin() {
	if (len(l.unwritten) > 0 || l.file == nil) && !l.doubtful {
		l.wanted = true // the log comes first
		return
	}
	seq := l.next
	l.next++
	r := &rewriting{since: time.Now(), seq: seq, began: make(chan begun, 1), path: filepath.Join(l.cfg.Dir, name(seq, baseSuffix))}
	l.rewrite = r
	began := r.began
	l.aside.Go(func() {
		var b begun
		if b.log, b.err = l.create(seq); b.err == nil {
			b.base, b.err = l.fs.OpenFile(r.path+tempSuffix, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
			if b.err != nil {
				b.err = errors.Join(fmt.Errorf("begin a base: %w", b.err), b.log.Close(), l.fs.Remove(filepath.Join(l.cfg.Dir, name(seq, logSuffix))))
			}
		}
		began <- b
	})
	l.note()
}

// rewriteStart makes the next log the one in use and, under the same lock, begins the copy of the keyspace.
func (l *Log) rewriteStart(b begun) {
	r := l.rewrite
	r.began, r.held = nil, nil
	switch {
	case b.err != nil:
		l.rewrite = nil
		l.rewriteFailed(b.err)
		return
	case r.seq < l.seq: // a write failed meanwhile, and a later log has gone on
		l.wanted = true
		l.rewriteDrop(b)
		return
	case l.flush.ended != nil || len(l.unwritten) > 0 && !l.doubtful:
		r.held = &b
		return
	}
	l.engine.Lock()
	if l.frames.open { // a script that others were let in beside: not now
		l.engine.Unlock()
		r.held = &b
		return
	}
	rest, long := l.frames.buf, l.frames.long
	l.frames.buf, l.frames.db, l.frames.long = nil, -1, false
	l.taken += int64(len(rest))
	pos := l.taken
	l.base = framer{db: -1, most: l.frames.most}
	l.base.buf = append(l.base.buf, magic...)
	l.copy = l.engine.Copy(l.emit)
	l.engine.Unlock()

	if long {
		l.doubt(l.file, errLong)
	}
	l.keepOld()
	r.file, r.old, r.copying = b.base, slices.Clone(l.old), true
	if l.doubtful { // what is in memory is more than what the logs have; the base will have it
		if l.file != nil {
			_ = l.file.Close() // in doubt anyway
		}
		l.unwritten, l.flush.dirty = nil, false
	} else if !l.rewriteLeave(rest, pos) {
		l.rewriteAbandon()
		_ = b.log.Close() // empty, and found at the next start
		l.wanted = true
		return
	}
	l.file, l.seq = b.log, r.seq
	l.logBytes += int64(len(magic))
	l.note()
}

// rewriteLeave writes the last of a log and has it flushed and closed; false if that failed.
func (l *Log) rewriteLeave(rest []byte, pos int64) bool {
	if len(rest) > 0 && !l.put(rest, pos) {
		return false
	}
	if l.Settings().Policy != Always {
		l.flushAside(l.file, pos, true)
		l.advance(pos, false)
		return true
	}
	if !l.flushNow() {
		return false
	}
	_ = l.file.Close() // it was flushed
	l.advance(pos, true)
	return true
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
	r := l.rewrite
	b, fits := l.base.buf, !l.base.long
	l.base.buf = r.spare[:0]
	if !more {
		l.copy, l.base.buf = nil, nil
	}
	l.engine.Unlock()
	n, err := 0, errLong
	if fits {
		n, err = r.file.Write(b)
	}
	if r.spare = b; cap(b) > frameBytes {
		r.spare = nil
	}
	r.size += int64(n)
	if w, ok := r.file.(disk.Writeback); ok && err == nil && r.size-r.flushed > writeback {
		w.StartWriteback(r.flushed, r.size-r.flushed)
		r.flushed = r.size
	}
	if err != nil {
		l.rewriteAbandon()
		l.rewriteFailed(fmt.Errorf("write a base: %w", err))
		return
	}
	if !more {
		r.copying, r.ended = false, make(chan error, 1)
		ended := r.ended
		l.aside.Go(func() { ended <- l.rewriteCount(r) })
	}
}

// rewriteCount makes the base the one that counts and removes what is older.
func (l *Log) rewriteCount(r *rewriting) error {
	err := r.file.Sync()
	if err = errors.Join(err, r.file.Close()); err == nil {
		err = disk.Rename(l.fs, r.path+tempSuffix, r.path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("end a base: %w", err), l.fs.Remove(r.path+tempSuffix))
	}
	for _, path := range r.old {
		if err := l.fs.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			l.log.Warn("kv_log_not_removed", "error", err.Error()) // the next start tries again
		}
	}
	return nil
}

// rewriteEnd takes the end of a compaction.
func (l *Log) rewriteEnd(err error) {
	r := l.rewrite
	l.rewrite = nil
	if err != nil {
		l.rewriteFailed(err)
		return
	}
	l.old = slices.DeleteFunc(l.old, func(p string) bool { return slices.Contains(r.old, p) })
	l.old = append(l.old, r.path)
	l.baseBytes, l.logBytes = r.size, sizeOf(filepath.Join(l.cfg.Dir, name(l.seq, logSuffix)))
	l.mu.Lock()
	l.status.Rewrites++
	l.status.RewriteErr, l.status.RewriteTook = nil, time.Since(r.since)
	l.mu.Unlock()
	if l.doubtful && !r.stale { // else another is due
		l.doubtful = false
		l.recovered()
	}
	l.note()
}

// rewriteDrop removes files that were begun for a compaction that will not be.
func (l *Log) rewriteDrop(b begun) {
	r := l.rewrite
	l.rewrite = nil
	if b.err == nil {
		err := errors.Join(b.log.Close(), b.base.Close(), l.fs.Remove(filepath.Join(l.cfg.Dir, name(r.seq, logSuffix))), l.fs.Remove(r.path+tempSuffix))
		if err != nil {
			l.log.Warn("kv_log_not_removed", "error", err.Error()) // the next start tries again
		}
	}
	l.note()
}

// rewriteAbandon gives a compaction up, unless all that is left is to end it: that is waited for.
func (l *Log) rewriteAbandon() {
	r := l.rewrite
	switch {
	case r == nil:
	case r.began != nil:
		l.rewriteDrop(<-r.began)
	case r.held != nil:
		l.rewriteDrop(*r.held)
	case r.ended != nil:
		l.rewriteEnd(<-r.ended)
	default:
		l.engine.Lock()
		if l.copy != nil {
			l.copy.Stop()
		}
		l.copy = nil
		l.base = framer{db: -1}
		l.engine.Unlock()
		l.rewrite = nil
		if err := errors.Join(r.file.Close(), l.fs.Remove(r.path+tempSuffix)); err != nil {
			l.log.Warn("kv_log_not_removed", "error", err.Error()) // the next start tries again
		}
		l.note()
	}
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
