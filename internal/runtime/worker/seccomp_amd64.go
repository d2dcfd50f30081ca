package worker

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_X86_64

// x32Bit marks calls of the x32 ABI, which share the architecture.
const x32Bit = 0x40000000

func allowedHere() []uint32 { return []uint32{unix.SYS_EPOLL_WAIT, unix.SYS_TIME} }

func allowedFilesHere() []uint32 { return []uint32{unix.SYS_NEWFSTATAT} }

func foreignCalls(
	jump func(op uint16, k uint32, yes, no uint8) unix.SockFilter, ret func(v uint32) unix.SockFilter,
) []unix.SockFilter {
	return []unix.SockFilter{jump(unix.BPF_JSET, x32Bit, 0, 1), ret(unix.SECCOMP_RET_KILL_PROCESS)}
}
