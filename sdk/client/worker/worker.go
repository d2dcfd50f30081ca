// Package worker runs jobs of a Wayside appliance in a program of its own: register handlers, call Run.
//
// Each of Config.Concurrency places asks for a job, runs it, and says how it ended in the same call that asks for the
// next one. One more goroutine prolongs the leases of what runs, reports progress, and ends the contexts of jobs that
// are to stop. Run owns all of them and joins them. When the appliance cannot be reached, ends of jobs are kept and told
// when it is back; a job whose end it does not hear about in time runs again, here or elsewhere, with the same id:
// effects must bear that. Nothing beyond the standard library is needed.
package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/wayside-edge/wayside/sdk/client"
)

// Causes with which a handler's context ends.
var (
	// ErrCancelled: somebody cancelled the job.
	ErrCancelled = errors.New("the job was cancelled")
	// ErrLost: the job is no longer this worker's; whatever the handler returns is not heard.
	ErrLost = errors.New("the lease of the job is lost")
	// ErrTimeout: the job's soft timeout has passed.
	ErrTimeout = errors.New("the job ran longer than its soft timeout")
	// ErrStopping: the worker stops and has waited long enough. The job is given back without an attempt.
	ErrStopping = errors.New("the worker stops")
)

// Config says what a worker does. Client is required.
type Config struct {
	Client      *client.Client
	Name        string        // letters, digits and . _ - : @; "" = host name and process id
	Queues      []string      // nil = all
	Concurrency int           // jobs at once; 0 = 4
	Lease       time.Duration // how long jobs are this worker's without a sign of life; 0 = 30 s
	Poll        time.Duration // how long a call waits for a job, and at most an idle worker takes to stop; 0 = 5 s
	Grace       time.Duration // how long handlers may go on when Run's context ends, before they are told; 0 = 30 s
	Logger      *slog.Logger  // nil = discard
}

// Waits.
const (
	firstPause = 100 * time.Millisecond
	maxPause   = 5 * time.Second
	drainPause = 5 * time.Second
	finishWait = 5 * time.Second // for the last words of a worker that stops
)

