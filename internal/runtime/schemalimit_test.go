package runtime

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// doubling gives a schema whose every level holds a value twice against the next one.
func doubling(levels int) string {
	var b strings.Builder
	b.WriteString(`{"properties":{"a":{"$ref":"#/$defs/d0"}},"$defs":{`)
	for i := range levels {
		fmt.Fprintf(&b, `"d%d":{"anyOf":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"}]},`, i, i+1, i+1)
	}
	fmt.Fprintf(&b, `"d%d":{"type":"string"}}}`, levels)
	return b.String()
}

// TestSchemaBombs refuses schemas that would stop the serving process: when they are compiled, or at the first value.
func TestSchemaBombs(t *testing.T) {
	property := func(p string) string { return `{"type":"object","properties":{"a":` + p + `}}` }
	for name, c := range map[string]struct{ schema, want string }{
		"fine":               {property(`{"type":"number","minimum":-1.5e-300,"maximum":1e300,"default":0}`), ""},
		"pattern":            {property(`{"type":"string","pattern":"^[a-z]{1,20}$"}`), ""},
		"large pattern":      {property(`{"type":"string","pattern":"^(` + strings.Repeat("x?", 100) + `){1000}$"}`), "states"},
		"long pattern":       {property(`{"type":"string","pattern":"` + strings.Repeat("x", 300) + `"}`), "longer than"},
		"pattern of names":   {`{"patternProperties":{"^(` + strings.Repeat("x?", 100) + `){1000}$":true}}`, "states"},
		"huge minimum":       {property(`{"type":"number","minimum":1e100000000}`), "too large"},
		"tiny step":          {property(`{"type":"number","multipleOf":1e-100000000}`), "too large"},
		"huge default":       {property(`{"type":"number","minimum":1,"default":1e100000000}`), "too large"},
		"default in a list":  {property(`{"type":"array","items":{"maximum":1},"default":[1e100000000]}`), "too large"},
		"long number":        {property(`{"const":` + strings.Repeat("1", 200) + `}`), "too large"},
		"few doublings":      {doubling(4), ""},
		"doublings":          {doubling(20), "written out"},
		"itself":             {`{"properties":{"a":{"$ref":"#"}}}`, "leads back"},
		"itself in a list":   {property(`{"items":{"anyOf":[{"$ref":"#/properties/a"},{"$ref":"#/properties/a"}]}}`), "leads back"},
		"anchor":             {`{"$dynamicAnchor":"x","properties":{"a":{"$dynamicRef":"#x"}}}`, "leads back"},
		"recursive":          {`{"$schema":"https://json-schema.org/draft/2019-09/schema","$recursiveAnchor":true,"properties":{"a":{"$recursiveRef":"#"}}}`, "leads back"},
		"dependency":         {`{"$schema":"http://json-schema.org/draft-07/schema","dependencies":{"a":{"$ref":"#"}}}`, "leads back"},
		"tuple":              {`{"$schema":"http://json-schema.org/draft-07/schema","properties":{"a":{"items":[{"$ref":"#"}]}}}`, "leads back"},
		"schema of schemas":  {`{"$ref":"https://json-schema.org/draft/2020-12/schema"}`, "leads back"},
		"that of draft 7":    {property(`{"$ref":"http://json-schema.org/draft-07/schema"}`), "leads back"},
		"document elsewhere": {property(`{"$ref":"https://example.org/x"}`), "not allowed"},
	} {
		_, err := compileParams(json.RawMessage(c.schema), false)
		if (err == nil) != (c.want == "") || (err != nil && !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestNumbersOfCallers refuses numbers in a caller's lists and objects whose comparison would panic or take for ever.
func TestNumbersOfCallers(t *testing.T) {
	for _, schema := range []string{
		`{"properties":{"a":{"type":"array","items":{"type":"number","minimum":1}}}}`,
		`{"properties":{"a":{"type":"object","additionalProperties":{"type":"number","multipleOf":0.5}}}}`,
		`{"properties":{"a":{"type":["array","object"],"items":{"type":"number","maximum":9},"additionalProperties":{"type":"number","maximum":9}}}}`,
	} {
		ps, err := compileParams(json.RawMessage(schema), false)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []string{"1e100000000", "1e-100000000", "1E999999", strings.Repeat("9", 200)} {
			for _, given := range []string{"[" + n + "]", `{"b":` + n + "}", `{"b":[{"c":` + n + "}]}"} {
				if out, err := ps.canonical(map[string]string{"a": given}); !errcode.Is(err, errcode.ValidationFailed) {
					t.Errorf("%s with %.40s: %s, %v", schema, given, out, err)
				}
			}
		}
	}
}
