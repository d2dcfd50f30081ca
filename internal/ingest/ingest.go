// Package ingest owns the way of a recording into the appliance and out of it again: bytes become a blob, a file and
// a decode job in one commit, and deleting a file lets go of all of them.
//
// Every way in (REST, resumable upload, watch folder, command line) calls Accept, so that they cannot differ. It is
// apart from the HTTP API for that, and from the catalog because it decides (is this a duplicate? is the result
// there already? may the blob go?) while the catalog records.
//
// Decisions about one recording are made one at a time, under a lock for its digest: that lock is taken before any
// lock of blob, store or queue and no other lock is taken twice. What is found inside a delivered file is recorded and
// deleted under one lock for that file, which is taken after that of a digest. The package starts no goroutine.
package ingest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/wayside-edge/wayside/internal/blob"
	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/event"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

// JobType is the type of decode jobs; their payload is a JobPayload. JobQueue is the queue they wait in.
const (
	JobType  = "decode"
	JobQueue = "decode"
)

// attempts is how often a worker may die of a decode, unexplained, before the decode has failed.
const attempts = 3

// JobPayload is the payload of a decode job.
type JobPayload struct {
	DecodeID string `json:"decode_id"`
}

// Topics of the events published here; the key is the id, the data a catalog.File or catalog.Decode.
const (
	TopicFile   = "file"
	TopicDecode = "decode"
)

// Match is a decoder that fits a recording.
type Match struct {
	Format string
	Plugin catalog.Plugin
}

// Detector finds decoders; it is the runtime's registry.
type Detector interface {
	// Detect recognises a recording by its first bytes, size and name.
	Detect(ctx context.Context, head []byte, size int64, name string) (Match, bool)
	// Resolve finds a decoder by plugin or format id. An unknown or disabled one is an error with its code.
	Resolve(id string) (Match, error)
	// Params checks parameters, fills in defaults, and gives their canonical JSON.
	Params(pluginID string, given map[string]string) (json.RawMessage, error)
}

// Results is what ingest needs of the folder of results.
type Results interface {
	Has(key string) bool
	Remove(key string) error
	Keys() ([]string, error)
}

// Earlier knows which decodes have made results; it is decode.Memory.
type Earlier interface {
	// Earlier finds a decode that has made the result that d will have, and whose tables are there; or has failed for what is
	// in the file.
	Earlier(ctx context.Context, fileSHA string, d catalog.Decode) (catalog.Decode, bool, error)
	// Forget is told of a decode that is gone.
	Forget(ctx context.Context, fileSHA string, d catalog.Decode)
}

// Recorder counts what came in; nil = nobody counts.
type Recorder interface {
	FileReceived(format string, size int64)
}

// Config is what an Ingester works with. All fields but Wrapping, Logger and Recorder are needed.
type Config struct {
	DB       *store.DB
	Catalog  *catalog.Catalog
	Blobs    *blob.Dir
	Queue    queue.Engine
	Results  Results
	Earlier  Earlier
	Detector Detector
	Wrapping Wrapping // nil: recordings are taken as they are
	Events   *event.Bus
	Logger   *slog.Logger
	Recorder Recorder
	// MaxUpload is the most bytes a recording may have, 0 = no limit.
	MaxUpload int64
	// ChildDepth is how deep inside each other files are recorded that decoders find inside files, 0 = none are;
	// ChildTotal is how many of them inside one delivered file.
	ChildDepth, ChildTotal int
	// LookTime and LookBytes bound what looking into the files found inside one may cost, all of them together: the time,
	// and the bytes that are unpacked. 0 = one minute and 4 GiB.
	LookTime  time.Duration
	LookBytes int64
	// Now is the clock; nil = time.Now.
	Now func() time.Time
}

// Ingester takes recordings in.
type Ingester struct {
	Config
	locks keyedLocks
}

// New returns an Ingester.
func New(c Config) *Ingester {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.LookTime <= 0 {
		c.LookTime = time.Minute
	}
	if c.LookBytes <= 0 {
		c.LookBytes = 4 << 30
	}
	return &Ingester{Config: c, locks: newKeyedLocks()}
}

