package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wayside-edge/wayside/internal/progress"
	"github.com/wayside-edge/wayside/sdk/client"
)

// cacheKey is a key of the cache as the command shows it.
type cacheKey struct {
	Key        string   `json:"key"`
	TTLSeconds *float64 `json:"ttl_seconds"` // nil = it never ends
	Bytes      int64    `json:"bytes"`
}

func (r *root) cacheKeysCmd() *cobra.Command {
	var limit int
	cmd := r.remoteCmd(&cobra.Command{
		Use: "keys [PATTERN]", Short: "List keys of the cache, in no order", Args: cobra.MaximumNArgs(1),
		Long: `The pattern is as that of wayside cache invalidate. Keys are those of the appliance's own Redis-protocol server; those of
a server elsewhere are listed by its own clients. Needs a token with scope admin.`,
		Example: "  wayside cache keys\n  wayside cache keys 'report:*' --limit 1000 --json",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		if limit < 1 {
			return &usageError{command: "wayside cache keys", err: fmt.Errorf("--limit %d is below one", limit)}
		}
		pattern := "*"
		if len(args) > 0 {
			pattern = args[0]
		}
		keys, more, err := cacheKeys(ctx, c, pattern, limit)
		switch {
		case err != nil:
			return fmt.Errorf("list keys of the cache: %w", err)
		case f.json:
			err = r.printJSON(keys)
		case len(keys) == 0:
			err = r.print("no keys\n")
		default:
			err = r.printCacheKeys(keys)
		}
		if err == nil && more {
			fmt.Fprintf(r.std.err, "the first %d that were met; --limit shows more\n", len(keys))
		}
		return err
	})
	cmd.Flags().IntVar(&limit, "limit", 100, "most keys that are listed")
	return cmd
}

func (r *root) printCacheKeys(keys []cacheKey) error {
	s := &sheet{head: []string{"KEY", ">ENDS IN", ">SIZE"}}
	for _, k := range keys {
		ends := cell{"-", faint}
		if k.TTLSeconds != nil {
			ends = text(took(*k.TTLSeconds))
		}
		s.add(text(k.Key), ends, text(progress.Size(k.Bytes)))
	}
	return r.printSheet(s)
}

// cacheKeys gives keys of the cache that match a pattern, without their prefix; more says that there may be others.
func cacheKeys(ctx context.Context, c *client.Client, pattern string, limit int) (keys []cacheKey, more bool, err error) {
	st, err := c.CacheStats(ctx)
	switch {
	case err != nil:
		return nil, false, err //nolint:wrapcheck // the caller says what was tried
	case st.State == "off":
		return nil, false, errors.New("the cache is off")
	case st.Backend != "embedded":
		return nil, false, fmt.Errorf("it is a server elsewhere: redis-cli --scan --pattern '%s%s' lists them there", st.Prefix, pattern)
	}
	keys = []cacheKey{}
	list := client.KVList{DB: st.DB, Match: literal(st.Prefix) + pattern, Limit: min(limit, 1000)}
	for {
		found, next, err := c.KVKeys(ctx, list)
		if err != nil {
			return nil, false, err //nolint:wrapcheck // as above
		}
		for i := range found {
			if found[i].Text == "" {
				continue // somebody else's: the cache has keys of text
			}
			k := cacheKey{Key: strings.TrimPrefix(found[i].Text, st.Prefix), Bytes: found[i].Bytes}
			if ms := found[i].TTL; ms != nil {
				k.TTLSeconds = new(float64(*ms) / 1000)
			}
			keys = append(keys, k)
		}
		if len(keys) >= limit || next == "" {
			return keys[:min(len(keys), limit)], next != "" || len(keys) > limit, nil
		}
		list.Cursor = next
	}
}

// literal is a pattern that matches a text and nothing else.
func literal(text string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`).Replace(text)
}

// completeCacheKeys offers keys of the cache.
func (r *root) completeCacheKeys(cmd *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	const offered = 100
	return r.completed(cmd, func(ctx context.Context, c *client.Client) ([]cobra.Completion, error) {
		keys, _, err := cacheKeys(ctx, c, literal(typed)+"*", offered)
		out := make([]cobra.Completion, 0, len(keys))
		for _, k := range keys {
			if printable(k.Key) == k.Key {
				out = append(out, k.Key)
			}
		}
		return out, err //nolint:wrapcheck // nobody sees it
	})
}
