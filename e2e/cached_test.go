//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/sdk/client"
)

// TestCachedCalls has programs share values through the appliance's cache, and do without it when it is off or away.
func TestCachedCalls(t *testing.T) {
	type place struct {
		Line string   `json:"line"`
		KM   []string `json:"km"`
	}
	var log bytes.Buffer
	caller := func(a *appliance) *client.Client {
		t.Helper()
		c, err := client.New(client.Config{Server: a.url, CacheWait: time.Minute, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	runs := 0
	get := func(c *client.Client, key string, ttl time.Duration) {
		t.Helper()
		v, err := client.Cached(t.Context(), c, key, ttl, func(context.Context) (*place, error) {
			runs++
			return &place{Line: "4711 ü<&>", KM: []string{"1", "2"}}, nil
		})
		if err != nil || v == nil || v.Line != "4711 ü<&>" || len(v.KM) != 2 {
			t.Fatalf("%+v %v", v, err)
		}
	}
	a := start(t, t.TempDir())
	c := caller(a)
	for _, key := range []string{"place:4711", `place:a/b ü%2F?#*\..`, "place:../..", "nameless"} {
		runs = 0
		get(c, key, 0)
		get(c, key, 0)
		if get(caller(a), key, 0); runs != 1 { // another program
			t.Errorf("%q: %d runs", key, runs)
		}
	}
	var item struct {
		TTL float64 `json:"ttl_seconds"`
	}
	get(c, "place:brief", time.Minute)
	if a.get("/api/v1/cache/keys/place:brief", &item); item.TTL <= 0 || item.TTL > 60 {
		t.Errorf("kept for %v s", item.TTL)
	}
	runs = 0
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { get(c, "place:together", 0) }) // one runs, for the others or before them
	}
	if wg.Wait(); runs != 1 {
		t.Errorf("%d runs of calls at once", runs)
	}
	if log.Len() > 0 {
		t.Errorf("logged: %s", &log)
	}
	a.kill()
	runs = 0
	get(c, "place:4711", 0)
	if get(c, "place:4711", 0); runs != 2 || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("away: %d runs, logged: %s", runs, &log)
	}
	t.Setenv("WAYSIDE_CACHE_ENABLED", "false")
	log.Reset()
	runs = 0
	c = caller(start(t, t.TempDir()))
	get(c, "place:4711", 0)
	if get(c, "place:4711", 0); runs != 2 || strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "cache is off") {
		t.Errorf("off: %d runs, logged: %s", runs, &log)
	}
}