// Upload is one recording that comes in.
type Upload struct {
	Name      string
	MediaType string
	Body      io.Reader
	Source    catalog.Source
	Decoder   string            // plugin or format id; "" = find out
	Params    map[string]string // of the decoder
	Decode    bool              // false: store only
	Force     bool              // decode anew even where a result exists
	Together  bool              // what the body holds is one recording, whatever it looks like: the caller says so
	Trace     queue.Trace       // request and correlation id
	// Also gives what stages the caller's own record that this has happened: in the commit that records the file, or in one
	// of its own where the same delivery was there before. nil = nothing.
	Also func(a Accepted) Stage
}

// Stage adds to a commit.
type Stage = func(b *store.Batch) error

// Accepted is what became of an Upload.
type Accepted struct {
	File     catalog.File
	Decode   *catalog.Decode // nil: not wanted
	Existing bool            // the same delivery was there before; nothing new was recorded
}

// Accept stores a recording and its decode job. When it returns without an error, both survive a power cut. After an
// error nothing of the upload is left, but a blob that others share.
func (in *Ingester) Accept(ctx context.Context, u Upload) (Accepted, error) {
	plan, err := in.plan(u)
	if err != nil {
		return Accepted{}, err
	}
	b, err := in.Blobs.Put(ctx, u.Body, in.MaxUpload)
	if err != nil {
		return Accepted{}, fmt.Errorf("store recording: %w", err)
	}
	acc, err := in.acceptBlob(ctx, u, b, plan)
	b.Release()
	if err != nil {
		return Accepted{}, errors.Join(err, in.dropBlob(context.WithoutCancel(ctx), b.SHA256))
	}
	return acc, nil
}

// Check tells whether a recording can be accepted, as far as that can be known without its bytes: its decoder and
// parameters.
func (in *Ingester) Check(u Upload) error {
	_, err := in.plan(u)
	return err
}

// AcceptBlob is Accept for a recording whose bytes are a blob already, which the caller holds and releases. After an error
// the blob is still there: see Drop.
func (in *Ingester) AcceptBlob(ctx context.Context, u Upload, b blob.Blob) (Accepted, error) {
	plan, err := in.plan(u)
	if err != nil {
		return Accepted{}, err
	}
	return in.acceptBlob(ctx, u, b, plan)
}

// Drop removes the bytes of a digest if no file refers to them and nobody holds them.
func (in *Ingester) Drop(ctx context.Context, sha string) error { return in.dropBlob(ctx, sha) }

func (in *Ingester) acceptBlob(ctx context.Context, u Upload, b blob.Blob, plan plan) (Accepted, error) {
	if err := in.recogniseBlob(ctx, &plan, u, b.SHA256, sample{b.Head, b.Size}); err != nil {
		return Accepted{}, err
	}
	unlock, err := in.locks.lock(ctx, b.SHA256)
	if err != nil {
		return Accepted{}, err
	}
	defer unlock()
	if !u.Force {
		found, ok, err := in.existing(ctx, u, b.SHA256, plan)
		if err != nil {
			return Accepted{}, err
		}
		if ok {
			return found, in.alone(ctx, u, found)
		}
	}
	return in.record(ctx, u, b, plan)
}

// alone commits what the caller wants recorded of a delivery that was there before.
func (in *Ingester) alone(ctx context.Context, u Upload, a Accepted) error {
	if u.Also == nil {
		return nil
	}
	batch := in.DB.Batch()
	if err := u.Also(a)(batch); err != nil {
		return fmt.Errorf("record delivery: %w", err)
	}
	if err := in.DB.Commit(ctx, batch); err != nil {
		return fmt.Errorf("record delivery: %w", err)
	}
	return nil
}

// plan is what is to be done with a recording.
type plan struct {
	match  Match
	known  bool // match is set
	params json.RawMessage
	inside Inside // of a recording that came wrapped

	inspected bool  // inside is what it is
	look      *look // bounds what looking into it costs; nil = its own limits do
}

// plan checks what the caller asks for before any byte is read.
func (in *Ingester) plan(u Upload) (plan, error) {
	if u.Decoder == "" {
		return plan{}, nil
	}
	m, err := in.Detector.Resolve(u.Decoder)
	if err != nil {
		return plan{}, fmt.Errorf("find decoder: %w", err)
	}
	params, err := in.Detector.Params(m.Plugin.ID, u.Params)
	if err != nil {
		return plan{}, fmt.Errorf("check parameters: %w", err)
	}
	return plan{match: m, known: true, params: params}, nil
}

