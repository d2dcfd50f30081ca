package app

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/httpapi"
	"github.com/wayside-edge/wayside/internal/kv/engine"
)

// BenchmarkKeysBesideOthers reads large values and long lists of keys while another client takes the engine's lock again and
// again, and tells how long that one waits, half-µs and p99-µs, and, for machines that do other things as well, the processor
// time that an answer takes, of all its slices together: cpu-µs.
func BenchmarkKeysBesideOthers(b *testing.B) {
	k, _ := newKeyspace(engine.Config{})
	fillLarge(b, k)
	value := func(key, cursor string) func() error {
		return func() error {
			_, err := k.Value(b.Context(), httpapi.KVPiece{Key: key, Limit: 1000, Cursor: cursor})
			return err
		}
	}
	for name, read := range map[string]func() error{
		"nothing":       func() error { time.Sleep(time.Millisecond); return nil },
		"string-512MiB": value("string", strconv.Itoa(256<<20)),
		"list-10M":      value("list", "5000000"),
		"hash-1M":       value("hash", ""),
		"zset-1M":       value("zset", "500000"),
		"stream-1M":     value("stream", "500000-1"),
		"keys-1M": func() error {
			_, _, _, err := k.Keys(b.Context(), httpapi.KVQuery{DB: 1, Limit: 1000})
			return err
		},
		"keys-1M-match-none": func() error {
			_, _, _, err := k.Keys(b.Context(), httpapi.KVQuery{DB: 1, Limit: 1000, Match: "*nothing*like*this*"})
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			stop, waits := make(chan struct{}), make(chan []time.Duration)
			go func() { waits <- lockAgain(k.engine, stop) }()
			before := processorTime(b)
			for b.Loop() {
				if err := read(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(b.N), "cpu-µs")
			close(stop)
			all := <-waits
			slices.Sort(all)
			for label, i := range map[string]int{"half-µs": len(all) / 2, "p99-µs": len(all) * 99 / 100} {
				b.ReportMetric(float64(all[i].Nanoseconds())/1000, label)
			}
		})
	}
}

// processorTime is what the process has used so far.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// lockAgain is another client, every 100 µs.
func lockAgain(e *engine.Engine, stop <-chan struct{}) (waits []time.Duration) {
	tick := time.NewTicker(100 * time.Microsecond)
	defer tick.Stop()
	for {
		begin := time.Now()
		e.Lock()
		waits = append(waits, time.Since(begin))
		e.Unlock()
		select {
		case <-stop:
			return waits
		case <-tick.C:
		}
	}
}

func fillLarge(b *testing.B, k *keyspace) {
	b.Helper()
	k.do(b, "SETRANGE", "string", strconv.Itoa(512<<20-1), "x")
	many := func(n, step int, command string, each func(i int) []string) {
		for i := 0; i < n; i += step {
			args := strings.Fields(command)
			for j := range step {
				args = append(args, each(i+j)...)
			}
			k.do(b, args...)
		}
	}
	many(10_000_000, 1000, "RPUSH list", func(i int) []string { return []string{strconv.Itoa(i)} })
	many(1_000_000, 1000, "HSET hash", func(i int) []string { return []string{strconv.Itoa(i), "value"} })
	many(1_000_000, 1000, "ZADD zset", func(i int) []string { return []string{strconv.Itoa(i), "m" + strconv.Itoa(i)} })
	for i := range 1_000_000 {
		k.do(b, "XADD", "stream", strconv.Itoa(i+1)+"-1", "f", "v")
	}
	k.engine.Lock()
	defer k.engine.Unlock()
	s := k.session(1)
	for i := 0; i < 1_000_000; i += 1000 {
		args := []string{"MSET"}
		for j := range 1000 {
			args = append(args, fmt.Sprintf("key:%d", i+j), "x")
		}
		k.engine.Do(s, kvCall(args...), &kvAnswer{})
	}
}
