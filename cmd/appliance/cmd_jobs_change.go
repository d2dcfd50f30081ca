package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/wayside-edge/wayside/sdk/client"
)

// jobsChangeCmds are the commands that change jobs, and move them.
func (r *root) jobsChangeCmds() []*cobra.Command {
	return []*cobra.Command{
		r.jobsActCmd("cancel", "cancelled", "Cancel jobs that have not ended", "Jobs that are at work are told to stop.", (*client.Client).CancelJob),
		r.jobsActCmd("retry", "ready", "Bring dead or cancelled jobs back",
			"They get all their attempts again and keep their errors. Jobs that wait for their next attempt are made ready.", (*client.Client).RetryJob),
		r.jobsActCmd("promote", "ready", "Make jobs ready that wait for their time", "", (*client.Client).PromoteJob),
		r.jobsActCmd("delete", "deleted", "Delete jobs that are not at work", "Jobs that have not ended are cancelled.",
			func(c *client.Client, ctx context.Context, id string) (client.Job, error) {
				return client.Job{ID: id, Status: "deleted"}, c.DeleteJob(ctx, id)
			}),
		r.jobsEditCmd(), r.jobsExportCmd(), r.jobsImportCmd(),
	}
}

// jobsActCmd makes a command that does something to jobs, by their ids or by a filter.
func (r *root) jobsActCmd(name, done, short, long string, do func(*client.Client, context.Context, string) (client.Job, error)) *cobra.Command {
	var f jobFilterFlags
	var limit int
	command := "wayside jobs " + name
	cmd := r.remoteCmd(&cobra.Command{
		Use: name + " [ID…]", Short: short,
		Long: long + `

Jobs are named by their ids, or found by a filter: then it is done to every job that the filter
finds and whose status allows it. The exit code is 1 when it failed for a job that was named.`,
		Example: "  wayside jobs " + name + " j2a9 j2aa\n  wayside jobs " + name + " --type thumbnail --since 1h" + ofDeadLetters(name),
	}, func(ctx context.Context, c *client.Client, rf remoteFlags, args []string) error {
		filter, selects, err := f.read(time.Now())
		switch {
		case err != nil:
			return &usageError{command: command, err: err}
		case selects == (len(args) > 0):
			return &usageError{command: command, err: errors.New("either ids of jobs, or flags that select them")}
		case selects:
			return r.actOnJobs(ctx, c, rf, name, done, filter, limit)
		}
		var failed error
		jobs := []client.Job{}
		for _, id := range args {
			j, err := do(c, ctx, id)
			if err != nil {
				failed = errors.Join(failed, fmt.Errorf("%s job %s: %w", name, id, err))
				continue
			}
			if jobs = append(jobs, j); !rf.json {
				failed = errors.Join(failed, r.print(fmt.Sprintf("%s %s\n", j.ID, j.Status)))
			}
		}
		if rf.json {
			return errors.Join(r.printJSON(jobs), failed)
		}
		return failed
	})
	f.add(cmd.Flags())
	cmd.Flags().IntVar(&limit, "limit", 0, "of those that are found, at most so many; 0 is all")
	completeStatus(cmd)
	return cmd
}

// ofDeadLetters gives more examples of a command that dead jobs are for.
func ofDeadLetters(name string) string {
	if name != "retry" && name != "delete" {
		return ""
	}
	return "\n  wayside jobs " + name + " --status dead --schedule nightly\n  wayside jobs " + name + " --status dead --queue reports --code timeout"
}

func (r *root) actOnJobs(ctx context.Context, c *client.Client, f remoteFlags, name, done string, filter client.JobFilter, limit int) error {
	a, err := c.ActOnJobs(ctx, name, filter, limit)
	if err != nil {
		return fmt.Errorf("%s jobs: %w", name, err)
	}
	if f.json {
		return r.printJSON(a)
	}
	text := fmt.Sprintf("%d of %d jobs %s\n", a.Done, a.Matched, done)
	if a.Failed > 0 && a.Error != nil {
		text += fmt.Sprintf("%d left as they are: %s\n", a.Failed, printable(a.Error.Message))
	}
	return r.print(text)
}

