// Command makeexample writes the example recording beside package rail: `go generate ./examples/rail`. With -bytes it
// writes a larger one, of a train that runs for days, which tests of clients read.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/wayside-edge/wayside/plugins/rail/railtest"
)

func main() {
	out := flag.String("o", "example.RU", "the file to write")
	size := flag.Int64("bytes", 0, "about how large; 0 = the example")
	flag.Parse()
	if err := write(*out, *size); err != nil {
		fmt.Fprintln(os.Stderr, "makeexample:", err)
		os.Exit(1) //nolint:forbidigo // a build command, nothing to clean up
	}
}

// write replaces a file that a checkout can always bring back.
func write(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644) //nolint:gosec // readable by all
	if err != nil {
		return fmt.Errorf("open the recording: %w", err)
	}
	if err := content(f, size); err != nil {
		return fmt.Errorf("write the recording: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("close the recording: %w", err)
	}
	return nil
}

func content(w io.Writer, size int64) error {
	if size > 0 {
		return railtest.WriteLarge(w, size, railtest.Options{Seed: 1})
	}
	_, err := w.Write(railtest.Example())
	return err
}
