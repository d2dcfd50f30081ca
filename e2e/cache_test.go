//go:build e2e

package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/kv"
	"github.com/wayside-edge/wayside/internal/kv/kvtest"
)

// part is what health says of a part of the appliance.
func (a *appliance) part(name string) (status, detail string) {
	a.t.Helper()
	var h struct {
		Components []struct{ Name, Status, Detail string }
	}
	a.get("/health/ready", &h) // fails where it is not ready
	for _, c := range h.Components {
		if c.Name == name {
			return c.Status, c.Detail
		}
	}
	a.t.Fatalf("health has no %s: %+v", name, h)
	return "", ""
}

// lookups is how many keys were found in the cache, and how many were not.
func (a *appliance) lookups() (hits, misses float64) {
	a.t.Helper()
	m := a.measured("atp_cache_operations_total")
	for labels, n := range m {
		switch {
		case strings.Contains(labels, `operation="get",status="hit"`):
			hits += n
		case strings.Contains(labels, `operation="get",status="miss"`):
			misses += n
		}
	}
	return hits, misses
}

func (a *appliance) wantLookups(hits, misses float64) {
	a.t.Helper()
	if h, m := a.lookups(); h != hits || m != misses {
		a.t.Errorf("%v hits and %v misses, want %v and %v", h, m, hits, misses)
	}
}

// cacheKey is the documented key of a decode.
func (a *appliance) cacheKey(up Uploaded) string {
	a.t.Helper()
	var d struct {
		Decoder struct{ SHA256 string }
		Params  json.RawMessage
	}
	a.get("/api/v1/decodes/"+up.Decode.ID, &d)
	var params bytes.Buffer
	if err := json.Compact(&params, d.Params); err != nil {
		a.t.Fatal(err)
	}
	sum := sha256.Sum256(params.Bytes())
	return "atp_re:decode:" + up.File.SHA256 + ":" + d.Decoder.SHA256 + ":" + hex.EncodeToString(sum[:])
}