func (c Config) withDefaults() (Config, error) {
	if c.Client == nil {
		return c, errors.New("make worker: no client given")
	}
	if c.Name == "" {
		host, err := os.Hostname()
		if err != nil {
			return c, fmt.Errorf("make worker: find a name: %w", err)
		}
		c.Name = fmt.Sprintf("%s:%d", strings.Map(plain, host), os.Getpid())
	}
	if c.Concurrency <= 0 {
		c.Concurrency = 4
	}
	if c.Lease <= 0 {
		c.Lease = 30 * time.Second
	}
	if c.Poll <= 0 {
		c.Poll = 5 * time.Second
	}
	if c.Grace <= 0 {
		c.Grace = 30 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

func plain(r rune) rune {
	if r < 128 && (r == '.' || r == '-' || r == '_' || ('0' <= r && r <= '9') || ('a' <= r && r <= 'z') || ('A' <= r && r <= 'Z')) {
		return r
	}
	return '-'
}

// Handler runs one attempt of a job. What it returns is the job's result, as JSON; nil is null. An error is a failed
// attempt, and the job's backoff decides when it runs again: see Permanent, RetryAfter and Snooze. The context ends
// when the job is to stop, with one of the causes above.
type Handler func(ctx context.Context, j *Job) (result any, err error)

// Job is a job at work.
type Job struct {
	client.Job

	mu       sync.Mutex // guards fraction, text and reported
	fraction float64
	text     string
	reported bool // what stands there was told
}

// Decode reads the payload.
func (j *Job) Decode(v any) error {
	if err := json.Unmarshal(j.Payload, v); err != nil {
		return fmt.Errorf("read payload of job %s: %w", j.ID, err)
	}
	return nil
}

// Report says how far the job is, 0–1. It costs next to nothing: the next sign of life takes it along.
func (j *Job) Report(fraction float64, text string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.fraction, j.text, j.reported = min(max(fraction, 0), 1), text, false
}

// progress gives what was reported and not told yet.
func (j *Job) progress() (fraction *float64, text *string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.reported {
		return nil, nil
	}
	j.reported = true
	f, t := j.fraction, j.text
	return &f, &t
}

// Worker runs jobs. Register handlers, then call Run.
type Worker struct {
	cfg      Config
	handlers map[string]Handler
	types    []string

	mu      sync.Mutex      // guards running
	running map[string]*run // by lease, until the end of the run is told
}

// run is a job at work.
type run struct {
	job    *Job
	lease  string
	cancel context.CancelCauseFunc
	ended  bool // its end is still to be told; Worker.mu guards it
}

// New returns a worker. It connects to nothing yet.
func New(c Config) (*Worker, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Worker{cfg: c, handlers: map[string]Handler{}, running: map[string]*run{}}, nil
}

// Handle registers the handler of a job type, before Run. Two for one type are a programmer's mistake.
func (w *Worker) Handle(typ string, h Handler) {
	if w.handlers[typ] != nil {
		panic("worker: two handlers for job type " + typ)
	}
	w.handlers[typ] = h
	w.types = append(w.types, typ)
}

// Run works until ctx ends: then no more jobs are taken, what runs may go on for Config.Grace, and what is not done then
// is told to stop and given back without an attempt. Its error is nil then. It ends earlier, with an error, when the
// appliance says that this worker can never work: a wrong token, a wrong name.
func (w *Worker) Run(ctx context.Context) error {
	if len(w.types) == 0 {
		return errors.New("run worker: no handlers")
	}
	taking, stop := context.WithCancelCause(ctx) // ends when no more jobs are taken
	defer stop(nil)
	working, end := context.WithCancelCause(context.WithoutCancel(ctx)) // ends when handlers are to stop
	defer end(nil)
	var places sync.WaitGroup
	for range w.cfg.Concurrency {
		places.Go(func() {
			if err := w.place(taking, working); err != nil {
				stop(err)
			}
		})
	}
	beats := make(chan struct{})
	beating, rest := context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer close(beats)
		w.beat(beating)
	}()
	done := make(chan struct{})
	go func() { // joined below
		defer close(done)
		places.Wait()
	}()
	<-taking.Done()
	grace := time.NewTimer(w.cfg.Grace)
	defer grace.Stop()
	select {
	case <-done:
	case <-grace.C:
		end(ErrStopping)
		<-done
	}
	rest()
	<-beats
	if err := context.Cause(taking); !errors.Is(err, context.Cause(ctx)) || ctx.Err() == nil {
		return fmt.Errorf("run worker: %w", err)
	}
	return nil
}

// place takes jobs one after the other until taking ends. ends is what it has to say of the last one.
func (w *Worker) place(taking, working context.Context) error {
	var ends client.Ends
	wait := pause{}
	for taking.Err() == nil {
		// The call outlives taking: a job that it was given when taking ended would otherwise be nobody's until its lease
		// has expired.
		l, err := w.cfg.Client.Lease(working, client.LeaseRequest{
			Worker: w.cfg.Name, Queues: w.cfg.Queues, Types: w.types, Wait: w.cfg.Poll.Seconds(), LeaseSeconds: w.cfg.Lease.Seconds(), Ends: ends,
		})
		if err != nil {
			if hopeless(err) {
				w.untold(working, ends)
				return err
			}
			w.cfg.Logger.WarnContext(working, "appliance does not answer", "error", err)
			wait.sleep(taking, err)
			continue
		}
		if ends = w.heard(working, ends, l.Ended); len(ends.Ack)+len(ends.Fail)+len(ends.Release) == 0 {
			wait = pause{}
		} else if len(l.Jobs) == 0 {
			wait.sleep(taking, nil)
		}
		if l.Drain && len(l.Jobs) == 0 {
			sleep(taking, drainPause)
		}
		for _, j := range l.Jobs {
			if taking.Err() != nil {
				ends.Release = append(ends.Release, client.Release{ID: j.ID, Lease: j.Lease})
				continue
			}
			ended := w.run(working, j)
			ends.Ack = append(ends.Ack, ended.Ack...)
			ends.Fail = append(ends.Fail, ended.Fail...)
			ends.Release = append(ends.Release, ended.Release...)
		}
	}
	return w.leave(working, ends)
}

// leave says the last words of a place.
func (w *Worker) leave(ctx context.Context, ends client.Ends) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishWait)
	defer cancel()
	wait := pause{}
	for len(ends.Ack)+len(ends.Fail)+len(ends.Release) > 0 && ctx.Err() == nil {
		said, err := w.cfg.Client.Finish(ctx, w.cfg.Name, ends)
		if err != nil {
			if hopeless(err) {
				w.untold(ctx, ends)
				return err
			}
			w.cfg.Logger.WarnContext(ctx, "end of a job not told yet", "error", err)
			wait.sleep(ctx, err)
			continue
		}
		if ends = w.heard(ctx, ends, said); len(ends.Ack)+len(ends.Fail)+len(ends.Release) > 0 {
			wait.sleep(ctx, nil)
		}
	}
	w.untold(ctx, ends)
	return nil
}

