package config

import (
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
)

// Validate checks what concerns several keys at once. Load has done it; it is for a Config that was changed since.
func (c *Config) Validate() error {
	if problems := c.check(); len(problems) > 0 {
		return failure(problems)
	}
	return nil
}

// rule is one condition on several keys.
type rule struct {
	ok  bool
	key string
	msg string
}

func (c *Config) check() []problem {
	var out []problem
	for _, r := range slices.Concat(c.checkAccess(), c.checkLimits(), c.checkNames()) {
		if !r.ok {
			out = append(out, problem{c.source(r.key), r.key, r.msg})
		}
	}
	return out
}

// source gives where a key's value came from, "" for a default.
func (c *Config) source(key string) string {
	for i := range c.entries {
		if c.entries[i].Key == key && c.entries[i].Source != "default" {
			return c.entries[i].Source
		}
	}
	return ""
}

func (c *Config) checkAccess() []rule {
	return []rule{
		{c.Server.Listen.Enabled(), "server.listen", "the API cannot be off"},
		{
			c.Server.Listen.Loopback() || c.Auth.Required, "server.listen",
			fmt.Sprintf("%s can be reached from other machines; that needs auth.required: true", c.Server.Listen),
		},
		{
			c.Metrics.Listen.Loopback() || c.Auth.Required || c.Metrics.Token != "", "metrics.listen",
			fmt.Sprintf("%s can be reached from other machines; that needs auth.required: true, or metrics.token", c.Metrics.Listen),
		},
		{
			c.KV.Listen.Loopback() || c.KV.Password != "", "kv.listen",
			fmt.Sprintf("%s can be reached from other machines; that needs kv.password", c.KV.Listen),
		},
		{
			c.KV.TLSListen.Loopback() || c.KV.Password != "", "kv.tls_listen",
			fmt.Sprintf("%s can be reached from other machines; that needs kv.password", c.KV.TLSListen),
		},
		{(c.Server.TLSCert == "") == (c.Server.TLSKey == ""), "server.tls_cert", "server.tls_cert and server.tls_key belong together"},
		{(c.KV.TLSCert == "") == (c.KV.TLSKey == ""), "kv.tls_cert", "kv.tls_cert and kv.tls_key belong together"},
		{
			!c.KV.TLSListen.Enabled() || c.KV.TLSCert != "" || c.Server.TLSCert != "", "kv.tls_listen",
			"needs a certificate: kv.tls_cert and kv.tls_key, or server.tls_cert and server.tls_key",
		},
	}
}

// What one commit takes of the files that a decode found inside its file: the records of each, with the longest names,
// and of them all the lists of parts, the decode that found them and the end of its job. A commit takes 15 % of
// store.memtable.
const (
	childCommit     = 2560
	childCommitBase = 112 << 10
	commitShare     = 15
)

// childMemtable gives the smallest store.memtable for a number of files that a decode may find inside its file.
func childMemtable(files int) Size {
	return (Size(files)*childCommit + childCommitBase) * 100 / commitShare
}

func (c *Config) checkLimits() []rule {
	a := c.Alerts
	greedy := func(s PluginSettings) bool { return s.Memory > c.Decode.MaxMemory }
	evict := func(db int) bool { return db >= c.KV.Databases }
	return []rule{
		{c.Queue.SoftTimeout <= c.Queue.Timeout, "queue.soft_timeout", "must not be longer than queue.timeout"},
		{c.Queue.ResultTTL <= c.Queue.Retention, "queue.result_ttl", "must not be longer than queue.retention"},
		{c.Queue.Backoff <= c.Queue.BackoffMax, "queue.backoff", "must not be longer than queue.backoff_max"},
		{!slices.ContainsFunc(slices.Collect(maps.Values(c.Plugins.Settings)), greedy), "plugins.settings", "gives a plugin more memory than decode.max_memory"},
		{c.Decode.Memory <= c.Decode.MaxMemory, "decode.memory", "must not be larger than decode.max_memory"},
		{
			c.Store.Memtable >= childMemtable(c.Decode.MaxChildren), "decode.max_children",
			fmt.Sprintf("%d files found inside one do not fit one commit: that needs store.memtable of %d bytes",
				c.Decode.MaxChildren, childMemtable(c.Decode.MaxChildren)),
		},
		{!slices.ContainsFunc(c.KV.EvictDBs, evict), "kv.evict_dbs", "names a database beyond kv.databases"},
		{c.Cache.URL != "" || c.Cache.DB < c.KV.Databases, "cache.db", "names a database beyond kv.databases"},
		{a.CPU.Warning <= a.CPU.Critical, "alerts.cpu_warning", "must not be above alerts.cpu_critical"},
		{a.Memory.Warning <= a.Memory.Critical, "alerts.memory_warning", "must not be above alerts.memory_critical"},
		{a.ErrorRate.Warning <= a.ErrorRate.Critical, "alerts.error_rate_warning", "must not be above alerts.error_rate_critical"},
		{a.Disk.Warning <= a.Disk.Critical, "alerts.disk_warning", "must not be above alerts.disk_critical"},
		{a.DecodeFailures.Warning <= a.DecodeFailures.Critical, "alerts.decode_failures_warning", "must not be above alerts.decode_failures_critical"},
		{a.DeadJobs.Warning <= a.DeadJobs.Critical, "alerts.dead_jobs_warning", "must not be above alerts.dead_jobs_critical"},
		{a.QueueAgeWarning <= a.QueueAgeCritical, "alerts.queue_age_warning", "must not be above alerts.queue_age_critical"},
		{a.ResponseWarning <= a.ResponseCritical, "alerts.response_time_warning", "must not be above alerts.response_time_critical"},
	}
}

func (c *Config) checkNames() []rule {
	const longest = 128
	file := c.Log.Output == "stdout" || c.Log.Output == "stderr" || filepath.IsAbs(c.Log.Output)
	external := c.Cache.URL == "" || strings.HasPrefix(c.Cache.URL, "redis://") || strings.HasPrefix(c.Cache.URL, "rediss://")
	return []rule{
		{c.Log.MaxSize == 0 || c.Log.MaxSize >= 1<<20, "log.max_size", "0, or at least 1 MiB"},
		{c.Service.Name != "" && len(c.Service.Name) <= longest, "service.name", "must be 1 to 128 bytes long"},
		{c.Service.Environment != "" && len(c.Service.Environment) <= longest, "service.environment", "must be 1 to 128 bytes long"},
		{file, "log.output", "must be stdout, stderr or the absolute path of a file"},
		{external, "cache.url", "must begin with redis:// or rediss://"},
		{
			c.Cache.Prefix != "" && len(c.Cache.Prefix) <= longest && !strings.ContainsFunc(c.Cache.Prefix, unicode.IsControl),
			"cache.prefix", "must be 1 to 128 bytes long, without control characters: the keys below it are the cache's own",
		},
		{
			!slices.ContainsFunc(c.Server.Hosts, func(h string) bool { return !hostName(strings.Trim(h, "[]")) && !strings.Contains(h, ":") }),
			"server.hosts", "holds something that is no host name",
		},
		{
			!slices.ContainsFunc(c.Server.TrustedProxies, func(p string) bool { _, err := Network(p); return err != nil }),
			"server.trusted_proxies", "holds something that is neither an address nor a network like 10.0.0.0/8",
		},
	}
}

// Network reads an address or a network.
func Network(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		a = a.Unmap().WithZone("")
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, fmt.Errorf("read network: %w", err)
	}
	return p.Masked(), nil
}
