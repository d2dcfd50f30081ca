package cache

import (
	"context"
	"strconv"
	"strings"
	"time"
)

const defaultPool = 50

// external is a Redis or Valkey server elsewhere.
type external struct{ pool *pool }

func newExternal(cfg Config) (*external, error) {
	a, err := parseAddress(cfg.URL)
	if err != nil {
		return nil, err
	}
	if cfg.Password != "" {
		a.password = cfg.Password
	}
	if cfg.DB != 0 {
		a.db = cfg.DB
	}
	size := cfg.PoolSize
	if size <= 0 {
		size = defaultPool
	}
	return &external{&pool{addr: a, slots: make(chan struct{}, size)}}, nil
}

func (x *external) close() error {
	x.pool.close()
	return nil
}

// one asks one command.
func (x *external) one(ctx context.Context, args ...string) (reply, error) {
	replies, err := x.pool.ask(ctx, [][]string{args})
	if err != nil {
		return reply{}, err
	}
	return replies[0], refused(replies[0].failure)
}

func (x *external) get(ctx context.Context, keys []string, withTTL bool) ([]Item, error) {
	var cmds [][]string
	for _, key := range keys {
		// No more than one byte more than a value of ours has, whatever is there.
		cmds = append(cmds, []string{"GETRANGE", key, "0", strconv.Itoa(MaxValue)})
		if withTTL {
			cmds = append(cmds, []string{"PTTL", key})
		}
	}
	replies, err := x.pool.ask(ctx, cmds)
	if err != nil {
		return nil, err
	}
	items := make([]Item, len(keys))
	each := len(replies) / max(len(keys), 1)
	for i := range keys {
		value := replies[i*each]
		if err := refused(value.failure); err != nil {
			return nil, err
		}
		if len(value.texts) == 0 || len(value.texts[0]) == 0 { // an empty one is none
			continue
		}
		items[i].Value, items[i].Found = value.texts[0], true
		if withTTL {
			items[i].TTL = remaining(replies[i*each+1].number)
		}
	}
	return items, nil
}

func (x *external) set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	args := []string{"SET", key, string(value)}
	if ttl > 0 {
		args = append(args, "PX", lifetime(ttl))
	}
	_, err := x.one(ctx, args...)
	return err
}

func (x *external) del(ctx context.Context, keys []string) (removed int, err error) {
	r, err := x.one(ctx, append([]string{"DEL"}, keys...)...)
	return int(r.number), err
}

func (x *external) scan(ctx context.Context, cursor uint64, pattern string) (keys []string, next uint64, err error) {
	r, err := x.one(ctx, "SCAN", strconv.FormatUint(cursor, 10), "MATCH", pattern, "COUNT", strconv.Itoa(scanCount))
	if err != nil {
		return nil, 0, err
	}
	return scanned(r.texts)
}

func (x *external) usage(ctx context.Context) (Usage, error) {
	replies, err := x.pool.ask(ctx, [][]string{{"DBSIZE"}, {"INFO"}})
	if err != nil {
		return Usage{}, err
	}
	for i := range replies {
		if err := refused(replies[i].failure); err != nil {
			return Usage{}, err
		}
	}
	u := Usage{Keys: replies[0].number}
	for _, text := range replies[1].texts {
		for line := range strings.Lines(string(text)) {
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
	}
	return u, nil
}
