//go:build e2e

package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/kv/kvtest"
	"github.com/wayside-edge/wayside/sdk/client"
)

// TestCacheAndKeysOverBothProtocols has one keyspace seen over HTTP, with the Redis protocol and from a shell.
func TestCacheAndKeysOverBothProtocols(t *testing.T) {
	addr := kvAddress(t)
	a := start(t, t.TempDir(), "--kv-listen", addr)
	redis := kvtest.Dial(t, addr)
	c, err := client.New(client.Config{Server: a.url})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if err := c.CachePut(ctx, "report:a/b", map[string]float64{"mean": 21.5}, 0); err != nil {
		t.Fatal(err)
	}
	if got := redis.Text("GET", "atp_re:report:a/b"); got != `{"mean":21.5}` {
		t.Errorf("a value that was kept over HTTP: %s", got)
	}
	redis.Do("SET", "atp_re:report:theirs", `[1, 2]`)
	redis.Do("SET", "atp_re:report:broken", `[1, 2`)
	redis.Do("SET", "theirs", "is no part of the cache")
	found, err := c.CacheGetMany(ctx, []string{"report:theirs", "report:broken", "report:a/b"})
	if err != nil || !found[0].Found || string(found[0].Value) != "[1,2]" || found[0].TTLSeconds != nil || found[1].Found || *found[2].TTLSeconds > 3600 {
		t.Errorf("%+v, %v", found, err)
	}
	cmd := exec.CommandContext(ctx, built(t), "cache", "keys", "report:*", "--json", "--server", a.url, "--data-dir", a.dir)
	out, err := cmd.Output()
	var keys []struct {
		Key string `json:"key"`
	}
	if err != nil || json.Unmarshal(out, &keys) != nil || len(keys) != 3 || !strings.Contains(string(out), "report:a/b") {
		t.Errorf("cache keys: %s, %v", out, err)
	}
	if n, err := c.CacheInvalidate(ctx, "report:[tb]*"); err != nil || n != 2 {
		t.Errorf("invalidated %d, %v", n, err)
	}
	if n, err := c.CacheFlush(ctx); err != nil || n != 1 || redis.Text("GET", "theirs") != "is no part of the cache" {
		t.Errorf("flushed %d, %v", n, err)
	}
	popped := make(chan string, 1)
	waiting := kvtest.Dial(t, addr)
	waiting.Send("BLPOP", "\xffqueue", "20")
	go func() { popped <- kvtest.Text(waiting.Read()) }()
	for !strings.Contains(redis.Text("INFO", "clients"), "blocked_clients:1") {
		continue // until it waits
	}
	text := "job"
	if _, err := c.KVPut(ctx, 0, "\xffqueue", client.NewKVValue{Type: "list", Members: []client.KVMember{{Value: &client.KVBytes{Text: &text}}}}); err != nil {
		t.Fatal(err)
	}
	if got := <-popped; !strings.Contains(got, "job") {
		t.Errorf("a client that waited for the key was given %q", got)
	}
	var got [][]byte
	redis.Do("RPUSH", "\xffqueue", "a", "b", "\xff")
	for cursor := ""; ; {
		v, err := c.KVGet(ctx, 0, "\xffqueue", cursor, 2)
		if err != nil || v.Text != "" || v.Key != base64.RawURLEncoding.EncodeToString([]byte("\xffqueue")) {
			t.Fatalf("%+v, %v", v, err)
		}
		for _, m := range v.Members {
			got = append(got, m.Value.Data())
		}
		if cursor = v.NextCursor; cursor == "" {
			break
		}
	}
	if fmt.Sprintf("%q", got) != `["a" "b" "\xff"]` {
		t.Errorf("read %q", got)
	}
}

// TestKeysThatWereAnsweredAreKept kills the appliance after each change over HTTP under appendfsync always.
func TestKeysThatWereAnsweredAreKept(t *testing.T) {
	t.Setenv("WAYSIDE_KV_APPENDFSYNC", "always")
	dir := t.TempDir()
	for cycle := range 6 {
		a := start(t, dir, "--kv-listen", kvAddress(t))
		c, err := client.New(client.Config{Server: a.url})
		if err != nil {
			t.Fatal(err)
		}
		if cycle > 0 {
			v, err := c.KVGet(t.Context(), 3, "key", "", 0)
			if err != nil || len(v.Members) != 1 || string(v.Members[0].Value.Data()) != fmt.Sprint(cycle-1) || v.TTL == nil {
				t.Fatalf("cycle %d: %+v, %v", cycle, v, err)
			}
		}
		text, ttl := fmt.Sprint(cycle), int64(3_600_000)
		m := client.KVMember{Field: &client.KVBytes{Text: &text}, Value: &client.KVBytes{Text: &text}}
		if _, err := c.KVPut(t.Context(), 3, "key", client.NewKVValue{Type: "hash", Members: []client.KVMember{m}, TTL: &ttl}); err != nil {
			t.Fatal(err)
		}
		a.kill()
	}
}
