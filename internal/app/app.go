package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/wayside-edge/wayside/internal/access"
	"github.com/wayside-edge/wayside/internal/alert"
	"github.com/wayside-edge/wayside/internal/batch"
	"github.com/wayside-edge/wayside/internal/blob"
	"github.com/wayside-edge/wayside/internal/cache"
	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/config"
	"github.com/wayside-edge/wayside/internal/decode"
	"github.com/wayside-edge/wayside/internal/event"
	"github.com/wayside-edge/wayside/internal/history"
	"github.com/wayside-edge/wayside/internal/httpapi"
	"github.com/wayside-edge/wayside/internal/idempotency"
	"github.com/wayside-edge/wayside/internal/ingest"
	"github.com/wayside-edge/wayside/internal/kv"
	"github.com/wayside-edge/wayside/internal/kv/aof"
	"github.com/wayside-edge/wayside/internal/kv/engine"
	"github.com/wayside-edge/wayside/internal/observe"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/queue/local"
	"github.com/wayside-edge/wayside/internal/runtime"
	"github.com/wayside-edge/wayside/internal/store"
	"github.com/wayside-edge/wayside/internal/table"
	"github.com/wayside-edge/wayside/internal/upload"
	"github.com/wayside-edge/wayside/plugins"
)

// Env is what the appliance needs of the process it runs in.
type Env struct {
	Stdout, Stderr io.Writer
	Version        string // of the program
	Revision       string // of its source, may be empty
	// Listening is told the address as soon as there is one, which is before anything is answered there; nil = nobody.
	Listening func(url string)
	// Reload reads the configuration anew, at SIGHUP; nil = nothing to read.
	Reload func() (config.Config, error)
}

// crashDelay is the wait of a job that ran at two ends of the process, before it runs again.
const crashDelay = time.Minute

// keptLines is how many lines of the log can be looked back at.
const keptLines = 2000

const (
	// intakeWait and closeWait are the parts of the shutdown around its drain: requests under way, and closing.
	intakeWait = time.Second
	closeWait  = time.Second
)

// appliance is everything that is open and runs.
type appliance struct {
	cfg     config.Config // at the start
	env     Env
	started time.Time
	world   world
	hangup  chan os.Signal // SIGHUP: read the configuration again
	log     *slog.Logger

	reloaded atomic.Pointer[config.Config] // nil: not since the start

	logs     *observe.Logs
	lines    *event.Bus // of the log
	metrics  *observe.Metrics
	health   *observe.Health
	folder   *folder
	access   *access.Access
	events   *event.Bus
	db       *store.DB
	catalog  *catalog.Catalog
	blobs    *blob.Dir
	results  *table.Dir
	engine   *local.Engine
	registry *runtime.Registry
	pool     *runtime.Pool
	memory   *decode.Memory
	decoder  *decode.Decoder
	mux      *queue.Mux
	ingester *ingest.Ingester
	batches  *batch.Engine
	uploads  *upload.Uploads
	keys     *idempotency.Keys
	alerts   *alert.Engine
	history  *history.History
	server   *httpapi.Server
	sizes    *sizes
	kvSeen   glance[observe.KV] // a script of a client may hold the server for seconds
	kvUsers  glance[error]      // the same, of its users' file
	kv       *kv.Server         // nil = there is none
	kvLog    *aof.Log

	kvMissing string // which addresses it does without, and why

	cache       *cache.Cache
	cacheEngine *engine.Engine // of the cache alone; nil = it has none of its own

	closers []closer // in the order of opening
}

type closer struct {
	name  string
	close func() error
}

// Run opens the appliance, serves until ctx ends or a part fails, and shuts down. It prints "ready http://HOST:PORT"
// on env.Stderr once it answers.
func Run(ctx context.Context, cfg config.Config, env Env) error {
	a := &appliance{cfg: cfg, env: env, started: time.Now(), hangup: make(chan os.Signal, 1)}
	// Before anything else: a SIGHUP would end the process otherwise, also while it starts.
	signal.Notify(a.hangup, syscall.SIGHUP)
	defer signal.Stop(a.hangup)
	var err error
	if a.world, err = openWorld(); err != nil {
		return err
	}
	if err := a.open(ctx); err != nil {
		return errors.Join(err, a.close())
	}
	a.sizes = &sizes{app: a, every: a.cfg.Metrics.Interval}
	if a.kv != nil {
		a.kvSeen.look, a.kvUsers.look = a.kvStats, a.kv.UsersFailure
		a.onClose("look at the redis server", a.kvSeen.close)
		a.onClose("look at its users", a.kvUsers.close)
	}
	err = a.serve(ctx)
	return errors.Join(err, a.close())
}

