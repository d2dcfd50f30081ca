package kv_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/wayside-edge/wayside/internal/kv"
	"github.com/wayside-edge/wayside/internal/kv/kvtest"
)

// each runs a test over a plain connection and over one with TLS.
func each(t *testing.T, cfg kv.Config, test func(t *testing.T, s *kv.Server, dial func() *kvtest.Client)) {
	t.Helper()
	cfg.TLSAddr, cfg.TLS = "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate(t)}}
	for _, encrypted := range []bool{false, true} {
		t.Run(map[bool]string{false: "plain", true: "TLS"}[encrypted], func(t *testing.T) {
			s, _ := kvtest.Start(t, cfg)
			test(t, s, dialer(t, s, encrypted))
		})
	}
}

// dialer makes connections to a server of each.
func dialer(t *testing.T, s *kv.Server, encrypted bool) func() *kvtest.Client {
	t.Helper()
	return func() *kvtest.Client {
		t.Helper()
		if !encrypted {
			return kvtest.Dial(t, s.Addrs()[0].String())
		}
		d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}
		conn, err := d.DialContext(t.Context(), "tcp", s.Addrs()[1].String())
		if err != nil {
			t.Fatal(err)
		}
		return kvtest.On(t, conn)
	}
}

// keys counts those of database 0.
func keys(s *kv.Server) int {
	s.Engine().Lock()
	defer s.Engine().Unlock()
	n, _ := s.Engine().Size(0)
	return n
}

// TestCommandsRunInTheOrderTheyCame sends commands over many connections, one after the other, without waiting for an answer:
// also while the server is busy with a script, so that many wait.
func TestCommandsRunInTheOrderTheyCame(t *testing.T) {
	_, addr := kvtest.Start(t, kv.Config{})
	busy := kvtest.Dial(t, addr)
	clients := make([]*kvtest.Client, 100)
	for i := range clients {
		clients[i] = kvtest.Dial(t, addr)
		want(t, clients[i], "PONG", "PING")
	}
	for round := range 30 {
		rand.Shuffle(len(clients), func(i, j int) { clients[i], clients[j] = clients[j], clients[i] })
		busy.Send("EVAL", "for i = 1, 200000 do end return 1", "0")
		var wanted []string
		for i, c := range clients {
			c.Send("RPUSH", "order", strconv.Itoa(i))
			wanted = append(wanted, strconv.Itoa(i))
		}
		busy.Read()
		for _, c := range clients {
			c.Read()
		}
		if got := busy.Text("LRANGE", "order", "0", "-1"); got != "["+strings.Join(wanted, " ")+"]" {
			t.Fatalf("round %d: they ran in the order %s", round, got)
		}
		busy.Do("DEL", "order")
	}
}

// TestWhoBlocksFirstIsServedFirst relies on that order as Redis's own tests do: a client that blocks, another that gives it an
// element, a third that finds none; and a transaction that watches what another changes just before its end, or just after. The
// system itself may be late to say of a connection that something has come, if the server is still within its last write to it.
func TestWhoBlocksFirstIsServedFirst(t *testing.T) {
	_, addr := kvtest.Start(t, kv.Config{})
	a, b, c := kvtest.Dial(t, addr), kvtest.Dial(t, addr), kvtest.Dial(t, addr)
	const rounds, most = 1000, 20
	wrong := 0
	answered := func(who *kvtest.Client, wanted string) {
		if kvtest.Text(who.Read()) != wanted {
			wrong++
		}
	}
	for range rounds {
		b.Do("DEL", "list")
		a.Send("BLPOP", "list", "0")
		b.Send("LPUSH", "list", "x")
		c.Send("LPOP", "list")
		answered(b, "1")
		answered(c, "nil")
		b.Do("LPUSH", "list", "y") // if it was the other way round
		answered(a, "[list x]")
		for _, late := range []bool{false, true} { // the change comes before EXEC, or after it
			a.Write("WATCH key\r\nMULTI\r\nPING\r\n")
			for range 3 {
				a.Read()
			}
			if late {
				a.Send("EXEC")
				b.Send("SET", "key", "1")
				answered(a, "[PONG]")
			} else {
				b.Send("SET", "key", "1")
				a.Send("EXEC")
				answered(a, "nil")
			}
			b.Read()
		}
	}
	if wrong > most {
		t.Errorf("%d answers of %d rounds are those of another order", wrong, rounds)
	}
}

