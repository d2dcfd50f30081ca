package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wayside-edge/wayside/sdk/client"
)

// flowsCmd holds what is done with flows.
func (r *root) flowsCmd() *cobra.Command {
	return group(&cobra.Command{
		Use:   "flows",
		Short: "Jobs that wait for each other",
		Long:  `A flow is jobs made together, each of which may wait for others of it.`,
	}, r.flowsListCmd(), r.flowsShowCmd(), r.flowsCreateCmd(), r.flowsCancelCmd())
}

func (r *root) flowsListCmd() *cobra.Command {
	var limit int
	cmd := r.remoteCmd(&cobra.Command{
		Use: "list", Short: "List flows, the newest first", Args: cobra.NoArgs, Example: "  wayside flows list",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, _ []string) error {
		all, _, err := c.Flows(ctx, limit, "")
		if err != nil {
			return fmt.Errorf("list flows: %w", err)
		}
		switch {
		case f.json:
			return r.printJSON(all)
		case len(all) == 0:
			return r.print("no flows\n")
		}
		return r.print(columns("ID\tSTATUS\tENDED\tJOBS\tCREATED", func(w io.Writer) {
			for i := range all {
				ended, total := flowCounts(&all[i])
				fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\n", all[i].ID, all[i].Status, ended, total, when(all[i].CreatedAt))
			}
		}))
	})
	cmd.Flags().IntVar(&limit, "limit", 50, "how many, at most 1000")
	return cmd
}

func flowCounts(f *client.Flow) (ended, total int) {
	for st, n := range f.Counts {
		total += n
		if st == "completed" || st == "dead" || st == "cancelled" {
			ended += n
		}
	}
	return ended, total
}

func (r *root) flowsShowCmd() *cobra.Command {
	return r.remoteCmd(&cobra.Command{
		Use: "show ID", Short: "Show a flow with its jobs", Args: cobra.ExactArgs(1), Example: "  wayside flows show f2a",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		flow, err := c.Flow(ctx, args[0])
		return r.printFlow(&flow, f, "show flow "+args[0], err)
	})
}

// printFlow prints a flow.
func (r *root) printFlow(flow *client.Flow, f remoteFlags, what string, err error) error {
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", what, err)
	case f.json:
		return r.printJSON(flow)
	}
	ended, total := flowCounts(flow)
	return r.print(fmt.Sprintf("%s %s, %d of %d jobs have ended\n", flow.ID, flow.Status, ended, total) +
		columns("KEY\tJOB\tTYPE\tSTATUS\tDEPENDS ON", func(w io.Writer) {
			for _, j := range flow.Jobs {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", printable(j.Key), j.ID, j.Type, j.Status, printable(strings.Join(j.DependsOn, " ")))
			}
		}))
}

func (r *root) flowsCreateCmd() *cobra.Command {
	var key string
	cmd := r.remoteCmd(&cobra.Command{
		Use: "create FILE", Short: "Make a flow of a JSON file; - is standard input", Args: cobra.ExactArgs(1),
		Long: `The file holds {"jobs": [{"key": …, "type": …, "depends_on": [keys], "on_failure": "fail"|"continue", …}]};
each job may have whatever a job may have (docs/queue.md). All are made, or none.`,
		Example: `  wayside flows create flow.json
  echo '{"jobs": [{"key": "a", "type": "fetch"}, {"key": "b", "type": "sum", "depends_on": ["a"]}]}' | wayside flows create -`,
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		in := r.std.in
		if args[0] != "-" {
			file, err := os.Open(args[0])
			if err != nil {
				return fmt.Errorf("create flow: %w", err)
			}
			defer func() { _ = file.Close() }()
			in = file
		}
		var given struct {
			Jobs []client.NewFlowJob `json:"jobs"`
		}
		dec := json.NewDecoder(in)
		dec.DisallowUnknownFields()
		if err := dec.Decode(&given); err != nil {
			return fmt.Errorf("create flow: %s is not {\"jobs\": […]}: %w", args[0], err)
		}
		flow, err := c.CreateFlow(ctx, given.Jobs, key)
		return r.printFlow(&flow, f, "create flow", err)
	})
	cmd.Flags().StringVar(&key, "idempotency-key", "", "the same key within 24 h gives the same flow")
	return cmd
}

func (r *root) flowsCancelCmd() *cobra.Command {
	return r.remoteCmd(&cobra.Command{
		Use: "cancel ID", Short: "Cancel every job of a flow that has not ended", Args: cobra.ExactArgs(1), Example: "  wayside flows cancel f2a",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		flow, err := c.CancelFlow(ctx, args[0])
		return r.printFlow(&flow, f, "cancel flow "+args[0], err)
	})
}
