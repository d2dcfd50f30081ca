package kv_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/kv"
	"github.com/wayside-edge/wayside/internal/kv/kvtest"
)

// TestPipelinesThatAreWrittenWhole sends many small commands before it reads an answer, over each kind of connection that
// is not encrypted, and then all of them get one.
func TestPipelinesThatAreWrittenWhole(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	_, addr := kvtest.Start(t, kv.Config{Socket: socket})
	for _, at := range [][2]string{{"tcp", addr}, {"unix", socket}} {
		for _, n := range []int{1, 100, 10_000, 100_000} {
			for command, answer := range map[string]string{
				"PING\r\n":                        "+PONG\r\n",
				kvtest.Command("SET", "k", "v"):   "+OK\r\n",
				kvtest.Command("ECHO", "a"):       "$1\r\na\r\n",
				kvtest.Command("LPUSH", "k", "v"): "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
			} {
				conn, err := (&net.Dialer{}).DialContext(t.Context(), at[0], at[1])
				if err != nil {
					t.Fatal(err)
				}
				c := kvtest.On(t, conn)
				want(t, c, "OK", "SET", "k", "v")
				c.Write(strings.Repeat(command, n))
				wanted := strings.Repeat(answer, n)
				got := make([]byte, len(wanted))
				if n, err := io.ReadFull(conn, got); err != nil || string(got) != wanted {
					t.Errorf("%s, %q: %d of %d bytes of the answers came: %v", at[0], command, n, len(wanted), err)
				}
				_ = conn.Close()
			}
		}
	}
}

// TestWhoSendsNoMoreIsAnswered ends its side of the connection when all is said, as a pipe of commands does, and reads
// afterwards: 16 MB, more than the sockets take.
func TestWhoSendsNoMoreIsAnswered(t *testing.T) {
	_, addr := kvtest.Start(t, kv.Config{})
	c, other := kvtest.Dial(t, addr), kvtest.Dial(t, addr)
	const n = 16_000
	c.Write(strings.Repeat(kvtest.Command("ECHO", strings.Repeat("v", 1000)), n))
	if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil { //nolint:forcetypeassert // it is TCP
		t.Fatal(err)
	}
	eventually(t, "all commands have run", func() bool {
		return strings.Contains(other.Text("INFO", "commandstats"), fmt.Sprintf("cmdstat_echo:calls=%d,", n))
	})
	_ = c.Conn.SetReadDeadline(time.Now().Add(kvtest.Patience))
	if got, err := io.Copy(io.Discard, c.Conn); err != nil || got != n*1009 {
		t.Errorf("%d of %d bytes of the answers came: %v", got, n*1009, err)
	}
}

// TestQuitIsAnswered ends connections with answers that were not taken yet, among them those where nothing can be written
// without waiting.
func TestQuitIsAnswered(t *testing.T) {
	s, addr := kvtest.Start(t, kv.Config{TLSAddr: "127.0.0.1:0", TLS: &tls.Config{Certificates: []tls.Certificate{certificate(t)}}})
	encrypted := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}
	dial := map[string]func() (net.Conn, error){
		"TCP": func() (net.Conn, error) { return (&net.Dialer{}).DialContext(t.Context(), "tcp", addr) },
		"TLS": func() (net.Conn, error) { return encrypted.DialContext(t.Context(), "tcp", s.Addrs()[1].String()) },
	}
	for name, dial := range dial {
		for _, size := range []int{1, 16 << 20} {
			conn, err := dial()
			if err != nil {
				t.Fatal(err)
			}
			c := kvtest.On(t, conn)
			want(t, c, "OK", "SET", "big", strings.Repeat("v", size))
			c.Write("GET big\r\nQUIT\r\n")
			if v, _ := c.Read().(string); len(v) != size {
				t.Errorf("%s: an answer of %d bytes has %d", name, size, len(v))
			}
			if got := kvtest.Text(c.Read()); got != "OK" {
				t.Errorf("%s: QUIT is answered %s", name, got)
			}
			if !c.Closed() {
				t.Errorf("%s: the connection stays", name)
			}
		}
	}
}

// TestWhoQuitsAndNeverReadsIsForgotten leaves an answer untaken, on a connection that ends when it is taken.
func TestWhoQuitsAndNeverReadsIsForgotten(t *testing.T) {
	var ck clock
	cfg := kv.Config{}
	cfg.Engine.Clock = ck.now
	_, addr := kvtest.Start(t, cfg)
	c, other := kvtest.Dial(t, addr), kvtest.Dial(t, addr)
	want(t, c, "OK", "SET", "big", strings.Repeat("v", 32<<20))
	c.Write("GET big\r\nQUIT\r\n")
	eventually(t, "it is gone", func() bool {
		ck.advance(2 * time.Minute)
		return strings.Contains(other.Text("INFO", "clients"), "connected_clients:1\r")
	})
}
