package kv_test

import (
	"context"
	"crypto/tls"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/kv"
	"github.com/wayside-edge/wayside/internal/kv/aof"
	"github.com/wayside-edge/wayside/internal/kv/kvtest"
)

// keeper is a log whose disk a test holds back.
type keeper struct {
	mu       sync.Mutex
	position int64
	kept     chan struct{} // closed when all is kept
	failure  error
	lost     bool // nothing is kept any more
	status   aof.Status
	rewrites int
	took     chan struct{} // something to be kept has come; nil = nobody asks
}

func (k *keeper) Begin()          {}
func (k *keeper) End()            {}
func (k *keeper) Position() int64 { return k.position }

func (k *keeper) Effect(int, [][]byte) {
	k.position++
	if k.took != nil && k.position == 1 {
		close(k.took)
	}
}

func (k *keeper) Kept(position, own int64) (kept bool, moved <-chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failure != nil {
		position = own
	}
	if k.lost {
		return position == 0, nil
	}
	select {
	case <-k.kept:
		return true, nil
	default:
		return position == 0, k.kept
	}
}

func (k *keeper) Failure() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.failure
}

func (k *keeper) Rewrite() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.rewrites++
}

func (k *keeper) Status() aof.Status {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.status
}

func (k *keeper) change(f func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f()
}

// keep starts a server whose log is k.
func keep(t *testing.T, k *keeper) (addr string) {
	t.Helper()
	return keepFor(t, k, 0).Addrs()[0].String()
}

// keepFor has answers wait for so long.
func keepFor(t *testing.T, k *keeper, patience time.Duration) *kv.Server {
	t.Helper()
	cfg := kv.Config{Addr: "127.0.0.1:0", Patience: patience, TLSAddr: "127.0.0.1:0", TLS: &tls.Config{Certificates: []tls.Certificate{certificate(t)}}}
	cfg.Engine.Effects = k
	s, err := kv.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.Keep(k)
	ended := make(chan error, 1)
	go func() { ended <- s.Run(context.WithoutCancel(t.Context())) }()
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), <-ended); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestAnswersWaitForTheLog(t *testing.T) {
	for _, encrypted := range []bool{false, true} {
		k := &keeper{kept: make(chan struct{})}
		dial := dialer(t, keepFor(t, k, 0), encrypted)
		reader, writer := dial(), dial()
		want(t, reader, "PONG", "PING")
		writer.Send("SET", "a", "1")
		_ = writer.Conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if n, err := writer.Conn.Read(make([]byte, 10)); err == nil {
			t.Fatalf("%d bytes were answered before the change was kept", n)
		}
		close(k.kept)
		if encrypted { // which cannot be read from any more after that
			continue
		}
		if got := kvtest.Text(writer.Read()); got != "OK" {
			t.Errorf("answered %s", got)
		}
	}
}

// TestWhatCannotBeKeptIsNotAnswered ends the connections of those whose answers would tell of it: also of one that sends
// nothing more, and of one that goes on.
func TestWhatCannotBeKeptIsNotAnswered(t *testing.T) {
	for _, encrypted := range []bool{false, true} {
		k := &keeper{kept: make(chan struct{}), lost: true}
		dial := dialer(t, keepFor(t, k, 300*time.Millisecond), encrypted)
		silent, busy := dial(), dial()
		silent.Send("SET", "a", "1")
		busy.Write(strings.Repeat(kvtest.Command("SET", "b", "1"), 1000))
		for _, c := range []*kvtest.Client{silent, busy} {
			_ = c.Conn.SetReadDeadline(time.Now().Add(kvtest.Patience))
			if n, err := c.Conn.Read(make([]byte, 10)); n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("a change that may not be kept is told by %d bytes and %v", n, err)
			}
		}
	}
}

