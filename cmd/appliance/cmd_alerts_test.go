package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// What fires comes first, then each change, until the appliance refuses for good.
func TestAlertsAreWatched(t *testing.T) {
	streams := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		const alert = `{"id":"a%d","rule":"cpu","state":"%s","level":"critical","text":"load is %d \u001b[31m","changed_at":"2026-01-02T03:04:05Z"}`
		switch {
		case strings.HasSuffix(r.URL.Path, "/alerts"):
			if got := r.URL.Query().Get("state"); got != "firing" {
				t.Errorf("asked for %q", got)
			}
			_, _ = fmt.Fprintf(w, `{"items":[`+alert+`,`+alert+`],"next_cursor":null}`, 2, "firing", 92, 1, "firing", 91)
		case r.URL.Query().Get("topics") != "alert":
			t.Errorf("asked %s", r.RequestURI)
		case streams > 0:
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprint(w, `{"code":"forbidden","detail":"not any more"}`)
		default:
			streams++
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = fmt.Fprintf(w, "retry: 0\nid: 1\nevent: alert\ndata: "+alert+"\n\nid: 2\nevent: reset\ndata: {\"topics\":[\"alert\"]}\n\n", 1, "resolved", 5)
		}
	}))
	defer srv.Close()
	var out, errs bytes.Buffer
	code := run([]string{"alerts", "watch", "--server", srv.URL}, []string{"HOME=" + t.TempDir()}, stdio{out: &out, err: &errs})
	var texts []string
	for line := range strings.Lines(out.String()) {
		_, text, _ := strings.Cut(line, " ")
		texts = append(texts, strings.TrimSpace(text))
	}
	want := []string{"firing critical load is 91", "firing critical load is 92", "resolved critical load is 5"}
	for i, w := range want {
		if len(texts) != len(want) || !strings.HasPrefix(texts[i], w) || strings.Contains(texts[i], "\x1b") {
			t.Fatalf("printed %q, want %q", texts, want)
		}
	}
	if code != exitFailed || !strings.Contains(errs.String(), "changes were left out") || !strings.Contains(errs.String(), "not any more") {
		t.Errorf("exit %d, %s", code, errs.String())
	}
}
