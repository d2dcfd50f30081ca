package access

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/store"
)

// Limits of tokens.
const (
	MaxTokens = 1000
	MaxName   = 64 // bytes
)

const (
	tokenKind = 't' // of ids
	tokenKey  = "t/"
	saveUsed  = 10 * time.Minute
)

// Token is what is known of a token, which is not the token itself.
type Token struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Scopes    []Scope   `json:"scopes"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at,omitzero"` // zero = never
	UsedAt    time.Time `json:"used_at,omitzero"`    // zero = never; after a crash it may be some minutes old
}

// token is a Token in memory. Access.mu guards used and UsedAt; the rest is not changed.
type token struct {
	Token
	sum  digest
	used time.Time
}

func (t *token) over(now time.Time) bool { return !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt) }

// show gives the token as callers see it. Access.mu is held.
func (t *token) show() Token {
	out := t.Token
	if t.used.After(out.UsedAt) {
		out.UsedAt = t.used
	}
	out.Scopes = slices.Clone(out.Scopes)
	return out
}

// tokenRecord is what the key of a token holds.
type tokenRecord struct {
	Token
	SHA256 string `json:"sha256"`
}

// load reads tokens and sessions. A damaged record is of no use, and is said: its token is not valid.
func (a *Access) load(ctx context.Context) error {
	damaged := func(k []byte, err error) {
		a.cfg.Logger.ErrorContext(ctx, "record of a token or session is damaged, it is not valid", "record", recordName(k), "error", err)
	}
	var over [][]byte
	o := store.ScanOptions{OnCorrupt: func(k []byte) error {
		damaged(k, store.ErrCorrupt)
		return nil
	}}
	err := a.space.Scan(ctx, o, func(k, v []byte) (bool, error) {
		var err error
		switch name := string(k); {
		case strings.HasPrefix(name, tokenKey):
			err = a.loadToken(v)
		case strings.HasPrefix(name, sessionKey):
			var live bool
			if live, err = a.loadSession(name[len(sessionKey):], v); err == nil && !live {
				over = append(over, slices.Clone(k))
			}
		}
		if err != nil {
			damaged(k, err)
		}
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("read tokens: %w", err)
	}
	return a.forget(ctx, over)
}

// recordName gives the name of a record without what could be mistaken for a secret.
func recordName(k []byte) string { return string(k[:min(len(k), 12)]) }

func (a *Access) loadToken(raw []byte) error {
	var r tokenRecord
	if err := json.Unmarshal(raw, &r); err != nil {
		return fmt.Errorf("read token: %w", err)
	}
	t := &token{Token: r.Token}
	if !decodeDigest(&t.sum, r.SHA256) || r.ID == "" || len(r.Scopes) == 0 {
		return fmt.Errorf("read token %s: %w", r.ID, store.ErrCorrupt)
	}
	a.tokens[t.sum], a.byID[t.ID] = t, t
	return nil
}

func decodeDigest(d *digest, text string) bool {
	n, err := hex.Decode(d[:], []byte(text[:min(len(text), 2*sha256.Size)]))
	return err == nil && n == len(d) && len(text) == 2*len(d)
}

// NewToken says what a token is to be.
type NewToken struct {
	Name      string
	Scopes    []Scope
	ExpiresAt time.Time // zero = never
}

// check checks what is asked for and brings its scopes into order.
func (n *NewToken) check(now time.Time) error {
	n.Name = strings.TrimSpace(n.Name)
	switch {
	case n.Name == "" || len(n.Name) > MaxName || !utf8.ValidString(n.Name) || strings.ContainsFunc(n.Name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return errcode.Invalid("name", "1 to %d bytes of printable text", MaxName)
	case n.Name == AdminToken:
		return errcode.Invalid("name", "%s is the one in the data folder", AdminToken)
	case len(n.Scopes) == 0:
		return errcode.Invalid("scopes", "at least one of read, upload, work, admin")
	case !n.ExpiresAt.IsZero() && !n.ExpiresAt.After(now):
		return errcode.Invalid("expires_at", "is over already")
	}
	for _, s := range n.Scopes {
		if s != Read && s != Upload && s != Work && s != Admin {
			return errcode.Invalid("scopes", "read, upload, work or admin")
		}
	}
	n.Scopes = slices.Compact(slices.Sorted(slices.Values(n.Scopes)))
	return nil
}

// Create makes a token. secret is the token itself, which nobody can be told again.
func (a *Access) Create(ctx context.Context, n NewToken) (t Token, secret string, err error) {
	now := a.cfg.Now().UTC()
	if err := n.check(now); err != nil {
		return Token{}, "", err
	}
	a.changing.Lock()
	defer a.changing.Unlock()
	a.mu.Lock()
	full := len(a.byID) >= MaxTokens
	a.mu.Unlock()
	if full {
		return Token{}, "", errcode.Newf(errcode.Conflict, "there are %d tokens already; revoke some", MaxTokens)
	}
	number, err := a.seq.Next(ctx)
	if err != nil {
		return Token{}, "", fmt.Errorf("create token: %w", err)
	}
	secret = newSecret()
	made := &token{
		Token: Token{ID: store.FormatID(tokenKind, number), Name: n.Name, Scopes: n.Scopes, CreatedAt: now, ExpiresAt: n.ExpiresAt.UTC()},
		sum:   sha256.Sum256([]byte(secret)),
	}
	b := a.cfg.DB.Batch()
	if err := a.stage(b, made); err != nil {
		return Token{}, "", err
	}
	b.OnCommit(func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.tokens[made.sum], a.byID[made.ID] = made, made
	})
	if err := a.cfg.DB.Commit(ctx, b); err != nil {
		return Token{}, "", fmt.Errorf("create token: %w", err)
	}
	return made.Token, secret, nil
}

func (a *Access) stage(b *store.Batch, t *token) error {
	raw, err := json.Marshal(tokenRecord{Token: t.Token, SHA256: hex.EncodeToString(t.sum[:])})
	if err != nil {
		return fmt.Errorf("encode token: %w", err)
	}
	b.Set(a.space, []byte(tokenKey+t.ID), raw)
	return nil
}

// Tokens gives the tokens in the order in which they were made, those that are over too. The administrator's is not
// among them.
func (a *Access) Tokens() []Token {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]Token, 0, len(a.byID))
	for _, t := range a.byID {
		out = append(out, t.show())
	}
	slices.SortFunc(out, func(x, y Token) int { return cmp.Compare(x.ID, y.ID) })
	return out
}

