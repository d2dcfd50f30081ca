package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"slices"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// metricsConnections is how many connections there may be to the address that answers with the metrics alone.
const metricsConnections = 64

// errNoMetricsToken is the answer to who does not have metrics.token where there is one.
var errNoMetricsToken = errcode.New(errcode.Unauthorized, "the metrics need a token: metrics.token, or one with scope read")

// metricsPaths are where the metrics are. The second and the third are those of earlier systems.
func metricsPaths() []string {
	return []string{"/metrics", "/prometheus/metrics", "/metrics/prometheus"}
}

func isMetrics(path string) bool { return slices.Contains(metricsPaths(), path) }

// metricsTypes are the forms that Prometheus may ask for.
func metricsTypes() []string {
	return []string{"text/plain", "application/openmetrics-text", "application/vnd.google.protobuf"}
}

// listenForMetrics binds the address that answers with the metrics alone, if there is to be one.
func (s *Server) listenForMetrics() (err error) {
	if s.cfg.MetricsListen == "" || s.cfg.Metrics == nil {
		return nil
	}
	if s.metrics, err = s.listen(s.cfg.MetricsListen, metricsConnections); err != nil {
		return fmt.Errorf("metrics.listen: %w", err)
	}
	s.metrics.metrics = true
	return nil
}

// MetricsAddr gives the address that answers with the metrics alone, nil if there is none.
func (s *Server) MetricsAddr() net.Addr {
	if s.metrics == nil {
		return nil
	}
	return s.metrics.Addr()
}

// forMetrics reports whether a request came in on the address that answers with the metrics alone.
func forMetrics(r *http.Request) bool {
	c, ok := r.Context().Value(connKey{}).(*conn)
	return ok && c.metrics
}

// hasMetricsToken reports whether a request has the token that is asked for at the metrics. How long comparing takes does
// not tell how much of it is right.
func (s *Server) hasMetricsToken(r *http.Request) bool {
	got, want := sha256.Sum256([]byte(tokenOf(r))), sha256.Sum256([]byte(s.cfg.MetricsToken))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1
}
