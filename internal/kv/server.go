package kv

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/kv/engine"
	"github.com/wayside-edge/wayside/internal/kv/resp"
	"github.com/wayside-edge/wayside/internal/kv/script"
)

// Config is what a server is made with. The zero value listens nowhere.
type Config struct {
	Addr    string      // host:port for plain TCP
	Socket  string      // path of a unix socket, which its owner alone may use
	TLSAddr string      // host:port for TLS
	TLS     *tls.Config // certificates of TLSAddr

	Password    string        // of the user default
	MaxClients  int           // 0 = 10,000
	IdleTimeout time.Duration // after which a silent client is closed; 0 = never
	AuthTimeout time.Duration // within which a client says who it is, where that is asked; 0 = one minute
	KeepAlive   time.Duration // between two probes of a silent TCP connection; 0 = five minutes
	Patience    time.Duration // how long answers may wait for what they tell of to be kept; 0 = ten seconds
	Drain       time.Duration // how long answers may take to go out when the server ends; 0 = one second

	OutputNormal OutputLimit // zero value = 1 GiB, or 256 MiB for a minute
	OutputPubSub OutputLimit // zero value = 32 MiB, or 8 MiB for a minute
	QueryBuffer  int64       // bytes of commands a client may have here that did not run yet; 0 = 1 GiB

	Engine     engine.Config // its Hooks are the server's own
	Parameters []Parameter   // of other packages, for CONFIG
	Shutdown   func()        // what SHUTDOWN begins, under the engine's lock; nil = it is refused
	Version    string        // Wayside's, for INFO
	Users      string        // path of the file that ACL users are kept in; "" = they are not
	FS         disk.FS       // of that file; nil = the real one
	Logger     *slog.Logger
}

// OutputLimit bounds what a client may leave unread: at once, and for longer than a time. Zero is no bound.
type OutputLimit struct {
	Hard, Soft int64
	For        time.Duration
}

// Server serves an engine to clients.
type Server struct {
	cfg     Config
	log     *slog.Logger
	engine  *engine.Engine
	doors   []*door               // for connections that are not encrypted
	secure  net.Listener          // for those that are; nil = there are none
	params  map[string]*parameter // does not change
	wg      sync.WaitGroup        // clients, and who sends to them
	stop    context.CancelFunc
	ctx     context.Context //nolint:containedctx // of Close, which ends Run
	done    chan struct{}   // Run has returned
	running sync.Once
	begun   time.Time
	runID   string
	specs   keySpecs
	keeper  Persistence  // nil = nothing is kept
	crowd   sync.Mutex   // of lockLast
	sent    atomic.Int64 // bytes
	writes  atomic.Int64

	// The rest is guarded by the engine's lock.
	set      settings
	clients  map[int64]*client
	draining bool
	counts   counts
	pubsub   hub
	tracked  tracked
	monitors map[*client]struct{}
	slow     slowLog
	late     latency
	acl      acl
	saving   saving
	reclaim  reclaim
	scripts  *script.Scripts
	failing  error // nothing can be kept
	users    keptUsers
	unread   int64 // bytes that all clients leave unread
	crowded  bool  // that was too much, and is not half of it yet
}

// counts are for INFO, beside the engine's.
type counts struct {
	accepted, rejected int64
	input, reads       int64
	peak               int64 // of used memory
	purging            bool
	rate               rate
}

// ErrOpenToAll reports a server that strangers could use without a password.
var ErrOpenToAll = errors.New("an address other than this machine's own needs a password")

