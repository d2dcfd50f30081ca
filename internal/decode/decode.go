// Package decode owns the decode job: it takes a recorded decode, has a worker run the decoder, and makes tables and
// verdict durable together with the end of the job. It also decodes for a caller who wants nothing stored (Direct).
//
// It is apart from runtime, which runs decoders and knows neither jobs nor records, and from ingest, which decides
// that something is to be decoded. A Decoder is a queue.Handler: the dispatcher owns the goroutines it runs on, it
// starts none. Its one lock is that of the files that are unwrapped for a look, whose owner is ShelveUntil.
package decode

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/wayside-edge/wayside/internal/blob"
	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/event"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/runtime"
	"github.com/wayside-edge/wayside/internal/store"
	"github.com/wayside-edge/wayside/internal/table"
)

// TopicDecode is the topic of the events published here: the key is the decode's id, the data a catalog.Decode.
const TopicDecode = "decode"

const (
	// compileDelay is when a job is tried again whose decoder is being compiled: it makes room for jobs of other
	// decoders. compileWait bounds the wait for a decoder that turns out to need it again.
	compileDelay = 200 * time.Millisecond
	compileWait  = 2 * time.Second
	// removedDelay is when a job is tried again whose decoder has just been removed.
	removedDelay = time.Second
	// fullDelay is when a job that met a full disk is tried again.
	fullDelay = 5 * time.Second
	// progressEvery is the least time between two progress events of a decode.
	progressEvery = 250 * time.Millisecond
)

// Pool runs decoders; it is runtime.Pool.
type Pool interface {
	Decode(ctx context.Context, r runtime.Request) (runtime.Result, error)
}

// Registry knows the decoders; it is runtime.Registry.
type Registry interface {
	Get(idOrFormat string) (runtime.Plugin, bool)
	Detect(ctx context.Context, head []byte, size int64, name string) (runtime.Detection, bool)
	Params(pluginID string, given map[string]string) (json.RawMessage, error)
	// Wait returns when the plugin version can be used, or with plugin_rejected.
	Wait(ctx context.Context, sha256 string) error
	// MayComeBack reports whether a decoder was removed only just now, as by somebody who replaces its file in two steps.
	MayComeBack(pluginID string) bool
}

// Recorder counts finished decodes; nil = nobody counts.
type Recorder interface {
	// FileReceived is called for a recording that is decoded without being stored: who stores one counts it himself.
	FileReceived(format string, size int64)
	// FileProcessed is called once a decode: status is success or error. The context is that of the job or the request.
	FileProcessed(ctx context.Context, format, status string, took time.Duration)
}

// Config is what a Decoder works with. All fields but Logger, Recorder and Now are needed.
type Config struct {
	Catalog   *catalog.Catalog
	Blobs     *blob.Dir
	Results   *table.Dir
	Pool      Pool
	Registry  Registry
	Unwrapper Unwrapper // nil: files are decoded as they are stored
	Events    *event.Bus
	Memory    *Memory  // of the decodes that made results
	Children  Children // of the files that decoders find inside files
	Generator string   // written into every stored table: the program and its version
	TempDir   string   // of Direct's tables
	Logger    *slog.Logger
	Recorder  Recorder
	Now       func() time.Time // nil = time.Now
}

// Decoder runs decode jobs.
type Decoder struct {
	Config
	shelf shelf
}

// New returns a Decoder.
func New(c Config) *Decoder {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Decoder{Config: c}
}

// payload is what ingest puts into a decode job.
type payload struct {
	DecodeID string `json:"decode_id"`
}

