package table

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/errcode"
)

const (
	fileSuffix    = ".parquet"
	stagingPrefix = "result-"
)

// PassingPattern is the pattern, for os.CreateTemp in the folder for temporary files, of tables that are not kept: what
// an earlier run left of them is removed by OpenDir.
const PassingPattern = stagingPrefix + "passing-*"

// Dir is the folder of stored tables: <path>/<key>/<table>.parquet, one folder a result. A folder appears whole or
// not at all: its files are written in a staging folder, synced, and the folder is renamed. The mutex orders the
// replacement and removal of folders with each other; readers hold open files and need none.
type Dir struct {
	path, temp string
	fs         disk.FS
	mu         sync.Mutex // one folder changes its name at a time
}

// OpenDir opens the folder, making it if need be. What an earlier run left in temp, staging folders and files of
// PassingPattern, is removed. Both paths must be on one file system.
func OpenDir(path, temp string, fsys disk.FS) (*Dir, error) {
	for _, p := range []string{path, temp} {
		if err := disk.MkdirAll(fsys, p, 0o700); err != nil {
			return nil, fmt.Errorf("open results: %w", err)
		}
	}
	left, err := filepath.Glob(filepath.Join(temp, stagingPrefix+"*"))
	if err != nil {
		return nil, fmt.Errorf("look for unfinished results: %w", err)
	}
	for _, p := range left {
		if err := os.RemoveAll(p); err != nil {
			return nil, fmt.Errorf("remove unfinished result: %w", err)
		}
	}
	return &Dir{path: path, temp: temp, fs: fsys}, nil
}

// Staging is a result being written.
type Staging struct {
	dir  *Dir
	key  string
	path string
}

// Begin starts a result. The caller ends it by Commit or Discard.
func (d *Dir) Begin(key string) (*Staging, error) {
	if !validKey(key) {
		return nil, fmt.Errorf("begin result: %q is no key", key)
	}
	path, err := os.MkdirTemp(d.temp, stagingPrefix+key+"-")
	if err != nil {
		return nil, fmt.Errorf("begin result: %w", err)
	}
	return &Staging{dir: d, key: key, path: path}, nil
}

// Create gives an empty file for a table; a second call for the same table empties it again. The caller closes it.
func (s *Staging) Create(name string) (*os.File, error) {
	if !validKey(name) {
		return nil, fmt.Errorf("create table file: %q is no table name", name)
	}
	f, err := os.OpenFile(filepath.Join(s.path, name+fileSuffix), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create table file: %w", err)
	}
	return f, nil
}

// Commit makes the result durable under its key, in the place of an earlier one. The files must be closed or no
// longer written. After an error nothing of the result is left.
func (s *Staging) Commit() error {
	err := disk.SyncTree(s.dir.fs, s.path)
	if err == nil {
		err = s.dir.adopt(s.path, s.key)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("commit result: %w", err), s.Discard())
	}
	return nil
}

// Discard removes what was written. It may be called after Commit, and more than once.
func (s *Staging) Discard() error {
	if err := os.RemoveAll(s.path); err != nil {
		return fmt.Errorf("discard result: %w", err)
	}
	return nil
}

// adopt gives a staged result its name. One that has the name already takes the place of the staged one, in one step:
// other decodes refer to it, and their tables must be there at every moment, whatever fails.
func (d *Dir) adopt(staged, key string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	dst := filepath.Join(d.path, key)
	err := disk.Exchange(d.fs, staged, dst)
	if errors.Is(err, fs.ErrNotExist) {
		err = disk.Rename(d.fs, staged, dst)
	}
	if errors.Is(err, errors.ErrUnsupported) {
		return d.replace(staged, dst)
	}
	if err != nil {
		return fmt.Errorf("name result: %w", err)
	}
	if err := os.RemoveAll(staged); err != nil {
		return fmt.Errorf("remove replaced result: %w", err)
	}
	return nil
}

// replace does in two steps what the file system cannot do in one. If the second fails the first is undone.
func (d *Dir) replace(staged, dst string) error {
	aside := staged + ".old"
	if err := d.setAside(dst, aside); err != nil {
		return err
	}
	if err := disk.Rename(d.fs, staged, dst); err != nil {
		return errors.Join(fmt.Errorf("name result: %w", err), d.setAside(aside, dst))
	}
	if err := os.RemoveAll(aside); err != nil {
		return fmt.Errorf("remove replaced result: %w", err)
	}
	return nil
}

// setAside takes a result out of its place, so that the place can be taken or stays empty whatever happens next.
func (d *Dir) setAside(dst, aside string) error {
	err := d.fs.Rename(dst, aside)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("set result aside: %w", err)
	}
	return nil
}

// Open opens the stored table for reading. A result or a table that is not there is a not_found error: a table
// without rows has no file.
func (d *Dir) Open(key, name string) (*os.File, error) {
	if !validKey(key) || !validKey(name) {
		return nil, errcode.New(errcode.NotFound, "no such table")
	}
	f, err := os.Open(filepath.Join(d.path, key, name+fileSuffix))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errcode.Wrap(errcode.NotFound, err, "no such table")
	}
	if err != nil {
		return nil, fmt.Errorf("open table: %w", err)
	}
	return f, nil
}

// Has reports whether a result is stored.
func (d *Dir) Has(key string) bool {
	if !validKey(key) {
		return false
	}
	_, err := os.Stat(filepath.Join(d.path, key))
	return err == nil
}

// Remove removes a result; that it is not there is no error. Files that are open stay readable.
func (d *Dir) Remove(key string) error {
	if !validKey(key) {
		return fmt.Errorf("remove result: %q is no key", key)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	aside := filepath.Join(d.temp, stagingPrefix+key+".gone")
	if err := d.setAside(filepath.Join(d.path, key), aside); err != nil {
		return err
	}
	if err := os.RemoveAll(aside); err != nil {
		return fmt.Errorf("remove result: %w", err)
	}
	return nil
}

// Keys gives the keys of all stored results.
func (d *Dir) Keys() ([]string, error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, fmt.Errorf("list results: %w", err)
	}
	keys := make([]string, 0, len(entries))
	for _, e := range entries {
		if e.IsDir() && validKey(e.Name()) {
			keys = append(keys, e.Name())
		}
	}
	return keys, nil
}

// validKey keeps anything but plain lower-case names out of paths.
func validKey(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}
