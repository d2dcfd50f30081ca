package worker

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"

	"github.com/wayside-edge/wayside/internal/runtime/wire"
)

const (
	oomScore  = 800       // workers go first when memory runs out
	maxFiles  = 512       // 256 tables and what the process itself needs
	maxOutput = 256 << 30 // bytes of one output file: a last resort, far beyond the output limit

	// Priorities. A guest that keeps its processor busy must not slow the API: what a worker has to do can wait, a caller
	// of the API does. Nothing waits for a compile worker but the first decode.
	busyNice   = 10
	lowestNice = 19

	maxCompiled = 4 << 30 // bytes of one file that a compile worker writes: by default it has less memory than that
)

// confinement is how far this process has shut itself in.
type confinement struct {
	wire.Confinement
	// shut is called before and after the filter of system calls, with which a worker cannot shut itself in any further:
	// a test tries then what it can still do. nil = nobody does.
	shut func(filtered bool)
}

// confineEarly takes what needs no message: privileges, dumps, inherited descriptors. What the kernel or a filter
// above does not let us have is noted and done without.
func confineEarly(conf *confinement) {
	check := func(what string, err error) {
		if err != nil {
			note(conf, what+": "+err.Error())
		}
	}
	check("oom_score_adj", writeProc("/proc/self/oom_score_adj", strconv.Itoa(oomScore)))
	closeInherited()
	err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	check("not dumpable", err)
	conf.NotDumpable = err == nil
	check("core limit", setLimit(unix.RLIMIT_CORE, 0))
	check("file limit", setLimit(unix.RLIMIT_NOFILE, maxFiles))
	check("output limit", setLimit(unix.RLIMIT_FSIZE, maxOutput))
	err = noNewPrivs()
	check("no new privileges", err)
	conf.NoNewPrivs = err == nil
}

// noNewPrivs sets the flag on all threads. Where Go cannot do that (a C runtime is linked in), the calling thread
// gets it, threads made from it inherit it, and Landlock and seccomp bring it to the others.
func noNewPrivs() error {
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0)
	if errno == 0 {
		return nil
	}
	return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) //nolint:wrapcheck // noted with its name
}

// confineResources bounds the process's memory and processor time, once the module's limits are known.
func confineResources(conf *confinement, setup *wire.Setup) {
	limit := func(what string, resource int, most uint64) {
		if most == 0 {
			return
		}
		if err := setLimit(resource, most); err != nil {
			note(conf, what+": "+err.Error())
		}
	}
	limit("data limit", unix.RLIMIT_DATA, uint64(setup.DataMiB)<<20)
	if setup.Role == wire.RoleCompile {
		limit("output limit", unix.RLIMIT_FSIZE, maxCompiled)
	}
	limit("time limit", unix.RLIMIT_CPU, uint64(setup.CPUSeconds))
}

func setLimit(resource int, most uint64) error {
	var old unix.Rlimit
	if err := unix.Getrlimit(resource, &old); err != nil {
		return fmt.Errorf("read limit: %w", err)
	}
	most = min(most, old.Max)
	if err := unix.Setrlimit(resource, &unix.Rlimit{Cur: most, Max: most}); err != nil {
		return fmt.Errorf("set limit: %w", err)
	}
	return nil
}

func writeProc(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err //nolint:wrapcheck // noted with its name
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// closeInherited closes descriptors that the serving process did not mean to pass. It opens everything close-on-exec,
// so there are none; a library that forgets must not hand a recording or a socket to a decoder.
func closeInherited() {
	for fd := wire.PageFD + 1; fd < maxFiles; fd++ {
		name, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
		if err != nil || strings.HasPrefix(name, "anon_inode:") { // the Go runtime's own poller
			continue
		}
		_ = unix.Close(fd)
	}
}

// readOnly and readWrite are the folders that confineFiles leaves open.
func readOnly(dir string) landlock.Rule  { return landlock.RODirs(dir) }
func readWrite(dir string) landlock.Rule { return landlock.RWDirs(dir) }

// confineFiles shuts the file system, TCP, and signals and abstract sockets of others, except for what rules leave
// open. Called again it can only take away more.
func confineFiles(conf *confinement, rules ...landlock.Rule) {
	conf.LandlockABI = 0
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		note(conf, "landlock: "+errno.Error())
		return
	}
	if err := landlock.V6.BestEffort().Restrict(rules...); err != nil {
		note(conf, "landlock: "+err.Error())
		return
	}
	// BestEffort succeeds also where a filter above swallows the calls, so look.
	f, err := os.Open("/")
	if err == nil {
		_ = f.Close()
	}
	if !errors.Is(err, os.ErrPermission) {
		note(conf, "landlock: files are still open")
		return
	}
	conf.LandlockABI = int(version)
}

// lowerPriority lowers the priority of the whole process. The kernel knows priorities of threads only, and those of a
// group of processes: so this one becomes a group of its own, unless it is one already. An appliance that runs at a lower
// priority itself keeps its workers there.
func lowerPriority(conf *confinement, nice int) {
	if has, err := unix.Getpriority(unix.PRIO_PROCESS, 0); err == nil && 20-has >= nice { // the call counts from 20 down
		return
	}
	_ = unix.Setpgid(0, 0) // fails where it leads a session: then it leads a group too
	if unix.Getpgrp() != os.Getpid() {
		note(conf, "priority: no group of its own")
		return
	}
	if err := unix.Setpriority(unix.PRIO_PGRP, 0, nice); err != nil {
		note(conf, "priority: "+err.Error())
	}
}

func note(conf *confinement, what string) { conf.Missing = append(conf.Missing, what) }
