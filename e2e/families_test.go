//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wayside-edge/wayside/internal/kv/kvtest"
	"github.com/wayside-edge/wayside/plugins/rail/railtest"
	"github.com/wayside-edge/wayside/sdk/client"
)

const traceID = "4bf92f3577b34da6a3ce929d0e0e4736"

// documentedFamilies reads the list of all metrics: their types, by name.
func documentedFamilies(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	types := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (counter|gauge|histogram)").FindAllSubmatch(text, -1) {
		types[string(m[1])] = string(m[2])
	}
	if len(types) < 110 {
		t.Fatalf("docs/metrics.md lists %d families", len(types))
	}
	return types
}

// exposition is what /metrics says: the types of its families, and the values of series, of histograms their counts.
type exposition struct {
	types  map[string]string
	series map[string]map[string]float64 // by family
}

func (a *appliance) exposition() exposition {
	a.t.Helper()
	x := exposition{types: map[string]string{}, series: map[string]map[string]float64{}}
	family := ""
	for line := range strings.Lines(a.text("/metrics")) {
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, kind, _ := strings.Cut(strings.TrimSpace(rest), " ")
			family = name
			x.types[name], x.series[name] = kind, map[string]float64{}
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || at < 0 || (x.types[family] == "histogram" && !strings.HasPrefix(line, family+"_count")) {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64)
		if err != nil {
			a.t.Fatalf("line %q: %v", line, err)
		}
		x.series[family][line[:at]] = v
	}
	return x
}

// keptFamily reports whether dashboards of earlier systems ask for a family.
func keptFamily(name string) bool { return !strings.HasPrefix(name, "wayside_") }

// constant are families that say something that does not change while all goes well.
func constant() []string {
	return []string{"atp_application_info", "atp_database_connections_active", "db_connection_pool_size", "db_connection_pool_available", "model_server_availability"}
}

// TestEveryFamily lets everything happen that is measured: every documented family is there, as it is documented, and
// those that dashboards ask for change.
func TestEveryFamily(t *testing.T) {
	t.Setenv("WAYSIDE_METRICS_INTERVAL", "1s")
	t.Setenv("WAYSIDE_KV_MAXMEMORY", "1MiB")
	addr := kvAddress(t)
	dir := t.TempDir()
	a := start(t, dir, "--kv-listen", addr)
	before := a.exposition()
	disks := diskSectors(t)

	release := a.halfUpload(t)
	a.everythingHappens(t, addr)
	readFromDisk(t, filepath.Join(dir, "..", "read"))

	documented := documentedFamilies(t)
	var missing []string
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		now := a.exposition()
		missing = a.unlike(before, now, documented)
		if diskSectors(t)[0] == disks[0] { // the machine says that nothing was read
			missing = slices.DeleteFunc(missing, func(s string) bool { return strings.HasPrefix(s, "system_disk_io_read") })
		}
		if len(missing) == 0 || time.Now().After(deadline) {
			break
		}
	}
	for _, s := range missing {
		t.Error(s)
	}
	release()
	for _, name := range []string{"atp_api_requests_in_progress", "api_requests_in_progress"} {
		for series, n := range a.exposition().series[name] {
			if want := map[bool]float64{true: 1}[strings.Contains(series, "/metrics")]; n != want {
				t.Errorf("%s is %v, want %v", series, n, want)
			}
		}
	}
	a.wantExemplars(t)
	if took, err := a.stop(); err != nil {
		t.Errorf("stop after %v: %v\n%s", took, err, a.log.tail())
	}
}

// unlike says what of the documented families is missing, of another type, or has not changed though it should.
func (a *appliance) unlike(before, now exposition, documented map[string]string) (problems []string) {
	for name, kind := range documented {
		switch {
		case now.types[name] != kind:
			problems = append(problems, fmt.Sprintf("%s is a %q, documented as a %s", name, now.types[name], kind))
		case keptFamily(name) && !slices.Contains(constant(), name) && maps.Equal(before.series[name], now.series[name]):
			problems = append(problems, fmt.Sprintf("%s has not changed: %v", name, now.series[name]))
		}
	}
	for name := range now.types {
		if documented[name] == "" && !strings.HasPrefix(name, "go_") && !strings.HasPrefix(name, "process_") {
			problems = append(problems, name+" is not documented")
		}
	}
	return problems
}