// Handle runs one decode job.
func (d *Decoder) Handle(ctx context.Context, j queue.Job) queue.Outcome {
	rec, err := d.record(ctx, j)
	if errcode.Is(err, errcode.NotFound) {
		return queue.Outcome{} // deleted since it was asked for
	}
	if err != nil {
		return queue.Outcome{Err: err}
	}
	if rec.Status.Final() {
		return queue.Outcome{}
	}
	a := &attempt{rec: rec, recordedKey: rec.ResultKey, started: d.Now()}
	a.rec.StartedAt = a.started.UTC()
	if err := d.begin(ctx, a); err != nil {
		return d.failed(ctx, a, err)
	}
	if rec.Force {
		return d.make(ctx, a)
	}
	return d.find(ctx, a)
}

// find takes the result that another decode has made, or makes it. Of jobs that want the same one at a time one makes it:
// the others wait for its end and find it then.
func (d *Decoder) find(ctx context.Context, a *attempt) queue.Outcome {
	key := resultOf(a.file.SHA256, a.rec, "")
	for {
		land, err := d.Memory.cache.Join(ctx, key)
		if err != nil {
			return d.failed(ctx, a, err)
		}
		a.rec.ResultKey = a.recordedKey
		ok, err := d.cached(ctx, a)
		if land != nil && err == nil && !ok {
			return d.lead(ctx, a, land)
		}
		if land != nil {
			land()
		}
		switch {
		case err != nil:
			return d.failed(ctx, a, err)
		case ok:
			return d.finish(ctx, a)
		}
	}
}

// lead makes a result that others may wait for, until it is recorded or will not be.
func (d *Decoder) lead(ctx context.Context, a *attempt, land func()) (out queue.Outcome) {
	defer func() {
		if out.Commit == nil { // nothing to wait for; or a panic, which is the dispatcher's to take
			land()
		}
	}()
	if out = d.make(ctx, a); out.Commit == nil {
		return out
	}
	settled := out.Settled
	out.Settled = func() {
		if settled != nil {
			settled()
		}
		land()
	}
	return out
}

// make runs the decoder.
func (d *Decoder) make(ctx context.Context, a *attempt) queue.Outcome {
	if a.refused != "" {
		a.leaf()
	}
	d.Catalog.SetProgress(a.rec.ID, catalog.Progress{StartedAt: a.rec.StartedAt})
	defer d.Catalog.ClearProgress(a.rec.ID)
	return d.run(ctx, a)
}

// attempt is one run of a decode job.
type attempt struct {
	rec         catalog.Decode // as it will be recorded
	recordedKey string         // the result key it is recorded with now
	plugin      *runtime.Plugin
	started     time.Time
	file        catalog.File
	refused     string // why no files found inside this one are taken: the code of an issue, "" = they are
	family      Family // what was found inside, nil = nothing
	asked       question
}

func (d *Decoder) record(ctx context.Context, j queue.Job) (catalog.Decode, error) {
	var p payload
	if err := json.Unmarshal(j.Payload, &p); err != nil {
		return catalog.Decode{}, errcode.Wrap(errcode.Corrupt, err, "the job's payload cannot be read")
	}
	rec, err := d.Catalog.Decode(ctx, p.DecodeID)
	if err != nil {
		return rec, fmt.Errorf("read decode: %w", err)
	}
	return rec, nil
}

// run decodes and turns what came of it into the job's outcome.
func (d *Decoder) run(ctx context.Context, a *attempt) queue.Outcome {
	if err := d.choosePlugin(ctx, a); err != nil {
		return d.failed(ctx, a, err)
	}
	d.Memory.missed(a.asked) // not before: a job whose decoder is being compiled comes again and again
	input, err := d.Blobs.Open(a.file.SHA256)
	if err != nil {
		return d.failed(ctx, a, fmt.Errorf("open recording: %w", err))
	}
	defer d.close(ctx, input)
	staging, err := d.Results.Begin(a.rec.ResultKey)
	if err != nil {
		return d.failed(ctx, a, fmt.Errorf("begin result: %w", err))
	}
	kids := &cradle{temp: d.TempDir}
	req := d.request(ctx, a.rec, a.file, input, staging)
	req.CreateChild, req.RefuseChildren = kids.create, a.refused
	var res runtime.Result
	u, err := d.unwrapInto(ctx, a, a.file, &req)
	if err == nil {
		res, err = d.Pool.Decode(ctx, req)
	}
	if u != nil {
		err = errors.Join(err, u.close())
	}
	if err == nil {
		err = d.takeChildren(ctx, a, kids, res)
	}
	if err == nil && stored(res) {
		err = staging.Commit()
	}
	if derr := errors.Join(staging.Discard(), kids.remove()); derr != nil {
		d.Logger.WarnContext(ctx, "unfinished result not removed", "error", derr)
	}
	if err != nil {
		return d.failed(ctx, a, fmt.Errorf("decode: %w", err))
	}
	apply(&a.rec, res, a.plugin)
	d.Memory.remember(ctx, resultOf(a.file.SHA256, a.rec, a.refused), a.rec)
	return d.finish(ctx, a)
}

