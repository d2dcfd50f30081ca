package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/wayside-edge/wayside/sdk/client"
)

// schedulesCmd holds what is done with schedules.
func (r *root) schedulesCmd() *cobra.Command {
	return group(&cobra.Command{
		Use:   "schedules",
		Short: "Make jobs at times given by cron expressions",
		Long: `A schedule of a running appliance makes a job at each of its times. Its jobs are found by its id: those
that are dead by "wayside jobs list --status dead --schedule ID", and "wayside jobs retry" with the same
flags brings them back.`,
	}, r.schedulesListCmd(), r.schedulesShowCmd(), r.schedulesSetCmd(), r.schedulesDeleteCmd(), r.schedulesRunCmd(),
		r.scheduleCmd("pause", "Let a schedule make no more jobs", (*client.Client).PauseSchedule),
		r.scheduleCmd("resume", "Let a schedule make jobs again", (*client.Client).ResumeSchedule))
}

func (r *root) schedulesListCmd() *cobra.Command {
	return r.remoteCmd(&cobra.Command{
		Use: "list", Short: "List the schedules", Args: cobra.NoArgs, Example: "  wayside schedules list",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, _ []string) error {
		all, err := c.Schedules(ctx)
		if err != nil {
			return fmt.Errorf("list schedules: %w", err)
		}
		switch {
		case f.json:
			return r.printJSON(all)
		case len(all) == 0:
			return r.print("no schedules\n")
		}
		return r.print(columns("ID\tCRON\tTIMEZONE\tJOB\tNEXT\tLAST\t", func(w io.Writer) {
			for i := range all {
				s := &all[i]
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.ID, printable(s.Cron), printable(s.Timezone), s.Job.Type, when(s.NextRunAt), when(s.LastRunAt), scheduleNote(s))
			}
		}))
	})
}

func scheduleNote(s *client.Schedule) string {
	switch {
	case s.Paused:
		return "paused"
	case s.Reason != "":
		return printable(s.Reason)
	}
	return ""
}

func (r *root) schedulesShowCmd() *cobra.Command {
	return r.remoteCmd(&cobra.Command{
		Use: "show ID", Short: "Show a schedule", Args: cobra.ExactArgs(1), Example: "  wayside schedules show nightly",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		s, err := c.Schedule(ctx, args[0])
		return r.printSchedule(&s, f, "show", args[0], err)
	})
}

// printSchedule prints what became of a schedule.
func (r *root) printSchedule(s *client.Schedule, f remoteFlags, what, id string, err error) error {
	switch {
	case err != nil:
		return fmt.Errorf("%s schedule %s: %w", what, id, err)
	case f.json:
		return r.printJSON(s)
	}
	text := columns("", func(w io.Writer) {
		fmt.Fprintf(w, "id\t%s %s\n", s.ID, scheduleNote(s))
		fmt.Fprintf(w, "cron\t%s, %s\n", printable(s.Cron), printable(s.Timezone))
		fmt.Fprintf(w, "job\t%s\n", s.Job.Type)
		fmt.Fprintf(w, "missed times\t%s\n", s.Missed)
		fmt.Fprintf(w, "overlap\t%s, %d times left out\n", s.Overlap, s.Skipped)
		fmt.Fprintf(w, "next\t%s\n", when(s.NextRunAt))
		fmt.Fprintf(w, "last\t%s %s\n", when(s.LastRunAt), s.LastJobID)
	})
	return r.print(text[1:])
}

func (r *root) schedulesSetCmd() *cobra.Command {
	var f jobFlags
	var n client.NewSchedule
	cmd := &cobra.Command{
		Use: "set ID --cron CRON --type TYPE", Short: "Make a schedule, or replace the one of that id", Args: cobra.ExactArgs(1),
		Long: `The cron expression has five fields (minute, hour, day of the month, month, day of the week), or six with
seconds first, or is one of @hourly, @daily, @weekly, @monthly, @yearly (docs/schedules.md). Times are of
--timezone, UTC unless given. Times that have fired do not fire again when a schedule is replaced.`,
		Example: `  wayside schedules set nightly --cron "0 3 * * *" --timezone Europe/Berlin --type report --queue reports
  wayside schedules set tick --cron "*/5 * * * *" --type poll --overlap skip --payload '{"all": true}'`,
	}
	cmd = r.remoteCmd(cmd, func(ctx context.Context, c *client.Client, rf remoteFlags, args []string) error {
		if n.Cron == "" || f.job.Type == "" {
			return &usageError{command: "wayside schedules set", err: errors.New("--cron and --type are required")}
		}
		var err error
		if n.Job, err = f.read(f.job.Type, cmd.Flags(), r.std.in); err != nil {
			return &usageError{command: "wayside schedules set", err: err}
		}
		s, err := c.SetSchedule(ctx, args[0], n)
		return r.printSchedule(&s, rf, "set", args[0], err)
	})
	fl := cmd.Flags()
	f.add(fl)
	fl.StringVar(&n.Cron, "cron", "", "when")
	fl.StringVar(&f.job.Type, "type", "", "type of the job")
	fl.StringVar(&n.Timezone, "timezone", "", "IANA name (default UTC)")
	fl.StringVar(&n.Missed, "missed", "", "times that passed while nothing could fire: skip, once (default), all")
	fl.IntVar(&n.MissedMax, "missed-max", 0, "most jobs of --missed all (default 100)")
	fl.StringVar(&n.Overlap, "overlap", "", "when the job before has not ended: allow, skip (default), queue")
	fl.BoolVar(&n.Paused, "paused", false, "make it, but let it not fire yet")
	return cmd
}

func (r *root) schedulesDeleteCmd() *cobra.Command {
	return r.remoteCmd(&cobra.Command{
		Use: "delete ID", Short: "Delete a schedule; its jobs stay", Args: cobra.ExactArgs(1), Example: "  wayside schedules delete nightly",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		if err := c.DeleteSchedule(ctx, args[0]); err != nil {
			return fmt.Errorf("delete schedule %s: %w", args[0], err)
		}
		if f.json {
			return r.printJSON(map[string]string{"deleted": args[0]})
		}
		return r.print(args[0] + " deleted\n")
	})
}

func (r *root) schedulesRunCmd() *cobra.Command {
	return r.remoteCmd(&cobra.Command{
		Use: "run ID", Short: "Make the job of a schedule now", Args: cobra.ExactArgs(1), Example: "  wayside schedules run nightly",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		j, err := c.RunSchedule(ctx, args[0])
		switch {
		case err != nil:
			return fmt.Errorf("run schedule %s: %w", args[0], err)
		case f.json:
			return r.printJSON(j)
		}
		return r.print(j.ID + "\n")
	})
}

// scheduleCmd makes a command that does something to a schedule and prints it.
func (r *root) scheduleCmd(name, short string, do func(*client.Client, context.Context, string) (client.Schedule, error)) *cobra.Command {
	return r.remoteCmd(&cobra.Command{
		Use: name + " ID", Short: short, Args: cobra.ExactArgs(1), Example: "  wayside schedules " + name + " nightly",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		s, err := do(c, ctx, args[0])
		return r.printSchedule(&s, f, name, args[0], err)
	})
}
