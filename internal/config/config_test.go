package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/wayside-edge/wayside/internal/errcode"
)

var home = []string{"HOME=/home/someone"}

// withEnv gives an environment with a home folder.
func withEnv(vars ...string) []string { return append(slices.Clone(home), vars...) }

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "wayside.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, o Options) Config {
	t.Helper()
	if o.systemFile == "" {
		o.systemFile = "/nonexistent/wayside.yaml"
	}
	c, err := Load(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// wrong gives the lines of the error of a configuration that must not load.
func wrong(t *testing.T, o Options) []string {
	t.Helper()
	o.systemFile = "/nonexistent/wayside.yaml"
	_, err := Load(o)
	if !errcode.Is(err, errcode.ValidationFailed) {
		t.Fatalf("got %v, want a validation error", err)
	}
	return strings.Split(err.Error(), "\n")
}

func entry(t *testing.T, c Config, key string) Entry {
	t.Helper()
	i := slices.IndexFunc(c.Entries(), func(e Entry) bool { return e.Key == key })
	if i < 0 {
		t.Fatalf("no entry for %s", key)
	}
	return c.Entries()[i]
}

// The names and defaults that users rely on.
func TestFixedDefaults(t *testing.T) {
	c := load(t, Options{Env: home})
	for key, want := range map[string]string{
		"server.listen": "127.0.0.1:8000", "data.dir": "/home/someone/.local/share/wayside", "kv.listen": "127.0.0.1:6379",
		"kv.password": "", "auth.required": "false", "log.level": "info", "log.format": "json", "plugins.policy": "warn",
		"plugins.dirs":  "[/etc/wayside/plugins, /home/someone/.local/share/wayside/plugins]",
		"store.reserve": "256 MiB", "server.max_upload": "none", "server.hosts": "[]", "files.raw": "true", "kv.maxmemory": "64 MiB",
		"kv.maxmemory_policy": "allkeys-lru", "kv.evict_dbs": "[0]", "kv.max_clients": "10000", "cache.ttl": "1h", "shutdown.drain": "3s",
		"kv.unix_socket": "", "metrics.compat": "true", "queue.timeout": "1h", "queue.soft_timeout": "55m", "queue.max_attempts": "4",
		"queue.weights": "{analytics: 2, cleanup: 1, decode: 5, default: 5, email: 3, reports: 5}", "service.name": "wayside",
		"service.environment": "production", "server.slow_request": "1s", "alerts.deduplication": "5m", "cache.pool_size": "50",
	} {
		if e := entry(t, c, key); e.Value != want || e.Source != "default" {
			t.Errorf("%s = %q from %s, want %q by default", key, e.Value, e.Source, want)
		}
	}
	if c.Decode.Workers < 1 || c.Decode.Workers > 4 {
		t.Errorf("decode.workers = %d", c.Decode.Workers)
	}
	if len(c.Warnings()) > 0 {
		t.Errorf("warnings: %v", c.Warnings())
	}
}

func TestLayers(t *testing.T) {
	file := write(t, "log:\n  level: debug\ncache.ttl: 5\nqueue.lease: 20s\nqueue:\n  weights: {email: 9, mine: 1}\n  timeout: 2h\n")
	fs := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	AddFlags(fs)
	if err := fs.Parse([]string{"--config", file, "--listen", "[::1]:0", "--kv-listen=off"}); err != nil {
		t.Fatal(err)
	}
	c := load(t, Options{Flags: fs, Env: withEnv("LOG_LEVEL=ERROR", "CACHE_TTL=7", "SERVICE_NAME=box", "WAYSIDE_SERVER_LISTEN=127.0.0.1:1",
		"WAYSIDE_KV_UNIX_SOCKET=/run/kv.sock", "WAYSIDE_CACHE_TTL=6m", "WAYSIDE_LOG_FORMAT=")})
	for key, want := range map[string][2]string{
		"log.level":      {"debug", file + ":2"},
		"cache.ttl":      {"6m", "env WAYSIDE_CACHE_TTL"},
		"service.name":   {"box", "env SERVICE_NAME"},
		"server.listen":  {"[::1]:0", "flag --listen"},
		"kv.listen":      {"off", "flag --kv-listen"},
		"kv.unix_socket": {"/run/kv.sock", "env WAYSIDE_KV_UNIX_SOCKET"},
		"log.format":     {"json", "default"},
		"queue.timeout":  {"2h", file + ":7"},
		"queue.weights":  {"{analytics: 2, cleanup: 1, decode: 5, default: 5, email: 9, mine: 1, reports: 5}", file + ":6"},
	} {
		if e := entry(t, c, key); e.Value != want[0] || e.Source != want[1] {
			t.Errorf("%s = %q from %q, want %q from %q", key, e.Value, e.Source, want[0], want[1])
		}
	}
	if c.KV.Listen.Enabled() || c.Cache.TTL != 6*time.Minute || c.Queue.Weights["mine"] != 1 {
		t.Errorf("values: %+v", c.KV)
	}
	if !slices.ContainsFunc(c.Warnings(), func(w string) bool { return strings.Contains(w, "queue.lease") }) {
		t.Errorf("no warning for a part that is not built: %v", c.Warnings())
	}
	if e := entry(t, c, "queue.lease"); e.Built {
		t.Error("queue.lease says it is built")
	}
}

func TestOlderNames(t *testing.T) {
	local := func(h string) bool { return h == "localhost" || h == "10.0.0.1" }
	for name, tc := range map[string]struct {
		env  []string
		want map[string]string
	}{
		"redis off":      {[]string{"REDIS_ENABLED=false"}, map[string]string{"kv.listen": "off", "cache.enabled": "false"}},
		"redis port":     {[]string{"REDIS_PORT=6400"}, map[string]string{"kv.listen": "127.0.0.1:6400", "cache.url": ""}},
		"redis here":     {[]string{"REDIS_HOST=localhost", "REDIS_PASSWORD=x"}, map[string]string{"kv.listen": "127.0.0.1:6379", "kv.password": masked}},
		"redis mine":     {[]string{"REDIS_HOST=10.0.0.1", "REDIS_PASSWORD=x"}, map[string]string{"kv.listen": "10.0.0.1:6379"}},
		"redis away":     {[]string{"REDIS_HOST=cache.lan", "REDIS_PORT=7", "REDIS_PASSWORD=x", "REDIS_DB=3"}, map[string]string{"kv.listen": "127.0.0.1:6379", "kv.password": "", "cache.url": "redis://cache.lan:7", "cache.password": masked, "cache.db": "3"}},
		"celery":         {[]string{"CELERY_BROKER_URL=redis://u:pw@h/1", "CELERY_TASK_TIME_LIMIT=60"}, map[string]string{"celery.broker_url": "redis://u:" + masked + "@h/1", "queue.timeout": "1m", "queue.soft_timeout": "1m"}},
		"prometheus":     {[]string{"PROMETHEUS_PORT=9090", "PROMETHEUS_ENABLED=no"}, map[string]string{"metrics.listen": "127.0.0.1:9090", "metrics.enabled": "false"}},
		"logs":           {[]string{"LOG_LEVEL=WARNING", "JSON_LOGS=false", "LOG_MODULE_LEVELS=api=DEBUG, queue.local=ERROR"}, map[string]string{"log.level": "warn", "log.format": "console", "log.modules": "{api: debug, queue.local: error}"}},
		"log format":     {[]string{"LOG_FORMAT=JSON", "JSON_LOGS=false", "LOG_OUTPUT=stderr"}, map[string]string{"log.format": "json", "log.output": "stderr"}},
		"limits":         {[]string{"MAX_UPLOAD_SIZE=104857600", "SLOW_REQUEST_THRESHOLD=0.5", "ENVIRONMENT=test"}, map[string]string{"server.max_upload": "100 MiB", "server.slow_request": "500ms", "service.environment": "test"}},
		"alerts":         {[]string{"ALERT_CPU_WARNING=60%", "ALERT_RESPONSE_TIME_CRITICAL=8", "ALERT_DEDUPLICATION_WINDOW=60"}, map[string]string{"alerts.cpu_warning": "60", "alerts.response_time_critical": "8s", "alerts.deduplication": "1m"}},
		"others ignored": {[]string{"REDIS_URL=x", "PATH=/bin", "REDIS_MAX_CONNECTIONS=7", "=x", "x"}, map[string]string{"cache.pool_size": "7"}},
	} {
		c, err := Load(Options{Env: withEnv(tc.env...), systemFile: "/nonexistent", local: local})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := map[string]string{}
		for key := range tc.want {
			got[key] = entry(t, c, key).Value
		}
		if d := cmp.Diff(tc.want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	// A default that does not fit a value that was set gives way.
	c := load(t, Options{Env: home, File: write(t, "queue: {retention: 10m, backoff_max: 100ms, timeout: 1m}\ndecode: {max_memory: 64 MiB}")})
	if c.Queue.ResultTTL != 10*time.Minute || c.Queue.Backoff != 100*time.Millisecond || c.Queue.SoftTimeout != time.Minute ||
		c.Decode.Memory != 64<<20 {
		t.Errorf("defaults did not give way: %+v %+v", c.Queue, c.Decode)
	}
	// The file wins over older names.
	c = load(t, Options{Env: withEnv("REDIS_ENABLED=false"), File: write(t, "kv: {listen: '127.0.0.1:1'}")})
	if c.KV.Listen != "127.0.0.1:1" || c.Cache.Enabled {
		t.Errorf("kv.listen = %s, cache.enabled = %v", c.KV.Listen, c.Cache.Enabled)
	}
	for _, e := range c.celeryEntries() {
		if e.Hint != "" { // no server of ours is there
			t.Errorf("%s: %s", e.Key, e.Hint)
		}
	}
	if len(c.celeryEntries()) != 2 {
		t.Error("the Celery addresses are not shown")
	}
}

func (c *Config) celeryEntries() []Entry {
	return slices.DeleteFunc(slices.Clone(c.Entries()), func(e Entry) bool { return !strings.HasPrefix(e.Key, "celery.") })
}

func TestWrongFile(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want []string // substrings of the lines, in order
	}{
		"unknown key":     {"server:\n  lisen: x\n", []string{`:2: unknown key "server.lisen"; did you mean "server.listen"?`}},
		"unknown section": {"servr:\n  listen: x\n", []string{`:1: unknown key "servr"; did you mean "server"?`}},
		"nothing near":    {"zzzzzzzzzzzzzzzzzz: 1\n", []string{`:1: unknown key "zzzzzzzzzzzzzzzzzz"`}},
		"several": {"server:\n  listen: 8000\nlog:\n  level: loud\n  format: jsn\nkv:\n  maxmemory: lots\n", []string{
			`:2: server.listen: "8000" is no address`, `:7: kv.maxmemory: "lots" is no size`, `:4: log.level: "loud" is no level`,
			`:5: log.format: "jsn" is not one of json, console; did you mean "json"?`,
		}},
		"syntax":          {"server:\n  listen: [\n", []string{"is no YAML"}},
		"tab":             {"server:\n\tlisten: x\n", []string{":2: is no YAML"}},
		"list":            {"- a\n", []string{":1: the file must hold `name: value` lines"}},
		"section scalar":  {"server: 5\n", []string{":1: section server must hold"}},
		"twice":           {"server:\n  hosts: [a]\n  hosts: [b]\n", []string{":3: server.hosts: is set twice, first at "}},
		"two documents":   {"a: 1\n---\nb: 1\n", []string{":1: unknown key", ":2: a second document"}},
		"alias":           {"server:\n  hosts: &h [a]\nplugins:\n  dirs: *h\n", []string{":4: plugins.dirs: a value, a list"}},
		"list for value":  {"log:\n  level: [a]\n", []string{":2: log.level: a list stands where one value is meant"}},
		"range":           {"decode:\n  workers: 0\n  stall: 1ms\n  memory: 1025 MiB\n  max_memory: 2 GiB\n", []string{":2: decode.workers: must be at least 1", ":4: decode.memory: must be at most 1 GiB", ":5: decode.max_memory: must be at most 1 GiB", ":3: decode.stall: must be at least 100ms"}},
		"map value":       {"queue:\n  weights: {email: x}\n", []string{`:2: queue.weights: email: "x" is no whole number`}},
		"exposed":         {"server:\n  listen: 0.0.0.0:80\n", []string{":2: server.listen: 0.0.0.0:80 can be reached from other machines; that needs auth.required"}},
		"exposed kv":      {"kv:\n  listen: :6379\n", []string{":2: kv.listen: :6379 can be reached"}},
		"exposed metrics": {"metrics:\n  listen: :9090\n", []string{":2: metrics.listen: :9090 can be reached from other machines; that needs auth.required: true, or metrics.token"}},
		"soft":            {"queue:\n  timeout: 1m\n  soft_timeout: 2m\n", []string{":3: queue.soft_timeout: must not be longer"}},
		"port":            {"server:\n  listen: 127.0.0.1:99999\n", []string{"has no port"}},
		"log file":        {"log:\n  output: sdtout\n", []string{":2: log.output: must be stdout"}},
		"exposed kv tls":  {"kv:\n  tls_listen: :6380\n  tls_cert: /x\n  tls_key: /y\n", []string{":2: kv.tls_listen: :6380 can be reached"}},
		"kv tls bare":     {"kv:\n  tls_listen: 127.0.0.1:6380\n", []string{":2: kv.tls_listen: needs a certificate"}},
		"kv tls halved":   {"kv:\n  tls_listen: 127.0.0.1:6380\n  tls_cert: /x\n", []string{":3: kv.tls_cert: kv.tls_cert and kv.tls_key belong together"}},
		"tls":             {"server:\n  tls_cert: /x\n", []string{"belong together"}},
	} {
		got := wrong(t, Options{Env: home, File: write(t, tc.text)})
		if len(got) != len(tc.want) {
			t.Errorf("%s: %d problems, want %d:\n%s", name, len(got), len(tc.want), strings.Join(got, "\n"))
			continue
		}
		for _, want := range tc.want {
			if !slices.ContainsFunc(got, func(line string) bool { return strings.Contains(line, want) }) {
				t.Errorf("%s: no line has %q:\n%s", name, want, strings.Join(got, "\n"))
			}
		}
	}
}

func TestWrongVariables(t *testing.T) {
	got := wrong(t, Options{Env: withEnv("WAYSIDE_SERVER_LISEN=x", "WAYSIDE_LOG_LEVEL=loud", "MAX_UPLOAD_SIZE=big", "PROMETHEUS_PORT=x",
		"JSON_LOGS=perhaps", "REDIS_PORT=-1", "WAYSIDE_TOKEN=secret")})
	all := strings.Join(got, "\n")
	for _, want := range []string{
		`env WAYSIDE_SERVER_LISEN: unknown variable "WAYSIDE_SERVER_LISEN"; did you mean "WAYSIDE_SERVER_LISTEN"?`,
		`env WAYSIDE_LOG_LEVEL: log.level: "loud" is no level`, `env MAX_UPLOAD_SIZE: server.max_upload: "big" is no size`,
		`env PROMETHEUS_PORT: "x" is no port`, `env JSON_LOGS: "perhaps" is neither`, `env REDIS_PORT: "-1" is no port`,
	} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in\n%s", want, all)
		}
	}
	if len(got) != 6 {
		t.Errorf("%d problems, want 6:\n%s", len(got), all)
	}
}