// Any reports whether there is a token, be it over or the administrator's.
func (a *Access) Any() bool {
	if err := a.refresh(); err != nil {
		return true // there is a file for it
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.valid || len(a.byID) > 0
}

// Token gives one token.
func (a *Access) Token(id string) (Token, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if t := a.byID[id]; t != nil {
		return t.show(), nil
	}
	return Token{}, noToken()
}

func noToken() error { return errcode.New(errcode.NotFound, "there is no such token") }

// Revoke ends a token and its sessions, durably and at once. It goes on when the disk is full. When it fails, the token
// is not valid any more until the next start all the same: somebody wants it gone.
func (a *Access) Revoke(ctx context.Context, id string) error {
	a.changing.Lock()
	defer a.changing.Unlock()
	a.mu.Lock()
	t := a.byID[id]
	if t == nil {
		a.mu.Unlock()
		return noToken()
	}
	delete(a.tokens, t.sum)
	gone := [][]byte{[]byte(tokenKey + id)}
	for sum, s := range a.sessions {
		if s.token == t.sum {
			delete(a.sessions, sum)
			gone = append(gone, keyOfSession(sum))
		}
	}
	a.mu.Unlock()
	if err := a.forget(ctx, gone); err != nil {
		return fmt.Errorf("revoke token: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.byID, id)
	return nil
}

// forget deletes records.
func (a *Access) forget(ctx context.Context, keys [][]byte) error {
	for part := range slices.Chunk(keys, 500) {
		b := a.cfg.DB.Batch()
		b.Essential()
		for _, k := range part {
			b.Delete(a.space, k)
		}
		if err := a.cfg.DB.Commit(ctx, b); err != nil {
			return fmt.Errorf("delete records: %w", err)
		}
	}
	return nil
}

// Run notes from time to time, and when ctx ends, when tokens were used last.
func (a *Access) Run(ctx context.Context) error {
	tick := time.NewTicker(saveUsed)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			a.saveUsed(context.WithoutCancel(ctx))
			return nil
		case <-tick.C:
			a.saveUsed(ctx)
			a.endSessions(ctx)
		}
	}
}

// saveUsed makes durable when tokens were used last. That it fails is no harm worth more than a line.
func (a *Access) saveUsed(ctx context.Context) {
	a.changing.Lock()
	defer a.changing.Unlock()
	a.mu.Lock()
	var changed []*token
	for _, t := range slices.Collect(maps.Values(a.byID)) {
		if t.used.After(t.UsedAt) {
			next := *t
			next.UsedAt = t.used.UTC()
			changed = append(changed, &next)
		}
	}
	a.mu.Unlock()
	if len(changed) == 0 {
		return
	}
	b := a.cfg.DB.Batch()
	for _, t := range changed {
		if err := a.stage(b, t); err != nil {
			a.cfg.Logger.ErrorContext(ctx, "last use of tokens not stored", "error", err)
			return
		}
	}
	b.OnCommit(func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		for _, t := range changed {
			if known := a.byID[t.ID]; known != nil {
				known.UsedAt = t.UsedAt
			}
		}
	})
	if err := a.cfg.DB.Commit(ctx, b); err != nil {
		a.cfg.Logger.WarnContext(ctx, "last use of tokens not stored", "error", err)
	}
}
