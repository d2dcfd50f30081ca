package config

import (
	goruntime "runtime"
	"strconv"
)

func decodeKeys() []key {
	return []key{
		{
			name: "decode.workers", def: strconv.Itoa(min(goruntime.NumCPU(), 4)), at: func(c *Config) any { return &c.Decode.Workers }, lo: 1, hi: 256, built: true,
			shown: "min(cores, 4)", doc: "Worker processes that decode at the same time.",
		},
		{
			name: "decode.memory", def: "256 MiB", at: func(c *Config) any { return &c.Decode.Memory }, lo: mib, hi: gib, built: true,
			doc: "Memory of a decoder whose manifest asks for none, at most `decode.max_memory`.",
		},
		{
			name: "decode.max_memory", def: "1 GiB", at: func(c *Config) any { return &c.Decode.MaxMemory }, lo: mib, hi: gib, built: true,
			doc: "Most memory that a plugin's manifest may ask for, at most 1 GiB.",
		},
		{
			name: "decode.stall", def: "10s", at: func(c *Config) any { return &c.Decode.Stall }, lo: 0.1, hi: 3600, built: true,
			doc: "A decoder that neither reads nor emits for so long is stopped.",
		},
		{
			name: "decode.timeout", def: "1m", at: func(c *Config) any { return &c.Decode.Timeout }, lo: 1, hi: 7 * day, built: true,
			doc: "Deadline of a decode: the larger of this and `decode.timeout_per_mb` times the size.",
		},
		{
			name: "decode.timeout_per_mb", def: "1s", at: func(c *Config) any { return &c.Decode.TimeoutPerMB }, lo: 0.001, hi: 3600, built: true,
			doc: "Deadline of a decode for each megabyte of input.",
		},
		{
			name: "decode.output_ratio", def: "200", at: func(c *Config) any { return &c.Decode.OutputRatio }, lo: 1, hi: 1e6, built: true,
			doc: "Raw column bytes that a decode may emit for each byte of input, plus `decode.output_base`.",
		},
		{
			name: "decode.output_base", def: "64 MiB", at: func(c *Config) any { return &c.Decode.OutputBase }, lo: kib, hi: tib, built: true,
			doc: "Raw column bytes that a decode may emit whatever its input.",
		},
		{
			name: "decode.max_issues", def: "10000", at: func(c *Config) any { return &c.Decode.MaxIssues }, lo: 1, hi: 1e7, built: true,
			doc: "Most rows of the table `issues` of a decode; the others are counted.",
		},
		{
			name: "decode.max_log", def: "1 MiB", at: func(c *Config) any { return &c.Decode.MaxLog }, lo: kib, hi: gib, built: true,
			doc: "Most bytes that a decoder may log for one file.",
		},
		{
			name: "decode.sniff_timeout", def: "100ms", at: func(c *Config) any { return &c.Decode.SniffTimeout }, lo: 0.001, hi: 60, built: true,
			doc: "How long a plugin may look at a file to recognise it.",
		},
		{
			name: "decode.child_depth", def: "4", at: func(c *Config) any { return &c.Decode.ChildDepth }, hi: 16, built: true,
			doc: "How deep inside each other files are kept and decoded that decoders find inside files; 0: none are.",
		},
		{
			name: "decode.max_children", def: "200", at: func(c *Config) any { return &c.Decode.MaxChildren }, lo: 1, hi: 10_000, built: true,
			doc: "Most files that one decode may find inside its file. They are recorded in one commit, so a larger number needs a larger `store.memtable`: 17 KiB for each, and 750 KiB. Looking into those that are archives may take a minute and unpack 4 GiB, for all of them together.",
		},
		{
			name: "decode.max_child_bytes", def: "1 GiB", at: func(c *Config) any { return &c.Decode.MaxChildBytes }, lo: kib, hi: tib, built: true,
			doc: "Most bytes of all files together that one decode may find inside its file; they count as its output too.",
		},
		{
			name: "decode.child_total", def: "2000", at: func(c *Config) any { return &c.Decode.ChildTotal }, lo: 1, hi: 1e6, built: true,
			doc: "Files found inside one delivered file, however deep, after which no more are taken.",
		},
		{
			name: "decode.unpack_ratio", def: "200", at: func(c *Config) any { return &c.Decode.UnpackRatio }, lo: 1, hi: 1e5, built: true,
			doc: "Largest ratio of unpacked to packed bytes of gzip, zstd, zip and tar; `decode.unpack_base` is added. Beyond it a file is refused as a bomb.",
		},
		{
			name: "decode.unpack_base", def: "64 MiB", at: func(c *Config) any { return &c.Decode.UnpackBase }, lo: mib, hi: tib, built: true,
			doc: "Bytes that a file may unpack to whatever its size: small recordings of much the same compress far better than the ratio allows.",
		},
		{
			name: "decode.unpack_entries", def: "10000", at: func(c *Config) any { return &c.Decode.UnpackEntries }, lo: 1, hi: 1e4, built: true,
			doc: "Most entries of an archive, folders included.",
		},
		{
			name: "worker.idle", def: "1m", at: func(c *Config) any { return &c.Worker.Idle }, lo: 0.1, hi: day, built: true,
			doc: "An idle worker process ends after so long; one is kept.",
		},
		{
			name: "worker.files", def: "1000", at: func(c *Config) any { return &c.Worker.Files }, lo: 1, hi: 1e9, built: true,
			doc: "A worker process is replaced after so many files.",
		},
		{
			name: "worker.max_rss", def: "224 MiB", at: func(c *Config) any { return &c.Worker.MaxRSS }, lo: 32 * mib, hi: 64 * gib, built: true,
			doc: "A worker process with more resident memory after a file is replaced.",
		},
	}
}

