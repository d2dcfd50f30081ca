package recorder

import (
	"fmt"
	"slices"
	"testing"

	"github.com/wayside-edge/wayside/plugins/rail/railtest"
	"github.com/wayside-edge/wayside/sdk/go/abi"
	"github.com/wayside-edge/wayside/sdk/go/sdktest"
)

func runParts(parts ...[]byte) *sdktest.Result {
	in := make([]sdktest.Part, 0, len(parts))
	for i, p := range parts {
		in = append(in, sdktest.Part{Name: fmt.Sprintf("%02d0000.RU", i), Data: p})
	}
	return sdktest.RunParts(Plugin(), in, nil)
}

// allRows gives every value of every row of every table, and the issues.
func allRows(r *sdktest.Result) []string {
	var out []string
	for _, tab := range Plugin().Manifest().Tables {
		var columns []string
		for _, c := range tab.Columns {
			columns = append(columns, c.Name)
		}
		out = append(out, tab.Name+": "+cellsOf(r, tab.Name, columns...))
	}
	for _, i := range r.Issues {
		out = append(out, i.String())
	}
	return out
}

// TestPartsAreOneRecording cuts a recording between any two records: the rows are those of the whole one, whether a
// telegram, a link or a standstill reaches over the border or not.
func TestPartsAreOneRecording(t *testing.T) {
	whole := railtest.Example()
	want := allRows(runParts(whole))
	ends := starts(whole)
	for i := 1; i < len(ends)-1; i++ {
		second := min(i+3, len(ends)-1)
		if got := allRows(runParts(whole[:ends[i]], whole[ends[i]:ends[second]], whole[ends[second]:])); !slices.Equal(got, want) {
			for k := range want {
				if got[k] != want[k] {
					t.Fatalf("cut before record %d:\n%s\nwant\n%s", i+1, got[k], want[k])
				}
			}
			t.Fatalf("cut before record %d: other issues", i+1)
		}
	}
}

// TestDamagedPartsCostOnlyTheirRest says that a part that is cut or spoilt ends there, and the next one is read.
func TestDamagedPartsCostOnlyTheirRest(t *testing.T) {
	whole := railtest.Example()
	ends := starts(whole)
	half := ends[100]
	for name, c := range map[string]struct {
		first []byte
		rows  int
		code  string
	}{
		"cut":     {whole[:half-3], 99, codeTruncated},
		"spoilt":  {append(slices.Clone(whole[:half]), make([]byte, 64)...), 100, codeCorrupt},
		"empty":   {nil, 0, ""},
		"no part": {make([]byte, 64), 0, codeCorrupt},
	} {
		r := runParts(c.first, whole[half:])
		if n, want := r.Tables["records"].Len, c.rows+len(ends)-1-100; n != want || r.Code != abi.DecodeOK {
			t.Errorf("%s: %d rows, want %d; %s", name, n, want, r.FailText)
		}
		if got := r.Tables["records"].Value(c.rows, "offset"); got != int64(len(c.first)) {
			t.Errorf("%s: the second part begins at %v, want %d", name, got, len(c.first))
		}
		found, fatal := false, false
		for _, i := range r.Issues {
			found = found || i.Code == c.code && i.Severity == abi.Error
			if i.Severity == abi.Fatal {
				fatal = true
			}
		}
		if found != (c.code != "") || fatal != found {
			t.Errorf("%s: issues %v", name, r.Issues)
		}
		if last := r.Issues[len(r.Issues)-1]; found && (last.Severity != abi.Fatal || last.Code != c.code || last.Offset > int64(len(c.first))) {
			t.Errorf("%s: the decode passes for whole: %v", name, last)
		}
	}
	if r := runParts(whole[:half], whole[half:len(whole)-3]); r.Issues[len(r.Issues)-1].Severity != abi.Fatal {
		t.Error("the last part was cut:", r.Issues)
	}
}
