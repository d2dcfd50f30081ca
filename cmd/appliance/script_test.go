package main

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/wayside-edge/wayside/internal/runtime/runtimetest"
	"github.com/wayside-edge/wayside/plugins"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// buildWayside builds the binary the way `make build` does: what the scripts test is what is shipped, and its workers
// have the address space that a race detector would need more of. It gives the folder it is in.
func buildWayside(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags=-s -w -buildid= -X main.version=v0.0.0-test", "-o", dir+"/wayside", ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return dir
}

// TestBinary tests what needs the built binary.
func TestBinary(t *testing.T) {
	dir := buildWayside(t)
	t.Run("serve", func(t *testing.T) { testServe(t, filepath.Join(dir, "wayside")) })
	t.Run("scripts", func(t *testing.T) { testScripts(t, dir) })
}

// testScripts runs testdata/script/*.txtar with the binary in dir.
func testScripts(t *testing.T, dir string) {
	t.Helper()
	example, err := filepath.Abs("../../examples/rail/example.RU")
	if err != nil {
		t.Fatal(err)
	}
	path := dir + string(os.PathListSeparator) + os.Getenv("PATH")
	hours := t.TempDir()
	if err := os.WriteFile(filepath.Join(hours, "hours.wasm"), hoursDecoder(), 0o600); err != nil {
		t.Fatal(err)
	}
	// One cache for all scripts: the decoder is compiled once.
	cache := t.TempDir()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", path)
			env.Setenv("EXAMPLE", example)
			env.Setenv("HOURS", hours)
			env.Setenv("XDG_CACHE_HOME", cache)
			env.Setenv("HOME", env.WorkDir)
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name != "decoders" {
				return false, errors.New("unknown condition " + name)
			}
			b, err := readBuild(plugins.Dist)
			return err == nil && len(b.Decoders) > 0, err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "oneline": singleLine, "nothing": nothing, "at": at, "appliance": appliance},
	})
}

// hoursDecoder is a decoder of files whose first eight bytes order them: one row for every eight bytes.
func hoursDecoder() []byte {
	g := runtimetest.Parts("hours")
	g.Change(func(m *abi.Manifest) {
		m.Formats[0].Sniff = []abi.Sniff{{Offset: 7, Bytes: "48"}} // H
		m.Formats[0].Sequence = &abi.Sequence{Length: 8}
	})
	return g.Wasm()
}

// exits runs a command that must end with a code: exits CODE COMMAND ARGS….
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%s: %v", args[1], err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// singleLine checks that the last command wrote one line: oneline stdout|stderr.
func singleLine(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: oneline stdout|stderr")
	}
	text := ts.ReadFile(args[0])
	if strings.Count(text, "\n") != 1 || !strings.HasSuffix(text, "\n") {
		ts.Fatalf("%s is not one line:\n%s", args[0], text)
	}
	if strings.Contains(text, "goroutine ") {
		ts.Fatalf("%s holds a stack trace", args[0])
	}
}

// nothing checks that no file has a name of the pattern: nothing PATTERN.
func nothing(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: nothing PATTERN")
	}
	found, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(found) > 0 {
		ts.Fatalf("%s is there", found[0])
	}
}

// at writes a copy of a rail recording whose records are of another day and hour: at YYMMDDHH FROM TO.
func at(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 || len(args[0]) != 8 {
		ts.Fatalf("usage: at YYMMDDHH FROM TO")
	}
	b, err := os.ReadFile(ts.MkAbs(args[1]))
	ts.Check(err)
	for off := 0; off+16 <= len(b); off += 16 + int(b[off+15]) {
		for i := range 4 {
			n, err := strconv.ParseUint(args[0][2*i:2*i+2], 10, 8)
			ts.Check(err)
			b[off+1+i] = byte(n)
		}
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), b, 0o600))
}

// appliance starts the appliance, which the script's commands then find by WAYSIDE_SERVER, and ends it with the script.
// What it prints is in the file appliance.log.
func appliance(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: appliance")
	}
	said, err := os.Create(ts.MkAbs("appliance.log"))
	ts.Check(err)
	defer said.Close()
	cmd := exec.Command(filepath.Join(strings.Split(ts.Getenv("PATH"), string(os.PathListSeparator))[0], "wayside"), "serve",
		"--data-dir", ts.MkAbs("data"), "--listen", "127.0.0.1:0", "--kv-listen", "off", "--log-level", "error")
	cmd.Dir, cmd.Env, cmd.Stdout = ts.MkAbs("."), []string{"HOME=" + ts.MkAbs(".")}, said
	stderr, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	ts.Defer(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if at, ok := strings.CutPrefix(lines.Text(), "ready "); ok {
			ts.Setenv("WAYSIDE_SERVER", at)
			ts.Setenv("WAYSIDE_DATA_DIR", ts.MkAbs("data"))
			return
		}
	}
	ts.Fatalf("the appliance did not start")
}
