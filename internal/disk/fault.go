package disk

import (
	"math/rand/v2"
	"os"
	"sync"
	"syscall"
	"time"
)

// Op names an operation of an FS or of its files, for Fault.
type Op string

// Operations that Fault can make fail.
const (
	OpOpen    Op = "open"
	OpTemp    Op = "temp"
	OpWrite   Op = "write"
	OpSync    Op = "sync"
	OpRename  Op = "rename" // and exchange
	OpRemove  Op = "remove"
	OpMkdir   Op = "mkdir"
	OpSyncDir Op = "syncdir"
	OpFree    Op = "free"
)

// Fault is the fault twin of an FS, for tests and endurance runs: it passes everything on to the FS it wraps until it was told to
// fail, to wait, or to pretend an amount of free space. It is safe for concurrent use.
type Fault struct {
	inner FS

	mu     sync.Mutex // guards what follows
	rules  map[Op]*rule
	calls  map[Op]int
	budget int64 // bytes that can still be written; negative: no limit
	free   int64 // free space to pretend; negative: ask the wrapped FS
}

type rule struct {
	skip  int // calls that still succeed
	times int // failures left; negative: for ever
	err   error
	delay time.Duration
	more  time.Duration // a random part of it is added
}

// NewFault returns a twin of inner without any fault.
func NewFault(inner FS) *Fault {
	return &Fault{inner: inner, rules: map[Op]*rule{}, calls: map[Op]int{}, budget: -1, free: -1}
}

// Fail lets skip further calls of op succeed and the next times calls fail with err; times < 0 is for ever.
func (f *Fault) Fail(op Op, skip, times int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules[op] = &rule{skip: skip, times: times, err: err}
}

// Delay makes every call of op wait for d first.
func (f *Fault) Delay(op Op, d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules[op] = &rule{delay: d}
}

// DelayBetween makes every call of op wait first, each for another time from least to most.
func (f *Fault) DelayBetween(op Op, least, most time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules[op] = &rule{delay: least, more: most - least}
}

// Heal forgets all faults, delays, budgets and pretended space.
func (f *Fault) Heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules, f.budget, f.free = map[Op]*rule{}, -1, -1
}

// Budget lets n more bytes be written; what goes beyond fails with ENOSPC after a short write.
func (f *Fault) Budget(n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.budget = n
}

// SetFree makes Free answer n bytes.
func (f *Fault) SetFree(n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.free = n
}

// Calls tells how often op was called.
func (f *Fault) Calls(op Op) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[op]
}

func (f *Fault) at(op Op, path string) error {
	delay, err := f.next(op)
	if delay > 0 {
		time.Sleep(delay)
	}
	if err != nil {
		return &os.PathError{Op: string(op), Path: path, Err: err}
	}
	return nil
}

// next counts a call of op and gives what is to happen to it.
func (f *Fault) next(op Op) (time.Duration, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[op]++
	r := f.rules[op]
	switch {
	case r == nil:
		return 0, nil
	case r.skip > 0:
		r.skip--
		return 0, nil
	case r.times == 0 || r.err == nil:
		return r.delay + rand.N(r.more+1), nil //nolint:gosec // a simulation
	case r.times > 0:
		r.times--
	}
	return r.delay, r.err
}

// spend takes up to n bytes of the budget.
func (f *Fault) spend(n int) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.budget < 0 {
		return n, nil
	}
	k := int(min(int64(n), f.budget))
	f.budget -= int64(k)
	if k < n {
		return k, syscall.ENOSPC
	}
	return k, nil
}

// OpenFile implements FS.
func (f *Fault) OpenFile(name string, flag int, perm os.FileMode) (File, error) {
	if err := f.at(OpOpen, name); err != nil {
		return nil, err
	}
	file, err := f.inner.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &faultFile{file, f}, nil
}

// CreateTemp implements FS.
func (f *Fault) CreateTemp(dir, pattern string) (File, error) {
	if err := f.at(OpTemp, dir); err != nil {
		return nil, err
	}
	file, err := f.inner.CreateTemp(dir, pattern)
	if err != nil {
		return nil, err
	}
	return &faultFile{file, f}, nil
}

// Rename implements FS.
func (f *Fault) Rename(oldName, newName string) error {
	if err := f.at(OpRename, oldName); err != nil {
		return err
	}
	return f.inner.Rename(oldName, newName)
}

// Exchange implements FS.
func (f *Fault) Exchange(a, b string) error {
	if err := f.at(OpRename, a); err != nil {
		return err
	}
	return f.inner.Exchange(a, b)
}

// Remove implements FS.
func (f *Fault) Remove(name string) error {
	if err := f.at(OpRemove, name); err != nil {
		return err
	}
	return f.inner.Remove(name)
}

// MkdirAll implements FS.
func (f *Fault) MkdirAll(dir string, perm os.FileMode) error {
	if err := f.at(OpMkdir, dir); err != nil {
		return err
	}
	return f.inner.MkdirAll(dir, perm)
}

// SyncDir implements FS.
func (f *Fault) SyncDir(dir string) error {
	if err := f.at(OpSyncDir, dir); err != nil {
		return err
	}
	return f.inner.SyncDir(dir)
}

// Free implements FS.
func (f *Fault) Free(path string) (free, total int64, err error) {
	if err := f.at(OpFree, path); err != nil {
		return 0, 0, err
	}
	free, total, err = f.inner.Free(path)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.free >= 0 {
		free = f.free
	}
	return free, total, err
}

type faultFile struct {
	File
	fault *Fault
}

func (f *faultFile) Write(p []byte) (int, error) {
	if err := f.fault.at(OpWrite, f.Name()); err != nil {
		return 0, err
	}
	k, short := f.fault.spend(len(p))
	n, err := f.File.Write(p[:k])
	if err == nil && short != nil {
		err = &os.PathError{Op: string(OpWrite), Path: f.Name(), Err: short}
	}
	return n, err
}

func (f *faultFile) Sync() error {
	if err := f.fault.at(OpSync, f.Name()); err != nil {
		return err
	}
	return f.File.Sync()
}
