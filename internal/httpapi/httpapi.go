// Package httpapi owns the HTTP face of the appliance: the listener, the routes under /api/v1, health, the console's
// addresses, and the way from an error to a problem document. It holds nothing that has to last: everything it shows comes
// from the packages behind the interfaces in this file, which app wires, and what it remembers of them is found out anew.
//
// A request passes, in this order: Server.observe (ids, log line, metrics, panics), Server.admit (drain, Host, Origin,
// token and scope), the route. Handlers that answer JSON are registered through huma, so that the OpenAPI document
// and the validation come from the types that serve; handlers that stream are in the same document but write to the
// response themselves. Every error, whoever raises it, leaves as application/problem+json through problem.go.
// The few routes that are called thousands of times a second, those that make, lease and finish jobs, are documented in the
// same way but read and write without huma (lean.go).
//
// Goroutines: Run owns the one that serves; net/http owns one a connection; Close joins them. No locks.
package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/wayside-edge/wayside/internal/access"
	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/event"
	"github.com/wayside-edge/wayside/internal/ingest"
	"github.com/wayside-edge/wayside/internal/runtime"
	"github.com/wayside-edge/wayside/internal/table"
)

// Ingester takes recordings in and changes what is recorded.
type Ingester interface {
	Accept(ctx context.Context, u ingest.Upload) (ingest.Accepted, error)
	// Redecode starts a decode of a stored file; existing says that it is an earlier one.
	Redecode(ctx context.Context, r ingest.Redecode) (d catalog.Decode, existing bool, err error)
	DeleteFile(ctx context.Context, id string) error
	DeleteDecode(ctx context.Context, id string) error
	Cancel(ctx context.Context, decodeID string) (catalog.Decode, error)
}

// Files reads the records of files.
type Files interface {
	File(ctx context.Context, id string) (catalog.File, error)
	Files(ctx context.Context, q catalog.FileQuery) (items []catalog.File, next string, err error)
	DecodesOf(ctx context.Context, fileID string) ([]string, error)
}

// Decodes reads the records of decodes, with the progress of running ones.
type Decodes interface {
	Decode(ctx context.Context, id string) (catalog.Decode, error)
	Decodes(ctx context.Context, q catalog.DecodeQuery) (items []catalog.Decode, next string, err error)
	// Schemas gives the schemas of the decode's tables, in the order of its Tables.
	Schemas(ctx context.Context, d catalog.Decode) ([]*table.Schema, error)
}

// Blobs opens stored recordings.
type Blobs interface {
	Open(sha256 string) (*os.File, error)
}

// Results opens stored tables. A table without rows has no file: that is a not_found error.
type Results interface {
	Open(key, name string) (*os.File, error)
}

// Events tells what just happened. Events of decodes have the topic ingest.TopicDecode and the decode's id as key.
type Events interface {
	Subscribe(after uint64, topics ...string) *event.Sub
}

// Plugins shows the decoders and recognises formats.
type Plugins interface {
	Plugins() []runtime.Plugin
	// Detect recognises a file by its first bytes, its size (-1 = unknown) and its name (may be empty). That no
	// decoder knows it is an unknown_format error.
	Detect(ctx context.Context, head []byte, size int64, name string) (runtime.Detection, error)
	// Usage tells what a plugin has done since the start.
	Usage(id string) runtime.Usage
}

// PluginAdmin changes what decoders there are; it is runtime.Registry.
type PluginAdmin interface {
	// Install makes a module a plugin; existing says that it is one already. A body that is no module is a
	// validation_failed error, one that cannot be a plugin is installed as rejected.
	Install(ctx context.Context, body io.Reader) (p runtime.Plugin, existing bool, err error)
	// Module describes the module of a hash, whether it serves its id or not.
	Module(sha256 string) (runtime.Plugin, bool)
	Remove(ctx context.Context, id string) error
	SetEnabled(ctx context.Context, id string, on bool) (runtime.Plugin, error)
	Reload(ctx context.Context, id string) (runtime.Plugin, error)
}

// Direct decodes without storing anything.
type Direct interface {
	// Direct decodes r.Body onto w. An error before the first byte written to w has the code for the caller:
	// unknown_format, decode_failed with the offset, too_large, validation_failed.
	Direct(ctx context.Context, r DirectRequest, w TableWriter) error
}

