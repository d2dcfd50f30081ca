package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/wayside-edge/wayside/internal/cache"
	"github.com/wayside-edge/wayside/internal/config"
	"github.com/wayside-edge/wayside/internal/kv/engine"
)

// openCache opens the cache: on the Redis-protocol server's engine, on one of its own where there is no such server, or on
// a server elsewhere. One of its own is in memory alone: what a cache has lost is made anew.
func (a *appliance) openCache(context.Context) error {
	c := &a.cfg.Cache
	cfg := cache.Config{
		Enabled: c.Enabled, URL: c.URL, Password: c.Password, PoolSize: c.PoolSize, DB: c.DB, Prefix: c.Prefix, TTLs: cacheTTLs(a.cfg),
		Logger: a.logs.Logger("kv"), Recorder: a.metrics,
	}
	switch {
	case !c.Enabled || c.URL != "":
	case a.kv != nil:
		cfg.Engine, cfg.Full = a.kv.Engine(), a.kvFull
	default:
		var err error
		if a.cacheEngine, err = a.newCacheEngine(); err != nil {
			return err
		}
		cfg.Engine = a.cacheEngine
	}
	var err error
	if a.cache, err = cache.New(cfg); err != nil {
		return fmt.Errorf("open cache: %w", err)
	}
	a.onClose("cache", a.cache.Close)
	return nil
}

func (a *appliance) newCacheEngine() (*engine.Engine, error) {
	cfg, err := a.kvEngine()
	if err != nil {
		return nil, fmt.Errorf("open cache: %w", err)
	}
	return engine.New(cfg), nil
}

// kvFull says why the Redis-protocol server's log can take no more. It is asked under the engine's lock.
func (a *appliance) kvFull() error {
	if a.kvLog.Failure() != nil {
		return errors.New("MISCONF the log cannot be written")
	}
	if a.kvLog.Behind() {
		return errors.New("MISCONF the log is behind")
	}
	return nil
}

// cacheKeeper gives the engine of the cache, nil where it is off or elsewhere.
func (a *appliance) cacheKeeper() *engine.Engine {
	switch {
	case !a.cfg.Cache.Enabled || a.cfg.Cache.URL != "":
		return nil
	case a.kv != nil:
		return a.kv.Engine()
	}
	return a.cacheEngine
}

// startCache runs what openCache opened.
func (a *appliance) startCache(ctx context.Context, parts *services) {
	if a.cacheEngine != nil {
		parts.start(ctx, "cache engine", a.cacheEngine.Run)
	}
	parts.start(ctx, "cache", a.cache.Run)
}

// reloadCache puts in effect what may change while the appliance runs.
func (a *appliance) reloadCache(cfg config.Config) {
	a.cache.SetTTLs(cacheTTLs(cfg))
	if a.cacheEngine == nil {
		return
	}
	if policy, ok := engine.ParsePolicy(cfg.KV.MaxMemoryPolicy); ok { // the configuration knows no others
		a.cacheEngine.Lock()
		defer a.cacheEngine.Unlock()
		a.cacheEngine.SetMaxMemory(int64(cfg.KV.MaxMemory), policy)
	}
}

func cacheTTLs(cfg config.Config) cache.TTLs {
	return cache.TTLs{Default: cfg.Cache.TTL, Negative: cfg.Cache.NegativeTTL, Namespaces: cfg.Cache.TTLs}
}
