package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/wayside-edge/wayside/internal/access"
	"github.com/wayside-edge/wayside/internal/errcode"
)

// AccessToken is a token on the wire, without what makes it valid.
type AccessToken struct {
	ID         string   `json:"id"`
	Name       string   `json:"name"`
	Scopes     []string `json:"scopes" nullable:"false" doc:"of read, upload, work, admin; admin includes the others"`
	CreatedAt  Stamp    `json:"created_at"`
	ExpiresAt  Stamp    `json:"expires_at" doc:"null: never"`
	LastUsedAt Stamp    `json:"last_used_at" doc:"null: never; after a crash it may be some minutes old"`
}

// NewAccessToken is the body of POST /tokens.
type NewAccessToken struct {
	Name      string     `json:"name" minLength:"1" maxLength:"64"`
	Scopes    []string   `json:"scopes" minItems:"1" maxItems:"8" enum:"read,upload,work,admin"`
	ExpiresAt *time.Time `json:"expires_at,omitempty" doc:"unless given it is valid until it is revoked"`
}

// CreatedToken is a token that was just made.
type CreatedToken struct {
	AccessToken
	Secret string `json:"secret" doc:"the token itself: it is told this once"`
}

// Session says who a browser is.
type Session struct {
	Required  bool     `json:"required" doc:"every request needs a token or a session"`
	SignedIn  bool     `json:"signed_in"`
	Name      text     `json:"name" doc:"of the token"`
	Scopes    []string `json:"scopes" nullable:"false" doc:"what requests may do"`
	ExpiresAt Stamp    `json:"expires_at" doc:"null: never"`
}

// SignIn is the body of POST /session.
type SignIn struct {
	Token string `json:"token" minLength:"1" maxLength:"512"`
}

func tokenDTO(t access.Token) AccessToken {
	return AccessToken{
		ID: t.ID, Name: t.Name, Scopes: scopeNames(t.Scopes), CreatedAt: Stamp(t.CreatedAt), ExpiresAt: Stamp(t.ExpiresAt), LastUsedAt: Stamp(t.UsedAt),
	}
}

func scopeNames(all []access.Scope) []string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = string(s)
	}
	return out
}

type tokensInput struct{ PageParams }

type tokensOutput struct{ Body List[AccessToken] }

type tokenOutput struct{ Body AccessToken }

type createTokenInput struct{ Body NewAccessToken }

type createTokenOutput struct {
	CacheControl string `header:"Cache-Control"`
	Location     string `header:"Location"`
	Body         CreatedToken
}

type signInInput struct{ Body SignIn }

type sessionOutput struct {
	CacheControl string      `header:"Cache-Control"`
	SetCookie    http.Cookie `header:"Set-Cookie"`
	Body         Session
}

type sessionShown struct {
	CacheControl string `header:"Cache-Control"`
	Body         Session
}

type signOutOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
}

const noStore = "no-store"

func (s *Server) routeTokens(api huma.API) {
	if s.cfg.Auth == nil {
		return
	}
	register(s, api, operation{
		id: "list-tokens", method: http.MethodGet, path: "/tokens", scope: scopeTokens, summary: "List the access tokens, the oldest first",
		detail: "Without the administrator's, which is a file in the data folder.",
	}, func(_ context.Context, in *tokensInput) (*tokensOutput, error) {
		list, err := listOf(s.cfg.Auth.Tokens(), in.PageParams, func(t *access.Token) string { return t.ID },
			func(t *access.Token) AccessToken { return tokenDTO(*t) })
		return &tokensOutput{Body: list}, err
	})
	register(s, api, operation{
		id: "get-token", method: http.MethodGet, path: "/tokens/{id}", scope: scopeTokens, summary: "Get what is known of an access token",
	}, func(_ context.Context, in *IDParam) (*tokenOutput, error) {
		t, err := s.cfg.Auth.Token(in.ID)
		if err != nil {
			return nil, fmt.Errorf("get token: %w", err)
		}
		return &tokenOutput{Body: tokenDTO(t)}, nil
	})
	register(s, api, operation{
		id: "create-token", method: http.MethodPost, path: "/tokens", scope: scopeTokens, created: true, secret: true, summary: "Make an access token",
		detail: "The answer has the token itself in `secret`, once. Where no token is needed, one with the scope admin is needed here as soon as there is any.",
	}, s.createToken)
	register(s, api, operation{
		id: "revoke-token", method: http.MethodDelete, path: "/tokens/{id}", scope: scopeTokens, summary: "Revoke an access token",
		detail: "It and the sessions of browsers that signed in with it are not valid any more, at once and after every start.",
	}, func(ctx context.Context, in *IDParam) (*noContent, error) {
		if err := s.cfg.Auth.Revoke(ctx, in.ID); err != nil {
			return nil, fmt.Errorf("revoke token: %w", err)
		}
		return nil, nil //nolint:nilnil // huma's way to say: no body
	})
	s.routeSession(api)
}

