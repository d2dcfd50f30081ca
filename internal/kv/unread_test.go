package kv_test

import (
	"bufio"
	"errors"
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
