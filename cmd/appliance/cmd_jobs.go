package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/wayside-edge/wayside/sdk/client"
)

// jobsCmd holds what is done with jobs: this file has the commands that show and make them, cmd_jobs_change.go those
// that change them. All ask a running appliance.
func (r *root) jobsCmd() *cobra.Command {
	return group(&cobra.Command{
		Use:   "jobs",
		Short: "Make, watch and change jobs of a running appliance",
		Long: `A job is work that a running appliance keeps safe until a worker has done it: decodes, which the
appliance does itself, and every other type, which workers of your own do (docs/queue.md).`,
	}, append([]*cobra.Command{r.jobsListCmd(), r.jobsShowCmd(), r.jobsAddCmd(), r.jobsResultCmd()}, r.jobsChangeCmds()...)...)
}

// jobFilterFlags select jobs.
type jobFilterFlags struct {
	filter       client.JobFilter
	since, until string
	flags        *pflag.FlagSet
}

func (f *jobFilterFlags) add(fl *pflag.FlagSet) {
	f.flags = fl
	fl.StringSliceVar(&f.filter.Status, "status", nil, "only these statuses: waiting, scheduled, ready, active, retry, completed, dead, cancelled")
	fl.StringVar(&f.filter.Queue, "queue", "", "only of this queue")
	fl.StringVar(&f.filter.Type, "type", "", "only of this type")
	fl.StringVar(&f.filter.Code, "code", "", "only with this code of the last error")
	fl.StringVar(&f.filter.Text, "text", "", "only with this in the last error or the payload")
	fl.StringVar(&f.filter.LimitKey, "limit-key", "", "only of this limit key")
	fl.StringVar(&f.filter.Flow, "flow", "", "only of this flow")
	fl.StringVar(&f.filter.Schedule, "schedule", "", "only those that this schedule has made")
	fl.StringVar(&f.since, "since", "", "made at or after: a time (2026-01-02T03:04:05Z) or how long ago (2h)")
	fl.StringVar(&f.until, "until", "", "made before: a time, or how long ago")
}

// read gives the filter, and whether it selects at all.
func (f *jobFilterFlags) read(now time.Time) (out client.JobFilter, selects bool, err error) {
	out = f.filter
	selecting := []string{"status", "queue", "type", "code", "text", "limit-key", "flow", "schedule", "since", "until"}
	if f.flags != nil { // a variable of a script that is not set is not to select more than was meant
		f.flags.Visit(func(flag *pflag.Flag) {
			if v := flag.Value.String(); err == nil && slices.Contains(selecting, flag.Name) && (v == "" || v == "[]") {
				err = fmt.Errorf("--%s: it is empty", flag.Name)
			}
		})
		if err != nil {
			return out, false, err
		}
	}
	for _, t := range []struct {
		name, text string
		to         *time.Time
	}{{"--since", f.since, &out.Since}, {"--until", f.until, &out.Until}} {
		if t.text == "" {
			continue
		}
		if *t.to, err = timeOrAgo(t.text, now); err != nil {
			return out, false, fmt.Errorf("%s: %w", t.name, err)
		}
	}
	selects = len(out.Status) > 0 || out.Queue != "" || out.Type != "" || out.Code != "" || out.Text != "" || out.LimitKey != "" || out.Flow != "" ||
		out.Schedule != "" || !out.Since.IsZero() || !out.Until.IsZero()
	return out, selects, nil
}

// timeOrAgo reads a time, or a duration before now.
func timeOrAgo(text string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(-d), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("%q is neither a time like 2026-01-02T03:04:05Z nor a duration like 2h", text)
	}
	return t, nil
}

