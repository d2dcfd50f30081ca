package runtime

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/runtimetest"
)

// deep gives a guest that calls itself n times deep and then emits a row. The interpreter allows 2,000 frames, the
// compiler far more: so the two can be told apart.
func deep(id string, n int) *runtimetest.Guest {
	g := runtimetest.NewGuest(id, 1, 16)
	self := g.OpenPart + 1 // the first function after the imports
	g.Func("", []byte{runtimetest.I32}, nil, nil,
		runtimetest.Get(0), []byte{0x04, 0x40}, runtimetest.Get(0), i32(1), runtimetest.Op(runtimetest.Sub), runtimetest.Call(self), runtimetest.Op(0x0b))
	return g.Decode(i32(n), runtimetest.Call(self), g.Rows(1), i32(0))
}

func TestInterpreter(t *testing.T) {
	modules := map[string][]byte{"lines": runtimetest.Lines("lines").Wasm(), "deep": deep("deep", 3000).Wasm()}
	compiled := newRig(t, nil, modules)
	interpreted := newRig(t, func(c *Config) { c.Interpreter = true }, modules)
	input := make([]byte, 10<<12)
	var files []string
	for _, r := range []*rig{compiled, interpreted} {
		j := r.request("lines", input)
		if res := r.decode(j); res.Status != Done || res.Rows != 10 {
			t.Errorf("%+v %+v", res, res.Failure)
		}
		files = append(files, j.file("rows"))
	}
	if diff := cmp.Diff(files[0], files[1]); diff != "" {
		t.Error(diff)
	}
	if res := compiled.decode(compiled.request("deep", input)); res.Status != Done {
		t.Errorf("compiled: %+v", res.Failure)
	}
	if res := interpreted.decode(interpreted.request("deep", input)); res.Status != Failed || res.Failure.Code != errcode.Trap {
		t.Errorf("the interpreter was not used: %+v", res)
	}
}
