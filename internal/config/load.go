package config

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"

	"github.com/wayside-edge/wayside/internal/errcode"
)

const (
	// DefaultFile is read when Options.File is empty and it exists.
	DefaultFile = "/etc/wayside/wayside.yaml"
	// envPrefix begins every variable of our own.
	envPrefix = "WAYSIDE_"
	// delim separates nothing: keys are flat in koanf, so that names of loggers and queues may hold dots.
	delim = "\x00"
)

// Variables with our prefix that are no configuration keys: the command line and its client read them.
func clientEnv() []string {
	return []string{"WAYSIDE_CONFIG", "WAYSIDE_SERVER", "WAYSIDE_TOKEN", "WAYSIDE_CA_FILE"}
}

// Options says where the layers come from.
type Options struct {
	File      string         // --config; "" = WAYSIDE_CONFIG, else DefaultFile where it exists
	Env       []string       // as os.Environ gives it
	Flags     *pflag.FlagSet // flags of AddFlags that were set count; nil = none
	DotEnvDir string         // folder of a `.env` file, read outside systemd only; "" = none

	systemFile string            // in tests, instead of DefaultFile
	local      func(string) bool // in tests, instead of thisMachine
}

// AddFlags defines the flags that set configuration keys, and --config.
func AddFlags(fs *pflag.FlagSet) {
	fs.String("config", "", "configuration file (default "+DefaultFile+" where it exists)")
	for _, k := range newTable().keys {
		if k.flag != "" {
			fs.String(k.flag, "", k.doc+" Key "+k.name+", default "+k.defaultText()+".")
		}
	}
}

// problem is one thing that is wrong.
type problem struct {
	place string // "file:line", "env NAME" …
	key   string // "" where no key is concerned
	msg   string
}

func (p problem) String() string {
	parts := make([]string, 0, 3)
	for _, s := range []string{p.place, p.key, p.msg} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ": ")
}

// loader collects the layers of one Load.
type loader struct {
	table    *table
	k        *koanf.Koanf
	env      map[string]string // the process's own
	sources  map[string]string // by key, where its value came from
	problems []problem
	warnings []string
	local    func(string) bool
}

// Load reads all layers and checks them. The error is an *errcode.Error with ValidationFailed that names every
// problem, one a line.
func Load(o Options) (Config, error) {
	l := &loader{table: newTable(), k: koanf.New(delim), env: map[string]string{}, sources: map[string]string{}}
	l.local = o.local
	if l.local == nil {
		l.local = thisMachine
	}
	for _, kv := range o.Env {
		if name, value, ok := strings.Cut(kv, "="); ok {
			l.env[name] = value
		}
	}
	l.defaults()
	dot := l.dotEnv(o.DotEnvDir)
	l.older(dot)
	l.file(o)
	l.dotOwn(dot)
	l.ownEnv(o.Env)
	l.flags(o.Flags)

	var c Config
	l.finish(&c)
	l.problems = append(l.problems, c.check()...)
	if len(l.problems) > 0 {
		return Config{}, failure(l.problems)
	}
	return c, nil
}

// failure makes one error of all problems.
func failure(problems []problem) error {
	lines, fields := make([]string, len(problems)), make([]errcode.Field, len(problems))
	for i, p := range problems {
		lines[i] = p.String()
		fields[i] = errcode.Field{Field: cmp.Or(p.key, p.place), Message: p.msg}
	}
	return &errcode.Error{Code: errcode.ValidationFailed, Text: strings.Join(lines, "\n"), Fields: fields}
}

