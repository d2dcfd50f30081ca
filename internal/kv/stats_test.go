package kv_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/wayside-edge/wayside/internal/kv"
	"github.com/wayside-edge/wayside/internal/kv/engine"
	"github.com/wayside-edge/wayside/internal/kv/kvtest"
)

func TestStats(t *testing.T) {
	s, addr := kvtest.Start(t, kv.Config{MaxClients: 2, Engine: engine.Config{Databases: 3, MaxMemory: 1 << 20}})
	c := kvtest.Dial(t, addr)
	for _, line := range []string{
		"SET a 1", "SET b 1 EX 1000", "SET gone 1 PX 1", "GET a", "GET none", "INCR none x", "LPUSH a 1", "LPUSH l 1", "SELECT 2", "SET a 1", "CLIENT ID",
	} {
		c.Do(strings.Fields(line)...)
	}
	c.Do("SELECT", "0")
	until(t, func() bool { return c.Do("EXISTS", "gone") == int64(0) })
	waits := kvtest.Dial(t, addr)
	waits.Send("BLPOP", "nothing", "0")
	if !kvtest.Dial(t, addr).Closed() {
		t.Fatal("a third client was let in")
	}
	until(t, func() bool { return s.Stats().Blocked == 1 }) // the command is on its way
	got := s.Stats()
	want := kv.Stats{
		Clients: 2, Blocked: 1, Accepted: 2, Refused: 1, MaxMemory: 1 << 20, Expired: 1, Errors: 2,
		Databases: []kv.DatabaseStats{{Keys: 3, Ends: 1}, {}, {Keys: 1}},
	}
	quick := cmpopts.IgnoreFields(kv.Stats{}, "Families", "Received", "Sent", "Used", "Hits", "Misses", "CommandsPerSecond")
	if d := cmp.Diff(want, got, quick); d != "" {
		t.Error(d)
	}
	if got.Used <= 0 || got.Received < 200 || got.Sent < 40 || got.Hits < 1 || got.Misses < 1 {
		t.Errorf("%+v", got)
	}
	for name, want := range map[string]kv.Family{
		"string": {Calls: 6, Rejected: 1}, "list": {Calls: 2, Failed: 1}, "connection": {Calls: 3}, "sorted_set": {},
	} {
		f := got.Families[name]
		if f.Took <= 0 && f.Calls > 0 {
			t.Errorf("%s took %v", name, f.Took)
		}
		if f.Took = 0; f != want {
			t.Errorf("%s: %+v, want %+v", name, f, want)
		}
	}
}

// until asks again and again until it is so.
func until(t *testing.T, so func() bool) {
	t.Helper()
	for end := time.Now().Add(kvtest.Patience); !so(); <-time.After(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it never comes to be")
		}
	}
}