func (s *Server) createToken(ctx context.Context, in *createTokenInput) (*createTokenOutput, error) {
	n := access.NewToken{Name: in.Body.Name}
	for _, name := range in.Body.Scopes {
		n.Scopes = append(n.Scopes, access.Scope(name))
	}
	if in.Body.ExpiresAt != nil {
		n.ExpiresAt = *in.Body.ExpiresAt
	}
	t, secret, err := s.cfg.Auth.Create(ctx, n)
	if err != nil {
		return nil, fmt.Errorf("create token: %w", err)
	}
	return &createTokenOutput{
		CacheControl: noStore, Location: pathPrefix + "/tokens/" + t.ID, Body: CreatedToken{AccessToken: tokenDTO(t), Secret: secret},
	}, nil
}

func (s *Server) routeSession(api huma.API) {
	register(s, api, operation{
		id: "sign-in", method: http.MethodPost, path: "/session", scope: scopeOpen, summary: "Sign a browser in with a token",
		detail: "The answer sets a cookie that scripts cannot read and that no other site's pages send. It stands for the token until it ends, " +
			"the token is revoked, or DELETE.",
	}, s.signIn)
	register(s, api, operation{
		id: "get-session", method: http.MethodGet, path: "/session", scope: scopeOpen, summary: "Find out what requests like this one may do",
	}, func(ctx context.Context, _ *struct{}) (*sessionShown, error) {
		out := &sessionShown{CacheControl: noStore, Body: Session{Required: s.cfg.Auth.Required(), Scopes: []string{}}}
		g, err := s.identify(requestOf(ctx))
		if errcode.Is(err, errcode.RateLimited) {
			return nil, err
		}
		if g != nil {
			out.Body = sessionDTO(*g, out.Body.Required)
		} else if err == nil && !out.Body.Required {
			out.Body.Scopes = scopeNames([]access.Scope{access.Read, access.Upload, access.Work, access.Admin})
		}
		return out, nil
	})
	register(s, api, operation{
		id: "sign-out", method: http.MethodDelete, path: "/session", scope: scopeOpen, summary: "Sign a browser out",
	}, func(ctx context.Context, _ *struct{}) (*signOutOutput, error) {
		r := requestOf(ctx)
		if c, err := r.Cookie(cookieName); err == nil {
			if g, ok := s.cfg.Auth.Session(c.Value); ok {
				st := stateOf(ctx)
				st.audited, st.grant = true, &g
			}
			if err := s.cfg.Auth.SignOut(ctx, c.Value); err != nil {
				return nil, fmt.Errorf("sign out: %w", err)
			}
		}
		gone := s.sessionCookie(r, "", time.Time{}) //nolint:gosec // Secure wherever the client speaks HTTPS
		gone.MaxAge = -1
		return &signOutOutput{SetCookie: gone}, nil
	})
}

func (s *Server) signIn(ctx context.Context, in *signInInput) (*sessionOutput, error) {
	r := requestOf(ctx)
	st := stateOf(ctx)
	st.audited = true
	id, g, expires, err := s.cfg.Auth.SignIn(ctx, in.Body.Token)
	switch {
	case errcode.Is(err, errcode.Unauthorized):
		return nil, s.wrongToken(r)
	case err != nil:
		return nil, fmt.Errorf("sign in: %w", err)
	}
	st.grant = &g
	g.Expires = expires
	if earlier, err := r.Cookie(cookieName); err == nil { // the browser forgets it: nobody else is to go on with it
		if err := s.cfg.Auth.SignOut(ctx, earlier.Value); err != nil {
			s.log.WarnContext(ctx, "session that another one takes the place of not ended", "error", err)
		}
	}
	return &sessionOutput{CacheControl: noStore, SetCookie: s.sessionCookie(r, id, expires), Body: sessionDTO(g, s.cfg.Auth.Required())}, nil
}

func (s *Server) sessionCookie(r *http.Request, id string, expires time.Time) http.Cookie {
	return http.Cookie{ //nolint:gosec // Secure wherever the client speaks HTTPS
		Name: cookieName, Value: id, Path: "/", Expires: expires, HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: s.secure(r),
	}
}

func sessionDTO(g access.Grant, required bool) Session {
	return Session{Required: required, SignedIn: true, Name: text(g.Name), Scopes: scopeNames(g.Scopes), ExpiresAt: Stamp(g.Expires)}
}