// TestWhoWaitsForTheLogHoldsNobodyUp has a client wait for the disk: what others send runs, also of those who come then, and
// all are answered when the disk has it.
func TestWhoWaitsForTheLogHoldsNobodyUp(t *testing.T) {
	k := &keeper{kept: make(chan struct{}), took: make(chan struct{})}
	s := keepFor(t, k, 0)
	dial := dialer(t, s, false)
	first := dial()
	first.Write("SET a 1\r\nSET a 2\r\n")
	<-k.took
	second := dial()
	second.Send("SET", "b", "1")
	eventually(t, "the second one's command runs", func() bool { return keys(s) == 2 })
	close(k.kept)
	for _, c := range []*kvtest.Client{first, first, second} {
		if got := kvtest.Text(c.Read()); got != "OK" {
			t.Errorf("answered %s", got)
		}
	}
	want(t, second, "2", "GET", "a")
}

func TestALogThatFailsRefusesWrites(t *testing.T) {
	k := &keeper{kept: make(chan struct{})}
	close(k.kept)
	c := kvtest.Dial(t, keep(t, k))
	want(t, c, "OK", "SET", "a", "1")
	k.change(func() { k.failure = errors.New("no space left on device") })
	eventually(t, "writes are refused", func() bool {
		return c.Text("SET", "b", "2") == "-MISCONF Errors writing to the AOF file: no space left on device"
	})
	want(t, c, "1", "GET", "a")
	k.change(func() { k.failure = nil })
	eventually(t, "writes are taken again", func() bool { return c.Text("SET", "a", "3") == "OK" })
}

// TestReadsGoOnWhileNothingIsKept has a change wait for a disk that fails: others read on. One that was given an element by
// that change is not answered, as it may be there again after a crash.
func TestReadsGoOnWhileNothingIsKept(t *testing.T) {
	k := &keeper{kept: make(chan struct{}), took: make(chan struct{})}
	addr := keep(t, k)
	reader, writer, popper := kvtest.Dial(t, addr), kvtest.Dial(t, addr), kvtest.Dial(t, addr)
	popper.Send("BLPOP", "list", "0")
	eventually(t, "one waits", func() bool { return strings.Contains(reader.Text("INFO", "clients"), "blocked_clients:1") })
	writer.Send("RPUSH", "list", "a")
	<-k.took
	k.change(func() { k.failure = errors.New("no space left on device") })
	want(t, reader, "0", "LLEN", "list")
	for _, c := range []*kvtest.Client{writer, popper} {
		_ = c.Conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if n, err := c.Conn.Read(make([]byte, 100)); err == nil {
			t.Errorf("%d bytes were answered before the change was kept", n)
		}
	}
	close(k.kept)
	if got := kvtest.Text(popper.Read()); got != "[list a]" {
		t.Errorf("popped %s", got)
	}
}

func TestSaving(t *testing.T) {
	k := &keeper{kept: make(chan struct{})}
	close(k.kept)
	addr := keep(t, k)
	a, b := kvtest.Dial(t, addr), kvtest.Dial(t, addr)
	want(t, a, "OK", "SET", "a", "1")
	a.Send("SAVE")
	eventually(t, "the save begins", func() bool { return strings.Contains(b.Text("INFO", "persistence"), "rdb_bgsave_in_progress:1") })
	want(t, b, "-ERR Background save already in progress", "BGSAVE")
	want(t, b, "-ERR Background append only file rewriting already in progress", "BGREWRITEAOF")
	k.change(func() { k.status.Rewrites++ })
	if got := kvtest.Text(a.Read()); got != "OK" {
		t.Errorf("SAVE answers %s", got)
	}
	if info := b.Text("INFO", "persistence"); !strings.Contains(info, "rdb_changes_since_last_save:0") || !strings.Contains(info, "aof_enabled:1") {
		t.Error(info)
	}
	want(t, a, "Background append only file rewriting started", "BGREWRITEAOF")
	k.change(func() { k.status.RewriteErr = errors.New("no space") })
	eventually(t, "the failure is told", func() bool { return strings.Contains(b.Text("INFO", "persistence"), "aof_last_bgrewrite_status:err") })
	eventually(t, "another save may begin", func() bool { return b.Text("BGSAVE") == "Background saving started" })
	k.change(func() {
		if k.rewrites != 3 {
			t.Errorf("%d rewrites were asked for", k.rewrites)
		}
	})
}