// add checks the values of a layer and lays them over what is there. Values that are wrong are left out, so that one
// mistake is reported once.
func (l *loader) add(values map[string]any, places map[string]string) {
	good := make(map[string]any, len(values))
	var scratch Config
	for _, name := range l.table.names() {
		raw, ok := values[name]
		if !ok {
			continue
		}
		if err := l.table.byName[name].set(&scratch, raw); err != nil {
			l.problems = append(l.problems, problem{places[name], name, err.Error()})
			continue
		}
		if m, ok := mapping(l.table.byName[name], raw); ok {
			raw = m // maps of several layers merge, whatever form they were written in
		}
		good[name], l.sources[name] = raw, places[name]
	}
	l.load(confmap.Provider(good, ""))
}

func mapping(k *key, raw any) (map[string]any, bool) {
	var c Config
	s, text := raw.(string)
	if !text || k.setMap(&c, nil) != nil {
		return nil, false
	}
	m, err := splitMap(s)
	return m, err == nil
}

// load gives a provider to koanf. Providers of maps in memory do not fail; if one did, it is a problem like others.
func (l *loader) load(p koanf.Provider) {
	if err := l.k.Load(p, nil); err != nil {
		l.problems = append(l.problems, problem{msg: err.Error()})
	}
}

func (l *loader) defaults() {
	values, places := map[string]any{}, map[string]string{}
	for i := range l.table.keys {
		k := &l.table.keys[i]
		if k.def == "" {
			continue // the zero value, or computed in finish
		}
		values[k.name], places[k.name] = k.def, "default"
	}
	l.add(values, places)
}

// ownEnv reads WAYSIDE_*.
func (l *loader) ownEnv(environ []string) {
	places := map[string]string{}
	p := env.Provider(delim, env.Opt{
		Prefix:      envPrefix,
		EnvironFunc: func() []string { return environ },
		TransformFunc: func(name, value string) (string, any) {
			key := l.ownKey(name, value, "env "+name)
			if key != "" {
				places[key] = "env " + name
			}
			return key, value
		},
	})
	values, err := p.Read()
	if err != nil {
		l.problems = append(l.problems, problem{msg: err.Error()})
	}
	l.add(values, places)
}

// ownKey resolves a variable of ours, "" where it sets nothing.
func (l *loader) ownKey(name, value, place string) string {
	if slices.Contains(clientEnv(), name) {
		return ""
	}
	k, ok := l.table.byEnv[name]
	if !ok {
		valid := make([]string, len(l.table.keys))
		for i := range l.table.keys {
			valid[i] = l.table.keys[i].env()
		}
		l.problems = append(l.problems, problem{place: place, msg: unknown("variable", name, valid)})
		return ""
	}
	if value == "" {
		return "" // set but empty counts as not set
	}
	return k.name
}

// flags reads the flags that were given.
func (l *loader) flags(fs *pflag.FlagSet) {
	if fs == nil {
		return
	}
	places := map[string]string{}
	p := posflag.ProviderWithFlag(fs, delim, nil, func(f *pflag.Flag) (string, any) {
		k, ok := l.table.byFlag[f.Name]
		if !ok {
			return "", nil
		}
		places[k.name] = "flag --" + f.Name
		return k.name, f.Value.String()
	})
	values, err := p.Read()
	if err != nil {
		l.problems = append(l.problems, problem{msg: err.Error()})
	}
	l.add(values, places)
}

// finish fills in the Config, the defaults that depend on other values, and the entries.
func (l *loader) finish(c *Config) {
	for i := range l.table.keys {
		k := &l.table.keys[i]
		raw := l.k.Get(k.name)
		if raw == nil {
			continue
		}
		if err := k.set(c, raw); err != nil {
			l.problems = append(l.problems, problem{l.sources[k.name], k.name, err.Error()})
		}
	}
	l.derive(c)
	for i := range l.table.keys {
		k := &l.table.keys[i]
		e := Entry{
			Key: k.name, Value: k.show(c), Source: cmp.Or(l.sources[k.name], "default"), Built: k.built,
			Live: k.live, Doc: k.doc,
		}
		if k.secret {
			e.Value = maskSecret(e.Value)
		}
		if k.section() == "celery" {
			e.Hint = c.celeryHint(k.show(c))
		}
		c.entries = append(c.entries, e)
		if !k.built && e.Source != "default" {
			l.warnings = append(l.warnings, fmt.Sprintf("%s: %s is accepted, but the part that uses it is not in this version", e.Source, k.name))
		}
	}
	if c.Cache.Enabled && c.Cache.URL == "" && !slices.Contains(c.KV.EvictDBs, c.Cache.DB) {
		l.warnings = append(l.warnings, fmt.Sprintf("cache.db: database %d is none of kv.evict_dbs: when memory is used up, nothing more is cached", c.Cache.DB))
	}
	c.warnings = l.warnings
}

