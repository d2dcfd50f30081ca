package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/errcode"
)

// layoutVersion is the version of the data folder's layout, kept in its file FORMAT.
const layoutVersion = 1

// folder is the data folder: where each part keeps its files. The layout is part of the product, see docs.
type folder struct {
	root string
	lock *os.File // held as long as the process uses the folder
}

func (f *folder) db() string       { return filepath.Join(f.root, "db") }
func (f *folder) blobs() string    { return filepath.Join(f.root, "blobs") }
func (f *folder) results() string  { return filepath.Join(f.root, "results") }
func (f *folder) plugins() string  { return filepath.Join(f.root, "plugins") }
func (f *folder) compiled() string { return filepath.Join(f.root, "compiled") }
func (f *folder) tmp() string      { return filepath.Join(f.root, "tmp") }
func (f *folder) secrets() string  { return filepath.Join(f.root, "secrets") }
func (f *folder) kv() string       { return filepath.Join(f.root, "kv") }
func (f *folder) uploads() string  { return filepath.Join(f.root, "uploads") }
func (f *folder) readings() string { return filepath.Join(f.root, "readings") }
func (f *folder) slots() string    { return filepath.Join(f.root, "running") }

// openFolder makes the data folder if need be, takes it for this process alone, and checks its layout.
func openFolder(root string) (*folder, error) {
	f := &folder{root: root}
	if err := disk.MkdirAll(disk.OS, root, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(root, "LOCK"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open data folder: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		err = fmt.Errorf("data folder %s is in use by another wayside process: %w", root, err)
		return nil, errors.Join(errcode.Wrap(errcode.Conflict, err, err.Error()), lock.Close())
	}
	f.lock = lock
	if err := f.prepare(); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

func (f *folder) prepare() error {
	if err := f.checkLayout(); err != nil {
		return err
	}
	for _, dir := range []string{f.db(), f.blobs(), f.results(), f.plugins(), f.compiled(), f.tmp(), f.secrets()} {
		if err := disk.MkdirAll(disk.OS, dir, 0o700); err != nil {
			return fmt.Errorf("make data folder: %w", err)
		}
	}
	return nil
}

// checkLayout compares the folder's layout with this program's, and writes it into a new folder.
func (f *folder) checkLayout() error {
	path := filepath.Join(f.root, "FORMAT")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := disk.WriteFile(disk.OS, path, []byte(strconv.Itoa(layoutVersion)+"\n"), 0o600); err != nil {
			return fmt.Errorf("write layout version: %w", err)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("read layout version: %w", err)
	}
	v, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return fmt.Errorf("data folder %s: its file FORMAT does not hold a version: %w", f.root, err)
	}
	if v != layoutVersion {
		return errcode.Newf(errcode.Conflict,
			"data folder %s has layout %d, this version of wayside works with %d: use the version that wrote it",
			f.root, v, layoutVersion)
	}
	return nil
}

// close gives the folder free for another process.
func (f *folder) close() error {
	if err := f.lock.Close(); err != nil {
		return fmt.Errorf("release data folder: %w", err)
	}
	return nil
}
