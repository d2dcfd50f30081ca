package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wayside-edge/wayside/internal/progress"
	"github.com/wayside-edge/wayside/sdk/client"
)

// uploadFlags are the flags of `wayside upload`.
type uploadFlags struct {
	name     string
	decoder  string
	params   []string
	wait     bool
	noDecode bool
	force    bool
	batch    string
	combine  bool
	resume   bool
	parallel int
	tries    int
	quiet    bool
}

func (r *root) uploadCmd() *cobra.Command {
	var f uploadFlags
	cmd := r.remoteCmd(&cobra.Command{
		Use:   "upload PATH…",
		Short: "Send recordings to a running appliance",
		Long: `Sends files to a running appliance, which keeps and decodes them. Folders are walked (hidden entries and
links are left out); - is standard input. A line says what became of each file; a file that is there
already, with the same name, decoder and parameters, is not stored again.

What fails for a passing reason (the connection, an appliance that is busy or starts) is tried again. With
--resume a file goes on where it was broken off, also when this command is called again later; that is for
large files over bad links, since each is read twice.

With --batch the files become one batch, in the order of their names on the command line; with --combine too
they are one recording. With --json a line
of standard output is the answer of the appliance for one file, as it comes, or {"path", "error"}; with
--batch it is the batch.

Exit code 0: every file was taken, and with --wait decoded wholly. 1: some were not. 2: wrong usage.`,
		Example: `  wayside upload run.RU --wait
  wayside upload recordings/ --decoder rail --param timezone=Europe/Berlin
  wayside upload day/ --batch "trip 4711" --wait
  wayside upload big.pcap --resume
  tar c trip | wayside upload - --name trip.tar`,
		Args: cobra.MinimumNArgs(1),
	}, func(ctx context.Context, c *client.Client, rf remoteFlags, args []string) error {
		u, err := r.newUploads(f, rf, args)
		if err != nil {
			return &usageError{command: "wayside upload", err: err}
		}
		u.client = c
		return u.run(ctx)
	})
	fl := cmd.Flags()
	fl.StringVar(&f.name, "name", "", "name of the file, instead of its own; needed for standard input")
	fl.StringVar(&f.decoder, "decoder", "", "decoder or format to use instead of recognising each file")
	fl.StringArrayVar(&f.params, "param", nil, "parameter of the decoder as `name=value` (may be given again)")
	fl.BoolVar(&f.wait, "wait", false, "wait until each file is decoded")
	fl.BoolVar(&f.noDecode, "no-decode", false, "store only")
	fl.BoolVar(&f.force, "force", false, "decode anew even where a result exists")
	fl.StringVar(&f.batch, "batch", "", "make one batch of this name of the files")
	fl.BoolVar(&f.combine, "combine", false, "the files of the batch are one recording, as the hourly files of a train are")
	fl.BoolVar(&f.resume, "resume", false, "send so that what is broken off goes on there, also later (tus)")
	fl.IntVar(&f.parallel, "parallel", 2, "files to send at a time")
	fl.IntVar(&f.tries, "tries", 6, "how often to try a file, in a row without a byte getting through")
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "no progress bar")
	_ = cmd.RegisterFlagCompletionFunc("decoder", r.completeDecoders)
	return cmd
}

// newUploads checks the flags and finds the files. Its errors are about the command line.
func (r *root) newUploads(f uploadFlags, rf remoteFlags, paths []string) (*uploads, error) {
	params, err := parseParams(f.params)
	if err != nil {
		return nil, err
	}
	sources, err := uploadSources(paths)
	if err != nil {
		return nil, err
	}
	stdin := 0
	for i := range sources {
		if sources[i].path == "-" {
			stdin++
		}
	}
	switch {
	case len(sources) == 0:
		return nil, errors.New("there is no file in what was named")
	case f.name != "" && len(sources) > 1:
		return nil, fmt.Errorf("--name is for one file, and these are %d", len(sources))
	case stdin > 0 && (f.name == "" || f.resume):
		return nil, errors.New("standard input needs --name, and cannot be sent with --resume")
	case f.noDecode && (f.wait || f.force || f.batch != ""):
		return nil, errors.New("--no-decode leaves nothing for --wait, --force and --batch")
	case f.combine && f.batch == "":
		return nil, errors.New("--combine needs --batch, which names the recording")
	case f.batch != "" && f.force:
		return nil, errors.New("--batch and --force do not go together")
	case f.resume && (f.force || f.noDecode):
		return nil, errors.New("--resume takes neither --force nor --no-decode")
	case f.parallel < 1 || f.parallel > 32:
		return nil, fmt.Errorf("--parallel: %d is not between 1 and 32", f.parallel)
	case f.tries < 1:
		return nil, fmt.Errorf("--tries: %d is less than 1", f.tries)
	}
	if f.name != "" {
		sources[0].name = f.name
	}
	width := 0
	if !f.quiet {
		width = terminal(r.std.err)
	}
	u := &uploads{
		root: r, flags: f, json: rf.json, params: params, sources: sources, screen: progress.New(r.std.out, r.std.err, width), pause: uploadPause,
	}
	var total int64
	for i := range sources {
		total += max(sources[i].size, 0)
	}
	u.screen.Expect(len(sources), total)
	if dir := r.cacheDir(); dir != "" {
		u.state = filepath.Join(dir, "uploads")
	}
	return u, nil
}

// uploadSource is a file that is to be sent.
type uploadSource struct {
	path string // "-" = standard input
	name string
	size int64 // -1 = not known
}

// uploadSources finds the files that paths name: files as they are, folders walked without hidden entries and links,
// in the order of their names.
func uploadSources(paths []string) ([]uploadSource, error) {
	var out []uploadSource
	for _, p := range paths {
		if p == "-" {
			out = append(out, uploadSource{path: "-", size: -1})
			continue
		}
		info, err := os.Stat(p)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("%s: no such file or folder", printable(p))
		case err != nil:
			return nil, fmt.Errorf("look at file: %w", err)
		case info.IsDir():
			found, err := walkSources(p)
			if err != nil {
				return nil, err
			}
			out = append(out, found...)
		default:
			out = append(out, newSource(p, info))
		}
	}
	return out, nil
}

func newSource(path string, info fs.FileInfo) uploadSource {
	s := uploadSource{path: path, name: filepath.Base(path), size: info.Size()}
	if !info.Mode().IsRegular() {
		s.size = -1
	}
	return s
}

func walkSources(dir string) ([]uploadSource, error) {
	var out []uploadSource
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if strings.HasPrefix(d.Name(), ".") && p != dir {
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
			return err //nolint:wrapcheck // it names the path
		}
		out = append(out, newSource(p, info))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("walk folder: %w", err)
	}
	return out, nil
}

// uploadPause is how long an upload waits before it is tried again.
func uploadPause(try int) time.Duration { return min(time.Second<<min(try, 8), 30*time.Second) }
