package cache

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/wayside-edge/wayside/internal/errcode"
)

const (
	defaultPool = 50
	// pipelineBuffer is that of the library for single commands; for pipelines it would take four times as much.
	pipelineBuffer = 32 << 10
)

// external is a Redis or Valkey server elsewhere.
type external struct {
	client *redis.Client
}

func newExternal(cfg Config) (*external, error) {
	opt, err := redis.ParseURL(cfg.URL)
	if err != nil {
		// The cause may repeat the address, and with it a password.
		return nil, errcode.Invalid("cache.url", "must be like redis://host:6379 or rediss://user:password@host:6380/0")
	}
	if cfg.Password != "" {
		opt.Password = cfg.Password
	}
	if cfg.DB != 0 {
		opt.DB = cfg.DB
	}
	pool := cfg.PoolSize
	if pool <= 0 {
		pool = defaultPool
	}
	// The library keeps connections for pipelines apart; both kinds together are as many as were asked for, if more than one.
	opt.PipelinePoolSize = max(pool/2, 1)
	opt.PoolSize = max(pool-opt.PipelinePoolSize, 1)
	opt.MaxActiveConns = opt.PoolSize
	opt.PipelineReadBufferSize, opt.PipelineWriteBufferSize = pipelineBuffer, pipelineBuffer
	opt.DialTimeout, opt.ReadTimeout, opt.WriteTimeout, opt.PoolTimeout = cfg.Timeout, cfg.Timeout, cfg.Timeout, cfg.Timeout
	opt.ContextTimeoutEnabled = true
	// The breaker decides what is tried again.
	opt.MaxRetries, opt.DialerRetries = -1, 1
	// Nothing that a server of another make may not know.
	opt.Protocol, opt.DisableIdentity = 2, true
	opt.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	logging.Disable() // what it would write is the breaker's to tell
	return &external{client: redis.NewClient(opt)}, nil
}

func (x *external) close() error {
	if err := x.client.Close(); err != nil && !errors.Is(err, redis.ErrClosed) {
		return fmt.Errorf("close connections: %w", err)
	}
	return nil
}

// failure gives an error as a backend has it.
func failure(err error) error {
	if err == nil || errors.Is(err, redis.Nil) {
		return nil
	}
	if r, ok := errors.AsType[redis.Error](err); ok {
		return refused(r.Error())
	}
	return fmt.Errorf("ask the server: %w", err)
}

func (x *external) get(ctx context.Context, keys []string, withTTL bool) ([]Item, error) {
	values, ends := make([]*redis.StringCmd, len(keys)), make([]*redis.DurationCmd, len(keys))
	ask := func(c redis.Cmdable) {
		for i, key := range keys {
			// No more than one byte more than a value of ours has, whatever is there.
			values[i] = c.GetRange(ctx, key, 0, MaxValue)
			if withTTL {
				ends[i] = c.PTTL(ctx, key)
			}
		}
	}
	if len(keys) == 1 && !withTTL {
		ask(x.client)
	} else {
		p := x.client.Pipeline()
		ask(p)
		_, _ = p.Exec(ctx) // each command has its own error
	}
	items := make([]Item, len(keys))
	for i := range keys {
		v, err := values[i].Bytes()
		if err := failure(err); err != nil {
			return nil, err
		}
		if err != nil || len(v) == 0 {
			continue
		}
		items[i].Value, items[i].Found = v, true
		if withTTL {
			if err := failure(ends[i].Err()); err != nil {
				return nil, err
			}
			// What is below zero is the server's number, in nanoseconds.
			if ttl := ends[i].Val(); ttl >= 0 {
				items[i].TTL = remaining(ttl.Milliseconds())
			}
		}
	}
	return items, nil
}

func (x *external) set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	args := []any{"set", key, value}
	if ttl > 0 {
		args = append(args, "px", lifetime(ttl))
	}
	return failure(x.client.Do(ctx, args...).Err())
}

func (x *external) del(ctx context.Context, keys []string) (removed int, err error) {
	n, err := x.client.Del(ctx, keys...).Result()
	return int(n), failure(err)
}

func (x *external) scan(ctx context.Context, cursor uint64, pattern string) (keys []string, next uint64, err error) {
	keys, next, err = x.client.Scan(ctx, cursor, pattern, scanCount).Result()
	return keys, next, failure(err)
}

func (x *external) usage(ctx context.Context) (Usage, error) {
	p := x.client.Pipeline()
	size, info := p.DBSize(ctx), p.Info(ctx)
	_, _ = p.Exec(ctx) // each command has its own error
	if err := failure(errors.Join(size.Err(), info.Err())); err != nil {
		return Usage{}, err
	}
	u := Usage{Keys: size.Val()}
	for line := range strings.Lines(info.Val()) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			continue
		}
		switch name {
		case "used_memory":
			u.MemoryBytes = n
		case "evicted_keys":
			u.Evictions = n
		}
	}
	return u, nil
}
