// Package localdecode owns `wayside decode`: files become tables without a server and without a data folder.
//
// It is apart from package decode, which does the same as a job of the appliance, because nothing here is recorded:
// inputs are read where they lie, tables go to a folder, to standard output or into a summary for people, and what
// must be kept meanwhile lies in temporary files that are already unlinked or are removed at the end.
//
// Run owns three kinds of goroutines and joins them before it returns: one feeder that hands out inputs, up to
// Config.Workers decoders, and the progress bar. Results are printed in the order of the inputs; a decoder that is far
// ahead of the printer waits. There is one mutex, in the progress.Screen that the printer and the bar share.
package localdecode

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	goruntime "runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/progress"
	"github.com/wayside-edge/wayside/internal/runtime"
	"github.com/wayside-edge/wayside/internal/table"
)

// Registry is what localdecode needs of the plugins; *runtime.Registry is one.
type Registry interface {
	Plugins() []runtime.Plugin
	// Get finds a plugin by its id or by the id of a format.
	Get(idOrFormat string) (runtime.Plugin, bool)
	// Detect recognises a recording by its first bytes, its size and its name.
	Detect(ctx context.Context, head []byte, size int64, name string) (runtime.Detection, bool)
	// Params checks parameters, fills in defaults, and gives their canonical JSON.
	Params(pluginID string, given map[string]string) (json.RawMessage, error)
	// Wait returns when the plugin version can be used, or why it never can.
	Wait(ctx context.Context, sha256 string) error
}

// Pool runs decodes; *runtime.Pool is one.
type Pool interface {
	Decode(ctx context.Context, req runtime.Request) (runtime.Result, error)
}

// Config is one call of `wayside decode`.
type Config struct {
	Paths   []string          // files, folders (walked), "-" = Stdin
	To      table.Format      // "" = a summary for people, or Parquet where Out is a folder
	Out     string            // folder, "-" = Stdout, "" = Stdout where that is unambiguous
	Tables  []string          // only these; nil = all
	Decoder string            // plugin or format id; "" = recognise each input
	Params  map[string]string // of the decoder
	Combine bool              // files of one folder that can follow each other are one recording
	Workers int               // files at a time, default min(cores, 4)
	Preview int               // rows of each table in a summary, default 3; negative = none
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	Width   int // columns of the terminal that Stdout is; 0 = no terminal
	Bar     int // columns of the terminal that Stderr is; 0 = no progress bar
	// Generator is written into the tables: the program and its version.
	Generator string
	Registry  Registry
	Pool      Pool
	Unwrapper Unwrapper // nil = files are decoded as they are

	places *places // folders that are taken
}

// Totals counts inputs by how their decode ended.
type Totals struct {
	Done, Partial, Failed int
}

// Complete reports whether every input was decoded wholly.
func (t *Totals) Complete() bool { return t.Partial == 0 && t.Failed == 0 }

// window is how many finished results may wait for the printer, per worker.
const window = 4

// Run decodes and prints. Its error is about the call as a whole (nothing to decode, no such folder, interrupted);
// what is wrong with single inputs is printed and counted in Totals.
func Run(ctx context.Context, cfg Config) (Totals, error) {
	cfg.setDefaults()
	if err := cfg.check(); err != nil {
		return Totals{}, err
	}
	inputs, err := collect(cfg.Paths)
	if err == nil && cfg.Combine {
		inputs, err = cfg.combine(ctx, inputs)
	}
	if err != nil {
		return Totals{}, err
	}
	number(inputs, cfg.To)
	if err := cfg.checkInputs(inputs); err != nil {
		return Totals{}, err
	}
	cfg.places = newPlaces(inputs)
	out, err := openSink(&cfg, inputs)
	if err != nil {
		return Totals{}, err
	}
	scr := cfg.screen(inputs)
	if cfg.Combine && !slices.ContainsFunc(inputs, func(in input) bool { return in.parts != nil }) {
		if err := scr.Note(nothingToCombine); err != nil {
			return Totals{}, errors.Join(err, out.close())
		}
	}
	stopBar := scr.Start()
	t, err := run(ctx, &cfg, inputs, out, scr)
	stopBar()
	if closeErr := out.close(); err == nil && closeErr != nil {
		err = closeErr
	}
	if err != nil {
		return t.Totals, err
	}
	return t.Totals, out.total(scr, t)
}

// tally is what the end of the output tells: how the inputs ended, and which of them could have been one.
type tally struct {
	Totals
	inputs   int
	inside   insideTally
	families map[family]int // files of each, where they were not combined
}

func (t *tally) add(c *Config, o *outcome) {
	t.count(o.status())
	t.inside.add(&o.inside)
	t.Done, t.Partial, t.Failed = t.Done+o.inside.Done, t.Partial+o.inside.Partial, t.Failed+o.inside.Failed
	if f, ok := c.familyOf(&o.in, &o.plugin, o.detection); ok && !c.Combine {
		t.families[f]++
	}
}

