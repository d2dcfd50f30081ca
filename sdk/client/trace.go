package client

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strings"
)

type traceKey struct{}

type traceIDs struct{ correlation, trace string }

// WithTrace gives a context whose calls belong to what has these ids, as a job has them: the appliance writes them into
// its log, and gives them to jobs that are made with such a call. Either may be "". A trace id that is none of W3C's is left out.
func WithTrace(ctx context.Context, correlationID, traceID string) context.Context {
	if len(traceID) != 32 || strings.Trim(traceID, "0123456789abcdef") != "" || strings.Trim(traceID, "0") == "" {
		traceID = ""
	}
	return context.WithValue(ctx, traceKey{}, traceIDs{correlation: correlationID, trace: traceID})
}

// setTrace tells the appliance the ids of a context. Every call is a span of its own; nothing records it, so it is not sampled.
func setTrace(ctx context.Context, h http.Header) {
	ids, _ := ctx.Value(traceKey{}).(traceIDs)
	if plain(ids.correlation) {
		h.Set("X-Correlation-ID", ids.correlation)
	}
	if ids.trace == "" {
		return
	}
	var span [8]byte
	_, _ = rand.Read(span[:]) // never fails
	span[0] |= 1              // it may not be zero
	h.Set("Traceparent", "00-"+ids.trace+"-"+hex.EncodeToString(span[:])+"-00")
}

// plain tells whether an id can be a header: another would make the call fail.
func plain(id string) bool {
	return id != "" && len(id) <= 128 && !strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' })
}
