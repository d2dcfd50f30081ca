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
	dataArg0   = 16 // low half of the first argument
)

// forbidden are the system calls that a worker never needs and a guest that broke out would want.
func forbidden() []uint32 {
	return append([]uint32{
		unix.SYS_SOCKET, unix.SYS_SOCKETPAIR, unix.SYS_CONNECT, unix.SYS_BIND, unix.SYS_LISTEN, unix.SYS_ACCEPT,
		unix.SYS_ACCEPT4, unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_EXECVE,
		unix.SYS_EXECVEAT, unix.SYS_CLONE3, unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_KEYCTL, unix.SYS_ADD_KEY,
		unix.SYS_REQUEST_KEY, unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_UNSHARE,
		unix.SYS_SETNS, unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD,
		unix.SYS_USERFAULTFD, unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
		unix.SYS_PIDFD_OPEN, unix.SYS_PIDFD_GETFD, unix.SYS_PIDFD_SEND_SIGNAL, unix.SYS_NAME_TO_HANDLE_AT,
		unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_REBOOT, unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_PERSONALITY,
		unix.SYS_SETRLIMIT, unix.SYS_PRLIMIT64, unix.SYS_TKILL, unix.SYS_RT_SIGQUEUEINFO, unix.SYS_RT_TGSIGQUEUEINFO,
	}, forbiddenHere()...)
}

// filter builds the program: another architecture's calls kill, forbidden ones fail with EPERM (clone3 with ENOSYS,
// so that a C library falls back), new processes and signals to others fail, threads are allowed.
func filter(pid uint32) []unix.SockFilter {
	stmt := func(code uint16, k uint32) unix.SockFilter { return unix.SockFilter{Code: code, K: k} }
	jump := func(op uint16, k uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | op | unix.BPF_K, Jt: yes, Jf: no, K: k}
	}
	load := func(off uint32) unix.SockFilter { return stmt(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, off) }
	ret := func(v uint32) unix.SockFilter { return stmt(unix.BPF_RET|unix.BPF_K, v) }
	errno := func(e unix.Errno) uint32 { return unix.SECCOMP_RET_ERRNO | uint32(e) }

	p := []unix.SockFilter{
		load(dataArch), jump(unix.BPF_JEQ, auditArch, 1, 0), ret(unix.SECCOMP_RET_KILL_PROCESS),
		load(dataNumber),
	}
	p = append(p, foreignCalls(jump, ret)...)
	// only fails a call with EPERM unless a test of its first argument holds.
	only := func(nr uint32, op uint16, arg uint32) {
		p = append(p, jump(unix.BPF_JEQ, nr, 0, 4),
			load(dataArg0), jump(op, arg, 1, 0), ret(errno(unix.EPERM)), ret(unix.SECCOMP_RET_ALLOW))
	}
	only(unix.SYS_CLONE, unix.BPF_JSET, unix.CLONE_THREAD)
	only(unix.SYS_KILL, unix.BPF_JEQ, pid) // Go signals its own threads
	only(unix.SYS_TGKILL, unix.BPF_JEQ, pid)
	for _, nr := range forbidden() {
		e := unix.EPERM
		if nr == unix.SYS_CLONE3 {
			e = unix.ENOSYS
		}
		p = append(p, jump(unix.BPF_JEQ, nr, 0, 1), ret(errno(e)))
	}
	return append(p, ret(unix.SECCOMP_RET_ALLOW))
}

// confineCalls puts the filter on all threads.
func confineCalls(conf *wire.Confinement) {
	prog := filter(uint32(os.Getpid()))
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&fprog))) //nolint:gosec // the call's own way
	if errno != 0 {
		note(conf, fmt.Sprintf("seccomp: %v", errno))
		return
	}
	conf.Seccomp = true
}
