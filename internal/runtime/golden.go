package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/module"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
	"github.com/wayside-edge/wayside/internal/table"
)

const (
	maxDoing = 200  // bounds what a compile worker says of what it is at
	maxLines = 1000 // bounds how often: it is told of every golden vector, of which there are at most abi.MaxVectors
)

// followCompile answers a compile worker until it tells how it ended. doing is what it was at, for a reason's end.
// The entry has the step that was begun last.
func (r *Registry) followCompile(ctx context.Context, w *proc, e *entry, wasm []byte) (out wire.Compiled, doing string, err error) {
	asked := false
	for lines := 0; ; lines++ {
		m, err := w.sock.Recv()
		if err != nil {
			return out, doing, err //nolint:wrapcheck // the caller tells what it means
		}
		m.Close() // it brings no files
		if lines > maxLines {
			return out, doing, fmt.Errorf("compile: %w: more than %d messages", wire.ErrProtocol, maxLines)
		}
		switch m.Kind {
		case wire.KindCompiled:
			return out, doing, m.Decode(&out) //nolint:wrapcheck // says what it is
		case wire.KindLog:
			var l wire.Log
			if err := m.Decode(&l); err != nil {
				return out, doing, err //nolint:wrapcheck // says what it is
			}
			l.Text = fmt.Sprintf("%.*s", maxDoing, l.Text)
			doing = " (" + l.Text + ")"
			r.cfg.Logger.DebugContext(ctx, "plugin is being compiled", "plugin", e.id(), "doing", l.Text)
		case wire.KindStep:
			var b wire.Begun
			if err := m.Decode(&b); err != nil {
				return out, doing, err //nolint:wrapcheck // says what it is
			}
			if !slices.Contains(compileSteps(), b.Step) {
				return out, doing, fmt.Errorf("compile: %w: step %.20q", wire.ErrProtocol, b.Step)
			}
			r.begun(e, b.Step)
		case wire.KindVectors:
			var q wire.Vectors
			if err := m.Decode(&q); err != nil {
				return out, doing, err //nolint:wrapcheck // says what it is
			}
			if asked {
				return out, doing, fmt.Errorf("compile: %w: golden vectors asked for twice", wire.ErrProtocol)
			}
			asked = true
			described := e
			if e.manifest.Load() == nil {
				described = &entry{}
				if err := described.describe(q.Manifest); err != nil {
					r.begun(e, wire.StepManifest)
					return out, doing, err
				}
			}
			g, err := goldenOf(described, wasm)
			if err != nil {
				return out, doing, err
			}
			if err := w.sock.Send(wire.KindGolden, g); err != nil {
				return out, doing, err //nolint:wrapcheck // the caller tells what it means
			}
		default:
			return out, doing, fmt.Errorf("compile: %w: kind %d", wire.ErrProtocol, m.Kind)
		}
	}
}

// begun notes what the compile worker of a module is at.
func (r *Registry) begun(e *entry, s wire.Step) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.step = s
}

// goldenOf makes the decodes of a module's golden vectors, or says why they do not fit its manifest. The limits
// are the defaults and not the configuration's: what a document holds must not depend on where it is made.
func goldenOf(e *entry, wasm []byte) (*wire.Golden, error) {
	m, ps := e.manifest.Load(), e.params.Load()
	vectors, err := module.Vectors(wasm)
	if err != nil {
		return nil, fmt.Errorf("golden vectors: %w", err)
	}
	tests := maps.Clone(m.Tests)
	g := &wire.Golden{Tables: m.Schemas, Capabilities: m.Capabilities}
	for i := range vectors {
		v := &vectors[i]
		test, ok := tests[v.Name]
		if !ok {
			return nil, errcode.Newf(errcode.PluginRejected, "golden vector %q has no hash among the tests of the manifest", v.Name)
		}
		delete(tests, v.Name)
		job, err := goldenJob(v, ps)
		if err != nil {
			return nil, errcode.Wrap(errcode.PluginRejected, err, fmt.Sprintf("golden vector %q: %v", v.Name, err))
		}
		g.Jobs, g.Tests = append(g.Jobs, job), append(g.Tests, test)
	}
	if len(tests) > 0 {
		return nil, errcode.Newf(errcode.PluginRejected, "the module has no golden vector %.80q, which is among the tests of its manifest",
			slices.Min(slices.Collect(maps.Keys(tests))))
	}
	return g, nil
}

// goldenJob is the decode of a golden vector, as a caller's request for it would be.
func goldenJob(v *module.Vector, ps *paramSchema) (wire.Decode, error) {
	given, err := paramTexts(v.Params)
	if err != nil {
		return wire.Decode{}, err
	}
	params, err := ps.canonical(given)
	if err != nil {
		return wire.Decode{}, err
	}
	req := Request{
		Size: int64(len(v.Input)), SHA256: module.Hash(v.Input), Name: v.Name, Params: params, Reveal: revealed(params), Form: table.NDJSON,
	}
	at := int64(0)
	for _, p := range v.Parts {
		req.Parts = append(req.Parts, Part{Name: p.Name, Size: p.Size, SHA256: module.Hash(v.Input[at:][:p.Size])})
		at += p.Size
	}
	if req.Parts != nil {
		req.SHA256 = PartsSHA256(req.Parts)
	}
	if err := errors.Join(req.checkParts(), req.localize()); err != nil {
		return wire.Decode{}, err
	}
	limits := Limits{}.withDefaults()
	job := req.job(&limits)
	job.Children = wire.ChildRule{Max: limits.Children, Bytes: limits.ChildBytes} // taken, and nothing of them is kept
	return job, nil
}

// paramTexts gives parameters as they would stand in a query: strings as they are, everything else as JSON.
func paramTexts(raw json.RawMessage) (map[string]string, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var values map[string]json.RawMessage
	if err := json.Unmarshal(raw, &values); err != nil {
		return nil, fmt.Errorf("parameters: %w", err)
	}
	out := make(map[string]string, len(values))
	for k, v := range values {
		var s string
		if json.Unmarshal(v, &s) != nil || strings.TrimSpace(string(v)) == "null" {
			s = string(v)
		}
		out[k] = s
	}
	return out, nil
}
