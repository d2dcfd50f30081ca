package worker

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// Error numbers of WASI.
const (
	wasiOK     = 0
	wasiBadf   = 8
	wasiFault  = 21
	wasiInval  = 28
	wasiNosys  = 52
	maxPollSub = 4096
)

// The guest's clock: it begins at a fixed instant and moves by a step with every look at it.
const (
	clockEpoch = 1_577_836_800_000_000_000 // 2020-01-01T00:00:00Z
	clockInit  = 1_000_000_000             // monotonic, while the module initialises
	clockRun   = 2_000_000_000             // monotonic, when a call begins
	clockStep  = 1_000
)

// i32 and i64 shorten the signatures below.
const (
	i32 = api.ValueTypeI32
	i64 = api.ValueTypeI64
)

// closedWASI lists the functions of which a guest only learns that there is nothing behind them, by their
// parameters: files, sockets, signals.
func closedWASI() map[string][]api.ValueType {
	t := func(v ...api.ValueType) []api.ValueType { return v }
	return map[string][]api.ValueType{
		"fd_advise": t(i32, i64, i64, i32), "fd_allocate": t(i32, i64, i64), "fd_close": t(i32), "fd_datasync": t(i32),
		"fd_fdstat_get": t(i32, i32), "fd_fdstat_set_flags": t(i32, i32), "fd_fdstat_set_rights": t(i32, i64, i64),
		"fd_filestat_get": t(i32, i32), "fd_filestat_set_size": t(i32, i64),
		"fd_filestat_set_times": t(i32, i64, i64, i32), "fd_pread": t(i32, i32, i32, i64, i32),
		"fd_prestat_get": t(i32, i32), "fd_prestat_dir_name": t(i32, i32, i32),
		"fd_pwrite": t(i32, i32, i32, i64, i32), "fd_read": t(i32, i32, i32, i32),
		"fd_readdir": t(i32, i32, i32, i64, i32), "fd_renumber": t(i32, i32), "fd_seek": t(i32, i64, i32, i32),
		"fd_sync": t(i32), "fd_tell": t(i32, i32), "path_create_directory": t(i32, i32, i32),
		"path_filestat_get":       t(i32, i32, i32, i32, i32),
		"path_filestat_set_times": t(i32, i32, i32, i32, i64, i64, i32),
		"path_link":               t(i32, i32, i32, i32, i32, i32, i32),
		"path_open":               t(i32, i32, i32, i32, i32, i64, i64, i32, i32),
		"path_readlink":           t(i32, i32, i32, i32, i32, i32), "path_remove_directory": t(i32, i32, i32),
		"path_rename": t(i32, i32, i32, i32, i32, i32), "path_symlink": t(i32, i32, i32, i32, i32),
		"path_unlink_file": t(i32, i32, i32), "sock_accept": t(i32, i32, i32),
		"sock_recv": t(i32, i32, i32, i32, i32, i32), "sock_send": t(i32, i32, i32, i32, i32),
		"sock_shutdown": t(i32, i32), "proc_raise": t(i32),
	}
}

// instantiateWASI offers the closed stub of WASI.
func (h *host) instantiateWASI(ctx context.Context, rt wazero.Runtime) error {
	b := rt.NewHostModuleBuilder(abi.WASIModule)
	result := []api.ValueType{i32}
	export := func(name string, params, results []api.ValueType, f func(mem []byte, stack []uint64)) {
		b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(_ context.Context, m api.Module, stack []uint64) {
			f(memoryOf(m), stack)
		}), params, results).Export(name)
	}
	for name, params := range closedWASI() {
		errno := uint64(wasiBadf)
		if name == "proc_raise" {
			errno = wasiNosys
		}
		export(name, params, result, func(_ []byte, stack []uint64) { stack[0] = errno })
	}
	for _, name := range []string{"args_sizes_get", "environ_sizes_get"} {
		export(name, []api.ValueType{i32, i32}, result, func(mem []byte, stack []uint64) {
			stack[0] = putU32(mem, 0, uint32(stack[0]), uint32(stack[1]))
		})
	}
	for _, name := range []string{"args_get", "environ_get"} {
		export(name, []api.ValueType{i32, i32}, result, func(_ []byte, stack []uint64) { stack[0] = wasiOK })
	}
	export("sched_yield", nil, result, func(_ []byte, stack []uint64) { stack[0] = wasiOK })
	export("clock_res_get", []api.ValueType{i32, i32}, result, func(mem []byte, stack []uint64) {
		stack[0] = putU64(mem, uint32(stack[1]), clockStep)
	})
	export("clock_time_get", []api.ValueType{i32, i64, i32}, result, h.clockTimeGet)
	export("random_get", []api.ValueType{i32, i32}, result, h.randomGet)
	export("fd_write", []api.ValueType{i32, i32, i32, i32}, result, h.fdWrite)
	export("poll_oneoff", []api.ValueType{i32, i32, i32, i32}, result, h.pollOneoff)
	export("proc_exit", []api.ValueType{i32}, nil, func(_ []byte, stack []uint64) {
		h.call.exited, h.call.exitCode = true, uint32(stack[0])
		panic(errEnd)
	})
	if _, err := b.Instantiate(ctx); err != nil {
		return fmt.Errorf("offer %s: %w", abi.WASIModule, err)
	}
	return nil
}

