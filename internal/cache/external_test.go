package cache

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/kv"
	"github.com/wayside-edge/wayside/internal/kv/engine"
	"github.com/wayside-edge/wayside/internal/kv/kvtest"
)

// patience is the timeout where a call has to succeed, on however slow a machine.
const patience = 30 * time.Second

// server starts a server as others run one, and gives a client of it and its address.
func server(t *testing.T) (*kvtest.Client, string) {
	t.Helper()
	_, addr := kvtest.Start(t, kv.Config{})
	return kvtest.Dial(t, addr), addr
}

// silent listens and does with a connection what a test says.
func silent(t *testing.T, serve func(conn net.Conn)) string {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
				serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		cancel()
		_ = l.Close()
		wg.Wait()
	})
	return l.Addr().String()
}

// answers gives the same to whoever asks for a value, and then nothing. Whatever else it is asked it does not know.
func answers(text string) func(net.Conn) {
	return func(conn net.Conn) {
		b := make([]byte, 4096)
		for {
			n, err := conn.Read(b)
			if err != nil {
				return
			}
			if strings.Contains(strings.ToLower(string(b[:n])), "getrange") {
				_, _ = conn.Write([]byte(text))
				swallow(conn)
				return
			}
			_, _ = conn.Write([]byte("-ERR unknown command\r\n"))
		}
	}
}

func swallow(conn net.Conn) {
	b := make([]byte, 4096)
	for {
		if _, err := conn.Read(b); err != nil {
			return
		}
	}
}

// TestServersThatFail counts what a server costs that does not do what it should: each call its timeout, three calls in a
// row, and then nothing.
func TestServersThatFail(t *testing.T) {
	_, refused := server(t)
	_, locked := kvtest.Start(t, kv.Config{Password: "right"})
	closed := silent(t, func(net.Conn) {})
	var lc net.ListenConfig
	gone, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	// Found out from what was said, and not by waiting for more.
	why := map[string]error{"promises much": errTooMuch, "two gigabytes": errTooMuch, "nested": errNotRedis, "talks nonsense": errNotRedis, "hangs": errSlow}
	for name, url := range map[string]string{
		"hangs":          "redis://" + silent(t, swallow),
		"is not there":   "redis://" + gone.Addr().String(),
		"closes":         "redis://" + closed,
		"wrong password": "redis://:wrong@" + locked,
		"no password":    "redis://" + locked,
		"no database":    "redis://" + refused + "/99",
		"no tls":         "rediss://" + refused,
		"talks nonsense": "redis://" + silent(t, answers("HTTP/1.1 200 OK\r\n\r\n")),
		"never ends":     "redis://" + silent(t, answers("$1000000\r\n")),
		"promises much":  "redis://" + silent(t, answers("$9223372036854775807\r\n")),
		"a long list":    "redis://" + silent(t, answers("*2147483647\r\n")),
		"two gigabytes":  "redis://" + silent(t, answers("$2000000000\r\nx")),
		"another type":   "redis://" + silent(t, answers(":7\r\n")),
		"an empty line":  "redis://" + silent(t, answers("\r\n")),
		"nested":         "redis://" + silent(t, answers(strings.Repeat("*1\r\n", 1<<20))),
		"is unknown":     "redis://nowhere.invalid:6379",
	} {
		t.Run(name, func(t *testing.T) {
			timeout := 100 * time.Millisecond
			if want := why[name]; want != nil && !errors.Is(want, errSlow) { // on a busy machine it may be late, and no other error will do
				timeout = patience
			}
			c := open(t, Config{URL: url, Timeout: timeout})
			began := time.Now()
			for range 20 {
				if _, err := c.Get(t.Context(), "k"); !errcode.Is(err, errcode.Unavailable) {
					t.Errorf("%v", err)
				}
			}
			if took, most := time.Since(began), patience; took > most {
				t.Errorf("20 calls took %v", took)
			}
			s := c.Status()
			if want := why[name]; want != nil && !strings.Contains(s.LastError, want.Error()) {
				t.Errorf("failed for %q, not for %q", s.LastError, want)
			}
			if s.State != StateFailing || s.Errors != 20 || s.LastError == "" || strings.Contains(s.LastError, "wrong@") {
				t.Errorf("%+v", s)
			}
		})
	}
}

// proxy passes connections on to a server until it is cut; then it takes none.
type proxy struct {
	addr string
	mu   sync.Mutex
	to   string // "" = cut
	open map[net.Conn]struct{}
}

func newProxy(t *testing.T) *proxy {
	t.Helper()
	p := &proxy{open: map[net.Conn]struct{}{}}
	p.addr = silent(t, func(conn net.Conn) {
		p.mu.Lock()
		to := p.to
		p.open[conn] = struct{}{}
		p.mu.Unlock()
		var d net.Dialer
		if to == "" {
			return
		}
		server, err := d.Dial("tcp", to)
		if err != nil {
			return
		}
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = copyUntilEnd(server, conn); _ = server.Close() })
		_, _ = copyUntilEnd(conn, server)
		_ = conn.Close()
		wg.Wait()
	})
	return p
}