func (r *root) jobsEditCmd() *cobra.Command {
	var payload, queue, runAt string
	var priority int
	cmd := &cobra.Command{
		Use: "edit ID", Short: "Change a job that is neither at work nor completed", Args: cobra.ExactArgs(1),
		Long: `Changes what is given and leaves the rest. A dead job stays dead until it is retried.`,
		Example: `  wayside jobs edit j2a9 --priority 9
  wayside jobs edit j2a9 --payload '{"file": "f2"}' && wayside jobs retry j2a9`,
	}
	cmd = r.remoteCmd(cmd, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		var e client.JobEdit
		var err error
		if e.Payload, err = readPayload(payload, r.std.in); err != nil {
			return &usageError{command: "wayside jobs edit", err: err}
		}
		if runAt != "" {
			if e.RunAt, err = time.Parse(time.RFC3339, runAt); err != nil {
				return &usageError{command: "wayside jobs edit", err: fmt.Errorf("--run-at: %q is no time like 2026-01-02T03:04:05Z", runAt)}
			}
		}
		if queue != "" {
			e.Queue = &queue
		}
		if cmd.Flags().Changed("priority") {
			e.Priority = &priority
		}
		if e.Payload == nil && e.RunAt.IsZero() && e.Queue == nil && e.Priority == nil {
			return &usageError{command: "wayside jobs edit", err: errors.New("nothing to change was given")}
		}
		j, err := c.EditJob(ctx, args[0], e)
		if err != nil {
			return fmt.Errorf("edit job %s: %w", args[0], err)
		}
		return r.showJob(&j, f)
	})
	cmd.Flags().StringVar(&payload, "payload", "", "JSON, or @FILE with it, or - for standard input")
	cmd.Flags().StringVar(&queue, "queue", "", "another queue")
	cmd.Flags().IntVar(&priority, "priority", 5, "0 to 9, 9 first")
	cmd.Flags().StringVar(&runAt, "run-at", "", "not before this time (2026-01-02T03:04:05Z)")
	return cmd
}

func (r *root) jobsExportCmd() *cobra.Command {
	var f jobFilterFlags
	var out string
	cmd := r.remoteCmd(&cobra.Command{
		Use: "export", Short: "Write jobs as NDJSON, for another appliance", Args: cobra.NoArgs,
		Long: `Writes the jobs that a filter finds, all without one, one JSON document a line, the oldest first.
The appliance's own jobs (decodes) are left out. The jobs stay where they are.`,
		Example: `  wayside jobs export -o jobs.ndjson
  wayside jobs export --status dead | grep timeout`,
	}, func(ctx context.Context, c *client.Client, _ remoteFlags, _ []string) error {
		filter, _, err := f.read(time.Now())
		if err != nil {
			return &usageError{command: "wayside jobs export", err: err}
		}
		if out == "" || out == "-" {
			if err := c.ExportJobs(ctx, filter, r.std.out); err != nil {
				return fmt.Errorf("export jobs: %w", err)
			}
			return nil
		}
		if err := writeWhole(out, func(w io.Writer) error { return c.ExportJobs(ctx, filter, w) }); err != nil {
			return fmt.Errorf("export jobs to %s: %w", out, err)
		}
		return nil
	})
	f.add(cmd.Flags())
	cmd.Flags().StringVarP(&out, "output", "o", "", "file to write (default standard output)")
	completeStatus(cmd)
	return cmd
}

// writeWhole writes a file that has its name once it is whole.
func writeWhole(path string, write func(w io.Writer) error) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("make file: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(tmp.Name()))
		}
	}()
	if err = errors.Join(write(tmp), tmp.Close()); err != nil {
		return err
	}
	if err = os.Rename(tmp.Name(), path); err != nil {
		return fmt.Errorf("name file: %w", err)
	}
	return nil
}

func (r *root) jobsImportCmd() *cobra.Command {
	return r.remoteCmd(&cobra.Command{
		Use: "import FILE", Short: "Make the jobs of an export anew; - is standard input", Args: cobra.ExactArgs(1),
		Long: `Makes the jobs of an export anew, under new ids: what was at work is ready, what had ended has ended.
Jobs whose unique key is held are left out.`,
		Example: `  wayside jobs import jobs.ndjson
  wayside jobs export --server http://old:8000 --status ready,scheduled,retry | wayside jobs import -`,
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		in := r.std.in
		if args[0] != "-" {
			file, err := os.Open(args[0])
			if err != nil {
				return fmt.Errorf("import jobs: %w", err)
			}
			defer func() { _ = file.Close() }()
			in = file
		}
		done, err := c.ImportJobs(ctx, in)
		if err != nil {
			return fmt.Errorf("import jobs: %w", err)
		}
		if f.json {
			return r.printJSON(done)
		}
		text := fmt.Sprintf("%d jobs made\n", done.Imported)
		if done.Duplicates > 0 {
			text += fmt.Sprintf("%d left out: their unique key is held\n", done.Duplicates)
		}
		return r.print(text)
	})
}
