package kv_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/kv"
	"github.com/wayside-edge/wayside/internal/kv/kvtest"
)

// manners are the commands of TestAllAtOnce.
func manners() []string {
	return []string{
		"SET k%d v", "GET k%d", "DEL k%d", "INCR n", "WATCH k%d", "MULTI", "EXEC", "DISCARD", "SELECT %d", "PUBLISH c%d hello", "SPUBLISH c%d hello",
		"SUBSCRIBE c%d", "PSUBSCRIBE c*", "UNSUBSCRIBE", "PUNSUBSCRIBE", "SSUBSCRIBE c%d", "HELLO 3", "HELLO 2", "RESET", "PING", "MONITOR", "CLIENT LIST",
		"CLIENT INFO", "CLIENT TRACKING ON", "CLIENT TRACKING ON BCAST PREFIX k", "CLIENT TRACKING OFF", "CLIENT TRACKINGINFO", "CLIENT KILL ID %d",
		"CLIENT KILL TYPE pubsub", "CLIENT PAUSE 2 WRITE", "CLIENT UNPAUSE", "CLIENT REPLY SKIP", "CLIENT REPLY OFF", "CLIENT REPLY ON", "CLIENT UNBLOCK %d",
		"CONFIG SET maxmemory 100mb", "CONFIG SET notify-keyspace-events KEA", "CONFIG SET tracking-table-max-keys %d", "CONFIG GET *", "INFO all",
		"CONFIG SET client-output-buffer-limit pubsub|32mb|8mb|60", "CONFIG SET proto-max-bulk-len 2mb", "CONFIG RESETSTAT", "SLOWLOG GET", "LATENCY HISTOGRAM",
		"ACL SETUSER u%d on nopass ~* &* +@all", "ACL SETUSER u%d -@all", "ACL DELUSER u%d", "AUTH u%d x", "AUTH default x", "ACL LOG", "ACL LIST", "COMMAND COUNT",
		"BLPOP l%d 0.01", "LPUSH l%d x", "PUBSUB CHANNELS", "PUBSUB NUMSUB c1", "MEMORY STATS", "QUIT",
	}
}

// TestAllAtOnce has many clients do whatever there is at the same time, most of it to each other, and most of it without
// reading. Under the race detector it finds what is touched without the lock; what is left over at the end finds the rest.
func TestAllAtOnce(t *testing.T) {
	s, addr := kvtest.Start(t, kv.Config{})
	list := manners()
	var wg sync.WaitGroup
	for worker := range 12 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(worker), 1))
			for range 15 {
				conn, err := (&net.Dialer{Timeout: kvtest.Patience}).DialContext(t.Context(), "tcp", addr)
				if err != nil {
					t.Error(err)
					return
				}
				_ = conn.SetDeadline(time.Now().Add(kvtest.Patience))
				gone := make(chan struct{})
				go func() {
					defer close(gone)
					_, _ = io.Copy(io.Discard, conn)
				}()
				for range 40 {
					text := list[rng.IntN(len(list))]
					if strings.Contains(text, "%d") {
						text = fmt.Sprintf(text, rng.IntN(20))
					}
					args := strings.Fields(text)
					for i := range args {
						args[i] = strings.ReplaceAll(args[i], "|", " ")
					}
					if _, err := io.WriteString(conn, kvtest.Command(args...)); err != nil {
						break // somebody has killed it
					}
				}
				_ = conn.(*net.TCPConn).CloseWrite() //nolint:forcetypeassert // it is TCP
				select {
				case <-gone:
				case <-time.After(100 * time.Millisecond): // it listens, or waits
				}
				_ = conn.Close()
				<-gone
			}
		})
	}
	wg.Wait()
	c := kvtest.Dial(t, addr)
	eventually(t, "all are gone", func() bool { return strings.Contains(c.Text("INFO", "clients"), "connected_clients:1\r") })
	info := c.Text("INFO")
	for _, field := range []string{"pubsub_channels:0", "pubsub_patterns:0", "pubsubshard_channels:0", "tracking_clients:0", "tracking_total_prefixes:0", "blocked_clients:0"} {
		if !strings.Contains(info, field+"\r") {
			t.Errorf("INFO does not say %s", field)
		}
	}
	s.Engine().Lock()
	defer s.Engine().Unlock()
	if n := s.Engine().Stats().Panics; n != 0 {
		t.Errorf("%d commands panicked", n)
	}
}