// combinable counts the files that --combine would decode together with others.
func (t *tally) combinable() int {
	n := 0
	for _, files := range t.families {
		if files > 1 {
			n += files
		}
	}
	return n
}

// run starts the decoders and prints their results in order.
func run(ctx context.Context, cfg *Config, inputs []input, out sink, scr *progress.Screen) (*tally, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	slots := make([]chan *outcome, len(inputs))
	for i := range slots {
		slots[i] = make(chan *outcome, 1)
	}
	ahead := make(chan struct{}, window*cfg.Workers)
	var group errgroup.Group
	group.SetLimit(cfg.Workers + 1)
	group.Go(func() error { // the feeder
		for i, in := range inputs {
			select {
			case ahead <- struct{}{}:
			case <-ctx.Done():
				return nil
			}
			group.Go(func() error {
				slots[i] <- cfg.decode(ctx, in, out, scr)
				return nil
			})
		}
		return nil
	})
	t := &tally{inputs: len(inputs), families: map[family]int{}}
	err := printInOrder(ctx, slots, ahead, out, scr, func(o *outcome) { t.add(cfg, o) })
	cancel()
	_ = group.Wait() // its functions return no errors
	for _, slot := range slots {
		select {
		case o := <-slot:
			o.discard()
		default:
		}
	}
	return t, err
}

// printInOrder prints each result when those before it are printed, and counts it.
func printInOrder(
	ctx context.Context, slots []chan *outcome, ahead <-chan struct{}, out sink, scr *progress.Screen, count func(*outcome),
) error {
	for _, slot := range slots {
		var o *outcome
		select {
		case o = <-slot:
		case <-ctx.Done():
			return fmt.Errorf("decode: %w", context.Cause(ctx))
		}
		if o.stopped != nil {
			o.discard()
			return o.stopped
		}
		count(o)
		err := out.put(o, scr)
		o.discard()
		scr.Finish(o.in.index, o.in.size, 0)
		if err != nil {
			return err
		}
		<-ahead
	}
	return nil
}

func (t *Totals) count(s runtime.Status) {
	switch s {
	case runtime.Done:
		t.Done++
	case runtime.Partial:
		t.Partial++
	case runtime.Failed:
		t.Failed++
	}
}

func (c *Config) setDefaults() {
	if c.Workers <= 0 {
		c.Workers = min(goruntime.NumCPU(), 4)
	}
	if c.Preview == 0 {
		c.Preview = 3
	}
	if c.To == "" && c.Out != "" && c.Out != "-" {
		c.To = table.Parquet
	}
	if c.Out == "" && c.To != "" && (len(c.Tables) == 1 || c.To == table.JSON) {
		c.Out = "-"
	}
}

// Check refuses what cannot work, before anything is read or started. Run does it too.
func (c *Config) Check() error {
	full := *c
	full.setDefaults()
	return full.check()
}

func (c *Config) check() error {
	if len(c.Paths) == 0 {
		return errcode.Invalid("FILE", "name at least one file or folder, or - for standard input")
	}
	if c.To != "" {
		if _, ok := table.ParseFormat(string(c.To)); !ok {
			return errcode.Invalid("--to", "%q is not one of %s", c.To, formatNames())
		}
	}
	for _, t := range c.Tables {
		if !table.ValidName(t) {
			return errcode.Invalid("--table", "%q is no table name", t)
		}
	}
	switch {
	case c.Out == "" && c.To != "":
		return errcode.Invalid("--output", "say where: -o DIR for one folder an input, or -o - with --table for one table on standard output")
	case c.Out == "-" && c.To == "":
		return errcode.Invalid("--to", "-o - needs a form: one of %s", formatNames())
	case c.Out == "-" && len(c.Tables) != 1 && c.To != table.JSON:
		return errcode.Invalid("--table", "standard output takes one table of form %s: name it with --table, or use --to json for all", c.To)
	}
	stdin := 0
	for _, p := range c.Paths {
		if p == "-" {
			stdin++
		}
	}
	if stdin > 1 {
		return errcode.Invalid("FILE", "standard input (-) can be named once")
	}
	return nil
}

// checkInputs refuses what cannot work with these inputs.
func (c *Config) checkInputs(inputs []input) error {
	if len(inputs) == 0 {
		return errcode.Invalid("FILE", "no files there (hidden ones are left out)")
	}
	if c.Out == "-" && len(inputs) > 1 && c.To != table.NDJSON {
		return errcode.Invalid("--output", "standard output takes one input of form %s, not %d: use -o DIR, or --to ndjson", c.To, len(inputs))
	}
	return nil
}

func formatNames() string {
	var b []byte
	for i, f := range table.Formats() {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, f...)
	}
	return string(b)
}

// errStopped reports whether err ends the whole call rather than one input.
func errStopped(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, context.Canceled)
}
