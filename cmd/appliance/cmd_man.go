package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/wayside-edge/wayside/plugins"
)

// manCmd writes manual pages, one a command. It is hidden since it is for who makes packages, and in the binary since
// only that has the tree of commands. cobra's own generator would add two modules and a parser of Markdown to it.
func (r *root) manCmd() *cobra.Command {
	return &cobra.Command{
		Use: "man DIR", Hidden: true, Short: "Write the manual pages of all commands", Args: cobra.ExactArgs(1), Example: "  wayside man man1",
		Long: "Writes a manual page (section 1) for each command into a folder.",
		RunE: func(_ *cobra.Command, args []string) error {
			build, err := readBuild(plugins.Dist)
			if err != nil {
				return err
			}
			if err := os.MkdirAll(args[0], 0o755); err != nil { //nolint:gosec // everybody may read a manual
				return fmt.Errorf("make folder: %w", err)
			}
			return writeManual(args[0], build.Version, r.cmd)
		},
	}
}

// writeManual writes the page of a command and of all below it.
func writeManual(dir, version string, cmd *cobra.Command) error {
	cmd.InitDefaultHelpFlag()
	if err := os.WriteFile(filepath.Join(dir, manName(cmd)+".1"), manPage(cmd, version), 0o644); err != nil { //nolint:gosec // as above
		return fmt.Errorf("write manual: %w", err)
	}
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			if err := writeManual(dir, version, sub); err != nil {
				return err
			}
		}
	}
	return nil
}

func manName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// manPage is the page of a command. It has no date: the same version gives the same bytes.
func manPage(cmd *cobra.Command, version string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, ".TH %s 1 \"\" %s \"Wayside\"\n", quoted(strings.ToUpper(manName(cmd))), quoted("wayside "+version))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n.SH SYNOPSIS\n.B %s\n", roff(manName(cmd)), roff(cmd.Short), roff(cmd.UseLine()))
	fmt.Fprintf(&b, ".SH DESCRIPTION\n%s", paragraphs(or(cmd.Long, cmd.Short)))
	manFlags(&b, "OPTIONS", cmd.LocalFlags())
	if cmd.Example != "" {
		fmt.Fprintf(&b, ".SH EXAMPLES\n.nf\n%s.fi\n", verbatim(cmd.Example))
	}
	b.WriteString(".SH EXIT STATUS\n.TP\n.B 0\nIt worked.\n.TP\n.B 1\nIt failed, or a part of it did.\n" +
		".TP\n.B 2\nWrong usage, or a wrong configuration.\n.TP\n.B 130\nIt was interrupted.\n")
	var near []string
	if cmd.HasParent() {
		near = append(near, fmt.Sprintf(".BR %s (1)", roff(manName(cmd.Parent()))))
	}
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			near = append(near, fmt.Sprintf(".BR %s (1)", roff(manName(sub))))
		}
	}
	if len(near) > 0 {
		fmt.Fprintf(&b, ".SH SEE ALSO\n%s\n", strings.Join(near, ",\n"))
	}
	return b.Bytes()
}

func manFlags(b *bytes.Buffer, title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	fmt.Fprintf(b, ".SH %s\n", title)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		fmt.Fprintf(b, ".TP\n\\fB%s\\fR", roff(name))
		if value != "" {
			fmt.Fprintf(b, " \\fI%s\\fR", roff(value))
		}
		fmt.Fprintf(b, "\n%s", roff(usage))
		if d := manDefault(f); d != "" {
			fmt.Fprintf(b, " (default %s)", roff(d))
		}
		b.WriteByte('\n')
	})
}

// manDefault gives the default of a flag, "" where it says nothing.
func manDefault(f *pflag.Flag) string {
	if d, err := time.ParseDuration(f.DefValue); err == nil && d == 0 && f.Value.Type() == "duration" {
		return ""
	}
	switch f.DefValue {
	case "", "0", "false", "[]":
		return ""
	}
	return f.DefValue
}

// roff escapes a text that may stand anywhere in a line.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "…", "...", "\n", " ").Replace(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}

func quoted(s string) string { return `"` + strings.ReplaceAll(roff(s), `"`, `\(dq`) + `"` }

// paragraphs sets text whose paragraphs have an empty line between them; what is indented stays as it is.
func paragraphs(s string) string {
	var b strings.Builder
	for i, p := range strings.Split(strings.Trim(s, "\n"), "\n\n") {
		if i > 0 {
			b.WriteString(".PP\n")
		}
		if strings.HasPrefix(p, "  ") {
			b.WriteString(".nf\n" + verbatim(p) + ".fi\n")
			continue
		}
		for line := range strings.Lines(p) {
			b.WriteString(roff(strings.TrimSpace(line)) + "\n")
		}
	}
	return b.String()
}

// verbatim sets lines as they are.
func verbatim(s string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimRight(s, "\n")) {
		b.WriteString(roff(strings.TrimRight(line, "\n")) + "\n")
	}
	return b.String()
}
