package cache

import (
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/kv"
	"github.com/wayside-edge/wayside/internal/kv/kvtest"
)

const patience = 30 * time.Second

// server starts a server as others run one, and gives a client of it and its address.
func server(t *testing.T) (*kvtest.Client, string) {
	t.Helper()
	_, addr := kvtest.Start(t, kv.Config{})
	return kvtest.Dial(t, addr), addr
}
