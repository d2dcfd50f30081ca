// Command demo shows the whole way of a recording through the appliance: it starts `wayside serve` on a throw-away
// data folder and a free port, uploads a recording over REST, prints what was decoded and where to look next, and
// stops the server again. It is what `make demo` runs.
//
// It is also an example of a client: it uses the standard library and the HTTP API, nothing of Wayside's packages.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// Limits of the demonstration: it ends with a message rather than hang.
const (
	startLimit  = 30 * time.Second // from starting the server to its ready line
	stopLimit   = 15 * time.Second // from SIGTERM to its end
	decodeLimit = 2 * time.Minute  // a first start also compiles the decoder
)

func main() {
	os.Exit(run(os.Args[1:], os.Getenv("KEEP"), os.Stdout, os.Stderr)) //nolint:forbidigo // the program's only exit
}

// run does the demonstration and gives the exit code.
func run(args []string, keep string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	binary := flags.String("bin", "bin/wayside", "the appliance's binary")
	recording := flags.String("file", "examples/rail/example.RU", "the recording to upload")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// Whoever reads the output may go away (`make demo | head`): the server is stopped in good order all the same.
	signal.Ignore(syscall.SIGPIPE)
	d := demo{out: stdout, binary: *binary, recording: *recording, keep: keep != "" && keep != "0"}
	if err := d.run(ctx); err != nil {
		fmt.Fprintf(stderr, "demo: %v\n", err)
		return 1
	}
	return 0
}

// demo is one demonstration.
type demo struct {
	out       io.Writer
	binary    string
	recording string
	keep      bool // stay up until the user stops it
}

func (d *demo) run(ctx context.Context) (err error) {
	binary, err := filepath.Abs(d.binary)
	if err != nil {
		return fmt.Errorf("find %s: %w", d.binary, err)
	}
	for _, path := range []string{binary, d.recording} {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("%w (run it by `make demo` in the project's folder, which builds what is needed)", err)
		}
	}
	home, err := os.MkdirTemp("", "wayside-demo-")
	if err != nil {
		return fmt.Errorf("make a data folder: %w", err)
	}
	defer func() {
		if rmErr := os.RemoveAll(home); rmErr != nil && err == nil {
			err = fmt.Errorf("remove the data folder: %w", rmErr)
		}
	}()

	began := time.Now()
	srv, err := start(ctx, binary, home)
	if err != nil {
		return err
	}
	defer func() {
		if stopErr := srv.stop(); stopErr != nil && err == nil {
			err = stopErr
		}
	}()
	fmt.Fprintf(d.out, "wayside serve is ready at %s after %s\ndata folder %s\n\n",
		srv.url, time.Since(began).Round(time.Millisecond), srv.data)

	if err := d.show(ctx, client{base: srv.url}); err != nil {
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		if ended := srv.ended(); ended != nil {
			return errors.Join(err, ended)
		}
		return err
	}
	if d.keep {
		fmt.Fprintf(d.out, "\nThe server stays up (data folder %s): stop it with Ctrl-C.\n", srv.data)
		return srv.wait(ctx)
	}
	fmt.Fprintf(d.out, "\nThe server stops now; `make demo KEEP=1` keeps it up.\n")
	return nil
}
