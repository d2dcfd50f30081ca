package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/runtime/module"
	"github.com/wayside-edge/wayside/internal/runtime/runtimetest"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
)

const probeEnv = "WAYSIDE_PROBE"

// TestMain lets the test binary be a worker, or another process, that tries what it must not be able to do once it is
// shut in.
func TestMain(m *testing.M) {
	aim := os.Getenv(probeEnv)
	if aim == "" {
		os.Exit(m.Run())
	}
	var t target
	if err := json.Unmarshal([]byte(aim), &t); err != nil {
		panic(err)
	}
	conf, r := confinement{}, prober{target: &t}
	switch t.Mode {
	case "": // a real worker
		if err := serve(context.Background(), wire.SocketFD, wire.PageFD, r.probe); err != nil {
			panic(err)
		}
	case "landlock":
		confineEarly(&conf)
		confineFiles(&conf)
		r.probe(true)
	case "seccomp":
		confineCalls(&conf, wire.RoleDecode)
		r.probe(true)
	}
	os.Exit(0)
}

// aim makes what a probe is aimed at.
func aim(t *testing.T) target {
	t.Helper()
	root := t.TempDir()
	a := target{Folder: filepath.Join(root, "module"), Outside: filepath.Join(root, "outside"), Abstract: fmt.Sprintf("wayside-%d-%s", os.Getpid(), filepath.Base(root))}
	for _, dir := range []string{a.Folder, a.Outside} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(a.Outside, "secret"), []byte("a secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	listen := func(network, address string) string {
		l, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return l.Addr().String()
	}
	sockets, err := os.MkdirTemp("", "wayside") //nolint:usetesting // the path of a unix socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(sockets) })
	a.TCP, a.Unix = listen("tcp", "127.0.0.1:0"), listen("unix", filepath.Join(sockets, "s"))
	listen("unix", "@"+a.Abstract)
	u, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = u.Close() })
	a.UDP = u.LocalAddr().String()
	return a
}

// run runs a probe and gives what it found. talk is the serving process's side of a worker.
func (a target) run(t *testing.T, args []string, talk func(sock *wire.Conn)) report {
	t.Helper()
	sock, child, err := wire.Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer sock.Close()
	page, pageFile, err := wire.NewPage()
	if err != nil {
		t.Fatal(err)
	}
	defer page.Close()
	env, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out, said bytes.Buffer
	cmd := exec.CommandContext(ctx, "/proc/self/exe", args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = []string{probeEnv + "=" + string(env)}, &out, &said
	cmd.ExtraFiles = []*os.File{child, pageFile}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = child.Close(), pageFile.Close()
	if talk != nil {
		talk(sock)
	}
	_ = sock.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %s%s", err, out.String(), said.String())
	}
	var r report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	return r
}

// worker runs a probe in a worker of a role that works on the module.
func (a target) worker(t *testing.T, setup *wire.Setup, wasm []byte) (report, wire.Confinement) {
	t.Helper()
	var conf wire.Confinement
	r := a.run(t, []string{"worker", string(setup.Role), "probe"}, func(sock *wire.Conn) {
		file, err := wire.MemFile("module", wasm)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if err := sock.Send(wire.KindSetup, setup, file); err != nil {
			t.Fatal(err)
		}
		m, err := sock.Recv()
		for err == nil && m.Kind == wire.KindStep { // a compile worker tells what it is at
			m, err = sock.Recv()
		}
		if err != nil {
			t.Errorf("the worker does not answer: %v", err)
			return
		}
		var end struct {
			Confinement     wire.Confinement `json:"confinement"`
			Error, Rejected string
		}
		if err := m.Decode(&end); err != nil || end.Error+end.Rejected != "" {
			t.Errorf("%v %+v", err, end)
		}
		conf = end.Confinement
	})
	return r, conf
}

// succeeded lists what a probe could do, sorted.
func (r *report) succeeded() []string {
	var out []string
	for name, err := range r.Tried {
		if err == "" {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// opened lists the attempts on files that succeeded with Landlock alone.
func (r *report) opened() []string {
	var out []string
	for name, err := range r.Before {
		if err == "" && name != "name a handle" && name != "open page again" {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// compiling is what a compile worker may do that a decode worker may not: use its folder, and make machine code. It may
// also learn that files exist, and open its own memory files once more.
func compiling() []string {
	return []string{
		"look at secret", "make memory executable", "memory to execute", "memory to write and execute",
		"open page again", "read folder of the module", "write into folder of the module",
	}
}

// TestWorkersReachNothing has workers of both roles, shut in as they are when they run guests, try everything.
func TestWorkersReachNothing(t *testing.T) {
	a := aim(t)
	wasm := runtimetest.Lines("lines").Wasm()
	setup := &wire.Setup{Role: wire.RoleCompile, Dir: a.Folder, SHA256: module.Hash(wasm), MemoryMiB: 16, Sandbox: true}
	check := func(role string, r report, conf wire.Confinement, want []string) {
		t.Helper()
		if !conf.NoNewPrivs || !conf.NotDumpable || !conf.Seccomp {
			t.Errorf("%s: confinement %+v", role, conf)
		}
		if conf.LandlockABI == 0 && len(conf.Missing) > 0 {
			t.Skipf("no Landlock here: %v", conf.Missing)
		}
		if got := r.succeeded(); !slices.Equal(got, want) {
			t.Errorf("%s: a worker could %q, want %q", role, got, want)
		}
		if open := r.opened(); (len(open) > 0) != (role == "compile") {
			t.Errorf("%s: before the filter a worker could %q", role, open)
		}
		if len(r.Unfiltered) > 0 {
			t.Errorf("%s: system calls %v are not filtered", role, r.Unfiltered)
		}
		if len(r.Tried) < 120 {
			t.Errorf("%s: only %d attempts", role, len(r.Tried))
		}
	}
	r, conf := a.worker(t, setup, wasm)
	check("compile", r, conf, compiling())
	rec, ok := wire.ReadRecord(a.Folder, setup.SHA256)
	if !ok {
		t.Fatal("the compile worker left no record")
	}
	setup.Role, setup.Initialised = wire.RoleDecode, rec.Initialised
	r, conf = a.worker(t, setup, wasm)
	check("decode", r, conf, nil)
	if b, err := os.ReadFile(filepath.Join(a.Outside, "secret")); err != nil || string(b) != "a secret" {
		t.Errorf("the secret is %q %v", b, err)
	}
}

// TestEachWallHolds shows that Landlock and the filter each stop what they are there for, without the other.
func TestEachWallHolds(t *testing.T) {
	a := aim(t)
	a.Mode = "landlock"
	r := a.run(t, nil, nil)
	for _, x := range fileAttempts(&a) {
		if r.Tried[x.name] == "" && x.name != "name a handle" && x.name != "open page again" {
			t.Errorf("Landlock alone: a process could %s", x.name)
		}
	}
	for _, name := range []string{
		"connect by TCP", "listen by TCP", "connect to an abstract socket", "kill parent", "kill init", "trace parent",
		"rename", "link", "symlink", "remove", "mkdir", "mkfifo", "truncate",
	} {
		if r.Tried[name] == "" {
			t.Errorf("Landlock alone: a process could %s", name)
		}
	}
	a = aim(t)
	a.Mode = "seccomp"
	if r = a.run(t, nil, nil); len(r.succeeded()) > 0 || len(r.Unfiltered) > 0 {
		t.Errorf("the filter alone: a process could %q, calls %v", r.succeeded(), r.Unfiltered)
	}
}