// completeStatus completes --status.
func completeStatus(cmd *cobra.Command) {
	statuses := []string{"waiting", "scheduled", "ready", "active", "retry", "completed", "dead", "cancelled"}
	_ = cmd.RegisterFlagCompletionFunc("status", cobra.FixedCompletions(statuses, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
}

func (r *root) jobsListCmd() *cobra.Command {
	var f jobFilterFlags
	var l client.JobList
	var all bool
	cmd := r.remoteCmd(&cobra.Command{
		Use: "list", Short: "List jobs, the newest first", Args: cobra.NoArgs,
		Example: `  wayside jobs list --status dead --since 24h
  wayside jobs list --status dead --schedule nightly
  wayside jobs list --type thumbnail --all --json`,
	}, func(ctx context.Context, c *client.Client, rf remoteFlags, _ []string) error {
		var err error
		if l.JobFilter, _, err = f.read(time.Now()); err != nil {
			return &usageError{command: "wayside jobs list", err: err}
		}
		jobs, more, err := listJobs(ctx, c, l, all)
		if err != nil {
			return fmt.Errorf("list jobs: %w", err)
		}
		if rf.json {
			return r.printJSON(jobs)
		}
		if len(jobs) == 0 {
			return r.print("no jobs\n")
		}
		text := jobTable(jobs)
		if more {
			text += fmt.Sprintf("the first %d; --all shows every one\n", len(jobs))
		}
		return r.print(text)
	})
	f.add(cmd.Flags())
	cmd.Flags().BoolVar(&l.Oldest, "oldest", false, "the oldest first")
	cmd.Flags().IntVar(&l.Limit, "limit", 50, "how many, at most 1000")
	cmd.Flags().BoolVar(&all, "all", false, "all of them, page by page")
	completeStatus(cmd)
	return cmd
}

func listJobs(ctx context.Context, c *client.Client, l client.JobList, all bool) (jobs []client.Job, more bool, err error) {
	jobs = []client.Job{}
	if all {
		l.Limit = 1000
	}
	for {
		page, next, err := c.Jobs(ctx, l)
		if err != nil {
			return nil, false, err //nolint:wrapcheck // the caller does
		}
		jobs = append(jobs, page...)
		if next == "" || !all {
			return jobs, next != "", nil
		}
		l.Cursor = next
	}
}

func jobTable(jobs []client.Job) string {
	return columns("ID\tTYPE\tQUEUE\tPRIORITY\tSTATUS\tATTEMPT\tCREATED\t", func(w io.Writer) {
		for i := range jobs {
			j := &jobs[i]
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%d/%d\t%s\t%s\n", j.ID, j.Type, j.Queue, j.Priority, j.Status, j.Attempt, j.MaxAttempts, when(j.CreatedAt), jobNote(j))
		}
	})
}

// jobNote says what is special about a job, in a word.
func jobNote(j *client.Job) string {
	switch {
	case j.Status == "active" && j.Progress > 0:
		return fmt.Sprintf("%.0f %% %s on %s", 100*j.Progress, printable(j.ProgressText), printable(j.Worker))
	case j.Status == "active":
		return "on " + printable(j.Worker)
	case !j.RunAt.IsZero() && !j.Ended():
		return "due " + when(j.RunAt)
	case j.Status == "waiting":
		if len(j.DependsOn) == 1 {
			return "for " + printable(j.DependsOn[0])
		}
		return fmt.Sprintf("for %d jobs", len(j.DependsOn))
	}
	return ""
}

// columns lines up what write writes, with tabs between the columns.
func columns(head string, write func(w io.Writer)) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, head)
	write(w)
	_ = w.Flush() // into memory
	var out strings.Builder
	for line := range strings.Lines(b.String()) {
		out.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return out.String()
}

// when shows a time; seconds are enough for people.
func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

// printable keeps a text of others from moving the cursor or colouring the terminal.
func printable(s string) string {
	return oneLine(strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || (c >= 0x80 && c < 0xa0) {
			return ' '
		}
		return c
	}, s))
}

func (r *root) jobsShowCmd() *cobra.Command {
	return r.remoteCmd(&cobra.Command{
		Use: "show ID", Short: "Show a job with its payload, errors and result", Args: cobra.ExactArgs(1),
		Example: "  wayside jobs show j2a9",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		j, err := c.Job(ctx, args[0])
		if err != nil {
			return fmt.Errorf("show job %s: %w", args[0], err)
		}
		return r.showJob(&j, f)
	})
}

