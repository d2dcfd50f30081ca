package plugindev

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime"
	"github.com/wayside-edge/wayside/internal/runtime/golden"
	"github.com/wayside-edge/wayside/internal/runtime/module"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
	"github.com/wayside-edge/wayside/internal/table"
)

const (
	// slowInput bounds the inputs that are read byte by byte, and interpreted: about fifty times slower than compiled.
	slowInput = 1 << 20
	// wholeCuts is the size up to which an input is cut at every byte; of a larger one, someCuts lengths are tried.
	wholeCuts = 1 << 10
	someCuts  = 256
	// mostCut bounds the inputs that are cut and damaged.
	mostCut = 1 << 20
)

// TestConfig is one call of `wayside plugin test`.
type TestConfig struct {
	Path     string        // module, or a folder with one
	TestData string        // "" = testdata beside the module
	Update   bool          // write the golden files
	Fuzz     time.Duration // of trying damaged inputs; 0 = none
	Seed     uint64        // of everything that is random
	Log      io.Writer     // takes what the decoder logs; nil = nobody reads it
}

// Report is what Test found.
type Report struct {
	Module  string    `json:"module"`
	ID      string    `json:"id"`
	Version string    `json:"version"`
	SHA256  string    `json:"sha256"` // of the module's file
	Seed    uint64    `json:"seed"`
	Checks  []Check   `json:"checks"`
	Faults  []Finding `json:"faults"` // of the decoder itself, found by damaged inputs
	OK      bool      `json:"ok"`
}

// Check is one thing that was tried with one input.
type Check struct {
	Name   string `json:"name"`
	Input  string `json:"input,omitempty"`
	OK     bool   `json:"ok"`
	Text   string `json:"text"` // what was seen, or what is wrong
	Millis int64  `json:"ms"`
}

// Finding is an input that broke the decoder.
type Finding struct {
	Code  errcode.Code `json:"code"`
	Text  string       `json:"text"`
	Input string       `json:"input"` // the test it was made of, and how
	File  string       `json:"file"`  // where it lies now
	Bytes int          `json:"bytes"`
}

// tester runs the tests of one module.
type tester struct {
	cfg      TestConfig
	report   Report
	plugin   runtime.Plugin
	compiled *host
	interp   *host
	dir      string
	workers  int
}

// Test runs the tests of a module. The error is about the call as a whole; what the tests found is in the report.
func Test(ctx context.Context, cfg TestConfig) (rep Report, err error) {
	path, err := findModule(cfg.Path)
	if err != nil {
		return Report{}, err
	}
	wasm, err := readModule(path)
	if err != nil {
		return Report{}, err
	}
	t := &tester{cfg: cfg, dir: cfg.TestData, workers: min(goruntime.GOMAXPROCS(0), 4)}
	if t.dir == "" {
		t.dir = filepath.Join(filepath.Dir(path), "testdata")
	}
	cases, crashed, err := findCases(t.dir)
	if err != nil {
		return Report{}, err
	}
	if len(cases)+len(crashed) == 0 {
		return Report{}, errcode.Invalid("--testdata", "there is no input in %s", t.dir)
	}
	t.report = Report{Module: path, SHA256: module.Hash(wasm), Seed: cfg.Seed, Checks: []Check{}, Faults: []Finding{}}
	run, err := bare(wasm)
	if err != nil {
		return Report{}, fmt.Errorf("test %s: %w", path, err)
	}
	s, err := openShop(map[string][]byte{"module": run})
	if err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := t.open(ctx, s, run); err != nil {
		return Report{}, fmt.Errorf("test %s: %w", path, err)
	}
	if err := t.run(ctx, cases, crashed, wasm); err != nil {
		return Report{}, fmt.Errorf("test %s: %w", path, err)
	}
	t.report.OK = len(t.report.Faults) == 0 && !slices.ContainsFunc(t.report.Checks, func(c Check) bool { return !c.OK })
	return t.report, nil
}

// open starts both engines on the module. The second one takes over what the first has compiled.
func (t *tester) open(ctx context.Context, s *shop, wasm []byte) (err error) {
	if t.compiled, err = s.open(ctx, hostConfig{workers: t.workers, limits: devLimits(), log: t.cfg.Log}); err != nil {
		return err
	}
	if t.plugin, err = t.compiled.plugin(ctx, wasm); err != nil {
		return err
	}
	t.report.ID, t.report.Version = t.plugin.ID, t.plugin.Version
	t.interp, err = s.open(ctx, hostConfig{workers: 1, interpreter: true})
	return err
}

