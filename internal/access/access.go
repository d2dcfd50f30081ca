// Package access owns who may do what: tokens, their scopes, and the rule which listeners need them.
//
// For now there is one token, the administrator's, in a file of the data folder: whoever can read the file may do
// everything. Tokens with fewer scopes and an expiry are kept as hashes in the database when they come; what Check
// answers is made for them already. A token is never kept in memory, only its hash, and hashes are compared in
// constant time.
//
// The package is apart because the HTTP face and the command line ask it, and neither should know where tokens are.
// It owns no goroutine. One lock guards what was read from the file; it is not held while the file is read.
package access

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/errcode"
)

// Scope is a kind of thing a token allows.
type Scope string

// Scopes. Admin includes the others.
const (
	Read   Scope = "read"
	Upload Scope = "upload"
	Work   Scope = "work"
	Admin  Scope = "admin"
)

// AdminToken is the name of the token in the data folder, and of its file.
const AdminToken = "admin-token"

const (
	tokenBytes  = 32 // of randomness
	shortest    = 32 // characters of a token that somebody put into the file
	longest     = 512
	tokenPrefix = "wayside_"
)

// Config says where the tokens are.
type Config struct {
	SecretsDir    string       // folder of the token file; made if it is missing
	Required      bool         // make a token if there is none (auth.required)
	GroupReadable bool         // the group may read the token file (auth.group_readable)
	FS            disk.FS      // default disk.OS
	Logger        *slog.Logger // nil = discard
}

// Grant is what a token allows.
type Grant struct {
	Name    string    // of the token, for logs
	Scopes  []Scope   // at least one
	Expires time.Time // zero = never
}

// Allows reports whether the grant includes a scope.
func (g Grant) Allows(s Scope) bool {
	return slices.Contains(g.Scopes, s) || slices.Contains(g.Scopes, Admin)
}

// Access checks tokens. Any number of goroutines may use it.
type Access struct {
	cfg     Config
	path    string
	created bool

	mu    sync.Mutex // guards what follows
	seen  stamp
	hash  [sha256.Size]byte
	valid bool
}

// stamp tells whether a file changed.
type stamp struct {
	modified time.Time
	size     int64
	info     fs.FileInfo
}

func (s stamp) same(info fs.FileInfo) bool {
	return s.info != nil && s.modified.Equal(info.ModTime()) && s.size == info.Size() && os.SameFile(s.info, info)
}

// Open reads the administrator's token. On the first start, and where tokens are required, it makes one.
func Open(cfg Config) (*Access, error) {
	if cfg.FS == nil {
		cfg.FS = disk.OS
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	a := &Access{cfg: cfg, path: filepath.Join(cfg.SecretsDir, AdminToken)}
	_, err := os.Stat(a.path)
	switch {
	case err == nil:
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("open admin token: %w", err)
	case !cfg.Required:
		return a, nil // there is none and nobody needs it
	default:
		if err := a.create(); err != nil {
			return nil, err
		}
	}
	if err := a.checkFile(); err != nil {
		return nil, err
	}
	if err := a.share(); err != nil {
		return nil, err
	}
	if err := a.refresh(); err != nil {
		return nil, err
	}
	return a, nil
}

// create makes a token. The file has its mode before its name, so that nobody can read it in between.
func (a *Access) create() error {
	if err := disk.MkdirAll(a.cfg.FS, a.cfg.SecretsDir, 0o700); err != nil {
		return fmt.Errorf("make secrets folder: %w", err)
	}
	var b [tokenBytes]byte
	_, _ = rand.Read(b[:]) // never fails
	token := tokenPrefix + base64.RawURLEncoding.EncodeToString(b[:])
	if err := disk.WriteFile(a.cfg.FS, a.path, []byte(token+"\n"), 0o600); err != nil {
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

// Check gives what a presented token allows; ok is false if it is not valid.
func (a *Access) Check(presented string) (g Grant, ok bool) {
	if len(presented) < shortest || len(presented) > longest {
		return Grant{}, false
	}
	if err := a.refresh(); err != nil {
		a.cfg.Logger.Warn("admin token cannot be read", "error", err)
		return Grant{}, false
	}
	sum := sha256.Sum256([]byte(presented))
	a.mu.Lock()
	hash, valid := a.hash, a.valid
	a.mu.Unlock()
	if subtle.ConstantTimeCompare(sum[:], hash[:]) != 1 || !valid {
		return Grant{}, false
	}
	return Grant{Name: AdminToken, Scopes: []Scope{Admin}}, true
}

// Authorize is Check for callers that know scopes as text.
func (a *Access) Authorize(token string) (scopes []string, ok bool) {
	g, ok := a.Check(token)
	for _, s := range g.Scopes {
		scopes = append(scopes, string(s))
	}
	return scopes, ok
}

// refresh reads the file again if it changed. A file that is gone makes its token invalid: that is how it is revoked.
func (a *Access) refresh() error {
	info, err := os.Stat(a.path)
	if errors.Is(err, fs.ErrNotExist) {
		a.set([sha256.Size]byte{}, false, stamp{})
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
		a.set([sha256.Size]byte{}, false, stamp{})
		return err
	}
	a.set(sha256.Sum256([]byte(token)), true, stamp{info.ModTime(), info.Size(), info})
	return nil
}

func (a *Access) set(hash [sha256.Size]byte, valid bool, seen stamp) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hash, a.valid, a.seen = hash, valid, seen
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

// RequireFor reports whether a listener needs tokens: others than this machine can reach its address.
func RequireFor(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return true // not understood: the safe answer
	}
	if strings.EqualFold(host, "localhost") {
		return false
	}
	host, _, _ = strings.Cut(host, "%")
	ip := net.ParseIP(host)
	return ip == nil || !ip.IsLoopback()
}

// CheckListener refuses a listener that needs tokens where none are required.
func CheckListener(addr string, required bool) error {
	if RequireFor(addr) && !required {
		return errcode.Invalid("server.listen", "%s can be reached from other machines; that needs auth.required: true", addr)
	}
	return nil
}
