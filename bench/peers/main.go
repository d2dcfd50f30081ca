// Command peers puts the load of `make bench-queue` on other queues, for comparison on the same machine in the same run:
// 64 producers that each make one durable job after the other, then 64 workers that each take and acknowledge them.
// Peers that are not installed are left out, and it is said. It is a module of its own so that what it needs is no part
// of Wayside.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"
)

// payload is what every job carries.
const payload = `{"file":"f0123456789abc","decoder":"rail","parameters":{"timezone":"Europe/Berlin","variables":true}}`

type options struct {
	dir     string
	runs    int
	clients int
	jobs    int
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == natsRole {
		os.Exit(natsMain(os.Args[2]))
	}
	var o options
	flag.StringVar(&o.dir, "dir", "", "folder to work in, on the disk to measure (default: the folder for temporary files)")
	flag.IntVar(&o.runs, "runs", 5, "runs a figure")
	flag.IntVar(&o.clients, "clients", 64, "producers, and workers")
	flag.IntVar(&o.jobs, "jobs", 20_000, "jobs a run")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// peer is another queue, started for one run.
type peer interface {
	// enqueue makes a job, durably, as client i.
	enqueue(ctx context.Context, i int) error
	// consume takes and acknowledges n jobs with as many workers as there are clients.
	consume(ctx context.Context, n int) error
	close() error
}

// starter starts a peer in a folder; errMissing says that it is not installed.
type starter struct {
	name  string
	start func(ctx context.Context, dir string, clients int) (peer, error)
}

func run(ctx context.Context, o options) error {
	work, err := os.MkdirTemp(o.dir, "wayside-peers-")
	if err != nil {
		return fmt.Errorf("make a folder to work in: %w", err)
	}
	defer os.RemoveAll(work)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "figure\tmeasured")
	var flush []float64
	for range o.runs {
		n, err := flushRate(filepath.Join(work, "flush"))
		if err != nil {
			return err
		}
		flush = append(flush, n)
	}
	fmt.Fprintf(w, "machine: fdatasync of 4 KiB, 1/s\t%s\n", spread(flush))
	for _, s := range []starter{
		{"beanstalkd, flush for every job (-f0)", startBeanstalk},
		{"asynq on redis-server, appendfsync always", startAsynq},
		{"NATS JetStream, sync_interval always", startNATS},
	} {
		if err := s.measure(ctx, o, work, w); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return w.Flush()
}

func (s starter) measure(ctx context.Context, o options, work string, w *tabwriter.Writer) error {
	var enqueue, consume []float64
	for range o.runs {
		dir, err := os.MkdirTemp(work, "data-")
		if err != nil {
			return fmt.Errorf("make data folder: %w", err)
		}
		p, err := s.start(ctx, dir, o.clients)
		if missing, ok := err.(missingError); ok { //nolint:errorlint // ours, never wrapped
			fmt.Fprintf(w, "%s\tnot installed: %s\n", s.name, missing)
			return nil
		}
		if err != nil {
			return err
		}
		e, c, err := load(ctx, p, o)
		if closed := p.close(); err == nil {
			err = closed
		}
		if err != nil {
			return err
		}
		enqueue, consume = append(enqueue, e), append(consume, c)
	}
	fmt.Fprintf(w, "%s: enqueue, %d producers, 1/s\t%s\n", s.name, o.clients, spread(enqueue))
	fmt.Fprintf(w, "%s: lease and acknowledge, %d workers, 1/s\t%s\n", s.name, o.clients, spread(consume))
	return nil
}

// load gives jobs a second made and done.
func load(ctx context.Context, p peer, o options) (enqueued, consumed float64, err error) {
	began := time.Now()
	if err := share(o.clients, o.jobs, func(i int) error { return p.enqueue(ctx, i) }); err != nil {
		return 0, 0, fmt.Errorf("enqueue: %w", err)
	}
	enqueued = float64(o.jobs) / time.Since(began).Seconds()
	began = time.Now()
	if err := p.consume(ctx, o.jobs); err != nil {
		return 0, 0, fmt.Errorf("consume: %w", err)
	}
	return enqueued, float64(o.jobs) / time.Since(began).Seconds(), nil
}

// share lets clients do n things among them and gives the first error.
func share(clients, n int, do func(client int) error) error {
	var (
		left   atomic.Int64
		wg     sync.WaitGroup
		failed = make(chan error, clients)
	)
	left.Store(int64(n))
	for i := range clients {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := do(i); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(failed)
	return <-failed
}

// flushRate gives how many blocks a second can be written and flushed one after the other.
func flushRate(path string) (float64, error) {
	f, err := os.Create(path)
	if err != nil {
		return 0, fmt.Errorf("create: %w", err)
	}
	defer f.Close()
	block := make([]byte, 4096)
	const n = 300
	began := time.Now()
	for range n {
		if _, err := f.Write(block); err != nil {
			return 0, fmt.Errorf("write: %w", err)
		}
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			return 0, fmt.Errorf("flush: %w", err)
		}
	}
	return n / time.Since(began).Seconds(), nil
}

// spread writes median, least and most.
func spread(v []float64) string {
	slices.Sort(v)
	return fmt.Sprintf("%.0f (%.0f–%.0f)", v[len(v)/2], v[0], v[len(v)-1])
}