// TableWriter takes the answer of a direct decode.
type TableWriter interface {
	io.Writer
	// Describe says, before the first byte, how the decode ended: rows that are kept of a damaged recording are a
	// success, and the caller is to know that they are not all.
	// children counts the files found inside the recording, which are not decoded.
	Describe(status runtime.Status, issues runtime.IssueCounts, children int)
}

// DirectRequest is one decode whose tables go straight to the caller.
type DirectRequest struct {
	Body    io.Reader
	Name    string
	Decoder string // plugin or format id, "" = find out
	Params  map[string]string
	To      table.Format
	Table   string // "" = all tables, with To JSON only
	Limit   int64  // most bytes of input, 0 = none
	Options table.EncodeOptions
}

// Access knows tokens and the sessions of browsers; it is access.Access.
type Access interface {
	// Required reports whether every request needs a token. Otherwise only one that has a wrong one is refused, and those
	// that deal with tokens as soon as there is one.
	Required() bool
	// Check gives what a token allows; ok is false if it is not valid. Session does so for the id of a session.
	Check(token string) (g access.Grant, ok bool)
	Session(id string) (g access.Grant, ok bool)
	SignIn(ctx context.Context, token string) (id string, g access.Grant, expires time.Time, err error)
	SignOut(ctx context.Context, id string) error
	// Any reports whether there is a token, be it over or the administrator's.
	Any() bool
	Tokens() []access.Token
	Token(id string) (access.Token, error)
	// Create makes a token, and gives it: nobody can be told it again.
	Create(ctx context.Context, n access.NewToken) (t access.Token, secret string, err error)
	Revoke(ctx context.Context, id string) error
}

// Recorder counts requests. The endpoint is the route's template, or "unmatched".
type Recorder interface {
	RequestStarted(method, endpoint string)
	// RequestDone has the context of the request, which knows its ids.
	RequestDone(ctx context.Context, a Answer)
}

// Answer is how a request was answered. One that is long by its nature, such as a stream, is never slow.
type Answer struct {
	Method, Endpoint string
	Status           int
	Took             time.Duration
	Long             bool
}

// Pages are what a browser gets.
type Pages interface {
	http.Handler
	Has(path string) bool
	Sections() []string // first segments of the addresses at which there is a page
}

// Config says where the server listens, what it limits, and what it serves.
type Config struct {
	Listen      string        // address, default 127.0.0.1:8000; port 0 picks a free one
	Hosts       []string      // accepted in Host besides localhost, loopback and the listener's own (server.hosts)
	MaxUpload   int64         // most bytes of one upload, 0 = no limit but the disk (server.max_upload)
	FilesRaw    bool          // scope read is enough for the bytes of files (files.raw)
	SlowRequest time.Duration // a request slower than this is logged as a warning, default 1 s
	UploadIdle  time.Duration // a client that sends less than 1 KiB of its body in so long is cut off, default 60 s
	AnswerIdle  time.Duration // a client that takes less than 1 KiB of its answer in so long is cut off, default 60 s
	Connections int           // most connections at once, default 4096
	Version     string        // shown in the OpenAPI document
	Temp        string        // folder for temporary files, "" = the system's
	TLSCert     string        // PEM files, "" = plain HTTP (server.tls_cert, server.tls_key)
	TLSKey      string
	Proxies     []netip.Prefix // whose headers are believed (server.trusted_proxies)
	Forwarded   bool           // they send Forwarded, not X-Forwarded-For and the like (server.proxy_header)
	RateLimit   float64        // requests a second and client, 0 = any number (server.rate_limit)
	RateBurst   int            // at once, before RateLimit counts (server.rate_burst)

	Deps Deps

	Auth     Access       // nil = open, and without tokens
	Audit    *slog.Logger // who changed what; nil = discard
	Recorder Recorder     // nil = none
	Metrics  http.Handler // serves the paths of MetricsPaths, nil = no such routes
	// MetricsListen is an address that answers with the metrics alone, "" = none (metrics.listen); MetricsToken is asked for
	// wherever they are, "" = what Auth says (metrics.token).
	MetricsListen, MetricsToken string

	Console Pages        // serves /, /assets/ and the addresses of its sections, nil = nothing there
	Logger  *slog.Logger // nil = discard
}

