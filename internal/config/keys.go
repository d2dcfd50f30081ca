package config

const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
	tib = 1 << 40
	day = 24 * 3600
)

func placeKeys() []key {
	return []key{
		{
			name: "service.name", def: "wayside", at: func(c *Config) any { return &c.Service.Name }, built: true,
			older: []string{"SERVICE_NAME"}, doc: "Name of this installation: the field `service` of every log line.",
		},
		{
			name: "service.environment", def: "production", at: func(c *Config) any { return &c.Service.Environment },
			older: []string{"ENVIRONMENT"}, built: true,
			doc: "Label `environment` of the metric `atp_application_info`.",
		},
		{
			name: "data.dir", at: func(c *Config) any { return &c.Data.Dir }, flag: "data-dir", built: true,
			shown: "/var/lib/wayside under systemd, else $XDG_DATA_HOME/wayside",
			doc:   "Folder that holds everything: database, recordings, results, plugins, secrets. One process at a time.",
		},
		{
			name: "files.raw", at: func(c *Config) any { return &c.Files.Raw }, built: true,
			shown: "true on a loopback listener, else false",
			doc:   "Whether scope read may see the stored bytes of a recording, which can hold sensitive values. Without it, admins only.",
		},
		{
			name: "shutdown.drain", def: "3s", at: func(c *Config) any { return &c.Shutdown.Drain }, hi: 3600, built: true,
			doc: "How long running work may take to finish when the appliance stops; what is left is put back into its queue.",
		},
	}
}

func serverKeys() []key {
	return []key{
		{
			name: "server.listen", def: "127.0.0.1:8000", at: func(c *Config) any { return &c.Server.Listen }, flag: "listen", built: true,
			doc: "Address of the HTTP API and console. Port 0 picks a free one. An address that other machines can reach needs `auth.required: true`.",
		},
		{
			name: "server.hosts", def: "[]", at: func(c *Config) any { return &c.Server.Hosts }, built: true,
			doc: "Names accepted in the Host header besides localhost, 127.0.0.1, [::1] and the listener's own address.",
		},
		{
			name: "server.tls_cert", at: func(c *Config) any { return &c.Server.TLSCert }, built: true,
			doc: "Certificate file (PEM, with its chain). Together with `server.tls_key`: HTTPS, read again when the files change.",
		},
		{
			name: "server.tls_key", at: func(c *Config) any { return &c.Server.TLSKey }, built: true,
			doc: "Private key file (PEM) of `server.tls_cert`.",
		},
		{
			name: "server.trusted_proxies", def: "[]", at: func(c *Config) any { return &c.Server.TrustedProxies }, built: true,
			doc: "Addresses or networks (10.0.0.0/8) of proxies that are believed whom they ask for: client, protocol and host. docs/access.md tells what a proxy has to set.",
		},
		{
			name: "server.proxy_header", def: "x-forwarded", at: func(c *Config) any { return &c.Server.ProxyHeader }, oneOf: []string{"x-forwarded", "forwarded"}, built: true,
			doc: "Where trusted proxies say it: x-forwarded is X-Forwarded-For, X-Forwarded-Proto and X-Forwarded-Host; forwarded is Forwarded (RFC 7239). The other is ignored, since clients can send it.",
		},
		{
			name: "server.max_upload", def: "none", at: func(c *Config) any { return &c.Server.MaxUpload }, built: true,
			older: []string{"MAX_UPLOAD_SIZE"}, doc: "Largest recording that is taken. `none`: as much as the disk holds above `store.reserve`.",
		},
		{
			name: "server.slow_request", def: "1s", at: func(c *Config) any { return &c.Server.SlowRequest }, lo: 0.001, hi: 3600, built: true,
			older: []string{"SLOW_REQUEST_THRESHOLD"},
			doc:   "A request that takes longer is logged as `slow_request_detected`; uploads and streams are not.",
		},
		{
			name: "server.upload_stall", def: "1m", at: func(c *Config) any { return &c.Server.UploadStall }, lo: 1, hi: day, built: true,
			doc: "An upload that brings less than 1 KiB in so long is cut off. Nothing of it stays; of one that can resume, what came before counts.",
		},
		{
			name: "server.answer_stall", def: "1m", at: func(c *Config) any { return &c.Server.AnswerStall }, lo: 1, hi: day, built: true,
			doc: "An answer of which a client takes less than 1 KiB in so long is cut off.",
		},
		{
			name: "server.max_connections", def: "4096", at: func(c *Config) any { return &c.Server.Connections }, lo: 16, hi: 1e6, built: true,
			doc: "Most connections at a time; one more is told 503. Each idle one takes about 20 KiB of memory, an event stream 7 KiB.",
		},
		{
			name: "server.rate_limit", def: "0", at: func(c *Config) any { return &c.Server.RateLimit }, hi: 1e6, live: true, built: true,
			doc: "Requests a second that one client, known by its token or else its address, may make; above it answers 429. 0: no limit.",
		},
		{
			name: "server.rate_burst", def: "100", at: func(c *Config) any { return &c.Server.RateBurst }, lo: 1, hi: 1e6, live: true, built: true,
			doc: "Requests that a client may make at once before `server.rate_limit` counts.",
		},
		{
			name: "auth.required", def: "false", at: func(c *Config) any { return &c.Auth.Required }, built: true,
			doc: "Whether every request needs a token. The first start writes one with all scopes to `secrets/admin-token` in the data folder.",
		},
		{
			name: "auth.group_readable", def: "false", at: func(c *Config) any { return &c.Auth.GroupReadable }, built: true,
			doc: "Whether the group of the service may read `secrets/admin-token`, so that its members can use the command line.",
		},
		{
			name: "auth.session_ttl", def: "12h", at: func(c *Config) any { return &c.Auth.SessionTTL }, lo: 60, hi: 90 * day, built: true,
			doc: "How long a browser stays signed in.",
		},
	}
}

