// Package config owns the configuration of the appliance: every key, its type, default and meaning, and where each
// value came from.
//
// One table (keys.go and its parts) lists the keys. From it come the typed Config, the names of environment variables
// and flags, `wayside config show`, docs/config.md and the commented file that packages ship, so that none of them can
// drift from the others. The layers, weakest first: defaults, the older names that earlier systems used, the YAML file,
// WAYSIDE_* variables, flags. An unknown key or a wrong value is an error with its place and the nearest valid key;
// Load reports all of them at once.
//
// The package is apart because the command line needs it without the rest of the appliance. It turns text into values
// and checks them; it opens nothing but the configuration file and `.env`. It owns no goroutine and takes no lock.
package config

//go:generate go test -run TestGenerated -update .

import (
	"cmp"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Config is the whole configuration, checked. Load makes it; the zero value is not usable.
type Config struct {
	Service  Service
	Data     Data
	Server   Server
	Auth     Auth
	Files    Files
	Uploads  Uploads
	Store    Store
	Plugins  Plugins
	Decode   Decode
	Worker   Worker
	Queue    Queue
	KV       KV
	Cache    Cache
	Log      Log
	Metrics  Metrics
	Alerts   Alerts
	Shutdown Shutdown
	Celery   Celery

	entries  []Entry
	warnings []string
}

// Service names this installation in logs and metrics.
type Service struct {
	Name        string // field "service" of log lines
	Environment string // label "environment" of application_info
}

// Data says where everything is kept.
type Data struct {
	Dir string // absolute
}

// Server is the HTTP listener and its limits.
type Server struct {
	Listen  Addr
	Hosts   []string // accepted in Host besides the listener's own names
	TLSCert string   // file; "" = plain HTTP
	TLSKey  string
	// TrustedProxies are addresses and networks whose forwarding headers are believed.
	TrustedProxies []string
	ProxyHeader    string // what they are believed by: x-forwarded or forwarded
	MaxUpload      Size   // a file; 0 = no limit
	SlowRequest    time.Duration
	UploadStall    time.Duration // an upload that brings less than 1 KiB in so long is cut off
	AnswerStall    time.Duration // an answer of which less than 1 KiB is taken in so long is cut off
	Connections    int           // most at once
	RateLimit      float64       // requests a second and client; 0 = none
	RateBurst      int
}

// Auth is who may do what.
type Auth struct {
	Required      bool
	GroupReadable bool // the admin token's file is readable by the group
	SessionTTL    time.Duration
}

// Files is about stored recordings.
type Files struct {
	// Raw lets readers see the stored bytes, which may hold sensitive values. Without a value in any layer it is true
	// on a loopback listener and false otherwise.
	Raw bool
}

// Uploads are those that arrive in pieces.
type Uploads struct {
	Expire   time.Duration
	MaxCount int
	MaxBytes Size // 0 = as much as the disk holds
}

// Store is the database.
type Store struct {
	Reserve  Size // below so much free space nothing new is taken
	Ballast  Size // file that is given up so that work can end on a full disk
	Memtable Size
}

// Plugins is where decoders come from and which are accepted.
type Plugins struct {
	Dirs           []string
	Policy         Policy
	Override       bool     // an unsigned plugin may replace a built-in id
	Keys           []string // trusted ed25519 public keys: base64, or the path of a PEM file
	Settings       map[string]PluginSettings
	Watch          bool
	Debounce       time.Duration
	MaxModule      Size
	MaxFunction    Size
	MaxFunctions   int
	MaxLocals      int
	MaxNesting     int
	CompileTimeout time.Duration
	CompileMemory  Size
}

// PluginSettings is what holds for one plugin instead of for all. A zero limit is that of Decode.
type PluginSettings struct {
	Disabled     bool
	Memory       Size
	Stall        time.Duration
	Timeout      time.Duration
	TimeoutPerMB time.Duration
	OutputRatio  int64
	OutputBase   Size
	MaxIssues    int64
	MaxLog       Size
	Params       map[string]string // defaults of the decoder's parameters
}

// Policy says what happens to a plugin without a valid signature.
type Policy string

// Policies.
const (
	PolicyRequire Policy = "require"
	PolicyWarn    Policy = "warn"
	PolicyOff     Policy = "off"
)

// Decode bounds one decode.
type Decode struct {
	Workers       int
	Memory        Size // guest memory of a plugin that asks for nothing
	MaxMemory     Size // the most a plugin may ask for
	Stall         time.Duration
	Timeout       time.Duration // the deadline is the larger of Timeout and TimeoutPerMB × size
	TimeoutPerMB  time.Duration
	OutputRatio   int64 // raw column bytes per input byte
	OutputBase    Size  // plus
	MaxIssues     int64
	MaxLog        Size
	SniffTimeout  time.Duration
	ChildDepth    int
	MaxChildren   int  // of one decode
	MaxChildBytes Size // of all of them together
	ChildTotal    int  // of one delivered file, however deep
	UnpackRatio   int64
	UnpackBase    Size
	UnpackEntries int
}

// Worker is how worker processes are kept.
type Worker struct {
	Idle   time.Duration // an idle worker ends after; one is kept
	Files  int           // decodes before a worker is replaced
	MaxRSS Size          // resident memory above which a worker is replaced
}

// Queue is the job queue.
type Queue struct {
	Mode                               QueueMode
	Weights                            map[string]int // by queue name; larger is more important
	Ageing                             time.Duration  // strict: a job passed over for so long goes first
	MaxAttempts                        int
	Backoff                            time.Duration // first retry; doubles
	BackoffMax                         time.Duration
	Jitter                             float64 // 0–1 of the delay
	Timeout                            time.Duration
	SoftTimeout                        time.Duration
	ResultTTL                          time.Duration
	Retention                          time.Duration // completed jobs are kept
	RetentionDead, RetentionCancelled  time.Duration
	MaxFinished, MaxDead, MaxCancelled int64
	Lease                              time.Duration // of external workers
	Crashes                            int           // unexplained worker deaths before a job is dead
}

// QueueMode is how the next job is chosen among queues.
type QueueMode string

// Modes.
const (
	ModeWeighted QueueMode = "weighted"
	ModeStrict   QueueMode = "strict"
)

// KV is the embedded Redis-protocol server.
type KV struct {
	Listen          Addr // Off = no server
	UnixSocket      string
	TLSListen       Addr   // Off = no TLS
	TLSCert         string // file; "" = that of the HTTP API
	TLSKey          string
	Password        string
	MaxMemory       Size
	MaxMemoryPolicy string
	EvictDBs        []int
	Databases       int
	MaxClients      int
	AppendFsync     string
	IdleTimeout     time.Duration
}

// Cache is the decode cache.
type Cache struct {
	Enabled     bool
	TTL         time.Duration
	NegativeTTL time.Duration
	TTLs        map[string]time.Duration // by namespace
	Prefix      string
	DB          int
	URL         string // external Redis; "" = the embedded server
	Password    string // of the external Redis
	PoolSize    int
}

// Log is the log of the process.
type Log struct {
	Level   Level
	Format  string // json or console
	Output  string // stdout, stderr or a file
	MaxSize Size   // of a file, at which it is set aside; 0 = never
	Keep    int    // files that were set aside
	Modules map[string]Level
}

// Metrics is the Prometheus exposition.
type Metrics struct {
	Enabled  bool
	Listen   Addr   // a second listener; Off = only the main one
	Token    string // that the metrics are asked for with; "" = what auth says
	Compat   bool   // also the unprefixed family names
	Interval time.Duration
}

// Alerts are thresholds.
type Alerts struct {
	CPU, Memory, ErrorRate Thresholds // percent
	Disk, DecodeFailures   Thresholds // percent
	DeadJobs               Thresholds // jobs of a queue
	ResponseWarning        time.Duration
	ResponseCritical       time.Duration
	QueueAgeWarning        time.Duration
	QueueAgeCritical       time.Duration
	CacheHitRate           float64 // percent, below which a warning is raised; 0 = none
	For                    time.Duration
	Deduplication          time.Duration
}

// Thresholds are two limits of one figure.
type Thresholds struct {
	Warning, Critical float64
}

// Shutdown is how the appliance stops.
type Shutdown struct {
	Drain time.Duration // how long running work may take to finish
}

// Celery holds the addresses an existing Celery application uses. Nothing here reads them; they are shown.
type Celery struct {
	BrokerURL     string
	ResultBackend string
}

// Size is a number of bytes.
type Size int64

// String writes the size with the largest binary unit that divides it.
func (s Size) String() string {
	n := int64(s)
	for _, u := range []struct {
		shift uint
		name  string
	}{{40, "TiB"}, {30, "GiB"}, {20, "MiB"}, {10, "KiB"}} {
		if n != 0 && n%(1<<u.shift) == 0 {
			return strconv.FormatInt(n>>u.shift, 10) + " " + u.name
		}
	}
	if n == 0 {
		return "0"
	}
	return strconv.FormatInt(n, 10) + " B"
}

// Addr is a TCP address to listen on, host:port, or Off.
type Addr string

// Off is the Addr of a listener that is not wanted.
const Off Addr = "off"

// Enabled reports whether there is a listener at all.
func (a Addr) Enabled() bool { return a != Off && a != "" }

// Host gives the host part; empty means every interface.
func (a Addr) Host() string {
	h, _, err := net.SplitHostPort(string(a))
	if err != nil {
		return ""
	}
	return h
}

// Loopback reports whether only this machine can reach the address.
func (a Addr) Loopback() bool {
	if !a.Enabled() {
		return true
	}
	h := a.Host()
	if strings.EqualFold(h, "localhost") {
		return true
	}
	ip := net.ParseIP(h)
	return ip != nil && ip.IsLoopback()
}

// Entry is one key as `config show` prints it.
type Entry struct {
	Key    string // "server.listen"
	Value  string // as it would be written in the file; secrets are masked
	Source string // "default", "file:line", "env NAME", ".env:line NAME" or "flag --name"
	Built  bool   // false: the part that uses it is not in this version yet
	Live   bool   // a reload applies it without a restart
	Doc    string
	Hint   string // what the value means on this machine, "" = nothing beside Doc
}

// celeryHint says that an address which a Celery application uses is that of the embedded server.
func (c *Config) celeryHint(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "redis" || !c.KV.Listen.Enabled() {
		return ""
	}
	_, port, err := net.SplitHostPort(string(c.KV.Listen))
	here := u.Hostname() == c.KV.Listen.Host() || c.KV.Listen.Loopback() && Addr(net.JoinHostPort(u.Hostname(), port)).Loopback()
	if err != nil || !here || cmp.Or(u.Port(), "6379") != port {
		return ""
	}
	return "a Celery application that is pointed at this address works"
}

// Entries gives every key with its value and source, in the order of the documentation.
func (c *Config) Entries() []Entry { return c.entries }

// NeedRestart gives the keys that say something else in another configuration, and that a reload does not change.
func (c *Config) NeedRestart(other *Config) []string {
	was := make(map[string]string, len(c.entries))
	for _, e := range c.entries {
		was[e.Key] = e.Value
	}
	var keys []string
	for _, e := range other.entries {
		if e.Built && !e.Live && e.Value != was[e.Key] {
			keys = append(keys, e.Key)
		}
	}
	return keys
}

// Warnings gives what Load noticed that does not stop the start: a `.env` file that was not trusted, a key whose part
// is not built, a hint.
func (c *Config) Warnings() []string { return c.warnings }
