package plugindev

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime"
	"github.com/wayside-edge/wayside/internal/runtime/golden"
	"github.com/wayside-edge/wayside/internal/runtime/module"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
	"github.com/wayside-edge/wayside/internal/table"
)

// shop is where one command runs modules: a temporary folder, and the hosts opened in it.
type shop struct {
	dir   string
	hosts []*host
}

func openShop(modules map[string][]byte) (*shop, error) {
	dir, err := os.MkdirTemp("", "wayside-plugin-")
	if err != nil {
		return nil, fmt.Errorf("make temporary folder: %w", err)
	}
	s := &shop{dir: dir}
	for _, sub := range []string{s.modules(), s.tables()} {
		if err := os.Mkdir(sub, 0o700); err != nil {
			return nil, errors.Join(fmt.Errorf("make temporary folder: %w", err), s.close())
		}
	}
	for name, b := range modules {
		if err := os.WriteFile(filepath.Join(s.modules(), name+wasmExt), b, 0o600); err != nil {
			return nil, errors.Join(fmt.Errorf("write temporary module: %w", err), s.close())
		}
	}
	return s, nil
}

func (s *shop) modules() string  { return filepath.Join(s.dir, "modules") }
func (s *shop) tables() string   { return filepath.Join(s.dir, "tables") }
func (s *shop) compiled() string { return filepath.Join(s.dir, "compiled") }

// close ends the hosts and removes the folder.
func (s *shop) close() error {
	var err error
	for _, h := range s.hosts {
		err = errors.Join(err, h.close())
	}
	if rerr := os.RemoveAll(s.dir); rerr != nil {
		err = errors.Join(err, fmt.Errorf("remove temporary folder: %w", rerr))
	}
	return err
}

// hostConfig says how a host runs its guests.
type hostConfig struct {
	interpreter bool
	workers     int // default min(cores, 4)
	limits      runtime.Limits
	log         io.Writer // takes the lines that decoders log; nil = nobody reads them
}

// host is a registry over the shop's modules and a pool of workers.
type host struct {
	reg    *runtime.Registry
	pool   *runtime.Pool
	tables string
	stop   context.CancelFunc
	wg     sync.WaitGroup
	errs   [2]error // of the two goroutines, read after wg
}

// open starts a host. What it compiles is shared with the others of the shop.
func (s *shop) open(ctx context.Context, cfg hostConfig) (*host, error) {
	conf := runtime.Config{
		// As built-in modules they are run as they are: their golden vectors are what is being worked on.
		Builtin: os.DirFS(s.modules()), CompiledDir: s.compiled(), Workers: cfg.workers, Limits: cfg.limits,
		Interpreter: cfg.interpreter, Sandbox: sandbox(), Logger: guestLog(cfg.log),
	}
	reg, err := runtime.OpenRegistry(ctx, conf)
	if err != nil {
		return nil, fmt.Errorf("open module: %w", err)
	}
	h := &host{reg: reg, pool: runtime.NewPool(reg, conf), tables: s.tables()}
	running, stop := context.WithCancel(context.WithoutCancel(ctx)) // until close: an interrupted decode ends in order
	h.stop = stop
	h.wg.Go(func() { h.errs[0] = reg.Run(running) })
	h.wg.Go(func() { h.errs[1] = h.pool.Run(running) })
	s.hosts = append(s.hosts, h)
	return h, nil
}

