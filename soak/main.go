// Command soak wears the built appliance out and judges it by what it promises: it kills it, restarts it, fills and
// slows its disk, sets its clock, and keeps it under load for hours, always from outside, over HTTP, with a ledger of
// everything that was ever acknowledged. `make soak` runs it; docs/soak.md tells how to read what it prints. It ends
// with 1 if a promise was broken.
//
// It is apart from the end-to-end tests because it takes minutes to hours and chance decides what exactly it does, and
// from bench because its figures do decide. Each phase has an appliance and a ledger of its own. Clients, sampler and
// the process are goroutines of a phase, joined before it ends; the locks of tally, ledger and pace are leaves.
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
	"slices"
	"strings"
	"syscall"
	"time"
)

// options say what is run, and how hard.
type options struct {
	bin      string
	soakBin  string // built with the tag soak; "" = phases that need it are not run
	dir      string
	report   string // folder
	only     string
	kvOnly   string
	seed     uint64
	clients  int
	rate     float64 // actions a second, 0 = no limit
	cycles   int
	life     time.Duration // of a process that is killed, at most
	restarts int
	fills    int
	slow     time.Duration
	load     time.Duration
	files    int // stored at the same time under load
	sample   time.Duration

	middleEvery, largeEvery time.Duration
	largeSize               int64
	progressEvery           time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.bin, "bin", "bin/wayside", "the appliance")
	flag.StringVar(&o.soakBin, "soakbin", "", "the appliance built with -tags soak, for the phases slow and clock")
	flag.StringVar(&o.dir, "dir", "", "folder to work in (default: a new one among the temporary files)")
	flag.StringVar(&o.report, "report", ".", "folder for soak-report.json and soak-samples.csv")
	flag.StringVar(&o.only, "only", "", "only these phases, separated by commas: "+strings.Join(phaseNames(), ", "))
	flag.StringVar(&o.kvOnly, "kv", "", "only these parts of the phase kv, separated by commas: always, everysec, no, damage, full")
	flag.Uint64Var(&o.seed, "seed", 0, "what the recordings and the clients' choices follow from; 0 = a new one")
	flag.IntVar(&o.clients, "clients", 4, "clients at the same time")
	flag.Float64Var(&o.rate, "rate", 0, "actions a second of all clients together, 0 = as fast as they can")
	flag.IntVar(&o.cycles, "cycles", 40, "kills")
	flag.DurationVar(&o.life, "life", 800*time.Millisecond, "most time from ready to a kill")
	flag.IntVar(&o.restarts, "restarts", 15, "orderly restarts")
	flag.IntVar(&o.fills, "fills", 8, "times that the disk becomes full")
	flag.DurationVar(&o.slow, "slow", 40*time.Second, "time on a slow disk")
	flag.DurationVar(&o.load, "load", 4*time.Minute, "time under steady load")
	flag.IntVar(&o.files, "files", 300, "files stored at the same time under steady load")
	flag.DurationVar(&o.sample, "sample", 5*time.Second, "time between two samples of memory, descriptors and so on")
	flag.DurationVar(&o.middleEvery, "middle", 20*time.Second, "time between recordings of 1.5 MiB under steady load")
	flag.DurationVar(&o.largeEvery, "large", 2*time.Minute, "time between large recordings under steady load, 0 = none")
	flag.Int64Var(&o.largeSize, "largesize", 50*mib, "bytes of a large recording")
	flag.DurationVar(&o.progressEvery, "progress", time.Minute, "time between lines that tell how far the load is")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	verdict, err := soak(ctx, o, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
	}
	if err != nil || verdict != kept {
		os.Exit(1) //nolint:forbidigo // this is main
	}
}

func phaseNames() []string {
	var names []string
	for _, ph := range phases() {
		names = append(names, ph.name)
	}
	return names
}

// chosen gives the phases to run.
func chosen(only string) ([]phase, error) {
	if only == "" {
		return phases(), nil
	}
	wanted := strings.Split(only, ",")
	for _, name := range wanted {
		if !slices.Contains(phaseNames(), name) {
			return nil, fmt.Errorf("there is no phase %q: %s", name, strings.Join(phaseNames(), ", "))
		}
	}
	return slices.DeleteFunc(phases(), func(ph phase) bool { return !slices.Contains(wanted, ph.name) }), nil
}

// prepare finds and checks what the options name.
func (o *options) prepare() error {
	if o.seed == 0 {
		o.seed = uint64(time.Now().UnixNano()) % 1_000_000
	}
	for _, path := range []*string{&o.bin, &o.soakBin, &o.report} {
		if *path == "" {
			continue
		}
		abs, err := filepath.Abs(*path)
		if err != nil {
			return fmt.Errorf("find %s: %w", *path, err)
		}
		*path = abs
	}
	if _, err := os.Stat(o.bin); err != nil {
		return fmt.Errorf("the appliance is not built (make build): %w", err)
	}
	if err := os.MkdirAll(o.report, 0o700); err != nil {
		return fmt.Errorf("make folder of the report: %w", err)
	}
	if o.clients < 1 || o.cycles < 0 || o.restarts < 0 || o.fills < 0 || o.slow < 0 || o.files < 1 || o.life <= 0 || o.sample <= 0 || o.load <= 0 || o.rate < 0 || o.largeSize < 0 {
		return errors.New("a number of clients, cycles, files … is not possible")
	}
	dir, err := os.MkdirTemp(o.dir, "wayside-soak-")
	if err != nil {
		return fmt.Errorf("make a folder to work in: %w", err)
	}
	o.dir = dir
	return nil
}

// soak runs the phases and reports.
func soak(ctx context.Context, o options, out io.Writer) (verdict string, err error) {
	list, err := chosen(o.only)
	if err != nil {
		return "", err
	}
	if err := o.prepare(); err != nil {
		return "", err
	}
	fmt.Fprintf(out, "soak of %s, seed %d, in %s\n", o.bin, o.seed, o.dir)
	r := report{Seed: o.seed, Binary: o.bin, Began: time.Now().UTC()}
	for _, ph := range list {
		if ctx.Err() != nil {
			break
		}
		r.Phases = append(r.Phases, perform(ctx, o, ph, out))
		r.Seconds = time.Since(r.Began).Seconds()
		r.conclude()
		if err := r.save(o.report); err != nil {
			return "", err
		}
	}
	if err := r.print(out); err != nil {
		return "", err
	}
	if r.Verdict != broken {
		err = os.RemoveAll(o.dir)
	}
	if err != nil {
		return "", fmt.Errorf("remove %s: %w", o.dir, err)
	}
	return r.Verdict, nil
}