func queueKeys() []key {
	return []key{
		{
			name: "queue.mode", def: "weighted", at: func(c *Config) any { return &c.Queue.Mode }, oneOf: []string{"weighted", "strict"}, live: true, built: true,
			doc: "How the next job is chosen among queues: in proportion to their weights, or the largest weight first. What `wayside queues mode` has set holds instead.",
		},
		{
			name: "queue.ageing", def: "10m", at: func(c *Config) any { return &c.Queue.Ageing }, lo: 1, hi: day, live: true, built: true,
			doc: "In mode strict, a job that has been ready for so long goes before all others. What `wayside queues mode --ageing` has set holds instead.",
		},
		{
			name: "queue.weights", def: "{default: 5, decode: 5, email: 3, reports: 5, analytics: 2, cleanup: 1}", lo: 1, hi: 1000, live: true, built: true,
			at:  func(c *Config) any { return &c.Queue.Weights },
			doc: "Weights of queues by name; larger is more important. Names given here are added to the defaults. What `wayside queues set --weight` has set holds instead.",
		},
		{
			name: "queue.max_attempts", def: "4", at: func(c *Config) any { return &c.Queue.MaxAttempts }, lo: 1, hi: 1000, built: true,
			doc: "Attempts of a job that does not say otherwise: one and the retries.",
		},
		{
			name: "queue.backoff", def: "1s", at: func(c *Config) any { return &c.Queue.Backoff }, lo: 0.001, hi: day, built: true,
			doc: "Delay before the first retry; it doubles with each.",
		},
		{
			name: "queue.backoff_max", def: "10m", at: func(c *Config) any { return &c.Queue.BackoffMax }, lo: 0.001, hi: 30 * day, built: true,
			doc: "Longest delay before a retry.",
		},
		{
			name: "queue.jitter", def: "0.2", at: func(c *Config) any { return &c.Queue.Jitter }, hi: 1, built: true,
			doc: "Part of a retry's delay that is random, so that many failures do not come back at once.",
		},
		{
			name: "queue.timeout", def: "1h", at: func(c *Config) any { return &c.Queue.Timeout }, lo: 1, hi: 30 * day, built: true,
			older: []string{"CELERY_TASK_TIME_LIMIT"}, doc: "A job that runs longer is stopped; that is a failed attempt.",
		},
		{
			name: "queue.soft_timeout", def: "55m", at: func(c *Config) any { return &c.Queue.SoftTimeout }, lo: 1, hi: 30 * day, built: true,
			older: []string{"CELERY_TASK_SOFT_TIME_LIMIT"}, doc: "A job that runs longer is asked to stop.",
		},
		{
			name: "queue.result_ttl", def: "1h", at: func(c *Config) any { return &c.Queue.ResultTTL }, hi: 365 * day, built: true,
			doc: "How long the result of a job is kept that does not say so itself, at most as long as the job. Results of a flow are kept until it has ended.",
		},
		{
			name: "queue.retention", def: "24h", at: func(c *Config) any { return &c.Queue.Retention }, hi: 3650 * day, built: true,
			doc: "How long completed jobs are kept.",
		},
		{
			name: "queue.retention_dead", def: "30d", at: func(c *Config) any { return &c.Queue.RetentionDead }, lo: 1, hi: 3650 * day, built: true,
			doc: "How long dead jobs are kept: somebody is to look at them.",
		},
		{
			name: "queue.retention_cancelled", def: "24h", at: func(c *Config) any { return &c.Queue.RetentionCancelled }, lo: 1, hi: 3650 * day, built: true,
			doc: "How long cancelled jobs are kept.",
		},
		{
			name: "queue.max_finished", def: "200000", at: func(c *Config) any { return &c.Queue.MaxFinished }, lo: 1, hi: 1e8, built: true,
			doc: "Most completed jobs that are kept; the oldest go first.",
		},
		{
			name: "queue.max_dead", def: "100000", at: func(c *Config) any { return &c.Queue.MaxDead }, lo: 1, hi: 1e8, built: true,
			doc: "Most dead jobs that are kept.",
		},
		{
			name: "queue.max_cancelled", def: "100000", at: func(c *Config) any { return &c.Queue.MaxCancelled }, lo: 1, hi: 1e8, built: true,
			doc: "Most cancelled jobs that are kept.",
		},
		{
			name: "queue.lease", def: "30s", at: func(c *Config) any { return &c.Queue.Lease }, lo: 1, hi: day,
			doc: "How long an external worker holds a job without a heartbeat.",
		},
		{
			name: "queue.crashes", def: "3", at: func(c *Config) any { return &c.Queue.Crashes }, lo: 1, hi: 100, built: true,
			doc: "A job whose worker ended this often without an explanation is dead.",
		},
		{
			name: "celery.broker_url", def: "redis://localhost:6379/1", at: func(c *Config) any { return &c.Celery.BrokerURL },
			older: []string{"CELERY_BROKER_URL"}, secret: true, built: true,
			doc: "Accepted and shown, used by nothing here: a Celery application that is pointed at this address works with the embedded server.",
		},
		{
			name: "celery.result_backend", def: "redis://localhost:6379/2", at: func(c *Config) any { return &c.Celery.ResultBackend },
			older: []string{"CELERY_RESULT_BACKEND"}, secret: true, built: true,
			doc: "Accepted and shown, like `celery.broker_url`.",
		},
	}
}

