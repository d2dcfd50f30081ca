package sdktest

import (
	"bytes"
	"slices"

	"github.com/wayside-edge/wayside/sdk/go"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// Part is one of the files that an input comes as.
type Part struct {
	Name string
	Data []byte
}

// RunParts is Run for an input of several parts. A decoder with capability seek can use it.
func RunParts(p *sdk.Plugin, parts []Part, params map[string]string) *Result {
	in := &partsInput{parts: parts, open: bytes.NewReader(nil)}
	in.Open(0)
	h := sdk.Host{Input: in, Parts: in, Param: Params(params)}
	if slices.Contains(p.Manifest().Capabilities, abi.CapSeek) {
		h.At = in
	}
	return run(p, h)
}

// partsInput is an input of parts in memory.
type partsInput struct {
	parts []Part
	open  *bytes.Reader
}

func (in *partsInput) Name(index int) (string, bool) {
	if index < 0 || index >= len(in.parts) {
		return "", false
	}
	return in.parts[index].Name, true
}

func (in *partsInput) Open(index int) bool {
	if index < 0 || index >= len(in.parts) {
		return false
	}
	in.open = bytes.NewReader(in.parts[index].Data)
	return true
}

func (in *partsInput) Read(p []byte) (int, error) { return in.open.Read(p) } //nolint:wrapcheck // io.EOF is a value

func (in *partsInput) ReadAt(p []byte, off int64) (int, error) {
	return in.open.ReadAt(p, off) //nolint:wrapcheck // io.EOF is a value
}

func (in *partsInput) Size() int64 { return in.open.Size() }
