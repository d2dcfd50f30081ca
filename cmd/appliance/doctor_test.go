package main

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/config"
	"github.com/wayside-edge/wayside/internal/runtime"
)

// wantGrades compares findings with what is expected of each: a grade and a part of the text.
func wantGrades(t *testing.T, got []finding, want ...[2]string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d findings, want %d: %+v", len(got), len(want), got)
	}
	for i, w := range want {
		if string(got[i].Grade) != w[0] || !strings.Contains(got[i].Text, w[1]) {
			t.Errorf("got %+v, want %s with %q", got[i], w[0], w[1])
		}
		if got[i].Grade != gradeOK && got[i].Advice == "" {
			t.Errorf("%+v does not say what to do", got[i])
		}
	}
}

func TestKernelFindings(t *testing.T) {
	wantGrades(t, checkKernel(kernel{landlock: 7, seccomp: true, cgroup: true}),
		[2]string{"ok", "ABI 7"}, [2]string{"ok", "available"}, [2]string{"ok", "no limit is set"})
	wantGrades(t, checkKernel(kernel{landlock: 4, seccomp: true, cgroup: true, memory: 512 << 20}),
		[2]string{"warn", "no TCP"}, [2]string{"ok", ""}, [2]string{"ok", "512 MiB"})
	wantGrades(t, checkKernel(kernel{landlock: 1, memory: 128 << 20}),
		[2]string{"warn", "TCP is barred by seccomp alone"}, [2]string{"warn", "not available"}, [2]string{"warn", "128 MiB"})
	wantGrades(t, checkKernel(kernel{release: "5.4"}),
		[2]string{"warn", "kernel 5.4"}, [2]string{"warn", ""}, [2]string{"ok", "no limit by control groups"})
}

func TestCgroupMemoryTakesTheTightestLimit(t *testing.T) {
	mount := t.TempDir()
	write := func(path, text string) string {
		t.Helper()
		path = filepath.Join(mount, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	self := write("self", "4:memory:/old\n0::/system.slice/wayside.service\n")
	write("system.slice/memory.max", "1000000\n")
	write("system.slice/wayside.service/memory.max", "max\n")
	if found, limit := cgroupMemory(self, mount); !found || limit != 1000000 {
		t.Errorf("got %v, %d", found, limit)
	}
	write("system.slice/wayside.service/memory.max", "500000\n")
	if _, limit := cgroupMemory(self, mount); limit != 500000 {
		t.Errorf("got %d", limit)
	}
	if found, _ := cgroupMemory(filepath.Join(mount, "none"), mount); found {
		t.Error("found one where there is none")
	}
	escape := write("escape", "0::/../../../etc\n")
	if _, limit := cgroupMemory(escape, mount); limit != 0 {
		t.Error("left the mount")
	}
}

func TestPortFindings(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"info":{"title":"Wayside","version":"v1.2.3"}}`))
	}))
	defer srv.Close()
	ours := config.Addr(srv.Listener.Addr().String())
	closed := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"type":"urn:wayside:error:unauthorized"}`))
	}))
	defer closed.Close()
	wantGrades(t, []finding{checkPort(t.Context(), "k", config.Addr(closed.Listener.Addr().String()), gradeFail)}, [2]string{"ok", "held by a running wayside"})
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	foreign := config.Addr(other.Listener.Addr().String())

	wantGrades(t, []finding{checkPort(t.Context(), "k", ours, gradeFail)}, [2]string{"ok", "held by a running wayside (API v1.2.3)"})
	wantGrades(t, []finding{checkPort(t.Context(), "k", foreign, gradeFail)}, [2]string{"fail", "taken by another program"})
	wantGrades(t, []finding{checkPort(t.Context(), "k", foreign, gradeWarn)}, [2]string{"warn", "taken by another program"})
	wantGrades(t, []finding{checkPort(t.Context(), "k", "127.0.0.1:0", gradeFail)}, [2]string{"ok", "free"})

	// A program that accepts and says nothing must not hold doctor up for long.
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	wantGrades(t, []finding{checkPort(t.Context(), "k", config.Addr(mute.Addr().String()), gradeFail)}, [2]string{"fail", "taken"})
}

func TestDataFindings(t *testing.T) {
	cfg := config.Config{}
	cfg.Data.Dir = t.TempDir()
	if err := os.Chmod(cfg.Data.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	got := checkData(cfg)
	if got[0].Grade != gradeWarn || !strings.Contains(got[0].Advice, "chmod o=") {
		t.Errorf("a folder open to others: %+v", got[0])
	}
	cfg.Store.Reserve = 1 << 60
	if got := checkSpace(cfg.Data.Dir, cfg); got[0].Grade != gradeFail {
		t.Errorf("less free than the reserve: %+v", got)
	}
	if err := os.WriteFile(filepath.Join(cfg.Data.Dir, "FORMAT"), []byte("1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := checkFormat(cfg.Data.Dir); got.Text != "version 1" {
		t.Errorf("layout: %+v", got)
	}
	cfg.Data.Dir = "/proc/wayside"
	if got := checkData(cfg); got[0].Grade != gradeFail && os.Geteuid() != 0 {
		t.Errorf("a folder that cannot be made: %+v", got)
	}
}

func TestDecoderAndWorkerFindings(t *testing.T) {
	p := runtime.Plugin{ID: "rail", Version: "1.0.0", Source: runtime.System, State: runtime.Rejected, Reason: "imports\nfoo"}
	wantGrades(t, []finding{decoderFinding(p, errors.New("rejected"))}, [2]string{"warn", "rail 1.0.0 (system) is rejected: imports foo"})
	p.State = runtime.Compiling
	wantGrades(t, []finding{decoderFinding(p, errors.New("not compiled within 1m0s"))}, [2]string{"warn", "not compiled within"})
	p.State, p.Formats = runtime.Active, []runtime.Format{{ID: "a"}, {ID: "b"}}
	wantGrades(t, []finding{decoderFinding(p, nil)}, [2]string{"ok", "is active; formats a, b"})

	wantGrades(t, []finding{workerFinding(runtime.Confinement{}, errors.New("no exec"))}, [2]string{"fail", "no exec"})
	wantGrades(t, []finding{workerFinding(runtime.Confinement{Missing: []string{"landlock: none"}}, nil)},
		[2]string{"warn", "in effect: nothing; missing: landlock: none"})
	wantGrades(t, []finding{workerFinding(runtime.Confinement{LandlockABI: 6, Seccomp: true, NoNewPrivs: true, NotDumpable: true}, nil)},
		[2]string{"ok", "in effect: landlock ABI 6, seccomp, no new privileges, not dumpable"})
}
