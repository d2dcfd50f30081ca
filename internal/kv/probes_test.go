package kv_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	goruntime "runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/kv"
	"github.com/wayside-edge/wayside/internal/kv/kvtest"
)

// What a probe may cost: far more than it does, on however slow a machine. What it really costs others is measured by
// make kv-probes.
const (
	mostStop = 20 * time.Second // until the server has ended
	mostHeap = 96 << 20         // bytes that may be left when all is over
)

// heap is what Go's objects take after a collection.
func heap() int64 {
	goruntime.GC()
	debug.FreeOSMemory()
	m := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(m)
	return int64(m[0].Value.Uint64())
}

// witness is another client, that goes on with its work: it is answered once at least, and each time within kvtest.Patience.
type witness struct {
	stop  context.CancelFunc
	done  chan struct{}
	times []time.Duration
	err   error
}

func watch(tb testing.TB, addr string) *witness {
	tb.Helper()
	c := kvtest.Dial(tb, addr)
	ctx, stop := context.WithCancel(tb.Context())
	w := &witness{stop: stop, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		reply := make([]byte, 128)
		for len(w.times) == 0 || ctx.Err() == nil {
			<-tick.C
			begin := time.Now()
			_ = c.Conn.SetDeadline(begin.Add(kvtest.Patience))
			if _, err := io.WriteString(c.Conn, "SET witness 1\r\n"); err != nil {
				w.err = err
				return
			}
			n, err := c.Conn.Read(reply)
			if text := string(reply[:n]); err != nil || text != "+OK\r\n" && !strings.HasPrefix(text, "-BUSY ") {
				w.err = fmt.Errorf("answered %q, %w", reply[:n], err)
				return
			}
			w.times = append(w.times, time.Since(begin))
		}
	}()
	return w
}

// end says how long answers took while a probe ran.
func (w *witness) end(tb testing.TB) (p99, longest time.Duration) {
	tb.Helper()
	w.stop()
	<-w.done
	if w.err != nil {
		tb.Errorf("another client: %v", w.err)
	}
	if len(w.times) == 0 {
		return 0, 0 // its error says why
	}
	slices.Sort(w.times)
	p99, longest = w.times[len(w.times)*99/100], w.times[len(w.times)-1]
	tb.Logf("another client: %d answers, p99 %v, longest %v", len(w.times), p99, longest)
	return p99, longest
}

// probe is a try to stop the server. run talks to it; what it is answered counts where it says so.
type probe struct {
	name string
	run  func(tb testing.TB, addr string)
}

// raw sends bytes on a connection of its own and does not care what comes back.
func raw(text string) func(tb testing.TB, addr string) {
	return func(tb testing.TB, addr string) {
		tb.Helper()
		c := kvtest.Dial(tb, addr)
		_ = c.Conn.SetDeadline(time.Now().Add(kvtest.Patience))
		_, _ = io.WriteString(c.Conn, text)
		_ = c.Conn.(*net.TCPConn).CloseWrite() //nolint:forcetypeassert // it is TCP
		_, _ = io.Copy(io.Discard, c.Conn)
	}
}

// call sends commands one after another; each has to be answered by something.
func call(commands ...[]string) func(tb testing.TB, addr string) {
	return func(tb testing.TB, addr string) {
		tb.Helper()
		c := kvtest.Dial(tb, addr)
		for _, args := range commands {
			c.Do(args...)
		}
	}
}

func words(line string) []string { return strings.Fields(line) }

const (
	least = "-9223372036854775808"
	most  = "9223372036854775807"
)

