package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// logLines is how many of the server's last log lines an error shows.
const logLines = 20

// server is a running `wayside serve`.
type server struct {
	cmd  *exec.Cmd
	url  string        // as its ready line says
	data string        // its data folder
	done chan struct{} // closed when it has ended
	err  error         // how it ended; read after done
	tail []string      // its last log lines; read after done
}

// start starts the server with everything it keeps below home, and waits for its ready line.
func start(ctx context.Context, binary, home string) (*server, error) {
	data, conf := filepath.Join(home, "data"), filepath.Join(home, "wayside.yaml")
	// An empty configuration, so that one in /etc does not take part; the folder, so that no .env does.
	if err := touch(conf); err != nil {
		return nil, err
	}
	//nolint:gosec,noctx // the binary that the user names; it is stopped with SIGTERM, never by a context's kill
	cmd := exec.Command(binary, "serve", "--config", conf, "--data-dir", data, "--listen", "127.0.0.1:0", "--kv-listen", "off")
	cmd.Dir = home
	cmd.Env = ownEnvironment(os.Environ())
	// Its own process group: Ctrl-C reaches the demo alone, which then stops the server in good order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", binary, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", binary, err)
	}
	s := &server{cmd: cmd, data: data, done: make(chan struct{})}
	ready := make(chan string, 1)
	go s.watch(stderr, ready)

	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	select {
	case s.url = <-ready:
		return s, nil
	case <-s.done:
		return nil, fmt.Errorf("wayside serve ended before it was ready: %w", s.ended())
	case <-limit.C:
		return nil, errors.Join(fmt.Errorf("wayside serve was not ready within %s", startLimit), s.stop())
	case <-ctx.Done():
		return nil, errors.Join(errors.New("interrupted"), s.stop())
	}
}

// watch reads the server's standard error to its end, keeps the last lines, passes on the ready line, and reaps the
// process. It ends with the process, which stop and wait see to.
func (s *server) watch(stderr io.Reader, ready chan<- string) {
	defer close(s.done)
	lines := bufio.NewScanner(stderr)
	lines.Buffer(make([]byte, 4096), 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if url, ok := strings.CutPrefix(line, "ready "); ok {
			select {
			case ready <- strings.TrimSpace(url):
			default: // said twice
			}
			continue
		}
		if s.tail = append(s.tail, line); len(s.tail) > logLines {
			s.tail = s.tail[1:]
		}
	}
	// After a line beyond the buffer the pipe is still emptied, so that the server never blocks on it.
	_, _ = io.Copy(io.Discard, stderr)
	s.err = s.cmd.Wait()
}

// wait waits until the user interrupts or the server ends by itself.
func (s *server) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-s.done:
		return fmt.Errorf("wayside serve ended by itself: %w", s.ended())
	}
}

// stop asks the server to end and waits for it; it is killed where it does not. It may be called again.
func (s *server) stop() error {
	select {
	case <-s.done:
		return nil
	default:
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop wayside serve: %w", err)
	}
	limit := time.NewTimer(stopLimit)
	defer limit.Stop()
	select {
	case <-s.done:
	case <-limit.C:
		_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
		<-s.done
		return fmt.Errorf("wayside serve did not stop within %s and was killed", stopLimit)
	}
	if s.err != nil {
		return fmt.Errorf("wayside serve stopped badly: %w", s.ended())
	}
	return nil
}

// ended says how the server ended, with its last log lines; nil while it runs.
func (s *server) ended() error {
	select {
	case <-s.done:
	default:
		return nil
	}
	how := "exit status 0"
	if s.err != nil {
		how = s.err.Error()
	}
	if len(s.tail) == 0 {
		return errors.New(how)
	}
	return fmt.Errorf("%s; its last lines:\n  %s", how, strings.Join(s.tail, "\n  "))
}

// touch makes an empty file.
func touch(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	return nil
}

// ownEnvironment gives env without the settings of another appliance on this machine, so that the demonstration is
// the same everywhere.
func ownEnvironment(env []string) []string {
	kept := make([]string, 0, len(env))
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, "WAYSIDE_") && !strings.HasPrefix(name, "LOG_") && !strings.HasPrefix(name, "REDIS_") &&
			!strings.HasPrefix(name, "PROMETHEUS_") && name != "NOTIFY_SOCKET" && name != "WATCHDOG_USEC" {
			kept = append(kept, kv)
		}
	}
	return kept
}
