package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wayside-edge/wayside/web"
)

// licensesCmd shows how the packages of others in this binary are licensed.
func (r *root) licensesCmd() *cobra.Command {
	var asJSON, texts bool
	cmd := &cobra.Command{
		Use:   "licenses [NAME...]",
		Short: "List the packages of others inside this binary, and their licences",
		Long: `Lists the Go modules that are linked into this binary and the packages of npm in its web console,
with their licences. With NAME, a part of a package's name, it prints the texts of those packages.`,
		Example: `  wayside licenses
  wayside licenses badger svelte
  wayside licenses --text > licenses.txt`,
		RunE: func(_ *cobra.Command, names []string) error {
			l, err := web.ReadLicenses()
			if err != nil {
				return err //nolint:wrapcheck // says what was read
			}
			if err := keepNamed(&l, names); err != nil {
				return &usageError{command: "wayside licenses", err: err}
			}
			switch {
			case asJSON:
				return r.printJSON(l)
			case texts || len(names) > 0:
				return r.print(licenseTexts(l))
			}
			return r.print(columns("PACKAGE\tVERSION\tLICENCE", func(w io.Writer) {
				for _, p := range l.Packages {
					fmt.Fprintf(w, "%s\t%s\t%s\n", p.Name, p.Version, p.License)
				}
			}))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it for programs, with the texts")
	cmd.Flags().BoolVar(&texts, "text", false, "print the texts of all packages")
	cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		var out []cobra.Completion
		l, err := web.ReadLicenses()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		for _, p := range l.Packages {
			out = append(out, cobra.CompletionWithDesc(p.Name, p.License))
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
	return cmd
}

// keepNamed leaves the packages with one of the names in theirs, and their texts; each name has to be of some use.
func keepNamed(l *web.Licenses, names []string) error {
	if len(names) == 0 {
		return nil
	}
	has := func(p web.LicensedPackage, name string) bool {
		return strings.Contains(strings.ToLower(p.Name), strings.ToLower(name))
	}
	for _, name := range names {
		if !slices.ContainsFunc(l.Packages, func(p web.LicensedPackage) bool { return has(p, name) }) {
			return fmt.Errorf("no package has %q in its name", name)
		}
	}
	l.Packages = slices.DeleteFunc(l.Packages, func(p web.LicensedPackage) bool {
		return !slices.ContainsFunc(names, func(name string) bool { return has(p, name) })
	})
	var texts []string
	for _, p := range l.Packages {
		for i, at := range p.Texts {
			p.Texts[i] = len(texts)
			texts = append(texts, l.Texts[at])
		}
	}
	l.Texts = texts
	return nil
}

func licenseTexts(l web.Licenses) string {
	var b strings.Builder
	for _, p := range l.Packages {
		fmt.Fprintf(&b, "%s %s: %s\n\n", p.Name, p.Version, p.License)
		for _, i := range p.Texts {
			b.WriteString(l.Texts[i] + "\n")
		}
		b.WriteString(strings.Repeat("-", 72) + "\n")
	}
	return b.String()
}
