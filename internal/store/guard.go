package store

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/wayside-edge/wayside/internal/disk"
)

// guard keeps the disk from running full under the engine, which would be a SIGBUS in a memory map and not an error.
//
// Three marks: above the reserve all goes. Below it only essential work does, down to the floor, which is what the
// engine itself may need to flush and to open again. When essential work meets the floor the ballast file is
// released, once. It is made again when the disk has room.
type guard struct {
	fs      disk.FS
	dir     string
	reserve int64
	floor   int64
	size    int64 // of the ballast, 0 = none
	path    string
	log     *slog.Logger
	notify  func(low bool)
	low     atomic.Bool

	ballastMu sync.Mutex // guards ballast and the file
	ballast   bool
}

// leastReserve is the least reserve, in memory tables: a log and a table. With less the engine itself would meet the
// end of the disk, in a memory map.
const leastReserve = 3

func newGuard(cfg Config) *guard {
	g := &guard{
		fs:      cfg.FS,
		dir:     cfg.Dir,
		reserve: cfg.Reserve,
		// A log of twice the memory table is made on every rotation and open, a table of its size on every flush,
		// and a compaction holds its result beside its input for a moment. The first two are needed with any reserve.
		floor:  min(4*cfg.MemTableSize, max(cfg.Reserve/2, leastReserve*cfg.MemTableSize)),
		size:   max(cfg.Ballast, 0),
		path:   filepath.Join(cfg.Dir, "ballast"),
		log:    cfg.Logger,
		notify: cfg.OnLowSpace,
	}
	if st, err := os.Stat(g.path); err == nil {
		g.ballast = st.Size() == g.size
	}
	return g
}

// measure asks for the free space and notes whether it is low.
func (g *guard) measure() (free, total int64, err error) {
	free, total, err = g.fs.Free(g.dir)
	if err != nil {
		return 0, 0, fmt.Errorf("ask for free space: %w", err)
	}
	low := free < g.reserve
	if g.low.CompareAndSwap(!low, low) {
		if low {
			g.log.Warn("disk reserve reached", "free_bytes", free, "reserve_bytes", g.reserve)
		} else {
			g.log.Info("disk space is back", "free_bytes", free, "reserve_bytes", g.reserve)
		}
		g.notify(low)
	}
	return free, total, nil
}

// check admits n bytes of ordinary work.
func (g *guard) check(n int64) error {
	free, _, err := g.measure()
	if err != nil {
		return failed(err)
	}
	return g.ordinary(free, n)
}

func (g *guard) ordinary(free, n int64) error {
	if free-n < g.reserve {
		return diskFull(fmt.Errorf("%d bytes free, %d wanted, %d in reserve", free, n, g.reserve))
	}
	return nil
}

// essential admits n bytes of finishing work when free bytes are left, and tells how much is free afterwards.
func (g *guard) essential(free, n int64) (int64, error) {
	if free-n >= g.floor {
		return free, nil
	}
	g.release()
	free, _, err := g.measure()
	if err != nil {
		return 0, failed(err)
	}
	if free-n < g.floor {
		return free, diskFull(fmt.Errorf("%d bytes free, %d wanted, the last %d are for the database itself", free, n, g.floor))
	}
	return free, nil
}

// admitOpen makes sure that opening or closing the engine has room for what it writes.
func (g *guard) admitOpen() error {
	free, _, err := g.measure()
	if err != nil {
		return failed(err)
	}
	_, err = g.essential(free, 0)
	return err
}

func (g *guard) hasBallast() bool {
	g.ballastMu.Lock()
	defer g.ballastMu.Unlock()
	return g.ballast
}

// roomy is the free space from which on all is as usual again: some more than the reserve, lest it goes to and fro.
func (g *guard) roomy() int64 { return g.reserve + g.reserve/10 }

func (g *guard) release() {
	g.ballastMu.Lock()
	defer g.ballastMu.Unlock()
	if !g.ballast {
		return
	}
	g.ballast = false
	if err := os.Remove(g.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		g.log.Error("disk ballast could not be released", "error", err)
		return
	}
	g.log.Warn("disk ballast released", "bytes", g.size)
}

// refill makes the ballast again once there is room for it beside the reserve.
func (g *guard) refill() {
	if g.size == 0 || g.hasBallast() {
		return
	}
	free, _, err := g.measure()
	if err != nil || free < max(g.roomy(), g.reserve+g.size) {
		return
	}
	g.ballastMu.Lock()
	defer g.ballastMu.Unlock()
	if g.ballast {
		return
	}
	if err := disk.Allocate(g.path, g.size); err != nil {
		g.log.Warn("disk ballast could not be made", "error", err)
		return
	}
	g.ballast = true
}