// untold says what becomes of runs whose ends will not be told: their leases run out, and the jobs run again.
func (w *Worker) untold(ctx context.Context, ends client.Ends) {
	for _, e := range endsOf(ends) {
		w.cfg.Logger.ErrorContext(ctx, "end of the job could not be told: its lease runs out, and it runs again", "job_id", e.id, "end", e.kind)
		w.forget(e.lease)
	}
}

// end is one of client.Ends, whatever it says.
type end struct{ kind, id, lease string }

func endsOf(ends client.Ends) (out []end) {
	for _, e := range ends.Ack {
		out = append(out, end{"ack", e.ID, e.Lease})
	}
	for _, e := range ends.Fail {
		out = append(out, end{"fail", e.ID, e.Lease})
	}
	for _, e := range ends.Release {
		out = append(out, end{"release", e.ID, e.Lease})
	}
	return out
}

// forget gives no more signs of life for a lease.
func (w *Worker) forget(lease string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.running, lease)
}

// heard looks at what became of ends, and gives what is to be said next: of those that were refused for what they say,
// that the job failed; of those that the appliance could not keep just then, the same again.
func (w *Worker) heard(ctx context.Context, ends client.Ends, said client.Ended) client.Ends {
	for _, id := range said.Lost {
		w.cfg.Logger.WarnContext(ctx, "end of the job came too late and was refused: its lease had run out, and it runs again", "job_id", id)
	}
	refused := map[string]client.Refused{}
	for _, r := range said.Refused {
		w.cfg.Logger.ErrorContext(ctx, "end of the job was refused", "job_id", r.ID, "code", r.Code, "reason", r.Message)
		refused[r.ID] = r
	}
	var out client.Ends
	for _, a := range ends.Ack {
		switch r, ok := refused[a.ID]; {
		case ok && faulty(r):
			out.Fail = append(out.Fail, client.Fail{ID: a.ID, Lease: a.Lease, Dead: true, Error: client.Fault{Code: r.Code, Message: r.Message}})
		case ok:
			out.Ack = append(out.Ack, a)
		}
	}
	for _, a := range ends.Fail {
		if r, ok := refused[a.ID]; ok && !faulty(r) {
			out.Fail = append(out.Fail, a)
		}
	}
	for _, a := range ends.Release {
		if r, ok := refused[a.ID]; ok && !faulty(r) {
			out.Release = append(out.Release, a)
		}
	}
	again := map[string]bool{}
	for _, e := range endsOf(out) {
		again[e.lease] = true
	}
	for _, e := range endsOf(ends) {
		if !again[e.lease] {
			w.forget(e.lease)
		}
	}
	return out
}

// faulty reports whether an end was refused for what it says. Otherwise the appliance could not keep it for the moment:
// the job is done all the same, and still this worker's.
func faulty(r client.Refused) bool {
	return r.Code == "too_large" || r.Code == "malformed" || r.Code == "validation_failed"
}

// hopeless reports whether asking again cannot help.
func hopeless(err error) bool {
	e, answered := errors.AsType[*client.Error](err)
	return answered && e.Status >= 400 && e.Status < 500 && e.Status != 408 && e.Status != 429
}

// pause is the wait before the next try, longer each time.
type pause struct{ last time.Duration }

// sleep waits as long as the appliance asked for, if it did, or until ctx ends.
func (p *pause) sleep(ctx context.Context, err error) {
	p.last = min(max(2*p.last, firstPause), maxPause)
	d := p.last
	if e, ok := errors.AsType[*client.Error](err); ok && e.RetryAfter > 0 {
		d = min(e.RetryAfter, time.Minute)
	}
	sleep(ctx, d)
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
