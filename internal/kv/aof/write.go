package aof

import (
	"encoding/binary"
	"fmt"
	"time"
)

// take gives the whole groups that are waiting to be written and the position behind them.
func (l *Log) take() ([]byte, int64) {
	l.engine.Lock()
	defer l.engine.Unlock()
	f := &l.frames
	out := f.buf
	f.buf = l.spare[:0]
	if f.open { // a script lets others in before it has ended
		f.buf = append(f.buf, out[f.from:]...)
		out = out[:f.from]
		f.from = 0
	}
	l.spare = nil
	l.taken += int64(len(out))
	return out, l.taken
}

// write writes what is waiting and flushes it as the policy has it.
func (l *Log) write(now time.Time) {
	if l.doubtful { // a new base will hold it
		return
	}
	if len(l.unwritten) > 0 {
		if !l.again() {
			return
		}
	}
	b, pos := l.take()
	if len(b) > 0 && !l.put(b, pos) {
		return
	}
	if cap(b) <= frameBytes {
		l.spare = b
	}
	policy := l.Settings().Policy
	if l.dirty && (policy == Always || policy == EverySecond && now.Sub(l.synced) >= flushEvery) {
		if err := l.flush(); err != nil {
			l.doubt(err)
			return
		}
		l.dirty, l.synced = false, now
		l.mu.Lock()
		l.status.Flushes++
		l.mu.Unlock()
	}
	l.advance(pos, !l.dirty)
}

// flush has the open log on the disk.
func (l *Log) flush() error {
	began := time.Now()
	err := l.file.Sync()
	if l.cfg.Recorder != nil {
		l.cfg.Recorder.LogFlushed(time.Since(began))
	}
	return err //nolint:wrapcheck // callers say what it was for
}

// put writes to the open log; false if it could not be written whole. What was not is kept.
func (l *Log) put(b []byte, pos int64) bool {
	n, err := l.file.Write(b)
	l.dirty = l.dirty || n > 0
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

// again writes what could not be written into the next log: the one before ends within a frame.
func (l *Log) again() bool {
	f, seq, err := l.create()
	if err != nil {
		l.fail(err)
		return false
	}
	if l.dirty {
		if err := l.flush(); err != nil {
			l.doubt(err)
		}
	}
	_ = l.file.Close() // what it holds was flushed, or is written anew
	l.keepOld()
	l.file, l.seq = f, seq
	if l.doubtful {
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

// doubt is called when a flush has failed: the kernel may have dropped what was to be saved, so only a new base helps.
func (l *Log) doubt(err error) {
	l.doubtful, l.nextTry = true, time.Time{}
	l.fail(fmt.Errorf("flush the log: %w", err))
}

// fail remembers that effects do not reach the disk.
func (l *Log) fail(err error) {
	l.mu.Lock()
	first := l.status.Failure == nil
	l.status.Failure = err
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
	l.status.Backlog = backlog
	l.status.Size, l.status.BaseSize = l.baseBytes+l.logBytes, l.baseBytes
	if l.written == pos && (!safe || l.safe == pos) {
		return
	}
	l.written = pos
	if safe {
		l.safe = pos
	}
	close(l.moved)
	l.moved = make(chan struct{})
}

func (l *Log) note() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status.Size, l.status.BaseSize = l.baseBytes+l.logBytes, l.baseBytes
	l.status.Rewriting = l.rewrite != nil
}
