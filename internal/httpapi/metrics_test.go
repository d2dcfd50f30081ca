package httpapi

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/httpapi/certtest"
)

func someMetrics() http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte("metrics\n")) })
}

// at sends a request to an address and path of the server.
func (w *world) at(addr net.Addr, method, path string, opts ...option) reply {
	w.t.Helper()
	return w.do(method, "/", nil, append(opts, func(r *http.Request) { r.URL.Host, r.URL.Path = addr.String(), path })...)
}

// TestMetricsPaths: earlier systems had the metrics at other paths; they are at all of them, in the same way.
func TestMetricsPaths(t *testing.T) {
	w := newWorld(t)
	w.cfg.Metrics = someMetrics()
	w.start()
	for _, path := range []string{"/metrics", "/prometheus/metrics", "/metrics/prometheus"} {
		if res := w.at(w.server.Addr(), http.MethodGet, path); res.StatusCode != http.StatusOK || string(res.body) != "metrics\n" {
			t.Errorf("%s: %d %s", path, res.StatusCode, res.body)
		}
	}
	w.server.Drain()
	for _, path := range []string{"/metrics", "/prometheus/metrics", "/metrics/prometheus"} {
		if res := w.at(w.server.Addr(), http.MethodGet, path); res.StatusCode != http.StatusOK {
			t.Errorf("%s while it drains: %d", path, res.StatusCode)
		}
	}
}

// TestMetricsOff: without metrics there are no such paths, and no address of their own.
func TestMetricsOff(t *testing.T) {
	w := newWorld(t)
	w.cfg.MetricsListen = "127.0.0.1:0"
	w.start()
	for _, path := range []string{"/metrics", "/prometheus/metrics", "/metrics/prometheus"} {
		wantProblem(t, w.at(w.server.Addr(), http.MethodGet, path), 404, "not_found")
	}
	if a := w.server.MetricsAddr(); a != nil {
		t.Errorf("there is an address: %s", a)
	}
}

// TestMetricsAddress: the address of their own answers with the metrics and nothing else, by the rules of the other.
func TestMetricsAddress(t *testing.T) {
	w := newWorld(t)
	w.cfg.Metrics, w.cfg.MetricsListen = someMetrics(), "127.0.0.1:0"
	w.start()
	addr := w.server.MetricsAddr()
	for _, path := range metricsPaths() {
		if res := w.at(addr, http.MethodGet, path); res.StatusCode != http.StatusOK || string(res.body) != "metrics\n" {
			t.Errorf("%s: %d %s", path, res.StatusCode, res.body)
		}
	}
	for _, path := range []string{"/", "/health", "/health/live", "/api/v1/files", "/api/v1/session", "/nothing", "/metrics/"} {
		wantProblem(t, w.at(addr, http.MethodGet, path), 404, "not_found")
	}
	for _, path := range []string{"/api/v1/files", "/api/v1/decode", "/api/v1/session"} {
		wantProblem(t, w.at(addr, http.MethodPost, path), 404, "not_found")
	}
	wantProblem(t, w.at(addr, http.MethodGet, "/metrics", header("Host", "evil.example")), 403, "forbidden")
	if res := w.get("/files"); res.StatusCode != http.StatusOK {
		t.Errorf("the other address: %d", res.StatusCode)
	}
	if err := w.server.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr.String()); err == nil {
		t.Errorf("it is still open: %v", c.Close())
	}
}

// TestMetricsAddressTaken: an address that somebody else has is an error that names it, and leaves nothing open.
func TestMetricsAddressTaken(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	w := newWorld(t)
	w.cfg.Metrics, w.cfg.MetricsListen = someMetrics(), l.Addr().String()
	if s, err := Open(w.cfg); err == nil || !strings.Contains(err.Error(), "metrics.listen: listen on "+l.Addr().String()) {
		t.Errorf("server %v, error %v", s, err)
	}
}

// TestMetricsAddressFails: when one listener fails the server ends, with its error.
func TestMetricsAddressFails(t *testing.T) {
	for name, fail := range map[string]func(s *Server) error{
		"metrics": func(s *Server) error { return s.metrics.Listener.Close() },
		"main":    func(s *Server) error { return s.listener.Listener.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.cfg.Metrics, w.cfg.MetricsListen = someMetrics(), "127.0.0.1:0"
			s, err := Open(w.cfg)
			if err != nil {
				t.Fatal(err)
			}
			if err := fail(s); err != nil {
				t.Fatal(err)
			}
			if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "serve http on ") {
				t.Errorf("run: %v", err)
			}
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
			w.events.Close()
		})
	}
}

// TestMetricsAddressSpeaksTLS where the other does.
func TestMetricsAddressSpeaksTLS(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	w.cfg.TLSCert, w.cfg.TLSKey = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	leaf := certtest.Write(t, w.cfg.TLSCert, w.cfg.TLSKey, "one")
	w.cfg.Metrics, w.cfg.MetricsListen = someMetrics(), "127.0.0.1:0"
	w.start()
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+w.server.MetricsAddr().String()+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("status %d", res.StatusCode)
	}
}

// TestMetricsToken: who asks for the metrics needs the token, wherever they are and wherever he is; it opens nothing else.
func TestMetricsToken(t *testing.T) {
	const token = "scrape-4711"
	for name, tokens := range map[string]Access{"no tokens": nil, "tokens": auth{"r": {"read"}, "u": {"upload"}}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.cfg.Auth, w.cfg.Metrics, w.cfg.MetricsListen, w.cfg.MetricsToken = tokens, someMetrics(), "127.0.0.1:0", token
			w.start()
			for _, addr := range []net.Addr{w.server.Addr(), w.server.MetricsAddr()} {
				for _, path := range metricsPaths() {
					wantProblem(t, w.at(addr, http.MethodGet, path), 401, "unauthorized")
					wantProblem(t, w.at(addr, http.MethodGet, path, bearer(token+"x")), 401, "unauthorized")
					if res := w.at(addr, http.MethodGet, path, bearer(token)); res.StatusCode != http.StatusOK {
						t.Errorf("%s%s with the token: %d", addr, path, res.StatusCode)
					}
				}
				if tokens == nil {
					continue
				}
				if res := w.at(addr, http.MethodGet, "/metrics", bearer("r")); res.StatusCode != http.StatusOK {
					t.Errorf("%s with a token of scope read: %d", addr, res.StatusCode)
				}
				wantProblem(t, w.at(addr, http.MethodGet, "/metrics", bearer("u")), 403, "forbidden")
			}
			if tokens != nil {
				wantProblem(t, w.get("/files", bearer(token)), 401, "unauthorized")
			}
		})
	}
}
