package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/wayside-edge/wayside/internal/progress"
	"github.com/wayside-edge/wayside/sdk/client"
)

// topCmd shows an appliance at work.
func (r *root) topCmd() *cobra.Command {
	var once bool
	var every time.Duration
	cmd := r.remoteCmd(&cobra.Command{
		Use: "top", Short: "Watch a running appliance at work", Args: cobra.NoArgs,
		Long: `Shows disk, memory, queues, workers and decodes, again and again; q or Ctrl-C ends it (exit code 0), and
any other key looks again at once. With --once, or where standard output is no terminal, it shows them once.`,
		Example: "  wayside top\n  wayside top --once --json",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, _ []string) error {
		if every < 200*time.Millisecond {
			return &usageError{command: "wayside top", err: fmt.Errorf("--interval: %s is less than 200ms", every)}
		}
		if once || f.json || terminal(r.std.out) == 0 {
			v, err := lookAround(ctx, c)
			switch {
			case err != nil:
				return fmt.Errorf("look at the appliance: %w", err)
			case f.json:
				return r.printJSON(v.document())
			}
			return r.print(r.topText(v, terminal(r.std.out), 0))
		}
		return r.watchTop(ctx, c, every)
	})
	cmd.Flags().BoolVar(&once, "once", false, "show it once")
	cmd.Flags().DurationVar(&every, "interval", 2*time.Second, "time between looks")
	return cmd
}

// view is an appliance at one moment.
type view struct {
	system  client.System
	queues  []client.Queue
	workers []client.Worker
	running []client.Decode
	recent  []client.Decode
}

// recentDecodes is how many decodes that have ended are looked at.
const recentDecodes = 20

// lookTime is how long a look may take; no key is read meanwhile.
const lookTime = 5 * time.Second

// lookAround asks for everything at once.
func lookAround(ctx context.Context, c *client.Client) (v view, err error) {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { v.system, err = c.System(ctx); return err })   //nolint:wrapcheck // the callers do
	g.Go(func() (err error) { v.queues, err = c.Queues(ctx); return err })   //nolint:wrapcheck // as above
	g.Go(func() (err error) { v.workers, err = c.Workers(ctx); return err }) //nolint:wrapcheck // as above
	g.Go(func() (err error) {
		v.running, _, err = c.Decodes(ctx, client.DecodeList{Status: "running"})
		return err //nolint:wrapcheck // as above
	})
	g.Go(func() (err error) {
		v.recent, _, err = c.Decodes(ctx, client.DecodeList{Page: client.Page{Limit: recentDecodes}})
		return err //nolint:wrapcheck // as above
	})
	return v, g.Wait() //nolint:wrapcheck // as above
}

// document is the view for programs.
func (v *view) document() map[string]any {
	raw := func(decodes []client.Decode) []json.RawMessage {
		out := make([]json.RawMessage, len(decodes))
		for i := range decodes {
			out[i] = decodes[i].Raw
		}
		return out
	}
	return map[string]any{"system": v.system.Raw, "queues": v.queues, "workers": v.workers, "running": raw(v.running), "decodes": raw(v.recent)}
}

// topText lays a view out for a terminal of width columns and height lines; 0 = no limit.
func (r *root) topText(v view, width, height int) string {
	colour := r.coloured()
	var b strings.Builder
	b.WriteString(clipLine(fmt.Sprintf("wayside %s  up %s", v.system.Version, uptime(v.system.UptimeSeconds)), width))
	b.WriteString(clipLine("disk    "+diskText(&v.system), width))
	b.WriteString(clipLine(fmt.Sprintf("data    %s recordings, %s tables, %s records", progress.Size(v.system.Data.BlobsBytes), progress.Size(v.system.Data.ResultsBytes),
		progress.Size(v.system.Data.StoreBytes)), width))
	b.WriteString(clipLine("memory  "+memoryText(&v.system), width))
	b.WriteString("\n" + queueSheet(v.queues).render(width, colour))
	b.WriteString("\n" + workerSheet(v.workers).render(width, colour))
	decodes := v.running
	for i := range v.recent {
		if v.recent[i].Status != "running" {
			decodes = append(decodes, v.recent[i])
		}
	}
	b.WriteString("\n" + r.decodeSheet(decodes).render(width, colour))
	lines := strings.SplitAfter(b.String(), "\n")
	if height > 0 && len(lines) > height {
		lines = lines[:height]
	}
	return strings.Join(lines, "")
}

func clipLine(s string, width int) string {
	if width > 0 {
		s = clip(s, width)
	}
	return printable(s) + "\n"
}