// Deps is the behaviour behind the routes. All are needed.
type Deps struct {
	Ingester Ingester
	Files    Files
	Decodes  Decodes
	Blobs    Blobs
	Results  Results
	Events   Events
	Plugins  Plugins
	Direct   Direct
	System   System

	PluginAdmin PluginAdmin
	Wrapping    Wrapping

	Queue Queue

	Batches  Batches
	Archives Archives
	Uploads  Uploads // nil = no /uploads

	Cache      Cache
	CacheAdmin CacheAdmin
	KV         KV

	Idempotency Idempotency // nil = Idempotency-Key means nothing but to jobs and flows

	Alerts Alerts // nil = no /alerts
	Logs   Logs   // nil = no /logs

	Readings Readings // nil = no /readings
}

const (
	defaultListen      = "127.0.0.1:8000"
	defaultSlowRequest = time.Second
	defaultUploadIdle  = 60 * time.Second
	defaultConnections = 4096
	headerTimeout      = 10 * time.Second
	idleTimeout        = 2 * time.Minute
	maxHeaderBytes     = 64 << 10
	cutTimeout         = 200 * time.Millisecond // for handlers to answer once their contexts have ended
	pathPrefix         = "/api/v1"
	viewBytes          = 4 << 20 // of what is remembered of views: up to 300 KB for a sorted table, 1 KB for a filtered one
)

func (c Config) withDefaults() Config {
	if c.Listen == "" {
		c.Listen = defaultListen
	}
	if c.SlowRequest <= 0 {
		c.SlowRequest = defaultSlowRequest
	}
	if c.UploadIdle <= 0 {
		c.UploadIdle = defaultUploadIdle
	}
	if c.AnswerIdle <= 0 {
		c.AnswerIdle = defaultUploadIdle
	}
	if c.Connections <= 0 {
		c.Connections = defaultConnections
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Audit == nil {
		c.Audit = slog.New(slog.DiscardHandler)
	}
	return c
}

// Validate checks what the configuration file can get wrong.
func (c Config) Validate() error {
	if _, _, err := net.SplitHostPort(c.withDefaults().Listen); err != nil {
		return fmt.Errorf("server.listen: %w", err)
	}
	if c.MaxUpload < 0 {
		return fmt.Errorf("server.max_upload: %d is negative", c.MaxUpload)
	}
	for _, h := range c.Hosts {
		if h == "" || strings.ContainsAny(h, "/ *") {
			return fmt.Errorf("server.hosts: %q is no host name", h)
		}
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return errors.New("server.tls_cert: server.tls_cert and server.tls_key belong together")
	}
	return nil
}

func (c Config) check() error {
	if err := c.Validate(); err != nil {
		return err
	}
	d := c.Deps
	for name, missing := range map[string]bool{
		"ingester": d.Ingester == nil, "files": d.Files == nil, "decodes": d.Decodes == nil, "blobs": d.Blobs == nil,
		"results": d.Results == nil, "events": d.Events == nil, "plugins": d.Plugins == nil, "direct": d.Direct == nil,
		"system": d.System == nil, "plugin admin": d.PluginAdmin == nil, "wrapping": d.Wrapping == nil,
		"cache": d.Cache == nil, "cache admin": d.CacheAdmin == nil, "keyspace": d.KV == nil,
	} {
		if missing {
			return fmt.Errorf("open http server: no %s given", name)
		}
	}
	return nil
}

// Server serves the HTTP API on one listener.
type Server struct {
	cfg         Config
	log         *slog.Logger
	deps        Deps
	hosts       map[string]struct{} // accepted names of this appliance, lower case
	echo        *echo.Echo
	scopes      map[string]scope    // of routes: "METHOD /path/:param"
	onceRules   map[string]onceRule // of routes with POST: "/path/:param"
	templates   map[string]string   // of routes as Echo writes them, as the documentation does
	openapi     []byte
	fixed       http.Header  // of every answer
	limiter     *limiter     // of requests, by client
	failures    *limiter     // of wrong tokens, by address
	cert        *certificate // nil = plain HTTP
	listener    *listener
	metrics     *listener // nil = there is no such address
	http        *http.Server
	origins     *http.CrossOriginProtection
	drain       context.Context         //nolint:containedctx // ends when Drain is called; what waits, waits on it too
	startEnd    context.CancelFunc      // ends drain
	stop        context.CancelCauseFunc // ends the contexts of all requests
	closed      sync.Once
	compressors compressors
	changes     changeLocks
	events      eventHub
	unused      unused
	views       *table.Views  // what was found out of filtered and sorted tables
	books       chan struct{} // one for each workbook that is being written
	bodies      sync.Pool     // buffers for bodies of readJSON: what is decoded from one holds none of its bytes
}

// errClosed is the cause with which requests are ended that outlast Close.
var errClosed = errcode.New(errcode.ShuttingDown, "the appliance is shutting down")

// Open binds the listener and makes the routes. It serves nothing before Run.
func Open(cfg Config) (*Server, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	s, err := newServer(cfg)
	if err != nil {
		return nil, err
	}
	if s.listener, err = s.listen(cfg.Listen, cfg.Connections); err != nil {
		return nil, err
	}
	if err := s.listenForMetrics(); err != nil {
		return nil, errors.Join(err, s.listener.Close())
	}
	return s, nil
}

func newServer(cfg Config) (*Server, error) {
	s := &Server{
		cfg: cfg, log: cfg.Logger, deps: cfg.Deps, hosts: allowedHosts(cfg), scopes: map[string]scope{}, onceRules: map[string]onceRule{}, origins: http.NewCrossOriginProtection(),
		events: eventHub{epoch: newEpoch(), renderers: map[string]func(context.Context, event.Event) (any, bool, error){}}, changes: newChangeLocks(), unused: unused{conns: map[net.Conn]struct{}{}},
		fixed: fixedHeaders(cfg), limiter: newLimiter(cfg.RateLimit, cfg.RateBurst), failures: newLimiter(failureRate, failureBurst),
		views: table.NewViews(viewBytes), books: make(chan struct{}, maxBooks),
	}
	if cfg.TLSCert != "" {
		var err error
		if s.cert, err = openCertificate(cfg.TLSCert, cfg.TLSKey, cfg.Logger); err != nil {
			return nil, fmt.Errorf("server.tls_cert: %w", err)
		}
	}
	if err := s.route(); err != nil {
		return nil, fmt.Errorf("make routes: %w", err)
	}
	base, stop := context.WithCancelCause(context.Background())
	s.stop = stop
	s.drain, s.startEnd = context.WithCancel(context.Background())
	s.http = &http.Server{
		Handler:           s.echo,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ConnContext:       connContext,
		ConnState:         s.connState,
		BaseContext:       func(net.Listener) context.Context { return base },
		ErrorLog:          slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelDebug),
	}
	s.templates = map[string]string{}
	for _, r := range s.echo.Routes() {
		s.templates[r.Path] = templateOf(r.Path)
	}
	return s, nil
}

