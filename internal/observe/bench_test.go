package observe

import (
	"context"
	"testing"
	"time"
)

// BenchmarkRequest is what counting a request costs: with the families of both systems, and with a trace.
func BenchmarkRequest(b *testing.B) {
	for _, bc := range []struct {
		name   string
		compat bool
		ctx    context.Context //nolint:containedctx // the case is the context
	}{
		{"plain", false, b.Context()}, {"compat", true, b.Context()}, {"compat-trace", true, inTrace("4bf92f3577b34da6a3ce929d0e0e4736")},
	} {
		b.Run(bc.name, func(b *testing.B) {
			m := NewMetrics(MetricsConfig{Compat: bc.compat, Trace: traceIn})
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					m.RequestStarted("POST", "/api/v1/jobs")
					m.RequestDone(bc.ctx, Answer{"POST", "/api/v1/jobs", 201, 3 * time.Millisecond, false})
				}
			})
		})
	}
}