// everythingHappens makes each thing happen that some family counts.
func (a *appliance) everythingHappens(t *testing.T, addr string) {
	t.Helper()
	data := example(t)
	a.uploadInTrace(t, data)
	a.upload("again", data, "")
	a.upload("broken", bytes.Repeat([]byte("no recording of any train. "), 40), "&decoder=rail")
	a.batchEnd(a.batch("application/zip", "", zipped(t, member{"1.RU", railtest.Cut(data, 2)[0]})).ID)

	c := a.jobs()
	enqueueJob(t, c, client.NewJob{Type: "mail", Queue: "email"})
	enqueueJob(t, c, client.NewJob{Type: "mail", Queue: "email", Delay: 3600})
	for _, j := range leaseJobs(t, c, client.LeaseRequest{Queues: []string{"email"}, Wait: 5}) {
		must[client.Ended](t)(c.Finish(t.Context(), "w", client.Ends{Ack: []client.Ack{{ID: j.ID, Lease: j.Lease}}}))
	}

	kv := kvtest.Dial(t, addr)
	large := strings.Repeat("x", 64<<10)
	for i := range 40 { // more than there is room for
		kv.Do("SET", fmt.Sprint("large", i), large)
	}
}

// uploadInTrace uploads as one whose trace is known.
func (a *appliance) uploadInTrace(t *testing.T, data []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.url+"/api/v1/files?wait=30&name=traced", bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Traceparent", "00-"+traceID+"-00f067aa0ba902b7-01")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("upload: %d", resp.StatusCode)
	}
}

// halfUpload begins an upload and leaves it at that. The function it gives ends it.
func (a *appliance) halfUpload(t *testing.T) (release func()) {
	t.Helper()
	r, w := io.Pipe()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _, _ = a.call(t.Context(), http.MethodPost, "/api/v1/files?name=half", r, nil)
	}()
	if _, err := w.Write([]byte("half of something")); err != nil {
		t.Fatal(err)
	}
	return func() { _ = w.Close(); <-ended }
}

// wantExemplars looks for the trace of an upload at the times of its request and of its decode.
func (a *appliance) wantExemplars(t *testing.T) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.url+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/openmetrics-text") || !bytes.HasSuffix(text, []byte("# EOF\n")) {
		t.Fatalf("%v, %s: %.200s", err, resp.Header.Get("Content-Type"), text)
	}
	for _, series := range []string{
		`atp_api_request_duration_seconds_bucket{endpoint="/api/v1/files",method="POST"`, `api_request_duration_seconds_bucket{endpoint="/api/v1/files",method="POST"`,
		`atp_file_decode_duration_seconds_bucket{file_type="rail-recorder"`, `wayside_plugin_decode_seconds_bucket{plugin="rail"`,
	} {
		found := false
		for line := range strings.Lines(string(text)) {
			found = found || (strings.HasPrefix(line, series) && strings.Contains(line, `# {trace_id="`+traceID+`"}`))
		}
		if !found {
			t.Errorf("no exemplar at %s", series)
		}
	}
}

// readFromDisk reads a file that the kernel does not have in memory.
func readFromDisk(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(bytes.Repeat([]byte("read me "), 1<<17)); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, f); err != nil {
		t.Fatal(err)
	}
}

// diskSectors is what the kernel says that was read from and written to all devices.
func diskSectors(t *testing.T) (n [2]int64) {
	t.Helper()
	text, err := os.ReadFile("/proc/diskstats")
	if err != nil {
		t.Skip("the machine hides its disks: ", err)
	}
	for line := range strings.Lines(string(text)) {
		for i, column := range []int{5, 9} {
			if f := strings.Fields(line); len(f) > column {
				v, err := strconv.ParseInt(f[column], 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				n[i] += v
			}
		}
	}
	return n
}

// TestRequestsAreCounted sends many requests at once: each is counted, once.
func TestRequestsAreCounted(t *testing.T) {
	const clients, each = 20, 50
	a := start(t, t.TempDir())
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range each {
				if _, p, err := a.call(t.Context(), http.MethodGet, "/api/v1/files?limit=1", nil, nil); err != nil || p != nil {
					t.Error(p, err)
				}
			}
		})
	}
	wg.Wait()
	x := a.exposition()
	for family, series := range map[string]string{
		"atp_api_requests_total":           `atp_api_requests_total{endpoint="/api/v1/files",method="GET",status="200"}`,
		"atp_api_request_duration_seconds": `atp_api_request_duration_seconds_count{endpoint="/api/v1/files",method="GET"}`,
		"api_requests_total":               `api_requests_total{endpoint="/api/v1/files",method="GET",status="200"}`,
		"api_request_duration_seconds":     `api_request_duration_seconds_count{endpoint="/api/v1/files",method="GET"}`,
	} {
		if n := x.series[family][series]; n != clients*each {
			t.Errorf("%s is %v, want %d", series, n, clients*each)
		}
	}
}

