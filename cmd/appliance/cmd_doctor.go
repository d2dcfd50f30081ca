package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wayside-edge/wayside/internal/config"
	"github.com/wayside-edge/wayside/plugins"
)

// grade is how a check came out.
type grade string

const (
	gradeOK   grade = "ok"
	gradeWarn grade = "warn"
	gradeFail grade = "fail"
)

// finding is one line of `wayside doctor`.
type finding struct {
	Check  string `json:"check"`
	Grade  grade  `json:"grade"`
	Text   string `json:"text"`
	Advice string `json:"advice,omitempty"` // what to do, unless it is fine
}

func ok(check, format string, args ...any) finding {
	return finding{Check: check, Grade: gradeOK, Text: fmt.Sprintf(format, args...)}
}

func warn(check, advice, format string, args ...any) finding {
	return finding{Check: check, Grade: gradeWarn, Text: fmt.Sprintf(format, args...), Advice: advice}
}

func fail(check, advice, format string, args ...any) finding {
	return finding{Check: check, Grade: gradeFail, Text: fmt.Sprintf(format, args...), Advice: advice}
}

// diagnosis is what `wayside doctor --json` prints.
type diagnosis struct {
	OK       bool      `json:"ok"` // nothing failed
	Version  string    `json:"version"`
	Findings []finding `json:"findings"`
}

func (r *root) doctorCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check whether this machine and configuration are fit for the appliance",
		Long: `Looks at the configuration, the data folder and its disk, what the kernel offers to confine
decoders, the ports, and the decoders, which are compiled and started once. It changes nothing
but a temporary file; a running appliance is not disturbed. Exit code 1 when a check fails.`,
		Example: `  wayside doctor
  sudo -u wayside wayside doctor --config /etc/wayside/wayside.yaml
  wayside doctor --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := r.load(cmd.Flags())
			if err != nil {
				return err
			}
			d, err := r.diagnose(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			if asJSON {
				err = r.printJSON(d)
			} else {
				err = r.print(diagnosisText(d))
			}
			if err == nil && !d.OK {
				err = errReported
			}
			return err
		},
	}
	config.AddFlags(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it for programs")
	return cmd
}

// diagnose runs every check.
func (r *root) diagnose(ctx context.Context, cfg config.Config) (diagnosis, error) {
	build, err := readBuild(plugins.Dist)
	if err != nil {
		return diagnosis{}, err
	}
	d := diagnosis{OK: true, Version: build.Version}
	d.add(checkConfig(cfg))
	d.add(checkData(cfg))
	d.add(checkKernel(hostKernel()))
	d.add(checkPorts(ctx, cfg))
	d.add(r.checkDecoders(ctx, cfg))
	if ctx.Err() != nil {
		return d, fmt.Errorf("doctor: %w", context.Cause(ctx))
	}
	return d, nil
}

func (d *diagnosis) add(findings []finding) {
	for _, f := range findings {
		d.OK = d.OK && f.Grade != gradeFail
		d.Findings = append(d.Findings, f)
	}
}

func checkConfig(cfg config.Config) []finding {
	const advice = "see wayside config show"
	if warnings := cfg.Warnings(); len(warnings) > 0 {
		findings := make([]finding, 0, len(warnings))
		for _, w := range warnings {
			findings = append(findings, warn("configuration", advice, "%s", w))
		}
		return findings
	}
	n := len(changedOnly(cfg.Entries()))
	return []finding{ok("configuration", "valid, %d of %d keys differ from their defaults", n, len(cfg.Entries()))}
}

// diagnosisText lays the findings out, the advice below the line it belongs to.
func diagnosisText(d diagnosis) string {
	width := 0
	for _, f := range d.Findings {
		width = max(width, len(f.Check))
	}
	var b strings.Builder
	counts := map[grade]int{}
	for _, f := range d.Findings {
		counts[f.Grade]++
		fmt.Fprintf(&b, "%-4s  %-*s  %s\n", f.Grade, width, f.Check, f.Text)
		if f.Advice != "" {
			fmt.Fprintf(&b, "      %-*s  -> %s\n", width, "", f.Advice)
		}
	}
	fmt.Fprintf(&b, "%d ok, %d warnings, %d failed\n", counts[gradeOK], counts[gradeWarn], counts[gradeFail])
	return b.String()
}
