package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/wayside-edge/wayside/internal/config"
	"github.com/wayside-edge/wayside/internal/httpapi"
	"github.com/wayside-edge/wayside/internal/ingest"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/web"
)

func (a *appliance) openHTTP(context.Context) error {
	console, err := web.NewConsole()
	if err != nil {
		return fmt.Errorf("open console: %w", err)
	}
	cfg := httpapi.Config{
		Listen: string(a.cfg.Server.Listen), Hosts: a.cfg.Server.Hosts, MaxUpload: int64(a.cfg.Server.MaxUpload),
		FilesRaw: a.cfg.Files.Raw, SlowRequest: a.cfg.Server.SlowRequest, UploadIdle: a.cfg.Server.UploadStall,
		AnswerIdle: a.cfg.Server.AnswerStall, Connections: a.cfg.Server.Connections,
		Version: a.env.Version, Temp: a.folder.tmp(), Recorder: requestRecorder{a.metrics}, Console: console, Logger: a.logs.Logger("api"),
		TLSCert: a.cfg.Server.TLSCert, TLSKey: a.cfg.Server.TLSKey, RateLimit: a.cfg.Server.RateLimit, RateBurst: a.cfg.Server.RateBurst,
		Auth: a.access, Audit: a.logs.Logger("audit"),
		Deps: httpapi.Deps{
			Ingester: a.ingester, Files: a.catalog, Decodes: a.catalog, Blobs: a.blobs, Results: a.results,
			Events: a.events, Plugins: recogniser{a.registry, a.pool}, PluginAdmin: a.registry, Direct: direct{a.decoder}, System: &system{a},
			Wrapping: wrapping{a.decoder, a.registry}, Queue: a.queue(),
			Batches: a.batches, Archives: a.decoder,
			Uploads: a.uploads, Idempotency: a.keys, Cache: cacheFace{a.cache}, CacheAdmin: cacheFace{a.cache}, KV: a.keyspace(),
			Alerts: a.alerts, Logs: logView{a.lines, a.logs}, Readings: readingView{a.history},
		},
	}
	if a.cfg.Metrics.Enabled {
		cfg.Metrics, cfg.MetricsToken = a.metrics.Handler(), a.cfg.Metrics.Token
		if a.cfg.Metrics.Listen.Enabled() {
			cfg.MetricsListen = string(a.cfg.Metrics.Listen)
		}
	}
	cfg.Forwarded = a.cfg.Server.ProxyHeader == "forwarded"
	for _, p := range a.cfg.Server.TrustedProxies {
		network, err := config.Network(p)
		if err != nil {
			return fmt.Errorf("server.trusted_proxies: %w", err)
		}
		cfg.Proxies = append(cfg.Proxies, network)
	}
	//nolint:contextcheck // its contexts are those of the requests
	if a.server, err = httpapi.Open(cfg); err != nil {
		return fmt.Errorf("open http server: %w", err)
	}
	if a.env.Listening != nil {
		a.env.Listening(a.server.URL())
	}
	return nil
}

// serve runs everything until ctx ends or a part fails, then stops everything in order.
func (a *appliance) serve(ctx context.Context) error {
	a.attach(ctx)
	parts := newServices()
	a.startCache(ctx, parts)
	parts.start(ctx, "decoders", a.registry.Run)
	parts.start(ctx, "workers", a.pool.Run)
	parts.start(ctx, "queue", a.engine.Run)
	parts.start(ctx, "queue events", queue.NewFeed(a.engine, a.events, a.logs.Logger("queue")).Run)
	parts.start(ctx, "sweep", a.sweep)
	parts.start(ctx, "uploads", a.uploads.Run)
	parts.start(ctx, "idempotency keys", a.keys.Run)
	parts.start(ctx, "watchdog", a.watchdog)
	parts.start(ctx, "reload", a.reload)
	parts.start(ctx, "unwrapped files", a.decoder.ShelveUntil)
	parts.start(ctx, "tokens", a.access.Run)
	parts.start(ctx, "batches", a.batches.Run)
	a.startKV(ctx, parts)
	parts.start(ctx, "sizes", a.sizes.run)
	parts.start(ctx, "alerts", a.alerts.Run)
	parts.start(ctx, "readings", a.history.Run)
	parts.start(ctx, "http", a.server.Run)
	jobs := parts.start(ctx, "jobs", a.dispatcher().Run)
	a.health.Look(ctx)
	parts.start(ctx, "health", a.health.Run)
	a.health.Started()
	if addr := a.server.MetricsAddr(); addr != nil {
		a.log.InfoContext(ctx, "metrics have an address of their own", "address", addr.String())
	}
	fmt.Fprintf(a.env.Stderr, "ready %s\n", a.server.URL())
	a.notify(daemon.SdNotifyReady)
	a.log.InfoContext(ctx, "appliance ready", "address", a.server.Addr().String(), "version", a.env.Version,
		"start_seconds", time.Since(a.started).Seconds())
	var failed error
	select {
	case <-ctx.Done():
	case failed = <-parts.ended:
		a.log.ErrorContext(ctx, "part failed, stopping", "error", failed)
	}
	return errors.Join(failed, a.shutdown(ctx, parts, jobs))
}

