package config

func alertKeys() []key {
	return []key{
		{
			name: "alerts.cpu_warning", def: "70", at: func(c *Config) any { return &c.Alerts.CPU.Warning }, hi: 100, percent: true, live: true, built: true, older: []string{"ALERT_CPU_WARNING"},
			doc: "Processor load in percent that raises a warning.",
		},
		{
			name: "alerts.cpu_critical", def: "90", at: func(c *Config) any { return &c.Alerts.CPU.Critical }, hi: 100, percent: true, live: true, built: true, older: []string{"ALERT_CPU_CRITICAL"},
			doc: "Processor load in percent that raises a critical alert.",
		},
		{
			name: "alerts.memory_warning", def: "75", at: func(c *Config) any { return &c.Alerts.Memory.Warning }, hi: 100, percent: true, live: true, built: true, older: []string{"ALERT_MEMORY_WARNING"},
			doc: "Memory in use in percent that raises a warning.",
		},
		{
			name: "alerts.memory_critical", def: "90", at: func(c *Config) any { return &c.Alerts.Memory.Critical }, hi: 100, percent: true, live: true, built: true, older: []string{"ALERT_MEMORY_CRITICAL"},
			doc: "Memory in use in percent that raises a critical alert.",
		},
		{
			name: "alerts.response_time_warning", def: "2s", at: func(c *Config) any { return &c.Alerts.ResponseWarning }, hi: 3600, live: true, built: true, older: []string{"ALERT_RESPONSE_TIME_WARNING"},
			doc: "Time to answer (95th percentile) that raises a warning.",
		},
		{
			name: "alerts.response_time_critical", def: "5s", at: func(c *Config) any { return &c.Alerts.ResponseCritical }, hi: 3600, live: true, built: true, older: []string{"ALERT_RESPONSE_TIME_CRITICAL"},
			doc: "Time to answer (95th percentile) that raises a critical alert.",
		},
		{
			name: "alerts.error_rate_warning", def: "5", at: func(c *Config) any { return &c.Alerts.ErrorRate.Warning }, hi: 100, percent: true, live: true, built: true, older: []string{"ALERT_ERROR_RATE_WARNING"},
			doc: "Share of failed requests in percent that raises a warning.",
		},
		{
			name: "alerts.error_rate_critical", def: "10", at: func(c *Config) any { return &c.Alerts.ErrorRate.Critical }, hi: 100, percent: true, live: true, built: true, older: []string{"ALERT_ERROR_RATE_CRITICAL"},
			doc: "Share of failed requests in percent that raises a critical alert.",
		},
		{
			name: "alerts.disk_warning", def: "80", at: func(c *Config) any { return &c.Alerts.Disk.Warning }, hi: 100, percent: true, live: true, built: true,
			doc: "Share of the disk of the data folder in use, in percent, that raises a warning.",
		},
		{
			name: "alerts.disk_critical", def: "95", at: func(c *Config) any { return &c.Alerts.Disk.Critical }, hi: 100, percent: true, live: true, built: true,
			doc: "The same for a critical alert, which is also raised when less than the reserve is free.",
		},
		{
			name: "alerts.decode_failures_warning", def: "20", at: func(c *Config) any { return &c.Alerts.DecodeFailures.Warning }, hi: 100, percent: true, live: true, built: true,
			doc: "Share of failed decodes of the last 15 minutes in percent, of 5 or more, that raises a warning.",
		},
		{
			name: "alerts.decode_failures_critical", def: "50", at: func(c *Config) any { return &c.Alerts.DecodeFailures.Critical }, hi: 100, percent: true, live: true, built: true,
			doc: "The same for a critical alert.",
		},
		{
			name: "alerts.queue_age_warning", def: "15m", at: func(c *Config) any { return &c.Alerts.QueueAgeWarning }, hi: 30 * day, live: true, built: true,
			doc: "How long the next job of a queue has been ready when a warning is raised.",
		},
		{
			name: "alerts.queue_age_critical", def: "1h", at: func(c *Config) any { return &c.Alerts.QueueAgeCritical }, hi: 30 * day, live: true, built: true,
			doc: "The same for a critical alert.",
		},
		{
			name: "alerts.dead_jobs_warning", def: "1", at: func(c *Config) any { return &c.Alerts.DeadJobs.Warning }, hi: 1e9, live: true, built: true,
			doc: "Dead jobs of a queue that raise a warning.",
		},
		{
			name: "alerts.dead_jobs_critical", def: "100", at: func(c *Config) any { return &c.Alerts.DeadJobs.Critical }, hi: 1e9, live: true, built: true,
			doc: "The same for a critical alert.",
		},
		{
			name: "alerts.cache_hit_rate_warning", def: "0", at: func(c *Config) any { return &c.Alerts.CacheHitRate }, hi: 100, percent: true, live: true, built: true,
			doc: "Share of hits among the lookups of the cache of the last 15 minutes, in percent, below which a warning is raised. 0: none, since recordings that are new are no hits.",
		},
		{
			name: "alerts.for", def: "1m", at: func(c *Config) any { return &c.Alerts.For }, hi: day, live: true, built: true,
			doc: "How long processor load, memory, response time and the share of failed requests are beyond a limit before that is told, and within before that is.",
		},
		{
			name: "alerts.deduplication", def: "5m", at: func(c *Config) any { return &c.Alerts.Deduplication }, hi: 30 * day, live: true, built: true, older: []string{"ALERT_DEDUPLICATION_WINDOW"},
			doc: "The same alert is raised again at the earliest after so long.",
		},
	}
}
