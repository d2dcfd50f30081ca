package runtime

import (
	"bytes"
	"os"
	"path"
	"path/filepath"
	"strconv"
)

const (
	// sparedMiB is what two compile workers leave to everything else.
	sparedMiB  = 256
	meminfo    = "/proc/meminfo"
	ownCgroup  = "/proc/self/cgroup"
	cgroupRoot = "/sys/fs/cgroup"
)

// roomForTwo reports whether two compile workers may have all the memory they are allowed, on this machine and in the
// control groups that this process is in. It is asked before the first one has taken its own, so it counts both.
func roomForTwo(compileMiB int) bool {
	need := int64(2*compileMiB+sparedMiB) << 20
	b, err := os.ReadFile(meminfo)
	if err != nil {
		return false
	}
	if free, ok := availableIn(b); !ok || free < need {
		return false
	}
	own, err := os.ReadFile(ownCgroup)
	return err != nil || cgroupHasRoom(cgroupRoot, own, need)
}

// availableIn reads MemAvailable out of /proc/meminfo.
func availableIn(b []byte) (size int64, ok bool) {
	for line := range bytes.Lines(b) {
		fields := bytes.Fields(line)
		if len(fields) >= 2 && string(fields[0]) == "MemAvailable:" {
			kib, err := strconv.ParseInt(string(fields[1]), 10, 64)
			return kib << 10, err == nil
		}
	}
	return 0, false
}

// cgroupHasRoom reports whether no control group (version 2) from the process's own up to the root has a limit that
// need does not fit below. What cannot be read is no limit. Pages of files count as used there: they make the answer more
// careful than it would have to be.
func cgroupHasRoom(root string, own []byte, need int64) bool {
	_, rel, ok := bytes.Cut(own, []byte("0::"))
	if !ok {
		return true
	}
	line, _, _ := bytes.Cut(rel, []byte{'\n'})
	for dir := path.Clean("/" + string(line)); ; dir = path.Dir(dir) {
		for _, name := range []string{"memory.max", "memory.high"} {
			limit, limited := bytesIn(filepath.Join(root, dir, name))
			used, _ := bytesIn(filepath.Join(root, dir, "memory.current"))
			if limited && limit-used < need {
				return false
			}
		}
		if dir == "/" {
			return true
		}
	}
}

// bytesIn reads a file with one number; false = it holds something else, such as max.
func bytesIn(name string) (int64, bool) {
	b, err := os.ReadFile(name) //nolint:gosec // below the root of control groups
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(string(bytes.TrimSpace(b)), 10, 64)
	return n, err == nil
}
