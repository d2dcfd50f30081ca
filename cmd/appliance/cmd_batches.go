package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/wayside-edge/wayside/internal/progress"
	"github.com/wayside-edge/wayside/sdk/client"
)

// batchesCmd holds what is done with many files as one piece of work.
func (r *root) batchesCmd() *cobra.Command {
	return group(&cobra.Command{
		Use:   "batches",
		Short: "Decode many files of a running appliance as one piece of work",
		Long: `A batch decodes stored files, several at a time, and has one table of all of them. Files are uploaded and
made a batch in one go by ` + "`wayside upload --batch NAME`" + `.`,
	}, r.batchesListCmd(), r.batchesShowCmd(), r.batchesStartCmd(), r.batchesSendCmd(), r.batchesTablesCmd(), r.batchesRowsCmd(), r.batchesGetCmd(),
		r.batchCmd("cancel", "Cancel a batch that has not ended; what it has decoded stays", (*client.Client).CancelBatch),
		r.batchCmd("retry", "Decode the files of a batch anew that failed or were cancelled", (*client.Client).RetryBatch),
		r.batchesDeleteCmd())
}

func (r *root) batchesListCmd() *cobra.Command {
	var l client.BatchList
	var p page
	cmd := r.remoteCmd(&cobra.Command{
		Use: "list", Short: "List batches, the newest first", Args: cobra.NoArgs, Example: "  wayside batches list --status running",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, _ []string) error {
		batches, next, err := collect(p, func(at client.Page) ([]client.Batch, string, error) {
			l.Page = at
			return c.Batches(ctx, l)
		})
		if err != nil {
			return fmt.Errorf("list batches: %w", err)
		}
		docs := make([]json.RawMessage, len(batches))
		for i := range batches {
			docs[i] = batches[i].Raw
		}
		if done, err := r.printList(docs, f, p, next, "batches"); done {
			return err
		}
		s := &sheet{head: []string{"ID", "NAME", "STATUS", ">FILES", ">SUCCESSFUL", ">FAILED", ">RUNNING", "CREATED"}}
		for i := range batches {
			b := &batches[i]
			s.add(text(b.ID), text(b.Name), statusCell(b.Status), number(b.Total), number(b.Successful), number(b.Failed), number(b.Running), r.moment(b.CreatedAt))
		}
		if err := r.printSheet(s); err != nil {
			return err
		}
		return r.saidMore(len(batches), next)
	})
	cmd.Flags().StringVar(&l.Status, "status", "", "only of this status: queued, running, done, partial, failed, cancelled")
	p.add(cmd.Flags())
	_ = cmd.RegisterFlagCompletionFunc("status", cobra.FixedCompletions([]string{"queued", "running", "done", "partial", "failed", "cancelled"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func number(n int) cell { return cell{text: progress.Count(int64(n))} }

// batchLine says in a line how a batch is.
func batchLine(b *client.Batch) string {
	return fmt.Sprintf("%s %s: %d files, %d successful, %d failed\n", printable(b.ID), printable(b.Status), b.Total, b.Successful, b.Failed)
}

func (r *root) batchesShowCmd() *cobra.Command {
	var wait time.Duration
	var v client.BatchView
	cmd := r.remoteCmd(&cobra.Command{
		Use: "show ID", Short: "Show a batch with its files, or wait for its end", Args: cobra.ExactArgs(1),
		Long: `Shows a batch with its files. With --wait it waits for the end first; the exit code is 1 then when the batch
has not ended in that time, or not every file was decoded. --limit and --cursor give its files page by page.`,
		Example: "  wayside batches show b2a9 --wait 10m\n  wayside batches show b2a9 --limit 100 --json",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		if wait > 0 {
			return r.awaitBatch(ctx, c, f, args[0], wait, v)
		}
		b, err := c.BatchFiles(ctx, args[0], v)
		if err != nil {
			return fmt.Errorf("show batch %s: %w", args[0], err)
		}
		return r.showBatch(&b, f)
	})
	fl := cmd.Flags()
	fl.DurationVar(&wait, "wait", 0, "how long to wait for the end")
	fl.IntVar(&v.Limit, "limit", 0, "how many files, at most 10000 (default all)")
	fl.StringVar(&v.Cursor, "cursor", "", "next_cursor of the answer before")
	cmd.ValidArgsFunction = r.completeBatches
	return cmd
}

// batchLook is how often a batch is looked at for a bar; without one its end alone is of interest.
const (
	batchLook = time.Second
	batchRest = 30 * time.Second
)

// awaitBatch waits for the end of a batch, on a terminal below a bar, and shows it.
func (r *root) awaitBatch(ctx context.Context, c *client.Client, f remoteFlags, id string, wait time.Duration, v client.BatchView) error {
	b, err := r.watchBatch(ctx, c, id, wait)
	if err == nil {
		b, err = c.BatchFiles(ctx, b.ID, v)
	}
	if err != nil {
		return fmt.Errorf("wait for batch %s: %w", id, err)
	}
	if err := r.showBatch(&b, f); err != nil {
		return err
	}
	switch {
	case b.FinishedAt.IsZero():
		return fmt.Errorf("batch %s is %s after %s: %d of %d files have ended", printable(b.ID), printable(b.Status), wait, b.Successful+b.Failed, b.Total)
	case b.Failed > 0:
		return fmt.Errorf("batch %s is %s: %d of %d files failed", printable(b.ID), printable(b.Status), b.Failed, b.Total)
	}
	return nil
}

// watchBatch gives a batch, with hardly a file, once it has ended or the time is over.
func (r *root) watchBatch(ctx context.Context, c *client.Client, id string, wait time.Duration) (client.Batch, error) {
	width, look, every := terminal(r.std.err), batchRest, batchRest
	if width > 0 {
		look, every = 0, batchLook // the first time at once: the bar needs to know how many there are
	}
	screen := progress.New(r.std.out, r.std.err, width)
	defer screen.Start()()
	until, told := time.Now().Add(wait), false
	for {
		b, err := c.BatchFiles(ctx, id, client.BatchView{Wait: min(max(time.Until(until), 0), look), Limit: 1})
		if err != nil || !b.FinishedAt.IsZero() || !time.Now().Before(until) {
			return b, err //nolint:wrapcheck // the caller says what it is for
		}
		if !told {
			screen.Expect(b.Total, 0)
			told = true
		}
		look = every
		screen.At(b.Successful+b.Failed, b.Progress)
		screen.Say(batchNote(&b))
	}
}

// batchNote says beside a bar what the bar does not.
func batchNote(b *client.Batch) string {
	note := fmt.Sprintf("%d at work", b.Running)
	if b.Failed > 0 {
		note += fmt.Sprintf(", %d failed", b.Failed)
	}
	return note
}

func (r *root) showBatch(b *client.Batch, f remoteFlags) error {
	if f.json {
		return r.printRaw(b.Raw)
	}
	if err := r.print(batchLine(b)); err != nil {
		return err
	}
	s := &sheet{head: []string{"FILE", "NAME", "DECODE", "STATUS", "NOTE"}}
	for i := range b.Results {
		res := &b.Results[i]
		status := statusCell("done")
		if res.Partial {
			status = statusCell("partial")
		}
		s.add(text(res.FileID), text(res.Name), text(res.DecodeID), status, cell{})
	}
	for i := range b.Errors {
		res := &b.Errors[i]
		note := cell{}
		if res.Error != nil {
			note = text(failureText(res.Error))
		}
		s.add(text(res.FileID), text(res.Name), text(res.DecodeID), statusCell("failed"), note)
	}
	for i := range b.Pending {
		res := &b.Pending[i]
		s.add(text(res.FileID), text(res.Name), text(res.DecodeID), cell{"pending", faint}, cell{})
	}
	if err := r.printSheet(s); err != nil || b.Next == "" {
		return err
	}
	return r.note(fmt.Sprintf("%d of %d files; --limit shows more, or go on with --cursor %s\n", len(s.rows), b.Total, printable(b.Next)))
}

// batchCmd makes a command that does something to a batch and prints it.
func (r *root) batchCmd(name, short string, do func(*client.Client, context.Context, string) (client.Batch, error)) *cobra.Command {
	var wait time.Duration
	cmd := r.remoteCmd(&cobra.Command{
		Use: name + " ID", Short: short, Args: cobra.ExactArgs(1), Example: "  wayside batches " + name + " b2a9",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		b, err := do(c, ctx, args[0])
		if err != nil {
			return fmt.Errorf("%s batch %s: %w", name, args[0], err)
		}
		return r.batchMade(ctx, c, f, &b, wait, batchLine(&b))
	})
	if name == "retry" {
		cmd.Flags().DurationVar(&wait, "wait", 0, "wait so long for the end")
	}
	cmd.ValidArgsFunction = r.completeBatches
	return cmd
}

// batchMade prints a batch that goes on now, as line without --json, or waits for its end.
func (r *root) batchMade(ctx context.Context, c *client.Client, f remoteFlags, b *client.Batch, wait time.Duration, line string) error {
	switch {
	case wait > 0:
		return r.awaitBatch(ctx, c, f, b.ID, wait, client.BatchView{})
	case f.json:
		return r.printRaw(b.Raw)
	}
	return r.print(line)
}

func (r *root) batchesDeleteCmd() *cobra.Command {
	cmd := r.remoteCmd(&cobra.Command{
		Use: "delete ID…", Short: "Delete batches; their files and decodes stay", Args: cobra.MinimumNArgs(1), Example: "  wayside batches delete b2a9",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		return r.deleteEach(f, "batch", args, func(id string) error { return c.DeleteBatch(ctx, id) })
	})
	cmd.ValidArgsFunction = r.completeBatches
	return cmd
}

// completeBatches offers the newest batches, with their names, then the tables of the one that was named.
func (r *root) completeBatches(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	takesTable := cmd.Name() == "rows" || cmd.Name() == "get"
	if len(args) > 1 && cmd.Name() != "delete" || len(args) == 1 && !takesTable && cmd.Name() != "delete" {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return r.completed(cmd, func(ctx context.Context, c *client.Client) (out []cobra.Completion, err error) {
		if len(args) == 1 && takesTable {
			tables, err := c.BatchTables(ctx, args[0])
			for i := range tables {
				out = append(out, cobra.CompletionWithDesc(tables[i].Name, printable(tables[i].Description)))
			}
			return out, err //nolint:wrapcheck // nobody sees it
		}
		batches, _, err := c.Batches(ctx, client.BatchList{})
		for i := range batches {
			out = append(out, cobra.CompletionWithDesc(batches[i].ID, printable(batches[i].Name)))
		}
		return out, err //nolint:wrapcheck // as above
	})
}
