//go:build e2e

package e2e

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/kv/kvtest"
)

const (
	manyKeys  = 1_000_000
	valueText = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123" // 100 bytes
)

// TestRedisServerGivesMemoryBack sets a million keys and removes them, in each way that there is: what the keys took is
// counted out to the last byte, and the system has its memory again within seconds, unless a compaction still copies them.
func TestRedisServerGivesMemoryBack(t *testing.T) {
	t.Setenv("WAYSIDE_KV_MAXMEMORY", "1 GiB")
	for _, way := range []struct {
		name   string
		set    func(i int) string
		remove func(c *kvtest.Client)
	}{
		{"deleted", setKey, func(c *kvtest.Client) {
			pipeline(t, c, manyKeys, func(i int) string { return kvtest.Command("DEL", key(i)) }, ":1\r\n")
		}},
		{"flushed", setKey, func(c *kvtest.Client) { c.Do("FLUSHALL") }},
		{"ended", func(i int) string { return kvtest.Command("SET", key(i), valueText, "EX", "10") }, func(*kvtest.Client) {}},
	} {
		t.Run(way.name, func(t *testing.T) {
			addr := kvAddress(t)
			a := start(t, t.TempDir(), "--kv-listen", addr)
			c := kvtest.Dial(t, addr)
			used, before := usedMemory(t, c), anonymous(t, a.cmd.Process.Pid)
			pipeline(t, c, manyKeys, way.set, "+OK\r\n")
			full := anonymous(t, a.cmd.Process.Pid)
			way.remove(c)
			waitUntil(t, "the keys are gone", func() bool { return c.Do("DBSIZE") == int64(0) })
			waitUntil(t, "no compaction has a copy of them", func() bool {
				return strings.Contains(kvtest.Text(c.Do("INFO", "persistence")), "aof_rewrite_in_progress:0")
			})
			began := time.Now()
			if n := usedMemory(t, c); n != used {
				t.Errorf("used_memory was %d and is %d", used, n)
			}
			const most = 32 << 20
			after := anonymous(t, a.cmd.Process.Pid)
			for after > before+most && time.Since(began) < kvtest.Patience {
				<-time.After(20 * time.Millisecond)
				after = anonymous(t, a.cmd.Process.Pid)
			}
			t.Logf("%d MiB before, %d MiB with keys, %d MiB %v after nobody had them", before>>20, full>>20, after>>20, time.Since(began))
			if full < before+100<<20 {
				t.Errorf("a million keys took %d MiB: the load was none", (full-before)>>20)
			}
			if after > before+most {
				t.Errorf("of %d MiB, %d are kept; there were %d before", full>>20, after>>20, before>>20)
			}
		})
	}
}

// waitUntil asks until something has come to be, for as long as a busy machine may take.
func waitUntil(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(4 * kvtest.Patience); !so(); <-time.After(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it is not so that %s", what)
		}
	}
}

func key(i int) string { return fmt.Sprintf("key:%07d", i) }

func setKey(i int) string { return kvtest.Command("SET", key(i), valueText) }

// pipeline sends n commands, each of which has the same answer, and reads the answers meanwhile.
func pipeline(t *testing.T, c *kvtest.Client, n int, command func(i int) string, answer string) {
	t.Helper()
	if err := c.Conn.SetWriteDeadline(time.Time{}); err != nil { // that of the command before; answers have one
		t.Fatal(err)
	}
	sent := make(chan error, 1)
	go func() {
		w := bufio.NewWriterSize(c.Conn, 64<<10)
		for i := range n {
			if _, err := w.WriteString(command(i)); err != nil {
				sent <- err
				return
			}
		}
		sent <- w.Flush()
	}()
	want := strings.TrimRight(strings.TrimLeft(answer, "+:"), "\r\n")
	for i := range n {
		if got := kvtest.Text(c.Read()); got != want {
			t.Fatalf("answer %d is %s", i, got)
		}
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
}

// usedMemory is what INFO says.
func usedMemory(t *testing.T, c *kvtest.Client) int64 {
	t.Helper()
	text, _ := c.Do("INFO", "memory").(string)
	for line := range strings.Lines(text) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "used_memory:"); ok {
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("no used_memory in %q", text)
	return 0
}
