package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wayside-edge/wayside/sdk/client"
)

// queuesCmd holds what is done with queues.
func (r *root) queuesCmd() *cobra.Command {
	return group(&cobra.Command{
		Use:   "queues",
		Short: "Watch and set up the queues of a running appliance",
		Long: `Jobs wait in queues, which take turns by their weights. A queue exists from its first job, or its first
settings.`,
	}, r.queuesListCmd(), r.queuesSetCmd(),
		r.queueCmd("pause", "Start no more jobs of a queue", (*client.Client).PauseQueue),
		r.queueCmd("resume", "Start jobs of a queue again", (*client.Client).ResumeQueue),
		r.queuesDrainCmd(), r.queuesPurgeCmd(), r.queuesDeleteCmd(), r.queuesModeCmd())
}

func (r *root) queuesListCmd() *cobra.Command {
	return r.remoteCmd(&cobra.Command{
		Use: "list", Short: "List the queues with their jobs and limits", Args: cobra.NoArgs, Example: "  wayside queues list",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, _ []string) error {
		all, err := c.Queues(ctx)
		if err != nil {
			return fmt.Errorf("list queues: %w", err)
		}
		if f.json {
			return r.printJSON(all)
		}
		return r.print(columns("NAME\tWEIGHT\tREADY\tACTIVE\tWAITING\tDEAD\tOLDEST\tPER SECOND\tSTATE", func(w io.Writer) {
			for i := range all {
				q := &all[i]
				n := q.Counts
				fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%s\t%.1f\t%s\n", q.Name, q.Weight, n["ready"], n["active"], n["waiting"]+n["scheduled"]+n["retry"],
					n["dead"], (time.Duration(q.OldestReadySeconds) * time.Second).String(), q.PerSecond, queueState(q))
			}
		}))
	})
}

// queueState says what holds a queue back.
func queueState(q *client.Queue) string {
	var parts []string
	if q.Weight != q.ConfiguredWeight {
		parts = append(parts, fmt.Sprintf("weight set (configured: %d)", q.ConfiguredWeight))
	}
	switch {
	case q.Draining:
		parts = append(parts, "draining")
	case q.Drained:
		parts = append(parts, "drained")
	case q.Paused:
		parts = append(parts, "paused")
	}
	if q.MaxActive > 0 {
		parts = append(parts, fmt.Sprintf("max %d", q.MaxActive))
	}
	if q.Rate != nil {
		parts = append(parts, rateText(q.Rate))
	}
	if q.KeyMaxActive > 0 {
		parts = append(parts, fmt.Sprintf("max %d a key", q.KeyMaxActive))
	}
	if q.KeyRate != nil {
		parts = append(parts, rateText(q.KeyRate)+" a key")
	}
	return strings.Join(parts, ", ")
}

func rateText(r *client.Rate) string {
	text := fmt.Sprintf("%d/%s", r.Jobs, shortDuration(time.Duration(r.Per*float64(time.Second))))
	if r.Burst > 0 {
		text += fmt.Sprintf(":%d", r.Burst)
	}
	return text
}

// parseRate reads JOBS/TIME or JOBS/TIME:BURST; none is no limit.
func parseRate(text string) (*client.Rate, error) {
	if text == "none" {
		return nil, nil //nolint:nilnil // no limit
	}
	wrong := fmt.Errorf("%q is neither none nor of the form JOBS/TIME[:BURST], like 10/1m or 10/1m:50", text)
	jobs, rest, ok := strings.Cut(text, "/")
	per, burst, hasBurst := strings.Cut(rest, ":")
	n, err := strconv.Atoi(jobs)
	if !ok || err != nil {
		return nil, wrong
	}
	if per != "" && (per[0] < '0' || per[0] > '9') { // 10/s
		per = "1" + per
	}
	d, err := time.ParseDuration(per)
	if err != nil || d <= 0 {
		return nil, wrong
	}
	out := &client.Rate{Jobs: n, Per: d.Seconds()}
	if hasBurst {
		if out.Burst, err = strconv.Atoi(burst); err != nil {
			return nil, wrong
		}
	}
	return out, nil
}

