package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/wayside-edge/wayside/internal/config"
	"github.com/wayside-edge/wayside/internal/decode"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/httpapi"
	"github.com/wayside-edge/wayside/internal/ingest"
	"github.com/wayside-edge/wayside/internal/observe"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/runtime"
)

// detector shows the registry to ingest.
type detector struct{ registry *runtime.Registry }

func (d detector) Detect(ctx context.Context, head []byte, size int64, name string) (ingest.Match, bool) {
	found, ok := d.registry.Detect(ctx, head, size, name)
	if !ok {
		return ingest.Match{}, false
	}
	pl, ok := d.registry.Get(found.Decoder)
	return ingest.Match{Format: found.Format, Plugin: decode.CatalogPlugin(pl)}, ok
}

func (d detector) Resolve(id string) (ingest.Match, error) {
	pl, ok := d.registry.Get(id)
	switch {
	case !ok:
		return ingest.Match{}, errcode.Invalid("decoder", "no decoder or format %q is installed", id)
	case pl.State == runtime.Disabled:
		return ingest.Match{}, errcode.Newf(errcode.DecoderDisabled, "decoder %s is disabled", pl.ID)
	}
	m := ingest.Match{Plugin: decode.CatalogPlugin(pl)}
	for _, f := range pl.Formats {
		if f.ID == id || m.Format == "" {
			m.Format = f.ID
		}
	}
	return m, nil
}

func (d detector) Params(pluginID string, given map[string]string) (json.RawMessage, error) {
	params, err := d.registry.Params(pluginID, given)
	if err != nil {
		return nil, fmt.Errorf("parameters of %s: %w", pluginID, err)
	}
	return params, nil
}

// recogniser shows the registry and what the pool has done to the HTTP API.
type recogniser struct {
	*runtime.Registry
	pool *runtime.Pool
}

func (r recogniser) Usage(id string) runtime.Usage { return r.pool.Usage(id) }

func (r recogniser) Detect(ctx context.Context, head []byte, size int64, name string) (runtime.Detection, error) {
	d, ok := r.Registry.Detect(ctx, head, size, name)
	if !ok {
		return d, errcode.New(errcode.UnknownFormat, "no decoder knows this format")
	}
	return d, nil
}

// direct shows the decoder to the HTTP API.
type direct struct{ decoder *decode.Decoder }

func (d direct) Direct(ctx context.Context, r httpapi.DirectRequest, w httpapi.TableWriter) error {
	var attrs []any
	for _, a := range idsOf(ctx) {
		if a.Value.String() != "" {
			attrs = append(attrs, a)
		}
	}
	err := d.decoder.Direct(ctx, decode.DirectRequest{
		Body: r.Body, Name: r.Name, Decoder: r.Decoder, Params: r.Params, To: r.To, Table: r.Table, Limit: r.Limit,
		Options: r.Options, LogAttrs: attrs,
	}, func(i decode.DirectInfo) { w.Describe(i.Status, i.Issues, i.Children) }, w)
	if err != nil {
		return fmt.Errorf("direct decode: %w", err)
	}
	return nil
}

// jobRecorder gives the queue's measurements to the metrics, whose method has another name.
type jobRecorder struct{ *observe.Metrics }

func (r jobRecorder) Finished(name, jobType string, status queue.Status, took time.Duration) {
	r.JobFinished(name, jobType, string(status), took)
}

// requestRecorder gives the measurements of the HTTP API to the metrics.
type requestRecorder struct{ *observe.Metrics }

func (r requestRecorder) RequestDone(ctx context.Context, a httpapi.Answer) {
	r.Metrics.RequestDone(ctx, observe.Answer(a))
}

// traceOf gives the trace id that a context carries: of a request, or of a job that one started.
func traceOf(ctx context.Context) string {
	if ids := httpapi.RequestIDs(ctx); ids.Request != "" {
		return ids.Trace
	}
	return queue.TraceOf(ctx).TraceID
}

// idsOf gives the ids that tie log lines of a request, and of the jobs it started, together.
func idsOf(ctx context.Context) []slog.Attr {
	ids := httpapi.RequestIDs(ctx)
	if ids.Request == "" {
		t := queue.TraceOf(ctx)
		ids = httpapi.IDs{Request: t.RequestID, Correlation: t.CorrelationID, Trace: t.TraceID}
	}
	if ids.Request == "" && ids.Correlation == "" && ids.Trace == "" {
		return nil
	}
	return []slog.Attr{slog.String("request_id", ids.Request), slog.String("correlation_id", ids.Correlation), slog.String("trace_id", ids.Trace)}
}

func levels(of map[string]config.Level) map[string]slog.Level {
	out := make(map[string]slog.Level, len(of))
	for name, l := range of {
		out[name] = l.Slog()
	}
	return out
}

// runtimeConfig gives the runtime what the configuration says about decoders and their limits.
func (a *appliance) runtimeConfig(builtin fs.FS) runtime.Config {
	d, p := a.cfg.Decode, a.cfg.Plugins
	const mib = 1 << 20
	cfg := runtime.Config{
		Builtin: builtin, CompiledDir: a.folder.compiled(), Workers: d.Workers, Idle: a.cfg.Worker.Idle,
		Recycle: a.cfg.Worker.Files, MaxRSS: int64(a.cfg.Worker.MaxRSS), Logger: a.logs.Logger("plugin"),
		Recorder: workerRecorder{a.metrics, a}, Watch: p.Watch, Debounce: p.Debounce, States: pluginStates{a.db},
		Limits: runtime.Limits{
			MemoryMiB: int(d.Memory / mib), MaxMemory: int(d.MaxMemory / mib), Stall: d.Stall, Total: d.Timeout,
			PerMB: d.TimeoutPerMB, OutputRatio: d.OutputRatio, OutputBase: int64(d.OutputBase), Issues: d.MaxIssues,
			LogBytes: int64(d.MaxLog), Children: d.MaxChildren, ChildBytes: int64(d.MaxChildBytes),
			UnpackRatio: d.UnpackRatio, UnpackBase: int64(d.UnpackBase), UnpackEntries: d.UnpackEntries,
			Compile: p.CompileTimeout, CompileMiB: int(p.CompileMemory / mib), Sniff: d.SniffTimeout,
			Module: runtime.ModuleLimits{
				Bytes: int(p.MaxModule), Body: int(p.MaxFunction), Functions: p.MaxFunctions, Locals: p.MaxLocals, Nesting: p.MaxNesting,
			},
		},
	}
	for _, dir := range p.Dirs {
		source := runtime.System
		if dir == a.folder.plugins() {
			source, cfg.InstallDir = runtime.Data, dir
		}
		cfg.Dirs = append(cfg.Dirs, runtime.Dir{Path: dir, Source: source})
	}
	return cfg
}