// showJob prints a job.
func (r *root) showJob(j *client.Job, f remoteFlags) error {
	if f.json {
		return r.printJSON(j)
	}
	var b strings.Builder
	line := func(name, format string, args ...any) {
		if text := printable(fmt.Sprintf(format, args...)); text != "" {
			fmt.Fprintf(&b, "%-16s %s\n", name, text)
		}
	}
	line("id", "%s", j.ID)
	line("type", "%s", j.Type)
	line("queue", "%s, priority %d", j.Queue, j.Priority)
	line("status", "%s %s", j.Status, jobNote(j))
	line("attempt", "%d of %d", j.Attempt, j.MaxAttempts)
	line("created", "%s", when(j.CreatedAt))
	if !j.StartedAt.IsZero() {
		line("started", "%s", when(j.StartedAt))
	}
	if !j.FinishedAt.IsZero() {
		line("finished", "%s", when(j.FinishedAt))
	}
	line("timeout", "%gs, told to stop after %gs", j.Timeout, j.SoftTimeout)
	line("unique key", "%s", j.UniqueKey)
	line("limit key", "%s", j.LimitKey)
	line("depends on", "%s", strings.Join(j.DependsOn, " "))
	line("flow", "%s %s", j.FlowID, j.FlowKey)
	line("schedule", "%s", j.ScheduleID)
	line("request", "%s", j.RequestID)
	line("correlation", "%s", j.CorrelationID)
	line("trace", "%s", j.TraceID)
	line("payload", "%s", j.Payload)
	for _, e := range j.Errors {
		line("error", "attempt %d, %s: %s: %s", e.Attempt, when(e.At), e.Code, e.Message)
	}
	if j.Status == "completed" {
		line("result", "%s", j.Result)
	}
	return r.print(b.String())
}

// jobFlags describe a job that is to be made.
type jobFlags struct {
	job      client.NewJob
	payload  string
	priority int
	runAt    string
	times    [5]time.Duration // delay, timeout, soft timeout, result TTL, unique TTL
	backoff  []time.Duration
}

func (f *jobFlags) add(fl *pflag.FlagSet) {
	fl.StringVar(&f.payload, "payload", "", "JSON, or @FILE with it, or - for standard input")
	fl.StringVar(&f.job.Queue, "queue", "", "queue (default default)")
	fl.IntVar(&f.priority, "priority", 5, "0 to 9, 9 first")
	fl.StringVar(&f.job.UniqueKey, "unique-key", "", "while a job holds it, that one is given instead of a new one")
	fl.StringVar(&f.job.UniqueUntil, "unique-until", "", "how long it holds the key: end, start or ttl")
	fl.DurationVar(&f.times[4], "unique-ttl", 0, "of --unique-until ttl")
	fl.StringVar(&f.job.LimitKey, "limit-key", "", "a device, a tenant, …: what its queue's limits of a key count")
	fl.IntVar(&f.job.MaxAttempts, "max-attempts", 0, "runs that may fail (default as configured)")
	fl.DurationSliceVar(&f.backoff, "backoff", nil, "waits before the attempts, the last again and again (default as configured)")
	fl.DurationVar(&f.times[1], "timeout", 0, "after this a run is taken from its worker")
	fl.DurationVar(&f.times[2], "soft-timeout", 0, "after this a run is told to stop")
	fl.DurationVar(&f.times[3], "result-ttl", 0, "how long its result is kept")
}

func (f *jobFlags) addTimes(fl *pflag.FlagSet) {
	fl.DurationVar(&f.times[0], "delay", 0, "not before this time from now")
	fl.StringVar(&f.runAt, "run-at", "", "not before this time (2026-01-02T03:04:05Z)")
	fl.StringSliceVar(&f.job.DependsOn, "depends-on", nil, "ids of jobs that have to end first")
	fl.StringVar(&f.job.OnFailure, "on-failure", "", "when one of them does not complete: fail (too) or continue")
}

// read gives the job of a type.
func (f *jobFlags) read(typ string, fl *pflag.FlagSet, in io.Reader) (client.NewJob, error) {
	n := f.job
	n.Type = typ
	if fl.Changed("priority") {
		n.Priority = &f.priority
	}
	n.Delay, n.Timeout, n.SoftTimeout = f.times[0].Seconds(), f.times[1].Seconds(), f.times[2].Seconds()
	n.ResultTTL, n.UniqueTTL = f.times[3].Seconds(), f.times[4].Seconds()
	if f.runAt != "" {
		var err error
		if n.RunAt, err = time.Parse(time.RFC3339, f.runAt); err != nil {
			return n, fmt.Errorf("--run-at: %q is no time like 2026-01-02T03:04:05Z", f.runAt)
		}
	}
	if len(f.backoff) > 0 {
		n.Backoff = &client.Backoff{Kind: "list"}
		for _, d := range f.backoff {
			n.Backoff.Delays = append(n.Backoff.Delays, d.Seconds())
		}
	}
	payload, err := readPayload(f.payload, in)
	if payload != nil {
		n.Payload = payload
	}
	return n, err
}