// TestASlowReaderHoldsNobodyUp has answers of 96 MB wait for somebody who does not read.
func TestASlowReaderHoldsNobodyUp(t *testing.T) {
	each(t, kv.Config{}, func(t *testing.T, _ *kv.Server, dial func() *kvtest.Client) {
		t.Helper()
		slow, other := dial(), dial()
		const size, n = 32 << 20, 3
		want(t, other, "OK", "SET", "big", strings.Repeat("x", size))
		slow.Write(strings.Repeat(kvtest.Command("GET", "big"), n) + kvtest.Command("PING"))
		for i := range 2000 {
			if got := other.Text("ECHO", strconv.Itoa(i)); got != strconv.Itoa(i) {
				t.Fatalf("others are answered %s", got)
			}
		}
		for range n {
			if v, _ := slow.Read().(string); len(v) != size {
				t.Fatalf("an answer of %d bytes has %d", size, len(v))
			}
		}
		if got := kvtest.Text(slow.Read()); got != "PONG" {
			t.Errorf("then it is answered %s", got)
		}
	})
}

// TestManyClientsCostLittle has thousands connected that are silent, or have sent half a command: others are served, and the
// memory is that of what they have sent.
func TestManyClientsCostLittle(t *testing.T) {
	const n, most = 2000, 4 << 10 // bytes a connection, this process's own end included
	for _, said := range []string{"PING\r\n", "*2\r\n$4\r\nAUTH\r\n$1000\r\nab", "PING\r\n*2\r\n$4\r\nAUTH\r\n$1000\r\nab"} {
		_, addr := kvtest.Start(t, kv.Config{})
		other := kvtest.Dial(t, addr)
		want(t, other, "PONG", "PING")
		before := heap()
		conns := make([]net.Conn, n)
		for i := range conns {
			conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, said); err != nil {
				t.Fatal(err)
			}
			conns[i] = conn
		}
		want(t, other, "PONG", "PING") // what came before it has had its turn
		if each := (heap() - before) / n; each > most {
			t.Errorf("after %q a connection takes %d bytes", said, each)
		}
		if said != "PING\r\n" {
			for _, conn := range conns {
				if _, err := io.WriteString(conn, strings.Repeat("c", 998)+"\r\n"); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, conn := range conns {
			c := kvtest.On(t, conn)
			if strings.HasPrefix(said, "PING") {
				if got := kvtest.Text(c.Read()); got != "PONG" {
					t.Fatalf("PING is answered %s", got)
				}
			}
			if said != "PING\r\n" {
				if got := kvtest.Text(c.Read()); !strings.HasPrefix(got, "-ERR AUTH") {
					t.Fatalf("the other half is answered %s", got)
				}
			}
		}
	}
}

// clumsy is a log that fails in the worst way when it is to take a message.
type clumsy struct{ about string }

func (clumsy) Enabled(context.Context, slog.Level) bool { return true }
func (c clumsy) WithAttrs([]slog.Attr) slog.Handler     { return c }
func (c clumsy) WithGroup(string) slog.Handler          { return c }
func (c clumsy) Handle(_ context.Context, r slog.Record) error {
	if strings.Contains(r.Message, c.about) {
		panic(c.about)
	}
	return nil
}

// TestAMistakeCostsOneClient has the server panic within a client's turn, with the lock taken.
func TestAMistakeCostsOneClient(t *testing.T) {
	each(t, kv.Config{Logger: slog.New(clumsy{"speaks HTTP"})}, func(t *testing.T, _ *kv.Server, dial func() *kvtest.Client) {
		t.Helper()
		other := dial()
		for range 3 {
			c := dial()
			want(t, c, "PONG", "PING")
			c.Write("PING\r\nPOST / HTTP/1.1\r\n")
			if !c.Closed() {
				t.Error("the connection stays")
			}
			want(t, other, "PONG", "PING")
		}
		eventually(t, "the clients are forgotten", func() bool { return strings.Contains(other.Text("INFO", "clients"), "connected_clients:1\r") })
	})
}

// TestNoMessageComesWithinAnAnswer has a message come while a transaction runs a script that lets others in, and half the answer
// is written: it goes out behind it, though what was to be sent before is being sent just then.
func TestNoMessageComesWithinAnAnswer(t *testing.T) {
	each(t, kv.Config{}, func(t *testing.T, _ *kv.Server, dial func() *kvtest.Client) {
		t.Helper()
		c, other := dial(), dial()
		want(t, other, "OK", "CONFIG", "SET", "lua-time-limit", "5")
		const size = 16 << 20
		want(t, other, "OK", "SET", "big", strings.Repeat("x", size))
		want(t, c, "OK", "MONITOR")
		t.Cleanup(func() { _, _ = io.WriteString(other.Conn, kvtest.Command("SCRIPT", "KILL")) }) // if it comes to nothing
		c.Send("GET", "big")
		eventually(t, "the answer waits", func() bool { return strings.Contains(other.Text("CLIENT", "LIST"), " events=rw ") })
		c.Write("MULTI\r\nPING\r\n" + kvtest.Command("EVAL", "while true do end", "0") + "PING\r\nEXEC\r\n")
		eventually(t, "the script takes long", func() bool { return strings.Contains(other.Text("PING"), "BUSY") })
		want(t, other, "OK", "UNWATCH") // c is told
		if v, _ := c.Read().(string); len(v) != size {
			t.Fatalf("an answer of %d bytes has %d", size, len(v))
		}
		var got []string
		read := func(last string) {
			for text := ""; !strings.Contains(text, last); {
				if text = kvtest.Text(c.Read()); !strings.HasSuffix(text, `] "PING"`) { // others' too
					got = append(got, text)
				}
			}
		}
		read(`"GET" "big"`)
		for range 50 { // each lets everybody in
			other.Text("PING")
		}
		want(t, other, "OK", "SCRIPT", "KILL")
		read(`"UNWATCH"`)
		for i, part := range []string{`"GET" "big"`, "OK", `"MULTI"`, "QUEUED", "QUEUED", "QUEUED", "[PONG -ERR Error running script", `"EVAL"`, `"UNWATCH"`} {
			if i >= len(got) || !strings.Contains(got[i], part) {
				t.Fatalf("what comes is\n%s, and %s is not the %d. of it", strings.Join(got, "\n"), part, i+1)
			}
		}
	})
}

// TestAMistakeOutsideOfTurnsCostsNobody has the server panic while it accepts: there are no descriptors, and the log fails when it is to
// say so. All are served on, and who has come is let in when there are some again.
func TestAMistakeOutsideOfTurnsCostsNobody(t *testing.T) {
	_, addr := kvtest.Start(t, kv.Config{Logger: slog.New(clumsy{"client not accepted"})})
	other := kvtest.Dial(t, addr)
	want(t, other, "PONG", "PING")
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	free, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	few := before
	few.Cur = uint64(free.Fd()) + 1 // one is left, for the client's own end
	if err := errors.Join(free.Close(), syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few)); err != nil {
		t.Fatal(err)
	}
	c := kvtest.Dial(t, addr)
	for range 20 {
		want(t, other, "PONG", "PING")
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	want(t, c, "PONG", "PING")
}