// TestCache decodes a file twice, reads with a client what the cache has, takes it away in every way, and poisons it.
func TestCache(t *testing.T) {
	dir, addr := t.TempDir(), kvAddress(t)
	t.Setenv("WAYSIDE_KV_APPENDFSYNC", "always")
	a := start(t, dir, "--kv-listen", addr)
	c := kvtest.Dial(t, addr)
	data := example(t)
	first := a.upload("first", data, "")
	key := a.cacheKey(first)
	a.wantLookups(0, 1)
	var got struct {
		Decode  string `json:"decode"`
		Status  string `json:"status"`
		Rows    int64  `json:"rows"`
		Decoder struct {
			ID string `json:"id"`
		} `json:"decoder"`
		Tables []struct {
			Name string `json:"name"`
			Rows int64  `json:"rows"`
		} `json:"tables"`
	}
	text, _ := c.Do("GET", key).(string)
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatalf("%s holds %q: %v", key, text, err)
	}
	if got.Decode != first.Decode.ID || got.Status != "done" || got.Rows != first.Decode.Rows || got.Decoder.ID != "rail" || len(got.Tables) != len(first.Decode.Tables) {
		t.Errorf("%s is not %+v", text, first.Decode)
	}
	if ttl, _ := c.Do("TTL", key).(int64); ttl < 3500 || ttl > 3600 {
		t.Errorf("it lives %d s", ttl)
	}

	second := a.upload("second", data, "")
	if !second.Decode.Cached || second.Decode.Rows != first.Decode.Rows {
		t.Errorf("second: %+v", second.Decode)
	}
	a.wantLookups(1, 1)
	if ratio := a.measured("atp_cache_hit_ratio"); ratio["atp_cache_hit_ratio"] != 0.5 {
		t.Errorf("ratio: %v", ratio)
	}
	if forced := a.upload("forced", data, "&force=true"); forced.Decode.Cached {
		t.Errorf("forced: %+v", forced.Decode)
	}
	a.wantLookups(1, 1)

	// A kill: the key is there again, and holds.
	a.kill()
	a = start(t, dir, "--kv-listen", addr)
	c = kvtest.Dial(t, addr)
	if !a.upload("killed", data, "").Decode.Cached {
		t.Error("not cached after a kill")
	}
	a.wantLookups(1, 0)

	// Somebody else's values.
	for i, value := range []string{"nonsense", `{"decode":"d-0000000000000","status":"done","rows":1}`, "[[[["} {
		c.Do("SET", key, value)
		if up := a.upload(fmt.Sprintf("poisoned-%d", i), data, ""); up.Decode.Status != "done" || up.Decode.Rows != first.Decode.Rows {
			t.Errorf("%s: %+v", value, up.Decode)
		}
	}
	c.Do("DEL", key)
	c.Do("LPUSH", key, "a", "list")
	if up := a.upload("list", data, ""); up.Decode.Rows != first.Decode.Rows {
		t.Errorf("a list: %+v", up.Decode)
	}
	a.wantLookups(1, 4) // the catalog knew the decode

	// What is deleted is not found, and not shown to others.
	for _, f := range list[File](a, "/api/v1/files") {
		a.remove("/api/v1/files/" + f.ID)
	}
	if got := c.Do("EXISTS", key); got != int64(0) {
		t.Errorf("the key is left: %v", c.Do("GET", key))
	}
	again := a.upload("again", data, "")
	if again.Decode.Cached || again.Decode.Rows != first.Decode.Rows {
		t.Errorf("after all was deleted: %+v", again.Decode)
	}
	a.remove("/api/v1/decodes/" + again.Decode.ID)
	if other := a.upload("other", data, ""); other.Decode.Cached {
		t.Errorf("after the decode was deleted: %+v", other.Decode)
	}
	if status, detail := a.part("cache"); status != "healthy" {
		t.Errorf("%s: %s", status, detail)
	}
}

// TestCacheOfFailures sends what cannot be decoded twice.
func TestCacheOfFailures(t *testing.T) {
	a := start(t, t.TempDir())
	data := bytes.Repeat([]byte("no recording of any train. "), 40)
	first := a.upload("first", data, "&decoder=rail")
	if first.Decode.Status != "failed" {
		t.Fatalf("it can be decoded: %+v", first.Decode)
	}
	second := a.upload("second", data, "&decoder=rail")
	if second.Decode.Status != "failed" || !second.Decode.Cached || second.Decode.Error.Code != first.Decode.Error.Code {
		t.Errorf("first %+v, second %+v", first.Decode.Error, second.Decode)
	}
	a.wantLookups(1, 1)
}

// TestCacheOff decodes without a cache.
func TestCacheOff(t *testing.T) {
	addr := kvAddress(t)
	t.Setenv("WAYSIDE_CACHE_ENABLED", "false")
	a := start(t, t.TempDir(), "--kv-listen", addr)
	if up := a.upload("first", example(t), ""); up.Decode.Status != "done" {
		t.Errorf("%+v", up.Decode)
	}
	if up := a.upload("second", example(t), ""); !up.Decode.Cached { // the catalog knows it
		t.Errorf("%+v", up.Decode)
	}
	a.wantLookups(0, 0)
	if n := kvtest.Dial(t, addr).Do("DBSIZE"); n != int64(0) {
		t.Errorf("%v keys", n)
	}
	if status, detail := a.part("cache"); status != "healthy" || !strings.Contains(detail, "off") {
		t.Errorf("%s: %s", status, detail)
	}
}