// readPayload reads JSON from a flag, a file or standard input; "" is none.
func readPayload(text string, in io.Reader) (json.RawMessage, error) {
	data := []byte(text)
	var err error
	switch name, isFile := strings.CutPrefix(text, "@"); {
	case text == "":
		return nil, nil
	case text == "-":
		data, err = io.ReadAll(in)
	case isFile:
		data, err = os.ReadFile(name)
	}
	if err != nil {
		return nil, fmt.Errorf("--payload: %w", err)
	}
	if !json.Valid(data) {
		return nil, errors.New("--payload: that is no JSON; a text is written '\"like this\"'")
	}
	return data, nil
}

func (r *root) jobsAddCmd() *cobra.Command {
	var f jobFlags
	var key string
	var wait time.Duration
	cmd := &cobra.Command{
		Use: "add TYPE", Short: "Make a job", Args: cobra.ExactArgs(1),
		Long: `Makes a job and prints its id; it is durable then. With --wait it waits for its end and prints the
result; the exit code is 1 when the job does not complete in that time.`,
		Example: `  wayside jobs add thumbnail --payload '{"file": "f1"}'
  wayside jobs add report --run-at 2026-01-02T03:00:00Z --max-attempts 2
  wayside jobs add sum --payload @numbers.json --wait 30s`,
	}
	cmd = r.remoteCmd(cmd, func(ctx context.Context, c *client.Client, rf remoteFlags, args []string) error {
		n, err := f.read(args[0], cmd.Flags(), r.std.in)
		if err != nil {
			return &usageError{command: "wayside jobs add", err: err}
		}
		j, err := c.Enqueue(ctx, n, key)
		if err != nil {
			return fmt.Errorf("add job: %w", err)
		}
		switch {
		case wait > 0:
			return r.awaitResult(ctx, c, rf, j.ID, wait)
		case rf.json:
			return r.printJSON(j)
		case j.Duplicate:
			return r.print(j.ID + " is there already\n")
		}
		return r.print(j.ID + "\n")
	})
	f.add(cmd.Flags())
	f.addTimes(cmd.Flags())
	cmd.Flags().StringVar(&key, "idempotency-key", "", "the same key within 24 h gives the same job")
	cmd.Flags().DurationVar(&wait, "wait", 0, "wait so long for the end and print the result")
	return cmd
}

func (r *root) jobsResultCmd() *cobra.Command {
	var wait time.Duration
	cmd := r.remoteCmd(&cobra.Command{
		Use: "result ID", Short: "Print the result of a job, or wait for it", Args: cobra.ExactArgs(1),
		Long:    `Prints the result as JSON. The exit code is 1 when the job has not completed.`,
		Example: "  wayside jobs result j2a9 --wait 30s",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		return r.awaitResult(ctx, c, f, args[0], wait)
	})
	cmd.Flags().DurationVar(&wait, "wait", 0, "how long to wait for the end of the job")
	return cmd
}

// awaitResult waits for the end of a job and prints its result.
func (r *root) awaitResult(ctx context.Context, c *client.Client, f remoteFlags, id string, wait time.Duration) error {
	until := time.Now().Add(wait)
	var res client.JobResult
	for {
		var err error
		if res, err = c.Result(ctx, id, min(max(time.Until(until), 0), 30*time.Second)); err != nil {
			return fmt.Errorf("result of job %s: %w", id, err)
		}
		if !res.FinishedAt.IsZero() || !time.Now().Before(until) {
			break
		}
	}
	if f.json {
		if err := r.printJSON(res); err != nil {
			return err
		}
	}
	switch {
	case res.FinishedAt.IsZero():
		return fmt.Errorf("job %s is %s", id, res.Status)
	case res.Status != "completed" && res.Error != nil:
		return fmt.Errorf("job %s is %s: %s: %s", id, res.Status, res.Error.Code, printable(res.Error.Message))
	case res.Status != "completed":
		return fmt.Errorf("job %s is %s", id, res.Status)
	case f.json:
		return nil
	}
	return r.print(string(res.Result) + "\n")
}
