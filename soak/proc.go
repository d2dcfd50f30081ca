package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// process is a process as /proc shows it. Number and start time together are never used twice.
type process struct {
	pid   int
	start string
}

// processOf finds a process; one that has ended and not been waited for does not count.
func processOf(pid int) (process, bool) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, false
	}
	// The name, in brackets, may contain anything.
	_, rest, _ := bytes.Cut(data[bytes.LastIndexByte(data, '(')+1:], []byte(") "))
	f := strings.Fields(string(rest))
	if len(f) < 20 || f[0] == "Z" || f[0] == "X" {
		return process{}, false
	}
	return process{pid: pid, start: f[19]}, true
}

func (p process) alive() bool {
	now, ok := processOf(p.pid)
	return ok && now.start == p.start
}

// children lists the processes that pid has started.
func children(pid int) []process {
	paths, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return nil
	}
	var list []process
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // a thread that ended since
		}
		for f := range strings.FieldsSeq(string(data)) {
			if n, err := strconv.Atoi(f); err == nil {
				if p, ok := processOf(n); ok {
					list = append(list, p)
				}
			}
		}
	}
	return list
}

// usage is what a process holds.
type usage struct {
	pss, rss    int64 // bytes
	anon        int64 // of rss, what is no page of a file
	descriptors int64
	threads     int64
}

func usageOf(pid int) (usage, error) {
	var u usage
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return u, fmt.Errorf("read memory: %w", err)
	}
	for line := range strings.Lines(string(data)) {
		var kb int64
		if _, err := fmt.Sscanf(line, "Pss: %d kB", &kb); err == nil {
			u.pss = kb << 10
		} else if _, err := fmt.Sscanf(line, "Rss: %d kB", &kb); err == nil {
			u.rss = kb << 10
		} else if _, err := fmt.Sscanf(line, "Anonymous: %d kB", &kb); err == nil {
			u.anon = kb << 10
		}
	}
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return u, fmt.Errorf("list descriptors: %w", err)
	}
	u.descriptors = int64(len(fds))
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return u, fmt.Errorf("list threads: %w", err)
	}
	u.threads = int64(len(tasks))
	return u, nil
}

// filesBelow lists the regular files below a folder with their paths relative to it; what vanishes meanwhile is left
// out.
func filesBelow(dir string) ([]string, error) {
	var list []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if e.Type().IsRegular() {
			rel, err := filepath.Rel(dir, path)
			if err != nil {
				return fmt.Errorf("name of %s: %w", path, err)
			}
			list = append(list, rel)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", dir, err)
	}
	return list, nil
}

// bytesBelow adds up what the files below a folder occupy on the disk.
func bytesBelow(dir string) (sum, files int64) {
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error { // errors are of files that vanish
		if err != nil || !e.Type().IsRegular() {
			return nil //nolint:nilerr // see above
		}
		if info, err := e.Info(); err == nil {
			sum += occupied(info)
			files++
		}
		return nil
	})
	return sum, files
}