// TestStrangersDoNotGrowTheMetrics asks for paths, methods, queues, types of jobs and names without end.
func TestStrangersDoNotGrowTheMetrics(t *testing.T) {
	a := start(t, t.TempDir())
	c := a.jobs()
	ask := func(from int) exposition {
		for i := range 300 {
			n := from + i
			for _, r := range [][2]string{
				{http.MethodGet, fmt.Sprint("/nothing/", n)},
				{http.MethodGet, fmt.Sprint("/api/v1/files/f", n)},
				{fmt.Sprint("M", n), "/api/v1/files"},
				{http.MethodPatch, "/api/v1/jobs"},
				{http.MethodGet, fmt.Sprint("/metrics/", n)},
			} {
				if _, _, err := a.call(t.Context(), r[0], r[1], nil, nil); err != nil {
					t.Fatal(err)
				}
			}
			enqueueJob(t, c, client.NewJob{Type: fmt.Sprint("t", n%150), Queue: fmt.Sprint("q", n)})
		}
		return a.exposition()
	}
	first, second := ask(0), ask(300)
	for family, series := range second.series {
		for name := range series {
			_, old := first.series[family][name]
			// What nobody asked for: the first look at the metrics, and decoders that are compiled meanwhile.
			if !old && !strings.Contains(name, `"/metrics"`) && !strings.HasPrefix(family, "wayside_plugin") && !strings.HasPrefix(family, "wayside_worker") {
				t.Errorf("new: %s", name)
			}
		}
	}
	if n := second.series["wayside_queue_jobs"][`wayside_queue_jobs{queue="other",state="ready"}`]; n < 300 {
		t.Errorf("%v jobs in queues too many to be told apart", n)
	}
	if n := second.series["atp_api_requests_total"][`atp_api_requests_total{endpoint="unmatched",method="OTHER",status="405"}`]; n != 600 {
		t.Errorf("%v requests with invented methods", n)
	}
}

// TestMetricsAddresses: the old environment opens an address with the metrics alone, or takes them all away, or leaves
// the second system's out; a token guards them.
func TestMetricsAddresses(t *testing.T) {
	own := kvAddress(t)
	_, port, err := net.SplitHostPort(own)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("port", func(t *testing.T) {
		t.Setenv("PROMETHEUS_PORT", port)
		t.Setenv("WAYSIDE_METRICS_COMPAT", "false")
		t.Setenv("WAYSIDE_METRICS_TOKEN", "scrape-4711")
		a := start(t, t.TempDir())
		for url, want := range map[string]int{
			a.url + "/metrics": 401, "http://" + own + "/metrics": 401, "http://" + own + "/": 404, "http://" + own + "/api/v1/files": 404, a.url + "/api/v1/files": 200,
		} {
			if status, _ := fetch(t, url, ""); status != want {
				t.Errorf("%s: %d, want %d", url, status, want)
			}
		}
		for _, url := range []string{
			a.url + "/metrics", a.url + "/metrics/prometheus", a.url + "/prometheus/metrics",
			"http://" + own + "/metrics", "http://" + own + "/metrics/prometheus", "http://" + own + "/prometheus/metrics",
		} {
			status, text := fetch(t, url, "scrape-4711")
			if status != http.StatusOK || !strings.Contains(text, "\natp_api_requests_total{") || strings.Contains(text, "\napi_requests_total{") {
				t.Errorf("%s: %d %.200s", url, status, text)
			}
		}
	})
	t.Run("off", func(t *testing.T) {
		t.Setenv("PROMETHEUS_ENABLED", "false")
		t.Setenv("PROMETHEUS_PORT", port)
		a := start(t, t.TempDir())
		if status, _ := fetch(t, a.url+"/metrics", ""); status != http.StatusNotFound {
			t.Errorf("status %d", status)
		}
		if c, err := net.Dial("tcp", own); err == nil {
			t.Errorf("the address is open: %v", c.Close())
		}
	})
	t.Run("taken", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		t.Setenv("WAYSIDE_METRICS_LISTEN", l.Addr().String())
		if _, err := tryStart(t, t.TempDir()); err == nil || !strings.Contains(err.Error(), "metrics.listen: listen on "+l.Addr().String()) {
			t.Errorf("start: %v", err)
		}
	})
}

func fetch(t *testing.T, url, token string) (status int, text string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// TestMetricsDoNotWaitForScripts: a client's script may hold the Redis-protocol server; the metrics come all the same, and
// all that was known of it before.
func TestMetricsDoNotWaitForScripts(t *testing.T) {
	addr := kvAddress(t)
	a := start(t, t.TempDir(), "--kv-listen", addr)
	busy, other := kvtest.Dial(t, addr), kvtest.Dial(t, addr)
	other.Do("SET", "a", "1")
	before := a.exposition()
	ended, told := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		busy.Do("EVAL", "while true do end", "0")
	}()
	go func() { // the script is answered for once it has run for five seconds
		defer close(told)
		for !strings.HasPrefix(kvtest.Text(other.Do("PING")), "-BUSY") {
		}
	}()
	for held := true; held; {
		began := time.Now()
		now := a.exposition()
		if took := time.Since(began); took > 4*time.Second {
			t.Errorf("it took %v", took)
		}
		for name := range before.types {
			if now.types[name] == "" {
				t.Errorf("%s is gone", name)
			}
		}
		select {
		case <-told:
			held = false
		case <-time.After(100 * time.Millisecond):
		}
	}
	other.Do("SCRIPT", "KILL")
	<-ended
}
