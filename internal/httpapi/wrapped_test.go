package httpapi

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime"
)

// wrapping unwraps to a fixed text, and recognises what says "packed".
type wrapping struct{}

type fixed struct{ *strings.Reader }

func (fixed) Close() error { return nil }

func (wrapping) Unwrapped(context.Context, catalog.File) (Content, error) {
	return fixed{strings.NewReader("unwrapped")}, nil
}

func (wrapping) DetectWrapped(_ context.Context, body io.Reader, _ string, _ int64) (runtime.Detection, error) {
	b, err := io.ReadAll(body)
	if err != nil {
		return runtime.Detection{}, err
	}
	if !bytes.Contains(b, []byte("packed")) {
		return runtime.Detection{}, errcode.New(errcode.UnknownFormat, "unknown")
	}
	return runtime.Detection{Format: "inner", Decoder: "toy"}, nil
}

func TestDetectOfAWrappedBodyReadsAllOfIt(t *testing.T) {
	w := newWorld(t).start()
	for body, want := range map[string]int{
		"\x1f\x8b\x08packed": http.StatusOK, "\x1f\x8b\x08other": http.StatusUnprocessableEntity,
		"PK\x03\x04" + strings.Repeat("x", 100_000) + "packed": http.StatusOK,
	} {
		if res := w.do(http.MethodPost, "/detect", strings.NewReader(body)); res.StatusCode != want {
			t.Errorf("%.10q: %d %s", body, res.StatusCode, res.body)
		}
	}
}
