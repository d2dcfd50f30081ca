package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/wayside-edge/wayside/internal/progress"
	"github.com/wayside-edge/wayside/internal/table"
	"github.com/wayside-edge/wayside/sdk/client"
)

func (r *root) decodesTablesCmd() *cobra.Command {
	var columns bool
	cmd := r.remoteCmd(&cobra.Command{
		Use: "tables ID", Short: "List the tables of a decode, or their columns", Args: cobra.ExactArgs(1),
		Example: `  wayside decodes tables d2a9
  wayside decodes tables d2a9 --columns`,
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		tables, err := c.Tables(ctx, args[0])
		if err != nil {
			return fmt.Errorf("list tables of decode %s: %w", args[0], err)
		}
		switch {
		case f.json:
			docs := make([]json.RawMessage, len(tables))
			for i := range tables {
				docs[i] = tables[i].Raw
			}
			return r.printRawList(docs)
		case len(tables) == 0:
			return r.print("no tables\n")
		case columns:
			return r.printSheet(columnSheet(tables))
		}
		s := &sheet{head: []string{"TABLE", ">ROWS", ">COLUMNS", ">SIZE", "DESCRIPTION"}}
		for i := range tables {
			t := &tables[i]
			s.add(text(t.Name), cell{text: progress.Count(t.Rows)}, cell{text: progress.Count(int64(len(t.Columns)))}, cell{text: progress.Size(t.Bytes)}, text(t.Description))
		}
		return r.printSheet(s)
	})
	cmd.Flags().BoolVar(&columns, "columns", false, "the columns of each, with their types and units")
	cmd.ValidArgsFunction = r.completeDecodes
	return cmd
}

func columnSheet(tables []client.Table) *sheet {
	s := &sheet{head: []string{"TABLE", "COLUMN", "TYPE", "UNIT", "MIN", "MAX", "DESCRIPTION"}}
	for i := range tables {
		for _, c := range tables[i].Columns {
			s.add(text(tables[i].Name), text(c.Name), text(c.Type), text(c.Unit), valueCell(c.Min), valueCell(c.Max), text(c.Description))
		}
	}
	return s
}

// rowFlags select rows of a table.
type rowFlags struct {
	q     client.RowQuery
	order string
}

func (f *rowFlags) add(fl *pflag.FlagSet) {
	f.addMatch(fl)
	fl.StringVar(&f.q.Sort, "sort", "", "column to sort by")
	fl.StringVar(&f.order, "order", "asc", "asc or desc")
}

// addMatch adds what selects rows, without their order.
func (f *rowFlags) addMatch(fl *pflag.FlagSet) {
	fl.StringSliceVar(&f.q.Columns, "columns", nil, "only these columns, in this order")
	fl.StringArrayVar(&f.q.Where, "where", nil, "only rows for which `column:op:value` holds; op is eq ne lt le gt ge in contains is_null (may be given again)")
	fl.StringVarP(&f.q.Text, "query", "q", "", "only rows with this in a column of text")
}

func (f *rowFlags) read() (client.RowQuery, error) {
	switch f.order {
	case "asc", "":
	case "desc":
		f.q.Desc = true
	default:
		return f.q, fmt.Errorf("--order: %q is neither asc nor desc", f.order)
	}
	return f.q, nil
}

func (r *root) decodesRowsCmd() *cobra.Command {
	var f rowFlags
	var limit int
	var cursor string
	cmd := r.remoteCmd(&cobra.Command{
		Use: "rows ID TABLE", Short: "Show rows of a table", Args: cobra.ExactArgs(2),
		Long: `Shows rows of a table, with filters, sorted as asked for. --json prints the answer of the appliance, whose
next_cursor continues with --cursor. A whole table comes from ` + "`wayside decodes get`" + `.`,
		Example: `  wayside decodes rows d2a9 telegrams --limit 20
  wayside decodes rows d2a9 records --where speed_kmh:gt:120 --columns time,location_m,speed_kmh --sort speed_kmh --order desc`,
	}, func(ctx context.Context, c *client.Client, rf remoteFlags, args []string) error {
		q, err := f.read()
		if err != nil {
			return &usageError{command: "wayside decodes rows", err: err}
		}
		rows, err := c.Rows(ctx, args[0], args[1], q, limit, cursor)
		switch {
		case err != nil:
			return fmt.Errorf("rows of table %s: %w", args[1], err)
		case rf.json:
			return r.printRaw(rows.Raw)
		}
		return r.printRows(&rows)
	})
	f.add(cmd.Flags())
	cmd.Flags().IntVar(&limit, "limit", 50, "how many, at most 10000")
	cmd.Flags().StringVar(&cursor, "cursor", "", "next_cursor of the answer before")
	completeOrder(cmd)
	cmd.ValidArgsFunction = r.completeDecodes
	return cmd
}

