package config

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spf13/pflag"
)

func limit(t *testing.T, limits []Limit, key string) Limit {
	t.Helper()
	i := slices.IndexFunc(limits, func(l Limit) bool { return l.Key == key })
	if i < 0 {
		t.Fatalf("no limit %s", key)
	}
	return limits[i]
}

func TestLimits(t *testing.T) {
	file := write(t, "decode:\n  memory: 128 MiB\nalerts:\n  cpu_warning: 60\nserver:\n  rate_limit: 2.5\n")
	c := load(t, Options{File: file, Env: withEnv("WAYSIDE_QUEUE_RETENTION=2d", "CACHE_TTL=90")})
	limits := c.Limits(nil)
	for _, want := range []Limit{
		{Key: "decode.memory", Value: "128 MiB", Number: 128 << 20, Unit: UnitBytes, Source: "file"},
		{Key: "queue.retention", Value: "48h", Number: 172800, Unit: UnitSeconds, Source: "environment"},
		{Key: "cache.ttl", Value: "1m30s", Number: 90, Unit: UnitSeconds, Source: "environment", Live: true},
		{Key: "server.max_upload", Value: "none", Unit: UnitBytes, Source: "default"},
		{Key: "queue.max_dead", Value: "100000", Number: 100000, Unit: UnitNumber, Source: "default"},
		{Key: "server.rate_limit", Value: "2.5", Number: 2.5, Unit: UnitNumber, Source: "file", Live: true},
		{Key: "alerts.cpu_warning", Value: "60", Number: 60, Unit: UnitPercent, Source: "file", Live: true},
		{Key: "alerts.disk_critical", Value: "95", Number: 95, Unit: UnitPercent, Source: "default", Live: true},
	} {
		got := limit(t, limits, want.Key)
		if d := cmp.Diff(want, got, cmpopts.IgnoreFields(Limit{}, "Doc")); d != "" || got.Doc == "" {
			t.Errorf("doc %q\n%s", got.Doc, d)
		}
	}
}

// Every built key is a limit or says something else than an amount; one that is new has to be put on a side.
func TestLimitsAreTheAmounts(t *testing.T) {
	c := load(t, Options{Env: home})
	limits := map[string]bool{}
	for _, l := range c.Limits(nil) {
		limits[l.Key] = true
	}
	var others []string
	for _, e := range c.Entries() {
		if e.Built && !limits[e.Key] {
			others = append(others, e.Key)
		}
	}
	want := strings.Fields(`service.name service.environment data.dir files.raw
		server.listen server.hosts server.tls_cert server.tls_key server.trusted_proxies server.proxy_header auth.required auth.group_readable
		plugins.dirs plugins.policy plugins.keys plugins.override plugins.settings plugins.watch
		queue.mode queue.weights celery.broker_url celery.result_backend
		kv.listen kv.unix_socket kv.tls_listen kv.tls_cert kv.tls_key kv.password kv.maxmemory_policy kv.evict_dbs kv.appendfsync
		cache.enabled cache.ttls cache.prefix cache.db cache.url cache.password
		log.level log.format log.output log.modules metrics.enabled metrics.listen metrics.token metrics.compat`)
	if d := cmp.Diff(want, others); d != "" {
		t.Error(d)
	}
}

// What a reload applies is taken from it, and the rest from what the appliance was started with.
func TestLimitsAfterReload(t *testing.T) {
	started := load(t, Options{Env: home})
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	AddFlags(flags)
	again := load(t, Options{Flags: flags, Env: withEnv("WAYSIDE_KV_MAXMEMORY=1 GiB", "WAYSIDE_DECODE_WORKERS=9", "WAYSIDE_STORE_RESERVE=1 GiB")})
	limits := started.Limits(&again)
	if l := limit(t, limits, "kv.maxmemory"); l.Value != "1 GiB" || l.Source != "environment" {
		t.Errorf("not reloaded: %+v", l)
	}
	if l := limit(t, limits, "store.reserve"); l.Value != "256 MiB" || l.Source != "default" {
		t.Errorf("needs a restart: %+v", l)
	}
}

func TestLayer(t *testing.T) {
	for source, want := range map[string]string{
		"default": "default", "flag --listen": "flag", "env CACHE_TTL": "environment", ".env:3 LOG_LEVEL": "environment",
		"/srv/.env:3 LOG_LEVEL": "environment", "/srv/.env:3": "file",
		"/etc/wayside/wayside.yaml:12": "file", "./env:2": "file",
	} {
		if got := layer(source); got != want {
			t.Errorf("%s: %s, want %s", source, got, want)
		}
	}
}
