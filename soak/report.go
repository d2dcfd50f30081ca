package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Verdicts of a phase.
const (
	kept    = "kept"    // every promise was kept
	broken  = "BROKEN"  // at least one was not
	notRun  = "not run" // this machine does not permit the phase
	stopped = "stopped" // by the caller, before its end
)

// latency is how long requests of a kind took, in milliseconds.
type latency struct {
	N   int64   `json:"n"`
	P50 float64 `json:"p50_ms"`
	P99 float64 `json:"p99_ms"`
	Max float64 `json:"max_ms"`
}

// result is what a phase showed.
type result struct {
	Phase     string              `json:"phase"`
	Verdict   string              `json:"verdict"`
	Why       string              `json:"why,omitempty"`
	Began     time.Time           `json:"began"`
	Seconds   float64             `json:"seconds"`
	Counts    map[string]int64    `json:"counts"`
	Errors    map[string]int64    `json:"refusals"` // that the phase provoked
	Latency   map[string]latency  `json:"latency"`
	Resources map[string]resource `json:"resources,omitempty"`
	Broken    []string            `json:"broken,omitempty"`
	Breaks    int64               `json:"breaks"`
	Kept      string              `json:"kept_folder,omitempty"`
}

// report is the result of a whole run.
type report struct {
	Seed    uint64    `json:"seed"`
	Binary  string    `json:"binary"`
	Began   time.Time `json:"began"`
	Seconds float64   `json:"seconds"`
	Verdict string    `json:"verdict"`
	Phases  []result  `json:"phases"`
}

// conclude gives the verdict of the whole: broken wins, then what could not be finished.
func (r *report) conclude() {
	r.Verdict = kept
	for _, ph := range r.Phases {
		switch ph.Verdict {
		case broken:
			r.Verdict = broken
			return
		case stopped:
			r.Verdict = stopped
		}
	}
}

// save writes the report as JSON.
func (r *report) save(dir string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("save report: %w", err)
	}
	//nolint:forbidigo // a report, nothing that has to survive a power cut
	if err := os.WriteFile(filepath.Join(dir, "soak-report.json"), append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("save report: %w", err)
	}
	return nil
}

// print writes the report for people.
func (r *report) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\nsoak of %s, seed %d, %s\n", r.Binary, r.Seed, time.Duration(r.Seconds*float64(time.Second)).Round(time.Second))
	for _, ph := range r.Phases {
		ph.print(w)
	}
	fmt.Fprintf(w, "\nphase\tverdict\ttime\tacknowledged\tverified\tlost\tdoubled\tbroken\n")
	for _, ph := range r.Phases {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\n", ph.Phase, ph.Verdict,
			time.Duration(ph.Seconds*float64(time.Second)).Round(time.Second), ph.Counts["uploads acknowledged"]+ph.total(": acknowledged"),
			ph.Counts["files verified"]+ph.total(": verified"), ph.Counts["broken: lost"], ph.Counts["broken: doubled"], ph.Breaks)
	}
	fmt.Fprintf(w, "\nall promises: %s\n", r.Verdict)
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print report: %w", err)
	}
	return nil
}

// total adds up counts whose names end so.
func (r *result) total(suffix string) (n int64) {
	for name, count := range r.Counts {
		if strings.HasSuffix(name, suffix) {
			n += count
		}
	}
	return n
}

func (r *result) print(w io.Writer) {
	fmt.Fprintf(w, "\n== %s: %s", r.Phase, r.Verdict)
	if r.Why != "" {
		fmt.Fprintf(w, " (%s)", r.Why)
	}
	fmt.Fprintln(w)
	for _, name := range slices.Sorted(keys(r.Counts)) {
		fmt.Fprintf(w, "  %s\t%d\n", name, r.Counts[name])
	}
	for _, name := range slices.Sorted(keys(r.Errors)) {
		fmt.Fprintf(w, "  provoked: %s\t%d\n", name, r.Errors[name])
	}
	if len(r.Resources) > 0 {
		fmt.Fprintf(w, "  resource\tfirst\tlast\tmin\tmax\tgrowth/h\tgrowth of %s\n", "2nd half, allowed")
		for _, name := range slices.Sorted(keys(r.Resources)) {
			printResource(w, name, r.Resources[name])
		}
	}
	if len(r.Latency) > 0 {
		fmt.Fprintf(w, "  request\tnumber\tp50 ms\tp99 ms\tmax ms\n")
		for _, kind := range slices.Sorted(keys(r.Latency)) {
			l := r.Latency[kind]
			fmt.Fprintf(w, "  %s\t%d\t%.4g\t%.4g\t%.4g\n", kind, l.N, l.P50, l.P99, l.Max)
		}
	}
	for _, b := range r.Broken {
		fmt.Fprintf(w, "  ! %s\n", strings.ReplaceAll(b, "\n", "\n    "))
	}
	if r.Kept != "" {
		fmt.Fprintf(w, "  data folder and log: %s\n", r.Kept)
	}
}

func printResource(w io.Writer, name string, r resource) {
	show := func(v float64) string {
		if strings.HasSuffix(name, "_bytes") {
			return fmt.Sprintf("%.1f MiB", v/mib)
		}
		return fmt.Sprintf("%.4g", v)
	}
	verdict := "not judged"
	switch {
	case !r.Flat:
		verdict = "NOT FLAT: " + r.Why
	case r.Judged:
		verdict = fmt.Sprintf("%s, %s: flat", show(r.Growth), show(r.Allowed))
	}
	fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\n", name, show(r.First), show(r.Last), show(r.Min), show(r.Max), show(r.PerHour), verdict)
}

// keys gives the keys of a map.
func keys[K cmp.Ordered, V any](m map[K]V) iter.Seq[K] {
	return func(yield func(K) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}