func TestFilesThatCannotBeRead(t *testing.T) {
	wrong(t, Options{Env: home, File: "/nonexistent/x.yaml"})
	wrong(t, Options{Env: home, File: t.TempDir()})
	wrong(t, Options{Env: home, File: write(t, strings.Repeat("# x\n", 300_000))})
	load(t, Options{Env: home, File: write(t, "")})
	load(t, Options{Env: home, File: write(t, "# nothing\nserver:\nlog:\n  level:\n")})
	if got := load(t, Options{Env: withEnv("WAYSIDE_CONFIG=" + write(t, "log: {level: error}"))}).Log.Level.String(); got != "error" {
		t.Errorf("WAYSIDE_CONFIG: log.level = %s", got)
	}
}

func TestDataDir(t *testing.T) {
	for want, env := range map[string][]string{
		"/var/lib/box":               {"STATE_DIRECTORY=/var/lib/box:/x", "HOME=/h"},
		"/var/lib/wayside":           {"INVOCATION_ID=x", "HOME=/h"},
		"/h/.local/share/wayside":    {"INVOCATION_ID=x", "SYSTEMD_EXEC_PID=1", "HOME=/h"},
		"/x/wayside":                 {"XDG_DATA_HOME=/x", "HOME=/h"},
		"/home/.local/share/wayside": {"XDG_DATA_HOME=relative", "HOME=/home"},
	} {
		if got := load(t, Options{Env: env}).Data.Dir; got != want {
			t.Errorf("%v gives %s, want %s", env, got, want)
		}
	}
	wrong(t, Options{})
}