func kvKeys() []key {
	return []key{
		{
			name: "kv.listen", def: "127.0.0.1:6379", at: func(c *Config) any { return &c.KV.Listen }, flag: "kv-listen", built: true,
			older: []string{"REDIS_ENABLED", "REDIS_HOST", "REDIS_PORT"},
			doc:   "Address of the Redis-protocol server; `off`: none. An address that other machines can reach needs `kv.password`.",
		},
		{
			name: "kv.unix_socket", at: func(c *Config) any { return &c.KV.UnixSocket }, built: true,
			doc: "Unix socket of the Redis-protocol server.",
		},
		{
			name: "kv.tls_listen", def: "off", at: func(c *Config) any { return &c.KV.TLSListen }, built: true,
			doc: "Address of the Redis-protocol server over TLS; `off`: none. An address that other machines can reach needs `kv.password`.",
		},
		{
			name: "kv.tls_cert", at: func(c *Config) any { return &c.KV.TLSCert }, built: true,
			doc: "Certificate file (PEM, with its chain) of `kv.tls_listen`, read again when the files change. Without: `server.tls_cert`.",
		},
		{
			name: "kv.tls_key", at: func(c *Config) any { return &c.KV.TLSKey }, built: true,
			doc: "Private key file (PEM) of `kv.tls_cert`.",
		},
		{
			name: "kv.password", at: func(c *Config) any { return &c.KV.Password }, secret: true, older: []string{"REDIS_PASSWORD"}, built: true,
			doc: "Password of the Redis-protocol server (AUTH).",
		},
		{
			name: "kv.maxmemory", def: "64 MiB", at: func(c *Config) any { return &c.KV.MaxMemory }, hi: tib, live: true, built: true,
			doc: "Memory for keys and values; 0: no limit.",
		},
		{
			name: "kv.maxmemory_policy", def: "allkeys-lru", at: func(c *Config) any { return &c.KV.MaxMemoryPolicy }, live: true, built: true,
			oneOf: []string{"allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl", "noeviction"},
			doc:   "What goes when memory is full.",
		},
		{
			name: "kv.evict_dbs", def: "[0]", at: func(c *Config) any { return &c.KV.EvictDBs }, hi: 255, built: true,
			doc: "Databases that keys are evicted from. The others answer OOM, so that a broker's jobs are never evicted.",
		},
		{
			name: "kv.databases", def: "16", at: func(c *Config) any { return &c.KV.Databases }, lo: 1, hi: 256, built: true,
			doc: "Number of databases.",
		},
		{
			name: "kv.max_clients", def: "10000", at: func(c *Config) any { return &c.KV.MaxClients }, lo: 1, hi: 1e6, live: true, built: true,
			doc: "Most connections at a time.",
		},
		{
			name: "kv.appendfsync", def: "everysec", at: func(c *Config) any { return &c.KV.AppendFsync }, oneOf: []string{"always", "everysec", "no"}, live: true, built: true,
			doc: "When changes reach the disk: before the answer, within a second, or when the kernel likes.",
		},
		{
			name: "kv.idle_timeout", def: "0", at: func(c *Config) any { return &c.KV.IdleTimeout }, hi: 365 * day, live: true, built: true,
			doc: "A client that is silent for so long is disconnected. 0: never.",
		},
		{
			name: "cache.enabled", def: "true", at: func(c *Config) any { return &c.Cache.Enabled }, older: []string{"REDIS_ENABLED"}, built: true,
			doc: "Whether results of decodes are cached, and what programs put into the cache. Decoding works without.",
		},
		{
			name: "cache.ttl", def: "1h", at: func(c *Config) any { return &c.Cache.TTL }, hi: 3650 * day, live: true, older: []string{"CACHE_TTL"}, built: true,
			doc: "How long a cached value lives. 0: until it has to make room for others.",
		},
		{
			name: "cache.negative_ttl", def: "1m", at: func(c *Config) any { return &c.Cache.NegativeTTL }, hi: 3650 * day, live: true, built: true,
			doc: "How long the failure of a decode is cached that lies in the file. 0: not at all.",
		},
		{
			name: "cache.ttls", def: "{}", at: func(c *Config) any { return &c.Cache.TTLs }, hi: 3650 * day, live: true, built: true,
			doc: "Lifetimes by namespace, which is what stands before the first colon of a key, where they differ from `cache.ttl`. That of results is `decode`.",
		},
		{
			name: "cache.prefix", def: "atp_re:", at: func(c *Config) any { return &c.Cache.Prefix }, built: true,
			doc: "Beginning of every cache key. Two appliances that share a server may share it: they then find each other's keys, which count for nothing.",
		},
		{
			name: "cache.db", def: "0", at: func(c *Config) any { return &c.Cache.DB }, hi: 255, older: []string{"REDIS_DB"}, built: true,
			doc: "Database of the cache. Of the embedded server it should be one of `kv.evict_dbs`.",
		},
		{
			name: "cache.url", at: func(c *Config) any { return &c.Cache.URL }, secret: true, older: []string{"REDIS_HOST", "REDIS_PORT"}, built: true,
			doc: "External Redis or Valkey server to cache in, `redis://host:port` or, with TLS, `rediss://host:port`. Without: the embedded server, called directly.",
		},
		{
			name: "cache.password", at: func(c *Config) any { return &c.Cache.Password }, secret: true, older: []string{"REDIS_PASSWORD"}, built: true,
			doc: "Password of the external Redis server.",
		},
		{
			name: "cache.pool_size", def: "50", at: func(c *Config) any { return &c.Cache.PoolSize }, lo: 1, hi: 10000, older: []string{"REDIS_MAX_CONNECTIONS"}, built: true,
			doc: "Most connections to the external Redis server. The embedded server is not limited by it.",
		},
	}
}