func uploadKeys() []key {
	return []key{
		{
			name: "uploads.expire", def: "24h", at: func(c *Config) any { return &c.Uploads.Expire }, lo: 60, hi: 365 * day, built: true,
			doc: "How long an upload that resumes is kept after its last piece, and remembered after it was finished.",
		},
		{
			name: "uploads.max_count", def: "1000", at: func(c *Config) any { return &c.Uploads.MaxCount }, lo: 1, hi: 1e6, built: true,
			doc: "Most uploads that are not finished; a further one is answered 503 until one is finished or has expired.",
		},
		{
			name: "uploads.max_bytes", def: "64 GiB", at: func(c *Config) any { return &c.Uploads.MaxBytes }, built: true,
			doc: "Most bytes of all uploads together that are not finished, counted by the sizes they will have. 0: as much as the disk holds above `store.reserve`.",
		},
	}
}

func storeKeys() []key {
	return []key{
		{
			name: "store.reserve", def: "256 MiB", at: func(c *Config) any { return &c.Store.Reserve }, lo: mib, hi: tib, built: true,
			doc: "Free space below which nothing new is taken (507); reading and finishing go on. At least 12 MiB, which the database itself needs.",
		},
		{
			name: "store.ballast", def: "16 MiB", at: func(c *Config) any { return &c.Store.Ballast }, hi: gib, built: true,
			doc: "Space kept in a file that is given up on a full disk, so that running work can end. Filled again at reserve + 10 %. 0: none.",
		},
		{
			name: "store.memtable", def: "4 MiB", at: func(c *Config) any { return &c.Store.Memtable }, lo: mib, hi: gib, built: true,
			doc: "Memory for writes of the database. Larger is faster with millions of jobs and costs that much memory.",
		},
	}
}

