package observe

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// The load is that of the time between looks, however many look, and of the machine's life before the first.
func TestLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy, total := 25.0, 100.0
		l := newLoad(func() (float64, float64, bool) { return busy, total, true })
		want := func(percent float64) {
			t.Helper()
			if got, ok := l.percent(); !ok || got != percent {
				t.Errorf("%v (%v), want %v", got, ok, percent)
			}
		}
		want(25)
		busy, total = 26, 101
		want(25) // too soon
		time.Sleep(loadEvery)
		want(100)
		busy, total = 26, 103
		want(100) // somebody else has just looked
		time.Sleep(loadEvery)
		want(0)
		time.Sleep(loadEvery)
		want(0) // the counters stand still
		busy, total = 20, 200
		want(0) // they went back
	})
}

// A machine that hides its processors has no load, rather than one of 0.
func TestLoadUnknown(t *testing.T) {
	l := newLoad(func() (float64, float64, bool) { return 0, 0, false })
	if got, ok := l.percent(); ok {
		t.Errorf("it is %v", got)
	}
}

// Disks are counted once: no partitions, nothing that lies on others, nothing in memory.
func TestOwnDisk(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"sda", "dm-0/slaves/sda", "md0/slaves", "loop0", "ram1", "zram0", "cciss!c0d0"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]bool{
		"sda": true, "sda1": false, "dm-0": false, "md0": true, "loop0": false, "ram1": false, "zram0": false, "cciss/c0d0": true,
	} {
		if got := ownDisk(dir, name); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}
