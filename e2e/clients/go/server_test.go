package clients

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// patience is how long a test waits for what has to happen.
const patience = 30 * time.Second

// server is a process that answers the Redis protocol on a folder and an address that outlive kill and start.
type server struct {
	t    *testing.T
	dir  string
	addr string
	cmd  *exec.Cmd
}

// open starts a server, which keeps what it answers before it answers, until the test ends.
func open(t *testing.T) *server {
	t.Helper()
	s := &server{t: t, dir: t.TempDir(), addr: freeAddr(t)}
	s.start()
	t.Cleanup(s.kill)
	return s
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (s *server) start() {
	s.t.Helper()
	if redis := os.Getenv("REDIS_SERVER"); redis != "" {
		_, port, _ := net.SplitHostPort(s.addr)
		s.cmd = exec.Command(redis, "--port", port, "--dir", s.dir, "--appendonly", "yes", "--appendfsync", "always", "--save", "")
	} else {
		bin := os.Getenv("APPLIANCE_BIN")
		if bin == "" {
			s.t.Fatal("APPLIANCE_BIN names no binary")
		}
		s.cmd = exec.Command(bin, "serve", "--data-dir", s.dir, "--listen", "127.0.0.1:0", "--kv-listen", s.addr)
		s.cmd.Env = append(os.Environ(), "WAYSIDE_KV_APPENDFSYNC=always")
	}
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() { // it ends with the process
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
		}
	}()
	until(s.t, "the server answers", func() bool {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			return false
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(time.Second))
		fmt.Fprint(conn, "PING\r\n")
		line, _ := bufio.NewReader(conn).ReadString('\n')
		return line == "+PONG\r\n"
	})
}

// kill ends the process as a power cut would, as far as a process can see.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

func (s *server) port() string {
	_, port, _ := net.SplitHostPort(s.addr)
	return port
}

// client connects with go-redis to a database.
func (s *server) client(db int, set ...func(*redis.Options)) *redis.Client {
	s.t.Helper()
	o := &redis.Options{Addr: s.addr, DB: db}
	for _, f := range set {
		f(o)
	}
	c := redis.NewClient(o)
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

// until waits for what has no signal of its own: another process's state.
func until(t *testing.T, what string, happened func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !happened(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// receive waits for what another goroutine sends.
func receive[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("%s: not within %v", what, patience)
		panic("unreachable")
	}
}

func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	t.Cleanup(cancel)
	return ctx
}

// want compares what a command answers, as fmt shows it.
func want(t *testing.T, what string, got any, expected string) {
	t.Helper()
	if text := fmt.Sprint(got); text != expected {
		t.Errorf("%s: %s, want %s", what, text, expected)
	}
}

// ok gives the value and fails at an error.
func ok[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// refused checks the error's text.
func refused(t *testing.T, err error, part string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), part) {
		t.Errorf("the error is %v, want %q in it", err, part)
	}
}
