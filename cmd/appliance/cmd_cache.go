package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wayside-edge/wayside/internal/progress"
	"github.com/wayside-edge/wayside/sdk/client"
)

// maxCacheInput bounds a value that comes from standard input; the appliance takes 1 MiB.
const maxCacheInput = 4 << 20

// cacheCmd holds what is done with the cache.
func (r *root) cacheCmd() *cobra.Command {
	return group(&cobra.Command{
		Use:   "cache",
		Short: "See and change what the cache of a running appliance keeps",
		Long: `The cache keeps values of JSON under keys for a while: what is known of decodes in the namespace decode, which
is the appliance's own, and whatever programs keep in others. A namespace is what stands before the first
colon of a key.`,
	}, r.cacheStatsCmd(), r.cacheKeysCmd(), r.cacheGetCmd(), r.cachePutCmd(), r.cacheDeleteCmd(), r.cacheInvalidateCmd(), r.cacheFlushCmd())
}

func (r *root) cacheStatsCmd() *cobra.Command {
	return r.remoteCmd(&cobra.Command{
		Use: "stats", Short: "Show how the cache is, and what it was asked for", Args: cobra.NoArgs,
		Long:    `The exit code is 1 when the cache fails; decodes go on without it then. One that is off is no failure.`,
		Example: "  wayside cache stats\n  wayside cache stats --json | jq .ratio",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, _ []string) error {
		s, err := c.CacheStats(ctx)
		switch {
		case err != nil:
			return fmt.Errorf("show cache: %w", err)
		case f.json:
			err = r.printJSON(s)
		default:
			err = r.print(cacheText(&s))
		}
		if err == nil && s.State == "failing" {
			return fmt.Errorf("the cache fails: %s", or(s.Detail, "it does not say why"))
		}
		return err
	})
}

func cacheText(s *client.CacheStats) string {
	var b strings.Builder
	line := func(name, format string, args ...any) { describe(&b, name, format, args...) }
	line("state", "%s", strings.TrimSuffix(fmt.Sprintf("%s, %s", s.State, s.Detail), ", "))
	if s.State == "off" {
		return b.String()
	}
	if !s.Since.IsZero() {
		line("since", "%s", when(s.Since))
	}
	line("backend", "%s, database %d, prefix %s", s.Backend, s.DB, printable(s.Prefix))
	line("kept for", "%s; failed decodes %s", keptFor(s.TTLSeconds, "for good"), keptFor(s.NegativeTTL, "not at all"))
	line("hits", "%d of %d%s, %d of failed decodes", s.Hits, s.Hits+s.Misses, percent(s.Ratio), s.NegativeHits)
	line("put, removed", "%d, %d", s.Puts, s.Removed)
	line("errors", "%s", strings.TrimSuffix(fmt.Sprintf("%d, the last: %s", s.Errors, printable(s.LastError)), ", the last: "))
	if s.Keys != nil && s.MemoryBytes != nil && s.Evictions != nil {
		line("keyspace", "%d keys in the database, %s, %d evicted", *s.Keys, progress.Size(*s.MemoryBytes), *s.Evictions)
	}
	if len(s.Namespaces) == 0 {
		return b.String()
	}
	return b.String() + "\n" + columns("NAMESPACE\tKEPT FOR\tHITS\tMISSES", func(w io.Writer) {
		for _, n := range s.Namespaces {
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\n", or(printable(n.Name), "(none)"), keptFor(n.TTLSeconds, "for good"), n.Hits, n.Misses)
		}
	})
}

func keptFor(seconds float64, none string) string {
	if seconds == 0 {
		return none
	}
	return shortDuration(time.Duration(seconds * float64(time.Second)))
}

func percent(ratio *float64) string {
	if ratio == nil {
		return ""
	}
	return fmt.Sprintf(" (%.1f %%)", 100**ratio)
}

func (r *root) cacheGetCmd() *cobra.Command {
	return r.remoteCmd(&cobra.Command{
		Use: "get KEY…", ValidArgsFunction: r.completeCacheKeys, Short: "Print the values of keys", Args: cobra.MinimumNArgs(1),
		Long: `Prints the value of one key as it is, and of several a table. The exit code is 1 when there is no value under
one of them.`,
		Example: `  wayside cache get report:2026-01 | jq .mean
  wayside cache get report:2026-01 report:2026-02 --json`,
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		found, err := c.CacheGetMany(ctx, args)
		if err != nil {
			return fmt.Errorf("get from the cache: %w", err)
		}
		var missing []string
		for _, v := range found {
			if !v.Found {
				missing = append(missing, printable(v.Key))
			}
		}
		switch {
		case f.json:
			err = r.printJSON(found)
		case len(found) == 1 && found[0].Found:
			err = r.printRaw(found[0].Value)
		case len(found) > 1:
			err = r.printCached(found)
		}
		if err == nil && len(missing) > 0 {
			return fmt.Errorf("the cache has no value under %s", strings.Join(missing, ", "))
		}
		return err
	})
}

