package store

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/wayside-edge/wayside/internal/disk"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(child(dir))
	}
	// Every run of the model opens databases. A flag of the command line still overrides this.
	if err := flag.Set("rapid.checks", "20"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// testConfig is small enough for many databases in one test run.
func testConfig(tb testing.TB) Config {
	tb.Helper()
	return Config{
		Dir:          filepath.Join(tb.TempDir(), "db"),
		Reserve:      8 << 20,
		Ballast:      1 << 20,
		MemTableSize: 1 << 20,
	}
}

func openTest(tb testing.TB, cfg Config) *DB {
	tb.Helper()
	db, err := Open(tb.Context(), cfg)
	if err != nil {
		tb.Fatalf("open: %v", err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Errorf("close: %v", err)
		}
	})
	return db
}

func set(tb testing.TB, db *DB, s Space, key, value string) {
	tb.Helper()
	b := db.Batch()
	b.Set(s, []byte(key), []byte(value))
	if err := db.Commit(tb.Context(), b); err != nil {
		tb.Fatalf("set %q: %v", key, err)
	}
}

func get(tb testing.TB, s Space, key string) string {
	tb.Helper()
	v, err := s.Get([]byte(key))
	if err != nil {
		tb.Fatalf("get %q: %v", key, err)
	}
	return string(v)
}

func keys(ctx context.Context, tb testing.TB, s Space, o ScanOptions) []string {
	tb.Helper()
	var got []string
	err := s.Scan(ctx, o, func(key, value []byte) (bool, error) {
		got = append(got, fmt.Sprintf("%s=%s", key, value))
		return true, nil
	})
	if err != nil {
		tb.Fatalf("scan: %v", err)
	}
	return got
}

func newFault() *disk.Fault { return disk.NewFault(disk.OS) }
