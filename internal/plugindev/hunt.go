package plugindev

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime"
	"github.com/wayside-edge/wayside/internal/runtime/module"
)

const (
	// mostFindings ends a hunt: a decoder that breaks in that many ways is to be mended first.
	mostFindings = 10
	// mostDamaged bounds the inputs of fuzzing: a decoder shows its faults in the first bytes, and sooner so.
	mostDamaged = 64 << 10
)

// hunt looks for inputs that break the decoder: that make it trap, loop, break the contract or exceed its limits. What a
// damaged input decodes to does not matter, as long as the decode ends in good order.
type hunt struct {
	t *tester

	mu       sync.Mutex // guards findings
	findings map[string]Finding
}

func newHunt(t *tester) *hunt { return &hunt{t: t, findings: map[string]Finding{}} }

// found gives the findings, in a stable order.
func (h *hunt) found() []Finding {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]Finding, 0, len(h.findings))
	for _, k := range sortedKeys(h.findings) {
		out = append(out, h.findings[k])
	}
	return out
}

func (h *hunt) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.findings)
}

// truncations decodes the beginnings of an input: every one of a small one, some of a larger one.
func (h *hunt) truncations(ctx context.Context, c *testCase) (seen, wrong string, err error) {
	if c.rec.size > mostCut {
		return fmt.Sprintf("left out: more than %d bytes", mostCut), "", nil
	}
	params, err := h.t.compiled.reg.Params(h.t.plugin.ID, c.params)
	if err != nil {
		return "", "", fmt.Errorf("parameters of test %s: %w", c.name, err)
	}
	lengths := cuts(int(c.rec.size))
	before := h.count()
	err = each(ctx, h.t.workers, len(lengths), func(ctx context.Context, i int) error {
		if h.count()-before >= mostFindings {
			return nil
		}
		return h.try(ctx, cut(c.rec, lengths[i]), params, fmt.Sprintf("the first %d bytes of %s", lengths[i], c.name))
	})
	if err != nil {
		return "", "", err
	}
	if n := h.count() - before; n > 0 {
		return "", fmt.Sprintf("%d faults found", n), nil
	}
	if len(lengths) < int(c.rec.size) {
		return fmt.Sprintf("%d of %d lengths end in good order", len(lengths), c.rec.size), "", nil
	}
	return fmt.Sprintf("all %d lengths end in good order", len(lengths)), "", nil
}

// cuts gives the lengths that an input of n bytes is cut to.
func cuts(n int) []int {
	var out []int
	if n <= wholeCuts {
		for i := range n {
			out = append(out, i)
		}
		return out
	}
	for i := range someCuts / 2 { // the first bytes, where headers are, and evenly over the rest, at any alignment
		out = append(out, i)
		at := someCuts/2 + i*(n-someCuts/2)/(someCuts/2) + i%16
		if at < n {
			out = append(out, at)
		}
	}
	return out
}

// cut gives the first n bytes of a recording; of its parts, those that begin there.
func cut(r *recording, n int) *recording {
	out := recordingOf(r.name, r.data[:n])
	left := int64(n)
	for _, p := range r.parts {
		if left <= 0 && len(out.parts) > 0 {
			break
		}
		p.Size = min(p.Size, left)
		left -= p.Size
		out.parts = append(out.parts, p)
	}
	return out
}

// fuzz decodes damaged inputs for a while. Input i is made of the seed and i alone, so that a finding can be made again.
func (h *hunt) fuzz(ctx context.Context, cases []*testCase) (seen, wrong string, err error) {
	params := make([]json.RawMessage, len(cases))
	for i, c := range cases {
		if params[i], err = h.t.compiled.reg.Params(h.t.plugin.ID, c.params); err != nil {
			return "", "", fmt.Errorf("parameters of test %s: %w", c.name, err)
		}
	}
	until := time.Now().Add(h.t.cfg.Fuzz)
	before := h.count()
	var next, tried atomic.Uint64
	err = each(ctx, h.t.workers, h.t.workers, func(ctx context.Context, _ int) error {
		for time.Now().Before(until) && h.count()-before < mostFindings && ctx.Err() == nil {
			i := next.Add(1) - 1
			rnd := rand.New(rand.NewPCG(h.t.cfg.Seed, i)) //nolint:gosec // no secret
			k := rnd.IntN(len(cases))
			other := cases[rnd.IntN(len(cases))]
			rec := damaged(rnd, cases[k].rec, other.rec)
			tried.Add(1)
			if err := h.try(ctx, rec, params[k], fmt.Sprintf("%s, damaged (seed %d, number %d)", cases[k].name, h.t.cfg.Seed, i)); err != nil {
				return err
			}
		}
		return context.Cause(ctx)
	})
	if err != nil {
		return "", "", err
	}
	if n := h.count() - before; n > 0 {
		return "", fmt.Sprintf("%d faults found in %d damaged inputs", n, tried.Load()), nil
	}
	return fmt.Sprintf("%d damaged inputs end in good order (seed %d)", tried.Load(), h.t.cfg.Seed), "", nil
}

