package httpapi

import (
	"encoding/json"
	"errors"
	"testing"
)

// deep has wrong values at every kind of place.
type deep struct {
	embedded
	List []struct {
		N    int    `json:"n"`
		Name string `json:"name"`
	} `json:"list"`
	Grid [][]float64    `json:"grid"`
	Map  map[string]int `json:"map"`
}

type embedded struct {
	B bool `json:"b"`
}

func TestFieldAt(t *testing.T) {
	for doc, want := range map[string]string{
		`{"b":1}`: "b", `{ "list" : [ {"n": 1}, {"name":"{\"[,", "n": "x"} ] }`: "list[1].n", `{"list":{}}`: "list", `{"list":[1]}`: "list[0]",
		`{"list":[{"n":[1]}]}`: "list[0].n", `{"grid":[[],[1,2,"x"]]}`: "grid[1][2]", `{"grid":[[1],{}]}`: "grid[1]", `{"map":{"a":1,"b c":true}}`: "map.b c",
		`{"list":[{"name":{"x":1}}]}`: "list[0].name", `{"map":{"a":1},"b":"x"}`: "b", `{"b":1e9}`: "b", `[1]`: "", `7`: "", `"x"`: "",
	} {
		err := json.Unmarshal([]byte(doc), new(deep))
		wrong, ok := errors.AsType[*json.UnmarshalTypeError](err)
		if !ok {
			t.Fatalf("%s: %v", doc, err)
		}
		if got := fieldAt([]byte(doc), wrong.Offset); got != want {
			t.Errorf("%s: %q, want %q (%v)", doc, got, want, err)
		}
	}
}

func FuzzFieldAt(f *testing.F) {
	for _, doc := range []string{`{"a":[1,{"b":null}]}`, `[[[]]]`, `{"a"`, `]`, `{"a":1}}`, ``, `{1:2}`} {
		f.Add([]byte(doc), int64(3))
	}
	f.Fuzz(func(_ *testing.T, doc []byte, at int64) { fieldAt(doc, at) })
}