func (r *root) printCached(found []client.CachedValue) error {
	s := &sheet{head: []string{"KEY", ">ENDS IN", "VALUE"}}
	for _, v := range found {
		ends, value := cell{"-", faint}, cell{"-", faint}
		if v.Found {
			value = text(string(v.Value))
		}
		if v.TTLSeconds != nil {
			ends = text(took(*v.TTLSeconds))
		}
		s.add(text(v.Key), ends, value)
	}
	return r.printSheet(s)
}

func (r *root) cachePutCmd() *cobra.Command {
	var ttl time.Duration
	var asText bool
	cmd := r.remoteCmd(&cobra.Command{
		Use: "put KEY VALUE", Short: "Keep a value under a key", Args: cobra.ExactArgs(2),
		Long: `VALUE is JSON, or - for what comes on standard input. It is kept for as long as the configuration says of its
namespace, unless --ttl says otherwise. Needs a token with scope work.`,
		Example: `  wayside cache put report:2026-01 '{"mean": 21.5}' --ttl 10m
  make-report | wayside cache put report:2026-01 -
  wayside cache put note:1 "not JSON" --text`,
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		value, err := r.cacheValue(args[1], asText)
		switch {
		case err != nil:
			return &usageError{command: "wayside cache put", err: err}
		case ttl < 0:
			return &usageError{command: "wayside cache put", err: fmt.Errorf("--ttl %v is below zero", ttl)}
		}
		if err := c.CachePut(ctx, args[0], value, ttl); err != nil {
			return fmt.Errorf("put into the cache: %w", err)
		}
		if f.json {
			return r.printJSON(map[string]string{"put": args[0]})
		}
		return r.print(printable(args[0]) + " kept\n")
	})
	cmd.Flags().DurationVar(&ttl, "ttl", 0, "how long it is kept (default as the namespace says)")
	cmd.Flags().BoolVar(&asText, "text", false, "VALUE is a text, and becomes a string of JSON")
	return cmd
}

// cacheValue reads a value from an argument, or from standard input.
func (r *root) cacheValue(arg string, asText bool) (any, error) {
	data := []byte(arg)
	if arg == "-" {
		var err error
		if data, err = io.ReadAll(io.LimitReader(r.std.in, maxCacheInput+1)); err != nil {
			return nil, fmt.Errorf("read standard input: %w", err)
		}
		if len(data) > maxCacheInput {
			return nil, errors.New("the value on standard input is too large; the cache takes 1 MiB")
		}
	}
	if asText {
		return string(data), nil
	}
	if data = bytes.TrimSpace(data); !json.Valid(data) {
		return nil, errors.New("the value is no JSON; --text makes a string of it")
	}
	return json.RawMessage(data), nil
}

func (r *root) cacheDeleteCmd() *cobra.Command {
	return r.remoteCmd(&cobra.Command{
		Use: "delete KEY…", ValidArgsFunction: r.completeCacheKeys, Short: "Remove the values of keys", Args: cobra.MinimumNArgs(1),
		Long: `The exit code is 1 when there was no value under one of them; the others are removed all the same. What the
appliance keeps in the namespace decode needs a token with scope admin.`,
		Example: "  wayside cache delete report:2026-01",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		deleted := []string{}
		var errs []error
		for _, key := range args {
			if err := c.CacheDelete(ctx, key); err != nil {
				errs = append(errs, fmt.Errorf("delete %s: %w", printable(key), err))
				continue
			}
			deleted = append(deleted, key)
		}
		var err error
		if f.json {
			err = r.printJSON(map[string][]string{"deleted": deleted})
		} else {
			for i := range deleted {
				deleted[i] = printable(deleted[i]) + " deleted\n"
			}
			err = r.print(strings.Join(deleted, ""))
		}
		return errors.Join(append(errs, err)...)
	})
}

func (r *root) cacheInvalidateCmd() *cobra.Command {
	return r.remoteCmd(&cobra.Command{
		Use: "invalidate PATTERN", Short: "Remove the values whose keys match a pattern", Args: cobra.ExactArgs(1),
		Long: `* in a pattern is any text, ? a character, [a-c] one of them, \ comes before what is meant as it is. What is known
of the decodes of a file is under decode:<its sha256>:*. Needs a token with scope admin.`,
		Example: "  wayside cache invalidate 'report:*'",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		n, err := c.CacheInvalidate(ctx, args[0])
		return r.printRemoved(n, f, "invalidate cache", err)
	})
}

func (r *root) cacheFlushCmd() *cobra.Command {
	return r.remoteCmd(&cobra.Command{
		Use: "flush", Short: "Remove everything from the cache", Args: cobra.NoArgs,
		Long:    `What other programs keep in the same database stays. Needs a token with scope admin.`,
		Example: "  wayside cache flush",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, _ []string) error {
		n, err := c.CacheFlush(ctx)
		return r.printRemoved(n, f, "flush cache", err)
	})
}

// printRemoved prints how many values were removed.
func (r *root) printRemoved(n int, f remoteFlags, what string, err error) error {
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", what, err)
	case f.json:
		return r.printJSON(map[string]int{"removed": n})
	}
	return r.print(fmt.Sprintf("%d values removed\n", n))
}