// choosePlugin finds the decoder to run and waits until it is usable. If the version that the decode was recorded with
// is gone, the current one takes its place, and the result its own key.
func (d *Decoder) choosePlugin(ctx context.Context, a *attempt) error {
	rec := &a.rec
	pl, ok := d.Registry.Get(rec.Decoder.ID)
	switch {
	case !ok && d.Registry.MayComeBack(rec.Decoder.ID):
		return errRemoved
	case !ok:
		return errcode.Newf(errcode.PluginRejected, "decoder %s is not installed", rec.Decoder.ID)
	case pl.State == runtime.Disabled:
		return errcode.Newf(errcode.DecoderDisabled, "decoder %s is disabled", rec.Decoder.ID)
	}
	if pl.SHA256 != rec.Decoder.SHA256 {
		rec.Decoder = &catalog.Decoder{ID: pl.ID, Version: pl.Version, SHA256: pl.SHA256}
		rec.ResultKey = catalog.ResultKey(a.file.SHA256, pl.SHA256, rec.Params)
		if a.refused != "" {
			a.leaf()
		}
	}
	if pl.State == runtime.Compiling {
		return errCompiling
	}
	wait, cancel := context.WithTimeoutCause(ctx, compileWait, errCompiling)
	defer cancel()
	if err := d.Registry.Wait(wait, pl.SHA256); err != nil {
		return fmt.Errorf("wait for decoder %s: %w", pl.ID, err)
	}
	a.plugin = &pl
	return nil
}

// errCompiling is the cause when a job gives way because its decoder is not compiled yet.
var errCompiling = errors.New("the decoder is still being compiled")

// errRemoved is the cause when a job gives way because its decoder has just been removed.
var errRemoved = errors.New("the decoder has just been removed")

func (d *Decoder) request(ctx context.Context, rec catalog.Decode, f catalog.File, input *os.File, s *table.Staging) runtime.Request {
	attrs := []any{"decode_id", rec.ID}
	trace := queue.TraceOf(ctx)
	for _, id := range [][2]string{{"request_id", trace.RequestID}, {"correlation_id", trace.CorrelationID}, {"trace_id", trace.TraceID}} {
		if id[1] != "" {
			attrs = append(attrs, id[0], id[1])
		}
	}
	last := time.Time{}
	return runtime.Request{
		Plugin: rec.Decoder.SHA256, Input: input, Size: f.Size, SHA256: f.SHA256, Name: f.Name, Params: rec.Params,
		Form: table.Parquet, Options: table.EncodeOptions{Metadata: d.metadata(rec, f.SHA256)}, Reveal: rec.Reveal,
		LogAttrs: attrs,
		Create:   func(t *table.Schema) (*os.File, error) { return s.Create(t.Name) },
		Progress: func(p runtime.Progress) {
			d.Catalog.SetProgress(rec.ID, catalog.Progress{
				StartedAt: rec.StartedAt, BytesRead: p.BytesRead, Size: f.Size, Rows: p.Rows,
			})
			if now := d.Now(); now.Sub(last) >= progressEvery {
				last = now
				d.publishProgress(ctx, rec.ID)
			}
		},
	}
}

