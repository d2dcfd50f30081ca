package observe

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/procfs"
	"github.com/prometheus/procfs/blockdevice"
)

// loadEvery is how far apart two looks at the processors have to be: the kernel counts in hundredths of a second.
const loadEvery = time.Second

// load is how busy the processors are between looks at them. Looks that follow each other at once get the same answer, so
// that two who scrape do not halve each other's view.
type load struct {
	read func() (busy, total float64, ok bool)

	mu          sync.Mutex // guards what follows
	at          time.Time
	busy, total float64
	last        float64 // NaN = the machine does not tell
}

// newLoad begins to look. Until it has looked for a second it is the load since the start of the machine.
func newLoad(read func() (busy, total float64, ok bool)) *load {
	l := &load{read: read, at: time.Now(), last: math.NaN()}
	if busy, total, ok := read(); ok && total > 0 {
		l.busy, l.total, l.last = busy, total, 100*busy/total
	}
	return l
}

// percent gives the load since the look before that is at least loadEvery ago.
func (l *load) percent() (percent float64, ok bool) {
	busy, total, ok := l.read()
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); ok && total > l.total && now.Sub(l.at) >= loadEvery {
		l.last = min(max(100*(busy-l.busy)/(total-l.total), 0), 100)
		l.at, l.busy, l.total = now, busy, total
	}
	return l.last, !math.IsNaN(l.last)
}

// sectorBytes is the unit of the kernel's counters, whatever the device has.
const sectorBytes = 512

// diskBytes gives what was read from and written to the disks of the machine: whole ones that lie below no other, so that
// nothing counts twice, and none in memory.
func diskBytes() (read, written float64, ok bool) {
	fs, err := blockdevice.NewDefaultFS()
	if err != nil {
		return 0, 0, false
	}
	all, err := fs.ProcDiskstats()
	if err != nil {
		return 0, 0, false
	}
	for i := range all {
		if !ownDisk("/sys/block", all[i].DeviceName) {
			continue
		}
		ok = true
		read += sectorBytes * float64(all[i].ReadSectors)
		written += sectorBytes * float64(all[i].WriteSectors)
	}
	return read, written, ok
}

// ownDisk reports whether a block device is a disk by itself: no partition, no file, nothing in memory or made of others.
func ownDisk(dir, name string) bool {
	for _, kind := range []string{"loop", "ram", "zram"} {
		if strings.HasPrefix(name, kind) {
			return false
		}
	}
	dir = filepath.Join(dir, strings.ReplaceAll(name, "/", "!"))
	if _, err := os.Stat(dir); err != nil {
		return false
	}
	below, err := os.ReadDir(filepath.Join(dir, "slaves"))
	return err != nil || len(below) == 0
}

// networkBytes gives what all interfaces of the machine have sent and received.
func networkBytes() (sent, received float64, ok bool) {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return 0, 0, false
	}
	devices, err := fs.NetDev()
	if err != nil {
		return 0, 0, false
	}
	for _, d := range devices {
		sent += float64(d.TxBytes)
		received += float64(d.RxBytes)
	}
	return sent, received, len(devices) > 0
}
