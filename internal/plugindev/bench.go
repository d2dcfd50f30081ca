package plugindev

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime"
	"github.com/wayside-edge/wayside/internal/runtime/module"
	"github.com/wayside-edge/wayside/internal/table"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// benchRuns is how often each figure is taken; the median counts.
const benchRuns = 5

// BenchConfig is one call of `wayside plugin bench`.
type BenchConfig struct {
	Path   string // module, or a folder with one
	Inputs []string
	Params map[string]string
}

// Figures are what Bench measured with one input. Speeds are medians of benchRuns runs, least and most beside them.
type Figures struct {
	Input      string  `json:"input"`
	Bytes      int64   `json:"bytes"`
	Rows       int64   `json:"rows"`
	Status     string  `json:"status"`
	ReadOnly   Speed   `json:"read_only"`   // a guest that does nothing but read
	Decode     Speed   `json:"decode"`      // this decoder, its rows thrown away
	Parquet    Speed   `json:"parquet"`     // this decoder, its tables as Parquet files
	RowsPerSec float64 `json:"rows_per_s"`  // of Decode
	PeakBytes  int64   `json:"peak_bytes"`  // resident memory of the worker, tables included
	Ratio      float64 `json:"of_baseline"` // Decode ÷ ReadOnly
}

// Speed is a figure with its spread, in MB (10⁶ bytes) of input a second.
type Speed struct {
	Median float64 `json:"median"`
	Least  float64 `json:"least"`
	Most   float64 `json:"most"`
}

// Bench measures a decoder beside a guest that only reads, in workers as the appliance has them.
func Bench(ctx context.Context, cfg BenchConfig) (out []Figures, err error) {
	path, err := findModule(cfg.Path)
	if err != nil {
		return nil, err
	}
	wasm, err := readModule(path)
	if err != nil {
		return nil, err
	}
	if wasm, err = bare(wasm); err != nil {
		return nil, fmt.Errorf("bench %s: %w", path, err)
	}
	reader := readerModule()
	s, err := openShop(map[string][]byte{"module": wasm, "reader": reader})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	h, err := s.open(ctx, hostConfig{workers: 1})
	if err != nil {
		return nil, err
	}
	for _, input := range cfg.Inputs {
		f, err := bench(ctx, h, &cfg, wasm, reader, input)
		if err != nil {
			return nil, fmt.Errorf("bench %s: %w", path, err)
		}
		out = append(out, f)
	}
	return out, nil
}

func bench(ctx context.Context, h *host, cfg *BenchConfig, wasm, reader []byte, input string) (Figures, error) {
	rec, err := fileRecording(input)
	if err != nil {
		return Figures{}, err
	}
	p, err := h.plugin(ctx, wasm)
	if err != nil {
		return Figures{}, err
	}
	base, err := h.plugin(ctx, reader)
	if err != nil {
		return Figures{}, err
	}
	params, err := h.reg.Params(p.ID, cfg.Params)
	if err != nil {
		return Figures{}, fmt.Errorf("parameters: %w", err)
	}
	f := Figures{Input: input, Bytes: rec.size}
	if f.ReadOnly, _, err = measure(ctx, h, &base, rec, way{none: true}); err != nil {
		return Figures{}, err
	}
	var o *outcome
	if f.Decode, o, err = measure(ctx, h, &p, rec, way{params: params, none: true}); err != nil {
		return Figures{}, err
	}
	f.Rows, f.Status = o.result.Rows, string(o.result.Status)
	if f.Parquet, _, err = measure(ctx, h, &p, rec, way{params: params, form: table.Parquet}); err != nil {
		return Figures{}, err
	}
	f.PeakBytes = peak(h)
	f.Ratio = round(f.Decode.Median/f.ReadOnly.Median, 3)
	f.RowsPerSec = round(float64(f.Rows)*f.Decode.Median*1e6/float64(rec.size), 0)
	return f, nil
}

// measure decodes once to warm up and then benchRuns times. A decode that ends for a fault of the decoder is an error: its
// speed would say nothing.
func measure(ctx context.Context, h *host, p *runtime.Plugin, rec *recording, w way) (Speed, *outcome, error) {
	var speeds []float64
	var last *outcome
	for i := range benchRuns + 1 {
		began := time.Now()
		o, err := h.decode(ctx, p, rec, w)
		if err != nil {
			return Speed{}, nil, err
		}
		o.discard()
		if code, text := o.fault(); code != "" {
			return Speed{}, nil, errcode.New(code, text)
		}
		if i > 0 {
			speeds = append(speeds, float64(rec.size)/1e6/max(time.Since(began).Seconds(), 1e-6))
		}
		last = o
	}
	slices.Sort(speeds)
	return Speed{
		Median: round(speeds[len(speeds)/2], 2), Least: round(speeds[0], 2), Most: round(speeds[len(speeds)-1], 2),
	}, last, nil
}

func round(v float64, digits int) float64 {
	scale := math.Pow10(digits)
	return math.Round(v*scale) / scale
}

// fileRecording is a file of any size, read where it lies.
func fileRecording(path string) (*recording, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open input: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("look at input: %w", err)
	}
	if !st.Mode().IsRegular() || st.Size() == 0 {
		return nil, errcode.Invalid("INPUT", "%s is no file, or empty", path)
	}
	return &recording{
		name: runtime.PartName(filepath.Base(path)), path: path, size: st.Size(), sha256: module.Hash([]byte(path)),
	}, nil
}

// peak gives the most resident memory that the pool's worker has had, 0 where the kernel does not tell.
func peak(h *host) (most int64) {
	for _, w := range h.pool.Stats().Workers {
		f, err := os.Open("/proc/" + strconv.Itoa(w.PID) + "/status")
		if err != nil {
			continue
		}
		for sc := bufio.NewScanner(f); sc.Scan(); {
			if rest, ok := strings.CutPrefix(sc.Text(), "VmHWM:"); ok {
				kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
				most = max(most, kib<<10)
			}
		}
		_ = f.Close()
	}
	return most
}

// readerCode is the module of the baseline without its manifest, assembled from
//
//	(module
//	  (import "wayside_v1" "read" (func $read (param i32 i32) (result i32)))
//	  (memory (export "memory") 5 5)
//	  (func (export "wayside_decode") (result i32)
//	    (loop (br_if 0 (call $read (i32.const 0x1000) (i32.const 0x40000))))
//	    (i32.const 0)))
//
// A test assembles it anew and compares.
const readerCode = "0061736d01000000010b0260027f7f017f6000017f0213010a776179736964655f763104726561640000030201010504010105" +
	"05071b02066d656d6f727902000e776179736964655f6465636f646500010a1401120003404180204180801010000d000b41000b"

// readerModule is a guest that reads its input to the end, 256 KiB at a time, and does nothing else.
func readerModule() []byte {
	b, err := hex.DecodeString(readerCode)
	if err != nil {
		panic("the reading guest is damaged: " + err.Error()) // a constant
	}
	m := abi.Manifest{
		ID: "wayside-baseline", Name: "Reads only", Version: "1.0.0", ABI: abi.Version,
		Formats: []abi.Format{{ID: "wayside-baseline", Sniff: []abi.Sniff{}}}, Tables: []abi.Table{},
	}
	raw, err := json.Marshal(m)
	if err != nil {
		panic("the reading guest's manifest: " + err.Error()) // a constant
	}
	return module.WithCustom(b, abi.SectionManifest, raw)
}
