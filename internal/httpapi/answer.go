package httpapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/labstack/echo/v4"
)

// compressFrom is the size from which answers are compressed.
const compressFrom = 1024

type humaContext = huma.Context

// answer gathers what a JSON handler writes, so that it gets its length, its ETag and its compression, and so that
// an error while it is rendered still becomes a problem. Handlers that stream set direct and write past it.
type answer struct {
	humaContext
	status   int
	override int // status of a problem that replaced an error of huma
	body     bytes.Buffer
	direct   bool
}

// Unwrap gives the context underneath. The name is huma's.
func (a *answer) Unwrap() huma.Context { return a.humaContext }

// SetStatus keeps the status for send.
func (a *answer) SetStatus(code int) { a.status = code }

// Status gives the status kept.
func (a *answer) Status() int { return a.status }

// BodyWriter gives the place where the body is gathered.
func (a *answer) BodyWriter() io.Writer { return &a.body }

func (a *answer) send() {
	if a.direct {
		return
	}
	status := a.status
	if a.override != 0 {
		status = a.override
	}
	if status == 0 {
		status = http.StatusOK
	}
	c := humaecho.Unwrap(a)
	if a.body.Len() == 0 {
		c.Response().WriteHeader(status)
		return
	}
	sendBytes(c, status, c.Response().Header().Get("Content-Type"), a.body.Bytes())
}

// sendBytes sends a whole answer: with an ETag for GET, compressed where the caller takes that and it pays.
func sendBytes(c echo.Context, status int, mediaType string, body []byte) {
	r, h := c.Request(), c.Response().Header()
	h.Set("Content-Type", mediaType)
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-cache")
	}
	if status == http.StatusOK && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		sum := sha256.Sum256(body)
		tag := `W/"` + hex.EncodeToString(sum[:16]) + `"`
		h.Set("Etag", tag)
		if tagMatches(r.Header.Get("If-None-Match"), tag) {
			h.Del("Content-Type")
			c.Response().WriteHeader(http.StatusNotModified)
			return
		}
	}
	if len(body) >= compressFrom {
		h.Add("Vary", "Accept-Encoding")
		if enc := pickEncoding(r.Header.Get("Accept-Encoding")); enc != "" {
			body = compress(enc, body)
			h.Set("Content-Encoding", enc)
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.Response().WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = c.Response().Write(body) // the caller has gone if this fails
	}
}

// tagMatches compares entity tags weakly, as If-None-Match wants it.
func tagMatches(header, tag string) bool {
	for t := range strings.SplitSeq(header, ",") {
		t = strings.TrimSpace(t)
		if t == "*" || (t != "" && strings.TrimPrefix(t, "W/") == strings.TrimPrefix(tag, "W/")) {
			return true
		}
	}
	return false
}

// pickEncoding gives the best encoding that the caller takes: zstd, gzip, or "" for none.
func pickEncoding(accept string) string {
	quality := map[string]float64{}
	for part := range strings.SplitSeq(accept, ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		q := 1.0
		if v, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
			q, _ = strconv.ParseFloat(v, 64) // 0 when it cannot be read: not wanted
		}
		quality[strings.ToLower(strings.TrimSpace(name))] = q
	}
	best, bestQ := "", 0.0
	for _, name := range []string{"zstd", "gzip"} {
		q, ok := quality[name]
		if !ok {
			q = quality["*"]
		}
		if q > bestQ {
			best, bestQ = name, q
		}
	}
	return best
}

func compress(encoding string, body []byte) []byte {
	var out bytes.Buffer
	w := newCompressor(encoding, &out)
	_, _ = w.Write(body) // into memory: cannot fail
	_ = w.Close()
	return out.Bytes()
}

// newCompressor compresses what is written onto w; Close completes it. Level and window are small: the box has other
// work, and tables compress well anyway.
func newCompressor(encoding string, w io.Writer) io.WriteCloser {
	var z io.WriteCloser
	var err error
	if encoding == "zstd" {
		z, err = zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
			zstd.WithWindowSize(256<<10), zstd.WithLowerEncoderMem(true))
	} else {
		z, err = gzip.NewWriterLevel(w, gzip.BestSpeed)
	}
	if err != nil {
		panic(fmt.Sprintf("%s with fixed options: %v", encoding, err))
	}
	return z
}
