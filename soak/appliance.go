package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// readyWait bounds the start: generous, since a shared machine may be slow. The figure itself is measured by bench.
	readyWait = 60 * time.Second
	// stopLimit is the promise, stopWait how long is waited at most to find out by how much it is missed.
	stopLimit = 5 * time.Second
	stopWait  = 30 * time.Second
	// orphanWait is how long worker processes may outlive their appliance.
	orphanWait = 5 * time.Second
)

// binary is an appliance to start, and where it works.
type binary struct {
	path string
	dir  string   // data folder
	log  string   // file that takes what it prints
	env  []string // beside the runner's own
	kv   string   // address of the Redis-protocol server; "" = none
}

// appliance is a running process of the real binary.
type appliance struct {
	url    string
	pid    int
	start  time.Duration // from exec to ready
	cmd    *exec.Cmd
	asked  atomic.Bool // the runner has ended it
	ended  chan struct{}
	err    error // how it ended; set before ended is closed
	output *os.File
}

// launch starts the appliance and waits until it answers.
func (b binary) launch(ctx context.Context) (*appliance, error) {
	output, err := os.OpenFile(b.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	//nolint:gosec // the program to run is the caller's choice
	cmd := exec.CommandContext(ctx, b.path, "serve", "--data-dir", b.dir, "--listen", "127.0.0.1:0", "--kv-listen", cmp.Or(b.kv, "off"))
	cmd.Env = append(append(os.Environ(), "WAYSIDE_LOG_LEVEL=info"), b.env...)
	cmd.Stdout = output
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start appliance: %w", err), output.Close())
	}
	a := &appliance{cmd: cmd, ended: make(chan struct{}), output: output}
	cmd.Cancel = func() error { // the runner was interrupted
		a.asked.Store(true)
		return cmd.Process.Kill()
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start appliance: %w", err), output.Close())
	}
	a.pid = cmd.Process.Pid
	ready := make(chan string, 1)
	go func() {
		defer close(a.ended)
		sc := bufio.NewScanner(stderr)
		sc.Buffer(nil, 1<<20)
		for sc.Scan() {
			fmt.Fprintln(output, sc.Text())
			if url, ok := strings.CutPrefix(sc.Text(), "ready "); ok {
				ready <- strings.TrimSpace(url)
			}
		}
		a.err = errors.Join(cmd.Wait(), output.Close())
	}()
	timer := time.NewTimer(readyWait)
	defer timer.Stop()
	select {
	case a.url = <-ready:
		a.start = time.Since(began)
		return a, nil
	case <-a.ended:
		return nil, fmt.Errorf("start appliance: it ended before it was ready: %w", a.err)
	case <-timer.C:
		a.kill()
		return nil, fmt.Errorf("start appliance: not ready in %v", readyWait)
	}
}

// kill ends the process as a power cut would, as far as a process can see, and joins it.
func (a *appliance) kill() {
	a.asked.Store(true)
	_ = a.cmd.Process.Kill() // it may have ended already
	<-a.ended
}

// stop ends the process in the orderly way and tells how long that took.
func (a *appliance) stop() (time.Duration, error) {
	if a.asked.Swap(true) {
		<-a.ended
		return 0, nil
	}
	began := time.Now()
	if err := a.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		<-a.ended
		return 0, fmt.Errorf("stop appliance: %w", err)
	}
	timer := time.NewTimer(stopWait)
	defer timer.Stop()
	select {
	case <-a.ended:
	case <-timer.C:
		_ = a.cmd.Process.Kill() // it may have ended now
		<-a.ended
		return time.Since(began), fmt.Errorf("stop appliance: it ran on after %v", stopWait)
	}
	if a.err != nil {
		return time.Since(began), fmt.Errorf("stop appliance: %w", a.err)
	}
	return time.Since(began), nil
}

// gone reports that the process has ended without having been asked to.
func (a *appliance) gone() bool {
	select {
	case <-a.ended:
		return !a.asked.Load()
	default:
		return false
	}
}

// outlived gives the worker processes, of those that ran, that are still there some seconds after their appliance.
func outlived(ctx context.Context, workers []process) []process {
	deadline := time.Now().Add(orphanWait)
	for {
		var left []process
		for _, w := range workers {
			if w.alive() {
				left = append(left, w)
			}
		}
		if len(left) == 0 || time.Now().After(deadline) || !pause(ctx, 20*time.Millisecond) {
			return left
		}
	}
}

// pause waits and reports whether ctx still lasts.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// logTail gives the last lines of a log, for a report.
func logTail(path string, lines int) string {
	data, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(data[max(0, len(data)-64<<10):])), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
