// Command appliance is `wayside`: the appliance itself, decoding on the command line, and the tools of the operator.
//
// One file cmd_*.go holds one subcommand. They turn flags into the Config of a package, call it, and print; what they
// print is documented in docs/cli.md. Nothing but main ends the process, and exit.go alone knows the exit codes. The
// goroutines started here watch for signals; they end with run.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/wayside-edge/wayside/internal/runtime/worker"
)

func main() {
	// A decode worker is this binary once more. It is confined by what it has not opened, so it goes its own way
	// before anything else is set up.
	if len(os.Args) > 1 && os.Args[1] == workerCommand {
		// A terminal's Ctrl-C and a service manager's stop reach all processes at once. Workers go on: it is the
		// serving process that drains and then ends them, or its death does.
		signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
		os.Exit(worker.Main())
	}
	os.Exit(run(os.Args[1:], os.Environ(), stdio{in: os.Stdin, out: os.Stdout, err: os.Stderr}))
}

// workerCommand is the hidden subcommand of worker processes.
const workerCommand = "worker"

// stdio is what a command reads and writes.
type stdio struct {
	in  io.Reader
	out io.Writer
	err io.Writer
}

// run runs the command line and gives the exit code. Whatever goes wrong is one line on standard error; a programmer's
// mistake too, so that a box's log never fills with stacks.
func run(args, env []string, std stdio) (code int) {
	defer func() {
		if r := recover(); r != nil {
			fmt.Fprintf(std.err, "wayside: internal error: %s; please report it with what `wayside version` says\n", firstLine(fmt.Sprint(r)))
			code = exitFailed
		}
	}()
	ctx, stop := interruptible(context.Background(), os.Exit)
	defer stop()
	err := newRoot(env, std).execute(ctx, args)
	if text := errorText(err); text != "" {
		fmt.Fprint(std.err, text)
	}
	return exitCode(err)
}

// interruptible gives a context that ends, with cause errInterrupted, at the first SIGTERM or SIGINT. A second one
// ends the process at once.
func interruptible(parent context.Context, exit func(int)) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	// A reader that goes away (`wayside decode … | head`) is an error of the write, not the end of the process.
	signal.Ignore(syscall.SIGPIPE)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for n := 0; ; n++ {
			if _, ok := <-signals; !ok {
				return
			}
			if n > 0 {
				exit(exitFailed)
				return
			}
			cancel(errInterrupted)
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		<-ended
		cancel(nil)
	}
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}
