package access

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/errcode"
)

// stamp tells whether a file changed.
type stamp struct {
	modified time.Time
	size     int64
	info     fs.FileInfo
}

func (s stamp) same(info fs.FileInfo) bool {
	return s.info != nil && s.modified.Equal(info.ModTime()) && s.size == info.Size() && os.SameFile(s.info, info)
}

// openAdmin reads the administrator's token. On the first start, and where tokens are required, it makes one.
func (a *Access) openAdmin() error {
	_, err := os.Stat(a.path)
	switch {
	case err == nil:
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("open admin token: %w", err)
	case !a.cfg.Required:
		return nil // there is none and nobody needs it
	default:
		if err := a.create(); err != nil {
			return err
		}
	}
	if err := a.checkFile(); err != nil {
		return err
	}
	if err := a.share(); err != nil {
		return err
	}
	return a.refresh()
}

// create makes a token. The file has its mode before its name, so that nobody can read it in between.
func (a *Access) create() error {
	if err := disk.MkdirAll(a.cfg.FS, a.cfg.SecretsDir, 0o700); err != nil {
		return fmt.Errorf("make secrets folder: %w", err)
	}
	if err := disk.WriteFile(a.cfg.FS, a.path, []byte(newSecret()+"\n"), 0o600); err != nil {
		return fmt.Errorf("write admin token: %w", err)
	}
	a.created = true
	return nil
}

// share lets the group read the token. It changes modes itself: a service's umask would take the group's rights away.
func (a *Access) share() error {
	if !a.cfg.GroupReadable {
		return nil
	}
	for path, mode := range map[string]fs.FileMode{a.cfg.SecretsDir: 0o750, a.path: 0o640} {
		if err := os.Chmod(path, mode); err != nil {
			return fmt.Errorf("let the group read the admin token: %w", err)
		}
	}
	return nil
}

// checkFile refuses a token that others could have read.
func (a *Access) checkFile() error {
	info, err := os.Stat(a.path)
	if err != nil {
		return fmt.Errorf("open admin token: %w", err)
	}
	open := fs.FileMode(0o077)
	if a.cfg.GroupReadable {
		open = 0o027
	}
	if mode := info.Mode().Perm(); mode&open != 0 {
		return fmt.Errorf("admin token %s has mode %04o, so others may know it; remove it to have a new one made, or chmod it if nobody does",
			a.path, mode)
	}
	return nil
}

// TokenFile gives the path of the administrator's token, for people.
func (a *Access) TokenFile() string { return a.path }

// Created reports whether Open made the token: the first start.
func (a *Access) Created() bool { return a.created }

// isAdmin reports whether a digest is that of the administrator's token.
func (a *Access) isAdmin(sum digest) bool {
	err := a.refresh()
	a.complain(err)
	if err != nil {
		return false
	}
	a.mu.Lock()
	admin, valid := a.admin, a.valid
	a.mu.Unlock()
	return subtle.ConstantTimeCompare(sum[:], admin[:]) == 1 && valid
}

// complain says what is wrong with the file, once: anybody can have it looked at.
func (a *Access) complain(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	a.mu.Lock()
	said := text == a.complaint
	a.complaint = text
	a.mu.Unlock()
	if !said && err != nil {
		a.cfg.Logger.Warn("admin token cannot be read", "error", err)
	}
}

// refresh reads the file again if it changed. A file that is gone makes its token invalid: that is how it is revoked.
func (a *Access) refresh() error {
	info, err := os.Stat(a.path)
	if errors.Is(err, fs.ErrNotExist) {
		a.set(digest{}, false, stamp{})
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at admin token: %w", err)
	}
	a.mu.Lock()
	same := a.seen.same(info)
	a.mu.Unlock()
	if same {
		return nil
	}
	token, err := ReadToken(a.path)
	if err != nil {
		a.set(digest{}, false, stamp{})
		return err
	}
	a.set(sha256.Sum256([]byte(token)), true, stamp{info.ModTime(), info.Size(), info})
	return nil
}

func (a *Access) set(hash digest, valid bool, seen stamp) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.admin, a.valid, a.seen = hash, valid, seen
}

// ReadToken reads a token file, as the command line does to talk to a local server.
func ReadToken(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read token: %w", err)
	}
	defer func() { _ = f.Close() }()
	buf := make([]byte, longest+2)
	n, err := f.Read(buf)
	if n == 0 && err != nil {
		return "", fmt.Errorf("read token %s: %w", path, err)
	}
	token := strings.TrimSpace(string(buf[:n]))
	if len(token) < shortest || len(token) > longest || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", errcode.Newf(errcode.ValidationFailed, "%s holds no token: one word of %d to %d characters is meant", path, shortest, longest)
	}
	return token, nil
}
