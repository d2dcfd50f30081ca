package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wayside-edge/wayside/sdk/client"
)

// tokensCmd holds what is done with access tokens.
func (r *root) tokensCmd() *cobra.Command {
	return group(&cobra.Command{
		Use:   "tokens",
		Short: "Make and revoke access tokens of a running appliance",
		Long: `A token lets a program or a person do what its scopes say: read what is there, upload recordings, work on
jobs, or admin, which is everything. docs/access.md says more.`,
	}, r.tokensListCmd(), r.tokensCreateCmd(), r.tokensRevokeCmd())
}

func (r *root) tokensListCmd() *cobra.Command {
	return r.remoteCmd(&cobra.Command{
		Use: "list", Short: "List the tokens, without the administrator's in the data folder", Args: cobra.NoArgs, Example: "  wayside tokens list",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, _ []string) error {
		all, err := c.Tokens(ctx)
		switch {
		case err != nil:
			return fmt.Errorf("list tokens: %w", err)
		case f.json:
			return r.printJSON(all)
		case len(all) == 0:
			return r.print("no tokens\n")
		}
		return r.print(columns("ID\tNAME\tSCOPES\tCREATED\tEXPIRES\tLAST USED", func(w io.Writer) {
			for _, t := range all {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", t.ID, printable(t.Name), strings.Join(t.Scopes, ","), when(t.CreatedAt), whenever(t.ExpiresAt), whenever(t.LastUsedAt))
			}
		}))
	})
}

// whenever prints a time that may never come, or have been.
func whenever(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return when(*t)
}

func (r *root) tokensCreateCmd() *cobra.Command {
	var scopes []string
	var expires string
	cmd := r.remoteCmd(&cobra.Command{
		Use: "create NAME --scope SCOPE", Short: "Make a token and print it, this once", Args: cobra.ExactArgs(1),
		Example: `  wayside tokens create "press shop" --scope upload,read
  wayside tokens create worker7 --scope work --expires 90d`,
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		n := client.NewToken{Name: args[0], Scopes: scopes}
		if len(scopes) == 0 {
			return &usageError{command: "wayside tokens create", err: errors.New("--scope is required: read, upload, work, admin")}
		}
		if expires != "" {
			at, err := expiry(expires, time.Now())
			if err != nil {
				return &usageError{command: "wayside tokens create", err: err}
			}
			n.ExpiresAt = &at
		}
		t, err := c.CreateToken(ctx, n)
		switch {
		case err != nil:
			return fmt.Errorf("make token: %w", err)
		case f.json:
			return r.printJSON(t)
		}
		return r.print(t.Secret + "\n")
	})
	fl := cmd.Flags()
	fl.StringSliceVar(&scopes, "scope", nil, "what it allows: read, upload, work, admin")
	fl.StringVar(&expires, "expires", "", "until when: a time (2026-01-02T03:04:05Z), or for how long (12h, 90d); default for ever")
	return cmd
}

// expiry reads a time, or a length of time from now on.
func expiry(text string, now time.Time) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n int
		if _, err := fmt.Sscanf(days, "%d", &n); err == nil && fmt.Sprint(n) == days && n > 0 && n <= 36500 {
			return now.AddDate(0, 0, n), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return now.Add(d), nil
	}
	return time.Time{}, fmt.Errorf("--expires %q is neither a time like 2026-01-02T03:04:05Z nor a length like 12h or 90d", text)
}

func (r *root) tokensRevokeCmd() *cobra.Command {
	return r.remoteCmd(&cobra.Command{
		Use: "revoke ID", Short: "Revoke a token, and sign out the browsers that signed in with it", Args: cobra.ExactArgs(1),
		Example: "  wayside tokens revoke t0000000001",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		if err := c.RevokeToken(ctx, args[0]); err != nil {
			return fmt.Errorf("revoke token %s: %w", args[0], err)
		}
		if f.json {
			return r.printJSON(map[string]string{"revoked": args[0]})
		}
		return r.print("revoked " + args[0] + "\n")
	})
}
