package kv_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/kv"
	"github.com/wayside-edge/wayside/internal/kv/kvtest"
)

// eventually waits until something is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(kvtest.Patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it does not happen that %s", what)
		}
	}
}

// clock is one that a test moves.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time           { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(by time.Duration) { c.ahead.Add(int64(by)) }

func want(t *testing.T, c *kvtest.Client, want string, args ...string) {
	t.Helper()
	if got := c.Text(args...); got != want {
		t.Errorf("%q answers %s, want %s", args, got, want)
	}
}

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestAllListenersServe(t *testing.T) {
	cert := certificate(t)
	socket := filepath.Join(t.TempDir(), "s")
	s, addr := kvtest.Start(t, kv.Config{Socket: socket, TLSAddr: "127.0.0.1:0", TLS: &tls.Config{Certificates: []tls.Certificate{cert}}})
	want(t, kvtest.Dial(t, addr), "OK", "SET", "a", "1")
	d := net.Dialer{}
	conn, err := d.DialContext(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	c := kvtest.On(t, conn)
	want(t, c, "1", "GET", "a")
	if line := c.Text("CLIENT", "INFO"); !strings.Contains(line, "addr="+socket+":0") || !strings.Contains(line, "flags=U") {
		t.Errorf("a client of the socket is %s", line)
	}
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket's mode is %v, %v", info.Mode(), err)
	}
	roots := x509.NewCertPool()
	leaf, _ := x509.ParseCertificate(cert.Certificate[0])
	roots.AddCert(leaf)
	td := tls.Dialer{Config: &tls.Config{RootCAs: roots}}
	conn, err = td.DialContext(t.Context(), "tcp", s.Addrs()[2].String())
	if err != nil {
		t.Fatal(err)
	}
	want(t, kvtest.On(t, conn), "1", "GET", "a")
}

