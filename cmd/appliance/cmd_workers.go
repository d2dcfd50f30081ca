package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wayside-edge/wayside/sdk/client"
)

// workersCmd holds what is done with the workers that do jobs.
func (r *root) workersCmd() *cobra.Command {
	return group(&cobra.Command{
		Use:   "workers",
		Short: "Watch and drain the workers of a running appliance",
		Long:  `Workers are the programs that do jobs, and the appliance itself. (Its decode processes are something else.)`,
	}, r.workersListCmd(),
		r.workerNodeCmd("drain", "Give a worker no more jobs; it finishes those it has", (*client.Client).DrainWorker),
		r.workerNodeCmd("resume", "Give a worker jobs again", (*client.Client).ResumeWorker))
}

func (r *root) workersListCmd() *cobra.Command {
	return r.remoteCmd(&cobra.Command{
		Use: "list", Short: "List the workers that were seen in the last ten minutes", Args: cobra.NoArgs, Example: "  wayside workers list",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, _ []string) error {
		all, err := c.Workers(ctx)
		if err != nil {
			return fmt.Errorf("list workers: %w", err)
		}
		switch {
		case f.json:
			return r.printJSON(all)
		case len(all) == 0:
			return r.print("no workers\n")
		}
		return r.print(columns("ID\tACTIVE\tDONE\tFAILED\tQUEUES\tTYPES\tLAST SEEN\t", func(w io.Writer) {
			for i := range all {
				n := &all[i]
				fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%s\t%s\t%s\t%s\n", printable(n.ID), n.Active, n.Done, n.Failed, names(n.Queues), names(n.Types), when(n.LastSeen), workerNote(n))
			}
		}))
	})
}

func names(all []string) string {
	if len(all) == 0 {
		return "all"
	}
	return printable(strings.Join(all, ","))
}

func workerNote(n *client.Worker) string {
	var parts []string
	if !n.External {
		parts = append(parts, "the appliance")
	}
	if n.Draining {
		parts = append(parts, "draining")
	}
	return strings.Join(parts, ", ")
}

// workerNodeCmd makes a command that does something to a worker and prints it.
func (r *root) workerNodeCmd(name, short string, do func(*client.Client, context.Context, string) (client.Worker, error)) *cobra.Command {
	return r.remoteCmd(&cobra.Command{
		Use: name + " ID", Short: short, Args: cobra.ExactArgs(1), Example: "  wayside workers " + name + " box7:4711",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		n, err := do(c, ctx, args[0])
		switch {
		case err != nil:
			return fmt.Errorf("%s worker %s: %w", name, args[0], err)
		case f.json:
			return r.printJSON(n)
		}
		return r.print(workerLine(&n))
	})
}

func workerLine(n *client.Worker) string {
	line := printable(n.ID) + ": "
	if note := workerNote(n); note != "" {
		line += note + ", "
	}
	return fmt.Sprintf("%s%d at work\n", line, n.Active)
}
