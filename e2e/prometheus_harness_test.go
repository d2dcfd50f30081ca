//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// installed gives the path of a program of Prometheus, or leaves the test out. `make e2e-prometheus` does not leave it out.
func installed(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		say := t.Skipf
		if os.Getenv("E2E_PROMETHEUS") != "" {
			say = t.Fatalf
		}
		say("%s is not installed (Debian's package prometheus): %v", program, err)
	}
	return path
}

// prometheus is a running process of the real one.
type prometheus struct {
	t   *testing.T
	url string
	log *logBuffer
}

// startPrometheus runs it with a configuration until the test ends.
func startPrometheus(t *testing.T, config string) *prometheus {
	t.Helper()
	addr := kvAddress(t)
	p := &prometheus{t: t, url: "http://" + addr, log: &logBuffer{}}
	cmd := exec.Command(installed(t, "prometheus"), "--config.file="+config, "--storage.tsdb.path="+t.TempDir(), "--web.listen-address="+addr)
	cmd.Stdout, cmd.Stderr = p.log, p.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
		if err := <-ended; err != nil {
			t.Errorf("prometheus ended: %v\n%s", err, p.log.tail())
		}
	})
	until(t, "prometheus is ready", func() bool {
		resp, err := http.Get(p.url + "/-/ready")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return p
}

// get asks its API.
func (p *prometheus) get(path string, params url.Values, out any) error {
	resp, err := http.Get(p.url + "/api/v1/" + path + "?" + params.Encode())
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var answer struct {
		Status string          `json:"status"`
		Error  string          `json:"error"`
		Data   json.RawMessage `json:"data"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return fmt.Errorf("%s: %d: %w", path, resp.StatusCode, err)
	}
	if answer.Status != "success" {
		return fmt.Errorf("%s: %s", path, answer.Error)
	}
	return json.Unmarshal(answer.Data, out)
}

// sample is the last value of a series that is a number.
type sample struct {
	labels map[string]string
	value  float64
}

// rangeShown is what a graph shows here: from and to now, and the distance of its points.
const rangeShown, rangeStep = time.Minute, 2 * time.Second

// ask evaluates an expression, over a while as a graph does or at once, and gives the series that have a number.
func (p *prometheus) ask(expr string, over bool) ([]sample, error) {
	now := time.Now()
	params, path := url.Values{"query": {expr}, "time": {stamp(now)}}, "query"
	if over {
		path = "query_range"
		params = url.Values{
			"query": {expr}, "start": {stamp(now.Add(-rangeShown))}, "end": {stamp(now)},
			"step": {strconv.FormatFloat(rangeStep.Seconds(), 'f', -1, 64)},
		}
	}
	var data struct {
		Type   string          `json:"resultType"`
		Result json.RawMessage `json:"result"`
	}
	if err := p.get(path, params, &data); err != nil {
		return nil, err
	}
	type point = [2]any
	var series []struct {
		Metric map[string]string `json:"metric"`
		Value  point             `json:"value"`
		Values []point           `json:"values"`
	}
	if err := json.Unmarshal(data.Result, &series); err != nil {
		return nil, fmt.Errorf("a %s: %w", data.Type, err)
	}
	var out []sample
	for _, s := range series {
		points := s.Values
		if !over {
			points = []point{s.Value}
		}
		for _, pt := range slices.Backward(points) {
			text, _ := pt[1].(string)
			v, err := strconv.ParseFloat(text, 64)
			if err != nil {
				return nil, err
			}
			if !math.IsNaN(v) {
				out = append(out, sample{s.Metric, v})
				break
			}
		}
	}
	return out, nil
}

func stamp(at time.Time) string { return strconv.FormatFloat(float64(at.UnixMilli())/1000, 'f', 3, 64) }

// scraped waits until all targets have answered after now.
func (p *prometheus) scraped(targets int) {
	p.t.Helper()
	now := stamp(time.Now())
	until(p.t, "all are scraped\n"+p.log.tail(), func() bool {
		got, err := p.ask("count(timestamp(up) > "+now+" and up == 1)", false) // the scrape, not the question, was then
		return err == nil && len(got) == 1 && got[0].value == float64(targets)
	})
}

// promtool checks something and must find nothing.
func promtool(t *testing.T, stdin string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), installed(t, "promtool"), args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// scrapeConfig copies the shipped configuration and rules, with other targets and more haste, and gives its path.
func scrapeConfig(t *testing.T, targets ...string) string {
	t.Helper()
	dir, shipped := t.TempDir(), filepath.Join("..", "packaging", "prometheus")
	for _, name := range []string{"scrape.yml", "rules.yml"} {
		b, err := os.ReadFile(filepath.Join(shipped, name))
		if err != nil {
			t.Fatal(err)
		}
		text := string(b)
		if name == "scrape.yml" {
			text = replaceOnce(t, text, "'localhost:8000'", "'"+strings.Join(targets, "', '")+"'")
			text = replaceOnce(t, text, "scrape_interval: 15s", "scrape_interval: 1s")
			text = replaceOnce(t, text, "evaluation_interval: 15s", "evaluation_interval: 1s")
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "scrape.yml")
}

func replaceOnce(t *testing.T, text, old, by string) string {
	t.Helper()
	if n := strings.Count(text, old); n != 1 {
		t.Fatalf("%q is there %d times", old, n)
	}
	return strings.Replace(text, old, by, 1)
}
