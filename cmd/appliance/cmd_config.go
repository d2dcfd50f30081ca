package main

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/wayside-edge/wayside/internal/config"
)

func (r *root) configCmd() *cobra.Command {
	return group(&cobra.Command{
		Use:   "config",
		Short: "Show or check the configuration",
		Long: `The configuration comes from, weakest first: the defaults, the names that earlier systems used
(docs/config.md), the file, variables WAYSIDE_<SECTION>_<NAME>, flags.`,
		Example: `  wayside config show
  wayside config check --config ./wayside.yaml`,
	}, r.configShowCmd(), r.configCheckCmd())
}

func (r *root) configShowCmd() *cobra.Command {
	var asJSON, changed bool
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Print every key, its value, and where the value came from",
		Long: `Prints every key, its value, and where the value came from. A key marked "not built yet" is
accepted, but the part that uses it is not in this version. Secrets are never printed.`,
		Example: `  wayside config show
  wayside config show --changed --config /etc/wayside/wayside.yaml
  WAYSIDE_LOG_LEVEL=debug wayside config show --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := r.load(cmd.Flags())
			if err != nil {
				return err
			}
			entries := cfg.Entries()
			if changed {
				entries = changedOnly(entries)
			}
			if asJSON {
				return r.printJSON(entriesJSON(entries))
			}
			if err := r.print(entriesText(entries)); err != nil {
				return err
			}
			r.warn(cfg.Warnings())
			return nil
		},
	}
	config.AddFlags(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it for programs")
	cmd.Flags().BoolVar(&changed, "changed", false, "only what is not a default")
	return cmd
}

func (r *root) configCheckCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration without starting anything",
		Long: `Reads all layers of the configuration and prints every unknown key and wrong value with its place
and the nearest valid key. Exit code 2 when there is one.`,
		Example: `  wayside config check
  wayside config check --config ./wayside.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := r.load(cmd.Flags())
			if err != nil {
				return err
			}
			r.warn(cfg.Warnings())
			return r.print("the configuration is valid\n")
		},
	}
	config.AddFlags(cmd.Flags())
	return cmd
}

// warn prints warnings, one a line, to standard error.
func (r *root) warn(warnings []string) {
	for _, w := range warnings {
		fmt.Fprintf(r.std.err, "wayside: warning: %s\n", w)
	}
}

func changedOnly(entries []config.Entry) []config.Entry {
	var out []config.Entry
	for _, e := range entries {
		if e.Source != "default" {
			out = append(out, e)
		}
	}
	return out
}

// entriesText lays the keys out in columns.
func entriesText(entries []config.Entry) string {
	key, value := 0, 0
	for _, e := range entries {
		key = max(key, len(e.Key))
		value = min(max(value, utf8.RuneCountInString(e.Value)), 40)
	}
	var b strings.Builder
	for _, e := range entries {
		source := e.Source
		if !e.Built {
			source += " (not built yet)"
		}
		if e.Hint != "" {
			source += " (" + e.Hint + ")"
		}
		fmt.Fprintf(&b, "%-*s  %-*s  %s\n", key, e.Key, value, e.Value, source)
	}
	return b.String()
}

// shownEntry is a key as `config show --json` prints it.
type shownEntry struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Source string `json:"source"`
	Built  bool   `json:"built"`
	Live   bool   `json:"live"`
	Doc    string `json:"doc"`
	Hint   string `json:"hint,omitempty"`
}

func entriesJSON(entries []config.Entry) []shownEntry {
	out := make([]shownEntry, 0, len(entries))
	for _, e := range entries {
		out = append(out, shownEntry(e))
	}
	return out
}
