// Package disk owns the few file operations that must survive a power cut, and the question how much space is left.
//
// It is apart so that "durable" is written once: a file is written beside its name, fsynced, renamed, and its folder
// is fsynced. Nothing outside this package renames or creates lasting files. FS is the seam between that and the
// kernel: OS is the real one, Fault wraps any FS and makes chosen operations fail or wait, for tests. The package
// starts no goroutine, holds no lock over a call, and imports nothing of Wayside.
package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
)

// File is a file being written.
type File interface {
	io.Writer
	io.Closer
	// Name is the path the file was opened by.
	Name() string
	// Sync returns when the content, and what is needed to find it, is on the disk. The name is not part of it: see
	// FS.SyncDir.
	Sync() error
}

// Writeback is implemented by files that can begin to write a range to the disk without waiting, so that a later
// Sync finds little left to do.
type Writeback interface {
	StartWriteback(offset, n int64)
}

// FS is what Wayside needs of a file system to keep files.
type FS interface {
	OpenFile(name string, flag int, perm os.FileMode) (File, error)
	// CreateTemp makes a new file of mode 0600 in dir; the last * of pattern becomes random.
	CreateTemp(dir, pattern string) (File, error)
	// Rename replaces newName if it exists. It is durable once the folders of both names were synced.
	Rename(oldName, newName string) error
	// Exchange swaps the names of two files or folders, both of which exist, at once: nobody ever sees one of them
	// missing. It is durable once the folders of both were synced. Some file systems cannot do it: errors.ErrUnsupported.
	Exchange(a, b string) error
	Remove(name string) error
	MkdirAll(dir string, perm os.FileMode) error
	// SyncDir returns when the names in dir are on the disk.
	SyncDir(dir string) error
	// Free tells how many bytes a process without privileges can still write at path, and the size of the disk.
	Free(path string) (free, total int64, err error)
}

// IsNoSpace reports whether err says that the disk or a quota is full.
func IsNoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// WriteFile makes path hold exactly data, durably: after a crash at any moment the path holds either what it held
// before or all of data. On an error nothing is left behind.
func WriteFile(fs FS, path string, data []byte, perm os.FileMode) error {
	dir := filepath.Dir(path)
	tmp := path + ".tmp"
	f, err := fs.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, perm)
	if err != nil {
		return fmt.Errorf("create %s: %w", tmp, err)
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = fs.Rename(tmp, path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), ignoreMissing(fs.Remove(tmp)))
	}
	if err := fs.SyncDir(dir); err != nil {
		return fmt.Errorf("sync folder %s: %w", dir, err)
	}
	return nil
}

// MkdirAll makes dir and its parents, durably: every folder that got a new entry is synced.
func MkdirAll(fs FS, dir string, perm os.FileMode) error {
	dir = filepath.Clean(dir)
	var changed []string // parents of the folders that are missing, deepest first
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(d); err == nil {
			break
		} else if !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("look for folder %s: %w", d, err)
		}
		changed = append(changed, filepath.Dir(d))
		if d == filepath.Dir(d) {
			break
		}
	}
	if len(changed) == 0 {
		return nil
	}
	if err := fs.MkdirAll(dir, perm); err != nil {
		return fmt.Errorf("make folder %s: %w", dir, err)
	}
	for _, d := range changed {
		if err := fs.SyncDir(d); err != nil {
			return fmt.Errorf("sync folder %s: %w", d, err)
		}
	}
	return nil
}

// Empty removes what is in a folder, not durably: it is for what an attempt left that came to no end.
func Empty(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("empty folder: %w", err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("empty folder: %w", err)
		}
	}
	return nil
}

// Rename gives the file or folder oldName the name newName, durably. The content must have been synced before; of a
// folder that means its files and the folder itself, see SyncTree. A file of that name is replaced; a folder is
// not, unless it is empty.
func Rename(fs FS, oldName, newName string) error {
	if err := fs.Rename(oldName, newName); err != nil {
		return fmt.Errorf("rename %s: %w", oldName, err)
	}
	return syncParents(fs, oldName, newName)
}

// Exchange swaps the names of two files or folders, durably. The content of both must have been synced before.
func Exchange(fs FS, a, b string) error {
	if err := fs.Exchange(a, b); err != nil {
		return fmt.Errorf("exchange %s: %w", a, err)
	}
	return syncParents(fs, a, b)
}

// syncParents syncs the folders of two names, that of the second first.
func syncParents(fs FS, oldName, newName string) error {
	oldDir, newDir := filepath.Dir(oldName), filepath.Dir(newName)
	if err := fs.SyncDir(newDir); err != nil {
		return fmt.Errorf("sync folder %s: %w", newDir, err)
	}
	if oldDir == newDir {
		return nil
	}
	if err := fs.SyncDir(oldDir); err != nil {
		return fmt.Errorf("sync folder %s: %w", oldDir, err)
	}
	return nil
}

// SyncTree returns when every file and every name below dir is on the disk. It is for a folder that someone else
// filled and that is about to be renamed to its lasting name.
func SyncTree(fs FS, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("list folder %s: %w", dir, err)
	}
	var files []string
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch {
		case e.IsDir():
			if err := SyncTree(fs, path); err != nil {
				return err
			}
		case e.Type().IsRegular():
			files = append(files, path)
		}
	}
	if err := syncFiles(fs, files); err != nil {
		return err
	}
	if err := fs.SyncDir(dir); err != nil {
		return fmt.Errorf("sync folder %s: %w", dir, err)
	}
	return nil
}

// syncAtOnce is how many files of a folder are synced at a time. Each waits for the disk to empty its cache, and the
// kernel makes one such wait of several.
const syncAtOnce = 4

// syncFiles syncs files, several at a time, and gives the first error in their order. It returns when all is done.
func syncFiles(fs FS, files []string) error {
	errs := make([]error, len(files))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(syncAtOnce, len(files)) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(files)); i = next.Add(1) - 1 {
				errs[i] = syncFile(fs, files[i])
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func syncFile(fs FS, path string) error {
	f, err := fs.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("sync %s: %w", path, err)
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
