package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	badger "github.com/dgraph-io/badger/v4"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/errcode"
)

// keyNumber holds the number of the last transaction. Keys that begin with a zero byte are the package's own: no space
// can have them.
var keyNumber = []byte("\x00commit")

// handle is one opened Badger database and the readers that use it.
type handle struct {
	bdb     *badger.DB
	wal     *wal
	readers sync.WaitGroup // Add only under engine.mu while the handle is the current one
}

// engine owns the open handle: readers borrow it, the committer writes with it and replaces it after a failure.
type engine struct {
	cfg      Config
	maxBytes int64 // of a transaction
	maxOps   int
	frugal   bool                 // without compaction; the committer's
	flush    func(*os.File) error // disk.Datasync; tests watch it

	mu       sync.Mutex // guards what follows
	current  *handle    // nil: being replaced, broken or closed
	changed  chan struct{}
	err      error // why there is no current handle; nil while it is being replaced
	lastOpen time.Time
}

func newEngine(cfg Config) *engine {
	return &engine{cfg: cfg, flush: disk.Datasync, changed: make(chan struct{})}
}

// open opens Badger after removing what makes it refuse: a crash can leave logs of zero bytes, which hold nothing.
func (e *engine) open() error {
	e.mu.Lock()
	e.lastOpen = time.Now()
	e.mu.Unlock()
	h, err := e.openHandle()
	if err != nil {
		return err
	}
	if e.maxOps == 0 { // the first time, before anyone else reads them; they never change
		e.maxBytes = h.bdb.MaxBatchSize()
		e.maxOps = int(h.bdb.MaxBatchCount())
	}
	e.set(h, nil)
	return nil
}

// set makes h the current handle, or notes why there is none, and wakes the readers that wait for it.
func (e *engine) set(h *handle, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.current, e.err = h, err
	close(e.changed)
	e.changed = make(chan struct{})
}

func (e *engine) openHandle() (*handle, error) {
	// What a killed process wrote is in the log but maybe not on the disk. It is about to become visible: make it last.
	if err := e.flushLogs(); err != nil {
		return nil, fmt.Errorf("flush logs: %w", err)
	}
	bdb, err := e.openRepaired()
	if err != nil {
		return nil, err
	}
	w, err := openWAL(e.cfg, e.flush)
	if err != nil {
		return nil, errors.Join(err, closeBadger(bdb))
	}
	return &handle{bdb: bdb, wal: w}, nil
}

// flushLogs flushes all logs of the closed database.
func (e *engine) flushLogs() error {
	fids, err := logNumbers(e.cfg.Dir)
	if err != nil {
		return err
	}
	for _, fid := range fids {
		f, err := os.Open(logPath(e.cfg.Dir, fid))
		if err != nil {
			return fmt.Errorf("open log: %w", err)
		}
		if err := errors.Join(e.flush(f), f.Close()); err != nil {
			return fmt.Errorf("flush log: %w", err)
		}
	}
	return nil
}

// openRepaired opens Badger, a second time if it fails: a failed attempt may itself leave an empty log.
func (e *engine) openRepaired() (*badger.DB, error) {
	for attempt := 1; ; attempt++ {
		if err := e.removeEmptyLogs(); err != nil {
			return nil, err
		}
		bdb, err := openBadger(e.cfg, e.frugal)
		if err == nil || attempt == 2 {
			return bdb, err
		}
		e.cfg.Logger.Warn("database did not open, trying once more", "error", err)
	}
}

func (e *engine) removeEmptyLogs() error {
	entries, err := os.ReadDir(e.cfg.Dir)
	if err != nil {
		return fmt.Errorf("list database folder: %w", err)
	}
	for _, entry := range entries {
		name := entry.Name()
		if !strings.HasSuffix(name, ".mem") && !strings.HasSuffix(name, ".vlog") {
			continue
		}
		info, err := entry.Info()
		if err != nil || info.Size() != 0 {
			continue
		}
		if err := e.cfg.FS.Remove(filepath.Join(e.cfg.Dir, name)); err != nil {
			return fmt.Errorf("remove empty log: %w", err)
		}
		e.cfg.Logger.Warn("empty database log removed", "name", name)
	}
	return nil
}