func queueSheet(queues []client.Queue) *sheet {
	s := &sheet{head: []string{"QUEUE", ">READY", ">ACTIVE", ">WAITING", ">DEAD", ">OLDEST", ">PER SECOND", "STATE"}}
	for i := range queues {
		q := &queues[i]
		n := q.Counts
		dead := cell{text: progress.Count(n["dead"])}
		if n["dead"] > 0 {
			dead.style = bad
		}
		s.add(text(q.Name), cell{text: progress.Count(n["ready"])}, cell{text: progress.Count(n["active"])}, cell{text: progress.Count(n["waiting"] + n["scheduled"] + n["retry"])}, dead,
			cell{text: (time.Duration(q.OldestReadySeconds) * time.Second).String()}, cell{text: fmt.Sprintf("%.1f", q.PerSecond)}, text(queueState(q)))
	}
	return s
}

func workerSheet(workers []client.Worker) *sheet {
	s := &sheet{head: []string{"WORKER", ">ACTIVE", ">DONE", ">FAILED", "QUEUES", "TYPES", "SEEN"}}
	for i := range workers {
		w := &workers[i]
		s.add(text(w.ID+" "+workerNote(w)), cell{text: fmt.Sprint(w.Active)}, cell{text: progress.Count(w.Done)}, cell{text: progress.Count(w.Failed)},
			text(names(w.Queues)), text(names(w.Types)), cell{text: ago(time.Since(w.LastSeen))})
	}
	return s
}

// watchTop shows a view again and again, on the terminal's other screen, until a key or ctx ends it.
func (r *root) watchTop(ctx context.Context, c *client.Client, every time.Duration) error {
	keys, restore := r.keys()
	defer restore()
	if err := r.print("\x1b[?1049h\x1b[?25l"); err != nil {
		return err
	}
	for {
		looking, cancel := context.WithTimeout(ctx, lookTime)
		v, err := lookAround(looking, c)
		cancel()
		message := ""
		switch {
		case ctx.Err() != nil:
			return r.leaveTop(ctx)
		case err != nil:
			message = "wayside: " + printable(remedy(err).Error()) + "\n"
		}
		if err := r.drawTop(v, message); err != nil {
			return errors.Join(err, r.leaveTop(ctx))
		}
		key, err := keys(ctx, every)
		if err != nil || key == 'q' || key == 'Q' {
			return errors.Join(err, r.leaveTop(ctx))
		}
	}
}

// drawTop draws over what is there, line by line, so that nothing flickers.
func (r *root) drawTop(v view, message string) error {
	width, height := r.screenSize()
	body := message
	if message == "" {
		body = r.topText(v, width, height-1)
	}
	return r.print("\x1b[H" + strings.ReplaceAll(body, "\n", "\x1b[K\n") + "\x1b[J")
}

// leaveTop gives the terminal back. Being interrupted is how it ends.
func (r *root) leaveTop(ctx context.Context) error {
	err := r.print("\x1b[?25h\x1b[?1049l")
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, errInterrupted) {
		return errors.Join(err, cause)
	}
	return err
}

func (r *root) screenSize() (width, height int) {
	if f, ok := r.std.out.(*os.File); ok {
		if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil && size.Col > 0 && size.Row > 1 {
			return int(size.Col), int(size.Row)
		}
	}
	return 80, 24
}

// keys gives a function that waits for a key for a time, 0 = none came; and one that makes the terminal as it was. It
// polls, so that no goroutine is left behind in a read.
func (r *root) keys() (wait func(context.Context, time.Duration) (byte, error), restore func()) {
	in, ok := r.std.in.(*os.File)
	if !ok || !isatty.IsTerminal(in.Fd()) {
		return func(ctx context.Context, d time.Duration) (byte, error) {
			select {
			case <-ctx.Done():
			case <-time.After(d):
			}
			return 0, nil
		}, func() {}
	}
	fd := int(in.Fd())
	restore = func() {}
	if old, err := unix.IoctlGetTermios(fd, unix.TCGETS); err == nil {
		raw := *old
		raw.Lflag &^= unix.ICANON | unix.ECHO
		raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
		if unix.IoctlSetTermios(fd, unix.TCSETS, &raw) == nil {
			restore = func() { _ = unix.IoctlSetTermios(fd, unix.TCSETS, old) } // nothing more can be done for it
		}
	}
	return func(ctx context.Context, d time.Duration) (byte, error) { return pollKey(ctx, fd, d) }, restore
}

// pollKey waits for a key.
func pollKey(ctx context.Context, fd int, d time.Duration) (byte, error) {
	const look = 100 * time.Millisecond // how long an interruption may go unnoticed
	for until := time.Now().Add(d); ctx.Err() == nil; {
		left := time.Until(until)
		if left <= 0 {
			return 0, nil
		}
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, int(max(min(left, look).Milliseconds(), 1)))
		if errors.Is(err, unix.EINTR) || (err == nil && n == 0) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("wait for a key: %w", err)
		}
		var key [1]byte
		if got, err := unix.Read(fd, key[:]); got == 1 {
			return key[0], nil
		} else if !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) {
			return 'q', nil // the terminal is gone
		}
	}
	return 0, nil
}
