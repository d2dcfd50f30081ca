package runtime

import (
	"testing"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/runtimetest"
)

// TestCodesThatADecoderGives: a panic that an SDK has caught is a trap like one that it has not.
func TestCodesThatADecoderGives(t *testing.T) {
	for given, want := range map[string]errcode.Code{
		"trap": errcode.Trap, "output_limit": errcode.OutputLimit, "table_limit": errcode.TableLimit,
		"truncated_record": errcode.Truncated, "unsupported": errcode.Unsupported, "no_such_code": errcode.CorruptRecord, "stalled": errcode.CorruptRecord,
	} {
		g := runtimetest.NewGuest("fails", 1, 16)
		g.Decode(g.Text(given), g.Text("why"), runtimetest.Call(g.Fail), runtimetest.Const(1))
		r := newRig(t, nil, map[string][]byte{"fails": g.Wasm()})
		res := r.decode(r.request("fails", []byte("x")))
		if res.Failure == nil || res.Failure.Code != want || res.Failure.Message != "why" {
			t.Errorf("%s: %+v", given, res.Failure)
		}
	}
}
