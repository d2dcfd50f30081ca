package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Token is what is known of an access token, which is not the token itself.
type Token struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Scopes     []string   `json:"scopes"` // of read, upload, work, admin
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  *time.Time `json:"expires_at"`   // nil = never
	LastUsedAt *time.Time `json:"last_used_at"` // nil = never
}

// NewToken says what a token is to be.
type NewToken struct {
	Name      string     `json:"name"`
	Scopes    []string   `json:"scopes"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

// CreatedToken is a token that was just made.
type CreatedToken struct {
	Token
	Secret string `json:"secret"` // the token itself: it is told this once
}

// Tokens lists the access tokens, without the administrator's.
func (c *Client) Tokens(ctx context.Context) ([]Token, error) {
	return all[Token](ctx, c, "/tokens")
}

// CreateToken makes an access token.
func (c *Client) CreateToken(ctx context.Context, n NewToken) (t CreatedToken, err error) {
	err = c.send(ctx, http.MethodPost, "/tokens", n, &t)
	return t, err
}

// RevokeToken ends an access token, at once.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	return c.act(ctx, http.MethodDelete, "/tokens/"+url.PathEscape(id), nil)
}