// TestCacheElsewhere caches in another server, which goes and comes back.
func TestCacheElsewhere(t *testing.T) {
	s, addr := kvtest.Start(t, kv.Config{Password: "right"})
	t.Setenv("WAYSIDE_CACHE_URL", "redis://"+addr+"/5")
	t.Setenv("WAYSIDE_CACHE_PASSWORD", "right")
	dir := t.TempDir()
	a := start(t, dir)
	first := a.upload("first", example(t), "")
	c := kvtest.Dial(t, addr)
	c.Do("AUTH", "right")
	c.Do("SELECT", "5")
	if text, _ := c.Do("GET", a.cacheKey(first)).(string); !strings.Contains(text, first.Decode.ID) {
		t.Errorf("it has %q", text)
	}
	if !a.upload("second", example(t), "").Decode.Cached {
		t.Error("not cached")
	}
	a.wantLookups(1, 1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	other := append(example(t), 0)
	for i := range 5 {
		if up := a.upload(fmt.Sprintf("alone-%d", i), other, "&force=true"); up.Decode.Status == "failed" {
			t.Errorf("without it: %+v", up.Decode)
		}
	}
	until(t, "the cache is degraded", func() bool { status, _ := a.part("cache"); return status == "degraded" })
	const said = "cache does not answer"
	until(t, "the log tells it", func() bool { return strings.Contains(a.log.all(), said) })
	if n := strings.Count(a.log.all(), said); n != 1 {
		t.Errorf("the log tells it %d times\n%s", n, a.log.tail())
	}
	_, again := kvtest.Start(t, kv.Config{Addr: addr, Password: "right"})
	if again != addr {
		t.Fatal(again)
	}
	until(t, "the cache is well", func() bool { status, _ := a.part("cache"); return status == "healthy" })
	if !a.upload("third", example(t), "").Decode.Cached { // from the catalog: the server has forgotten
		t.Error("not cached")
	}
	if took, err := a.stop(); err != nil || took > 10*time.Second {
		t.Errorf("stop: %v %v", took, err)
	}
}

// TestCacheThatHangs starts with a server that takes connections and never says a word.
func TestCacheThatHangs(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // nobody accepts
	t.Setenv("WAYSIDE_CACHE_URL", "redis://"+l.Addr().String())
	a := start(t, t.TempDir())
	for i := range 5 {
		if up := a.upload(fmt.Sprint("file-", i), append(example(t), byte(i)), ""); up.Decode.Status == "failed" {
			t.Errorf("%+v", up.Decode)
		}
	}
	until(t, "the cache is degraded", func() bool { status, _ := a.part("cache"); return status == "degraded" })
	if strings.Contains(a.log.all(), `"level":"error"`) {
		t.Error(a.log.tail())
	}
}

// TestCacheSettingsWhileRunning changes lifetimes, and a wrong address stops the start.
func TestCacheSettingsWhileRunning(t *testing.T) {
	dir, addr := t.TempDir(), kvAddress(t)
	file := filepath.Join(t.TempDir(), "wayside.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("cache: {ttl: 10m}\n")
	a := start(t, dir, "--kv-listen", addr, "--config", file)
	c := kvtest.Dial(t, addr)
	first := a.upload("first", example(t), "")
	if ttl, _ := c.Do("TTL", a.cacheKey(first)).(int64); ttl < 500 || ttl > 600 {
		t.Errorf("it lives %d s", ttl)
	}
	write("cache: {ttl: 10m, ttls: {decode: 1m}}\n")
	if err := a.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	until(t, "the configuration is read again", func() bool { return strings.Contains(a.log.all(), "lifetimes in the cache") })
	forced := a.upload("second", example(t), "&force=true")
	if ttl, _ := c.Do("TTL", a.cacheKey(forced)).(int64); ttl < 1 || ttl > 60 {
		t.Errorf("after the change it lives %d s", ttl)
	}
	t.Setenv("WAYSIDE_CACHE_URL", "redis://user:hunter2@host:nonsense")
	if _, err := tryStart(t, t.TempDir()); err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "cache.url") {
		t.Errorf("a wrong address: %v", err)
	}
}
