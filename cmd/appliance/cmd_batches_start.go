package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/wayside-edge/wayside/internal/progress"
	"github.com/wayside-edge/wayside/sdk/client"
)

// batchFlags say what a new batch is to be.
type batchFlags struct {
	name        string
	decoder     string
	params      []string
	concurrency int
	each        time.Duration
	combine     bool
	wait        time.Duration
}

func (r *root) addBatchFlags(cmd *cobra.Command, b *batchFlags) {
	fl := cmd.Flags()
	fl.StringVar(&b.name, "name", "", "name of the batch")
	fl.StringVar(&b.decoder, "decoder", "", "decoder or format to use instead of recognising each file")
	fl.StringArrayVar(&b.params, "param", nil, "parameter of the decoder as `name=value` (may be given again)")
	fl.IntVar(&b.concurrency, "concurrency", 0, "files that are decoded at a time (default as the appliance has it)")
	fl.DurationVar(&b.each, "timeout-per-file", 0, "how long one file may be decoded")
	fl.BoolVar(&b.combine, "combine", false, "the files are one recording, as the hourly files of a train are: one decode, one summary")
	fl.DurationVar(&b.wait, "wait", 0, "wait so long for the end")
	_ = cmd.RegisterFlagCompletionFunc("decoder", r.completeDecoders)
}

func (b *batchFlags) batch() (client.NewBatch, error) {
	params, err := parseParams(b.params)
	if err != nil {
		return client.NewBatch{}, err
	}
	return client.NewBatch{
		Name: b.name, Decoder: b.decoder, Params: anyParams(params), Concurrency: b.concurrency, TimeoutPerFile: b.each.Seconds(), Combine: b.combine,
	}, nil
}

func (r *root) batchesStartCmd() *cobra.Command {
	var bf batchFlags
	var archive string
	cmd := r.remoteCmd(&cobra.Command{
		Use: "start FILE-ID… | --archive FILE-ID", Short: "Decode stored files as one batch",
		Long: `Decodes stored files, in their order, or those in a stored archive, and prints the id of the batch. With
--combine they are one recording. With --wait it waits for the end and shows it; the exit code is 1 then
when not every file was decoded.`,
		Example: `  wayside batches start f2a9 f2aa --name "trip 4711" --wait 10m
  wayside batches start f2a9 f2aa f2ab --combine
  wayside batches start --archive f2b0 --name day`,
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		n, err := bf.batch()
		switch {
		case err != nil:
		case archive == "" && len(args) == 0:
			err = errors.New("name stored files, or an archive with --archive")
		case archive != "" && len(args) > 0:
			err = errors.New("--archive takes the place of files")
		}
		if err != nil {
			return &usageError{command: "wayside batches start", err: err}
		}
		n.FileIDs, n.Archive = args, archive
		b, err := c.CreateBatch(ctx, n, rand.Text())
		if err != nil {
			return fmt.Errorf("start batch: %w", err)
		}
		return r.batchMade(ctx, c, f, &b, bf.wait, b.ID+"\n")
	})
	r.addBatchFlags(cmd, &bf)
	cmd.Flags().StringVar(&archive, "archive", "", "id of a stored zip or tar: its files, in the place of FILE-ID")
	_ = cmd.RegisterFlagCompletionFunc("archive", r.completeFiles)
	cmd.ValidArgsFunction = func(cmd *cobra.Command, _ []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return r.completeFiles(cmd, nil, toComplete)
	}
	return cmd
}

func (r *root) batchesSendCmd() *cobra.Command {
	var bf batchFlags
	var quiet bool
	cmd := r.remoteCmd(&cobra.Command{
		Use: "send ARCHIVE", Short: "Send an archive and decode the files in it as one batch", Args: cobra.ExactArgs(1),
		Long: `Sends a zip or tar, also a compressed one, whose files become files of the appliance and one batch, and
prints the id of the batch; - is standard input. The batch has the archive's name unless --name says
otherwise. (wayside upload makes one recording of an archive.) An archive that is refused stores nothing.`,
		Example: `  wayside batches send day.zip --wait 10m
  tar c mission | wayside batches send - --name "trip 4711" --combine`,
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		n, err := bf.batch()
		if err != nil {
			return &usageError{command: "wayside batches send", err: err}
		}
		in, size := r.std.in, int64(-1)
		if args[0] != "-" {
			file, err := os.Open(args[0])
			if err != nil {
				return fmt.Errorf("send archive: %w", err)
			}
			defer func() { _ = file.Close() }()
			info, err := file.Stat()
			if err != nil {
				return fmt.Errorf("send archive: %w", err)
			}
			if info.IsDir() {
				return &usageError{command: "wayside batches send", err: fmt.Errorf("%s is a folder; wayside upload DIR --batch NAME sends its files", printable(args[0]))}
			}
			if info.Mode().IsRegular() {
				size = info.Size()
			}
			in, n.Name = file, or(n.Name, filepath.Base(args[0]))
		}
		b, err := r.sendBatch(ctx, c, n, in, size, quiet)
		if err != nil {
			return fmt.Errorf("send archive %s: %w", printable(args[0]), err)
		}
		return r.batchMade(ctx, c, f, &b, bf.wait, b.ID+"\n")
	})
	r.addBatchFlags(cmd, &bf)
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "no progress bar")
	return cmd
}

// sendBatch sends an archive, on a terminal below a bar.
func (r *root) sendBatch(ctx context.Context, c *client.Client, n client.NewBatch, in io.Reader, size int64, quiet bool) (client.Batch, error) {
	width := terminal(r.std.err)
	if quiet {
		width = 0
	}
	screen := progress.New(r.std.out, r.std.err, width)
	screen.Expect(1, max(size, 0))
	screen.Began(0, size, size)
	defer screen.Start()()
	body := &counted{r: in, sent: func(n int64) { screen.Moved(0, n) }}
	b, err := c.SendBatch(ctx, n, body, size, rand.Text())
	if err != nil && body.err != nil {
		return b, fmt.Errorf("%w: %w", errSource, body.err)
	}
	return b, err //nolint:wrapcheck // the caller names the archive
}