func TestDotEnv(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, ".env")
	text := "# a comment\nexport LOG_LEVEL=error\nSERVICE_NAME='my box' # x\nWAYSIDE_CACHE_TTL=\"5m\"\nENVIRONMENT=a # b\nFOO=\n\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := load(t, Options{Env: withEnv("ENVIRONMENT=real"), DotEnvDir: dir})
	for key, want := range map[string][2]string{
		"log.level": {"error", path + ":2 LOG_LEVEL"}, "service.name": {"my box", path + ":3 SERVICE_NAME"},
		"cache.ttl": {"5m", path + ":4 WAYSIDE_CACHE_TTL"}, "service.environment": {"real", "env ENVIRONMENT"},
	} {
		if e := entry(t, c, key); e.Value != want[0] || e.Source != want[1] {
			t.Errorf("%s = %q from %q, want %q", key, e.Value, e.Source, want)
		}
	}
	if c := load(t, Options{Env: withEnv("INVOCATION_ID=x"), DotEnvDir: dir}); entry(t, c, "log.level").Value != "info" {
		t.Error(".env was read under systemd")
	}
	if c := load(t, Options{Env: home}); entry(t, c, "log.level").Value != "info" {
		t.Error(".env was read without a folder")
	}
	for _, mode := range []os.FileMode{0o620, 0o602} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		c := load(t, Options{Env: home, DotEnvDir: dir})
		if entry(t, c, "log.level").Value != "info" || len(c.Warnings()) != 1 || !strings.Contains(c.Warnings()[0], "others can write") {
			t.Errorf("mode %o: read, or no warning: %v", mode, c.Warnings())
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/hostname", path); err != nil {
		t.Fatal(err)
	}
	if c := load(t, Options{Env: home, DotEnvDir: dir}); len(c.Warnings()) != 1 {
		t.Errorf("a link was followed: %v", c.Warnings())
	}
	bad := t.TempDir()
	if err := os.WriteFile(filepath.Join(bad, ".env"), []byte("LOG_LEVEL\nWAYSIDE_X=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := wrong(t, Options{Env: home, DotEnvDir: bad}); len(got) != 2 {
		t.Errorf("problems: %v", got)
	}
}

