// Command bench measures the built appliance from outside and prints its figures beside this machine's own rates, so
// that the ratios can be compared where absolute times cannot. `make bench` runs it; every figure is the median of
// several runs. It is apart from the tests because a figure never decides whether a test passes.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/wayside-edge/wayside/internal/runtime/worker"
)

type options struct {
	bin  string
	dir  string
	runs int
	only string
	most int64
	json string // file that the figures are written to as well, "" = none
	// guests is the folder of the SDKs' example decoders, "" = they are not measured.
	guests string
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "worker" { // the runtime that guests are measured in has started this
		os.Exit(worker.Main())
	}
	if len(os.Args) == 3 && os.Args[1] == "bare" {
		if err := serveBare(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	var o options
	flag.StringVar(&o.bin, "bin", "bin/wayside", "the appliance")
	flag.StringVar(&o.dir, "dir", "", "folder to work in, on the disk to measure (default: the folder for temporary files)")
	flag.IntVar(&o.runs, "runs", 5, "runs a figure")
	flag.StringVar(&o.only, "only", "", "only the figures whose name contains this")
	flag.Int64Var(&o.most, "most", 4<<30, "bytes of the largest recording")
	flag.StringVar(&o.json, "json", "", "file that the figures are written to as well, with all that was measured for them")
	flag.StringVar(&o.guests, "guests", "", "folder of the built examples of the SDKs (default: they are left out)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, o, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// figure is one line of the result.
type figure struct {
	name  string
	reach string // what the product promises
	value string
}

// measurement makes one or more figures.
type measurement struct {
	name string
	run  func(ctx context.Context, b *bench) ([]figure, error)
}

// bench is what the measurements share.
type bench struct {
	options
	work    string                       // removed at the end
	samples map[string]map[string]spread // what figures were made of, by their names; not all of them tell
}

// figure is one that tells what it was made of.
func (b *bench) figure(name, reach, value string, samples map[string]spread) figure {
	b.samples[name] = samples
	return figure{name, reach, value}
}

func run(ctx context.Context, o options, out io.Writer) error {
	bin, err := filepath.Abs(o.bin)
	if err != nil {
		return fmt.Errorf("find the appliance: %w", err)
	}
	o.bin = bin
	work, err := os.MkdirTemp(o.dir, "wayside-bench-")
	if err != nil {
		return fmt.Errorf("make a folder to work in: %w", err)
	}
	defer os.RemoveAll(work)
	b := &bench{options: o, work: work, samples: map[string]map[string]spread{}}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "figure\treach\tmeasured")
	var all []figure
	for _, m := range measurements() {
		if o.only != "" && !contains(m.name, o.only) {
			continue
		}
		figs, err := m.run(ctx, b)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		for _, f := range figs {
			fmt.Fprintf(w, "%s\t%s\t%s\n", f.name, f.reach, f.value)
		}
		all = append(all, figs...)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return b.writeJSON(all)
}

// writeJSON writes the figures to a file, if one was named.
func (b *bench) writeJSON(figs []figure) error {
	if b.json == "" {
		return nil
	}
	type document struct {
		Name    string            `json:"name"`
		Reach   string            `json:"reach"`
		Value   string            `json:"value"`
		Samples map[string]spread `json:"samples,omitempty"`
	}
	list := make([]document, 0, len(figs))
	for _, f := range figs {
		list = append(list, document{f.name, f.reach, f.value, b.samples[f.name]})
	}
	data, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	if err := os.WriteFile(b.json, append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	return nil
}

func measurements() []measurement {
	return []measurement{
		{"machine", measureMachine},
		{"start", measureStart},
		{"idle", measureIdle},
		{"small", measureSmall},
		{"many", measureMany},
		{"upload", measureUpload},
		{"http-upload", measureHTTPUpload},
		{"speed", measureSpeed},
		{"memory", measureMemory},
		{"guests", measureGuests},
		{"attack", measureAttack},
		{"queue", measureQueue},
		{"http-reads", measureHTTPReads},
		{"http-rows", measureHTTPRows},
		{"http-series", measureHTTPSeries},
		{"http-parquet", measureHTTPParquet},
		{"http-slow", measureHTTPSlow},
		{"pieces", measurePieces},
		{"http-events", measureHTTPEvents},
		{"kv-deep", measureKVDeep},
		{"kv-flat", measureKVFlat},
		{"kv-large", measureKVLarge},
		{"kv-script", measureKVScript},
		{"kv-memory", measureKVMemory},
		{"kv-stall", measureKVStall},
	}
}

// folder gives a new data folder. All of them are removed at the end: a file system that has just lost thousands of
// files is slow in making new ones (ext4 looks for inodes that were not deleted within the last five seconds).
func (b *bench) folder() (string, error) {
	dir, err := os.MkdirTemp(b.work, "data-")
	if err != nil {
		return "", fmt.Errorf("make data folder: %w", err)
	}
	return dir, nil
}

// spread is some values of one figure.
type spread []float64

func (s spread) median() float64 { return s.quantile(0.5) }

func (s spread) quantile(q float64) float64 {
	if len(s) == 0 {
		return 0
	}
	c := slices.Sorted(slices.Values(s))
	return c[min(len(c)-1, int(q*float64(len(c))))]
}

func (s spread) String() string {
	return number(s.median()) + " (" + number(slices.Min(s)) + "–" + number(slices.Max(s)) + ")"
}

// number gives three digits, or all before the point.
func number(x float64) string {
	if x >= 1000 {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.3g", x)
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
