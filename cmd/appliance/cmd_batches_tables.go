package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wayside-edge/wayside/internal/progress"
	"github.com/wayside-edge/wayside/sdk/client"
)

func (r *root) batchesTablesCmd() *cobra.Command {
	var columns bool
	cmd := r.remoteCmd(&cobra.Command{
		Use: "tables ID", Short: "List the tables that the files of a batch have together, or their columns", Args: cobra.ExactArgs(1),
		Example: "  wayside batches tables b2a9\n  wayside batches tables b2a9 --columns",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		tables, err := c.BatchTables(ctx, args[0])
		if err != nil {
			return fmt.Errorf("list tables of batch %s: %w", args[0], err)
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
			plain := make([]client.Table, len(tables))
			for i := range tables {
				plain[i] = client.Table{Name: tables[i].Name, Columns: tables[i].Columns}
			}
			return r.printSheet(columnSheet(plain))
		}
		s := &sheet{head: []string{"TABLE", ">FILES", ">ROWS", ">COLUMNS", "CONFLICTS", "DESCRIPTION"}}
		for i := range tables {
			t := &tables[i]
			conflicts := text(strings.Join(t.Conflicts, " "))
			conflicts.style = warned
			s.add(text(t.Name), number(t.Files), cell{text: progress.Count(t.Rows)}, number(len(t.Columns)), conflicts, text(t.Description))
		}
		return r.printSheet(s)
	})
	cmd.Flags().BoolVar(&columns, "columns", false, "the columns of each, with their types and units")
	cmd.ValidArgsFunction = r.completeBatches
	return cmd
}

func (r *root) batchesRowsCmd() *cobra.Command {
	var f rowFlags
	var limit int
	var cursor string
	cmd := r.remoteCmd(&cobra.Command{
		Use: "rows ID TABLE", Short: "Show rows of a table of all files of a batch", Args: cobra.ExactArgs(2),
		Long: `Shows rows of all files of a batch, one file after the other in the order of the batch; the column file names
it, and --where takes it too. --json prints the answer of the appliance, whose next_cursor continues with
--cursor. A whole table comes from ` + "`wayside batches get`" + `.`,
		Example: "  wayside batches rows b2a9 mission\n  wayside batches rows b2a9 stops --where file:contains:0800",
	}, func(ctx context.Context, c *client.Client, rf remoteFlags, args []string) error {
		rows, err := c.BatchRows(ctx, args[0], args[1], f.q, limit, cursor)
		switch {
		case err != nil:
			return fmt.Errorf("rows of table %s: %w", args[1], err)
		case rf.json:
			return r.printRaw(rows.Raw)
		}
		return r.printRows(&rows)
	})
	f.addMatch(cmd.Flags())
	cmd.Flags().IntVar(&limit, "limit", 50, "how many, at most 10000")
	cmd.Flags().StringVar(&cursor, "cursor", "", "next_cursor of the answer before")
	cmd.ValidArgsFunction = r.completeBatches
	return cmd
}

func (r *root) batchesGetCmd() *cobra.Command {
	var f rowFlags
	var to, output string
	cmd := r.remoteCmd(&cobra.Command{
		Use: "get ID [TABLE]", Short: "Get a table of all files of a batch, or all its tables", Args: cobra.RangeArgs(1, 2),
		Long: `Writes a table with the rows of all files of a batch, and a column file, to standard output, or with -o to a
file, which gets its name only when it is complete. Without a table, -o names a folder that gets all tables.
The form is that of --to, else of the file's name, else CSV, for a folder Parquet.`,
		Example: "  wayside batches get b2a9 mission -o missions.parquet\n  wayside batches get b2a9 -o tables",
	}, func(ctx context.Context, c *client.Client, _ remoteFlags, args []string) error {
		to, err := r.exportForm(to, output, len(args) == 1)
		switch {
		case err != nil:
			return &usageError{command: "wayside batches get", err: err}
		case len(args) == 1:
			return r.getBatchTables(ctx, c, args[0], to, output, f.q)
		}
		return r.getBatchTable(ctx, c, args[0], args[1], to, output, f.q)
	})
	f.addMatch(cmd.Flags())
	cmd.Flags().StringVar(&to, "to", "", "form: parquet, csv, ndjson, json, arrow or xlsx")
	cmd.Flags().StringVarP(&output, "output", "o", "", "file or folder to write, or - for standard output")
	_ = cmd.RegisterFlagCompletionFunc("to", cobra.FixedCompletions(exportForms(), cobra.ShellCompDirectiveNoFileComp))
	cmd.ValidArgsFunction = r.completeBatches
	return cmd
}

func (r *root) getBatchTable(ctx context.Context, c *client.Client, id, name, to, output string, q client.RowQuery) error {
	body, err := c.ExportBatch(ctx, id, name, to, q)
	return r.deliverTable(body, err, name, output)
}

// getBatchTables writes all tables of a batch into a folder.
func (r *root) getBatchTables(ctx context.Context, c *client.Client, id, to, dir string, q client.RowQuery) error {
	tables, err := c.BatchTables(ctx, id)
	if err != nil {
		return fmt.Errorf("list tables of batch %s: %w", id, err)
	}
	names := make([]string, len(tables))
	for i := range tables {
		names[i] = tables[i].Name
	}
	return r.intoFolder(dir, to, names, func(name, path string) error { return r.getBatchTable(ctx, c, id, name, to, path, q) })
}
