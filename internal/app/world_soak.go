//go:build soak

package app

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/store"
)

// Variables that say how the world of a binary built with the tag soak is worse than the machine's.
const (
	// delayVariable is "LEAST-MOST": every write, flush, rename and removal of recordings and results, and every flush
	// of the database's log, waits a random time between the two. Badger's own reads and writes are out of reach.
	delayVariable = "SOAK_DELAY"
	// clockVariable names a file that holds a duration: how far the wall clock is ahead of the machine's. It may be
	// replaced at any time; without the file the clock is right.
	clockVariable = "SOAK_CLOCK"
)

// openWorld gives the machine with a slow disk and a clock that is set, as the environment says.
func openWorld() (world, error) {
	w := world{fs: disk.OS, now: time.Now}
	if text := os.Getenv(delayVariable); text != "" {
		least, most, err := parseDelay(text)
		if err != nil {
			return w, err
		}
		slow := disk.NewFault(disk.OS)
		for _, op := range []disk.Op{disk.OpTemp, disk.OpWrite, disk.OpSync, disk.OpRename, disk.OpRemove, disk.OpMkdir, disk.OpSyncDir} {
			slow.DelayBetween(op, least, most)
		}
		w.fs = slow
		w.hook = func(p store.Point) error {
			if p == store.BeforeSync {
				time.Sleep(least + rand.N(most-least+1)) //nolint:gosec // a simulation
			}
			return nil
		}
	}
	if path := os.Getenv(clockVariable); path != "" {
		w.now = func() time.Time { return time.Now().Add(offset(path)) }
		w.clock = setClock{start: time.Now(), now: w.now}
	}
	return w, nil
}

func parseDelay(text string) (least, most time.Duration, err error) {
	from, to, _ := strings.Cut(text, "-")
	if least, err = time.ParseDuration(from); err == nil {
		most, err = time.ParseDuration(to)
	}
	if err != nil || least < 0 || most < least {
		return 0, 0, fmt.Errorf("%s: %q is not LEAST-MOST", delayVariable, text)
	}
	return least, most, nil
}

// offset reads how far the clock is ahead. A file that is not there, or is not a duration, is a right clock.
func offset(path string) time.Duration {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	d, err := time.ParseDuration(strings.TrimSpace(string(data)))
	if err != nil {
		return 0
	}
	return d
}

// setClock is the machine's clock with another wall: what elapses does so as ever.
type setClock struct {
	start time.Time
	now   func() time.Time
}

func (c setClock) Wall() time.Time        { return c.now() }
func (c setClock) Elapsed() time.Duration { return time.Since(c.start) }
func (c setClock) Timer(at time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(at - c.Elapsed())
	return t.C, func() { t.Stop() }
}
