package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/wayside-edge/wayside/internal/progress"
	"github.com/wayside-edge/wayside/sdk/client"
)

// filesCmd holds what is done with the recordings that an appliance keeps.
func (r *root) filesCmd() *cobra.Command {
	return group(&cobra.Command{
		Use:   "files",
		Short: "List, get and delete recordings of a running appliance",
		Long:  `A file is a recording that was delivered to an appliance, or found inside another one.`,
	}, r.filesListCmd(), r.filesShowCmd(), r.filesContentCmd(), r.filesHexCmd(), r.filesDeleteCmd())
}

// add gives a list its flags.
func (p *page) add(fl *pflag.FlagSet) {
	fl.IntVar(&p.Limit, "limit", 50, "how many, at most 1000")
	fl.BoolVar(&p.all, "all", false, "all of them, page by page")
	fl.StringVar(&p.Cursor, "cursor", "", "where the list before ended, as it said")
	fl.StringSliceVar(&p.Fields, "fields", nil, "only these members, by their names in JSON: id,name,size")
}

func (r *root) filesListCmd() *cobra.Command {
	var l client.FileList
	var p page
	cmd := r.remoteCmd(&cobra.Command{
		Use: "list", Short: "List files, the newest first", Args: cobra.NoArgs,
		Example: `  wayside files list --name .RU --limit 10
  wayside files list --format rail-recorder --all --json
  wayside files list --fields id,name,sha256`,
	}, func(ctx context.Context, c *client.Client, f remoteFlags, _ []string) error {
		files, next, err := collect(p, func(at client.Page) ([]client.File, string, error) {
			l.Page = at
			return c.Files(ctx, l)
		})
		if err != nil {
			return fmt.Errorf("list files: %w", err)
		}
		docs := make([]json.RawMessage, len(files))
		for i := range files {
			docs[i] = files[i].Raw
		}
		if done, err := r.printList(docs, f, p, next, "files"); done {
			return err
		}
		if err := r.printSheet(r.fileSheet(files)); err != nil {
			return err
		}
		return r.saidMore(len(files), next)
	})
	fl := cmd.Flags()
	fl.StringVar(&l.Name, "name", "", "only with this in the name")
	fl.StringVar(&l.Format, "format", "", "only of this format")
	fl.StringVar(&l.SHA256, "sha256", "", "only with these bytes")
	fl.StringVar(&l.Source, "source", "", "only from there: api, tus, watch, child or cli")
	fl.StringVar(&l.Parent, "parent", "", "only those found inside this file")
	p.add(fl)
	_ = cmd.RegisterFlagCompletionFunc("source", cobra.FixedCompletions([]string{"api", "tus", "watch", "child", "cli"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// printList prints a list in the ways that all lists have in common; done says that it was one of them.
func (r *root) printList(docs []json.RawMessage, f remoteFlags, p page, next, what string) (done bool, err error) {
	switch {
	case f.json:
		err = r.printRawList(docs)
	case len(docs) == 0:
		err = r.print("no " + what + "\n")
	case len(p.Fields) > 0:
		err = r.printFields(docs, p.Fields)
	default:
		return false, nil
	}
	if err == nil {
		err = r.saidMore(len(docs), next)
	}
	return true, err
}

// saidMore says, on standard error, that a list goes on.
func (r *root) saidMore(n int, next string) error {
	if next == "" {
		return nil
	}
	return r.note(fmt.Sprintf("the first %d; --all shows every one, or go on with --cursor %s\n", n, printable(next)))
}

// note writes to standard error.
func (r *root) note(text string) error {
	if _, err := io.WriteString(r.std.err, text); err != nil {
		return fmt.Errorf("write standard error: %w", err)
	}
	return nil
}

func (r *root) fileSheet(files []client.File) *sheet {
	s := &sheet{head: []string{"ID", "NAME", ">SIZE", "FORMAT", "DECODES", "FROM", "CREATED"}}
	for i := range files {
		f := &files[i]
		format := text(f.Format)
		if f.Format == "" {
			format = cell{"unknown", faint}
		}
		s.add(text(f.ID), text(f.Name), cell{text: progress.Size(f.Size)}, format, text(strings.Join(f.Decodes, " ")), text(f.Source), r.moment(f.CreatedAt))
	}
	return s
}

func (r *root) filesShowCmd() *cobra.Command {
	cmd := r.remoteCmd(&cobra.Command{
		Use: "show ID", Short: "Show a file with its parts and decodes", Args: cobra.ExactArgs(1), Example: "  wayside files show f2a9",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		file, err := c.File(ctx, args[0])
		switch {
		case err != nil:
			return fmt.Errorf("show file %s: %w", args[0], err)
		case f.json:
			return r.printRaw(file.Raw)
		}
		return r.print(r.fileText(&file))
	})
	cmd.ValidArgsFunction = r.completeFiles
	return cmd
}

func (r *root) fileText(f *client.File) string {
	var b strings.Builder
	line := func(name, format string, args ...any) { describe(&b, name, format, args...) }
	line("id", "%s", f.ID)
	line("name", "%s", f.Name)
	line("size", "%s bytes (%s)", progress.Count(f.Size), progress.Size(f.Size))
	line("sha256", "%s", f.SHA256)
	line("format", "%s", f.Format)
	line("media type", "%s", f.MediaType)
	line("wrapped", "%s", f.Wrapped)
	line("source", "%s", f.Source)
	if f.Parent != nil {
		line("found in", "file %s by decode %s", f.Parent.FileID, f.Parent.DecodeID)
	}
	line("created", "%s", when(f.CreatedAt))
	line("decodes", "%s", strings.Join(f.Decodes, " "))
	for i := range f.Parts {
		line("part", "%s, %s", f.Parts[i].Name, progress.Size(f.Parts[i].Size))
	}
	if n := f.PartCount - len(f.Parts); n > 0 {
		line("part", "and %d more", n)
	}
	return b.String()
}

// describe writes a line of a description; what is empty is left out.
func describe(b *strings.Builder, name, format string, args ...any) {
	if text := printable(fmt.Sprintf(format, args...)); strings.TrimSpace(text) != "" {
		fmt.Fprintf(b, "%-16s %s\n", name, text)
	}
}

func (r *root) filesContentCmd() *cobra.Command {
	var output string
	cmd := r.remoteCmd(&cobra.Command{
		Use: "content ID", Short: "Get the bytes of a file", Args: cobra.ExactArgs(1),
		Long: `Writes the bytes of a file, as they were delivered, to standard output or with -o to a file, which gets
its name only when it is complete and its hash is right. The appliance may keep them for admins.`,
		Example: `  wayside files content f2a9 -o run.RU
  wayside files content f2a9 | sha256sum`,
	}, func(ctx context.Context, c *client.Client, _ remoteFlags, args []string) error {
		if output == "" && terminal(r.std.out) > 0 {
			return &usageError{command: "wayside files content", err: errors.New("the bytes of a file are not for a terminal: name a file with -o, or -o - to see them nevertheless")}
		}
		file, err := c.File(ctx, args[0])
		if err != nil {
			return fmt.Errorf("get file %s: %w", args[0], err)
		}
		body, err := c.Content(ctx, file.ID, 0)
		if err != nil {
			return fmt.Errorf("get file %s: %w", args[0], err)
		}
		defer func() { _ = body.Close() }()
		sum := sha256.New()
		err = r.deliver(io.TeeReader(body, sum), output, func(n int64) error {
			if got := hex.EncodeToString(sum.Sum(nil)); n != file.Size || (got != file.SHA256 && file.PartCount == 0) {
				return fmt.Errorf("what came is not the file: %d of %d bytes, SHA-256 %s", n, file.Size, got)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("get file %s: %w", args[0], err)
		}
		return nil
	})
	cmd.Flags().StringVarP(&output, "output", "o", "", "file to write, or - for standard output")
	cmd.ValidArgsFunction = r.completeFiles
	return cmd
}

// deliver copies what the appliance sends to a file, or to standard output. A file is there when check, which may be
// nil, has found it good, and not before.
func (r *root) deliver(from io.Reader, output string, check func(n int64) error) (err error) {
	if output == "" || output == "-" {
		n, err := io.Copy(r.std.out, from)
		if err == nil && check != nil {
			err = check(n)
		}
		return err //nolint:wrapcheck // the callers do
	}
	tmp, err := os.CreateTemp(filepath.Dir(output), ".wayside-*")
	if err != nil {
		return fmt.Errorf("make temporary file: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(tmp.Name()))
		}
	}()
	n, err := io.Copy(tmp, from)
	if err == nil && check != nil {
		err = check(n)
	}
	if err == nil {
		err = tmp.Chmod(0o644)
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), output); err != nil {
		return fmt.Errorf("write %s: %w", output, err)
	}
	return nil
}

func (r *root) filesHexCmd() *cobra.Command {
	var offset, length int64
	var raw bool
	cmd := r.remoteCmd(&cobra.Command{
		Use: "hex ID", Short: "Show bytes of a file", Args: cobra.ExactArgs(1),
		Long: `Shows bytes of a file, sixteen a line, as its decoder sees them: offsets in issues and rows are places
here. Of a file that came wrapped, --raw shows the bytes as they were delivered.`,
		Example: "  wayside files hex f2a9 --offset 4096 --length 256",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		b, err := c.Hex(ctx, args[0], offset, length, raw)
		switch {
		case err != nil:
			return fmt.Errorf("show bytes of file %s: %w", args[0], err)
		case f.json:
			return r.printRaw(b.Raw)
		}
		return r.print(hexDump(b))
	})
	cmd.Flags().Int64Var(&offset, "offset", 0, "first byte")
	cmd.Flags().Int64Var(&length, "length", 256, "how many bytes, at most 1048576")
	cmd.Flags().BoolVar(&raw, "raw", false, "the bytes as they were delivered, also where the file is wrapped")
	cmd.ValidArgsFunction = r.completeFiles
	return cmd
}

// hexDump shows bytes, sixteen a line, between their offset and their characters.
func hexDump(b client.Bytes) string {
	var out strings.Builder
	for at := 0; at < len(b.Data); at += 16 {
		row := b.Data[at:min(at+16, len(b.Data))]
		fmt.Fprintf(&out, "%08x ", b.Offset+int64(at))
		for i := range 16 {
			if i == 8 {
				out.WriteByte(' ')
			}
			if i < len(row) {
				fmt.Fprintf(&out, " %02x", row[i])
			} else {
				out.WriteString("   ")
			}
		}
		out.WriteString("  |")
		for _, c := range row {
			if c < ' ' || c > '~' {
				c = '.'
			}
			out.WriteByte(c)
		}
		out.WriteString("|\n")
	}
	fmt.Fprintf(&out, "%08x  of %s bytes\n", b.Offset+int64(len(b.Data)), progress.Count(b.Size))
	return out.String()
}

func (r *root) filesDeleteCmd() *cobra.Command {
	cmd := r.remoteCmd(&cobra.Command{
		Use: "delete ID…", Short: "Delete files with their decodes, tables and the files found inside", Args: cobra.MinimumNArgs(1),
		Long:    `There is no way back. Decodes that run are cancelled. Nothing more is deleted after one that fails.`,
		Example: "  wayside files delete f2a9",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		return r.deleteEach(f, "file", args, func(id string) error { return c.DeleteFile(ctx, id) })
	})
	cmd.ValidArgsFunction = r.completeFiles
	return cmd
}

// deleteEach deletes things and says so.
func (r *root) deleteEach(f remoteFlags, what string, ids []string, do func(id string) error) error {
	var failed error
	gone := []string{}
	for _, id := range ids {
		if err := do(id); err != nil {
			failed = fmt.Errorf("delete %s %s: %w", what, id, err)
			break
		}
		gone = append(gone, id)
		if !f.json {
			if err := r.print(printable(id) + " deleted\n"); err != nil {
				return err
			}
		}
	}
	if f.json {
		return errors.Join(failed, r.printJSON(map[string][]string{"deleted": gone}))
	}
	return failed
}
