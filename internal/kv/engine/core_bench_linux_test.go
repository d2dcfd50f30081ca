package engine

import (
	"fmt"
	goruntime "runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const benchKeys = 1_000_000

// fillKeys makes an engine with keys of 100 bytes under keys of 16, every second of which ends at about the same time.
func fillKeys(b *testing.B, e *Engine, n int, ends time.Duration) *Session {
	b.Helper()
	s := e.NewSession(nil)
	value := make([]byte, 100)
	e.Lock()
	defer e.Unlock()
	for i := range n {
		key := fmt.Appendf(nil, "key:%012d", i)
		if ends > 0 && i%2 == 0 {
			at := appendInt(nil, e.now+ends.Milliseconds()+int64(i%100))
			e.Do(s, [][]byte{[]byte("SET"), key, value, []byte("PXAT"), at}, Discard)
		} else {
			e.Do(s, [][]byte{[]byte("SET"), key, value}, Discard)
		}
	}
	b.ReportMetric(float64(e.Used())/float64(n), "counted_B/key")
	return s
}

func heapNow() uint64 {
	var m goruntime.MemStats
	goruntime.GC()
	goruntime.GC()
	goruntime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkKeyBytes measures what a key of 16 bytes with a value of 100 takes, and what is left when all are deleted.
func BenchmarkKeyBytes(b *testing.B) {
	for range b.N {
		before := heapNow()
		e := New(Config{})
		s := fillKeys(b, e, benchKeys, 0)
		b.ReportMetric(float64(heapNow()-before)/benchKeys, "heap_B/key")
		e.Lock()
		for i := range benchKeys {
			e.Do(s, [][]byte{[]byte("DEL"), fmt.Appendf(nil, "key:%012d", i)}, Discard)
		}
		e.Unlock()
		b.ReportMetric(float64(int64(heapNow())-int64(before))/(1<<20), "left_MiB")
		goruntime.KeepAlive(e)
	}
}

// cpuTime is what the thread has computed so far: unlike the clock it does not count what others on the machine take. The
// caller keeps to its thread.
func cpuTime() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// stalls are how long things took.
type stalls []time.Duration

func (s *stalls) measure(do func()) {
	begin := cpuTime()
	do()
	*s = append(*s, cpuTime()-begin)
}

func (s *stalls) report(b *testing.B, what string) {
	b.Helper()
	slices.Sort(*s)
	b.ReportMetric(float64((*s)[len(*s)-1].Microseconds()), what+"_longest_us")
	b.ReportMetric(float64((*s)[len(*s)*999/1000].Microseconds()), what+"_p999_us")
}

// BenchmarkStall measures the longest that a slice of ending keys, a GET, a SET and a DEL take while half of a million
// keys end and Go's collector runs again and again. What a client waits for is one of them.
func BenchmarkStall(b *testing.B) {
	goruntime.LockOSThread()
	defer goruntime.UnlockOSThread()
	for range b.N {
		var now atomic.Int64
		e := New(Config{Clock: func() time.Time { return time.UnixMilli(1_700_000_000_000 + now.Load()) }})
		s := fillKeys(b, e, benchKeys, time.Second)
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for {
				select {
				case <-stop:
					return
				default:
					goruntime.GC()
				}
			}
		}()
		now.Store(10_000)
		var cycles, gets, sets, dels stalls
		run := func(list *stalls, args ...[]byte) {
			list.measure(func() {
				e.Lock()
				e.Do(s, args, Discard)
				e.Unlock()
			})
		}
		value := make([]byte, 100)
		for i := 1; ; i += 2 {
			run(&gets, []byte("GET"), fmt.Appendf(nil, "key:%012d", i))
			run(&sets, []byte("SET"), fmt.Appendf(nil, "new:%012d", i), value)
			run(&dels, []byte("DEL"), fmt.Appendf(nil, "key:%012d", i))
			cycles.measure(func() { e.Cycle() })
			if _, ends := e.Size(0); ends == 0 {
				break
			}
		}
		close(stop)
		<-stopped
		cycles.report(b, "cycle")
		gets.report(b, "get")
		sets.report(b, "set")
		dels.report(b, "del")
	}
}

// BenchmarkSetGet is the cost of a command without a socket.
func BenchmarkSetGet(b *testing.B) {
	for _, name := range []string{"SET", "GET", "INCR"} {
		b.Run(name, func(b *testing.B) {
			e := New(Config{})
			s := fillKeys(b, e, 10_000, 0)
			value := []byte("0123456789abcdef")
			keys := make([][]byte, 10_000)
			for i := range keys {
				keys[i] = fmt.Appendf(nil, "key:%012d", i)
			}
			e.Lock()
			defer e.Unlock()
			if name == "INCR" {
				for _, key := range keys {
					e.Do(s, [][]byte{[]byte("SET"), key, []byte("1")}, Discard)
				}
			}
			args := [][]byte{[]byte(name), nil, value}
			if name != "SET" {
				args = args[:2]
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				args[1] = keys[i%len(keys)]
				e.Do(s, args, Discard)
			}
		})
	}
}

// BenchmarkExpire is the cost of EXPIRE of one of a million keys, half of which have an end already.
func BenchmarkExpire(b *testing.B) {
	e := New(Config{})
	s := fillKeys(b, e, benchKeys, time.Hour)
	e.Lock()
	defer e.Unlock()
	goruntime.LockOSThread()
	defer goruntime.UnlockOSThread()
	key, args := make([]byte, 0, 32), [][]byte{[]byte("EXPIRE"), nil, nil}
	b.ReportAllocs()
	b.ResetTimer()
	begin := cpuTime()
	defer func() { b.ReportMetric(float64(cpuTime()-begin)/float64(b.N), "cpu_ns/op") }()
	for i := range b.N {
		key = fmt.Appendf(key[:0], "key:%012d", i*7919%benchKeys)
		args[1], args[2] = key, strconv.AppendInt(args[2][:0], int64(1000+i%5000), 10)
		e.Do(s, args, Discard)
	}
}

// BenchmarkEvict is the cost of a key that goes, by policy, from a million.
func BenchmarkEvict(b *testing.B) {
	for _, p := range []Policy{AllKeysLRU, AllKeysLFU, AllKeysRandom, VolatileLRU, VolatileTTL} {
		b.Run(p.String(), func(b *testing.B) {
			e := New(Config{Policy: p})
			fillKeys(b, e, benchKeys, time.Hour)
			e.Lock()
			defer e.Unlock()
			b.ResetTimer()
			for e.stats.Evicted < int64(b.N) {
				e.cfg.MaxMemory = e.used - 1
				if !e.room() {
					b.Fatal("no key goes")
				}
			}
		})
	}
}