func pluginKeys() []key {
	return []key{
		{
			name: "plugins.dirs", at: func(c *Config) any { return &c.Plugins.Dirs }, built: true, shown: "[/etc/wayside/plugins, <data>/plugins]",
			doc: "Folders with decoder plugins (*.wasm), the system's first, the data folder's last.",
		},
		{
			name: "plugins.policy", def: "warn", at: func(c *Config) any { return &c.Plugins.Policy }, oneOf: []string{"require", "warn", "off"}, built: true, live: true,
			doc: "What happens to a plugin that no trusted key signed: `require` rejects it, `warn` says so in the log. Both reject one that was changed after it was signed; `off` takes all.",
		},
		{
			name: "plugins.keys", def: "[]", at: func(c *Config) any { return &c.Plugins.Keys }, built: true, live: true,
			doc: "Public ed25519 keys that may sign plugins: the base64 of 32 bytes, or the absolute path of a PEM file.",
		},
		{
			name: "plugins.override", def: "false", at: func(c *Config) any { return &c.Plugins.Override }, built: true, live: true,
			doc: "Whether an unsigned plugin may replace a built-in decoder of the same id.",
		},
		{
			name: "plugins.settings", def: "{}", at: func(c *Config) any { return &c.Plugins.Settings }, built: true, live: true,
			doc: "What holds for one plugin, by its id: `rail: {enabled: true, memory: 128 MiB, stall: 20s, timeout: 5m, timeout_per_mb: 2s, output_ratio: 500, " +
				"output_base: 1 GiB, max_issues: 100, max_log: 64 KiB, params: {timezone: Europe/Berlin}}`. The limits stand in for those of `decode`, " +
				"memory at most `decode.max_memory`; `params` are defaults of the decoder's parameters. In a variable: `rail.memory=128 MiB,rail.params.timezone=UTC`, a value with commas in double quotes as in JSON: `rail.params.tables=\"a,b\"`.",
		},
		{
			name: "plugins.watch", def: "true", at: func(c *Config) any { return &c.Plugins.Watch }, built: true,
			doc: "Whether plugins that are added, changed or removed while running are noticed. Without it, `POST /api/v1/plugins/{id}/reload` looks.",
		},
		{
			name: "plugins.debounce", def: "500ms", at: func(c *Config) any { return &c.Plugins.Debounce }, lo: 0.01, hi: 60, built: true,
			doc: "How long a plugin's file must not have changed before it is read; a tenth of it once its writer has closed it or renamed it into place.",
		},
		{
			name: "plugins.max_module", def: "16 MiB", at: func(c *Config) any { return &c.Plugins.MaxModule }, lo: kib, hi: 256 * mib, built: true,
			doc: "Largest module.",
		},
		{
			name: "plugins.max_function", def: "512 KiB", at: func(c *Config) any { return &c.Plugins.MaxFunction }, lo: kib, hi: 16 * mib, built: true,
			doc: "Largest body of one function of a module; a larger one takes long to compile.",
		},
		{
			name: "plugins.max_functions", def: "65536", at: func(c *Config) any { return &c.Plugins.MaxFunctions }, lo: 1, hi: 1e6, built: true,
			doc: "Most functions of a module.",
		},
		{
			name: "plugins.max_locals", def: "1000", at: func(c *Config) any { return &c.Plugins.MaxLocals }, lo: 1, hi: 50000, built: true,
			doc: "Most local variables of one function.",
		},
		{
			name: "plugins.max_nesting", def: "2000", at: func(c *Config) any { return &c.Plugins.MaxNesting }, lo: 1, hi: 100000, built: true,
			doc: "Deepest nesting of blocks in one function.",
		},
		{
			name: "plugins.compile_timeout", def: "30s", at: func(c *Config) any { return &c.Plugins.CompileTimeout }, lo: 1, hi: 3600, built: true,
			doc: "How long compiling one module may take.",
		},
		{
			name: "plugins.compile_memory", def: "768 MiB", at: func(c *Config) any { return &c.Plugins.CompileMemory }, lo: 64 * mib, hi: 64 * gib, built: true,
			doc: "Memory that compiling one module may take. Two are compiled at a time where the machine has it for both, and 256 MiB left.",
		},
	}
}