// borrow gives the current handle for reading; the caller calls done on its readers. While the engine is being
// reopened it waits.
func (e *engine) borrow() (*handle, error) {
	for {
		e.mu.Lock()
		h, err, changed := e.current, e.err, e.changed
		if h != nil {
			h.readers.Add(1)
		}
		e.mu.Unlock()
		if h != nil {
			return h, nil
		}
		if err != nil {
			return nil, err
		}
		<-changed
	}
}

// broken tells why the engine could not be reopened, nil if it works.
func (e *engine) broken() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err
}

// take withdraws the current handle and waits for its readers.
func (e *engine) take() *handle {
	e.mu.Lock()
	h := e.current
	e.current, e.err = nil, nil
	e.mu.Unlock()
	if h != nil {
		h.readers.Wait()
	}
	return h
}

// reopen replaces the handle: after a failed write, since pages that a failed flush left in memory are no longer to be
// trusted, or to open it with other options.
func (e *engine) reopen() error {
	if h := e.take(); h != nil {
		if err := h.close(); err != nil {
			e.cfg.Logger.Error("database did not close cleanly", "error", err)
		}
	}
	err := e.cfg.Hook(BeforeReopen)
	if err == nil {
		err = e.open()
	}
	if err != nil {
		err = fmt.Errorf("reopen database: %w", err)
		e.cfg.Logger.Error("database could not be reopened", "error", err)
		broken := errcode.Wrap(errcode.Unavailable, err, "the database is not available")
		broken.RetryAfter = retryBroken
		e.set(nil, broken)
		return err
	}
	return nil
}

// writer gives the handle to the committer, trying to reopen a broken engine at most once in retryBroken.
func (e *engine) writer() (*handle, error) {
	e.mu.Lock()
	h, err, wait := e.current, e.err, time.Since(e.lastOpen) < retryBroken
	e.mu.Unlock()
	if h != nil {
		return h, nil
	}
	if wait && err != nil {
		return nil, err
	}
	if err := e.reopen(); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.current, nil
}

func (e *engine) close() error {
	h := e.take()
	e.set(nil, ErrClosed)
	if h == nil {
		return nil
	}
	if err := h.close(); err != nil {
		return fmt.Errorf("close database: %w", err)
	}
	return nil
}

func (h *handle) close() error {
	return errors.Join(h.wal.close(), closeBadger(h.bdb))
}

// apply writes ops and the number of the transaction, not yet durably.
func (h *handle) apply(ops []op, number uint64) (err error) {
	defer catch(&err)
	txn := h.bdb.NewTransaction(true)
	defer txn.Discard()
	for i := range ops {
		if ops[i].value == nil {
			err = txn.Delete(ops[i].key)
		} else {
			err = txn.Set(ops[i].key, ops[i].value)
		}
		if err != nil {
			return fmt.Errorf("add to transaction: %w", err)
		}
	}
	if err := txn.Set(keyNumber, seal(keyNumber, binary.BigEndian.AppendUint64(nil, number))); err != nil {
		return fmt.Errorf("add commit number: %w", err)
	}
	if err := txn.Commit(); err != nil {
		return fmt.Errorf("commit transaction: %w", err)
	}
	return nil
}

// get reads the value of a full key.
func (h *handle) get(key []byte) (value []byte, err error) {
	defer catch(&err)
	txn := h.bdb.NewTransaction(false)
	defer txn.Discard()
	item, err := txn.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("get: %w", err)
	}
	sealed, err := item.ValueCopy(nil)
	if err != nil {
		return nil, fmt.Errorf("get value: %w", err)
	}
	return unseal(key, sealed)
}

func (e *engine) get(key []byte) ([]byte, error) {
	h, err := e.borrow()
	if err != nil {
		return nil, err
	}
	defer h.readers.Done()
	return h.get(key)
}

// commitNumber reads the number of the last transaction, 0 if there is none.
func (e *engine) commitNumber() (uint64, error) {
	v, err := e.get(keyNumber)
	if errors.Is(err, ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if len(v) != 8 {
		return 0, ErrCorrupt
	}
	return binary.BigEndian.Uint64(v), nil
}

// catch turns a panic of Badger, which damaged tables cause, into ErrCorrupt.
func catch(err *error) {
	if r := recover(); r != nil {
		*err = errcode.Wrap(errcode.Corrupt, fmt.Errorf("badger panicked: %v", r), ErrCorrupt.Text)
	}
}
