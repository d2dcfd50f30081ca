package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/wayside-edge/wayside/sdk/client"
)

// asConfigured takes back what was set of the mode.
const asConfigured = "configured"

// queuesModeCmd shows and changes how queues take turns.
func (r *root) queuesModeCmd() *cobra.Command {
	var ageing time.Duration
	cmd := &cobra.Command{
		Use: "mode [weighted|strict|configured]", Short: "Show or change how queues take turns", Args: cobra.MaximumNArgs(1),
		ValidArgs: []string{client.Weighted, client.Strict, asConfigured},
		Long: `Weighted: in proportion to their weights. Strict: the largest weight first, but a job that has been ready
for the ageing time goes before all others.

What is set here holds from the next job on, over reloads and restarts, whatever queue.mode and
queue.ageing of the configuration say, until "configured" takes both back.`,
		Example: `  wayside queues mode
  wayside queues mode strict --ageing 5m
  wayside queues mode configured`,
	}
	cmd = r.remoteCmd(cmd, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		p := client.QueueModePatch{}
		if len(args) > 0 {
			switch args[0] {
			case client.Weighted, client.Strict:
				p["mode"] = args[0]
			case asConfigured:
				p["mode"], p["ageing"] = nil, nil
			default:
				return &usageError{command: "wayside queues mode", err: fmt.Errorf("%q is none of weighted, strict, configured", args[0])}
			}
		}
		if cmd.Flags().Changed("ageing") {
			p["ageing"] = ageing.Seconds()
		}
		var m client.QueueMode
		var err error
		if len(p) == 0 {
			m, err = c.QueueMode(ctx)
		} else {
			m, err = c.ChangeQueueMode(ctx, p)
		}
		switch {
		case err != nil:
			return fmt.Errorf("mode of the queues: %w", err)
		case f.json:
			return r.printJSON(m)
		}
		return r.print(modeText(&m))
	})
	cmd.Flags().DurationVar(&ageing, "ageing", 0, "how long mode strict lets a job wait before it goes before all others")
	return cmd
}

// modeText says how queues take turns, and where that was said.
func modeText(m *client.QueueMode) string {
	length := func(s float64) string { return shortDuration(time.Duration(s * float64(time.Second))) }
	source := func(set bool, configured string) string {
		if set {
			return "set, configured: " + configured
		}
		return "as configured"
	}
	return fmt.Sprintf("mode %s (%s)\nageing %s (%s)\n", m.Mode, source(m.Set.Mode != nil, m.Configured.Mode),
		length(m.Ageing), source(m.Set.Ageing != nil, length(m.Configured.Ageing)))
}

// shortDuration writes a time as people do: 10m, not 10m0s.
func shortDuration(d time.Duration) string {
	text := d.String()
	if d >= time.Minute && d%time.Minute == 0 {
		text = text[:len(text)-2] // 0s
	}
	if d >= time.Hour && d%time.Hour == 0 {
		text = text[:len(text)-2] // 0m
	}
	return text
}
