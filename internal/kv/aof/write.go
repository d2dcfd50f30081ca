package aof

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/wayside-edge/wayside/internal/disk"
)

// flush is how far the open log is on the disk. Who waits for nobody flushes aside, so that the log is written while the
// disk takes its time.
type flush struct {
	dirty bool       // there are bytes that no flush covers
	last  time.Time  // when one began
	ended chan error // of the one that runs aside; nil = none
	file  disk.File  // that it flushes
	upTo  int64      // position that it makes safe
}

// take gives the whole groups that are waiting to be written and the position behind them; false if they cannot be written.
func (l *Log) take() (out []byte, pos int64, fits bool) {
	l.engine.Lock()
	defer l.engine.Unlock()
	f := &l.frames
	out, fits = f.buf, !f.long
	f.buf, f.long = l.spare[:0], false
	if f.open { // a script lets others in before it has ended
		f.buf = append(f.buf, out[f.from:]...)
		out = out[:f.from]
		f.from = 0
	}
	l.spare = nil
	l.taken += int64(len(out))
	return out, l.taken, fits
}

// write writes what is waiting and flushes it as the policy has it.
func (l *Log) write(now time.Time) {
	if l.doubtful || l.file == nil && !l.begin() || len(l.unwritten) > 0 && !l.again() {
		l.shed()
		return
	}
	b, pos, fits := l.take()
	if !fits { // a base has it in parts
		l.doubt(l.file, errLong)
		return
	}
	if len(b) > 0 && !l.put(b, pos) {
		return
	}
	if cap(b) <= frameBytes {
		l.spare = b
	}
	policy := l.Settings().Policy
	switch {
	case policy == Always:
		if !l.flushNow() {
			return
		}
	case policy == EverySecond && l.flush.dirty && l.flush.ended == nil && now.Sub(l.flush.last) >= flushEvery:
		l.flushAside(l.file, pos, false)
	}
	l.advance(pos, !l.flush.dirty && l.flush.ended == nil)
}

// sync has a log on the disk.
func (l *Log) sync(f disk.File) error {
	began := time.Now()
	err := f.Sync()
	if l.cfg.Recorder != nil {
		l.cfg.Recorder.LogFlushed(time.Since(began))
	}
	return err //nolint:wrapcheck // callers say what it was for
}

// put writes to the open log; false if it could not be written whole. What was not is kept.
func (l *Log) put(b []byte, pos int64) bool {
	n, err := l.file.Write(b)
	l.flush.dirty = l.flush.dirty || n > 0
	if err == nil {
		l.logBytes += int64(n)
		return true
	}
	whole := groups(b, n)
	l.logBytes += int64(n)
	l.unwritten, l.upTo = b[whole:], pos
	l.fail(fmt.Errorf("write the log: %w", err))
	return false
}

// groups is how many of the first n bytes are whole groups: what is behind them is cut at the next start.
func groups(b []byte, n int) int {
	good := 0
	for at := 0; at+headBytes <= n; {
		end := at + headBytes + int(binary.LittleEndian.Uint32(b[at:]))
		if end > n {
			break
		}
		if b[at+8]&flagMore == 0 {
			good = end
		}
		at = end
	}
	return good
}

// flushNow makes all that was written safe; false if that cannot be said.
func (l *Log) flushNow() bool {
	l.join()
	if l.flush.dirty && !l.doubtful {
		if err := l.sync(l.file); err != nil {
			l.doubt(l.file, fmt.Errorf("flush the log: %w", err))
		} else {
			l.flush.dirty, l.flush.last = false, time.Now()
			l.countFlush()
		}
	}
	return !l.doubtful
}

// flushAside makes what was written to a log safe up to a position, beside everything else, and may close it then. No
// other flush may run.
func (l *Log) flushAside(f disk.File, pos int64, last bool) {
	ended := make(chan error, 1)
	l.flush = flush{last: time.Now(), ended: ended, file: f, upTo: pos}
	l.aside.Go(func() {
		err := l.sync(f)
		if last {
			_ = f.Close() // it was flushed, or is in doubt anyway
		}
		ended <- err
	})
}

