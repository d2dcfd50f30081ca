package queue

import "context"

type contextKey int

const (
	traceKey contextKey = iota
	progressKey
)

// WithTrace returns a context that carries t.
func WithTrace(ctx context.Context, t Trace) context.Context {
	return context.WithValue(ctx, traceKey, t)
}

// TraceOf gives the trace that ctx carries, the zero Trace if there is none.
func TraceOf(ctx context.Context) Trace {
	t, _ := ctx.Value(traceKey).(Trace)
	return t
}

// withProgress returns a context whose ReportProgress calls f.
func withProgress(ctx context.Context, f func(Progress)) context.Context {
	return context.WithValue(ctx, progressKey, f)
}

// ReportProgress says how far the job of a handler's context is. It keeps the last value in memory only, costs next
// to nothing, and does nothing outside a handler.
func ReportProgress(ctx context.Context, fraction float64, text string) {
	if f, ok := ctx.Value(progressKey).(func(Progress)); ok {
		f(Progress{Fraction: min(max(fraction, 0), 1), Text: text})
	}
}