func TestASocketThatWasLeftBehindIsReplaced(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Open(kv.Config{Socket: socket}); err == nil {
		t.Error("a socket that somebody serves was taken")
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
	s, err := kv.Open(kv.Config{Socket: socket})
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
}

func TestStrangersNeedAPassword(t *testing.T) {
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0", "example.com:0"} {
		for _, cfg := range []kv.Config{{Addr: addr}, {TLSAddr: addr, TLS: &tls.Config{}}} {
			if _, err := kv.Open(cfg); !errors.Is(err, kv.ErrOpenToAll) {
				t.Errorf("%s without a password: %v", addr, err)
			}
		}
	}
	s, err := kv.Open(kv.Config{Addr: "0.0.0.0:0", Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	ran := make(chan error, 1)
	go func() { ran <- s.Run(t.Context()) }()
	_, port, _ := net.SplitHostPort(s.Addrs()[0].String())
	c := kvtest.Dial(t, "127.0.0.1:"+port)
	want(t, c, "-NOAUTH Authentication required.", "GET", "a")
	want(t, c, "OK", "AUTH", "secret")
	for _, open := range [][]string{{"CONFIG", "SET", "requirepass", ""}, {"ACL", "SETUSER", "default", "nopass"}} {
		if got := c.Text(open...); !strings.HasPrefix(got, "-ERR") {
			t.Errorf("%q answers %s", open, got)
		}
	}
	if err := errors.Join(s.Close(), <-ran, s.Close()); err != nil {
		t.Error(err)
	}
}

func TestOnlySoManyClients(t *testing.T) {
	_, addr := kvtest.Start(t, kv.Config{MaxClients: 2})
	a, b := kvtest.Dial(t, addr), kvtest.Dial(t, addr)
	want(t, a, "PONG", "PING")
	want(t, b, "PONG", "PING")
	c := kvtest.Dial(t, addr)
	if got := kvtest.Text(c.Read()); got != "-ERR max number of clients reached" {
		t.Errorf("the third is told %s", got)
	}
	_ = b.Conn.Close()
	eventually(t, "a place is free again", func() bool { return !strings.Contains(a.Text("INFO", "clients"), "connected_clients:2") })
	want(t, kvtest.Dial(t, addr), "PONG", "PING")
}

func TestSilentClientsAreClosed(t *testing.T) {
	var ck clock
	cfg := kv.Config{IdleTimeout: time.Minute, Password: "secret", AuthTimeout: 10 * time.Second}
	cfg.Engine.Clock = ck.now
	_, addr := kvtest.Start(t, cfg)
	login := func() *kvtest.Client {
		c := kvtest.Dial(t, addr)
		want(t, c, "OK", "AUTH", "secret")
		return c
	}
	silent, listener, waiting, unknown := login(), login(), login(), kvtest.Dial(t, addr)
	want(t, listener, "[subscribe a 1]", "SUBSCRIBE", "a")
	want(t, unknown, "-NOAUTH Authentication required.", "PING", "a")
	waiting.Send("CLIENT", "REPLY", "OFF")
	ck.advance(20 * time.Second)
	if !unknown.Closed() {
		t.Error("a client that does not say who it is stays")
	}
	want(t, silent, "PONG", "PING")
	ck.advance(2 * time.Minute)
	if !silent.Closed() {
		t.Error("a silent client stays")
	}
	want(t, listener, "[pong ]", "PING")
}

func TestWhatIsNoRedisIsClosed(t *testing.T) {
	_, addr := kvtest.Start(t, kv.Config{})
	for _, text := range []string{
		"POST / HTTP/1.1\r\nHost: localhost\r\n\r\nSET a evil\r\n", "Host: localhost\r\nSET a evil\r\n", "*1\r\n$4\r\npost\r\n",
		"GET / HTTP/1.1\r\nhOsT: localhost\r\n\r\nSET a evil\r\n",
	} {
		c := kvtest.Dial(t, addr)
		c.Write(text)
		if !c.Closed() {
			t.Errorf("after %.20q the connection stays", text)
		}
	}
	want(t, kvtest.Dial(t, addr), "nil", "GET", "a")
}

func TestCommandsThatAreNoneYetHaveABound(t *testing.T) {
	_, addr := kvtest.Start(t, kv.Config{QueryBuffer: 1 << 20})
	open := kvtest.Dial(t, addr)
	go func() {
		_, _ = io.WriteString(open.Conn, "*2\r\n$3\r\nGET\r\n$100000000\r\n"+strings.Repeat("x", 4<<20))
	}()
	if !open.Closed() {
		t.Error("a command without an end stays")
	}
	multi := kvtest.Dial(t, addr)
	go func() {
		_, _ = io.WriteString(multi.Conn, "MULTI\r\n"+strings.Repeat(kvtest.Command("SET", "k", strings.Repeat("v", 1000)), 2000))
	}()
	if !multi.Closed() {
		t.Error("a transaction without an end stays")
	}
	waits := kvtest.Dial(t, addr)
	waits.Send("CLIENT", "PAUSE", "100000")
	if got := kvtest.Text(waits.Read()); got != "OK" {
		t.Fatal(got)
	}
	waits.Send("SET", "a", "b")
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.WriteString(waits.Conn, strings.Repeat(kvtest.Command("GET", "a"), 1<<20))
	}()
	other := kvtest.Dial(t, addr)
	eventually(t, "the client waits", func() bool { return strings.Contains(other.Text("CLIENT", "LIST"), "flags=b") })
	want(t, other, "OK", "CLIENT", "UNPAUSE")
	for range 1 + 1<<20 {
		waits.Read()
	}
	<-sent
}

func TestWhatIsNotReadHasABound(t *testing.T) {
	_, addr := kvtest.Start(t, kv.Config{OutputPubSub: kv.OutputLimit{Hard: 1 << 20}, OutputNormal: kv.OutputLimit{Hard: 1 << 20}})
	listener, c := kvtest.Dial(t, addr), kvtest.Dial(t, addr)
	want(t, listener, "[subscribe ch 1]", "SUBSCRIBE", "ch")
	message := strings.Repeat("x", 64<<10)
	eventually(t, "a subscriber that does not read is closed", func() bool { return c.Text("PUBLISH", "ch", message) == "0" })
	if !listener.Closed() {
		t.Error("it stays")
	}
	want(t, c, "OK", "SET", "big", strings.Repeat("x", 2<<20))
	reader := kvtest.Dial(t, addr)
	reader.Send("GET", "big")
	if !reader.Closed() {
		t.Error("an answer larger than allowed was sent")
	}
	want(t, c, "PONG", "PING")
}

func TestASoftLimitCountsAfterAWhile(t *testing.T) {
	var ck clock
	cfg := kv.Config{OutputPubSub: kv.OutputLimit{Soft: 1 << 20, For: time.Minute}}
	cfg.Engine.Clock = ck.now
	_, addr := kvtest.Start(t, cfg)
	listener, c := kvtest.Dial(t, addr), kvtest.Dial(t, addr)
	want(t, listener, "[subscribe ch 1]", "SUBSCRIBE", "ch")
	for range 300 {
		want(t, c, "1", "PUBLISH", "ch", strings.Repeat("x", 64<<10))
	}
	ck.advance(2 * time.Minute)
	eventually(t, "the subscriber is closed", func() bool { return c.Text("PUBSUB", "NUMSUB", "ch") == "[ch 0]" })
}

func TestTheEndLetsAnswersOut(t *testing.T) {
	s, err := kv.Open(kv.Config{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	addr := s.Addrs()[0].String()
	idle, stuck, c := kvtest.Dial(t, addr), kvtest.Dial(t, addr), kvtest.Dial(t, addr)
	want(t, idle, "PONG", "PING")
	want(t, c, "OK", "SET", "big", strings.Repeat("x", 16<<20))
	stuck.Send("GET", "big") // and never reads
	c.Send("GET", "big")
	got := make(chan string, 1)
	go func() {
		v, _ := c.Read().(string)
		got <- v
	}()
	if n := len(<-got); n != 16<<20 {
		t.Errorf("%d bytes of the answer came", n)
	}
	stop()
	if err := <-ran; err != nil {
		t.Error(err)
	}
	if !idle.Closed() {
		t.Error("an idle client stays")
	}
	if err := s.Run(t.Context()); err == nil {
		t.Error("it runs a second time")
	}
	_ = s.Close()
}

func TestCloseWithoutRun(t *testing.T) {
	s, err := kv.Open(kv.Config{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	if _, err := net.DialTimeout("tcp", s.Addrs()[0].String(), time.Second); err == nil {
		t.Error("it still listens")
	}
}