func completeOrder(cmd *cobra.Command) {
	_ = cmd.RegisterFlagCompletionFunc("order", cobra.FixedCompletions([]string{"asc", "desc"}, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
}

func (r *root) printRows(rows *client.Rows) error {
	s := &sheet{head: slices.Clone(rows.Columns)}
	for i := range s.head {
		if len(rows.Rows) > 0 && i < len(rows.Rows[0]) && isNumber(rows.Rows[0][i]) {
			s.head[i] = ">" + s.head[i]
		}
	}
	for _, row := range rows.Rows {
		cells := make([]cell, len(s.head))
		for i := range cells {
			if i < len(row) {
				cells[i] = valueCell(row[i])
			}
		}
		s.rows = append(s.rows, cells)
	}
	if err := r.printSheet(s); err != nil {
		return err
	}
	switch {
	case rows.Next == "":
		return nil
	case rows.Total != nil:
		return r.note(fmt.Sprintf("%d of %s rows; --limit shows more, or go on with --cursor %s\n", len(rows.Rows), progress.Count(*rows.Total), rows.Next))
	}
	return r.note(fmt.Sprintf("the first %d rows; --limit shows more, or go on with --cursor %s\n", len(rows.Rows), rows.Next))
}

func isNumber(raw json.RawMessage) bool {
	return len(raw) > 0 && (raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9')
}

func (r *root) decodesGetCmd() *cobra.Command {
	var f rowFlags
	var to, output string
	cmd := r.remoteCmd(&cobra.Command{
		Use: "get ID [TABLE]", Short: "Get a table as a file, or all tables of a decode", Args: cobra.RangeArgs(1, 2),
		Long: `Writes a table to standard output, or with -o to a file, which gets its name only when it is complete.
Without a table, -o names a folder that gets all tables, also those without rows. The form is that of
--to, else that of the file's name, else CSV, for a folder Parquet.`,
		Example: `  wayside decodes get d2a9 telegrams -o telegrams.parquet
  wayside decodes get d2a9 records --where speed_kmh:gt:120 | head
  wayside decodes get d2a9 -o tables --to ndjson`,
	}, func(ctx context.Context, c *client.Client, _ remoteFlags, args []string) error {
		q, err := f.read()
		if err == nil {
			to, err = r.exportForm(to, output, len(args) == 1)
		}
		if err != nil {
			return &usageError{command: "wayside decodes get", err: err}
		}
		if len(args) == 2 {
			return r.getTable(ctx, c, args[0], args[1], to, output, q)
		}
		return r.getTables(ctx, c, args[0], to, output, q)
	})
	f.add(cmd.Flags())
	cmd.Flags().StringVar(&to, "to", "", "form: parquet, csv, ndjson, json, arrow or xlsx")
	cmd.Flags().StringVarP(&output, "output", "o", "", "file or folder to write, or - for standard output")
	_ = cmd.RegisterFlagCompletionFunc("to", cobra.FixedCompletions(exportForms(), cobra.ShellCompDirectiveNoFileComp))
	completeOrder(cmd)
	cmd.ValidArgsFunction = r.completeDecodes
	return cmd
}

// exportForms are the forms that an appliance gives tables in.
func exportForms() []string {
	var out []string
	for _, f := range table.Formats() {
		out = append(out, string(f))
	}
	if !slices.Contains(out, "xlsx") {
		out = append(out, "xlsx")
	}
	return out
}

// exportForm says in which form tables are wanted.
func (r *root) exportForm(to, output string, all bool) (string, error) {
	known := exportForms()
	byName := strings.TrimPrefix(strings.ToLower(filepath.Ext(output)), ".")
	switch {
	case all && (output == "" || output == "-"):
		return "", errors.New("all tables need a folder: name it with -o, or name a table")
	case to != "" && !slices.Contains(known, to):
		return "", fmt.Errorf("--to: %q is not one of %s", to, strings.Join(known, ", "))
	case to == "" && all:
		to = "parquet"
	case to == "" && slices.Contains(known, byName):
		to = byName
	case to == "" && output != "" && output != "-":
		return "", fmt.Errorf("the name %s does not tell the form: name it with --to", printable(output))
	case to == "":
		to = "csv"
	}
	if output == "" && terminal(r.std.out) > 0 && (to == "parquet" || to == "arrow" || to == "xlsx") {
		return "", fmt.Errorf("%s is not for a terminal: name a file with -o", to)
	}
	return to, nil
}

func (r *root) getTable(ctx context.Context, c *client.Client, id, name, to, output string, q client.RowQuery) error {
	body, err := c.Export(ctx, id, name, to, q)
	return r.deliverTable(body, err, name, output)
}

// deliverTable brings a table that was opened to where it is wanted.
func (r *root) deliverTable(body io.ReadCloser, err error, name, output string) error {
	if err != nil {
		return fmt.Errorf("get table %s: %w", name, err)
	}
	defer func() { _ = body.Close() }()
	if err := r.deliver(body, output, nil); err != nil {
		return fmt.Errorf("get table %s: %w", name, err)
	}
	return nil
}

// getTables writes all tables of a decode into a folder.
func (r *root) getTables(ctx context.Context, c *client.Client, id, to, dir string, q client.RowQuery) error {
	tables, err := c.Tables(ctx, id)
	if err != nil {
		return fmt.Errorf("list tables of decode %s: %w", id, err)
	}
	names := make([]string, len(tables))
	for i := range tables {
		names[i] = tables[i].Name
	}
	return r.intoFolder(dir, to, names, func(name, path string) error { return r.getTable(ctx, c, id, name, to, path, q) })
}

// intoFolder has tables written into a folder, each by get.
func (r *root) intoFolder(dir, to string, names []string, get func(name, path string) error) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // tables are as public as what a user saves himself
		return fmt.Errorf("make folder: %w", err)
	}
	for _, name := range names {
		if !table.ValidName(name) { // no path is made of what a server says
			return fmt.Errorf("get tables: %q is no name of a table", name)
		}
		if err := get(name, filepath.Join(dir, name+"."+to)); err != nil {
			return err
		}
	}
	return r.note(fmt.Sprintf("%d tables -> %s\n", len(names), printable(dir)))
}

func (r *root) decodesIssuesCmd() *cobra.Command {
	var p page
	cmd := r.remoteCmd(&cobra.Command{
		Use: "issues ID", Short: "List what a decoder found wrong with its file", Args: cobra.ExactArgs(1),
		Example: "  wayside decodes issues d2a9",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		issues, next, err := collect(p, func(at client.Page) ([]client.Issue, string, error) {
			at.Fields = nil // the list is trimmed here
			return c.Issues(ctx, args[0], at)
		})
		if err != nil {
			return fmt.Errorf("issues of decode %s: %w", args[0], err)
		}
		docs := make([]json.RawMessage, len(issues))
		for i := range issues {
			docs[i] = issues[i].Raw
		}
		if done, err := r.printList(docs, f, p, next, "issues"); done {
			return err
		}
		s := &sheet{head: []string{">OFFSET", "SEVERITY", "CODE", "MESSAGE", "TABLE", ">ROW"}}
		for i := range issues {
			s.add(issueCells(&issues[i])...)
		}
		if err := r.printSheet(s); err != nil {
			return err
		}
		return r.saidMore(len(issues), next)
	})
	p.add(cmd.Flags())
	cmd.ValidArgsFunction = r.completeDecodes
	return cmd
}

func issueCells(i *client.Issue) []cell {
	severity := text(i.Severity)
	switch i.Severity {
	case "error", "fatal":
		severity.style = bad
	case "warning":
		severity.style = warned
	}
	number := func(n *int64) cell {
		if n == nil {
			return cell{"-", faint}
		}
		return cell{text: fmt.Sprint(*n)}
	}
	of := ""
	if i.Table != nil {
		of = *i.Table
	}
	return []cell{number(i.Offset), severity, text(i.Code), text(i.Message), text(of), number(i.Row)}
}
