package plugindev

import (
	"fmt"
	"strings"
)

// Text gives the report for people.
func (r *Report) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s %s\n", r.Module, r.ID, r.Version)
	failed := 0
	for i := range r.Checks {
		c := &r.Checks[i]
		mark := "ok  "
		if !c.OK {
			mark = "FAIL"
			failed++
		}
		name := c.Name
		if c.Input != "" {
			name += " " + c.Input
		}
		fmt.Fprintf(&b, "%s  %s (%d ms): %s\n", mark, printable(name), c.Millis, lines(c.Text))
	}
	for _, f := range r.Faults {
		fmt.Fprintf(&b, "FAULT %s: %s\n      by %s\n      kept as %s (%d bytes)\n", f.Code, printable(f.Text), printable(f.Input), f.File, f.Bytes)
	}
	if r.OK {
		fmt.Fprintf(&b, "all %d checks passed\n", len(r.Checks))
	} else {
		fmt.Fprintf(&b, "%d of %d checks failed; seed %d\n", failed, len(r.Checks), r.Seed)
	}
	return b.String()
}

// lines makes a text of several lines printable.
func lines(s string) string {
	parts := strings.Split(s, "\n")
	for i := range parts {
		parts[i] = printable(parts[i])
	}
	return strings.Join(parts, "\n      ")
}

// Text gives the figures for people.
func (f *Figures) Text() string {
	s := func(v Speed) string { return fmt.Sprintf("%8.1f MB/s (%.1f–%.1f)", v.Median, v.Least, v.Most) }
	return fmt.Sprintf("%s: %d bytes, %s, %d rows; median (least–most) of %d runs\n"+
		"  only reading      %s\n  decoding          %s   %.3f of that, %.0f rows/s\n  into Parquet      %s\n"+
		"  worker's memory   %8.1f MB at most\n",
		f.Input, f.Bytes, f.Status, f.Rows, benchRuns, s(f.ReadOnly), s(f.Decode), f.Ratio, f.RowsPerSec, s(f.Parquet),
		float64(f.PeakBytes)/1e6)
}

// Text gives the inspection for people.
func (in *Inspection) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d bytes, sha256 %s\n", in.File, in.Bytes, in.SHA256)
	if in.Problem != "" {
		fmt.Fprintf(&b, "an appliance refuses it: %s\n", printable(in.Problem))
	}
	fmt.Fprintf(&b, "signature: %s\n\nsections\n", printable(in.Signature))
	for _, s := range in.Sections {
		fmt.Fprintf(&b, "  %-28s %9d bytes\n", printable(s.Name), s.Bytes)
	}
	b.WriteString("\nfigures, and what is accepted\n")
	for _, f := range in.Figures {
		fmt.Fprintf(&b, "  %-32s %10d of %d\n", f.Name, f.Value, f.Limit)
	}
	fmt.Fprintf(&b, "\nimports: %s\nexports: %s\n", printable(strings.Join(in.Imports, ", ")), printable(strings.Join(in.Exports, ", ")))
	for _, v := range in.Vectors {
		fmt.Fprintf(&b, "golden test %s: %d bytes, %d parts\n", printable(v.Name), v.Bytes, v.Parts)
	}
	if in.Manifest == nil {
		b.WriteString("manifest: not packed; wayside plugin pack stores it\n")
	} else {
		fmt.Fprintf(&b, "manifest: %s\n", printable(string(in.Manifest)))
	}
	for _, n := range in.Notes {
		fmt.Fprintf(&b, "note: %s\n", printable(n))
	}
	return b.String()
}
