package access

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/store"
)

// MaxSessions is how many browsers may be signed in at once. One more signs out one: of those of the token that has most, the
// one that would be signed out next. So who signs in again and again signs out nobody else.
const MaxSessions = 1000

const sessionKey = "s/"

// session is a browser that is signed in.
type session struct {
	token   digest // that it signed in with, and ends with
	expires time.Time
}

// sessionRecord is what the key of a session holds; the key has the digest of the session's id.
type sessionRecord struct {
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
}

func keyOfSession(sum digest) []byte {
	return append([]byte(sessionKey), hex.EncodeToString(sum[:])...)
}

// loadSession takes a session into memory, if it is not over.
func (a *Access) loadSession(name string, raw []byte) (live bool, err error) {
	var r sessionRecord
	if err := json.Unmarshal(raw, &r); err != nil {
		return false, fmt.Errorf("read session: %w", err)
	}
	s := session{expires: r.Expires}
	var sum digest
	if !decodeDigest(&s.token, r.Token) || !decodeDigest(&sum, name) {
		return false, fmt.Errorf("read session: %w", store.ErrCorrupt)
	}
	if !a.cfg.Now().Before(s.expires) {
		return false, nil
	}
	a.sessions[sum] = s
	return true, nil
}

// SignIn gives a browser the id of a session that stands for a token until expires, which is SessionTTL from now or the
// token's own end. It is an unauthorized error if the token is not valid.
func (a *Access) SignIn(ctx context.Context, presented string) (id string, g Grant, expires time.Time, err error) {
	g, ok := a.Check(presented)
	if !ok {
		return "", Grant{}, time.Time{}, errcode.New(errcode.Unauthorized, "the token is not valid")
	}
	s := session{token: sha256.Sum256([]byte(presented)), expires: a.cfg.Now().Add(a.cfg.SessionTTL).UTC().Truncate(time.Second)}
	if !g.Expires.IsZero() && g.Expires.Before(s.expires) {
		s.expires = g.Expires
	}
	id = newSecret()
	sum := digest(sha256.Sum256([]byte(id)))
	raw, err := json.Marshal(sessionRecord{Token: hex.EncodeToString(s.token[:]), Expires: s.expires})
	if err != nil {
		return "", Grant{}, time.Time{}, fmt.Errorf("encode session: %w", err)
	}
	a.changing.Lock()
	defer a.changing.Unlock()
	b := a.cfg.DB.Batch()
	b.Essential() // somebody comes to see why the disk is full
	b.Set(a.space, keyOfSession(sum), raw)
	spare, full := a.spareSession()
	if full {
		b.Delete(a.space, keyOfSession(spare))
	}
	b.OnCommit(func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if full {
			delete(a.sessions, spare)
		}
		a.sessions[sum] = s
	})
	if err := a.cfg.DB.Commit(ctx, b); err != nil {
		return "", Grant{}, time.Time{}, fmt.Errorf("sign in: %w", err)
	}
	return id, g, s.expires, nil
}

// spareSession gives the session that has to end, if there is no room for another one.
func (a *Access) spareSession() (sum digest, full bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.sessions) < MaxSessions {
		return sum, false
	}
	of := map[digest]int{}
	for _, s := range a.sessions {
		of[s.token]++
	}
	var first session
	for d, s := range a.sessions {
		most := of[s.token] - of[first.token]
		if first.expires.IsZero() || most > 0 || (most == 0 && s.expires.Before(first.expires)) {
			sum, first = d, s
		}
	}
	return sum, true
}

// Session gives what a browser with the id of a session may do; ok is false if there is none, or it or its token is over.
func (a *Access) Session(id string) (g Grant, ok bool) {
	if len(id) < shortest || len(id) > longest {
		return Grant{}, false
	}
	now := a.cfg.Now()
	a.mu.Lock()
	s, ok := a.sessions[sha256.Sum256([]byte(id))]
	a.mu.Unlock()
	if !ok || !now.Before(s.expires) {
		return Grant{}, false
	}
	if g, ok = a.grant(s.token); ok {
		g.Expires = s.expires
	}
	return g, ok
}

// SignOut ends a session, if it is one.
func (a *Access) SignOut(ctx context.Context, id string) error {
	sum := digest(sha256.Sum256([]byte(id)))
	a.changing.Lock()
	defer a.changing.Unlock()
	a.mu.Lock()
	_, ok := a.sessions[sum]
	delete(a.sessions, sum)
	a.mu.Unlock()
	if !ok {
		return nil
	}
	if err := a.forget(ctx, [][]byte{keyOfSession(sum)}); err != nil {
		return fmt.Errorf("sign out: %w", err)
	}
	return nil
}

// endSessions forgets sessions that are over.
func (a *Access) endSessions(ctx context.Context) {
	a.changing.Lock()
	defer a.changing.Unlock()
	now := a.cfg.Now()
	var gone [][]byte
	a.mu.Lock()
	for sum, s := range a.sessions {
		if !now.Before(s.expires) {
			delete(a.sessions, sum)
			gone = append(gone, keyOfSession(sum))
		}
	}
	a.mu.Unlock()
	if err := a.forget(ctx, gone); err != nil {
		a.cfg.Logger.WarnContext(ctx, "sessions that are over not deleted", "error", err)
	}
}