// Addr gives the address the server listens on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// URL gives where the server is found: http://127.0.0.1:8000.
func (s *Server) URL() string {
	if s.cert != nil {
		return "https://" + s.Addr().String()
	}
	return "http://" + s.Addr().String()
}

// Drain makes new requests fail with shutting_down while those under way go on. The listener stays open, so that
// callers get the answer and know when to come back. Health and metrics are served on; requests that wait for a decode
// are answered at once. It may be called more than once.
func (s *Server) Drain() { s.startEnd() }

func (s *Server) draining() bool { return s.drain.Err() != nil }

// Close stops listening, waits for the requests under way until ctx ends, then ends them with cause shutting_down and
// cuts their connections. It may be called more than once.
func (s *Server) Close(ctx context.Context) error {
	s.Drain()
	var err error
	s.closed.Do(func() {
		s.unused.close()
		if err = s.http.Shutdown(ctx); err != nil {
			err = errors.Join(fmt.Errorf("wait for requests: %w", err), s.cut(context.WithoutCancel(ctx)))
		}
		s.events.taken.Wait() // they end with the drain, each within its patience
		s.stop(errClosed)
		for _, l := range []*listener{s.listener, s.metrics} {
			if l != nil {
				_ = l.Close() // closed already if Run was ever called
			}
		}
	})
	return err
}

// cut ends the requests that are left: their contexts first, so that handlers can say why, then their connections.
func (s *Server) cut(ctx context.Context) error {
	s.stop(errClosed)
	ctx, cancel := context.WithTimeout(ctx, cutTimeout)
	defer cancel()
	if err := s.http.Shutdown(ctx); err == nil {
		return nil
	}
	if err := s.http.Close(); err != nil {
		return fmt.Errorf("cut connections: %w", err)
	}
	return nil
}
