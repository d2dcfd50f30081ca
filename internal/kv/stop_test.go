package kv_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/kv"
	"github.com/wayside-edge/wayside/internal/kv/aof"
	"github.com/wayside-edge/wayside/internal/kv/kvtest"
)

// keptServer is a server whose changes are kept in a folder, until end is called.
func keptServer(t *testing.T, dir string, flush aof.Policy) (c *kvtest.Client, end func() time.Duration) {
	t.Helper()
	s, err := kv.Open(kv.Config{Addr: "127.0.0.1:0", Drain: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	log, err := aof.Open(aof.Config{Dir: dir, FS: disk.OS, Logger: slog.New(slog.DiscardHandler), Policy: flush}, s.Engine())
	if err != nil {
		t.Fatal(err)
	}
	s.Keep(log)
	ctx, endLog := context.WithCancel(context.WithoutCancel(t.Context()))
	served, logged := make(chan error, 1), make(chan error, 1)
	go func() { served <- s.Run(context.WithoutCancel(ctx)) }()
	go func() { logged <- log.Run(ctx) }()
	return kvtest.Dial(t, s.Addrs()[0].String()), func() time.Duration {
		begin := time.Now()
		ended := make(chan error, 1)
		go func() { ended <- s.Close() }()
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(kvtest.Patience):
			t.Fatal("the server does not end")
		}
		took := time.Since(begin)
		if err := <-served; err != nil {
			t.Error(err)
		}
		endLog()
		if err := <-logged; err != nil {
			t.Error(err)
		}
		return took
	}
}

// TestAScriptWithoutEndDoesNotHoldUpTheEnd stops a server while a script loops that has written, alone or in a transaction,
// before and after others are let in beside it. Of what it belongs to nothing is kept, of what came before everything.
func TestAScriptWithoutEndDoesNotHoldUpTheEnd(t *testing.T) {
	loop := kvtest.Command("EVAL", "for i = 1, 300000 do redis.call('SET', 'half' .. i % 1000, string.rep('x', 30)) end redis.call('PUBLISH', 'begun', '1') while true do pcall(function() end) end", "0")
	for name, lets := range map[string]string{"others are let in": "20", "nobody is let in": "3600000"} {
		for form, text := range map[string]string{
			"alone":            loop,
			"in a transaction": "MULTI\r\nSET first 1\r\n" + loop + "SET last 1\r\nEXEC\r\n",
		} {
			t.Run(name+", "+form, func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "kv")
				c, end := keptServer(t, dir, aof.Always)
				want(t, c, "OK", "SET", "before", "1")
				want(t, c, "OK", "CONFIG", "SET", "lua-time-limit", lets)
				c.Write(text)
				// Whether the script loops already cannot be asked while nobody is let in. It writes for longer than Drain.
				if took := end(); took > mostStop {
					t.Errorf("the end took %v", took)
				}
				c, end = keptServer(t, dir, aof.Always)
				want(t, c, "1", "GET", "before")
				if got := c.Text("DBSIZE"); got != "1" {
					t.Errorf("%s keys are kept: %s", got, c.Text("KEYS", "*"))
				}
				want(t, c, "OK", "SET", "after", "1")
				end()
				c, end = keptServer(t, dir, aof.Always)
				want(t, c, "1", "GET", "after")
				end()
			})
		}
	}
}
