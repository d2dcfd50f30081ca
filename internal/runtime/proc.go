package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/wayside-edge/wayside/internal/runtime/wire"
)

const (
	// overheadMiB is what a worker needs beside its guest's memory: the Go runtime's arenas, the guest's stack (up to
	// 192 MiB were seen), batches and encoders.
	overheadMiB = 512
	// decodeHeapMiB and compileHeapMiB are the soft limits of a worker's own Go heap, beside guests and generated code. A
	// decode of a large recording into Parquet needs about 60 MiB: two workers under steady mixed load came to 272 MiB
	// of PSS with their server at 96 MiB, and took no less processor time than at 72 (18.5 and 17.6 s for 630 MB). The
	// compiler takes 150 MiB for a Go guest of 3 MiB and would spend its time collecting garbage with less.
	decodeHeapMiB  = 72
	compileHeapMiB = 512
	stderrTail     = 4 << 10
	stderrPatience = 5 * time.Second // for the end of a worker's stderr when the worker itself has ended
)

// launcher starts processes from one thread that lives as long as it does: the kernel kills a child when the thread
// that started it ends, and Go's threads come and go.
type launcher struct {
	reqs chan launch
	gone chan struct{} // closed when nothing is to be started any more
	once sync.Once
}

type launch struct {
	cmd  *exec.Cmd
	done chan error
}

func newLauncher() *launcher { return &launcher{reqs: make(chan launch), gone: make(chan struct{})} }

// run serves until ctx ends. Its children must have ended by then; those that have not are killed by the kernel.
func (l *launcher) run(ctx context.Context) {
	goruntime.LockOSThread() // never unlocked: the thread ends with this goroutine
	for {
		select {
		case r := <-l.reqs:
			r.done <- r.cmd.Start()
		case <-ctx.Done():
			return
		}
	}
}

// refuse makes every start from now on fail.
func (l *launcher) refuse() { l.once.Do(func() { close(l.gone) }) }

func (l *launcher) start(ctx context.Context, cmd *exec.Cmd) error {
	r := launch{cmd: cmd, done: make(chan error, 1)}
	select {
	case l.reqs <- r:
		return <-r.done
	case <-l.gone:
		return errShutdown()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// proc is a worker process. The goroutine that took it owns it; only kill may be called from elsewhere.
type proc struct {
	plugin string // id, for logs and metrics
	sha    string
	memory int // MiB of the guest
	cmd    *exec.Cmd
	sock   *wire.Conn
	page   *wire.Page
	stderr *tail
	exited chan struct{} // closed when the process has been reaped
	conf   wire.Confinement
	files  int
	since  time.Time // idle since
}

// startProc starts a worker and sends it its first message. ended is called once, from the process's own watcher
// goroutine, which dispose joins.
func startProc(ctx context.Context, cfg *Config, l *launcher, setup *wire.Setup, id string, module *os.File, ended func(*proc)) (*proc, error) {
	sock, childSock, err := wire.Pair()
	if err != nil {
		return nil, fmt.Errorf("start worker: %w", err)
	}
	defer childSock.Close()
	page, pageFile, err := wire.NewPage()
	if err != nil {
		_ = sock.Close()
		return nil, fmt.Errorf("start worker: %w", err)
	}
	defer pageFile.Close()
	p := &proc{plugin: id, sha: setup.SHA256, memory: setup.MemoryMiB, sock: sock, page: page, stderr: &tail{}, exited: make(chan struct{})}
	p.cmd = exec.Command(cfg.Self, "worker", string(setup.Role), id) //nolint:gosec,noctx // our own program; ended by kill
	p.cmd.Dir = "/"
	p.cmd.Env = []string{} // nothing of ours: not nil, which would be all of it
	p.cmd.Stderr, p.cmd.WaitDelay = p.stderr, stderrPatience
	p.cmd.ExtraFiles = []*os.File{childSock, pageFile}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := l.start(ctx, p.cmd); err != nil {
		_, _ = sock.Close(), page.Close()
		return nil, fmt.Errorf("start worker: %w", err)
	}
	go func() { // joined by dispose
		_ = p.cmd.Wait() // the state is in p.cmd.ProcessState
		close(p.exited)
		ended(p)
	}()
	var files []*os.File
	if module != nil { // an unpack worker has none
		files = append(files, module)
	}
	if err := sock.Send(wire.KindSetup, setup, files...); err != nil {
		p.dispose()
		return nil, fmt.Errorf("start worker: %w", p.death(err))
	}
	cfg.Recorder.WorkerStarted(id, string(setup.Role))
	return p, nil
}

// kill ends the process; its owner sees the socket close.
func (p *proc) kill() { _ = p.cmd.Process.Kill() }

// dispose ends the process and frees what belongs to it.
func (p *proc) dispose() {
	p.kill()
	// Before its end is waited for, which is not there while anything holds the other end of its stderr: it may be on its
	// way to us in a message that nobody reads.
	_ = p.sock.Close()
	<-p.exited
	_ = p.page.Close()
}

// alive reports whether the process has not been reaped yet.
func (p *proc) alive() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// death describes how a process that we did not kill ended, after its socket gave err.
func (p *proc) death(err error) error {
	if errors.Is(err, wire.ErrProtocol) {
		return err //nolint:wrapcheck // says what it is
	}
	select {
	case <-p.exited:
	case <-time.After(5 * time.Second): // it closed its socket and lives
		return fmt.Errorf("worker %d fell silent: %w", p.cmd.Process.Pid, err)
	}
	if said := p.stderr.String(); said != "" {
		return fmt.Errorf("worker %d ended with %s: %s", p.cmd.Process.Pid, p.cmd.ProcessState, said)
	}
	return fmt.Errorf("worker %d ended with %s", p.cmd.Process.Pid, p.cmd.ProcessState)
}

// spent gives the processor time of a process that has been reaped.
func (p *proc) spent() time.Duration {
	select {
	case <-p.exited:
		return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
	default:
		return 0
	}
}

// killed reports that a process that has been reaped ended by SIGKILL.
func (p *proc) killed() bool {
	select {
	case <-p.exited:
		st, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
		return ok && st.Signaled() && st.Signal() == syscall.SIGKILL
	default:
		return false
	}
}

// peak gives the most resident bytes that a process that has been reaped has had.
func (p *proc) peak() int64 {
	select {
	case <-p.exited:
		if u, ok := p.cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
			return u.Maxrss << 10
		}
	default:
	}
	return 0
}

// rss gives the resident bytes of the process, 0 if it has ended.
func (p *proc) rss() int64 {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// tail keeps what a worker writes to stderr first, where a dying Go program says why, and what it writes last.
type tail struct {
	mu   sync.Mutex
	head []byte
	buf  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := min(len(p), stderrTail/2-len(t.head))
	t.head = append(t.head, p[:n]...)
	if t.buf = append(t.buf, p[n:]...); len(t.buf) > 2*stderrTail {
		t.buf = append(t.buf[:0], t.buf[len(t.buf)-stderrTail:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	rest := t.buf[max(0, len(t.buf)-stderrTail/2):]
	between := ""
	if len(rest) < len(t.buf) {
		between = " … "
	}
	return string(bytes.TrimSpace(slices.Concat(t.head, []byte(between), rest)))
}
