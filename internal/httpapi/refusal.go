package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// refuser answers what never becomes a request: as any other answer of the appliance, with the same headers, in plain
// text, and the last of its connection. What it says of it is in the log at level debug only: whoever sends noise could
// fill it.
type refuser struct {
	headers http.Header
	log     *slog.Logger
}

// answer gives the whole of an answer. It is nil where it would have to be encrypted.
func (f refuser) answer(to net.Addr, err error) []byte {
	st := &state{ids: IDs{Request: newID()}}
	r := (&http.Request{URL: &url.URL{}, Header: http.Header{}}).WithContext(context.WithValue(context.Background(), stateKey{}, st))
	p := problemOf(r, err)
	body, jerr := jsonBytes(p)
	if jerr != nil {
		return nil
	}
	h := p.GetHeaders()
	maps.Copy(h, f.headers)
	h.Del("Strict-Transport-Security") // it counts where it was said in secret only
	h.Set("Content-Type", problemType)
	h.Set("Cache-Control", "no-store")
	h.Set("Connection", "close")
	h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	h.Set("X-Request-ID", st.ids.Request)
	out := fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nContent-Length: %d\r\n", p.Status, http.StatusText(p.Status), len(body))
	for _, name := range slices.Sorted(maps.Keys(h)) {
		out = fmt.Appendf(out, "%s: %s\r\n", name, h[name][0])
	}
	f.log.Debug("refused what is no request", "request_id", st.ids.Request, "status", p.Status, "detail", p.Detail, "client", to.String())
	return append(append(out, "\r\n"...), body...)
}

// unreadable gives the problem of a request that net/http could not read, by the status that it gives itself.
func unreadable(version, status string) error {
	switch {
	case version == "HTTP/1.0":
		return errcode.New(errcode.Malformed, "HTTPS is spoken here, and the request was not encrypted: ask https://")
	case status == "431":
		return errcode.Newf(errcode.TooLarge, "the request line and headers are larger than %d bytes", maxHeaderBytes)
	case status == "417":
		return errcode.New(errcode.Malformed, "Expect takes 100-continue only")
	case status == "501":
		return errcode.New(errcode.Malformed, "Transfer-Encoding takes chunked only")
	case status == "505":
		return errcode.New(errcode.Malformed, "only HTTP/1.0, HTTP/1.1 and, encrypted, HTTP/2 are spoken")
	default:
		return errcode.New(errcode.Malformed, "this is no HTTP request")
	}
}
