package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/golden"
	"github.com/wayside-edge/wayside/internal/runtime/module"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// spentEvery is how often the processor time of an interpreter's run is looked at.
const spentEvery = 10 * time.Millisecond

// vetting decodes a module's golden vectors before it is installed: with the compiler, in the module as it will be
// used, and with the interpreter, in the module as it came. Both have to write the documents whose hashes stand in the
// manifest. A wrong translation by the compiler, a snapshot that is not the whole state, and a decoder that its author
// changed without looking at what it writes are found here.
type vetting struct {
	setup *wire.Setup
	sock  *wire.Conn
	page  *wire.Page
	wasm  []byte // as it came

	vectors []module.Vector
	wire.Golden
}

// begin tells the serving process what comes next, so that it knows where a module stopped that ends the worker.
func (v *vetting) begin(step wire.Step) error {
	if v.sock == nil { // nobody is told
		return nil
	}
	if err := v.sock.Send(wire.KindStep, wire.Begun{Step: step}); err != nil {
		return fmt.Errorf("begin %s: %w", step, err)
	}
	return nil
}

// ask asks the serving process for the decodes: it knows the schema of the parameters, and refuses vectors that do not
// fit the manifest.
func (v *vetting) ask(manifest []byte) error {
	if !v.setup.Golden {
		return nil
	}
	err := v.begin(wire.StepVectors)
	if err != nil {
		return err
	}
	if v.vectors, err = module.Vectors(v.wasm); err != nil {
		return err //nolint:wrapcheck // says what it is
	}
	if err := v.sock.Send(wire.KindVectors, wire.Vectors{Manifest: manifest}); err != nil {
		return fmt.Errorf("ask for golden vectors: %w", err)
	}
	m, err := v.sock.Recv()
	if err != nil {
		return fmt.Errorf("ask for golden vectors: %w", err)
	}
	defer m.Close()
	if m.Kind != wire.KindGolden {
		return fmt.Errorf("ask for golden vectors: %w: kind %d", wire.ErrProtocol, m.Kind)
	}
	if err := m.Decode(&v.Golden); err != nil {
		return fmt.Errorf("ask for golden vectors: %w", err)
	}
	if len(v.Jobs) != len(v.vectors) || len(v.Tests) != len(v.vectors) {
		return fmt.Errorf("ask for golden vectors: %w: %d decodes for %d vectors", wire.ErrProtocol, len(v.Jobs), len(v.vectors))
	}
	return nil
}

// run decodes the vectors and rejects the module where they come out differently. partly are those that the
// interpreter decoded in part only: see interpret.
func (v *vetting) run(ctx context.Context, compiled *engine) (partly []string, err error) {
	if len(v.vectors) == 0 {
		return nil, nil
	}
	if err := v.begin(wire.StepGolden); err != nil {
		return nil, err
	}
	interpreter, err := newEngine(ctx, v.wasm, engineOptions{interpreter: true, stoppable: true, memoryMiB: v.setup.MemoryMiB})
	if err != nil {
		return nil, errcode.Wrap(errcode.PluginRejected, err, "interpreter: "+err.Error())
	}
	defer interpreter.close(ctx)
	for i := range v.vectors {
		want, err := v.decode(ctx, compiled, i, "compiler")
		if err != nil {
			return nil, err
		}
		got, err := v.interpret(ctx, interpreter, i)
		if err != nil {
			return nil, err
		}
		if !got.whole {
			partly = append(partly, v.vectors[i].Name)
		}
		if err := v.judge(i, want, got); err != nil {
			return nil, err
		}
	}
	return partly, nil
}

// goldenRun is how one engine decoded a vector.
type goldenRun struct {
	doc   []byte
	out   *kept
	whole bool // it came to its end
	over  bool // the issues end with the host's line that there were more
}

// decode decodes vector i in an engine.
func (v *vetting) decode(ctx context.Context, e *engine, i int, engineName string) (*goldenRun, error) {
	name := v.vectors[i].Name
	doing := wire.Log{Level: int(slog.LevelDebug), Text: fmt.Sprintf("golden vector %q, %s", name, engineName)}
	if err := v.sock.Send(wire.KindLog, doing); err != nil {
		return nil, fmt.Errorf("golden vector %q: %w", name, err)
	}
	input, err := wire.MemFile("wayside-vector", v.vectors[i].Input)
	if err != nil {
		return nil, fmt.Errorf("golden vector %q: %w", name, err)
	}
	defer input.Close()
	s := &session{setup: &wire.Setup{Tables: v.Tables, Capabilities: v.Capabilities}, engine: e, page: v.page}
	s.page.Begin()
	out := newKept(v.Tables, abi.MaxGoldenBytes)
	c, done, err := s.perform(ctx, &v.Jobs[i], input, out, nil)
	if err != nil {
		return nil, fmt.Errorf("golden vector %q: %w", name, err)
	}
	if done.Failed != nil {
		return nil, errcode.Newf(errcode.PluginRejected, "golden vector %q, %s: %s", name, engineName, done.Failed.Message)
	}
	var end *golden.End
	if done.Verdict != nil {
		end = &golden.End{Code: string(done.Verdict.Code), Offset: done.Verdict.Offset}
	}
	doc := limited{left: abi.MaxGoldenBytes}
	if err := golden.Write(&doc, out.tables(), end); err != nil {
		return nil, errcode.Wrap(errcode.PluginRejected, err, fmt.Sprintf("golden vector %q, %s: %v", name, engineName, err))
	}
	return &goldenRun{doc: doc.Bytes(), out: out, whole: !cut(ctx, c), over: c.out.issues.over > 0}, nil
}

