// Package access owns who may do what: tokens, their scopes, the sessions of browsers, and the rule which listeners need
// tokens.
//
// The administrator's token is a file of the data folder: whoever can read the file may do everything. All others are
// made over the API, with scopes and perhaps an expiry, and are kept in the database. Neither they nor the ids of sessions
// are kept anywhere as they are: what is stored, and what is compared, is their SHA-256, which needs no salt since
// each has 256 random bits. A session is a browser's stand-in for a token and ends with it.
//
// The package is apart because the HTTP face and the command line ask it, and neither should know where tokens are.
// Run is its one goroutine, which notes when tokens were used last. One lock guards what is in memory, which is all of it;
// it is not held while anything is read or written, and a change holds another one so that there is one at a time.
package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/store"
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

// AdminToken is the name of the token in the data folder, its id, and the name of its file.
const AdminToken = "admin-token"

const (
	secretBytes = 32 // of randomness
	shortest    = 32 // characters of a token that somebody put into the file
	longest     = 512
	tokenPrefix = "wayside_"
	defaultTTL  = 12 * time.Hour
)

// Config says where the tokens are.
type Config struct {
	DB            *store.DB // of all tokens but the administrator's, and of sessions
	SecretsDir    string    // folder of the administrator's token file; made if it is missing
	Required      bool      // make that token if there is none (auth.required)
	GroupReadable bool      // the group may read the token file (auth.group_readable)
	SessionTTL    time.Duration
	FS            disk.FS          // default disk.OS
	Now           func() time.Time // default time.Now
	Logger        *slog.Logger     // nil = discard
}

// Grant is what a token allows.
type Grant struct {
	ID      string    // of the token, AdminToken for the administrator's
	Name    string    // for people
	Scopes  []Scope   // at least one
	Expires time.Time // zero = never
}

// Allows reports whether the grant includes a scope.
func (g Grant) Allows(s Scope) bool {
	return slices.Contains(g.Scopes, s) || slices.Contains(g.Scopes, Admin)
}

// digest is the SHA-256 of a token or of a session's id.
type digest [sha256.Size]byte

// Access checks tokens. Any number of goroutines may use it.
type Access struct {
	cfg     Config
	path    string
	created bool
	space   store.Space
	seq     *store.Sequence

	changing sync.Mutex // held from the decision to the end of the commit; comes before mu

	mu        sync.Mutex // guards what follows
	seen      stamp
	admin     digest
	valid     bool   // admin is one
	complaint string // about its file, as last said; "" = none
	tokens    map[digest]*token
	byID      map[string]*token
	sessions  map[digest]session
}

// Open reads tokens and sessions. Where tokens are required, the first start makes the administrator's.
func Open(ctx context.Context, cfg Config) (*Access, error) {
	if cfg.FS == nil {
		cfg.FS = disk.OS
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.SessionTTL <= 0 {
		cfg.SessionTTL = defaultTTL
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	a := &Access{
		cfg: cfg, path: filepath.Join(cfg.SecretsDir, AdminToken), space: cfg.DB.Space("a/"),
		tokens: map[digest]*token{}, byID: map[string]*token{}, sessions: map[digest]session{},
	}
	if err := a.openAdmin(); err != nil {
		return nil, err
	}
	var err error
	if a.seq, err = cfg.DB.Sequence("token"); err != nil {
		return nil, fmt.Errorf("open tokens: %w", err)
	}
	if err := a.load(ctx); err != nil {
		return nil, err
	}
	return a, nil
}

// Required reports whether every request needs a token.
func (a *Access) Required() bool { return a.cfg.Required }

// Check gives what a presented token allows; ok is false if it is not valid.
func (a *Access) Check(presented string) (g Grant, ok bool) {
	if len(presented) < shortest || len(presented) > longest {
		return Grant{}, false
	}
	return a.grant(sha256.Sum256([]byte(presented)))
}

// grant gives what the token with a digest allows. That it is found by its digest tells an attacker who measures the time
// nothing: to come nearer to a digest on purpose takes knowing tokens of near digests.
func (a *Access) grant(sum digest) (Grant, bool) {
	if a.isAdmin(sum) {
		return Grant{ID: AdminToken, Name: AdminToken, Scopes: []Scope{Admin}}, true
	}
	now := a.cfg.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	t := a.tokens[sum]
	if t == nil || t.over(now) {
		return Grant{}, false
	}
	t.used = now
	return Grant{ID: t.ID, Name: t.Name, Scopes: t.Scopes, Expires: t.ExpiresAt}, true
}

// newSecret gives a token or the id of a session.
func newSecret() string {
	var b [secretBytes]byte
	_, _ = rand.Read(b[:]) // never fails
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(b[:])
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
