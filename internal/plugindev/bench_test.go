package plugindev

import (
	"encoding/hex"
	"testing"

	"github.com/wayside-edge/wayside/internal/runtime/runtimetest"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// TestReaderIsWhatItsTextSays assembles the module of the baseline.
func TestReaderIsWhatItsTextSays(t *testing.T) {
	m := runtimetest.New(5, 5)
	i := byte(runtimetest.I32)
	read := m.Import(abi.Module, abi.ImportRead, []byte{i, i}, []byte{i})
	m.Func(abi.ExportDecode, nil, []byte{i}, nil,
		runtimetest.Loop(runtimetest.Const(0x1000), runtimetest.Const(0x40000), runtimetest.Call(read), runtimetest.BrIf(0)),
		runtimetest.Const(0))
	if got := hex.EncodeToString(m.Bytes()); got != readerCode {
		t.Errorf("readerCode is to be\n%s", got)
	}
}
