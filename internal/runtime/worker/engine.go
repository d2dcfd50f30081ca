package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/wayside-edge/wayside/internal/runtime/wire"
	"github.com/wayside-edge/wayside/internal/zone"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// engine runs instances of one module, one at a time.
type engine struct {
	rt          wazero.Runtime
	code        wazero.CompiledModule
	host        host
	alloc       *allocator
	initialised bool
}

// engineOptions say how an engine is made.
type engineOptions struct {
	cacheDir    string // of compiled code; "" = none; the interpreter does not use it
	interpreter bool
	stoppable   bool // a call ends when its context does: costs time in every loop
	memoryMiB   int
	initialised bool
}

// newEngine compiles a module, or loads it from the cache.
func newEngine(ctx context.Context, wasm []byte, opt engineOptions) (*engine, error) {
	cfg := wazero.NewRuntimeConfigCompiler()
	if opt.interpreter {
		cfg = wazero.NewRuntimeConfigInterpreter()
	}
	if opt.cacheDir != "" && !opt.interpreter {
		cache, err := wazero.NewCompilationCacheWithDir(opt.cacheDir)
		if err != nil {
			return nil, fmt.Errorf("open compile cache: %w", err)
		}
		cfg = cfg.WithCompilationCache(cache)
	}
	cfg = cfg.WithCloseOnContextDone(opt.stoppable)
	// The limit of memory is the allocator's: wazero's own would hide a refused growth.
	e := &engine{
		rt:    wazero.NewRuntimeWithConfig(ctx, cfg.WithCoreFeatures(api.CoreFeaturesV2).WithDebugInfoEnabled(false)),
		alloc: newAllocator(opt.memoryMiB), initialised: opt.initialised,
	}
	err := e.host.instantiateWASI(ctx, e.rt)
	if err == nil {
		err = e.host.instantiateABI(ctx, e.rt)
	}
	if err == nil {
		e.code, err = e.rt.CompileModule(ctx, wasm)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("compile: %w", err), e.rt.Close(ctx))
	}
	return e, nil
}

func (e *engine) close(ctx context.Context) error {
	err := e.rt.Close(ctx)
	e.alloc.close()
	if err != nil {
		return fmt.Errorf("close engine: %w", err)
	}
	return nil
}

// instantiate makes a fresh instance for c and initialises it unless the module already is.
func (e *engine) instantiate(ctx context.Context, c *call) (api.Module, error) {
	e.host.call, e.alloc.refused = c, false
	cfg := wazero.NewModuleConfig().WithName("").WithStartFunctions()
	m, err := e.rt.InstantiateModule(experimental.WithMemoryAllocator(ctx, e.alloc), e.code, cfg)
	if err != nil {
		return nil, fmt.Errorf("instantiate: %w", err)
	}
	if e.initialised {
		return m, nil
	}
	if f := m.ExportedFunction(abi.ExportInitialize); f != nil {
		if _, err := f.Call(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", abi.ExportInitialize, err), m.Close(ctx))
		}
	}
	return m, nil
}

// run calls an exported function of a fresh instance. prepare is called between the initialisation and the call.
func (e *engine) run(ctx context.Context, c *call, export string, prepare func()) (ret int32, err error) {
	m, err := e.instantiate(ctx, c)
	if err != nil {
		return 0, err
	}
	defer m.Close(ctx)
	f := m.ExportedFunction(export)
	if f == nil {
		return 0, fmt.Errorf("the module does not export %s", export)
	}
	prepare()
	res, err := f.Call(ctx)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", export, err)
	}
	if len(res) == 1 {
		ret = int32(uint32(res[0]))
	}
	return ret, nil
}

// session is a decode worker: one module, one decode after the other.
type session struct {
	setup  *wire.Setup
	engine *engine
	sock   *wire.Conn
	page   *wire.Page
	keep   pools
	heap   heap
}

func (s *session) newCall(in input) *call {
	c := newCall(modeInit)
	c.in, c.page = in, s.page
	for _, name := range s.setup.Capabilities {
		c.seek = c.seek || name == abi.CapSeek
		c.child = c.child || name == abi.CapChild
	}
	return c
}

// decode runs one decode and tells the serving process how it ended.
func (s *session) decode(ctx context.Context, job *wire.Decode, input *os.File) error {
	begin := time.Now()
	defer func() {
		s.page.SetPhase(wire.PhaseIdle)
		s.heap.after(time.Since(begin))
	}()
	s.page.Begin()
	log := func(level int, text string) { _ = s.sock.Send(wire.KindLog, wire.Log{Level: level, Text: text}) }
	_, done, err := s.perform(ctx, job, input, &passed{sock: s.sock}, log)
	if err != nil {
		return err
	}
	// Who is told of the end may look whether the recording is let go of.
	if err := input.Close(); err != nil {
		return fmt.Errorf("close the input: %w", err)
	}
	if err := s.sock.Send(wire.KindDone, done); err != nil {
		return fmt.Errorf("report the end of a decode: %w", err)
	}
	return nil
}

// perform runs a decode into an outlet and gives how the instance and the decode ended.
func (s *session) perform(
	ctx context.Context, job *wire.Decode, input *os.File, to outlet, log func(level int, text string),
) (*call, wire.Done, error) {
	in, err := newInput(input, job)
	if err != nil {
		return nil, wire.Done{}, err
	}
	c := s.newCall(in)
	if c.params, err = parseParams(job.Params); err != nil {
		return nil, wire.Done{}, err
	}
	c.logLeft, c.log = job.LogBytes, log
	c.out = newOutput(job, s.setup.Tables, to, s.page, &s.keep)
	if job.Timezone != "" {
		if c.out.zone, err = zone.Load(job.Timezone); err != nil {
			return nil, wire.Done{}, fmt.Errorf("prepare a decode: %w", err)
		}
	}
	go c.out.encode() // ends with finish below

	ret, ended := s.engine.run(ctx, c, abi.ExportDecode, func() { c.start(modeDecode, job.SHA256) })
	c.ended = ended
	c.flushLine()
	c.reportUnopened(ended, ret)
	c.endChildren(ended == nil && ret == abi.DecodeOK && c.fatal == nil && job.Cut == nil)
	c.reportNotes(job)
	done := wire.Done{Tables: c.out.finish(), Read: c.in.read, Stopped: c.out.repeated}
	done.Infos, done.Warnings, done.Errors = c.out.issues.infos, c.out.issues.warnings, c.out.issues.errors
	done.Failed = c.broken
	if f := c.out.fault.Load(); f != nil {
		done.Failed = f
	}
	if done.Failed == nil {
		done.Verdict = c.outcome(ended, ret, s.engine.alloc.refused)
	}
	done.Recycle = ended != nil || c.broken != nil || c.end != nil
	return c, done, nil //nolint:nilerr // how the guest ended is no failure of the decode
}

// sniff asks the module how likely a file is its own.
func (s *session) sniff(ctx context.Context, job *wire.Sniff, input *os.File) error {
	s.page.Begin()
	defer s.page.SetPhase(wire.PhaseIdle)
	c := s.newCall(onePart(input, "", job.Size))
	ret, err := s.engine.run(ctx, c, abi.ExportSniff, func() { c.start(modeSniff, job.SHA256) })
	if err != nil {
		ret = 0
	}
	if err := s.sock.Send(wire.KindSniffed, wire.Sniffed{Score: int(min(max(ret, 0), 100)), Recycle: err != nil}); err != nil {
		return fmt.Errorf("report a sniff: %w", err)
	}
	return nil
}
