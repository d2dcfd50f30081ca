package plugindev

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/table"
)

// DevConfig is one call of `wayside plugin dev`.
type DevConfig struct {
	Dir    string // the project
	Input  string // decoded after every build
	Params map[string]string
	Rows   int           // of each table that are shown; default 5
	Self   string        // the program that make calls as wayside
	Every  time.Duration // how often it looks for changes; default 300 ms
	Once   bool          // build and show once
	Out    io.Writer
	Err    io.Writer
}

const (
	cellWidth   = 32
	mostWatched = 10_000 // files
	makeWait    = 2 * time.Second
)

// Dev builds the project and shows what the input decodes to, again with every change, until ctx ends.
func Dev(ctx context.Context, cfg DevConfig) error {
	if cfg.Rows <= 0 {
		cfg.Rows = 5
	}
	if cfg.Every <= 0 {
		cfg.Every = 300 * time.Millisecond
	}
	if _, err := os.Stat(filepath.Join(cfg.Dir, "Makefile")); err != nil {
		return errcode.Invalid("DIR", "there is no Makefile in %s: wayside plugin new writes a project", cfg.Dir)
	}
	if _, err := os.Stat(cfg.Input); err != nil {
		return errcode.Invalid("INPUT", "%v", err)
	}
	tick := time.NewTicker(cfg.Every)
	defer tick.Stop()
	for {
		seen, err := watched(&cfg)
		if err != nil {
			return err
		}
		if err := cfg.round(ctx); err != nil {
			return err
		}
		if cfg.Once {
			return nil
		}
		for again := seen; again == seen; {
			select {
			case <-ctx.Done():
				return nil // the way to end it
			case <-tick.C:
			}
			if again, err = watched(&cfg); err != nil {
				return err
			}
		}
	}
}

// watched describes the state of the sources and the input; it changes when one of them does. What a build makes is left
// out, so that no build starts the next one.
func watched(cfg *DevConfig) (string, error) {
	var b strings.Builder
	n := 0
	err := filepath.WalkDir(cfg.Dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it went while we looked; of the project's own folder there is no d
		}
		if err != nil {
			return err
		}
		name := d.Name()
		switch {
		case d.IsDir() && path != cfg.Dir && (name == "build" || name == "target" || strings.HasPrefix(name, ".")):
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(name) == wasmExt || strings.HasPrefix(name, "."):
			return nil
		}
		if n++; n > mostWatched {
			return errcode.Invalid("DIR", "there are more than %d files in %s: name the project's own folder", mostWatched, cfg.Dir)
		}
		note(&b, path)
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("look for changes: %w", err)
	}
	note(&b, cfg.Input)
	return b.String(), nil
}

func note(b *strings.Builder, path string) {
	if st, err := os.Stat(path); err == nil {
		fmt.Fprintf(b, "%s %d %d\n", path, st.Size(), st.ModTime().UnixNano())
	}
}

// round builds and shows. What is wrong with the project is printed; the error is about the call.
func (c *DevConfig) round(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "make", "-C", c.Dir, "WAYSIDE="+c.Self) //nolint:gosec // the author's own project
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = c.Err, c.Err, makeWait
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil //nolint:nilerr // Ctrl-C is the way to end it
		}
		if _, ok := errors.AsType[*exec.ExitError](err); !ok {
			return fmt.Errorf("run make: %w", err)
		}
		_, err = fmt.Fprintf(c.Out, "%s  the build failed; waiting for a change\n", time.Now().Format(time.TimeOnly))
		return wrote(err)
	}
	err := c.show(ctx)
	if err == nil || ctx.Err() != nil {
		return nil //nolint:nilerr // Ctrl-C is the way to end it
	}
	_, err = fmt.Fprintf(c.Out, "%s  %s\n", time.Now().Format(time.TimeOnly), printable(err.Error()))
	return wrote(err)
}

func wrote(err error) error {
	if err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// show decodes the input and prints the beginning of every table.
func (c *DevConfig) show(ctx context.Context) (err error) {
	path, err := findModule(c.Dir)
	if err != nil {
		return err
	}
	wasm, err := readModule(path)
	if err != nil {
		return err
	}
	g, err := newGuest(wasm)
	if err != nil {
		return err
	}
	g.log = c.Err
	defer func() { err = errors.Join(err, g.close()) }()
	rec, err := fileRecording(c.Input)
	if err != nil {
		return err
	}
	p, err := g.run(ctx)
	if err != nil {
		return err
	}
	params, err := g.params(ctx, c.Params)
	if err != nil {
		return err
	}
	o, err := g.host.decode(ctx, &p, rec, way{params: params, form: table.CSV})
	if err != nil {
		return err
	}
	defer o.discard()
	return preview(c.Out, o, rec, c.Rows)
}

// preview prints how a decode into CSV ended and the first rows of its tables.
func preview(w io.Writer, o *outcome, rec *recording, rows int) error {
	r := &o.result
	end := string(r.Status)
	switch {
	case o.died != nil:
		end = "no verdict: " + o.died.Error()
	case r.Failure != nil:
		end += fmt.Sprintf(": %s: %s", r.Failure.Code, r.Failure.Message)
		if r.Failure.Offset != nil {
			end += fmt.Sprintf(" (offset %d)", *r.Failure.Offset)
		}
	}
	if _, err := fmt.Fprintf(w, "%s  %s: %s, %d rows, %d of %d bytes read, %d ms\n", time.Now().Format(time.TimeOnly),
		printable(rec.name), printable(end), r.Rows, r.BytesRead, rec.size, r.Duration.Milliseconds()); err != nil {
		return wrote(err)
	}
	for i := range r.Tables {
		t := &r.Tables[i]
		if _, err := fmt.Fprintf(w, "\n%s: %d rows\n", t.Schema.Name, t.Rows); err != nil {
			return wrote(err)
		}
		if f := o.files[t.Schema.Name]; f != nil && t.Rows > 0 {
			if err := firstRows(w, f, rows); err != nil {
				return fmt.Errorf("show table %s: %w", t.Schema.Name, err)
			}
		}
	}
	return nil
}

// firstRows prints the heading and the first rows of a CSV file.
func firstRows(w io.Writer, f *os.File, rows int) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	in := csv.NewReader(f)
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for range rows + 1 {
		cells, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		for i, c := range cells {
			if r := []rune(printable(c)); len(r) > cellWidth {
				c = string(r[:cellWidth-1]) + "…"
			} else {
				c = string(r)
			}
			cells[i] = c
		}
		if _, err := fmt.Fprintf(out, "  %s\n", strings.Join(cells, "\t")); err != nil {
			return wrote(err)
		}
	}
	return wrote(out.Flush())
}
