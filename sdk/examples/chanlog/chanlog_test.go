package chanlog

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/sdk/examples/trackgen"
	"github.com/wayside-edge/wayside/sdk/go"
	"github.com/wayside-edge/wayside/sdk/go/abi"
	"github.com/wayside-edge/wayside/sdk/go/sdktest"
)

const start = 1_700_000_000_000_000

func decoded(input []byte) *sdktest.Result {
	return sdktest.Run(Plugin(), bytes.NewReader(input), nil)
}

// small is a log of two groups, written by hand.
const small = "CHANLOG1\x02" +
	"\x04bogi\x03\x00" + "\x01\x03\x0aCelTemp. [\xc2\xb0]" + "\x02\x01\x04VTEMP" + "\x03\x00\x00" +
	"\x00\x00\x00" +
	"\x00\x01\x00\x00\x00\x00\x00\x00\x00" + "\xfe\xff\xff\xff" + "\x00\x00\x00\x00\x00\x00\xf8\x3f" + "\x02a\xff" +
	"\x01\x02\x00\x00\x00\x00\x00\x00\x00" +
	"\xff\x05\x03\x00\x00\x00a.txtabc"

func TestGroupsAreTables(t *testing.T) {
	r := decoded([]byte(small))
	if r.Code != abi.DecodeOK || len(r.Tables) != 3 || r.Tables["channels"].Len != 3 {
		t.Fatalf("%d %s, %d tables", r.Code, r.FailText, len(r.Tables))
	}
	g := r.Tables["group_1"]
	var names []string
	for _, c := range g.Table.Columns {
		names = append(names, c.Name)
	}
	if want := []string{"seq", "offset", "time", "temp", "temp_2", "column"}; !slices.Equal(names, want) || g.Table.Columns[3].Unit != "Cel" {
		t.Errorf("%q: %+v", names, g.Table)
	}
	if g.Len != 1 || g.Value(0, "temp") != int64(-2) || g.Value(0, "temp_2") != 1.5 || g.Value(0, "column") != "a\uFFFD" || g.Value(0, "time") != int64(1) {
		t.Errorf("%+v", g)
	}
	if e := r.Tables["group_2"]; e.Len != 1 || len(e.Table.Columns) != 3 {
		t.Errorf("%+v", e)
	}
	if len(r.Children) != 1 || r.Children[0].Name != "a.txt" || string(r.Children[0].Data) != "abc" || !r.Children[0].Closed {
		t.Errorf("%+v", r.Children)
	}
}

// TestEveryTruncation: each length ends in good order, with the rows before the cut.
func TestEveryTruncation(t *testing.T) {
	data := trackgen.Channels(trackgen.Options{Seed: 12, Bytes: 700, Start: start}, 2)
	rows := 0
	for n := range len(data) {
		r := decoded(data[:n])
		if r.FailCode != "" && r.FailCode != sdk.CodeTruncated || r.FailCode == "" && r.Tables["group_1"] == nil {
			t.Fatalf("%d bytes: %s %s", n, r.FailCode, r.FailText)
		}
		if g := r.Tables["group_1"]; g != nil {
			if g.Len < rows {
				t.Fatalf("%d bytes: %d rows after %d", n, g.Len, rows)
			}
			rows = g.Len
		}
	}
	if rows < 5 {
		t.Errorf("%d rows only", rows)
	}
}

func TestRefusedFilesAreSkipped(t *testing.T) {
	log := small + strings.Repeat("\xff\x01\x02\x00\x00\x00bxy", 3) + "\x01\x03\x00\x00\x00\x00\x00\x00\x00"
	r := sdktest.RunLimited(Plugin(), log, nil, 2)
	if r.Code != abi.DecodeOK || len(r.Children) != 2 || r.Tables["group_2"].Len != 2 || r.Count("attachment") != 2 {
		t.Errorf("%d %s, %d files, %v", r.Code, r.FailText, len(r.Children), r.Issues)
	}
}

// FuzzDecode: no input makes the decoder break the rules of its host, which sdktest checks, or panic.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(small))
	f.Add(trackgen.Channels(trackgen.Options{Seed: 1, Bytes: 400}, 1))
	f.Fuzz(func(t *testing.T, data []byte) {
		if r := decoded(data); r.FailCode == sdk.CodeTrap {
			t.Fatalf("%s", r.FailText)
		}
	})
}
