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

var (
	_ queue.Engine   = (*Engine)(nil)
	_ queue.External = (*Engine)(nil)
	_ queue.Editor   = (*Engine)(nil)
	_ queue.Waiter   = (*Engine)(nil)
)

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
func openBox(tb testing.TB, dir string, cfg Config) *box {
	tb.Helper()
	return openWith(tb, dir, cfg, (*Engine).Run)
}

// openIdle is openBox for tests that do themselves what Run does.
func openIdle(tb testing.TB, dir string, cfg Config) *box {
	tb.Helper()
	return openWith(tb, dir, cfg, func(*Engine, context.Context) error { return nil })
}

func openWith(tb testing.TB, dir string, cfg Config, run func(*Engine, context.Context) error) *box {
	tb.Helper()
	return openHooked(tb, dir, cfg, run, nil)
}

// openHooked is openWith on a database that calls a hook at the points of its commits.
func openHooked(tb testing.TB, dir string, cfg Config, run func(*Engine, context.Context) error, hook func(store.Point) error) *box {
	tb.Helper()
	db, err := store.Open(tb.Context(), store.Config{Dir: filepath.Join(dir, "db"), Reserve: 1 << 20, Ballast: -1, Hook: hook})
	if err != nil {
		tb.Fatalf("open store: %v", err)
	}
	b := &box{dir: dir, cfg: cfg, db: db, run: run}
	cfg.DB = db
	if cfg.SlotFile == "" {
		cfg.SlotFile = filepath.Join(dir, "slots")
	}
	if b.Engine, err = Open(tb.Context(), cfg); err != nil {
		_ = db.Close()
		tb.Fatalf("open queue: %v", err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	ran := make(chan error, 1)
	go func() { ran <- run(b.Engine, ctx) }()
	b.stop = func() {
		if b.db == nil {
			return
		}
		cancel()
		if err := errors.Join(<-ran, b.Close(), b.db.Close()); err != nil {
			tb.Errorf("close: %v", err)
		}
		b.db = nil
	}
	tb.Cleanup(b.stop)
	return b
}

func (b *box) reopen(tb testing.TB) *box {
	tb.Helper()
	b.stop()
	return openWith(tb, b.dir, b.cfg, b.run)
}

func TestConformance(t *testing.T) {
	queuetest.Run(t, func(t *testing.T, o queuetest.Options) queuetest.Subject {
		t.Helper()
		cfg := Config{Rules: o.Rules, Weights: o.Weights, Dead: o.Dead, Types: o.Types}
		b := openBox(t, t.TempDir(), cfg)
		var subject func(b *box) queuetest.Subject
		subject = func(b *box) queuetest.Subject {
			return queuetest.Subject{Engine: b.Engine, DB: b.db, Reopen: func() queuetest.Subject { return subject(b.reopen(t)) }}
		}
		return subject(b)
	})
}
