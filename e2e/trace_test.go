//go:build e2e

package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// A caller's trace is answered, and in the lines of its request, of the decode that this started, and of no others.
func TestTraceInTheLog(t *testing.T) {
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	a := start(t, t.TempDir())
	setLevel(t, a, "debug")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.url+"/api/v1/files?wait=30&name=one.RU", strings.NewReader(string(example(t))+"x"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	req.Header.Set("X-Request-ID", "traced-1")
	req.Header.Set("Traceparent", "00-"+trace+"-00f067aa0ba902b7-01")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if back := resp.Header.Get("Traceparent"); !strings.HasPrefix(back, "00-"+trace+"-") || strings.Contains(back, "00f067aa0ba902b7") {
		t.Errorf("answered traceparent %q", back)
	}
	a.get("/api/v1/files", nil)
	loggers := map[string]bool{}
	var lines string // that are whole
	until(t, "the request and its decode are in the log", func() bool {
		lines = a.log.all()
		lines = lines[:strings.LastIndexByte(lines, '\n')+1]
		has := map[string]bool{}
		for line := range strings.Lines(lines) {
			for _, logger := range []string{"api", "decoder"} {
				has[logger] = has[logger] || strings.Contains(line, `"traced-1"`) && strings.Contains(line, `"logger":"`+logger+`"`)
			}
		}
		return has["api"] && has["decoder"]
	})
	for line := range strings.Lines(lines) {
		var m map[string]any
		if json.Unmarshal([]byte(line), &m) != nil || m["request_id"] != "traced-1" {
			if strings.Contains(line, trace) {
				t.Errorf("a line of no request of this trace: %s", line)
			}
			continue
		}
		logger, _ := m["logger"].(string)
		loggers[logger] = true
		if m["trace_id"] != trace || m["correlation_id"] != trace || strings.Count(line, `"trace_id"`) != 1 || strings.Count(line, `"request_id"`) != 1 {
			t.Errorf("ids of %s", line)
		}
	}
	if !loggers["api"] || !loggers["decoder"] {
		t.Errorf("lines of the trace: %v\n%s", loggers, a.log.tail())
	}
}
