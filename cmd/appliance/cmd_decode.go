package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/wayside-edge/wayside/internal/localdecode"
	"github.com/wayside-edge/wayside/internal/runtime"
	"github.com/wayside-edge/wayside/internal/table"
	"github.com/wayside-edge/wayside/plugins"
)

// decodeFlags are the flags of `wayside decode`.
type decodeFlags struct {
	to      string
	output  string
	tables  []string
	decoder string
	params  []string
	preview int
	workers int
	dirs    []string
	quiet   bool
	combine bool
}

func (r *root) decodeCmd() *cobra.Command {
	var f decodeFlags
	cmd := &cobra.Command{
		Use:   "decode FILE…",
		Short: "Decode recordings into tables, without a server",
		Long: `Decodes files here and now, several at a time, without a server or a data folder. Folders are
walked (hidden entries and links are left out); - is standard input. Without --to and -o it
prints a summary of each file: decoder, tables, first rows, issues.

With -o DIR each file gets a folder DIR/<file>/ with one <table>.<form> a table, also for tables
without rows. With -o - one table goes to standard output; --to json without --table gives all
of them in one document.

Files that come as gzip or zstd are unwrapped first. A zip or tar archive (also a compressed one) is
one recording: its files are decoded together, what no decoder knows is left out.

Files that a decoder finds inside a file are decoded too, and what is inside them: with -o DIR into
DIR/<file>/inside/<name>/, with --to json as the document's "children"; one table on standard output
is that of the file alone. What no decoder knows of them is named and is no failure.

With --combine the files of a folder that can follow each other, such as the hourly files of a
train's recorder, are decoded as one recording in the order of their time; so are files that are
named one by one. Those that come as gzip or zstd are among them.

Exit code 0: every file was decoded wholly. 1: some failed or are partial. 2: wrong usage.`,
		Example: `  wayside decode run.RU
  wayside decode recordings/ -o tables                     Parquet files, one folder a recording
  wayside decode mission/ --combine -o tables              hourly files as one recording
  wayside decode run.RU --to csv --table telegrams         one table on standard output
  wayside decode run.RU --to json | jq .decode.status
  gzip -dc run.RU.gz | wayside decode - --to ndjson --table packets
  wayside decode run.RU --param timezone=Europe/Berlin     times as instants in UTC
  wayside decode run.RU --decoder rail --param reveal=true`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.decode(cmd.Context(), f, args)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.to, "to", "", "form of the tables: parquet, ndjson, csv, json or arrow (default parquet with -o DIR)")
	fl.StringVarP(&f.output, "output", "o", "", "folder for the tables, or - for standard output")
	fl.StringArrayVar(&f.tables, "table", nil, "only this table (may be given again)")
	fl.StringVar(&f.decoder, "decoder", "", "decoder or format to use instead of recognising each file")
	fl.StringArrayVar(&f.params, "param", nil, "parameter of the decoder as `name=value` (may be given again)")
	fl.IntVar(&f.preview, "rows", 3, "rows of each table in a summary")
	fl.IntVar(&f.workers, "workers", 0, "files to decode at a time (default min(cores, 4))")
	fl.StringArrayVar(&f.dirs, "plugins", nil, "folder with more decoders, *.wasm (may be given again)")
	fl.BoolVar(&f.combine, "combine", false, "decode files of one folder that can follow each other as one recording")
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "no progress bar")
	completeDecode(cmd)
	return cmd
}

// completeDecode tells shells what the flags take.
func completeDecode(cmd *cobra.Command) {
	forms := make([]string, 0, len(table.Formats()))
	for _, f := range table.Formats() {
		forms = append(forms, string(f))
	}
	_ = cmd.RegisterFlagCompletionFunc("to", cobra.FixedCompletions(forms, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.MarkFlagDirname("output")
	_ = cmd.MarkFlagDirname("plugins")
}

func (r *root) decode(ctx context.Context, f decodeFlags, args []string) error {
	params, err := parseParams(f.params)
	if err != nil {
		return &usageError{command: "wayside decode", err: err}
	}
	if f.preview <= 0 {
		f.preview = -1
	}
	cfg := localdecode.Config{
		Paths: args, To: table.Format(f.to), Out: f.output, Tables: f.tables, Decoder: f.decoder, Params: params,
		Combine: f.combine, Workers: f.workers, Preview: f.preview, Stdin: r.std.in, Stdout: r.std.out, Stderr: r.std.err,
		Width: terminal(r.std.out),
	}
	if !f.quiet {
		cfg.Bar = terminal(r.std.err)
	}
	totals, err := r.decodeWith(ctx, cfg, f.dirs)
	switch {
	case exitCode(err) == exitUsage:
		return &usageError{command: "wayside decode", err: err}
	case err != nil:
		return err
	case !totals.Complete():
		return errReported
	}
	return nil
}

// decodeWith decodes with an engine of its own, which ends with it.
func (r *root) decodeWith(ctx context.Context, cfg localdecode.Config, dirs []string) (totals localdecode.Totals, err error) {
	if err := cfg.Check(); err != nil {
		return totals, fmt.Errorf("decode: %w", err)
	}
	build, err := readBuild(plugins.Dist)
	if err != nil {
		return totals, err
	}
	cfg.Generator = "wayside " + build.Version
	folders := make([]runtime.Dir, 0, len(dirs))
	for _, d := range dirs {
		folders = append(folders, runtime.Dir{Path: d, Source: runtime.System})
	}
	engine, err := r.openEngine(ctx, localdecode.EngineConfig{Dirs: folders, Workers: cfg.Workers})
	if err != nil {
		return totals, fmt.Errorf("decode: %w", err)
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	cfg.Registry, cfg.Pool, cfg.Unwrapper = engine, engine, engine
	return localdecode.Run(ctx, cfg)
}

// openEngine opens the decoders of this binary and those in cfg.Dirs. Their compiled form is kept for the next run.
func (r *root) openEngine(ctx context.Context, cfg localdecode.EngineConfig) (*localdecode.Engine, error) {
	builtin, err := fs.Sub(plugins.Dist, "dist")
	if err != nil {
		return nil, fmt.Errorf("open built-in decoders: %w", err)
	}
	cfg.Builtin, cfg.Cache = builtin, r.cacheDir()
	e, err := localdecode.Open(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open decoders: %w", err)
	}
	return e, nil
}

// cacheDir is $XDG_CACHE_HOME/wayside, "" where there is no home.
func (r *root) cacheDir() string {
	if dir := r.getenv("XDG_CACHE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "wayside")
	}
	if home := r.getenv("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".cache", "wayside")
	}
	return ""
}

// parseParams reads name=value.
func parseParams(given []string) (map[string]string, error) {
	params := make(map[string]string, len(given))
	for _, p := range given {
		name, value, found := strings.Cut(p, "=")
		if !found || name == "" {
			return nil, fmt.Errorf("--param %q is not of the form name=value", p)
		}
		if _, twice := params[name]; twice {
			return nil, fmt.Errorf("--param %s is given twice", name)
		}
		params[name] = value
	}
	return params, nil
}

// terminal gives the columns of the terminal that w is, 0 where it is none.
func terminal(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || !isatty.IsTerminal(f.Fd()) {
		return 0
	}
	const usual = 80
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Col == 0 {
		return usual
	}
	return int(size.Col)
}
