package httpapi

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"github.com/wayside-edge/wayside/internal/access"
	"github.com/wayside-edge/wayside/internal/queue"
)

// IDs are the ids that tie the log lines of one request, and of the jobs it starts, together.
type IDs struct {
	Request     string // X-Request-ID
	Correlation string // X-Correlation-ID, the same as Request unless the caller gave one
	Trace       string // trace id of a W3C traceparent, else ""
	parent      string // the traceparent of what this request does itself, else ""
}

// RequestIDs gives the ids of the request that ctx belongs to; all are empty outside of a request.
func RequestIDs(ctx context.Context) IDs { return stateOf(ctx).ids }

// trace gives the ids as jobs carry them.
func (i IDs) trace() queue.Trace {
	return queue.Trace{RequestID: i.Request, CorrelationID: i.Correlation, TraceID: i.Trace}
}

// state is what the layers of one request tell each other.
type state struct {
	ids     IDs
	started time.Time
	client  string        // address it comes from
	host    string        // that a trusted proxy was asked for, "" = none says
	need    scope         // of its route
	grant   *access.Grant // of its token or session, nil = none, which may do all where none is needed
	fields  []string      // of the answer, nil = all
	stream  bool          // long by its nature: never slow
	audited bool          // it belongs into the audit log, whatever its scope
	reveal  bool          // it asks for sensitive values, and may
	wrong   bool          // its token is not valid
	denied  bool          // it needs a token, and has none that is valid
	quiet   bool          // it was refused like others before it: it is worth no line of its own
	body    *idleBody     // below whatever handlers put around it; nil = none
}

type stateKey struct{}

func stateOf(ctx context.Context) *state {
	if st, ok := ctx.Value(stateKey{}).(*state); ok {
		return st
	}
	return &state{}
}

func newState(r *http.Request) *state {
	ids := IDs{Request: r.Header.Get("X-Request-ID"), Correlation: r.Header.Get("X-Correlation-ID")}
	var flags string
	if ids.Trace, flags = traceOf(r.Header.Get("Traceparent")); ids.Trace != "" {
		ids.parent = "00-" + ids.Trace + "-" + newID()[:16] + "-" + flags
	}
	if !validID(ids.Request) {
		ids.Request = newID()
	}
	if !validID(ids.Correlation) {
		ids.Correlation = ids.Request
		if ids.Trace != "" {
			ids.Correlation = ids.Trace
		}
	}
	return &state{ids: ids, started: time.Now()}
}

func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

const idAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

func validID(s string) bool {
	return s != "" && len(s) <= 128 && strings.Trim(s, idAlphabet) == ""
}

// traceOf gives the trace id of a W3C traceparent header, "" if it is not a valid one, and the flags to hand on: of those
// of later versions only what this one knows.
func traceOf(h string) (id, flags string) {
	const hexDigits = "0123456789abcdef"
	parts := strings.Split(h, "-")
	if len(parts) < 4 || len(parts[0]) != 2 || parts[0] == "ff" || (parts[0] == "00" && len(parts) != 4) {
		return "", ""
	}
	for i, size := range []int{2, 32, 16, 2} {
		if len(parts[i]) != size || strings.Trim(parts[i], hexDigits) != "" {
			return "", ""
		}
	}
	if strings.Trim(parts[1], "0") == "" || strings.Trim(parts[2], "0") == "" {
		return "", ""
	}
	flags = "00"
	if b, err := hex.DecodeString(parts[3]); err == nil && b[0]&1 == 1 {
		flags = "01" // whoever called keeps its trace
	}
	return parts[1], flags
}