func observeKeys() []key {
	return []key{
		{
			name: "log.level", def: "info", at: func(c *Config) any { return &c.Log.Level }, flag: "log-level", built: true, live: true, older: []string{"LOG_LEVEL"},
			doc: "Least level that is logged: debug, info, warn or error. Can also be changed while running.",
		},
		{
			name: "log.format", def: "json", at: func(c *Config) any { return &c.Log.Format }, flag: "log-format", oneOf: []string{"json", "console"}, built: true,
			older: []string{"LOG_FORMAT", "JSON_LOGS"}, doc: "One JSON object a line, or lines for people.",
		},
		{
			name: "log.output", def: "stdout", at: func(c *Config) any { return &c.Log.Output }, built: true, older: []string{"LOG_OUTPUT"},
			doc: "stdout, stderr, or the path of a file that is appended to.",
		},
		{
			name: "log.max_size", def: "100MiB", at: func(c *Config) any { return &c.Log.MaxSize }, built: true,
			doc: "Size at which a log file is set aside, compressed, under its name with the time; `0`: never.",
		},
		{
			name: "log.keep", def: "10", at: func(c *Config) any { return &c.Log.Keep }, lo: 1, hi: 1000, built: true,
			doc: "How many log files that were set aside are kept.",
		},
		{
			name: "log.modules", def: "{}", at: func(c *Config) any { return &c.Log.Modules }, built: true, live: true, older: []string{"LOG_MODULE_LEVELS"},
			doc: "Levels of single loggers (api, audit, decoder, database, performance, queue, kv, plugin), where they differ from `log.level`.",
		},
		{
			name: "metrics.enabled", def: "true", at: func(c *Config) any { return &c.Metrics.Enabled }, built: true, older: []string{"PROMETHEUS_ENABLED"},
			doc: "Whether `/metrics` answers.",
		},
		{
			name: "metrics.listen", def: "off", at: func(c *Config) any { return &c.Metrics.Listen }, built: true, older: []string{"PROMETHEUS_PORT"},
			doc: "A second address that answers `/metrics` alone, over TLS where the main one does. An address that other machines can reach needs `auth.required` or `metrics.token`.",
		},
		{
			name: "metrics.token", at: func(c *Config) any { return &c.Metrics.Token }, secret: true, built: true,
			doc: "Token that is asked for at `/metrics`, on both addresses and also from this machine. It opens nothing else; a token with scope read does as well.",
		},
		{
			name: "metrics.compat", def: "true", at: func(c *Config) any { return &c.Metrics.Compat }, built: true,
			doc: "Whether the families without a prefix (`api_requests_total` …) are there too.",
		},
		{
			name: "metrics.interval", def: "15s", at: func(c *Config) any { return &c.Metrics.Interval }, built: true, lo: 1, hi: 3600,
			doc: "How often figures of the machine are sampled for alerts.",
		},
	}
}
