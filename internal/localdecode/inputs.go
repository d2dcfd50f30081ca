package localdecode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime"
	"github.com/wayside-edge/wayside/internal/table"
)

// input is one thing to decode: a file, or the parts of a recording.
type input struct {
	index int
	path  string // "-" = standard input, "" = it has parts
	shown string // as messages call it
	name  string // last part, for recognition by extension
	out   string // folder of its tables, relative to the output folder
	size  int64  // -1 = not known before it is read
	inner string // its name without what it is wrapped in, where --combine has looked into it; "" = it is not wrapped
	group string // files of one group may be one recording: a folder, namedGroup, "" = it stands for itself

	nested // its place inside another input

	parts []input           // the files that are decoded as one, in their order; nil = it is a file
	known runtime.Detection // what the parts were recognised as
	twins []twin            // files left out
}

// namedGroup is the group of the files that were named one by one; no folder has its name.
const namedGroup = "\x00"

// collect finds the inputs that paths name: files as they are, folders walked without hidden entries and links.
func collect(paths []string) ([]input, error) {
	var inputs []input
	for _, p := range paths {
		found, err := collectOne(p)
		if err != nil {
			return nil, err
		}
		inputs = append(inputs, found...)
	}
	return inputs, nil
}

// number gives each input its place and a folder of its own. In a folder that holds tables, as that of a combined folder
// does, a folder may not have a name that a table can have.
func number(inputs []input, form table.Format) {
	taken, holders := map[string]bool{}, map[string]bool{}
	for i := range inputs {
		holders[inputs[i].out] = true
	}
	for i := range inputs {
		inputs[i].index = i
		if out := inputs[i].out; filepath.Ext(out) == "."+string(form) && holders[filepath.Dir(out)] {
			taken[out] = true
		}
		inputs[i].out = freeName(inputs[i].out, taken)
	}
}

func collectOne(path string) ([]input, error) {
	if path == "-" {
		return []input{{path: "-", shown: "standard input", out: "stdin", size: -1}}, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, errcode.Invalid("FILE", "%s: no such file or folder", printable(path))
		}
		return nil, fmt.Errorf("look at input: %w", err)
	}
	if !info.IsDir() {
		return []input{newInput(path, filepath.Base(path), namedGroup, info)}, nil
	}
	var inputs []input
	err = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if strings.HasPrefix(d.Name(), ".") && p != path {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed meanwhile
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(path, p)
		if err != nil {
			return err
		}
		inputs = append(inputs, newInput(p, rel, filepath.Dir(p), info))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("walk input folder: %w", err)
	}
	return inputs, nil
}

func newInput(path, out, group string, info fs.FileInfo) input {
	in := input{path: path, shown: path, name: filepath.Base(path), out: out, size: info.Size(), group: group}
	if !info.Mode().IsRegular() {
		in.size, in.group = -1, ""
	}
	return in
}

// freeName gives name, or name-2, name-3 … where an earlier input has it, and takes it.
func freeName(name string, taken map[string]bool) string {
	free := name
	for n := 2; taken[free]; n++ {
		free = name + "-" + strconv.Itoa(n)
	}
	taken[free] = true
	return free
}

// open gives the input as a file that can be read at any offset, and its size. What is no regular file is copied to
// a temporary one first.
func (c *Config) open(ctx context.Context, in input) (*os.File, int64, error) {
	if in.path == "-" {
		return spool(ctx, c.Stdin)
	}
	f, err := os.Open(in.path)
	if err != nil {
		return nil, 0, fmt.Errorf("open input: %w", err)
	}
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() {
		return f, info.Size(), nil
	}
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("look at input: %w", err), f.Close())
	}
	copied, size, err := spool(ctx, f)
	return copied, size, errors.Join(err, f.Close())
}

// spool copies r to a temporary file that has no name any more.
func spool(ctx context.Context, r io.Reader) (*os.File, int64, error) {
	f, err := unlinked()
	if err != nil {
		return nil, 0, err
	}
	type copied struct {
		n   int64
		err error
	}
	// A read of a terminal or a pipe cannot be interrupted: on ctx's end this one goroutine is left behind until its
	// read returns, which a command about to exit can afford. It alone closes the file then.
	done := make(chan copied, 1)
	go func() {
		n, err := io.Copy(f, r)
		if ctx.Err() != nil {
			_ = f.Close()
		}
		done <- copied{n, err}
	}()
	select {
	case <-ctx.Done():
		return nil, 0, fmt.Errorf("read input: %w", context.Cause(ctx))
	case c := <-done:
		if ctx.Err() != nil {
			return nil, 0, fmt.Errorf("read input: %w", context.Cause(ctx))
		}
		if c.err != nil {
			return nil, 0, errors.Join(fmt.Errorf("read input: %w", c.err), f.Close())
		}
		return f, c.n, nil
	}
}

// unlinked makes a temporary file and removes its name: it goes with its last descriptor, however the process ends.
func unlinked() (*os.File, error) {
	f, err := os.CreateTemp("", "wayside-decode-")
	if err != nil {
		return nil, fmt.Errorf("make temporary file: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("unlink temporary file: %w", err), f.Close())
	}
	return f, nil
}

// printable gives s without anything a terminal would act on; file names and values come from others.
func printable(s string) string {
	clean := true
	for _, r := range s {
		if !strconv.IsPrint(r) || r == '\uFFFD' {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	q := strconv.Quote(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}
