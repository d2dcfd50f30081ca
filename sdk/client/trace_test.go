package client

import (
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func TestCallsCarryTheIDsOfTheirContext(t *testing.T) {
	got := make(chan http.Header, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header.Clone()
		_, _ = w.Write([]byte("{}"))
	}))
	defer s.Close()
	c, err := New(Config{Server: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	const trace = "0af7651916cd43dd8448eb211c80319c"
	parent := regexp.MustCompile("^00-" + trace + "-[0-9a-f]{16}-00$")
	for _, tc := range []struct {
		ctx         context.Context //nolint:containedctx // one a case
		correlation string
		trace       bool
	}{
		{t.Context(), "", false},
		{WithTrace(t.Context(), "c1", trace), "c1", true},
		{WithTrace(t.Context(), "", trace), "", true},
		{WithTrace(t.Context(), "c1", ""), "c1", false},
		{WithTrace(t.Context(), "c1", "t"), "c1", false},
		{WithTrace(t.Context(), "a\r\nb", strings.Repeat("0", 32)), "", false},
		{WithTrace(t.Context(), strings.Repeat("x", 129), strings.ToUpper(trace)), "", false},
	} {
		if _, err := c.Job(tc.ctx, "j1"); err != nil {
			t.Fatal(err)
		}
		h := <-got
		if p := h.Get("Traceparent"); h.Get("X-Correlation-ID") != tc.correlation || parent.MatchString(p) != tc.trace || (p != "") != tc.trace {
			t.Errorf("%+v: %q", tc, h)
		}
	}
}
