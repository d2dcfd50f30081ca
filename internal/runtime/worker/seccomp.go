package worker

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/wayside-edge/wayside/internal/runtime/wire"
)

// Offsets in struct seccomp_data.
const (
	dataNumber = 0
	dataArch   = 4
	dataArgs   = 16 // each argument has 8 bytes, the low half first
)

// allowed are the system calls that every worker may make: what Go's runtime needs to schedule, collect and sleep, the
// engine for a guest's memory, and reading and writing what is open. A call that is not listed fails with EPERM, so
// that none which a later kernel brings is open until somebody thought of it. Those that stand in conditional are not
// listed here.
func allowed() []uint32 {
	return append([]uint32{
		unix.SYS_FUTEX, unix.SYS_READ, unix.SYS_WRITE, unix.SYS_PREAD64, unix.SYS_PWRITE64, unix.SYS_SENDMSG, unix.SYS_RECVMSG,
		unix.SYS_MADVISE, unix.SYS_MUNMAP, unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_CLOCK_GETTIME,
		unix.SYS_GETTIMEOFDAY, unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY, unix.SYS_GETCPU, unix.SYS_GETPID,
		unix.SYS_GETTID, unix.SYS_GETRANDOM, unix.SYS_CLOSE, unix.SYS_FSTAT, unix.SYS_LSEEK, unix.SYS_READV, unix.SYS_WRITEV,
		unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EPOLL_PWAIT2, unix.SYS_EVENTFD2,
		unix.SYS_MEMFD_CREATE, // messages larger than a packet
		unix.SYS_FTRUNCATE,    // a sub-file that is dropped gives its space back; what may be cut may be overwritten too
		unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK, unix.SYS_RESTART_SYSCALL,
		unix.SYS_EXIT, unix.SYS_EXIT_GROUP, unix.SYS_MINCORE, unix.SYS_BRK, unix.SYS_TIMER_CREATE, unix.SYS_TIMER_SETTIME,
		unix.SYS_TIMER_DELETE, unix.SYS_SETITIMER,
		// Threads of a C library, which is there where the race detector is.
		unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ, unix.SYS_SET_TID_ADDRESS, unix.SYS_MREMAP,
	}, allowedHere()...)
}

// allowedFiles are those that a compile worker needs beside them, for its folder: which paths, is Landlock's business.
// None of them changes what others may do with a file, which Landlock does not look at.
func allowedFiles() []uint32 {
	return append([]uint32{
		unix.SYS_OPENAT, unix.SYS_GETDENTS64, unix.SYS_MKDIRAT, unix.SYS_UNLINKAT, unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2,
		unix.SYS_FSYNC, unix.SYS_FDATASYNC,
	}, allowedFilesHere()...)
}

// condition lets a call through by one of its arguments.
type condition struct {
	nr     uint32
	arg    int
	op     uint16 // BPF_JEQ: the argument is one of values; BPF_JSET: it has one of their bits
	values []uint32
	unless bool // the call is let through where the test does not hold
}

// conditional are the calls that are harmless with some arguments only. code says that the worker makes no more machine
// code: a decode worker has loaded its module, an unpack worker has none, so that nothing which a guest or an archive
// writes can become executable.
func conditional(pid uint32, code bool) []condition {
	out := []condition{
		{nr: unix.SYS_CLONE, op: unix.BPF_JSET, values: []uint32{unix.CLONE_THREAD}},
		{nr: unix.SYS_KILL, op: unix.BPF_JEQ, values: []uint32{pid}}, // Go signals itself
		{nr: unix.SYS_TGKILL, op: unix.BPF_JEQ, values: []uint32{pid}},
		// Not F_SETOWN and its like, which have the kernel send signals.
		{nr: unix.SYS_FCNTL, arg: 1, op: unix.BPF_JEQ, values: []uint32{
			unix.F_DUPFD, unix.F_GETFD, unix.F_SETFD, unix.F_GETFL, unix.F_SETFL, unix.F_DUPFD_CLOEXEC,
		}},
	}
	for _, nr := range []uint32{unix.SYS_MMAP, unix.SYS_MPROTECT} {
		c := condition{nr: nr, arg: 2, op: unix.BPF_JSET, unless: true}
		if code {
			c.values = []uint32{unix.PROT_EXEC}
		}
		out = append(out, c)
	}
	return out
}

// filter builds the program: another architecture's calls kill, what is not allowed fails with EPERM (clone3 with
// ENOSYS, so that a C library falls back).
func filter(role wire.Role, pid uint32) []unix.SockFilter {
	stmt := func(code uint16, k uint32) unix.SockFilter { return unix.SockFilter{Code: code, K: k} }
	jump := func(op uint16, k uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | op | unix.BPF_K, Jt: yes, Jf: no, K: k}
	}
	load := func(off uint32) unix.SockFilter { return stmt(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, off) }
	ret := func(v uint32) unix.SockFilter { return stmt(unix.BPF_RET|unix.BPF_K, v) }
	refuse := func(e unix.Errno) unix.SockFilter { return ret(unix.SECCOMP_RET_ERRNO | uint32(e)) }

	p := []unix.SockFilter{
		load(dataArch), jump(unix.BPF_JEQ, auditArch, 1, 0), ret(unix.SECCOMP_RET_KILL_PROCESS),
		load(dataNumber),
	}
	p = append(p, foreignCalls(jump, ret)...)
	calls := allowed()
	if role == wire.RoleCompile {
		calls = append(calls, allowedFiles()...)
	}
	for _, nr := range calls {
		p = append(p, jump(unix.BPF_JEQ, nr, 0, 1), ret(unix.SECCOMP_RET_ALLOW))
	}
	for _, c := range conditional(pid, role != wire.RoleCompile) {
		hit, miss := ret(unix.SECCOMP_RET_ALLOW), refuse(unix.EPERM)
		if c.unless {
			hit, miss = miss, hit
		}
		block := []unix.SockFilter{load(uint32(dataArgs + 8*c.arg))}
		for _, v := range c.values {
			block = append(block, jump(c.op, v, 0, 1), hit)
		}
		block = append(block, miss)
		p = append(append(p, jump(unix.BPF_JEQ, c.nr, 0, uint8(len(block)))), block...)
	}
	return append(p, jump(unix.BPF_JEQ, unix.SYS_CLONE3, 0, 1), refuse(unix.ENOSYS), refuse(unix.EPERM))
}

// confineCalls puts the filter on all threads. It is the last thing that shuts a worker in.
func confineCalls(conf *confinement, role wire.Role) {
	if conf.shut != nil {
		conf.shut(false)
		defer conf.shut(true)
	}
	prog := filter(role, uint32(os.Getpid()))
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&fprog))) //nolint:gosec // the call's own way
	if errno != 0 {
		note(conf, fmt.Sprintf("seccomp: %v", errno))
		return
	}
	conf.Seccomp = true
}
