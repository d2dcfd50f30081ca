package store

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/wayside-edge/wayside/internal/disk"
)

// wal flushes the logs into which Badger writes through a memory map. Badger numbers them one by one; a commit goes
// into one log, and before it the log may have been exchanged for the next.
type wal struct {
	dir  string
	log  *slog.Logger
	fid  int
	file *os.File

	flush func(*os.File) error
}

func openWAL(cfg Config, flush func(*os.File) error) (*wal, error) {
	dir := cfg.Dir
	logs, err := logNumbers(dir)
	if err != nil {
		return nil, err
	}
	if len(logs) == 0 {
		return nil, fmt.Errorf("no log in %s", dir)
	}
	w := &wal{dir: dir, log: cfg.Logger, fid: logs[0], flush: flush}
	for _, fid := range logs {
		w.fid = max(w.fid, fid)
	}
	if w.file, err = w.open(w.fid); err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	if err := disk.OS.SyncDir(dir); err != nil {
		return nil, errors.Join(fmt.Errorf("sync database folder: %w", err), w.file.Close())
	}
	return w, nil
}

// sync returns when everything committed is on the disk: it flushes the live log and, if it was exchanged since, the
// ones before it.
func (w *wal) sync() error {
	for {
		if err := w.flush(w.file); err != nil {
			return fmt.Errorf("flush log: %w", err)
		}
		next, err := w.open(w.fid + 1)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("open next log: %w", err)
		}
		_ = w.file.Close() // nothing was written through it: nothing can be lost
		w.fid, w.file = w.fid+1, next
		// Badger does not sync the folder when it makes a log.
		if err := disk.OS.SyncDir(w.dir); err != nil {
			return fmt.Errorf("sync database folder: %w", err)
		}
	}
}

// open opens a log and makes all of it occupy the disk: Badger makes it as a file of holes, and filling one on a full
// disk is a SIGBUS. Not reserving it is no failure, since the guard keeps space free; others could take that away.
func (w *wal) open(fid int) (*os.File, error) {
	f, err := os.OpenFile(logPath(w.dir, fid), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil {
		err = disk.Reserve(f, st.Size())
	}
	if err != nil {
		w.log.Warn("space for the database log could not be reserved", "error", err)
	}
	return f, nil
}

func (w *wal) close() error {
	if err := w.file.Close(); err != nil {
		return fmt.Errorf("close log: %w", err)
	}
	return nil
}

func logPath(dir string, fid int) string { return filepath.Join(dir, fmt.Sprintf("%05d.mem", fid)) }

func logNumbers(dir string) ([]int, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.mem"))
	if err != nil {
		return nil, fmt.Errorf("list logs: %w", err)
	}
	var fids []int
	for _, p := range paths {
		var fid int
		if _, err := fmt.Sscanf(filepath.Base(p), "%05d.mem", &fid); err == nil {
			fids = append(fids, fid)
		}
	}
	return fids, nil
}