// derive sets the defaults that depend on the machine or on other values.
func (l *loader) derive(c *Config) {
	if c.Data.Dir == "" {
		dir, err := l.dataDir()
		if err != nil {
			l.problems = append(l.problems, problem{key: "data.dir", msg: err.Error()})
		}
		c.Data.Dir = dir
	}
	c.Data.Dir = absolute(c.Data.Dir)
	if _, set := l.sources["plugins.dirs"]; !set {
		c.Plugins.Dirs = []string{"/etc/wayside/plugins", filepath.Join(c.Data.Dir, "plugins")}
	}
	for i, d := range c.Plugins.Dirs {
		c.Plugins.Dirs[i] = absolute(d)
	}
	if _, set := l.sources["files.raw"]; !set {
		c.Files.Raw = c.Server.Listen.Loopback()
	}
	if l.sources["queue.soft_timeout"] == "default" {
		c.Queue.SoftTimeout = min(c.Queue.SoftTimeout, c.Queue.Timeout)
	}
	if l.sources["queue.result_ttl"] == "default" {
		c.Queue.ResultTTL = min(c.Queue.ResultTTL, c.Queue.Retention)
	}
	if l.sources["queue.backoff"] == "default" {
		c.Queue.Backoff = min(c.Queue.Backoff, c.Queue.BackoffMax)
	}
	if l.sources["decode.memory"] == "default" {
		c.Decode.Memory = min(c.Decode.Memory, c.Decode.MaxMemory)
	}
}

// absolute leaves a path as it is where the working directory is gone.
func absolute(path string) string {
	if path == "" {
		return ""
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	return abs
}

// dataDir is the data folder where nothing names one.
func (l *loader) dataDir() (string, error) {
	if dir, _, _ := strings.Cut(l.env["STATE_DIRECTORY"], ":"); filepath.IsAbs(dir) {
		return dir, nil
	}
	if l.systemd() {
		return "/var/lib/wayside", nil
	}
	if dir := l.env["XDG_DATA_HOME"]; filepath.IsAbs(dir) {
		return filepath.Join(dir, "wayside"), nil
	}
	if home := l.env["HOME"]; filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "share", "wayside"), nil
	}
	return "", errors.New("there is no home folder to keep data in; set it, or --data-dir")
}

// systemd reports whether systemd started this very process. INVOCATION_ID alone does not tell: programs started from
// a desktop that systemd started have it too. Where systemd says which process it started (version 248 on), that
// counts.
func (l *loader) systemd() bool {
	if l.env["INVOCATION_ID"] == "" {
		return l.env["STATE_DIRECTORY"] != ""
	}
	pid := l.env["SYSTEMD_EXEC_PID"]
	return pid == "" || pid == fmt.Sprint(os.Getpid())
}

// maskSecret hides a secret; of a URL it leaves all but the password.
func maskSecret(s string) string {
	if s == "" {
		return ""
	}
	if scheme, rest, ok := strings.Cut(s, "://"); ok {
		at := strings.LastIndexByte(rest, '@')
		if at < 0 {
			return s
		}
		user, _, _ := strings.Cut(rest[:at], ":")
		return scheme + "://" + user + ":" + masked + rest[at:]
	}
	return masked
}

const masked = "***REDACTED***"