func (d *Decoder) publishProgress(ctx context.Context, id string) {
	if rec, err := d.Catalog.Decode(ctx, id); err == nil {
		d.Events.Publish(TopicDecode, id, rec)
	}
}

// metadata is written into the footer of every stored table.
func (d *Decoder) metadata(rec catalog.Decode, sha string) map[string]string {
	return map[string]string{
		"wayside.file.sha256":     sha,
		"wayside.decoder.id":      rec.Decoder.ID,
		"wayside.decoder.version": rec.Decoder.Version,
		"wayside.decoder.sha256":  rec.Decoder.SHA256,
		"wayside.parameters":      string(rec.Params),
		"wayside.generator":       d.Generator,
	}
}

// stored reports whether a result has files.
func stored(res runtime.Result) bool {
	for _, t := range res.Tables {
		if t.Rows > 0 {
			return true
		}
	}
	return false
}

// apply writes the runtime's verdict into the record.
func apply(rec *catalog.Decode, res runtime.Result, pl *runtime.Plugin) {
	manifest := make(map[string]bool, len(pl.Tables)+1)
	manifest["issues"] = true
	for _, t := range pl.Tables {
		manifest[t.Name] = true
	}
	rec.Status = catalog.Status(res.Status)
	rec.BytesRead, rec.Rows = res.BytesRead, res.Rows
	rec.Issues = catalog.Issues(res.Issues)
	rec.Error = (*catalog.Failure)(res.Failure)
	rec.Tables = make([]catalog.Table, len(res.Tables))
	for i, t := range res.Tables {
		rec.Tables[i] = catalog.Table{Name: t.Schema.Name, Rows: t.Rows, Bytes: t.Bytes, Columns: len(t.Schema.Columns)}
		if !manifest[t.Schema.Name] {
			rec.Tables[i].Schema = t.Schema
		}
	}
	rec.Progress = 1
}

// finish gives the outcome of a decode that has a verdict: the record's last state commits with the job's end.
func (d *Decoder) finish(ctx context.Context, a *attempt) queue.Outcome {
	rec, now := a.rec, d.Now()
	rec.FinishedAt = now.UTC()
	out := queue.Outcome{}
	if a.family != nil {
		rec.Children, out.Settled = a.family.IDs(), a.family.Release
	}
	d.count(ctx, rec.Format, rec.Status == catalog.Done || rec.Status == catalog.Partial, now.Sub(a.started))
	d.logEnd(ctx, rec, now.Sub(a.started))
	out.Commit = func(b *store.Batch) error {
		if a.family != nil {
			if err := a.family.Stage(b); err != nil {
				return fmt.Errorf("record files found inside: %w", err)
			}
		}
		if a.plugin != nil {
			if err := d.Catalog.PutPlugin(b, CatalogPlugin(*a.plugin)); err != nil {
				return fmt.Errorf("record decoder: %w", err)
			}
		}
		if a.recordedKey != rec.ResultKey {
			d.Catalog.UnlinkResult(b, catalog.Decode{ID: rec.ID, ResultKey: a.recordedKey})
		}
		return d.stage(b, rec)
	}
	return out
}

// logEnd says how a decode ended: the ids of the request that asked for it are in ctx.
func (d *Decoder) logEnd(ctx context.Context, rec catalog.Decode, took time.Duration) {
	level, attrs := slog.LevelDebug, []any{"decode_id", rec.ID, "file_id", rec.FileID, "format", rec.Format, "status", rec.Status, "duration", took}
	if rec.Error != nil {
		level, attrs = slog.LevelInfo, append(attrs, "code", rec.Error.Code, "error", rec.Error.Message)
	}
	d.Logger.Log(ctx, level, "decode finished", attrs...)
}

