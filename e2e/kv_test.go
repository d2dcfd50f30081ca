//go:build e2e

package e2e

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/kv/kvtest"
)

// kvAddress is a port that is free now.
func kvAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestKilledRedisServer kills the appliance again and again while clients write under appendfsync always: what was
// acknowledged is there, once, after every start.
func TestKilledRedisServer(t *testing.T) {
	t.Setenv("WAYSIDE_KV_APPENDFSYNC", "always")
	const clients, cycles = 4, 12
	dir := t.TempDir()
	acknowledged := make([]int, clients) // by client: how many elements its list has at least
	for cycle := range cycles {
		addr := kvAddress(t)
		a := start(t, dir, "--kv-listen", addr)
		c := kvtest.Dial(t, addr)
		for i := range acknowledged {
			n, _ := c.Do("LLEN", fmt.Sprintf("list%d", i)).(int64)
			if sent := acknowledged[i]; int(n) != sent && int(n) != sent+1 { // the last may have been kept without an answer
				t.Fatalf("cycle %d: list%d has %d elements, %d were acknowledged", cycle, i, n, sent)
			}
			if last := c.Do("LINDEX", fmt.Sprintf("list%d", i), "-1"); n > 0 && last != fmt.Sprint(n-1) {
				t.Fatalf("cycle %d: the last of %d elements is %v", cycle, n, last)
			}
			if pair := c.Text("MGET", fmt.Sprintf("a%d", i), fmt.Sprintf("b%d", i)); pair != "[nil nil]" {
				x, y, _ := strings.Cut(strings.Trim(pair, "[]"), " ")
				if x != y {
					t.Fatalf("cycle %d: half a transaction: %s", cycle, pair)
				}
			}
			acknowledged[i] = int(n)
		}
		var wg, begun sync.WaitGroup
		for i := range clients {
			begun.Add(1)
			wg.Go(func() { acknowledged[i] = writeUntilKilled(addr, i, acknowledged[i], sync.OnceFunc(begun.Done)) })
		}
		begun.Wait()                                                      // whatever a flush takes here
		<-time.After(time.Duration(20+rand.IntN(150)) * time.Millisecond) // the moment of the kill is what is tested
		a.kill()
		wg.Wait()
	}
	total := 0
	for _, n := range acknowledged {
		total += n
	}
	if total < cycles*clients {
		t.Errorf("%d writes were acknowledged in %d lives: the load was none", total, cycles)
	}
}

// writeUntilKilled appends numbers to a list, each in a transaction with two keys that are always equal, until the server
// is gone; it gives how many elements are acknowledged. It calls acked with each, and at its end.
func writeUntilKilled(addr string, i, from int, acked func()) int {
	defer acked()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return from
	}
	defer conn.Close()
	b := make([]byte, 4096)
	for n := from; ; n++ {
		list, value := fmt.Sprintf("list%d", i), fmt.Sprint(n)
		text := kvtest.Command("MULTI") + kvtest.Command("RPUSH", list, value) + kvtest.Command("SET", fmt.Sprintf("a%d", i), value) +
			kvtest.Command("SET", fmt.Sprintf("b%d", i), value) + kvtest.Command("EXEC")
		if _, err := conn.Write([]byte(text)); err != nil {
			return n
		}
		want := fmt.Sprintf("*3\r\n:%d\r\n+OK\r\n+OK\r\n", n+1)
		for got := ""; !strings.HasSuffix(got, want); {
			k, err := conn.Read(b)
			if err != nil {
				return n
			}
			got += string(b[:k])
		}
		acked()
	}
}

// TestRedisServerStopsWithoutLoss stops the appliance under appendfsync everysec: what was acknowledged before is there.
func TestRedisServerStopsWithoutLoss(t *testing.T) {
	dir := t.TempDir()
	socket := filepath.Join(t.TempDir(), "kv.sock")
	t.Setenv("WAYSIDE_KV_UNIX_SOCKET", socket)
	addr := kvAddress(t)
	a := start(t, dir, "--kv-listen", addr)
	c := kvtest.Dial(t, addr)
	for i := range 500 {
		c.Do("SET", fmt.Sprintf("k%d", i), "v")
	}
	c.Do("CONFIG", "SET", "maxmemory", "100mb")
	for name, value := range map[string]string{"appendfsync": "no", "auto-aof-rewrite-min-size": "1048576", "auto-aof-rewrite-percentage": "50"} {
		before, set, after := c.Text("CONFIG", "GET", name), c.Text("CONFIG", "SET", name, value), c.Text("CONFIG", "GET", name)
		if set != "OK" || before == after || after != fmt.Sprintf("[%s %s]", name, value) {
			t.Errorf("%s, %s, %s", before, set, after)
		}
	}
	if took, err := a.stop(); err != nil || took > 10*time.Second {
		t.Fatalf("stop: %v %v", took, err)
	}
	if _, err := os.Stat(socket); err == nil {
		t.Error("the unix socket is left behind")
	}
	taken, err := net.Listen("tcp", addr) // the port goes to somebody else: the appliance does without
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	a = start(t, dir, "--kv-listen", addr)
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatalf("%v\n%s", err, a.log.tail())
	}
	if n := kvtest.On(t, conn).Do("DBSIZE"); n != int64(500) {
		t.Errorf("%v keys of 500", n)
	}
	var h struct {
		Components []struct{ Name, Status, Detail string }
	}
	a.get("/health/ready", &h)
	found := false
	for _, part := range h.Components {
		found = found || part.Name == "kv" && part.Status == "degraded" && strings.Contains(part.Detail, "taken")
	}
	if !found {
		t.Errorf("health does not say that the port is taken: %+v", h)
	}
}
