package kv_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	goruntime "runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/kv"
	"github.com/wayside-edge/wayside/internal/kv/kvtest"
)

// leastProbe is how long a probe is repeated, that another client has something to tell.
const leastProbe = time.Second

// BenchmarkProbes measures what each probe costs another client, which sends a command a millisecond from a process of its
// own: the p99 of its answers and the longest. KV_PROBED is the address of a server in another process, which may be another
// program; without it the server shares this process with what probes it, and is disturbed by that too. The first rows are
// what the machine costs: nobody disturbs the server, or somebody who does not know it is busy. `make kv-probes` has all.
func BenchmarkProbes(b *testing.B) {
	addr := os.Getenv("KV_PROBED")
	if addr == "" {
		_, addr = kvtest.Start(b, kv.Config{MaxClients: 20_000})
	}
	machine := []probe{
		{"nobody", func(testing.TB, string) { burn(0) }},
		{"a core busy elsewhere", func(testing.TB, string) { burn(1) }},
		{"all cores busy elsewhere", func(testing.TB, string) { burn(goruntime.NumCPU()) }},
	}
	for _, p := range append(machine, probes()...) {
		b.Run(strings.ReplaceAll(p.name, " ", "_"), func(b *testing.B) {
			var p99, longest time.Duration
			for range b.N {
				end := witnessElsewhere(b, addr)
				for begin := time.Now(); time.Since(begin) < leastProbe; {
					p.run(b, addr)
				}
				p, l := end()
				p99, longest = max(p99, p), max(longest, l)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(p99.Seconds()*1000, "p99-ms")
			b.ReportMetric(longest.Seconds()*1000, "longest-ms")
		})
	}
}

// burn has n cores be busy.
func burn(n int) {
	until := time.Now().Add(leastProbe)
	if n == 0 {
		time.Sleep(time.Until(until))
	}
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for time.Now().Before(until) {
			}
		})
	}
	wg.Wait()
}

// witnessElsewhere starts a witness in a process of its own: in that of a probe it would wait for the probe.
func witnessElsewhere(b *testing.B, addr string) (end func() (p99, longest time.Duration)) {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.CommandContext(b.Context(), self, "-test.run", "^TestWitness$", "-test.v")
	cmd.Env = append(os.Environ(), "KV_WITNESS="+addr)
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	if os.Getenv("KV_NICED") != "" { // this process is, and others are not
		if err := syscall.Setpriority(syscall.PRIO_PROCESS, cmd.Process.Pid, 0); err != nil {
			b.Fatal(err)
		}
	}
	lines := bufio.NewScanner(out)
	said := func(prefix string) string {
		for lines.Scan() {
			if line, ok := strings.CutPrefix(lines.Text(), prefix); ok {
				return line
			}
		}
		b.Error("the other client is gone")
		return ""
	}
	said("witness begins")
	return func() (p99, longest time.Duration) {
		_ = in.Close()
		var n int
		if _, err := fmt.Sscan(said("witness saw"), &n, &p99, &longest); err != nil {
			b.Error(err)
		}
		_, _ = io.Copy(io.Discard, out)
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
		b.Logf("another client: %d answers, p99 %v, longest %v", n, p99, longest)
		return p99, longest
	}
}

// TestWitness is what witnessElsewhere starts.
func TestWitness(t *testing.T) {
	addr := os.Getenv("KV_WITNESS")
	if addr == "" {
		t.Skip("KV_WITNESS names no address")
	}
	w := watch(t, addr)
	fmt.Println("witness begins")
	_, _ = io.Copy(io.Discard, os.Stdin)
	p99, longest := w.end(t)
	fmt.Println("witness saw", len(w.times), int64(p99), int64(longest))
}
