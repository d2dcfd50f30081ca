package sdk_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/sdk/go"
	"github.com/wayside-edge/wayside/sdk/go/abi"
	"github.com/wayside-edge/wayside/sdk/go/sdktest"
)

// splitter makes a sub-file of every line "name:content"; a line "!" ends it with an error, one that begins with "+" is
// left open.
func splitter(capabilities ...string) *sdk.Plugin {
	return sdk.New(sdk.Info{ID: "splitter", Capabilities: capabilities},
		func(s *sdk.Schema) *sdk.Table { return s.Table("lines", "") },
		func(in *sdk.Input, _ *sdk.Table) error {
			data, err := io.ReadAll(in)
			if err != nil {
				return err
			}
			for line := range strings.Lines(string(data)) {
				name, content, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
				if name == "!" {
					return errors.New("damaged")
				}
				c, err := in.Child(strings.TrimPrefix(name, "+"))
				if errors.Is(err, sdk.ErrRefused) {
					in.Log(sdk.SeverityInfo, "refused")
					continue
				}
				if err != nil {
					return err
				}
				if n, err := io.WriteString(c, content); err != nil || n != len(content) {
					return errors.Join(err, io.ErrShortWrite)
				}
				if !strings.HasPrefix(name, "+") {
					if err := errors.Join(c.Close(), c.Close()); err != nil { // a second has no effect
						return err
					}
					if _, err := c.Write([]byte("x")); err == nil {
						return errors.New("a closed file took bytes")
					}
				}
			}
			return nil
		})
}

func TestChild(t *testing.T) {
	long := strings.Repeat("ä", 200)
	r := sdktest.Run(splitter(abi.CapChild), strings.NewReader("a:1\ndir/b:two\n+c:open\n:no name\n"+long+":\n"), nil)
	want := [][2]string{{"a", "1"}, {"dir/b", "two"}, {"c", "open"}, {"unnamed", "no name"}, {long[:254], ""}}
	if r.Code != abi.DecodeOK || len(r.Children) != len(want) {
		t.Fatalf("%d %s %+v", r.Code, r.FailText, r.Children)
	}
	for i, c := range r.Children {
		if c.Name != want[i][0] || string(c.Data) != want[i][1] || !c.Closed {
			t.Errorf("%d: %+v, want %q", i, c, want[i])
		}
	}
	r = sdktest.Run(splitter(abi.CapChild), strings.NewReader("a:1\n+b:2\n!\n"), nil)
	if r.Code == abi.DecodeOK || !r.Children[0].Closed || r.Children[1].Closed {
		t.Errorf("after an error: %+v", r.Children)
	}
}

func TestChildRefused(t *testing.T) {
	if r := sdktest.RunLimited(splitter(abi.CapChild), "a:1\nb:2\n", nil, 1); r.Code != abi.DecodeOK || len(r.Children) != 1 {
		t.Errorf("limit: %d %s %+v", r.Code, r.FailText, r.Children)
	}
	if r := sdktest.Run(splitter(), strings.NewReader("a:1\n"), nil); r.Code == abi.DecodeOK || !strings.Contains(r.FailText, "capability child") {
		t.Errorf("without the capability: %d %s", r.Code, r.FailText)
	}
	many := strings.Repeat("+a:1\n", abi.MaxOpenChildren+1)
	if r := sdktest.Run(splitter(abi.CapChild), strings.NewReader(many), nil); r.Code == abi.DecodeOK || !strings.Contains(r.FailText, "open already") {
		t.Errorf("too many open: %d %s", r.Code, r.FailText)
	}
}