// count counts a decode that has ended.
func (d *Decoder) count(ctx context.Context, format string, ok bool, took time.Duration) {
	if d.Recorder == nil {
		return
	}
	status := "error"
	if ok {
		status = "success"
	}
	d.Recorder.FileProcessed(ctx, format, status, took)
}

func (d *Decoder) stage(b *store.Batch, rec catalog.Decode) error {
	if err := d.Catalog.PutDecode(b, rec); err != nil {
		return fmt.Errorf("record decode: %w", err)
	}
	b.OnCommit(func() { d.Events.Publish(TopicDecode, rec.ID, rec) })
	return nil
}

// failed gives the outcome of a decode that ended without a result.
func (d *Decoder) failed(ctx context.Context, a *attempt, err error) queue.Outcome {
	a.release()
	cause := context.Cause(ctx)
	if r, ok := errors.AsType[*refusal](err); ok && cause == nil {
		a.rec.Status, a.rec.Progress = catalog.Failed, 1
		a.rec.Error = &catalog.Failure{Code: r.Code, Message: r.Message, Offset: r.Offset}
		d.Memory.remember(ctx, resultOf(a.file.SHA256, a.rec, a.refused), a.rec)
		return d.finish(ctx, a)
	}
	switch code := errcode.Of(err); {
	case errors.Is(cause, queue.ErrShutdown), code == errcode.ShuttingDown:
		return queue.Outcome{Release: true}
	case errors.Is(cause, queue.ErrCancelled):
		a.rec.Status = catalog.Cancelled
		a.rec.Error = &catalog.Failure{Code: errcode.Cancelled, Message: "cancelled by request"}
		out := d.finish(ctx, a)
		out.Err = cause
		return out
	case errors.Is(err, errCompiling):
		return queue.Outcome{Release: true, Delay: compileDelay}
	case errors.Is(err, errRemoved):
		return queue.Outcome{Release: true, Delay: removedDelay}
	case code == errcode.DiskFull, disk.IsNoSpace(err):
		return queue.Outcome{Release: true, Delay: fullDelay}
	case code == errcode.PluginRejected, code == errcode.DecoderDisabled, code == errcode.NotFound, code == errcode.ValidationFailed:
		a.rec.Status = catalog.Failed
		a.rec.Error = &catalog.Failure{Code: code, Message: err.Error()}
		return d.finish(ctx, a)
	default:
		return queue.Outcome{Err: err}
	}
}

// Dead stages the end of a decode whose job the queue gave up.
func (d *Decoder) Dead(b *store.Batch, j queue.Job, code errcode.Code, message string) error {
	ctx := context.Background() // the burial is a commit of its own, no caller's
	rec, err := d.record(ctx, j)
	if errcode.Is(err, errcode.Corrupt) {
		rec, err = d.Catalog.DecodeOfJob(ctx, string(j.ID))
	}
	if errcode.Is(err, errcode.NotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("bury decode: %w", err)
	}
	if rec.Status.Final() {
		return nil
	}
	rec.Status, rec.FinishedAt = catalog.Failed, d.Now().UTC()
	if code == errcode.Cancelled {
		rec.Status = catalog.Cancelled
	}
	if rec.StartedAt.IsZero() {
		rec.StartedAt = rec.FinishedAt
	}
	rec.Error = &catalog.Failure{Code: code, Message: message}
	d.count(ctx, rec.Format, false, rec.FinishedAt.Sub(rec.StartedAt))
	return d.stage(b, rec)
}

func (d *Decoder) close(ctx context.Context, f *os.File) {
	if err := f.Close(); err != nil {
		d.Logger.WarnContext(ctx, "recording not closed", "error", err)
	}
}

// CatalogPlugin gives what the catalog keeps of a plugin version.
func CatalogPlugin(p runtime.Plugin) catalog.Plugin {
	return catalog.Plugin{SHA256: p.SHA256, ID: p.ID, Version: p.Version, Tables: p.Tables}
}
