// Package worker is the child's side of the plugin runtime: the process that compiles or runs a decoder, shut in as
// far as the kernel allows, and that encodes what the decoder emits.
//
// It is apart from package runtime, which never imports it, so that the serving process has neither the engine nor a
// way to run a guest. A worker has one role for its life: a compile worker checks, initialises and compiles one
// module and ends; a decode worker loads one module and runs it on one file after the other, each in an instance of
// its own; an unpack worker unwraps one file after the other.
//
// Goroutines: the main one, locked to nothing, runs the guest; for the length of a decode an encoder's goroutine
// writes the tables, and is joined before the decode's end is reported. Both send on the socket and,
// while a decode runs, ask for files: a lock is held from the question to its answer. Between decodes only the main one
// receives. There are no other locks beside the allocator's.
package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	goruntime "runtime"
	"runtime/debug"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/wayside-edge/wayside/internal/runtime/wire"
)

// processors is how many threads run Go code at a time: the guest's and the encoder's, or two of the compiler's.
const processors = 2

// Main runs a worker on the descriptors that package wire names and returns its exit code. It is to be called before
// anything else of the program starts. Errors go to stderr, which the serving process reads.
func Main() int {
	// Ctrl-C and a service manager's SIGTERM reach the whole group. The serving process decides when workers end: it
	// may still drain, and a worker that is gone by itself would look crashed.
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	if err := serve(context.Background(), wire.SocketFD, wire.PageFD, nil); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "worker:", err)
		return 1
	}
	return 0
}

// serve works until the serving process closes the socket. shut is called as
// confinement says; nil = nobody looks.
func serve(ctx context.Context, socketFD, pageFD int, shut func(filtered bool)) error {
	conf := confinement{shut: shut}
	confineEarly(&conf)
	sock := wire.Inherited(socketFD)
	unix.CloseOnExec(socketFD)
	unix.CloseOnExec(pageFD)
	page, err := wire.MapPage(pageFD)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	m, err := sock.Recv()
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer m.Close()
	var setup wire.Setup
	if err := m.Decode(&setup); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	goruntime.GOMAXPROCS(processors)
	debug.SetMemoryLimit(heapLimit(&setup))
	if setup.Role != wire.RoleCompile {
		lowerPriority(&conf, busyNice)
	}
	if m.Kind == wire.KindSetup && setup.Role == wire.RoleUnpack {
		confineResources(&conf, &setup)
		return unpackRole(sock, page, &setup, &conf)
	}
	file := m.TakeFile()
	if m.Kind != wire.KindSetup || file == nil {
		return fmt.Errorf("begin: %w", wire.ErrProtocol)
	}
	wasm, err := mapFile(file)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	confineResources(&conf, &setup)
	if setup.Role == wire.RoleCompile {
		return compileRole(ctx, sock, page, &setup, wasm, &conf)
	}
	return decodeRole(ctx, sock, page, &setup, wasm, &conf)
}

// heapLimit is the soft limit of this process's own heap. It comes with the first message, as a worker has no environment.
func heapLimit(setup *wire.Setup) int64 {
	if setup.HeapMiB <= 0 {
		return math.MaxInt64
	}
	return int64(setup.HeapMiB) << 20
}

// mapFile maps the module's file, so that workers of one plugin share its pages, and closes it.
func mapFile(f *os.File) ([]byte, error) {
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("look at module: %w", err)
	}
	b, err := unix.Mmap(int(f.Fd()), 0, int(st.Size()), unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("map module: %w", err)
	}
	return b, nil
}

func decodeRole(
	ctx context.Context, sock *wire.Conn, page *wire.Page, setup *wire.Setup, wasm []byte, conf *confinement,
) error {
	if setup.Sandbox {
		confineFiles(conf, readOnly(setup.Dir))
	}
	e, err := newEngine(ctx, wasm, engineOptions{
		cacheDir: setup.Dir, interpreter: setup.Interpreter, memoryMiB: setup.MemoryMiB, initialised: setup.Initialised,
	})
	ready := wire.Ready{}
	if err != nil {
		ready.Error = err.Error()
	} else {
		defer e.close(ctx)
	}
	if setup.Sandbox {
		confineFiles(conf)
		confineCalls(conf, wire.RoleDecode)
	}
	ready.Confinement = conf.Confinement
	if err := sock.Send(wire.KindReady, ready); err != nil {
		return fmt.Errorf("get ready: %w", err)
	}
	if ready.Error != "" {
		return nil
	}
	s := &session{setup: setup, engine: e, sock: sock, page: page}
	for {
		more, err := s.next(ctx)
		if err != nil || !more {
			return err
		}
	}
}

// next does what the serving process asks for; false = it has closed the socket.
func (s *session) next(ctx context.Context) (bool, error) {
	m, err := s.sock.Recv()
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("wait for work: %w", err)
	}
	defer m.Close()
	input := m.TakeFile()
	if input == nil {
		return false, fmt.Errorf("wait for work: %w", wire.ErrProtocol)
	}
	defer input.Close()
	switch m.Kind {
	case wire.KindDecode:
		var job wire.Decode
		if err := m.Decode(&job); err != nil {
			return false, fmt.Errorf("wait for work: %w", err)
		}
		return true, s.decode(ctx, &job, input)
	case wire.KindSniff:
		var job wire.Sniff
		if err := m.Decode(&job); err != nil {
			return false, fmt.Errorf("wait for work: %w", err)
		}
		return true, s.sniff(ctx, &job, input)
	default:
		return false, fmt.Errorf("wait for work: %w: kind %d", wire.ErrProtocol, m.Kind)
	}
}
