package worker

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wayside-edge/wayside/internal/runtime/wire"
)

const probeEnv = "WAYSIDE_PROBE"

// TestMain lets the test binary shut itself in and try what a worker must not be able to do.
func TestMain(m *testing.M) {
	if dir := os.Getenv(probeEnv); dir != "" {
		os.Exit(probe(dir))
	}
	os.Exit(m.Run())
}

// attempts is what a confined process managed to do.
type attempts struct {
	Conf      wire.Confinement `json:"conf"`
	OwnFolder bool             `json:"own_folder"`
	WriteOwn  bool             `json:"write_own"`
	OtherFile bool             `json:"other_file"`
	Later     bool             `json:"later"`
	Socket    bool             `json:"socket"`
	Exec      bool             `json:"exec"`
	Fork      bool             `json:"fork"`
	Kill      bool             `json:"kill"`
	Ptrace    bool             `json:"ptrace"`
	Limit     bool             `json:"limit"`
}

func probe(dir string) int {
	var a attempts
	confineEarly(&a.Conf)
	confineResources(&a.Conf, &wire.Setup{})
	confineFiles(&a.Conf, readOnly(dir))
	opens := func(path string, flags int) bool {
		f, err := os.OpenFile(path, flags, 0o600)
		if err == nil {
			_ = f.Close()
		}
		return err == nil
	}
	own := filepath.Join(dir, "file")
	a.OwnFolder = opens(own, os.O_RDONLY)
	a.WriteOwn = opens(filepath.Join(dir, "new"), os.O_CREATE|os.O_WRONLY)
	a.OtherFile = opens("/etc/hostname", os.O_RDONLY) || opens("/proc/self/maps", os.O_RDONLY)
	confineFiles(&a.Conf)
	confineCalls(&a.Conf)
	a.Later = opens(own, os.O_RDONLY)
	_, err := net.Dial("tcp", "127.0.0.1:9")
	_, serr := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	a.Socket = serr == nil || err == nil
	a.Exec = unix.Exec("/proc/self/exe", []string{"x"}, nil) == nil
	a.Fork = exec.Command("/proc/self/exe").Start() == nil
	a.Kill = unix.Kill(os.Getppid(), 0) == nil
	a.Ptrace = unix.PtraceAttach(os.Getppid()) == nil
	a.Limit = unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 1 << 16, Max: 1 << 16}) == nil
	if json.NewEncoder(os.Stdout).Encode(a) != nil {
		return 1
	}
	return 0
}

func TestConfinedProcessReachesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), probeEnv+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var a attempts
	if err := json.Unmarshal(out, &a); err != nil {
		t.Fatal(err)
	}
	conf := a.Conf
	if !conf.NoNewPrivs || !conf.NotDumpable || !conf.Seccomp {
		t.Errorf("confinement %+v", conf)
	}
	if a.Socket || a.Exec || a.Fork || a.Ptrace || a.Limit || a.Kill {
		t.Errorf("a forbidden call succeeded: %+v", a)
	}
	if conf.LandlockABI == 0 {
		t.Skipf("no Landlock here: %v", conf.Missing)
	}
	if !a.OwnFolder || a.WriteOwn || a.OtherFile || a.Later {
		t.Errorf("files: %+v", a)
	}
}
