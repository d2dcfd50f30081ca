package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wayside-edge/wayside/sdk/client"
)

// logsCmd shows the log of an appliance, and holds what changes what is logged.
func (r *root) logsCmd() *cobra.Command {
	var filter client.LogFilter
	var since string
	var follow bool
	cmd := r.remoteCmd(&cobra.Command{
		Use: "logs", Short: "Read the log of a running appliance, and change what is logged", Args: cobra.NoArgs,
		Long: `Prints the last lines of the log, the oldest first. The appliance keeps the last two thousand of its run, whatever
becomes of them elsewhere; what is private in them is hidden. With --follow it goes on with what is logged; Ctrl-C ends it (exit
code 0).

With --json a line is an object with the fields of docs/observability.md.`,
		Example: `  wayside logs --level warning --since 1h
  wayside logs --follow --logger decoder
  wayside logs --find 67dfc7720a587f1107b650fd0487ce88
  wayside logs level debug --logger queue`,
	}, func(ctx context.Context, c *client.Client, f remoteFlags, _ []string) error {
		if since != "" {
			at, err := sinceWhen(since, time.Now())
			if err != nil {
				return &usageError{command: "wayside logs", err: err}
			}
			filter.Since = at
		}
		show := func(line client.LogLine) error { return r.printLog(line, f.json) }
		if follow {
			err := c.FollowLogs(ctx, filter, show, func(err error) {
				_ = r.note("wayside: " + printable(err.Error()) + "; connecting again\n") // nobody is there to read it then
			})
			if errors.Is(err, errInterrupted) {
				return nil
			}
			return fmt.Errorf("follow log: %w", err)
		}
		lines, err := c.Logs(ctx, filter)
		if err != nil {
			return fmt.Errorf("read log: %w", err)
		}
		for _, line := range slices.Backward(lines) {
			if err := show(line); err != nil {
				return err
			}
		}
		return nil
	})
	fl := cmd.Flags()
	fl.BoolVarP(&follow, "follow", "f", false, "go on with what is logged")
	fl.StringVar(&filter.Level, "level", "", "this level and above: debug, info, warning, error")
	fl.StringVar(&filter.Logger, "logger", "", "this logger and those below it: api, decoder, database, performance, queue, kv, plugin")
	fl.StringVar(&filter.Query, "find", "", "lines with this in them: a word, an id")
	fl.StringVar(&since, "since", "", "not older: a time (2026-01-02T03:04:05Z), or for how long (15m, 2h)")
	fl.IntVarP(&filter.Limit, "limit", "n", 100, "most lines; with --follow, those to begin with")
	levels := []string{"debug", "info", "warning", "error"}
	_ = cmd.RegisterFlagCompletionFunc("level", cobra.FixedCompletions(levels, cobra.ShellCompDirectiveNoFileComp))
	cmd.AddCommand(r.logsLevelCmd(levels))
	return cmd
}

func (r *root) logsLevelCmd(levels []string) *cobra.Command {
	var logger string
	cmd := r.remoteCmd(&cobra.Command{
		Use: "level [LEVEL]", Short: "Tell or change which levels are logged", Args: cobra.MaximumNArgs(1), ValidArgs: append(slices.Clone(levels), "default"),
		Long: `Without LEVEL it tells what is logged. LEVEL is debug, info, warning or error, for one --logger, or for all that have no level
of their own; default takes a logger's own level away. It holds until the appliance restarts or reads its
configuration again (systemctl reload wayside).`,
		Example: `  wayside logs level
  wayside logs level debug --logger queue
  wayside logs level default --logger queue`,
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		now, err := c.LogLevels(ctx)
		if len(args) > 0 {
			now, err = c.SetLogLevel(ctx, logger, args[0])
		}
		switch {
		case err != nil:
			return fmt.Errorf("levels of the log: %w", err)
		case f.json:
			return r.printJSON(now)
		}
		lines := []string{now.Level}
		for _, name := range slices.Sorted(maps.Keys(now.Loggers)) {
			lines = append(lines, printable(name)+" "+now.Loggers[name])
		}
		return r.print(strings.Join(lines, "\n") + "\n")
	})
	cmd.Flags().StringVar(&logger, "logger", "", "only this one")
	return cmd
}

// sinceWhen reads a time, or how long ago it was.
func sinceWhen(text string, now time.Time) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, fmt.Errorf("--since %q is neither a time like 2026-01-02T03:04:05Z nor a length like 15m or 2h", text)
}

// printLog prints a line of the log: when, how grave, who, what, and the rest.
func (r *root) printLog(line client.LogLine, asJSON bool) error {
	if asJSON {
		b, err := json.Marshal(line)
		if err != nil {
			return fmt.Errorf("write json: %w", err)
		}
		return r.print(string(b) + "\n")
	}
	if line.ID == "" {
		return r.print("… " + line.Message + "\n")
	}
	parts := []string{line.Timestamp.Local().Format("2006-01-02 15:04:05.000"), line.Level, line.Logger, line.Message}
	add := func(key string, value any) {
		text, ok := value.(string)
		if !ok || strings.ContainsAny(text, " \"\n") || text == "" {
			var b strings.Builder
			enc := json.NewEncoder(&b)
			enc.SetEscapeHTML(false)
			if enc.Encode(value) != nil {
				return
			}
			text = strings.TrimSuffix(b.String(), "\n")
		}
		parts = append(parts, key+"="+text)
	}
	for _, key := range slices.Sorted(maps.Keys(line.Fields)) {
		add(key, line.Fields[key])
	}
	if line.RequestID != "" {
		add("request_id", line.RequestID)
	}
	if line.CorrelationID != "" && line.CorrelationID != line.RequestID {
		add("correlation_id", line.CorrelationID)
	}
	return r.print(printable(strings.Join(parts, " ")) + "\n")
}
