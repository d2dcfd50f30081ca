package kv_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/kv"
	"github.com/wayside-edge/wayside/internal/kv/kvtest"
)

// TestAnswersThatAreReadLater sends many commands before it reads one answer, as pipelines of clients do: 40 MB in each
// direction, more than the sockets take.
func TestAnswersThatAreReadLater(t *testing.T) {
	_, addr := kvtest.Start(t, kv.Config{})
	c := kvtest.Dial(t, addr)
	value := strings.Repeat("v", 1000)
	const commands = 40_000
	_ = c.Conn.SetDeadline(time.Now().Add(kvtest.Patience))
	w := bufio.NewWriter(c.Conn)
	echo := kvtest.Command("ECHO", value)
	for range commands {
		if _, err := w.WriteString(echo); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatalf("the commands were not taken: %v", err)
	}
	answer := "$1000\r\n" + value + "\r\n"
	r := bufio.NewReaderSize(c.Conn, 1<<16)
	got := make([]byte, len(answer))
	for i := range commands {
		if _, err := io.ReadFull(r, got); err != nil || string(got) != answer {
			t.Fatalf("answer %d: %v %.40q", i, err, got)
		}
	}
}

// TestThoseWhoNeverRead has clients ask for much more than all may leave unread, and read nothing: others are served, and
// what was kept for them goes when they do.
func TestThoseWhoNeverRead(t *testing.T) {
	s, addr := kvtest.Start(t, kv.Config{})
	good := kvtest.Dial(t, addr)
	good.Do("SET", "k", strings.Repeat("v", 100_000))
	get := strings.Repeat(kvtest.Command("GET", "k"), 100)
	bad := make([]net.Conn, 8)
	for i := range bad {
		bad[i] = kvtest.Dial(t, addr).Conn
		_ = bad[i].SetWriteDeadline(time.Now().Add(300 * time.Millisecond)) // it is read from no more at some time
		for range 20 {
			if _, err := io.WriteString(bad[i], get); err != nil {
				break
			}
		}
	}
	const most = 192 << 20 // what all may leave, and what one may beyond
	steady, before := 0, int64(0)
	for end := time.Now().Add(kvtest.Patience); steady < 200; { // until nothing more is answered to them
		if got := good.Text("ECHO", "well"); got != "well" {
			t.Fatalf("others are answered %s", got)
		}
		n := s.Unread()
		if n > most {
			t.Fatalf("%d MiB are kept for those who do not read", n>>20)
		}
		if steady++; n != before || n < most/4 {
			steady, before = 0, n
		}
		if time.Now().After(end) {
			t.Fatalf("%d MiB are kept, and it goes on", n>>20)
		}
	}
	for _, c := range bad {
		_ = c.Close()
	}
	for end := time.Now().Add(kvtest.Patience); s.Unread() != 0; time.Sleep(time.Millisecond) { // closing has no signal
		if time.Now().After(end) {
			t.Fatalf("%d bytes are kept for clients that are gone", s.Unread())
		}
	}
}

