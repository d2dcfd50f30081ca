package tus

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Dir is a Store in a folder, one file an upload, for its owner only. It is a cache: a file that cannot be understood
// counts as none, since the worst that follows is an upload from the beginning.
type Dir string

// maxAge is how long an upload is remembered; servers forget them sooner.
const maxAge = 30 * 24 * time.Hour

// entry is what a file holds.
type entry struct {
	Key string    `json:"key"`
	URL string    `json:"url"`
	At  time.Time `json:"at"`
}

func (d Dir) path(key string) string {
	sum := sha256.Sum256([]byte(key))
	return filepath.Join(string(d), hex.EncodeToString(sum[:16])+".json")
}

// Get gives the URL of an upload, "" = none is known.
func (d Dir) Get(key string) (string, error) {
	b, err := os.ReadFile(d.path(key))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read state of upload: %w", err)
	}
	var e entry
	if err := json.Unmarshal(b, &e); err == nil && e.Key == key {
		return e.URL, nil
	}
	return "", nil
}

// Put remembers where an upload is, and drops what nobody has come back for.
func (d Dir) Put(key, uploadURL string) error {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return fmt.Errorf("make folder for state of uploads: %w", err)
	}
	d.clean(time.Now().Add(-maxAge))
	b, err := json.Marshal(entry{Key: key, URL: uploadURL, At: time.Now().UTC()})
	if err != nil {
		return fmt.Errorf("write state of upload: %w", err)
	}
	f, err := os.OpenFile(d.path(key), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write state of upload: %w", err)
	}
	_, err = f.Write(append(b, '\n'))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write state of upload: %w", err)
	}
	return nil
}

// clean removes what is older than a time. What cannot be removed stays: it harms nobody.
func (d Dir) clean(before time.Time) {
	all, err := os.ReadDir(string(d))
	if err != nil {
		return
	}
	for _, f := range all {
		info, err := f.Info()
		if err == nil && info.Mode().IsRegular() && strings.HasSuffix(f.Name(), ".json") && info.ModTime().Before(before) {
			_ = os.Remove(filepath.Join(string(d), f.Name()))
		}
	}
}

// Delete forgets an upload.
func (d Dir) Delete(key string) error {
	if err := os.Remove(d.path(key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove state of upload: %w", err)
	}
	return nil
}