// flushed takes the end of a flush.
func (l *Log) flushed(err error) {
	l.flush.ended = nil
	if err != nil {
		l.doubt(l.flush.file, fmt.Errorf("flush the log: %w", err))
		return
	}
	l.countFlush()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.safe = max(l.safe, l.flush.upTo)
	l.stir()
}

func (l *Log) countFlush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status.Flushes++
}

// join waits for the flush that runs.
func (l *Log) join() {
	if l.flush.ended != nil {
		l.flushed(<-l.flush.ended)
	}
}

// begin begins the log that could not be begun when the disk was full.
func (l *Log) begin() bool {
	f, err := l.create(l.next)
	if err != nil {
		l.fail(err)
		return false
	}
	l.file, l.seq = f, l.next
	l.next++
	l.logBytes += int64(len(magic))
	l.recovered()
	return true
}

// again writes what could not be written into the next log: the one before ends within a frame.
func (l *Log) again() bool {
	f, err := l.create(l.next)
	if err != nil {
		l.fail(err)
		return false
	}
	l.next++
	l.logBytes += int64(len(magic))
	sure := l.flushNow()
	_ = l.file.Close() // what it holds was flushed, or is written anew
	l.keepOld()
	l.file, l.seq, l.flush.dirty = f, l.next-1, false
	if !sure {
		return false
	}
	b := l.unwritten
	l.unwritten = nil
	if !l.put(b, l.upTo) {
		return false
	}
	l.recovered()
	return true
}

// shed bounds what waits in memory while nothing can be written: from some size on it is dropped, and the next base, which
// has it all, is what has to be written first.
func (l *Log) shed() {
	if l.rewrite != nil {
		return // what comes after a base that is being made is needed
	}
	if !l.doubtful {
		l.engine.Lock()
		waiting := len(l.frames.buf) + len(l.unwritten)
		l.engine.Unlock()
		if waiting < mostBacklog {
			return
		}
		l.doubtful, l.nextTry, l.unwritten = true, time.Time{}, nil
	}
	l.take()
}

// doubt is called when a log lacks what it should have: when a flush has failed the kernel may have dropped what was to be saved,
// so only a new base helps. One that is being made helps if the log is older than it.
func (l *Log) doubt(f disk.File, err error) {
	if l.rewrite != nil && l.rewrite.file != nil && f == l.file {
		l.rewrite.stale = true
	}
	l.doubtful, l.nextTry = true, time.Time{}
	l.fail(err)
}

// fail remembers that effects do not reach the disk.
func (l *Log) fail(err error) {
	l.mu.Lock()
	first := l.status.Failure == nil
	l.status.Failure = err
	if first {
		l.stir() // those who only read do not wait any more
	}
	l.mu.Unlock()
	if first {
		l.log.Error("kv_log_failed", "error", err.Error())
	}
}

func (l *Log) recovered() {
	l.mu.Lock()
	was := l.status.Failure
	l.status.Failure = nil
	l.mu.Unlock()
	if was != nil {
		l.log.Info("kv_log_recovered", "after", was.Error())
	}
}

// advance tells who waits how far it is.
func (l *Log) advance(pos int64, safe bool) {
	l.engine.Lock()
	backlog := l.given - pos
	l.engine.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.looked = time.Now()
	l.status.Backlog = backlog
	l.status.Size, l.status.BaseSize = l.baseBytes+l.logBytes, l.baseBytes
	if l.written == pos && (!safe || l.safe == pos) {
		return
	}
	l.written = pos
	if safe {
		l.safe = pos
	}
	l.stir()
}

func (l *Log) note() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status.Size, l.status.BaseSize = l.baseBytes+l.logBytes, l.baseBytes
	l.status.Rewriting = l.rewrite != nil
}
