package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wayside-edge/wayside/internal/progress"
	"github.com/wayside-edge/wayside/sdk/client"
)

// decodesCmd holds what is done with decodes: this file has what concerns a decode as a whole, cmd_decodes_tables.go
// its tables.
func (r *root) decodesCmd() *cobra.Command {
	return group(&cobra.Command{
		Use:   "decodes",
		Short: "List decodes of a running appliance, and get their tables",
		Long: `A decode is the work of a decoder on a file, with the tables that come of it. A file may have several:
of other decoders, other versions, other parameters.`,
	}, r.decodesListCmd(), r.decodesShowCmd(), r.decodesStartCmd(), r.decodesTablesCmd(), r.decodesRowsCmd(), r.decodesGetCmd(),
		r.decodesIssuesCmd(), r.decodesCancelCmd(), r.decodesDeleteCmd())
}

func (r *root) decodesListCmd() *cobra.Command {
	var l client.DecodeList
	var p page
	cmd := r.remoteCmd(&cobra.Command{
		Use: "list", Short: "List decodes, the newest first", Args: cobra.NoArgs,
		Example: `  wayside decodes list --status failed
  wayside decodes list --file f2a9 --json`,
	}, func(ctx context.Context, c *client.Client, f remoteFlags, _ []string) error {
		decodes, next, err := collect(p, func(at client.Page) ([]client.Decode, string, error) {
			l.Page = at
			return c.Decodes(ctx, l)
		})
		if err != nil {
			return fmt.Errorf("list decodes: %w", err)
		}
		docs := make([]json.RawMessage, len(decodes))
		for i := range decodes {
			docs[i] = decodes[i].Raw
		}
		if done, err := r.printList(docs, f, p, next, "decodes"); done {
			return err
		}
		if err := r.printSheet(r.decodeSheet(decodes)); err != nil {
			return err
		}
		return r.saidMore(len(decodes), next)
	})
	fl := cmd.Flags()
	fl.StringVar(&l.FileID, "file", "", "only of this file")
	fl.StringVar(&l.Status, "status", "", "only of this status: queued, running, done, partial, failed, cancelled")
	fl.StringVar(&l.Decoder, "decoder", "", "only of this decoder")
	fl.StringVar(&l.Format, "format", "", "only of this format")
	p.add(fl)
	_ = cmd.RegisterFlagCompletionFunc("status", cobra.FixedCompletions([]string{"queued", "running", "done", "partial", "failed", "cancelled"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("decoder", r.completeDecoders)
	_ = cmd.RegisterFlagCompletionFunc("file", r.completeFiles)
	return cmd
}

func (r *root) decodeSheet(decodes []client.Decode) *sheet {
	s := &sheet{head: []string{"ID", "FILE", "DECODER", "STATUS", ">ROWS", ">TOOK", "CREATED", "NOTE"}}
	for i := range decodes {
		d := &decodes[i]
		decoder := cell{"none", faint}
		if d.Decoder != nil {
			decoder = text(d.Decoder.ID + " " + d.Decoder.Version)
		}
		s.add(text(d.ID), text(d.FileID), decoder, statusCell(d.Status), cell{text: progress.Count(d.Rows)}, cell{text: took(d.Duration)}, r.moment(d.CreatedAt), text(decodeNote(d)))
	}
	return s
}

// decodeNote says what is special about a decode.
func decodeNote(d *client.Decode) string {
	var parts []string
	switch {
	case d.Status == "running":
		parts = append(parts, fmt.Sprintf("%.0f %%", 100*d.Progress))
	case d.Error != nil:
		parts = append(parts, failureText(d.Error))
	case d.Cached:
		parts = append(parts, "cached")
	}
	if n := d.Issues.Errors + d.Issues.Warnings; n > 0 {
		parts = append(parts, progress.Count(d.Issues.Errors)+" errors, "+progress.Count(d.Issues.Warnings)+" warnings")
	}
	return strings.Join(parts, "; ")
}

func failureText(e *client.DecodeError) string {
	out := e.Code + ": " + e.Message
	if e.Offset != nil {
		out += fmt.Sprintf(" (at byte %d)", *e.Offset)
	}
	return out
}

func (r *root) decodesShowCmd() *cobra.Command {
	var wait time.Duration
	cmd := r.remoteCmd(&cobra.Command{
		Use: "show ID", Short: "Show a decode with its tables, or wait for its end", Args: cobra.ExactArgs(1),
		Long: `Shows a decode. With --wait it waits for the end first; the exit code is 1 then when the decode has not
ended in that time, or is not done wholly.`,
		Example: `  wayside decodes show d2a9
  wayside decodes show d2a9 --wait 5m --json | jq .rows`,
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		if wait > 0 {
			return r.awaitDecode(ctx, c, f, args[0], wait)
		}
		d, err := c.Decode(ctx, args[0], 0)
		if err != nil {
			return fmt.Errorf("show decode %s: %w", args[0], err)
		}
		return r.showDecode(&d, f)
	})
	cmd.Flags().DurationVar(&wait, "wait", 0, "how long to wait for the end")
	cmd.ValidArgsFunction = r.completeDecodes
	return cmd
}

// awaitDecode waits for the end of a decode and shows it.
func (r *root) awaitDecode(ctx context.Context, c *client.Client, f remoteFlags, id string, wait time.Duration) error {
	until := time.Now().Add(wait)
	for {
		left := max(time.Until(until), 0)
		d, err := c.Decode(ctx, id, min(left, 30*time.Second))
		if err != nil {
			return fmt.Errorf("wait for decode %s: %w", id, err)
		}
		if !d.Ended() && time.Now().Before(until) {
			continue
		}
		if err := r.showDecode(&d, f); err != nil {
			return err
		}
		return decodeFailure(&d)
	}
}

// decodeFailure is the error of a decode that is not wholly done.
func decodeFailure(d *client.Decode) error {
	switch {
	case d.Status == "done":
		return nil
	case d.Error != nil:
		return fmt.Errorf("decode %s is %s: %s", d.ID, d.Status, printable(failureText(d.Error)))
	}
	return fmt.Errorf("decode %s is %s", d.ID, d.Status)
}

// showDecode prints a decode.
func (r *root) showDecode(d *client.Decode, f remoteFlags) error {
	if f.json {
		return r.printRaw(d.Raw)
	}
	var b strings.Builder
	line := func(name, format string, args ...any) { describe(&b, name, format, args...) }
	line("id", "%s", d.ID)
	line("file", "%s", d.FileID)
	if d.Decoder != nil {
		line("decoder", "%s %s", d.Decoder.ID, d.Decoder.Version)
	}
	line("format", "%s", d.Format)
	if len(d.Params) > 0 {
		if params, err := json.Marshal(d.Params); err == nil {
			line("parameters", "%s", params)
		}
	}
	state := d.Status
	if d.Status == "running" {
		state += fmt.Sprintf(", %.0f %%", 100*d.Progress)
	}
	if d.Cached {
		state += ", the result was there already"
	}
	line("status", "%s", state)
	line("rows", "%s", progress.Count(d.Rows))
	line("issues", "%s errors, %s warnings, %s infos", progress.Count(d.Issues.Errors), progress.Count(d.Issues.Warnings), progress.Count(d.Issues.Infos))
	if d.Error != nil {
		line("error", "%s", failureText(d.Error))
	}
	line("job", "%s", d.JobID)
	line("found inside", "%s", strings.Join(d.Children, " "))
	line("created", "%s", when(d.CreatedAt))
	line("took", "%s", took(d.Duration))
	if len(d.Tables) == 0 {
		return r.print(b.String())
	}
	s := &sheet{head: []string{"TABLE", ">ROWS", ">COLUMNS", ">SIZE"}}
	for _, t := range d.Tables {
		s.add(text(t.Name), cell{text: progress.Count(t.Rows)}, cell{text: progress.Count(int64(t.Columns))}, cell{text: progress.Size(t.Bytes)})
	}
	if err := r.print(b.String()); err != nil {
		return err
	}
	return r.printSheet(s)
}

func (r *root) decodesStartCmd() *cobra.Command {
	var n client.NewDecode
	var params []string
	var wait time.Duration
	var key string
	cmd := r.remoteCmd(&cobra.Command{
		Use: "start FILE-ID", Short: "Decode a stored file, with another decoder or other parameters", Args: cobra.ExactArgs(1),
		Long: `Decodes a stored file and prints the id of the decode; a decode that is there already is given again.
With --wait it waits for the end and shows it; the exit code is 1 then when it is not done wholly.`,
		Example: `  wayside decodes start f2a9 --param timezone=Europe/Berlin --wait 1m
  wayside decodes start f2a9 --force`,
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		given, err := parseParams(params)
		if err != nil {
			return &usageError{command: "wayside decodes start", err: err}
		}
		n.FileID, n.Params = args[0], anyParams(given)
		d, existing, err := c.StartDecode(ctx, n, key)
		switch {
		case err != nil:
			return fmt.Errorf("decode file %s: %w", args[0], err)
		case wait > 0:
			return r.awaitDecode(ctx, c, f, d.ID, wait)
		case f.json:
			return r.printRaw(d.Raw)
		case existing:
			return r.print(d.ID + " is there already: " + d.Status + "\n")
		}
		return r.print(d.ID + "\n")
	})
	fl := cmd.Flags()
	fl.StringVar(&n.Decoder, "decoder", "", "decoder or format to use instead of recognising the file")
	fl.StringArrayVar(&params, "param", nil, "parameter of the decoder as `name=value` (may be given again)")
	fl.BoolVar(&n.Force, "force", false, "decode anew even where a result exists")
	fl.DurationVar(&wait, "wait", 0, "wait so long for the end")
	fl.StringVar(&key, "idempotency-key", "", "the same key within 24 h gives the same decode")
	_ = cmd.RegisterFlagCompletionFunc("decoder", r.completeDecoders)
	cmd.ValidArgsFunction = r.completeFiles
	return cmd
}

func anyParams(params map[string]string) map[string]any {
	if len(params) == 0 {
		return nil
	}
	out := make(map[string]any, len(params))
	for k, v := range params {
		out[k] = v
	}
	return out
}

func (r *root) decodesCancelCmd() *cobra.Command {
	cmd := r.remoteCmd(&cobra.Command{
		Use: "cancel ID", Short: "Cancel a decode that has not ended", Args: cobra.ExactArgs(1), Example: "  wayside decodes cancel d2a9",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		d, err := c.CancelDecode(ctx, args[0])
		switch {
		case err != nil:
			return fmt.Errorf("cancel decode %s: %w", args[0], err)
		case f.json:
			return r.printRaw(d.Raw)
		}
		return r.print(d.ID + " " + d.Status + "\n")
	})
	cmd.ValidArgsFunction = r.completeDecodes
	return cmd
}

func (r *root) decodesDeleteCmd() *cobra.Command {
	cmd := r.remoteCmd(&cobra.Command{
		Use: "delete ID…", Short: "Delete decodes and their tables; their files stay", Args: cobra.MinimumNArgs(1),
		Long:    `There is no way back but to decode again. Nothing more is deleted after one that fails.`,
		Example: "  wayside decodes delete d2a9",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		return r.deleteEach(f, "decode", args, func(id string) error { return c.DeleteDecode(ctx, id) })
	})
	cmd.ValidArgsFunction = r.completeDecodes
	return cmd
}
