package sdktest

import (
	"slices"
	"strings"

	"github.com/wayside-edge/wayside/sdk/go"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// Child is a file that a decoder found inside its input.
type Child struct {
	Name   string
	Data   []byte
	Closed bool // by the decoder, or because the decode ended well
}

// childFiles keeps what a decoder finds, and panics where it does what the ABI forbids.
type childFiles struct {
	r     *Result
	limit int // more are refused, < 0 = none are
	open  int
}

// RunLimited is Run where the host takes only so many files from inside the input.
func RunLimited(p *sdk.Plugin, input string, params map[string]string, children int) *Result {
	return runWith(p, sdk.Host{Input: strings.NewReader(input), Param: Params(params)}, children)
}

// grant gives a host what the plugin's manifest asks for.
func grant(p *sdk.Plugin, h *sdk.Host, r *Result, limit int) *childFiles {
	f := &childFiles{r: r, limit: limit}
	if slices.Contains(p.Manifest().Capabilities, abi.CapChild) {
		h.Files = f
	}
	return f
}

func (f *childFiles) Begin(name string) (int32, bool) {
	if len(name) == 0 || len(name) > abi.MaxChildName {
		panic("the name of a sub-file has 1 to 255 bytes")
	}
	if f.limit >= 0 && len(f.r.Children) >= f.limit {
		return abi.Refused, false
	}
	if f.open == abi.MaxOpenChildren {
		panic("too many sub-files are open")
	}
	f.open++
	f.r.Children = append(f.r.Children, Child{Name: name})
	return int32(len(f.r.Children) - 1), true
}

func (f *childFiles) Write(handle int32, p []byte) (int, bool) {
	c := f.at(handle)
	c.Data = append(c.Data, p...)
	return len(p), true
}

func (f *childFiles) End(handle int32) {
	f.at(handle).Closed = true
	f.open--
}

func (f *childFiles) at(handle int32) *Child {
	if handle < 0 || int(handle) >= len(f.r.Children) || f.r.Children[handle].Closed {
		panic("no such sub-file is open")
	}
	return &f.r.Children[handle]
}

// end closes what is open after a decode that ended well.
func (f *childFiles) end() {
	if f.r.Code != abi.DecodeOK || slices.ContainsFunc(f.r.Issues, func(i Issue) bool { return i.Severity == abi.Fatal }) {
		return
	}
	for i := range f.r.Children {
		f.r.Children[i].Closed = true
	}
}