func TestValues(t *testing.T) {
	for text, want := range map[string]Size{
		"0": 0, "1": 1, "10b": 10, "1k": 1024, "1 KB": 1024, "256 MiB": 256 << 20, "1.5g": 3 << 29, "2T": 2 << 40, "none": 0,
	} {
		if got, ok := size(text); !ok || got != want {
			t.Errorf("size(%q) = %d, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "x", "-1", "1x", "1e3", "9223372036854775807k", "99999999999999999999", ".", "1..2"} {
		if got, ok := size(text); ok {
			t.Errorf("size(%q) = %d", text, got)
		}
	}
	for text, want := range map[string]time.Duration{
		"10": 10 * time.Second, "0.5": 500 * time.Millisecond, "1h30m": 90 * time.Minute, "2d": 48 * time.Hour, "250ms": 250 * time.Millisecond,
	} {
		if got, ok := duration(text); !ok || got != want {
			t.Errorf("duration(%q) = %v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "x", "1x", "NaN", "Inf", "1e300", "xd", "d"} {
		if got, ok := duration(text); ok {
			t.Errorf("duration(%q) = %v", text, got)
		}
	}
	for d, want := range map[time.Duration]string{0: "0s", time.Hour: "1h", 90 * time.Minute: "1h30m", time.Minute: "1m", 61 * time.Second: "1m1s", 10 * time.Minute: "10m"} {
		if got := showDuration(d); got != want {
			t.Errorf("%v is shown as %s", d, got)
		}
	}
	for _, a := range []string{"off", "127.0.0.1:0", "[::1]:80", ":80", "box.lan:1", "[fe80::1%eth0]:1"} {
		if _, err := parseAddr(a); err != nil {
			t.Error(err)
		}
	}
	for _, a := range []string{"", "x", "1.2.3.4", "::1:80", "a b:1", "h:-1", "h:65536", "h:http", "h:+1"} {
		if got, err := parseAddr(a); err == nil {
			t.Errorf("%q is %q", a, got)
		}
	}
}

// Every key is documented, has a variable and a section title, and its default is shown as it is written.
func TestTable(t *testing.T) {
	tb := newTable()
	if len(tb.byName) != len(tb.keys) || len(tb.byEnv) != len(tb.keys) {
		t.Errorf("%d keys, %d names, %d variables", len(tb.keys), len(tb.byName), len(tb.byEnv))
	}
	for i := range tb.keys {
		k := &tb.keys[i]
		if !strings.HasSuffix(k.doc, ".") || strings.Contains(k.doc, "\n") {
			t.Errorf("%s: its meaning is no sentence: %q", k.name, k.doc)
		}
		if sectionTitles()[k.section()] == "" {
			t.Errorf("%s: its section has no title", k.name)
		}
		var c Config
		if k.def == "" {
			continue
		}
		if err := k.set(&c, k.def); err != nil {
			t.Errorf("%s: default: %v", k.name, err)
		}
		var again Config
		if err := k.set(&again, k.show(&c)); err != nil || k.show(&again) != k.show(&c) {
			t.Errorf("%s: %q is shown as %q, then %q (%v)", k.name, k.def, k.show(&c), k.show(&again), err)
		}
	}
}

func TestValidate(t *testing.T) {
	c := load(t, Options{Env: home})
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	c.Server.Listen = "0.0.0.0:1"
	if err := c.Validate(); !errcode.Is(err, errcode.ValidationFailed) {
		t.Errorf("got %v", err)
	}
}

func FuzzLoad(f *testing.F) {
	for _, s := range []string{
		"", "a: b", "server: {listen: x}", "&a [*a]", "a: &a {<<: *a}", "? [a]: b", "!!binary x: y", "\x00", "server:\n  hosts: [[]]",
		"queue: {weights: {a: {b: c}}}", "log: {modules: {a.b: debug}}", "- - - -", "%YAML 9", "\"\\xff\": 1", "kv: {listen: }",
	} {
		f.Add([]byte(s), "127.0.0.1:80")
	}
	path := filepath.Join(f.TempDir(), "f.yaml")
	f.Fuzz(func(t *testing.T, text []byte, value string) {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Skip(err)
		}
		env := withEnv("WAYSIDE_SERVER_HOSTS="+value, "WAYSIDE_QUEUE_WEIGHTS="+value, "WAYSIDE_DECODE_STALL="+value, "LOG_MODULE_LEVELS="+value,
			"WAYSIDE_STORE_RESERVE="+value, "WAYSIDE_SERVER_LISTEN="+value)
		c, err := Load(Options{File: path, Env: env, systemFile: "/nonexistent", local: func(string) bool { return true }})
		if err == nil {
			err = c.Validate()
		}
		if err != nil && !errcode.Is(err, errcode.ValidationFailed) {
			t.Errorf("%v has no code", err)
		}
	})
}

// TestLiveKeysAreInEffect names the keys that package app makes count at a reload; the others may not promise it.
func TestLiveKeysAreInEffect(t *testing.T) {
	inEffect := []string{
		"server.rate_limit", "server.rate_burst", "plugins.policy", "plugins.keys", "plugins.override", "plugins.settings", "queue.mode", "queue.ageing", "queue.weights",
		"kv.maxmemory", "kv.maxmemory_policy", "kv.max_clients", "kv.appendfsync", "kv.idle_timeout", "cache.ttl", "cache.negative_ttl", "cache.ttls", "log.level", "log.modules",
		"alerts.cpu_warning", "alerts.cpu_critical", "alerts.memory_warning", "alerts.memory_critical", "alerts.response_time_warning",
		"alerts.response_time_critical", "alerts.error_rate_warning", "alerts.error_rate_critical", "alerts.disk_warning", "alerts.disk_critical",
		"alerts.decode_failures_warning", "alerts.decode_failures_critical", "alerts.queue_age_warning", "alerts.queue_age_critical",
		"alerts.dead_jobs_warning", "alerts.dead_jobs_critical", "alerts.cache_hit_rate_warning", "alerts.for", "alerts.deduplication",
	}
	c := load(t, Options{Env: home})
	var promised []string
	for _, e := range c.Entries() {
		if e.Live && e.Built {
			promised = append(promised, e.Key)
		}
	}
	if d := cmp.Diff(inEffect, promised); d != "" {
		t.Errorf("keys that count at a reload: %s", d)
	}
}

func TestNeedRestart(t *testing.T) {
	was := load(t, Options{File: write(t, "plugins: {policy: off}\nserver: {upload_stall: 9s}\n"), Env: home})
	now := load(t, Options{File: write(t, "log: {level: debug}\nserver: {slow_request: 9s, rate_burst: 7}\n"), Env: home})
	if d := cmp.Diff([]string{"server.slow_request", "server.upload_stall"}, was.NeedRestart(&now)); d != "" {
		t.Error(d)
	}
	if same := now.NeedRestart(&now); same != nil {
		t.Error(same)
	}
}

func TestCeleryHint(t *testing.T) {
	for address, listen := range map[string]Addr{
		"redis://localhost:6379/1": "127.0.0.1:6379", "redis://:pw@127.0.0.1/2": "localhost:6379", "redis://[::1]:7": "[::1]:7", "redis://10.0.0.1:7": "10.0.0.1:7",
	} {
		c := Config{KV: KV{Listen: listen}}
		if c.celeryHint(address) == "" {
			t.Errorf("%s at %s: no hint", address, listen)
		}
	}
	for address, listen := range map[string]Addr{
		"redis://localhost:6379": Off, "redis://localhost:6380": "127.0.0.1:6379", "redis://elsewhere:6379": "127.0.0.1:6379",
		"amqp://localhost:6379": "127.0.0.1:6379", "redis://%zz": "127.0.0.1:6379", "": "127.0.0.1:6379", "redis://10.0.0.2:7": "10.0.0.1:7",
	} {
		c := Config{KV: KV{Listen: listen}}
		if got := c.celeryHint(address); got != "" {
			t.Errorf("%s at %s: %s", address, listen, got)
		}
	}
}
