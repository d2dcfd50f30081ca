package local

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/queue/queuetest"
	"github.com/wayside-edge/wayside/internal/store"
)

var _ queue.Engine = (*Engine)(nil)

func TestMain(m *testing.M) {
	if childMain() {
		return
	}
	goleak.VerifyTestMain(m)
}

// box is a data folder with an open database and engine.
type box struct {
	dir string
	cfg Config
	db  *store.DB
	*Engine
	run  func(*Engine, context.Context) error
	stop func()
}

// openBox opens an engine in dir and runs it. stop is called at the end of the test too.
func openBox(t testing.TB, dir string, cfg Config) *box {
	t.Helper()
	return openWith(t, dir, cfg, (*Engine).Run)
}

// openIdle is openBox for tests that do themselves what Run does.
func openIdle(t testing.TB, dir string, cfg Config) *box {
	t.Helper()
	return openWith(t, dir, cfg, func(*Engine, context.Context) error { return nil })
}

func openWith(t testing.TB, dir string, cfg Config, run func(*Engine, context.Context) error) *box {
	t.Helper()
	db, err := store.Open(t.Context(), store.Config{Dir: filepath.Join(dir, "db"), Reserve: 1 << 20, Ballast: -1})
	if err != nil {
		t.Fatalf("open store: %v", err)
	}
	b := &box{dir: dir, cfg: cfg, db: db, run: run}
	cfg.DB = db
	if cfg.SlotFile == "" {
		cfg.SlotFile = filepath.Join(dir, "slots")
	}
	if b.Engine, err = Open(t.Context(), cfg); err != nil {
		_ = db.Close()
		t.Fatalf("open queue: %v", err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ran := make(chan error, 1)
	go func() { ran <- run(b.Engine, ctx) }()
	b.stop = func() {
		if b.db == nil {
			return
		}
		cancel()
		if err := errors.Join(<-ran, b.Close(), b.db.Close()); err != nil {
			t.Errorf("close: %v", err)
		}
		b.db = nil
	}
	t.Cleanup(b.stop)
	return b
}

func (b *box) reopen(t testing.TB) *box {
	t.Helper()
	b.stop()
	return openWith(t, b.dir, b.cfg, b.run)
}

func TestConformance(t *testing.T) {
	queuetest.Run(t, func(t *testing.T, o queuetest.Options) queuetest.Subject {
		cfg := Config{Rules: o.Rules, Weights: o.Weights, Dead: o.Dead}
		b := openBox(t, t.TempDir(), cfg)
		var subject func(b *box) queuetest.Subject
		subject = func(b *box) queuetest.Subject {
			return queuetest.Subject{Engine: b.Engine, DB: b.db, Reopen: func() queuetest.Subject { return subject(b.reopen(t)) }}
		}
		return subject(b)
	})
}