// sample is what a recording is recognised by, beside its name.
type sample struct {
	head []byte // its first bytes
	size int64
}

// recognise finds the decoder of a recording by its content, where the caller named none.
func (in *Ingester) recognise(ctx context.Context, p *plan, u Upload, s sample) error {
	if p.known {
		return nil
	}
	m, ok := in.Detector.Detect(ctx, s.head, s.size, u.Name)
	if !ok {
		return nil
	}
	params, err := in.Detector.Params(m.Plugin.ID, u.Params)
	if err != nil {
		return fmt.Errorf("check parameters: %w", err)
	}
	p.match, p.known, p.params = m, true, params
	return nil
}

// existing looks for an earlier delivery of the same bytes with the same name, decoder and parameters.
func (in *Ingester) existing(ctx context.Context, u Upload, sha string, p plan) (Accepted, bool, error) {
	ids, err := in.Catalog.FilesOfBlob(ctx, sha)
	if err != nil {
		return Accepted{}, false, fmt.Errorf("look for an earlier delivery: %w", err)
	}
	for _, id := range ids {
		f, err := in.Catalog.File(ctx, id)
		if err != nil {
			return Accepted{}, false, fmt.Errorf("look for an earlier delivery: %w", err)
		}
		if f.Name != u.Name || f.Parent != nil { // one found inside another goes with that one: it is no delivery
			continue
		}
		if !u.Decode {
			return Accepted{File: f, Existing: true}, true, nil
		}
		d, ok, err := in.decodeOf(ctx, f, p)
		if err != nil {
			return Accepted{}, false, err
		}
		if ok {
			return Accepted{File: f, Decode: &d, Existing: true}, true, nil
		}
	}
	return Accepted{}, false, nil
}

// decodeOf finds the newest decode of a file with the planned decoder and parameters that need not be repeated.
func (in *Ingester) decodeOf(ctx context.Context, f catalog.File, p plan) (catalog.Decode, bool, error) {
	ids, err := in.Catalog.DecodesOf(ctx, f.ID)
	if err != nil {
		return catalog.Decode{}, false, fmt.Errorf("look for an earlier decode: %w", err)
	}
	for _, id := range slices.Backward(ids) {
		d, err := in.Catalog.Decode(ctx, id)
		if err != nil {
			return catalog.Decode{}, false, fmt.Errorf("look for an earlier decode: %w", err)
		}
		if d.Status == catalog.Cancelled || undecided(d) {
			continue
		}
		if !p.known && d.Decoder == nil {
			return d, true, nil
		}
		if p.known && d.Decoder != nil && d.Decoder.SHA256 == p.match.Plugin.SHA256 && bytes.Equal(d.Params, p.params) {
			return d, true, nil
		}
	}
	return catalog.Decode{}, false, nil
}

// undecided reports whether a decode failed for its decoder's state and not for what is in the file: it is worth another
// one, since the state may have changed.
func undecided(d catalog.Decode) bool {
	return d.Error != nil && (d.Error.Code == errcode.DecoderDisabled || d.Error.Code == errcode.PluginRejected)
}

func (in *Ingester) resultKey(sha string, p plan) string {
	return catalog.ResultKey(sha, p.match.Plugin.SHA256, p.params)
}

// record commits a new file and its decode.
func (in *Ingester) record(ctx context.Context, u Upload, b blob.Blob, p plan) (Accepted, error) {
	id, err := in.Catalog.NewFileID(ctx)
	if err != nil {
		return Accepted{}, fmt.Errorf("record file: %w", err)
	}
	f := catalog.File{
		ID: id, Name: u.Name, Size: b.Size, SHA256: b.SHA256, MediaType: u.MediaType, Format: p.match.Format,
		CreatedAt: in.Now().UTC(), Source: u.Source, Wrapped: p.inside.Wrapped, Parts: p.inside.Parts,
	}
	batch := in.DB.Batch()
	if err := in.Catalog.PutFile(batch, f); err != nil {
		return Accepted{}, fmt.Errorf("record file: %w", err)
	}
	acc := Accepted{File: f}
	if u.Decode {
		d, err := in.stageDecode(ctx, batch, f, p, request{force: u.Force, trace: u.Trace})
		if err != nil {
			return Accepted{}, err
		}
		acc.Decode = &d
	}
	if u.Also != nil {
		if err := u.Also(acc)(batch); err != nil {
			return Accepted{}, fmt.Errorf("record file: %w", err)
		}
	}
	batch.OnCommit(func() { in.Events.Publish(TopicFile, f.ID, f.Brief()) })
	if err := in.DB.Commit(ctx, batch); err != nil {
		return Accepted{}, fmt.Errorf("record file: %w", err)
	}
	if in.Recorder != nil {
		in.Recorder.FileReceived(f.Format, f.Size)
	}
	return acc, nil
}