func (t *tester) run(ctx context.Context, cases, crashed []*testCase, wasm []byte) error {
	for _, c := range cases {
		if err := t.golden(ctx, c); err != nil {
			return err
		}
	}
	if !t.cfg.Update {
		t.packed(cases, wasm)
	}
	hunt := newHunt(t)
	for _, c := range crashed {
		if err := t.timed("crasher", c.name, func() (string, string, error) { return t.regression(ctx, c) }); err != nil {
			return err
		}
	}
	for _, c := range cases {
		if err := t.timed("truncations", c.name, func() (string, string, error) { return hunt.truncations(ctx, c) }); err != nil {
			return err
		}
	}
	if t.cfg.Fuzz > 0 && len(cases) > 0 {
		if err := t.timed("fuzz", "", func() (string, string, error) { return hunt.fuzz(ctx, cases) }); err != nil {
			return err
		}
	}
	t.report.Faults = append(t.report.Faults, hunt.found()...)
	return nil
}

// timed runs a check, which gives what it saw, or what is wrong.
func (t *tester) timed(name, input string, f func() (seen, wrong string, err error)) error {
	began := time.Now()
	seen, wrong, err := f()
	if err != nil {
		return err
	}
	c := Check{Name: name, Input: input, OK: wrong == "", Text: seen, Millis: time.Since(began).Milliseconds()}
	if !c.OK {
		c.Text = wrong
	}
	t.report.Checks = append(t.report.Checks, c)
	return nil
}

// golden decodes a test's input on both engines and with reads of several sizes, and compares what comes of it.
func (t *tester) golden(ctx context.Context, c *testCase) error {
	params, err := t.compiled.reg.Params(t.plugin.ID, c.params)
	if err != nil {
		return fmt.Errorf("parameters of test %s: %w", c.name, err)
	}
	var whole, loose []byte
	err = t.timed("golden", c.name, func() (string, string, error) {
		var seen, wrong string
		whole, loose, seen, wrong, err = t.whole(ctx, c, params)
		return seen, wrong, err
	})
	if err != nil || whole == nil {
		return err
	}
	if c.rec.size <= slowInput {
		err := t.timed("interpreter", c.name, func() (string, string, error) {
			got, _, wrong, err := t.document(ctx, t.interp, c, way{params: params})
			if err != nil || wrong != "" {
				return "", wrong, err
			}
			return "the same on the other engine", differs("the interpreter gives something else than the compiler", whole, got), nil
		})
		if err != nil {
			return err
		}
	}
	return t.timed("reads", c.name, func() (string, string, error) { return t.reads(ctx, c, params, loose) })
}

// whole decodes the input as the appliance does and compares the document with the golden file, or writes that.
func (t *tester) whole(ctx context.Context, c *testCase, params json.RawMessage) (doc, loose []byte, seen, wrong string, err error) {
	doc, loose, wrong, err = t.document(ctx, t.compiled, c, way{params: params})
	if err != nil || wrong != "" {
		return nil, nil, "", wrong, err
	}
	seen = lastLine(doc)
	want, err := os.ReadFile(c.golden)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, nil, "", "", fmt.Errorf("read golden file: %w", err)
	case t.cfg.Update && !bytes.Equal(want, doc):
		if err := os.WriteFile(c.golden, doc, 0o644); err != nil { //nolint:gosec // a file of the author's project
			return nil, nil, "", "", fmt.Errorf("write golden file: %w", err)
		}
		return doc, loose, "written: " + seen, "", nil
	case err != nil:
		return doc, loose, "", fmt.Sprintf("there is no %s: --update writes it", c.golden), nil //nolint:nilerr // it is a failed test
	}
	return doc, loose, seen, differs("the rows are not those of "+c.golden+" (--update takes them over)", want, doc), nil
}

// document decodes a test's input and gives the golden document, with and without the offset of its end. wrong is set
// where the decoder itself broke.
func (t *tester) document(ctx context.Context, h *host, c *testCase, w way) (doc, loose []byte, wrong string, err error) {
	w.form = table.NDJSON
	o, err := h.decode(ctx, &t.plugin, c.rec, w)
	if err != nil {
		return nil, nil, "", err
	}
	defer o.discard()
	if code, text := o.fault(); code != "" {
		return nil, nil, fmt.Sprintf("the decoder broke: %s: %s", code, text), nil
	}
	if doc, err = o.document(true); err != nil {
		return nil, nil, "", err
	}
	loose, err = o.document(false)
	return doc, loose, "", err
}

