package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wayside-edge/wayside/internal/config"
	"github.com/wayside-edge/wayside/internal/disk"
)

// Limits of the measurement of flushes, which every 2xx of an upload waits for.
const (
	flushes    = 64
	flushBytes = 4096
	flushTime  = time.Second
	slowFlush  = 30 * time.Millisecond
)

// checkData looks at the data folder: whether it can be used, how much is free, how quickly it keeps things.
func checkData(cfg config.Config) []finding {
	const check = "data folder"
	dir := cfg.Data.Dir
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		above, err := existing(dir)
		if err != nil {
			return []finding{fail(check, "name another one with --data-dir", "%s: %v", dir, err)}
		}
		if unix.Access(above, unix.W_OK|unix.X_OK) != nil {
			return []finding{fail(check, "make it for the user of the appliance, or name another one with --data-dir",
				"%s does not exist and %s is not writable", dir, above)}
		}
		return append([]finding{ok(check, "%s does not exist yet; the first start makes it", dir)}, checkSpace(above, cfg)...)
	case err != nil:
		return []finding{fail(check, "name another one with --data-dir", "%v", err)}
	case !info.IsDir():
		return []finding{fail(check, "name another one with --data-dir", "%s is no folder", dir)}
	}
	findings := []finding{checkWritable(dir, info), checkFormat(dir)}
	findings = append(findings, checkSpace(dir, cfg)...)
	return append(findings, checkFlush(dir))
}

// existing gives the nearest folder above dir that exists.
func existing(dir string) (string, error) {
	for {
		dir = filepath.Dir(dir)
		info, err := os.Stat(dir)
		switch {
		case err == nil && info.IsDir():
			return dir, nil
		case err == nil:
			return "", fmt.Errorf("%s is no folder", dir)
		case !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir):
			return "", fmt.Errorf("look at folder: %w", err)
		}
	}
}

func checkWritable(dir string, info fs.FileInfo) finding {
	const check = "data folder"
	f, err := os.CreateTemp(dir, ".doctor-")
	if err != nil {
		return fail(check, "run doctor as the user of the appliance, or give that user the folder", "%s is not writable: %v", dir, err)
	}
	if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
		return fail(check, "look at the disk: dmesg", "%s: %v", dir, err)
	}
	if mode := info.Mode().Perm(); mode&0o007 != 0 {
		return warn(check, fmt.Sprintf("chmod o= %s", dir), "%s is writable, but other users can read it (mode %04o)", dir, mode)
	}
	return ok(check, "%s is writable", dir)
}

// checkFormat reads the layout version of the data folder. The appliance itself refuses one that is too new.
func checkFormat(dir string) finding {
	const check = "data layout"
	data, err := os.ReadFile(filepath.Join(dir, "FORMAT"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ok(check, "new: the first start writes it")
	case err != nil:
		return fail(check, "run doctor as the user of the appliance", "%v", err)
	}
	return ok(check, "version %.40s", strings.TrimSpace(string(data)))
}

func checkSpace(dir string, cfg config.Config) []finding {
	const check = "free space"
	free, total, err := disk.OS.Free(dir)
	if err != nil {
		return []finding{warn(check, "look at the disk: df", "not known: %v", err)}
	}
	reserve := int64(cfg.Store.Reserve)
	text := fmt.Sprintf("%d MiB of %d MiB, of which store.reserve keeps %s", free>>20, total>>20, cfg.Store.Reserve)
	switch {
	case free <= reserve:
		return []finding{fail(check, "free some, or lower store.reserve: nothing new is taken now (507)", "%s", text)}
	case free < 2*reserve:
		return []finding{warn(check, "free some soon", "%s", text)}
	}
	return []finding{ok(check, "%s", text)}
}

// checkFlush measures how long the disk takes to keep a small write.
func checkFlush(dir string) finding {
	const check = "disk flush"
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err == nil && (st.Type == unix.TMPFS_MAGIC || st.Type == unix.RAMFS_MAGIC) {
		return warn(check, "use a folder on a disk for recordings that must last", "the data folder is in memory: nothing in it survives a power cut")
	}
	times, err := measureFlush(dir)
	if err != nil {
		return fail(check, "look at the disk: dmesg", "%v", err)
	}
	slices.Sort(times)
	median, worst := times[len(times)/2], times[len(times)-1]
	text := fmt.Sprintf("median %s, longest %s (%d writes of 4 KiB)",
		median.Round(10*time.Microsecond), worst.Round(10*time.Microsecond), len(times))
	if median > slowFlush {
		return warn(check, "each upload waits for several of these: use a faster disk, or many clients at once", "%s", text)
	}
	return ok(check, "%s", text)
}

func measureFlush(dir string) (times []time.Duration, err error) {
	f, err := os.CreateTemp(dir, ".doctor-")
	if err != nil {
		return nil, fmt.Errorf("measure flush: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	block := make([]byte, flushBytes)
	for begin := time.Now(); len(times) < flushes && time.Since(begin) < flushTime; {
		began := time.Now()
		if _, err := f.Write(block); err != nil {
			return nil, fmt.Errorf("measure flush: %w", err)
		}
		if err := disk.Datasync(f); err != nil {
			return nil, fmt.Errorf("measure flush: %w", err)
		}
		times = append(times, time.Since(began))
	}
	return times, nil
}
