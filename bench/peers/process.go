package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"time"
)

// missingError names a program that is not installed.
type missingError string

func (e missingError) Error() string { return string(e) + " is not on the PATH" }

// process is a server of a peer.
type process struct {
	cmd  *exec.Cmd
	addr string
}

// startProcess starts a program and waits until it listens. args gets the port.
func startProcess(ctx context.Context, program string, args func(port string) []string) (*process, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return nil, missingError(program)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("find a port: %w", err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, fmt.Errorf("find a port: %w", err)
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("find a port: %w", err)
	}
	cmd := exec.CommandContext(ctx, path, args(port)...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	p := &process{cmd: cmd, addr: addr}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			return p, conn.Close() //nolint:wrapcheck // of a probe
		}
		if time.Now().After(deadline) {
			return nil, errors.Join(fmt.Errorf("%s does not listen: %w", program, err), p.stop())
		}
	}
}

func (p *process) stop() error {
	if err := p.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	_ = p.cmd.Wait() // killed: that is its error
	return nil
}