func (a *appliance) onClose(name string, fn func() error) {
	a.closers = append(a.closers, closer{name, fn})
}

// close closes what was opened, the last first.
func (a *appliance) close() error {
	var errs []error
	for _, c := range slices.Backward(a.closers) {
		if err := c.close(); err != nil {
			errs = append(errs, fmt.Errorf("close %s: %w", c.name, err))
			if a.log != nil {
				a.log.Error("part not closed cleanly", "part", c.name, "error", err)
			}
		}
	}
	a.closers = nil
	return errors.Join(errs...)
}

// open opens every part. Whatever it opened before an error is closed by close.
func (a *appliance) open(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		a.openObservation, a.openFolder, a.checkListener, a.openStorage, a.openTokens, a.openKV, a.openCache, a.openRuntime, a.openQueue, a.openUseCases, a.openBatches, a.openUploads, a.openAlerts, a.openHistory, a.openHTTP,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (a *appliance) openObservation(context.Context) error {
	a.lines = event.New(keptLines)
	a.onClose("lines of the log", func() error { a.lines.Close(); return nil })
	logs, err := observe.OpenLogs(observe.LogConfig{
		Lines:   a.lines,
		Service: a.cfg.Service.Name, Level: slog.Level(a.cfg.Log.Level), Modules: levels(a.cfg.Log.Modules),
		Format: a.cfg.Log.Format, Output: a.cfg.Log.Output, MaxSize: int64(a.cfg.Log.MaxSize), Keep: a.cfg.Log.Keep, Context: idsOf, Journal: os.Getenv("JOURNAL_STREAM"),
		Stdout: a.env.Stdout, Stderr: a.env.Stderr,
	})
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	a.logs, a.log = logs, logs.Logger("app")
	a.onClose("log", logs.Close)
	a.health = observe.NewHealth(a.log)
	a.metrics = observe.NewMetrics(observe.MetricsConfig{
		Version: a.env.Version, Revision: a.env.Revision, GoVersion: goVersion(), Environment: a.cfg.Service.Environment,
		Compat: a.cfg.Metrics.Compat, Trace: traceOf, Logger: a.logs.Logger("performance"),
	})
	return nil
}

func (a *appliance) openFolder(context.Context) error {
	f, err := openFolder(a.cfg.Data.Dir)
	if err != nil {
		return err
	}
	a.folder = f
	a.onClose("data folder", f.close)
	return nil
}

// checkListener refuses a listener that others can reach without tokens, before anything is served.
func (a *appliance) checkListener(context.Context) error {
	if err := access.CheckListener(string(a.cfg.Server.Listen), a.cfg.Auth.Required); err != nil {
		return fmt.Errorf("check listener: %w", err)
	}
	return nil
}

func (a *appliance) openTokens(ctx context.Context) error {
	acc, err := access.Open(ctx, access.Config{
		DB: a.db, SecretsDir: a.folder.secrets(), Required: a.cfg.Auth.Required, GroupReadable: a.cfg.Auth.GroupReadable,
		SessionTTL: a.cfg.Auth.SessionTTL, Now: a.world.now, Logger: a.logs.Logger("api"),
	})
	if err != nil {
		return fmt.Errorf("open tokens: %w", err)
	}
	a.access = acc
	if acc.Created() {
		a.log.InfoContext(ctx, "admin token made", "file", acc.TokenFile())
	}
	return nil
}

func (a *appliance) openStorage(ctx context.Context) error {
	a.events = event.New(0)
	a.onClose("events", func() error { a.events.Close(); return nil })
	db, err := store.Open(ctx, store.Config{
		Dir: a.folder.db(), Reserve: int64(a.cfg.Store.Reserve), Ballast: ballast(a.cfg.Store.Ballast),
		MemTableSize: int64(a.cfg.Store.Memtable), Logger: a.logs.Logger("database"), Recorder: a.metrics,
		OnLowSpace: a.spaceChanged, FS: a.world.fs, Hook: a.world.hook,
	})
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	a.db = db
	a.onClose("database", db.Close)
	if a.catalog, err = catalog.Open(db); err != nil {
		return fmt.Errorf("open catalog: %w", err)
	}
	a.blobs, err = blob.Open(blob.Config{
		Dir: a.folder.blobs(), TempDir: a.folder.tmp(), FS: a.world.fs, Guard: db, Logger: a.logs.Logger("database"),
	})
	if err != nil {
		return fmt.Errorf("open recordings: %w", err)
	}
	if a.results, err = table.OpenDir(a.folder.results(), a.folder.tmp(), a.world.fs); err != nil {
		return fmt.Errorf("open results: %w", err)
	}
	return nil
}

// openQueue opens the queue with its handlers known: what it buries while it opens is theirs to record.
func (a *appliance) openQueue(ctx context.Context) error {
	a.mux = queue.NewMux()
	a.mux.Handle(ingest.JobType, a.decoder)
	q := a.cfg.Queue
	engine, err := local.Open(ctx, local.Config{
		DB: a.db, Logger: a.logs.Logger("queue"), Weights: q.Weights, Mode: queue.Mode(q.Mode), Ageing: q.Ageing, SlotFile: a.folder.slots(), Dead: a.mux.Dead, Types: a.mux.Types(),
		Retention: q.Retention, RetentionDead: q.RetentionDead, RetentionCancelled: q.RetentionCancelled, ResultTTL: q.ResultTTL,
		MaxFinished: q.MaxFinished, MaxDead: q.MaxDead, MaxCancelled: q.MaxCancelled, Recorder: jobRecorder{a.metrics}, Clock: a.world.clock,
		Rules: queue.Rules{
			MaxAttempts: q.MaxAttempts, Timeout: q.Timeout, SoftTimeout: q.SoftTimeout,
			MaxCrashes: q.Crashes, CrashDelay: crashDelay,
			Backoff: queue.Backoff{Base: q.Backoff, Max: q.BackoffMax, Jitter: jitter(q.Jitter)},
		},
	})
	if err != nil {
		return fmt.Errorf("open queue: %w", err)
	}
	a.engine = engine
	a.onClose("queue", engine.Close)
	return nil
}

// spaceChanged is told by the store when the disk becomes too full for new work, and when it is not any more.
func (a *appliance) spaceChanged(low bool) {
	if low {
		a.log.Warn("disk_low: nothing new is stored until there is room")
		return
	}
	a.log.Info("disk has room again")
}

// ballast gives the store's value for none, which is negative there.
func ballast(size config.Size) int64 {
	if size == 0 {
		return -1
	}
	return int64(size)
}

// jitter gives the queue's value for none, which is negative there.
func jitter(share float64) float64 {
	if share == 0 {
		return -1
	}
	return share
}

func (a *appliance) openRuntime(ctx context.Context) error {
	builtin, err := fs.Sub(plugins.Dist, "dist")
	if err != nil {
		return fmt.Errorf("open built-in decoders: %w", err)
	}
	cfg := a.runtimeConfig(builtin)
	if cfg.Rules, err = PluginRules(a.cfg); err != nil {
		return fmt.Errorf("open decoders: %w", err)
	}
	if a.registry, err = runtime.OpenRegistry(ctx, cfg); err != nil {
		return fmt.Errorf("open decoders: %w", err)
	}
	if len(a.registry.Plugins()) == 0 {
		a.log.WarnContext(ctx, "no decoders: this binary was built without any, and none is installed")
	}
	a.pool = runtime.NewPool(a.registry, cfg)
	a.memory = decode.NewMemory(a.catalog, a.results, a.cache)
	a.decoder = decode.New(decode.Config{
		Catalog: a.catalog, Blobs: a.blobs, Results: a.results, Pool: a.pool, Registry: a.registry, Unwrapper: a.pool, Events: a.events,
		Memory: a.memory, Children: children{a}, Generator: "wayside " + a.env.Version, TempDir: a.folder.tmp(), Logger: a.logs.Logger("decoder"), Recorder: a.metrics,
		Now: a.world.now,
	})
	return nil
}

func (a *appliance) openUseCases(context.Context) error {
	a.ingester = ingest.New(ingest.Config{
		DB: a.db, Catalog: a.catalog, Blobs: a.blobs, Queue: a.engine, Results: a.results, Earlier: a.memory, Detector: detector{a.registry},
		Wrapping: wrapping{a.decoder, a.registry}, Events: a.events, Logger: a.logs.Logger("api"), Recorder: a.metrics, MaxUpload: int64(a.cfg.Server.MaxUpload),
		Now: a.world.now, ChildDepth: a.cfg.Decode.ChildDepth, ChildTotal: a.cfg.Decode.ChildTotal,
	})
	a.keys = idempotency.New(idempotency.Config{DB: a.db, Logger: a.logs.Logger("api"), Now: a.world.now})
	return nil
}