// TestAConnectionThatBreaksBesideItsScript has a write to a client fail while its script runs and others are let in beside: the
// answer that is being written must stay what it is, and the others be served on.
func TestAConnectionThatBreaksBesideItsScript(t *testing.T) {
	_, addr := kvtest.Start(t, kv.Config{})
	other := kvtest.Dial(t, addr)
	want(t, other, "OK", "CONFIG", "SET", "lua-time-limit", "20")
	want(t, other, "OK", "SET", "big", strings.Repeat("x", 8<<20))
	broken := kvtest.Dial(t, addr)
	broken.Write(strings.Repeat(kvtest.Command("GET", "big"), 3))
	eventually(t, "answers wait", func() bool { return strings.Contains(other.Text("CLIENT", "LIST"), " events=rw ") })
	broken.Write(strings.Repeat(kvtest.Command("PING"), 200) + kvtest.Command("CLIENT", "REPLY", "OFF") + kvtest.Command("EVAL", "while true do end", "0"))
	eventually(t, "the script takes long", func() bool { return strings.Contains(other.Text("PING"), "BUSY") })
	conn, ok := broken.Conn.(*net.TCPConn)
	if !ok {
		t.Fatalf("the connection is a %T", broken.Conn)
	}
	if err := errors.Join(conn.SetLinger(0), conn.Close()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the script is killed", func() bool { return other.Text("SCRIPT", "KILL") != "OK" })
	eventually(t, "the others are served", func() bool { return other.Text("PING") == "PONG" })
	eventually(t, "the client is forgotten", func() bool { return strings.Count(other.Text("CLIENT", "LIST"), "id=") == 1 })
}

// TestThoseWhoAreStoppedGoOn has clients leave so much unread that one, which reads nothing before all that it has sent was taken,
// is stopped: it goes on when they are gone.
func TestThoseWhoAreStoppedGoOn(t *testing.T) {
	each(t, kv.Config{}, func(t *testing.T, s *kv.Server, dial func() *kvtest.Client) {
		t.Helper()
		other := dial()
		const size = 24 << 20
		want(t, other, "OK", "SET", "big", strings.Repeat("x", size))
		bad := make([]*kvtest.Client, 3)
		for i := range bad {
			bad[i] = dial()
			bad[i].Write(strings.Repeat(kvtest.Command("GET", "big"), 6))
		}
		eventually(t, "much is unread", func() bool { return s.Unread() > 130<<20 })
		stopped := dial()
		stopped.Write(kvtest.Command("GET", "big") + kvtest.Command("SET", "done", "1"))
		eventually(t, "its answer waits", func() bool { return s.Unread() > 145<<20 })
		for range 20 {
			want(t, other, "nil", "GET", "done")
		}
		for _, c := range bad {
			_ = c.Conn.Close()
		}
		eventually(t, "it goes on", func() bool { return other.Text("GET", "done") == "1" })
	})
}

// TestWhoWaitsAndEndsIsForgotten has a client send much ahead while it waits for a key, and say that it ends: what it waits for must
// not be given to nobody.
func TestWhoWaitsAndEndsIsForgotten(t *testing.T) {
	each(t, kv.Config{}, func(t *testing.T, _ *kv.Server, dial func() *kvtest.Client) {
		t.Helper()
		c, other := dial(), dial()
		c.Write(kvtest.Command("BLPOP", "list", "0") + strings.Repeat(kvtest.Command("PING"), 8_000))
		eventually(t, "it waits", func() bool { return strings.Contains(other.Text("CLIENT", "LIST"), " cmd=blpop ") })
		_ = c.Conn.Close()
		eventually(t, "it is forgotten", func() bool { return strings.Contains(other.Text("INFO", "clients"), "connected_clients:1\r") })
		want(t, other, "1", "RPUSH", "list", "a")
		want(t, other, "1", "LLEN", "list")
	})
}

// TestWhatIsStuckIsCounted has a client ask for one answer after the other and take none, until one does not go out whole: it is
// counted, though the client asks for nothing more.
func TestWhatIsStuckIsCounted(t *testing.T) {
	s, addr := kvtest.Start(t, kv.Config{})
	c, other := kvtest.Dial(t, addr), kvtest.Dial(t, addr)
	want(t, other, "OK", "SET", "some", strings.Repeat("x", 200_000))
	for n := 1; !strings.Contains(other.Text("CLIENT", "LIST"), " events=rw "); n++ {
		if n > 1000 {
			t.Fatal("the connection takes everything")
		}
		c.Write(kvtest.Command("GET", "some"))
		eventually(t, "it is answered", func() bool {
			return strings.Contains(other.Text("INFO", "commandstats"), fmt.Sprintf("cmdstat_get:calls=%d,", n))
		})
	}
	eventually(t, "what waits is counted", func() bool { return s.Unread() > 0 })
}