// damaged changes a recording in one to eight places. Parts keep their sizes, but for the last one.
func damaged(rnd *rand.Rand, r, other *recording) *recording {
	data := append([]byte(nil), r.data[:min(len(r.data), mostDamaged)]...)
	for range 1 + rnd.IntN(8) {
		data = damage(rnd, data, other.data)
	}
	data = data[:min(len(data), 2*mostDamaged)]
	out := recordingOf(r.name, data)
	if r.parts != nil {
		left := int64(len(data))
		out.parts = append([]runtime.Part(nil), r.parts...)
		for i := range out.parts {
			if out.parts[i].Size = min(out.parts[i].Size, left); i == len(out.parts)-1 {
				out.parts[i].Size = left
			}
			left -= out.parts[i].Size
		}
	}
	return out
}

// damage makes one change: a bit, a byte, a number at a border of its range, bytes taken out, put in, doubled, or taken
// from another input.
func damage(rnd *rand.Rand, b, other []byte) []byte {
	if len(b) == 0 {
		return append(b, byte(rnd.Uint32()))
	}
	at := rnd.IntN(len(b))
	n := 1 + rnd.IntN(min(len(b)-at, 1+rnd.IntN(64)))
	switch rnd.IntN(8) {
	case 0:
		b[at] ^= 1 << rnd.IntN(8)
	case 1:
		b[at] = byte(rnd.Uint32())
	case 2:
		edge := []byte{0, 1, 0x7f, 0x80, 0xfe, 0xff}[rnd.IntN(6)]
		for i := range min(1<<rnd.IntN(4), len(b)-at) {
			b[at+i] = edge
		}
	case 3:
		return append(b[:at], b[at+n:]...)
	case 4:
		return append(b[:at:at], append(append([]byte(nil), b[at:at+n]...), b[at:]...)...)
	case 5:
		fresh := make([]byte, n)
		for i := range fresh {
			fresh[i] = byte(rnd.Uint32())
		}
		return slices.Concat(b[:at], fresh, b[at:])
	case 6:
		return b[:at]
	case 7:
		if len(other) > 0 {
			from := rnd.IntN(len(other))
			copy(b[at:], other[from:min(from+n, len(other))])
		}
	}
	return b
}

// try decodes an input, and keeps it where it breaks the decoder in a new way.
func (h *hunt) try(ctx context.Context, rec *recording, params json.RawMessage, how string) error {
	o, err := h.t.compiled.decode(ctx, &h.t.plugin, rec, way{params: params})
	if err != nil {
		return err
	}
	defer o.discard()
	code, text := o.fault()
	if code == "" {
		return nil
	}
	return h.keep(rec, code, text, how)
}

// withoutDigits makes messages equal that differ in a number: an index, a size, a process.
func withoutDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, s)
}

// keep writes an input among the crashers, one for each code and message.
func (h *hunt) keep(rec *recording, code errcode.Code, text, how string) error {
	key := string(code) + " " + withoutDigits(text)
	h.mu.Lock()
	_, known := h.findings[key]
	if !known {
		h.findings[key] = Finding{}
	}
	h.mu.Unlock()
	if known {
		return nil
	}
	dir := filepath.Join(h.t.dir, crashers)
	file := filepath.Join(dir, fmt.Sprintf("%s-%.12s", code, module.Hash(rec.data)))
	err := os.MkdirAll(dir, 0o755) //nolint:gosec // a folder of the author's project
	if err == nil {
		err = os.WriteFile(file, rec.data, 0o644) //nolint:gosec // a file of the author's project
	}
	if err != nil {
		return fmt.Errorf("keep an input that breaks the decoder: %w", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.findings[key] = Finding{Code: code, Text: text, Input: how, File: file, Bytes: len(rec.data)}
	return nil
}