func probes() []probe {
	mib := strings.Repeat("x", 1<<20)
	return []probe{
		{"no arguments", raw("*0\r\n*-1\r\n*-9223372036854775808\r\nPING\r\n")},
		{"too many arguments", raw("*1000001\r\n*1048577\r\n")},
		{"a million arguments announced", raw("*1000000\r\n$1\r\na\r\n")},
		{"the longest number", raw("$9223372036854775807\r\n*1\r\n$9223372036854775807\r\n")},
		{"64 GB announced", raw("*1\r\n$64424509440\r\n")},
		{"512 MB announced", raw("*2\r\n$3\r\nGET\r\n$536870912\r\nabc")},
		{"a bulk that never ends", endless},
		{"a line of 1 MB", raw(mib + "\r\n")},
		{"TLS", raw("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + mib)},
		{"HTTP", raw("GET / HTTP/1.1\r\nHost: a\r\n\r\n" + "POST / HTTP/1.1\r\n\r\n")},
		{"offsets", call(words("SETRANGE a 1000000000000 x"), words("SETBIT a 9000000000000 1"), words("SETRANGE a "+most+" x"),
			words("SETRANGE a "+least+" x"), words("GETRANGE a "+least+" "+most), words("BITFIELD a SET u8 "+most+" 1"))},
		{"patterns", call(words("SET abc 1"), words("KEYS [z-a]"), []string{"KEYS", "\xff*"}, words("KEYS "+strings.Repeat("a*", 1000)+"b"),
			words("KEYS [a"), words(`KEYS \`), words("PSUBSCRIBE "+strings.Repeat("*?", 1000)), words("SCAN 0 MATCH "+strings.Repeat("*", 5000)))},
		{"counts", call(words("HSET h a 1 b 2"), words("SADD s a b"), words("ZADD z 1 a"), words("HRANDFIELD h "+least), words("HRANDFIELD h "+least+" WITHVALUES"),
			words("SRANDMEMBER s "+least), words("ZRANDMEMBER z "+least), words("SPOP s "+most), words("LPOP l "+most), words("HRANDFIELD h 5"))},
		{"numbers", call(words("SET f 1.7e308"), words("INCRBYFLOAT f 1.7e308"), words("INCRBYFLOAT f inf"), words("INCRBYFLOAT f nan"),
			words("SET n "+most), words("INCR n"), words("DECRBY n "+least), words("ZINCRBY z inf a"), words("ZINCRBY z -inf a"))},
		{"times", call(words("SET e 1"), words("EXPIRE e "+most), words("EXPIRE e "+least), words("PEXPIRE e "+most), words("EXPIREAT e "+most),
			words("SET e 1 EX "+most), words("BLPOP nothing 1e300"), words("BLPOP nothing -1"), words("CLIENT PAUSE "+least), words("CLIENT PAUSE 0"))},
		{"streams", call(words("XADD x 18446744073709551615-18446744073709551615 a 1"), words("XADD x * a 1"), words("XRANGE x - + COUNT "+most),
			words("XTRIM x MAXLEN "+least), words("XREAD COUNT "+least+" STREAMS x 0"))},
		{"scripts", call(words("SET counted 0"), []string{"EVAL", "local function f() return 1 + f() end return f()", "0"},
			[]string{"EVAL", "local t = {} t[1] = t return t", "0"}, []string{"EVAL", "return string.rep('x', 1073741824)", "0"},
			[]string{"EVAL", "local s = 'x' for i = 1, 40 do s = s .. s end return s", "0"})},
		{"a script that loops", loops},
		{"scripts that fill the memory", call(
			[]string{"EVAL", "local t = {} while true do t[#t + 1] = {} end", "0"},
			[]string{"EVAL", "local t = {} while true do t[#t + 1] = string.rep('x', 1048576) end", "0"},
			[]string{"EVAL", "local t = {} while true do t[#t + 1] = coroutine.create(function() end) end", "0"})},
		{"a million arguments", manyArguments},
		{"a million commands of a transaction", longTransaction},
		{"a reader that never reads", neverReads},
		{"a subscriber that never reads", neverListens},
		{"half a command from many", halves},
		{"noise", noise},
	}
}

// endless sends much of an argument that has no end.
func endless(tb testing.TB, addr string) {
	tb.Helper()
	c := kvtest.Dial(tb, addr)
	_ = c.Conn.SetDeadline(time.Now().Add(kvtest.Patience))
	_, _ = io.WriteString(c.Conn, "*2\r\n$3\r\nGET\r\n$536870912\r\n")
	some := strings.Repeat("x", 1<<20)
	for range 64 {
		if _, err := io.WriteString(c.Conn, some); err != nil {
			return
		}
	}
}

// loops has a script run on until it is killed.
func loops(tb testing.TB, addr string) {
	tb.Helper()
	c, other := kvtest.Dial(tb, addr), kvtest.Dial(tb, addr)
	other.Do("CONFIG", "SET", "lua-time-limit", "20")
	c.Send("EVAL", "while true do end", "0")
	for end := time.Now().Add(kvtest.Patience); other.Text("SCRIPT", "KILL") != "OK"; {
		if time.Now().After(end) {
			tb.Fatal("a script that loops is not killed")
		}
	}
	if got := kvtest.Text(c.Read()); !strings.Contains(got, "Script killed by user") {
		tb.Errorf("a script that was killed answers %s", got)
	}
	other.Do("CONFIG", "SET", "lua-time-limit", "5000")
}

func manyArguments(tb testing.TB, addr string) {
	tb.Helper()
	c := kvtest.Dial(tb, addr)
	const n = 1 << 20
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n$5\r\nLPUSH\r\n$4\r\nlong\r\n", n)
	b.WriteString(strings.Repeat("$1\r\nx\r\n", n-2))
	c.Write(b.String())
	c.Read()
	c.Do("DEL", "long")
}

func longTransaction(tb testing.TB, addr string) {
	tb.Helper()
	c := kvtest.Dial(tb, addr)
	const n = 1_000_000
	read := make(chan struct{})
	go func() {
		defer close(read)
		for range n + 1 {
			c.Read()
		}
	}()
	c.Write("MULTI\r\n")
	some := strings.Repeat(kvtest.Command("INCR", "counter"), 10_000)
	for range n / 10_000 {
		c.Write(some)
	}
	<-read
	if list, ok := c.Do("EXEC").([]any); !ok || len(list) != n {
		tb.Errorf("%d answers of a transaction of %d commands", len(list), n)
	}
}

// neverReads asks for more than it could ever take, and takes nothing.
func neverReads(tb testing.TB, addr string) {
	tb.Helper()
	c, other := kvtest.Dial(tb, addr), kvtest.Dial(tb, addr)
	c.Do("SET", "big", strings.Repeat("x", 1<<20))
	before := heap()
	_ = c.Conn.SetWriteDeadline(time.Now().Add(3 * time.Second))
	_, _ = io.WriteString(c.Conn, strings.Repeat(kvtest.Command("GET", "big"), 100_000))
	if grown := heap() - before; grown > mostHeap {
		tb.Errorf("a client that never reads takes %d bytes", grown)
	}
	other.Do("DEL", "big")
}

func neverListens(tb testing.TB, addr string) {
	tb.Helper()
	c, other := kvtest.Dial(tb, addr), kvtest.Dial(tb, addr)
	c.Do("SUBSCRIBE", "probe")
	message := strings.Repeat("x", 1<<20)
	for range 200 {
		if other.Text("PUBLISH", "probe", message) == "0" {
			return
		}
	}
	tb.Error("a subscriber that never reads is still there after 200 MB")
}

// halves holds as many connections as this process may have, each with half a command.
func halves(tb testing.TB, addr string) {
	tb.Helper()
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		tb.Fatal(err)
	}
	n := min(10_000, int(files.Cur)/2-500)
	if testing.Short() {
		n = min(n, 1000)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	for range 8 {
		wg.Go(func() {
			for range n / 8 {
				conn, err := (&net.Dialer{Timeout: kvtest.Patience}).DialContext(tb.Context(), "tcp", addr)
				if err != nil {
					tb.Error(err)
					return
				}
				_, _ = io.WriteString(conn, "*2\r\n$4\r\nAUTH\r\n$1000\r\nab")
				mu.Lock()
				conns = append(conns, conn)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	tb.Logf("%d clients with half a command", len(conns))
	for _, conn := range conns {
		_ = conn.Close()
	}
}

// noise is a fuzzer of the protocol: pieces of what is right and what is not, in any order.
func noise(tb testing.TB, addr string) {
	tb.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	parts := []string{
		"*1\r\n", "*2\r\n", "*0\r\n", "*-1\r\n", "$3\r\nGET\r\n", "$1\r\na\r\n", "$0\r\n\r\n", "$-1\r\n", "PING\r\n", "\r\n", "\n", "\x00", "\"", "'",
		"MULTI\r\n", "EXEC\r\n", "HELLO 3\r\n", "HELLO 2\r\n", "SUBSCRIBE a\r\n", "UNSUBSCRIBE\r\n", "RESET\r\n", "CLIENT REPLY SKIP\r\n", "CLIENT REPLY OFF\r\n",
		"CLIENT TRACKING ON\r\n", "CLIENT TRACKING ON BCAST\r\n", "CLIENT LIST\r\n", "INFO\r\n", "SET a b\r\n", "BLPOP nothing 0.01\r\n", "MONITOR\r\n",
		"COMMAND\r\n", "CONFIG GET *\r\n", "ACL LIST\r\n", "DISCARD\r\n", "WATCH a\r\n", "SSUBSCRIBE a\r\n", "PSUBSCRIBE *\r\n", "PUBLISH a b\r\n", "QUIT\r\n",
	}
	for range 300 {
		var b strings.Builder
		for range 1 + rng.IntN(40) {
			part := parts[rng.IntN(len(parts))]
			if rng.IntN(10) == 0 {
				part = part[:rng.IntN(len(part)+1)]
			}
			b.WriteString(part)
		}
		raw(b.String())(tb, addr)
	}
}

// TestProbes does to a server what has killed or stopped others. It lives, other clients are served in the meantime, and
// memory comes back.
func TestProbes(t *testing.T) {
	before := heap()
	s, addr := kvtest.Start(t, kv.Config{MaxClients: 20_000})
	for _, p := range probes() {
		t.Run(p.name, func(t *testing.T) {
			w := watch(t, addr)
			p.run(t, addr)
			w.end(t)
		})
	}
	c := kvtest.Dial(t, addr)
	want(t, c, "PONG", "PING")
	if got := c.Text("FLUSHALL"); got != "OK" {
		for _, key := range words("a abc f n e counter counted witness h s z x big") {
			c.Do("DEL", key)
		}
	}
	eventually(t, "all clients of the probes are gone", func() bool { return strings.Contains(c.Text("INFO", "clients"), "connected_clients:1\r") })
	if grown := heap() - before; grown > mostHeap {
		t.Errorf("%d bytes are left", grown)
	}
	s.Engine().Lock()
	defer s.Engine().Unlock()
	if used := s.Engine().Used(); used != 0 {
		t.Errorf("%d bytes are counted for no key", used)
	}
	if n := s.Engine().Stats().Panics; n != 0 {
		t.Errorf("%d commands panicked", n)
	}
}

// TestProbesBeforeAuth does so where a password is asked for.
func TestProbesBeforeAuth(t *testing.T) {
	before := heap()
	_, addr := kvtest.Start(t, kv.Config{Password: "secret", MaxClients: 20_000})
	mib := strings.Repeat("x", 1<<20)
	for _, text := range []string{
		"*0\r\n", "*-1\r\n", "*1000001\r\n", "*11\r\n", "$9223372036854775807\r\n", "*1\r\n$64424509440\r\n", "*1\r\n$16385\r\n", mib + "\r\n", "\x16\x03\x01" + mib,
		"*2\r\n$4\r\nAUTH\r\n$1000\r\nab", "MULTI\r\nSET a b\r\nEXEC\r\nQUIT\r\n", "HELLO 3\r\n", "SUBSCRIBE a\r\n", "RESET\r\nGET a\r\n",
	} {
		raw(text)(t, addr)
	}
	halves(t, addr)
	c := kvtest.Dial(t, addr)
	want(t, c, "OK", "AUTH", "secret")
	eventually(t, "all clients of the probes are gone", func() bool { return strings.Contains(c.Text("INFO", "clients"), "connected_clients:1\r") })
	if grown := heap() - before; grown > mostHeap {
		t.Errorf("%d bytes are left", grown)
	}
}