func (h *host) close() error {
	h.stop()
	h.wg.Wait()
	if err := errors.Join(h.errs[:]...); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// plugin waits until a module is compiled and describes it.
func (h *host) plugin(ctx context.Context, wasm []byte) (runtime.Plugin, error) {
	sha := module.Hash(wasm)
	if err := h.reg.Wait(ctx, sha); err != nil {
		return runtime.Plugin{}, fmt.Errorf("compile: %w", err)
	}
	for _, p := range h.reg.Plugins() {
		if p.SHA256 == sha {
			return p, nil
		}
	}
	return runtime.Plugin{}, errcode.New(errcode.PluginRejected, "another module has the same id")
}

// guest is a module that is run only where what is asked of it does not stand in its bytes.
type guest struct {
	wasm []byte // bare
	log  io.Writer
	shop *shop // nil = it has not been run
	host *host
}

func newGuest(b []byte) (*guest, error) {
	b, err := bare(b)
	return &guest{wasm: b}, err
}

func (g *guest) close() error {
	if g.shop == nil {
		return nil
	}
	return g.shop.close()
}

// run compiles the module, once.
func (g *guest) run(ctx context.Context) (p runtime.Plugin, err error) {
	if g.shop == nil {
		if g.shop, err = openShop(map[string][]byte{"module": g.wasm}); err != nil {
			return p, err
		}
		if g.host, err = g.shop.open(ctx, hostConfig{workers: 1, limits: devLimits(), log: g.log}); err != nil {
			return p, err
		}
	}
	return g.host.plugin(ctx, g.wasm)
}

// manifest gives the manifest as it stands in its section, or as the module gives it itself when asked in a compile worker.
func (g *guest) manifest(ctx context.Context) (json.RawMessage, error) {
	raw, err := module.EmbeddedManifest(g.wasm)
	if err != nil || raw != nil {
		return raw, err //nolint:wrapcheck // says what it is
	}
	if _, err := g.run(ctx); err != nil {
		return nil, fmt.Errorf("ask the module for its manifest: %w", err)
	}
	sha := module.Hash(g.wasm)
	rec, ok := wire.ReadRecord(filepath.Join(g.shop.compiled(), sha), sha)
	if !ok {
		return nil, errors.New("ask the module for its manifest: nothing was compiled")
	}
	return rec.Manifest, nil
}

// params checks parameters and gives them as the host gives them to the decoder: of the schema's types, with its defaults.
func (g *guest) params(ctx context.Context, given map[string]string) (json.RawMessage, error) {
	p, err := g.run(ctx)
	if err != nil {
		return nil, err
	}
	params, err := g.host.reg.Params(p.ID, given)
	if err != nil {
		return nil, fmt.Errorf("parameters: %w", err)
	}
	return params, nil
}

// way says how a decode is run.
type way struct {
	params json.RawMessage // canonical
	reads  wire.Reads
	form   table.Format // of the tables; "" = they are thrown away
	none   bool         // no table is encoded
}

// outcome is what became of a decode.
type outcome struct {
	result runtime.Result
	died   error // the worker ended without a verdict
	files  map[string]*os.File
}

// discard closes the tables.
func (o *outcome) discard() {
	for _, f := range o.files {
		_ = f.Close()
	}
}

// decode runs one decode. An error says that there is no outcome: interrupted, or no room for the tables.
func (h *host) decode(ctx context.Context, p *runtime.Plugin, rec *recording, w way) (*outcome, error) {
	in, err := rec.open()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	o := &outcome{files: map[string]*os.File{}}
	req := runtime.Request{
		Plugin: p.SHA256, Input: in, Size: rec.size, SHA256: rec.sha256, Name: rec.name, Parts: rec.parts, Params: w.params,
		Form: w.form, ShortReads: w.reads,
		Create: func(s *table.Schema) (*os.File, error) { return h.create(o, s.Name) },
		// Sub-files are taken, and nothing of them is kept, as when a module is vetted: else its golden tests would not be
		// what it is vetted with.
		CreateChild: func(int) (*os.File, error) { return nowhere() },
	}
	if w.form == "" {
		req.Form = table.NDJSON
		req.Create = func(*table.Schema) (*os.File, error) { return nowhere() }
	}
	if w.none {
		req.Tables = []string{}
	}
	o.result, err = h.pool.Decode(ctx, req)
	switch {
	case err == nil:
	case errcode.Is(err, errcode.WorkerCrashed) && ctx.Err() == nil:
		o.died = err
	default:
		o.discard()
		return nil, fmt.Errorf("decode %s: %w", rec.name, err)
	}
	return o, nil
}

func nowhere() (*os.File, error) { return os.OpenFile(os.DevNull, os.O_WRONLY, 0) }

// create makes the file of a table, without a name: one handle goes to the worker, one stays in the outcome. A table that
// is asked for again, by a decode that is repeated after a kill, begins anew.
func (h *host) create(o *outcome, name string) (*os.File, error) {
	f, err := os.CreateTemp(h.tables, "table-")
	if err != nil {
		return nil, fmt.Errorf("make file of table: %w", err)
	}
	kept, err := os.Open(f.Name())
	if err == nil {
		err = os.Remove(f.Name())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make file of table: %w", err), f.Close())
	}
	if old := o.files[name]; old != nil {
		_ = old.Close()
	}
	o.files[name] = kept
	return f, nil
}

// document gives the golden document of a decode into NDJSON. Without where, it does not say at which offset the decode
// ended: where a decoder gives none, it is how far reading had come, which changes with the size of reads.
func (o *outcome) document(where bool) ([]byte, error) {
	var tables []golden.Table
	for i := range o.result.Tables {
		t := golden.Table{Name: o.result.Tables[i].Schema.Name}
		if f := o.files[t.Name]; f != nil && o.result.Tables[i].Rows > 0 {
			if _, err := f.Seek(0, io.SeekStart); err != nil {
				return nil, fmt.Errorf("read table %s: %w", t.Name, err)
			}
			t.Rows = f
		}
		tables = append(tables, t)
	}
	var end *golden.End
	if f := o.result.Failure; f != nil {
		end = &golden.End{Code: string(f.Code)}
		if where {
			end.Offset = f.Offset
		}
	}
	var doc bytes.Buffer
	if err := golden.Write(&doc, tables, end); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	return doc.Bytes(), nil
}

// fault says what is wrong with the decoder itself, whatever the input holds; "" = nothing.
func (o *outcome) fault() (code errcode.Code, text string) {
	if o.died != nil {
		return errcode.WorkerCrashed, o.died.Error()
	}
	f := o.result.Failure
	if f == nil {
		return "", ""
	}
	switch f.Code {
	case errcode.Trap, errcode.ABIViolation, errcode.Stalled, errcode.Deadline, errcode.MemoryLimit, errcode.OutputLimit,
		errcode.TableLimit:
		return f.Code, f.Message
	default:
		return "", ""
	}
}

// guestLog makes a logger that writes what decoders log, and nothing else.
func guestLog(w io.Writer) *slog.Logger {
	if w == nil {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(&guestLines{w: w, mu: &sync.Mutex{}})
}

// guestLines is a slog.Handler that writes the text of decoders' lines.
type guestLines struct {
	mu *sync.Mutex
	w  io.Writer
}

// Enabled takes every level: it is the author's own decoder that speaks.
func (*guestLines) Enabled(context.Context, slog.Level) bool { return true }

// Handle writes the lines of decoders.
func (g *guestLines) Handle(_ context.Context, r slog.Record) error {
	if r.Message != "decoder log" {
		return nil
	}
	var err error
	r.Attrs(func(a slog.Attr) bool {
		if a.Key != "text" {
			return true
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		_, err = fmt.Fprintf(g.w, "log: %s\n", printable(a.Value.String()))
		return false
	})
	return err //nolint:wrapcheck // an slog.Handler
}

// WithAttrs drops attributes: they say which decode it is, and here that is plain.
func (g *guestLines) WithAttrs([]slog.Attr) slog.Handler { return g }

// WithGroup drops groups.
func (g *guestLines) WithGroup(string) slog.Handler { return g }

// devLimits are the limits of a decode by these tools: those of the appliance, but a decoder that hangs is told of sooner.
func devLimits() runtime.Limits {
	return runtime.Limits{Stall: 5 * time.Second}
}