func copyUntilEnd(to, from net.Conn) (int64, error) {
	b := make([]byte, 4096)
	for n := int64(0); ; {
		k, err := from.Read(b)
		if err != nil {
			return n, err
		}
		if _, err := to.Write(b[:k]); err != nil {
			return n, err
		}
		n += int64(k)
	}
}

func (p *proxy) pass(to string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.to = to; to == "" {
		for conn := range p.open {
			_ = conn.Close()
		}
	}
}

func TestServerThatComesBack(t *testing.T) {
	client, addr := server(t)
	p := newProxy(t)
	p.pass(addr)
	c := open(t, Config{URL: "redis://" + p.addr, Timeout: patience})
	put(t, c, "k", "1", 0)
	p.pass("")
	for range tripAfter + 2 {
		if _, err := c.Get(t.Context(), "k"); err == nil {
			t.Error("answered by nobody")
		}
	}
	if c.Status().State != StateFailing {
		t.Errorf("%+v", c.Status())
	}
	client.Do("SET", "k", "2")
	p.pass(addr)
	for deadline := time.Now().Add(patience); ; {
		it, err := c.Get(t.Context(), "k")
		if err == nil {
			if string(it.Value) != "2" || it.TTL != 0 {
				t.Errorf("%+v", it)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		<-time.After(20 * time.Millisecond) // the rest of the breaker
	}
}

// A server may close a connection that nobody uses; that costs no caller anything.
func TestConnectionsThatWereClosed(t *testing.T) {
	_, addr := server(t)
	p := newProxy(t)
	p.pass(addr)
	c := open(t, Config{URL: "redis://" + p.addr, Timeout: patience})
	for i := range 3 {
		put(t, c, "k", "1", 0)
		p.pass("")
		p.pass(addr)
		if it := get(t, c, "k"); !it.Found {
			t.Errorf("%d: %+v", i, it)
		}
	}
	if s := c.Status(); s.Errors != 0 {
		t.Errorf("%+v", s)
	}
}

func TestServerWithoutRoom(t *testing.T) {
	_, addr := kvtest.Start(t, kv.Config{Engine: engine.Config{MaxMemory: 4096, Policy: engine.NoEviction}})
	c := open(t, Config{URL: "redis://" + addr, Timeout: patience})
	var err error
	for i := 0; err == nil && i < 1000; i++ {
		err = c.Put(t.Context(), "k"+strings.Repeat("x", i%100), []byte(`"`+strings.Repeat("x", 100)+`"`), 0)
	}
	if s := c.Status(); !errcode.Is(err, errcode.Unavailable) || s.State != StateFailing || !strings.Contains(s.LastError, "OOM") {
		t.Fatalf("%v, %+v", err, s)
	}
	if !get(t, c, "k").Found {
		t.Error("what is there is not read any more")
	}
}

func TestPasswordAndDatabase(t *testing.T) {
	_, addr := kvtest.Start(t, kv.Config{Password: "right"})
	client := kvtest.Dial(t, addr)
	client.Do("AUTH", "right")
	for name, cfg := range map[string]Config{
		"in the address":     {URL: "redis://:right@" + addr + "/3"},
		"a user too":         {URL: "redis://default:right@" + addr + "/3"},
		"by its key":         {URL: "redis://" + addr, Password: "right", DB: 3},
		"instead of another": {URL: "redis://default:wrong@" + addr + "/2", Password: "right", DB: 3},
	} {
		cfg.Timeout, cfg.Prefix = patience, name+":"
		put(t, open(t, cfg), "k", "1", 0)
		client.Do("SELECT", "3")
		if got := client.Text("GET", name+":k"); got != "1" {
			t.Errorf("%s: %s", name, got)
		}
	}
	for _, url := range []string{"http://x", "redis://secret:a b@x", "redis://u:secret@x/notadb", "redis://[::1", "redis://u:secret@h:1?nonsense=1"} {
		_, err := New(Config{Enabled: true, URL: url})
		if !errcode.Is(err, errcode.ValidationFailed) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", url, err)
		}
	}
	if _, err := New(Config{Enabled: true}); err == nil {
		t.Error("a cache without a server")
	}
}

func TestPoolIsBounded(t *testing.T) {
	_, addr := kvtest.Start(t, kv.Config{})
	c := open(t, Config{URL: "redis://" + addr, Timeout: patience, PoolSize: 4})
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for range 20 {
				_, err := c.Get(t.Context(), "k")
				if err = errors.Join(err, c.Put(t.Context(), "k", []byte("1"), 0)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	client := kvtest.Dial(t, addr)
	if n := strings.Count(client.Text("CLIENT", "LIST"), "addr="); n > 2*5 { // each line has addr= and laddr=
		t.Errorf("%d connections, its own included", n/2)
	}
}
