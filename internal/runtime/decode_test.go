package runtime

import (
	"testing"

	"github.com/wayside-edge/wayside/internal/runtime/runtimetest"
)

func TestDecodeRoundTrip(t *testing.T) {
	r := newRig(t, nil, map[string][]byte{"lines": runtimetest.Lines("lines").Wasm()})
	j := r.request("lines", make([]byte, 3*4096))
	res := r.decode(j)
	if res.Status != Done || res.Rows != 3 || res.Failure != nil || res.BytesRead != 3*4096 {
		t.Fatalf("result %+v, failure %+v", res, res.Failure)
	}
	if got, want := j.file("rows"), "{\"value\":1}\n{\"value\":2}\n{\"value\":3}\n"; got != want {
		t.Errorf("rows %q, want %q", got, want)
	}
}
