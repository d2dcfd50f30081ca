package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// testServe runs the server: it says where it is, lives through SIGHUP, keeps its folder and port to itself, and
// stops in good order at SIGTERM.
func testServe(t *testing.T, bin string) {
	t.Helper()
	dir := t.TempDir()
	conf := filepath.Join(dir, "wayside.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("log: {level: error}\n")
	args := []string{"serve", "--config", conf, "--data-dir", filepath.Join(dir, "data"), "--listen", "127.0.0.1:0"}
	cmd := exec.CommandContext(t.Context(), bin, args...)
	cmd.Dir, cmd.Env = dir, []string{"HOME=" + dir, "WAYSIDE_KV_LISTEN=off"}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	until := func(part string) string {
		t.Helper()
		seen := ""
		for lines.Scan() {
			if seen += lines.Text() + "\n"; strings.Contains(lines.Text(), part) {
				return seen
			}
		}
		t.Fatalf("it never said %q:\n%s", part, seen)
		return ""
	}
	greeting := until("ready http://127.0.0.1:")
	for _, part := range []string{"wayside v0.0.0-test\n", "data folder  " + filepath.Join(dir, "data") + "\n"} {
		if !strings.Contains(greeting, part) {
			t.Errorf("%q is missing in\n%s", part, greeting)
		}
	}
	_, address, _ := strings.Cut(strings.TrimSpace(greeting), "ready http://")
	if said := "  address      http://" + address + "\n"; strings.Count(greeting, "  address ") != 1 || !strings.Contains(greeting, said) {
		t.Errorf("the banner does not say %q:\n%s", said, greeting)
	}

	hup := func() {
		t.Helper()
		if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	hup()
	until("configuration reloaded")
	write("log: {level: info}\nserver: {slow_request: 9s, rate_burst: 7}\nplugins: {policy: off}\n")
	hup()
	if said := until("with the next start only"); !strings.Contains(said, "start only: server.slow_request\n") {
		t.Errorf("it does not say what needs a restart: %s", said)
	}
	limits := answer(t, "http://"+address+"/api/v1/system?limits=true")
	for _, part := range []string{
		`"key":"server.rate_burst","value":"7","number":7,"unit":"number","source":"file"`,
		`"key":"server.slow_request","value":"1s","number":1,"unit":"seconds","source":"default"`,
	} {
		if !strings.Contains(limits, part) {
			t.Errorf("%s is not among the limits in effect: %s", part, limits)
		}
	}
	write("log: {levl: error}\n")
	hup()
	until("levl")
	write("log: {level: error}\n")

	second := func(want string, args ...string) {
		t.Helper()
		other := exec.CommandContext(t.Context(), bin, args...)
		other.Env = cmd.Env
		out, err := other.CombinedOutput()
		if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != exitFailed || !strings.Contains(string(out), want) {
			t.Errorf("%v: %v, want %q in\n%s", args, err, want, out)
		}
	}
	second("is in use by another wayside process", args...)
	second("\n  address      http://"+address+"\n", "serve", "--config", conf, "--data-dir", filepath.Join(dir, "data"), "--listen", address)
	second("choose another address with --listen", "serve", "--config", conf, "--data-dir", filepath.Join(dir, "other"), "--listen", address)

	began := time.Now()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
		t.Log(lines.Text())
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it stopped with %v", err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %s to stop", took)
	}
	if conn, err := net.DialTimeout("tcp", address, time.Second); err == nil {
		conn.Close()
		t.Error("the port is still open")
	}
}

// answer gives the body of a good answer.
func answer(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, %v", url, res.StatusCode, err)
	}
	return string(body)
}
