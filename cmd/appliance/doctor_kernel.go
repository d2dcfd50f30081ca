package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Landlock ABI versions that bring what workers use.
const (
	landlockTCP   = 4 // forbid TCP
	landlockScope = 6 // forbid signals and abstract sockets outside
)

// lowMemory is the memory limit below which the appliance cannot keep what it promises.
const lowMemory = 384 << 20

// kernel is what the running kernel offers.
type kernel struct {
	release  string
	landlock int // ABI version, 0 = none
	seccomp  bool
	memory   int64 // limit of this process's control group in bytes, 0 = none or not known
	cgroup   bool  // control groups version 2 with the memory controller
}

// hostKernel asks the kernel.
func hostKernel() kernel {
	var k kernel
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		k.release = unix.ByteSliceToString(name.Release[:])
	}
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno == 0 {
		k.landlock = int(abi)
	}
	actions, err := os.ReadFile("/proc/sys/kernel/seccomp/actions_avail")
	k.seccomp = err == nil && strings.Contains(string(actions), "errno")
	k.cgroup, k.memory = cgroupMemory("/proc/self/cgroup", "/sys/fs/cgroup")
	return k
}

// cgroupMemory finds the tightest memory limit above this process in the unified hierarchy.
func cgroupMemory(self, mount string) (found bool, limit int64) {
	data, err := os.ReadFile(self)
	if err != nil {
		return false, 0
	}
	group := ""
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			group = rest
		}
	}
	for dir := filepath.Join(mount, filepath.Clean("/"+group)); strings.HasPrefix(dir, mount); dir = filepath.Dir(dir) {
		text, err := os.ReadFile(filepath.Join(dir, "memory.max"))
		if err != nil {
			continue
		}
		found = true
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && (limit == 0 || n < limit) {
			limit = n
		}
	}
	if !found {
		controllers, err := os.ReadFile(filepath.Join(mount, "cgroup.controllers"))
		found = err == nil && strings.Contains(" "+strings.TrimSpace(string(controllers))+" ", " memory ")
	}
	return found, limit
}

// checkKernel says what of the workers' confinement this kernel can do.
func checkKernel(k kernel) []finding {
	var findings []finding
	switch {
	case k.landlock >= landlockScope:
		findings = append(findings, ok("landlock", "ABI %d: decoders reach no file, no TCP, no process outside", k.landlock))
	case k.landlock >= landlockTCP:
		findings = append(findings, warn("landlock", "Linux 6.12 or later has it",
			"ABI %d: decoders reach no file and no TCP; signals to other processes of this user are not barred", k.landlock))
	case k.landlock > 0:
		findings = append(findings, warn("landlock", "Linux 6.7 or later has the rest",
			"ABI %d: decoders reach no file; TCP is barred by seccomp alone", k.landlock))
	default:
		findings = append(findings, warn("landlock",
			"use Linux 5.13 or later with landlock in the lsm= list, and a unit that allows the three landlock calls",
			"not available on kernel %s: decoders are confined by the sandbox and seccomp alone", k.release))
	}
	if k.seccomp {
		findings = append(findings, ok("seccomp", "available"))
	} else {
		findings = append(findings, warn("seccomp", "use a kernel with CONFIG_SECCOMP_FILTER", "not available: decoders can make any system call of their user"))
	}
	switch {
	case k.memory > 0 && k.memory < lowMemory:
		findings = append(findings, warn("memory", "raise MemoryMax of the unit or the container's limit",
			"the control group's limit is %d MiB; the appliance needs up to 256 MiB and what caches are configured", k.memory>>20))
	case k.memory > 0:
		findings = append(findings, ok("memory", "the control group's limit is %d MiB", k.memory>>20))
	case k.cgroup:
		findings = append(findings, ok("memory", "control groups count memory; no limit is set"))
	default:
		findings = append(findings, ok("memory", "no limit by control groups of version 2"))
	}
	return findings
}
