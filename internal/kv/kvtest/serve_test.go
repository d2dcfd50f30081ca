package kvtest_test

import (
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/wayside-edge/wayside/internal/kv"
	"github.com/wayside-edge/wayside/internal/kv/kvtest"
)

// TestServe serves on the address that KV_SERVE names until it is interrupted, so that redis-cli, benchmarks and Redis's
// own suite can be pointed at a server, with KV_PASSWORD and with DEBUG where KV_DEBUG says so: KV_SERVE=127.0.0.1:7777 go test ./internal/kv/kvtest -run TestServe -timeout 0
func TestServe(t *testing.T) {
	addr := os.Getenv("KV_SERVE")
	if addr == "" {
		t.Skip("KV_SERVE names no address")
	}
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	cfg := kv.Config{Addr: addr, Version: "test", Logger: log, Password: os.Getenv("KV_PASSWORD")}
	cfg.Engine.Logger, cfg.Engine.Debug = log, os.Getenv("KV_DEBUG") != ""
	if err := kvtest.Serve(ctx, cfg); err != nil {
		t.Fatal(err)
	}
}
