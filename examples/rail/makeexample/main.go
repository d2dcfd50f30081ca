// Command makeexample writes the example recording beside package rail: `go generate ./examples/rail`.
package main

import (
	"fmt"
	"os"

	"github.com/wayside-edge/wayside/plugins/rail/railtest"
)

func main() {
	if err := write("example.RU", railtest.Example()); err != nil {
		fmt.Fprintln(os.Stderr, "makeexample:", err)
		os.Exit(1) //nolint:forbidigo // a build command, nothing to clean up
	}
}

// write replaces a file that a checkout can always bring back.
func write(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644) //nolint:gosec // readable by all
	if err != nil {
		return fmt.Errorf("open the example: %w", err)
	}
	if _, err := f.Write(b); err != nil {
		return fmt.Errorf("write the example: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("close the example: %w", err)
	}
	return nil
}