// interpret decodes vector i with the interpreter. That takes ten times as long as compiled code for the rail decoder
// and far longer in tight loops, and it allows 2,000 frames of calls only; neither makes a module a bad one. So each
// vector gets its share of half the processor time that compiling has left, and where that is over, or the frames are,
// the decode is cut: what it wrote until then has to be how the compiler's document begins.
func (v *vetting) interpret(ctx context.Context, e *engine, i int) (*goldenRun, error) {
	share := (time.Duration(v.setup.CPUSeconds)*time.Second - spent()) / 2 / time.Duration(len(v.vectors)-i)
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { // joined below
		defer close(ended)
		limit := spent() + share
		tick := time.NewTicker(spentEvery)
		defer tick.Stop()
		for spent() < limit {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
		cancel()
	}()
	run, err := v.decode(ctx, e, i, "interpreter")
	cancel()
	<-ended
	return run, err
}

// cut reports whether an interpreter's run ended for a reason that says nothing about the module.
func cut(ctx context.Context, c *call) bool {
	if c.ended == nil || c.exited || c.end != nil {
		return false
	}
	return ctx.Err() != nil || strings.Contains(firstLine(c.ended), "stack overflow")
}

// spent gives the processor time of this process, by a system call that a worker may make.
func spent() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// judge compares what the engines wrote with each other and with the manifest.
func (v *vetting) judge(i int, compiled, interpreted *goldenRun) error {
	name, test := v.vectors[i].Name, v.Tests[i]
	if diff := differ(compiled, interpreted); diff != "" {
		hint := ""
		switch test {
		case golden.Hash(compiled.doc):
			hint = "; the manifest has what the compiler wrote"
		case golden.Hash(interpreted.doc):
			hint = "; the manifest has what the interpreter wrote"
		}
		return errcode.Newf(errcode.PluginRejected, "golden vector %q: the interpreter (there is) differs from the compiler (expected)%s: %s",
			name, hint, diff)
	}
	if got := golden.Hash(compiled.doc); got != test {
		last := compiled.doc[bytes.LastIndexByte(compiled.doc[:len(compiled.doc)-1], '\n')+1:]
		return errcode.Newf(errcode.PluginRejected, "golden vector %q: its document has the hash %s, the manifest says %.64s; it ends with %.500s",
			name, got, test, bytes.TrimSpace(last))
	}
	return nil
}

// differ says where two runs begin to differ, "" if they do not.
func differ(compiled, interpreted *goldenRun) string {
	diff := golden.Diff(compiled.doc, interpreted.doc)
	if diff == "" || interpreted.whole {
		return strings.ReplaceAll(diff, "\n  ", " ")
	}
	for index := range interpreted.out.files {
		want, got := compiled.out.rows(index), interpreted.out.rows(index)
		if index == wire.IssuesTable && interpreted.over {
			got = got[:bytes.LastIndexByte(got[:len(got)-1], '\n')+1]
		}
		if !bytes.HasPrefix(want, got) {
			return fmt.Sprintf("table %s, %s", interpreted.out.name(index), strings.ReplaceAll(golden.Diff(want, got), "\n  ", " "))
		}
	}
	return ""
}

// tables gives what was written, as it stands in a golden document.
func (k *kept) tables() []golden.Table {
	out := make([]golden.Table, 0, len(k.schemas)+1)
	for i, s := range k.schemas {
		out = append(out, golden.Table{Name: s.Name, Rows: bytes.NewReader(k.rows(i))})
	}
	return append(out, golden.Table{Name: abi.ReservedTable, Rows: bytes.NewReader(k.rows(wire.IssuesTable))})
}

// name gives the name of a table.
func (k *kept) name(index int) string {
	if index < 0 || index >= len(k.schemas) {
		return abi.ReservedTable
	}
	return k.schemas[index].Name
}

// limited is a buffer that takes so many bytes and no more.
type limited struct {
	bytes.Buffer
	left int
}

var errDocumentFull = errors.New("a golden document may not be larger than 16 MiB")

func (l *limited) Write(p []byte) (int, error) {
	if len(p) > l.left {
		return 0, errDocumentFull
	}
	l.left -= len(p)
	return l.Buffer.Write(p) //nolint:wrapcheck // never fails
}