// request is what a caller said about a decode, beside the plan.
type request struct {
	force bool
	trace queue.Trace
	later bool // with a job in any case: the caller does not hold the digest's lock
}

// stageDecode stages a decode of a file: failed at once when no decoder knows the format, done at once when the
// result is there, else with a job.
func (in *Ingester) stageDecode(ctx context.Context, b *store.Batch, f catalog.File, p plan, r request) (catalog.Decode, error) {
	id, err := in.Catalog.NewDecodeID(ctx)
	if err != nil {
		return catalog.Decode{}, fmt.Errorf("record decode: %w", err)
	}
	now := in.Now().UTC()
	d := catalog.Decode{ID: id, FileID: f.ID, Status: catalog.Queued, Force: r.force, CreatedAt: now}
	if failure := p.failure(); failure != nil {
		d.Status, d.StartedAt, d.FinishedAt, d.Error = catalog.Failed, now, now, failure
	}
	if !p.known {
		return d, in.putDecode(b, d)
	}
	pl := p.match.Plugin
	d.Decoder = &catalog.Decoder{ID: pl.ID, Version: pl.Version, SHA256: pl.SHA256}
	d.Format, d.Params, d.ResultKey = p.match.Format, p.params, in.resultKey(f.SHA256, p)
	d.Reveal = catalog.Reveals(p.params)
	if err := in.Catalog.PutPlugin(b, pl); err != nil {
		return catalog.Decode{}, fmt.Errorf("record decoder: %w", err)
	}
	if d.Status.Final() {
		return d, in.putDecode(b, d)
	}
	if !r.force && !r.later {
		if done, ok, err := in.cached(ctx, f.SHA256, d); err != nil || ok {
			if err != nil {
				return catalog.Decode{}, err
			}
			return done, in.putDecode(b, done)
		}
	}
	payload, err := json.Marshal(JobPayload{DecodeID: d.ID})
	if err != nil {
		return catalog.Decode{}, fmt.Errorf("encode job: %w", err)
	}
	j, err := in.Queue.Stage(b, queue.New{
		Type: JobType, Queue: JobQueue, Payload: payload, Writing: true, MaxAttempts: attempts,
		RequestID: r.trace.RequestID, CorrelationID: r.trace.CorrelationID, TraceID: r.trace.TraceID,
	})
	if err != nil {
		return catalog.Decode{}, fmt.Errorf("enqueue decode: %w", err)
	}
	d.JobID = string(j.ID)
	return d, in.putDecode(b, d)
}

// cached makes d done if another decode already made the same result. Where that found files inside its own, a job is to
// record them for this one too.
func (in *Ingester) cached(ctx context.Context, sha string, d catalog.Decode) (catalog.Decode, bool, error) {
	twin, ok, err := in.Earlier.Earlier(ctx, sha, d)
	if err != nil {
		return d, false, fmt.Errorf("look for a result: %w", err)
	}
	if !ok || len(twin.Children) > 0 {
		return d, false, nil
	}
	d.CopyResult(twin)
	d.Cached, d.StartedAt, d.FinishedAt = true, d.CreatedAt, d.CreatedAt
	return d, true, nil
}

func (in *Ingester) putDecode(b *store.Batch, d catalog.Decode) error {
	if err := in.Catalog.PutDecode(b, d); err != nil {
		return fmt.Errorf("record decode: %w", err)
	}
	b.OnCommit(func() { in.Events.Publish(TopicDecode, d.ID, d) })
	return nil
}