// Open makes a server with its engine and listens. Clients are served by Run.
func Open(cfg Config) (*Server, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		cfg: cfg, log: cfg.Logger, done: make(chan struct{}), begun: time.Now(),
		clients: map[int64]*client{}, monitors: map[*client]struct{}{}, pubsub: newHub(), tracked: newTracked(), late: latency{},
	}
	s.set = newSettings(cfg)
	s.runID, s.specs = newRunID(), newKeySpecs()
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.scripts = script.New(script.Config{Version: redisVersion, Double: resp.AppendDouble, Log: s.scriptLog})
	ec := cfg.Engine
	ec.Commands = append(slices.Clip(ec.Commands), s.commands(), s.scripts.Commands())
	ec.Hooks = s.hooks()
	s.engine = engine.New(ec)
	s.acl = newACL(s.engine, cfg.Password)
	s.users = keptUsers{path: cfg.Users, fs: cfg.FS, changed: make(chan struct{}, 1)}
	if cfg.FS == nil {
		s.users.fs = disk.OS
	}
	s.loadUsers()
	if err := s.listen(); err != nil {
		s.stop()
		s.closeListeners()
		return nil, err
	}
	s.params = s.parameters()
	return s, nil
}

// Engine gives the keyspace, for callers in this process.
func (s *Server) Engine() *engine.Engine { return s.engine }

// Addrs is where the server listens: TCP, unix socket, TLS, as far as each was asked for.
func (s *Server) Addrs() []net.Addr {
	var list []net.Addr
	for _, d := range s.doors {
		list = append(list, d.addr)
	}
	if s.secure != nil {
		list = append(list, s.secure.Addr())
	}
	return list
}

// Run serves clients until ctx ends or Close is called. Then it accepts nobody, lets the commands end that run and their
// answers go out, and returns when all clients are gone.
func (s *Server) Run(ctx context.Context) error {
	err := errors.New("run kv server: it ran before")
	s.running.Do(func() { err = s.run(ctx) })
	return err
}

func (s *Server) run(ctx context.Context) error {
	defer close(s.done)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)() //nolint:contextcheck // Close ends Run as its own context does
	loop, err := newLoop(s)
	if err != nil {
		s.closeListeners()
		return fmt.Errorf("run kv server: %w", err)
	}
	defer loop.poll.close()
	errs := make(chan error, 2)
	fails := func(err error) {
		if err != nil {
			errs <- err
			cancel()
		}
	}
	s.wg.Go(func() { fails(loop.run(ctx)) })
	if s.keeper != nil {
		s.wg.Go(loop.watcher)
	}
	var own sync.WaitGroup
	if s.secure != nil {
		own.Go(func() { fails(s.accept(ctx)) })
	}
	own.Go(func() { _ = s.engine.Run(ctx) })
	own.Go(func() { s.cron(ctx) })
	var users sync.WaitGroup // ends after the clients, who may wait for it
	usersCtx, endUsers := context.WithCancel(context.WithoutCancel(ctx))
	defer endUsers()
	if s.users.path != "" {
		users.Go(func() { s.keepUsers(usersCtx) })
	}
	<-ctx.Done()
	force := time.AfterFunc(orDefault(s.cfg.Drain, time.Second), s.force)
	defer force.Stop()
	if s.secure != nil {
		_ = s.secure.Close()
	}
	loop.stop()
	own.Wait()
	s.drain()
	endUsers()
	users.Wait()
	select {
	case err := <-errs:
		return fmt.Errorf("run kv server: %w", err)
	default:
		return nil
	}
}

// lockLast takes the engine's lock for what is no command. Of thousands of connections that begin or end at once one waits
// for the lock at a time: a command has to wait behind one of them, not behind all.
func (s *Server) lockLast() {
	s.crowd.Lock()
	s.engine.Lock()
	s.crowd.Unlock()
}

// drain lets all clients end, each when what it runs is done and its answers are sent.
func (s *Server) drain() {
	s.engine.Lock()
	s.draining = true
	for _, c := range s.clients {
		c.finish()
	}
	s.engine.Unlock()
	s.wg.Wait()
}

// force ends those that take too long for drain. A script may hold the lock until it is stopped.
func (s *Server) force() {
	s.scripts.Stop()
	s.engine.Lock()
	defer s.engine.Unlock()
	for _, c := range s.clients {
		c.kill()
	}
}

// Close ends Run and waits for it. It may be called more than once, and without Run.
func (s *Server) Close() error {
	s.stop()
	s.running.Do(func() {
		s.closeListeners()
		close(s.done)
	})
	<-s.done
	return nil
}

// newRunID is a name for this run of the server.
func newRunID() string {
	var b [20]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}
