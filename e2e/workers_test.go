//go:build e2e

package e2e

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestWorkersFromOutside looks at the workers of a running appliance through /proc: what the kernel says of them, not
// what they say of themselves. A worker is not dumpable, so that its environment, its descriptors and the files it has
// mapped are shown to root alone: any other user is refused them, which is what the test asks for then. Status, limits
// and priority are shown to everybody.
func TestWorkersFromOutside(t *testing.T) {
	t.Setenv("A_SECRET", "hidden")
	a := start(t, t.TempDir())
	a.upload("one.RU", example(t), "")
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	if _, err := w.Write(append(example(t), 0)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	a.upload("two.RU.gz", zipped.Bytes(), "")
	for _, role := range []string{"decode", "unpack"} {
		pids := a.workers(role)
		if len(pids) == 0 {
			t.Fatalf("no worker of the role %s\n%s", role, a.log.tail())
		}
		for _, pid := range pids {
			t.Run(role, func(t *testing.T) { lookAt(t, a, pid) })
		}
	}
}

// lookAt checks one worker.
func lookAt(t *testing.T, a *appliance, pid int) {
	t.Helper()
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	own := nice(t, "/proc/self/stat") // of this test, and so of the appliance
	threads, err := filepath.Glob(filepath.Join(dir, "task", "*", "status"))
	if err != nil || len(threads) < 2 {
		t.Fatalf("threads: %v %v", threads, err)
	}
	for _, path := range threads {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"\nNoNewPrivs:\t1\n", "\nSeccomp:\t2\n"} {
			if !strings.Contains(string(b), want) {
				t.Errorf("%s lacks %q", path, want)
			}
		}
		if got := nice(t, filepath.Join(filepath.Dir(path), "stat")); got != max(10, own) {
			t.Errorf("%s: nice %d, want %d", path, got, max(10, own))
		}
	}
	if got := strings.TrimSpace(read("oom_score_adj")); got != "800" {
		t.Errorf("oom_score_adj %s, want 800", got)
	}
	environ, err := os.ReadFile(filepath.Join(dir, "environ"))
	if errors.Is(err, fs.ErrPermission) && os.Getuid() != 0 {
		t.Log("the environment and the descriptors of a worker that is not dumpable are root's to see: not looked at")
		if _, err := os.ReadDir(filepath.Join(dir, "fd")); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("its descriptors can be listed: %v", err)
		}
		return
	}
	if err != nil || len(environ) != 0 {
		t.Errorf("environment %q %v", environ, err)
	}
	checkDescriptors(t, a, dir)
	if maps := read("maps"); strings.Contains(maps, a.dir+"/db") || strings.Contains(maps, a.dir+"/blobs") {
		t.Errorf("files of the appliance are mapped:\n%s", maps)
	}
}

// nice reads the nice value in a file stat of /proc, its 19th field.
func nice(t *testing.T, path string) int {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:])) // from the third one
	n, err := strconv.Atoi(fields[19-3])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// checkDescriptors compares an idle worker's descriptors with those it is to have.
func checkDescriptors(t *testing.T, a *appliance, dir string) {
	t.Helper()
	fds, err := os.ReadDir(filepath.Join(dir, "fd"))
	if err != nil {
		t.Fatal(err)
	}
	unix, err := os.ReadFile(filepath.Join(dir, "net", "unix"))
	if err != nil {
		t.Fatal(err)
	}
	var own []string // of the appliance itself
	ownDir := filepath.Join("/proc", strconv.Itoa(a.cmd.Process.Pid), "fd")
	fdsOfOwn, err := os.ReadDir(ownDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range fdsOfOwn {
		name, _ := os.Readlink(filepath.Join(ownDir, e.Name()))
		own = append(own, name)
	}
	for _, e := range fds {
		name, err := os.Readlink(filepath.Join(dir, "fd", e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		var ok bool
		switch e.Name() {
		case "0", "1":
			ok = name == "/dev/null"
		case "2":
			ok = strings.HasPrefix(name, "pipe:")
		case "3": // the one end of the pair; the appliance has the other
			inode := strings.TrimSuffix(strings.TrimPrefix(name, "socket:["), "]")
			ok = strings.HasPrefix(name, "socket:[") && strings.Contains(string(unix), " "+inode+"\n") && !slices.Contains(own, name)
		case "4":
			ok = strings.HasPrefix(name, "/memfd:wayside-page")
		default: // the Go runtime's own poller
			ok = name == "anon_inode:[eventpoll]" || name == "anon_inode:[eventfd]"
		}
		if !ok {
			t.Errorf("descriptor %s is %s", e.Name(), name)
		}
	}
	if len(fds) < 5 {
		t.Errorf("only %d descriptors: %v", len(fds), fds)
	}
}