func (h *host) clockTimeGet(mem []byte, stack []uint64) {
	id, ptr := uint32(stack[0]), uint32(stack[2])
	h.call.clock += clockStep
	now := h.call.clock
	if id == 0 {
		now += clockEpoch
	}
	stack[0] = putU64(mem, ptr, now)
}

func (h *host) randomGet(mem []byte, stack []uint64) {
	b := slice(mem, uint32(stack[0]), uint32(stack[1]))
	if b == nil {
		stack[0] = wasiFault
		return
	}
	_, _ = h.call.random.Read(b) // never fails
	stack[0] = wasiOK
}

// fdWrite makes log lines of what the guest writes to stdout and stderr.
func (h *host) fdWrite(mem []byte, stack []uint64) {
	fd, iovs, n, out := uint32(stack[0]), uint32(stack[1]), uint32(stack[2]), uint32(stack[3])
	if fd != 1 && fd != 2 {
		stack[0] = wasiBadf
		return
	}
	vec := slice64(mem, uint64(iovs), uint64(n)*8)
	if vec == nil {
		stack[0] = wasiFault
		return
	}
	var total uint32
	for ; len(vec) >= 8; vec = vec[8:] {
		size := binary.LittleEndian.Uint32(vec[4:])
		b := slice(mem, binary.LittleEndian.Uint32(vec), size)
		if b == nil {
			stack[0] = wasiFault
			return
		}
		h.call.output(b)
		total += size
	}
	stack[0] = putU32(mem, total, out)
}

// pollOneoff moves the clock on to the earliest time asked for and returns at once. Descriptors are never ready.
func (h *host) pollOneoff(mem []byte, stack []uint64) {
	in, out, n, count := uint32(stack[0]), uint32(stack[1]), uint32(stack[2]), uint32(stack[3])
	if n == 0 || n > maxPollSub {
		stack[0] = wasiInval
		return
	}
	subs, events := slice64(mem, uint64(in), uint64(n)*48), slice64(mem, uint64(out), uint64(n)*32)
	if subs == nil || events == nil {
		stack[0] = wasiFault
		return
	}
	start := h.call.clock
	due := func(sub []byte) uint64 {
		at := binary.LittleEndian.Uint64(sub[24:])
		absolute := binary.LittleEndian.Uint16(sub[40:])&1 != 0
		if realtime := binary.LittleEndian.Uint32(sub[16:]) == 0; absolute && realtime {
			at -= min(at, clockEpoch)
		}
		if !absolute {
			at += min(start, 1<<64-1-at)
		}
		return at
	}
	earliest := uint64(1<<64 - 1)
	for i := range int(n) {
		if sub := subs[i*48:]; sub[8] == 0 {
			earliest = min(earliest, due(sub))
		}
	}
	if earliest != 1<<64-1 {
		h.call.clock = max(h.call.clock, earliest)
	}
	done := uint32(0)
	for i := range int(n) {
		sub := subs[i*48 : i*48+48]
		if sub[8] == 0 && due(sub) > h.call.clock {
			continue
		}
		ev := events[done*32 : done*32+32]
		clear(ev)
		copy(ev, sub[:8])
		if ev[10] = sub[8]; sub[8] != 0 {
			ev[8] = wasiBadf
		}
		done++
	}
	stack[0] = putU32(mem, done, count)
}

func putU32(mem []byte, v uint32, at ...uint32) uint64 {
	for _, p := range at {
		b := slice(mem, p, 4)
		if b == nil {
			return wasiFault
		}
		binary.LittleEndian.PutUint32(b, v)
	}
	return wasiOK
}

func putU64(mem []byte, at uint32, v uint64) uint64 {
	b := slice(mem, at, 8)
	if b == nil {
		return wasiFault
	}
	binary.LittleEndian.PutUint64(b, v)
	return wasiOK
}

// slice gives n bytes of guest memory at ptr, nil if they do not lie in it.
func slice(mem []byte, ptr, n uint32) []byte { return slice64(mem, uint64(ptr), uint64(n)) }

// slice64 is slice for lengths that were multiplied: the sum is made in 64 bits and cannot wrap.
func slice64(mem []byte, ptr, n uint64) []byte {
	if ptr+n < ptr || ptr+n > uint64(len(mem)) {
		return nil
	}
	return mem[ptr : ptr+n : ptr+n]
}

func memoryOf(m api.Module) []byte {
	mem := m.Memory()
	if mem == nil {
		return nil
	}
	b, _ := mem.Read(0, mem.Size())
	return b
}