// reads decodes the input again with reads that give less than the decoder asks for.
func (t *tester) reads(ctx context.Context, c *testCase, params json.RawMessage, loose []byte) (seen, wrong string, err error) {
	tries := []wire.Reads{{Most: 7, Seed: t.cfg.Seed | 1}, {Most: 100, Seed: t.cfg.Seed | 1}, {Most: 5000, Seed: t.cfg.Seed | 1}}
	if c.rec.size <= slowInput {
		tries = append([]wire.Reads{{Most: 1}}, tries...)
	}
	for _, r := range tries {
		_, got, wrong, err := t.document(ctx, t.compiled, c, way{params: params, reads: r})
		if err != nil {
			return "", "", err
		}
		what := fmt.Sprintf("with reads of at most %d bytes", r.Most)
		if wrong != "" {
			return "", what + " " + wrong, nil
		}
		if d := differs(what+" the decoder gives something else: it must not rely on how much a read gives", loose, got); d != "" {
			return "", d, nil
		}
	}
	return "the same with reads of 1 byte and of random sizes", "", nil
}

// regression decodes an input that once broke the decoder.
func (t *tester) regression(ctx context.Context, c *testCase) (seen, wrong string, err error) {
	params, err := t.compiled.reg.Params(t.plugin.ID, nil)
	if err != nil {
		return "", "", fmt.Errorf("parameters: %w", err)
	}
	o, err := t.compiled.decode(ctx, &t.plugin, c.rec, way{params: params})
	if err != nil {
		return "", "", err
	}
	defer o.discard()
	if code, text := o.fault(); code != "" {
		return "", fmt.Sprintf("it still breaks the decoder: %s: %s", code, text), nil
	}
	return "ends in good order", "", nil
}

// packed checks that the golden vectors in the module are those of the tests: else the appliance would refuse it, or
// check something else.
func (t *tester) packed(cases []*testCase, wasm []byte) {
	vectors, err := module.Vectors(wasm)
	if err == nil && len(vectors) == 0 {
		return // not packed, or packed without tests
	}
	c := Check{Name: "packed", OK: true, Text: fmt.Sprintf("%d golden vectors, those of the tests", len(vectors))}
	want, hashes, _, verr := vectorsOf(cases)
	raw, merr := module.EmbeddedManifest(wasm)
	if err = errors.Join(err, verr, merr); err != nil {
		c.OK, c.Text = false, err.Error()
	} else if why := stale(want, hashes, vectors, raw); why != "" {
		c.OK, c.Text = false, why+": pack it again (make)"
	}
	t.report.Checks = append(t.report.Checks, c)
}

// stale says in what the packed vectors are not those of the tests, "" = they are.
func stale(want []module.Vector, hashes map[string]string, have []module.Vector, raw []byte) string {
	var m struct {
		Tests map[string]string `json:"tests"`
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return "the module's manifest is damaged"
	}
	for i := range want {
		name := want[i].Name
		j := slices.IndexFunc(have, func(v module.Vector) bool { return v.Name == name })
		switch {
		case j < 0:
			return "the module was packed without test " + name
		case !bytes.Equal(want[i].Input, have[j].Input):
			return "the module was packed with another input of test " + name
		case hashes[name] != m.Tests[name]:
			return "the module was packed with another golden file of test " + name
		}
	}
	if len(have) > len(want) {
		return "the module was packed with tests that are gone"
	}
	return ""
}

// differs gives a text about two documents that differ, "" where they do not.
func differs(what string, want, got []byte) string {
	if d := golden.Diff(want, got); d != "" {
		return what + ": " + d
	}
	return ""
}

// lastLine gives the end of a document, which tells the rows of each table and why the decode ended.
func lastLine(doc []byte) string {
	doc = bytes.TrimSuffix(doc, []byte{'\n'})
	return string(doc[bytes.LastIndexByte(doc, '\n')+1:])
}

// each runs f for 0 to n-1, several at a time, until one fails.
func each(ctx context.Context, workers, n int, f func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for i := range n {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error { return f(ctx, i) })
	}
	return group.Wait() //nolint:wrapcheck // f's own
}