func (r *root) queuesSetCmd() *cobra.Command {
	var weight, maxActive, keyMaxActive int
	var rate, keyRate string
	cmd := &cobra.Command{
		Use: "set NAME", Short: "Change settings of a queue", Args: cobra.ExactArgs(1),
		Long: `Changes what is given and leaves the rest; a queue that does not exist yet is made. The settings hold
from the next job on, over reloads and restarts. A weight that was set so holds whatever the
configuration says about it; --weight 0 takes it back.`,
		Example: `  wayside queues set reports --weight 2 --max-active 1
  wayside queues set upload --rate 100/1m --key-max-active 2
  wayside queues set upload --rate none`,
	}
	cmd = r.remoteCmd(cmd, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		p := client.QueuePatch{}
		for name, v := range map[string]any{"weight": weight, "max-active": maxActive, "key-max-active": keyMaxActive} {
			if cmd.Flags().Changed(name) {
				p[strings.ReplaceAll(name, "-", "_")] = v
			}
		}
		for name, text := range map[string]string{"rate": rate, "key-rate": keyRate} {
			if !cmd.Flags().Changed(name) {
				continue
			}
			v, err := parseRate(text)
			if err != nil {
				return &usageError{command: "wayside queues set", err: fmt.Errorf("--%s: %w", name, err)}
			}
			p[strings.ReplaceAll(name, "-", "_")] = v
		}
		if len(p) == 0 {
			return &usageError{command: "wayside queues set", err: errors.New("nothing to change was given")}
		}
		q, err := c.ChangeQueue(ctx, args[0], p)
		return r.printQueue(q, f, "set", args[0], err)
	})
	fl := cmd.Flags()
	fl.IntVar(&weight, "weight", 0, "its share of the turns; 0 is as configured")
	fl.IntVar(&maxActive, "max-active", 0, "jobs at work at once; 0 is no limit")
	fl.StringVar(&rate, "rate", "", "jobs that may start: JOBS/TIME[:BURST], or none")
	fl.IntVar(&keyMaxActive, "key-max-active", 0, "jobs at work at once that share a limit key; 0 is no limit")
	fl.StringVar(&keyRate, "key-rate", "", "jobs that may start of those that share a limit key, or none")
	return cmd
}

// printQueue prints what became of a queue.
func (r *root) printQueue(q client.Queue, f remoteFlags, what, name string, err error) error {
	switch {
	case err != nil:
		return fmt.Errorf("%s queue %s: %w", what, name, err)
	case f.json:
		return r.printJSON(q)
	}
	state := cmp.Or(queueState(&q), "no limits")
	return r.print(fmt.Sprintf("%s: weight %d, %s, %d at work\n", q.Name, q.Weight, state, q.Counts["active"]))
}

// queueCmd makes a command that does something to a queue and prints it.
func (r *root) queueCmd(name, short string, do func(*client.Client, context.Context, string) (client.Queue, error)) *cobra.Command {
	return r.remoteCmd(&cobra.Command{
		Use: name + " NAME", Short: short, Args: cobra.ExactArgs(1), Example: "  wayside queues " + name + " reports",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		q, err := do(c, ctx, args[0])
		return r.printQueue(q, f, name, args[0], err)
	})
}

func (r *root) queuesDrainCmd() *cobra.Command {
	var wait time.Duration
	cmd := r.remoteCmd(&cobra.Command{
		Use: "drain NAME", Short: "Pause a queue and wait until nothing of it is at work", Args: cobra.ExactArgs(1),
		Long: `It stays paused until it is resumed. The exit code is 1 when something is at work still after the wait;
the queue stays paused then, too.`,
		Example: "  wayside queues drain reports --wait 5m",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		until := time.Now().Add(wait)
		for {
			q, err := c.DrainQueue(ctx, args[0], min(max(time.Until(until), 0), 30*time.Second))
			if err != nil || q.Counts["active"] == 0 {
				return r.printQueue(q, f, "drain", args[0], err)
			}
			if !time.Now().Before(until) {
				return errors.Join(r.printQueue(q, f, "drain", args[0], nil), fmt.Errorf("queue %s: %d jobs are at work still", args[0], q.Counts["active"]))
			}
		}
	})
	cmd.Flags().DurationVar(&wait, "wait", time.Minute, "how long to wait")
	return cmd
}

func (r *root) queuesPurgeCmd() *cobra.Command {
	return r.remoteCmd(&cobra.Command{
		Use: "purge NAME", Short: "Remove every job of a queue that is not at work", Args: cobra.ExactArgs(1),
		Long:    `Removes jobs whatever their status; those that have not ended are cancelled. There is no way back.`,
		Example: "  wayside queues purge reports",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		n, err := c.PurgeQueue(ctx, args[0])
		if err != nil {
			return fmt.Errorf("purge queue %s: %w", args[0], err)
		}
		if f.json {
			return r.printJSON(map[string]int{"removed": n})
		}
		return r.print(fmt.Sprintf("%d jobs removed\n", n))
	})
}

func (r *root) queuesDeleteCmd() *cobra.Command {
	return r.remoteCmd(&cobra.Command{
		Use: "delete NAME", Short: "Delete a queue without jobs, with its settings", Args: cobra.ExactArgs(1),
		Example: "  wayside queues purge old && wayside queues delete old",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		if err := c.DeleteQueue(ctx, args[0]); err != nil {
			return fmt.Errorf("delete queue %s: %w", args[0], err)
		}
		if f.json {
			return r.printJSON(map[string]string{"deleted": args[0]})
		}
		return r.print(args[0] + " deleted\n")
	})
}