// shutdown refuses new work, lets what runs finish for a while, and stops the parts.
func (a *appliance) shutdown(ctx context.Context, parts *services, jobs *service) error {
	ctx = context.WithoutCancel(ctx)
	began := time.Now()
	a.health.Stopping()
	a.notify(daemon.SdNotifyStopping)
	a.server.Drain()
	// The dispatcher leases no more, waits for its handlers and gives back what is not done in time.
	err := jobs.stop()
	// Requests under way have as long as jobs have, also when there are none of those.
	left := max(0, max(intakeWait, a.cfg.Shutdown.Drain)-time.Since(began)) + closeWait
	closing, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	if cerr := a.server.Close(closing); cerr != nil && !errors.Is(cerr, context.DeadlineExceeded) {
		err = errors.Join(err, fmt.Errorf("close http server: %w", cerr))
	}
	err = errors.Join(err, parts.stopAll())
	a.log.InfoContext(ctx, "appliance stopped", "stop_seconds", time.Since(began).Seconds())
	return err
}

func (a *appliance) dispatcher() *queue.Dispatcher {
	return queue.NewDispatcher(queue.DispatcherConfig{
		Engine: a.engine, Mux: a.mux, Logger: a.logs.Logger("queue"),
		// One more than there are workers: while a result is made durable, its worker already has the next recording.
		Concurrency: map[string]int{ingest.JobQueue: a.cfg.Decode.Workers + 1},
		Drain:       a.cfg.Shutdown.Drain,
	})
}

// sweep removes orphans once, then waits for the end: a part does not end by itself.
func (a *appliance) sweep(ctx context.Context) error {
	if err := a.ingester.Sweep(ctx); err != nil && ctx.Err() == nil {
		a.log.WarnContext(ctx, "orphans not removed", "error", err)
	}
	<-ctx.Done()
	return nil
}

// reload re-reads what can change while the appliance runs, at each SIGHUP: the log levels, what is said about plugins,
// and a log file that was moved away. What cannot be read leaves everything as it is.
func (a *appliance) reload(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.hangup:
		}
		if err := a.logs.Reopen(); err != nil {
			a.log.ErrorContext(ctx, "log not reopened", "error", err)
		}
		if a.env.Reload == nil {
			continue
		}
		cfg, err := a.env.Reload()
		if err != nil {
			a.log.ErrorContext(ctx, "configuration not reloaded", "error", err)
			fmt.Fprintf(a.env.Stderr, "configuration not reloaded: %v\n", err)
			continue
		}
		a.logs.SetLevels(cfg.Log.Level.Slog(), levels(cfg.Log.Modules))
		a.reloadRules(ctx, cfg)
		kept := a.engine.Reconfigure(queue.ModeSettings{Mode: queue.Mode(cfg.Queue.Mode), Ageing: cfg.Queue.Ageing}, cfg.Queue.Weights)
		a.reloadKV(ctx, cfg)
		a.reloadCache(cfg)
		a.reloadAlerts(ctx, cfg)
		a.server.SetRateLimit(cfg.Server.RateLimit, cfg.Server.RateBurst)
		a.reloaded.Store(&cfg)
		later := a.cfg.NeedRestart(&cfg)
		a.log.InfoContext(ctx, "configuration reloaded", "level", cfg.Log.Level.String(), "need_restart", later, "set_over_api", kept)
		fmt.Fprintln(a.env.Stderr, "configuration reloaded: log levels, the rules of plugins, mode, ageing and weights of queues, limits of the Redis server and of alerts, lifetimes in the cache, and the rate limit are in effect")
		if len(kept) > 0 {
			fmt.Fprintln(a.env.Stderr, "configuration reloaded: set over the API, and in effect instead of the configuration:", strings.Join(kept, ", "))
		}
		if len(later) > 0 {
			fmt.Fprintln(a.env.Stderr, "configuration reloaded: changed, and in effect with the next start only:", strings.Join(later, ", "))
		}
	}
}

// watchdog tells the service manager that the appliance works, as long as it does.
func (a *appliance) watchdog(ctx context.Context) error {
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		a.log.WarnContext(ctx, "watchdog setting not understood", "error", err)
	}
	if every <= 0 {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(every / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if a.db.Health().Broken == "" {
				a.notify(daemon.SdNotifyWatchdog)
			}
		}
	}
}

func (a *appliance) notify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		a.log.Warn("service manager not told", "state", state, "error", err)
	}
}
