package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/wayside-edge/wayside/sdk/client"
)

// completionTime bounds what a shell waits for when somebody presses the tabulator.
const completionTime = 2 * time.Second

// completed asks the appliance for what a shell may offer. Whatever goes wrong, nothing is offered: a prompt is no
// place for errors.
func (r *root) completed(cmd *cobra.Command, ask func(context.Context, *client.Client) ([]cobra.Completion, error)) ([]cobra.Completion, cobra.ShellCompDirective) {
	var f remoteFlags
	f.server, _ = cmd.Flags().GetString("server") // the flags are there
	f.token, _ = cmd.Flags().GetString("token")
	f.caFile, _ = cmd.Flags().GetString("ca-file")
	c, err := r.connect(cmd, f)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	parent := cmd.Context()
	if parent == nil {
		parent = context.Background()
	}
	ctx, cancel := context.WithTimeout(parent, completionTime)
	defer cancel()
	found, err := ask(ctx, c)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return found, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

// completeFiles offers the newest files, with their names.
func (r *root) completeFiles(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 && cmd.Name() != "delete" {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return r.completed(cmd, func(ctx context.Context, c *client.Client) ([]cobra.Completion, error) {
		files, _, err := c.Files(ctx, client.FileList{Page: client.Page{Fields: []string{"id", "name"}}})
		out := make([]cobra.Completion, len(files))
		for i := range files {
			out[i] = cobra.CompletionWithDesc(files[i].ID, printable(files[i].Name))
		}
		return out, err //nolint:wrapcheck // nobody sees it
	})
}

// completeDecodes offers the newest decodes, then the tables of the one that was named.
func (r *root) completeDecodes(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	takesTable := cmd.Name() == "rows" || cmd.Name() == "get"
	if len(args) > 1 && cmd.Name() != "delete" || len(args) == 1 && !takesTable && cmd.Name() != "delete" {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return r.completed(cmd, func(ctx context.Context, c *client.Client) ([]cobra.Completion, error) {
		if len(args) == 1 && takesTable {
			return tableCompletions(ctx, c, args[0])
		}
		decodes, _, err := c.Decodes(ctx, client.DecodeList{Page: client.Page{Fields: []string{"id", "status", "format"}}})
		out := make([]cobra.Completion, len(decodes))
		for i := range decodes {
			out[i] = cobra.CompletionWithDesc(decodes[i].ID, printable(decodes[i].Status+" "+decodes[i].Format))
		}
		return out, err //nolint:wrapcheck // nobody sees it
	})
}

func tableCompletions(ctx context.Context, c *client.Client, decodeID string) ([]cobra.Completion, error) {
	tables, err := c.Tables(ctx, decodeID)
	out := make([]cobra.Completion, len(tables))
	for i := range tables {
		out[i] = cobra.CompletionWithDesc(tables[i].Name, printable(tables[i].Description))
	}
	return out, err //nolint:wrapcheck // nobody sees it
}

// completeDecoders offers what --decoder takes.
func (r *root) completeDecoders(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return r.completed(cmd, func(ctx context.Context, c *client.Client) ([]cobra.Completion, error) {
		plugins, err := c.Plugins(ctx)
		out := make([]cobra.Completion, 0, len(plugins))
		for i := range plugins {
			out = append(out, cobra.CompletionWithDesc(plugins[i].ID, printable(plugins[i].Name)))
		}
		return out, err //nolint:wrapcheck // nobody sees it
	})
}
