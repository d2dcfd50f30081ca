package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wayside-edge/wayside/plugins"
)

func (r *root) versionCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version and the decoders inside this binary",
		Example: `  wayside version
  wayside version --json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			b, err := readBuild(plugins.Dist)
			if err != nil {
				return err
			}
			if asJSON {
				return r.printJSON(b)
			}
			return r.printVersion(b)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it for programs")
	return cmd
}

func (r *root) printVersion(b buildInfo) error {
	var text strings.Builder
	text.WriteString("wayside " + b.Version)
	if b.Commit != "" {
		text.WriteString(" (" + b.Commit + ")")
	}
	fmt.Fprintf(&text, "\n%s %s\n", b.Go, b.Platform)
	if len(b.Decoders) == 0 {
		return r.print(text.String() + "decoders: " + noDecoders + "\n")
	}
	text.WriteString("decoders:\n")
	for _, d := range b.Decoders {
		fmt.Fprintf(&text, "  %-16s %9d bytes  sha256 %.16s\n", d.ID, d.Bytes, d.SHA256)
	}
	return r.print(text.String())
}

// print writes to standard output.
func (r *root) print(text string) error {
	if _, err := fmt.Fprint(r.std.out, text); err != nil {
		return fmt.Errorf("write standard output: %w", err)
	}
	return nil
}

// printJSON writes v, indented, to standard output.
func (r *root) printJSON(v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("write json: %w", err)
	}
	return r.print(string(data) + "\n")
}
