package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/wayside-edge/wayside/internal/config"
	"github.com/wayside-edge/wayside/internal/httpapi"
	"github.com/wayside-edge/wayside/internal/kv"
	"github.com/wayside-edge/wayside/internal/kv/aof"
	"github.com/wayside-edge/wayside/internal/kv/engine"
	"github.com/wayside-edge/wayside/internal/observe"
)

// openKV opens the Redis-protocol server and repeats its log. A port that another program has is no reason not to start:
// the appliance does without, and says so.
func (a *appliance) openKV(ctx context.Context) error {
	c := &a.cfg.KV
	if !c.Listen.Enabled() && !c.TLSListen.Enabled() && c.UnixSocket == "" {
		return nil
	}
	flush, known := aof.ParsePolicy(c.AppendFsync)
	if !known {
		return fmt.Errorf("open redis server: appendfsync %q", c.AppendFsync)
	}
	keyspace, err := a.kvEngine()
	if err != nil {
		return fmt.Errorf("open redis server: %w", err)
	}
	cfg := kv.Config{
		Socket: c.UnixSocket, Password: c.Password, MaxClients: c.MaxClients, IdleTimeout: c.IdleTimeout, Version: a.env.Version,
		Logger: a.logs.Logger("kv"), Drain: closeWait, Parameters: a.kvParameters(), Engine: keyspace,
		Users: filepath.Join(a.folder.kv(), "users.acl"), FS: a.world.fs,
	}
	if c.Listen.Enabled() {
		cfg.Addr = string(c.Listen)
	}
	if c.TLSListen.Enabled() {
		var err error
		cfg.TLSAddr = string(c.TLSListen)
		if cfg.TLS, err = a.kvCertificate(); err != nil {
			return err
		}
	}
	s, err := kv.Open(cfg) //nolint:contextcheck // its contexts are Run's
	for a.withoutTaken(ctx, &cfg, err) {
		if cfg.Addr == "" && cfg.TLSAddr == "" && cfg.Socket == "" {
			return nil
		}
		s, err = kv.Open(cfg) //nolint:contextcheck // as above
	}
	if err != nil {
		return fmt.Errorf("open redis server: %w", err)
	}
	a.onClose("redis server", s.Close)
	log, err := aof.Open(aof.Config{Dir: a.folder.kv(), FS: a.world.fs, Logger: a.logs.Logger("kv"), Policy: flush, Recorder: a.metrics}, s.Engine())
	if err != nil {
		return fmt.Errorf("open redis log: %w", err)
	}
	a.onClose("redis log", log.Close)
	s.Keep(log)
	a.kv, a.kvLog = s, log
	if r := log.Status().Load; r.Commands > 0 {
		a.log.InfoContext(ctx, "redis log repeated", "commands", r.Commands, "bytes", r.Bytes, "cut_bytes", r.Cut, "refused", r.Refused, "first_refusal", r.First)
	}
	return nil
}

// kvCertificate gives the certificate of kv.tls_listen.
func (a *appliance) kvCertificate() (*tls.Config, error) {
	key, cert, private := "kv.tls_cert", a.cfg.KV.TLSCert, a.cfg.KV.TLSKey
	if cert == "" {
		key, cert, private = "server.tls_cert", a.cfg.Server.TLSCert, a.cfg.Server.TLSKey
	}
	t, err := httpapi.CertificateOf(cert, private, a.logs.Logger("kv"))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return t, nil
}

// withoutTaken takes an address out of cfg that another program listens on; false when that is not what err says.
func (a *appliance) withoutTaken(ctx context.Context, cfg *kv.Config, err error) bool {
	var failed *kv.ListenError
	if !errors.As(err, &failed) || !errors.Is(err, syscall.EADDRINUSE) {
		return false
	}
	for key, addr := range map[string]*string{"kv.listen": &cfg.Addr, "kv.tls_listen": &cfg.TLSAddr, "kv.unix_socket": &cfg.Socket} {
		if *addr != failed.Addr {
			continue
		}
		if a.kvMissing != "" {
			a.kvMissing += "; "
		}
		a.kvMissing += fmt.Sprintf("%s: %s is taken by another program", key, failed.Addr)
		*addr = ""
	}
	a.log.WarnContext(ctx, "redis server does not listen", "address", failed.Addr, "error", err)
	return true
}

// kvEngine gives what the configuration says about the keyspace.
func (a *appliance) kvEngine() (engine.Config, error) {
	c := &a.cfg.KV
	policy, ok := engine.ParsePolicy(c.MaxMemoryPolicy)
	if !ok {
		return engine.Config{}, fmt.Errorf("policy %q", c.MaxMemoryPolicy)
	}
	return engine.Config{
		Databases: c.Databases, MaxMemory: int64(c.MaxMemory), Policy: policy, EvictDBs: c.EvictDBs,
		Logger: a.logs.Logger("kv"), Clock: a.world.now,
	}, nil
}

// startKV runs what openKV opened. The log is started first, so that it is stopped last.
func (a *appliance) startKV(ctx context.Context, parts *services) {
	if a.kv == nil {
		return
	}
	parts.start(ctx, "redis log", a.kvLog.Run)
	parts.start(ctx, "redis server", a.kv.Run)
}

// kvStats looks at the Redis-protocol server for the metrics.
func (a *appliance) kvStats() observe.KV {
	st, log := a.kv.Stats(), a.kvLog.Status()
	k := observe.KV{
		Clients: st.Clients, Blocked: st.Blocked, Accepted: st.Accepted, Refused: st.Refused, Received: st.Received, Sent: st.Sent,
		Used: st.Used, MaxMemory: st.MaxMemory, Expired: st.Expired, Evicted: st.Evicted, Hits: st.Hits, Misses: st.Misses, Errors: st.Errors,
		CommandsPerSecond: st.CommandsPerSecond, Families: make(map[string]observe.KVCommands, len(st.Families)),
		Log: observe.KVLog{
			Size: log.Size, Base: log.BaseSize, Backlog: log.Backlog, Rewrites: log.Rewrites, Failing: log.Failure != nil,
			RewriteFailed: log.RewriteErr != nil,
		},
	}
	for _, d := range st.Databases {
		k.Databases = append(k.Databases, observe.KVDatabase(d))
	}
	for name, f := range st.Families {
		k.Families[name] = observe.KVCommands(f)
	}
	return k
}

// reloadKV puts in effect what may change while the server runs.
func (a *appliance) reloadKV(ctx context.Context, cfg config.Config) {
	if a.kv == nil {
		return
	}
	for name, value := range map[string]string{
		"maxmemory":        strconv.FormatInt(int64(cfg.KV.MaxMemory), 10),
		"maxmemory-policy": cfg.KV.MaxMemoryPolicy,
		"appendfsync":      cfg.KV.AppendFsync,
		"maxclients":       strconv.Itoa(cfg.KV.MaxClients),
		"timeout":          strconv.FormatInt(int64(cfg.KV.IdleTimeout/time.Second), 10),
	} {
		if err := a.kv.Set(name, value); err != nil {
			a.log.WarnContext(ctx, "redis server's setting not changed", "parameter", name, "error", err)
		}
	}
}
