package main

import (
	"context"
	"encoding/json"
	"errors"
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
	}, r.batchesListCmd(), r.batchesShowCmd(), r.batchesStartCmd(), r.batchesGetCmd(),
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
		batches, more, err := collect(p, func(at client.Page) ([]client.Batch, string, error) {
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
		if done, err := r.printList(docs, f, p, "batches"); done {
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
		return r.saidMore(len(batches), more)
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
	cmd := r.remoteCmd(&cobra.Command{
		Use: "show ID", Short: "Show a batch with its files, or wait for its end", Args: cobra.ExactArgs(1),
		Long: `Shows a batch. With --wait it waits for the end first; the exit code is 1 then when the batch has not ended
in that time, or not every file was decoded.`,
		Example: "  wayside batches show b2a9 --wait 10m",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		return r.awaitBatch(ctx, c, f, args[0], wait)
	})
	cmd.Flags().DurationVar(&wait, "wait", 0, "how long to wait for the end")
	cmd.ValidArgsFunction = r.completeBatches
	return cmd
}

// awaitBatch shows a batch, after the wait that was asked for.
func (r *root) awaitBatch(ctx context.Context, c *client.Client, f remoteFlags, id string, wait time.Duration) error {
	until := time.Now().Add(wait)
	for {
		b, err := c.Batch(ctx, id, min(max(time.Until(until), 0), 30*time.Second))
		if err != nil {
			return fmt.Errorf("show batch %s: %w", id, err)
		}
		ended := !b.FinishedAt.IsZero()
		if !ended && time.Now().Before(until) {
			continue
		}
		if err := r.showBatch(ctx, c, &b, f); err != nil || wait == 0 {
			return err
		}
		if !ended || b.Failed > 0 {
			return fmt.Errorf("batch %s is %s: %d of %d files failed", b.ID, b.Status, b.Failed, b.Total)
		}
		return nil
	}
}

// showBatch prints a batch with all its files, however many answers of the appliance they fill.
func (r *root) showBatch(ctx context.Context, c *client.Client, b *client.Batch, f remoteFlags) error {
	if f.json {
		return r.showBatchJSON(ctx, c, b)
	}
	if err := r.print(batchLine(b)); err != nil {
		return err
	}
	s := &sheet{head: []string{"FILE", "NAME", "DECODE", "STATUS", "NOTE"}}
	for page := *b; ; {
		addBatchFiles(s, &page)
		if page.NextCursor == "" {
			return r.printSheet(s)
		}
		var err error
		if page, err = c.BatchFiles(ctx, b.ID, client.Page{Cursor: page.NextCursor}); err != nil {
			return fmt.Errorf("show batch %s: %w", b.ID, err)
		}
	}
}

// showBatchJSON prints the appliance's own document; one for each page of files of a batch of more than 10,000.
func (r *root) showBatchJSON(ctx context.Context, c *client.Client, b *client.Batch) error {
	for page := *b; ; {
		if err := r.printRaw(page.Raw); err != nil || page.NextCursor == "" {
			return err
		}
		var err error
		if page, err = c.BatchFiles(ctx, b.ID, client.Page{Cursor: page.NextCursor}); err != nil {
			return fmt.Errorf("show batch %s: %w", b.ID, err)
		}
	}
}

func addBatchFiles(s *sheet, b *client.Batch) {
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
}

func (r *root) batchesStartCmd() *cobra.Command {
	var n client.NewBatch
	var params []string
	var wait, each time.Duration
	cmd := r.remoteCmd(&cobra.Command{
		Use: "start (FILE-ID… | --archive FILE-ID)", Short: "Decode stored files as one batch", Args: cobra.ArbitraryArgs,
		Long: `Decodes stored files, in their order, and prints the id of the batch. With --archive the files of a stored
archive become the files of the batch. With --combine the files are one recording, such as the hours of a mission: they
become one file with one decode. With --wait it waits for the end and shows it; the exit code is 1 then when not every
file was decoded.`,
		Example: `  wayside batches start f2a9 f2aa --name "trip 4711" --wait 10m
  wayside batches start --archive f2ab --combine`,
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		given, err := parseParams(params)
		if err == nil && (len(args) == 0) == (n.Archive == "") {
			err = errors.New("name the files, or one archive with --archive")
		}
		if err != nil {
			return &usageError{command: "wayside batches start", err: err}
		}
		n.FileIDs, n.Params, n.TimeoutPerFile = args, anyParams(given), each.Seconds()
		b, err := c.CreateBatch(ctx, n, "")
		switch {
		case err != nil:
			return fmt.Errorf("start batch: %w", err)
		case wait > 0:
			return r.awaitBatch(ctx, c, f, b.ID, wait)
		case f.json:
			return r.printRaw(b.Raw)
		}
		return r.print(b.ID + "\n")
	})
	fl := cmd.Flags()
	fl.StringVar(&n.Name, "name", "", "name of the batch")
	fl.StringVar(&n.Decoder, "decoder", "", "decoder or format to use instead of recognising each file")
	fl.StringArrayVar(&params, "param", nil, "parameter of the decoder as `name=value` (may be given again)")
	fl.IntVar(&n.Concurrency, "concurrency", 0, "files that are decoded at a time (default as the appliance has it)")
	fl.DurationVar(&each, "timeout-per-file", 0, "how long one file may be decoded")
	fl.DurationVar(&wait, "wait", 0, "wait so long for the end")
	fl.StringVar(&n.Archive, "archive", "", "stored archive whose files become those of the batch")
	fl.BoolVar(&n.Combine, "combine", false, "the files are one recording: one file, one decode")
	_ = cmd.RegisterFlagCompletionFunc("decoder", r.completeDecoders)
	return cmd
}

func (r *root) batchesGetCmd() *cobra.Command {
	var f rowFlags
	var to, output string
	cmd := r.remoteCmd(&cobra.Command{
		Use: "get ID TABLE", Short: "Get a table of all files of a batch", Args: cobra.ExactArgs(2),
		Long: `Writes a table with the rows of all files of a batch, and a column file, to standard output, or with -o to a
file, which gets its name only when it is complete. The form is that of --to, else of the file's name, else CSV.`,
		Example: "  wayside batches get b2a9 mission -o missions.parquet",
	}, func(ctx context.Context, c *client.Client, _ remoteFlags, args []string) error {
		q, err := f.read()
		if err == nil {
			to, err = r.exportForm(to, output, false)
		}
		if err != nil {
			return &usageError{command: "wayside batches get", err: err}
		}
		body, err := c.ExportBatch(ctx, args[0], args[1], to, q)
		return r.deliverTable(body, err, args[1], output)
	})
	f.add(cmd.Flags())
	cmd.Flags().StringVar(&to, "to", "", "form: parquet, csv, ndjson, json, arrow or xlsx")
	cmd.Flags().StringVarP(&output, "output", "o", "", "file to write, or - for standard output")
	_ = cmd.RegisterFlagCompletionFunc("to", cobra.FixedCompletions(exportForms(), cobra.ShellCompDirectiveNoFileComp))
	completeOrder(cmd)
	cmd.ValidArgsFunction = r.completeBatches
	return cmd
}

// batchCmd makes a command that does something to a batch and prints it.
func (r *root) batchCmd(name, short string, do func(*client.Client, context.Context, string) (client.Batch, error)) *cobra.Command {
	cmd := r.remoteCmd(&cobra.Command{
		Use: name + " ID", Short: short, Args: cobra.ExactArgs(1), Example: "  wayside batches " + name + " b2a9",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		b, err := do(c, ctx, args[0])
		switch {
		case err != nil:
			return fmt.Errorf("%s batch %s: %w", name, args[0], err)
		case f.json:
			return r.printRaw(b.Raw)
		}
		return r.print(batchLine(&b))
	})
	cmd.ValidArgsFunction = r.completeBatches
	return cmd
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

// completeBatches offers the newest batches, with their names.
func (r *root) completeBatches(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 && cmd.Name() != "delete" {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return r.completed(cmd, func(ctx context.Context, c *client.Client) ([]cobra.Completion, error) {
		batches, _, err := c.Batches(ctx, client.BatchList{})
		out := make([]cobra.Completion, len(batches))
		for i := range batches {
			out[i] = cobra.CompletionWithDesc(batches[i].ID, printable(batches[i].Name))
		}
		return out, err //nolint:wrapcheck // nobody sees it
	})
}
