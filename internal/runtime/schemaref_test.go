package runtime

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// TestShownSchemaTakesWhatTheDecoderTakes: parameters that the host accepts are valid by the schema that it shows.
func TestShownSchemaTakesWhatTheDecoderTakes(t *testing.T) {
	for name, schema := range map[string]string{
		"plain":         `{"type":"object","properties":{"n":{"type":"integer"}},"additionalProperties":false}`,
		"ref":           `{"$ref":"#/$defs/p","$defs":{"p":{"type":"object","properties":{"n":{"type":"integer"}},"additionalProperties":false}}}`,
		"ref of a ref":  `{"$ref":"#/$defs/q","$defs":{"q":{"$ref":"#/$defs/a~1b"},"a/b":{"properties":{"n":{"type":"integer"}},"additionalProperties":false}}}`,
		"escaped ref":   `{"$ref":"#/$defs/a%20b","$defs":{"a b":{"properties":{"n":{"type":"integer"}},"additionalProperties":false}}}`,
		"in a list":     `{"$ref":"#/x/0","x":[{"properties":{"n":{"type":"integer"}},"additionalProperties":false}]}`,
		"beside others": `{"$ref":"#/$defs/p","properties":{"n":{"maximum":9}},"$defs":{"p":{"properties":{"n":{"type":"integer"}}}}}`,
	} {
		ps, err := compileParams(json.RawMessage(schema), true)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		given := map[string]string{"timezone": "Europe/Berlin"}
		if ps.properties()["n"] != nil {
			given["n"] = "3"
		}
		got, err := ps.canonical(given)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		shown, err := compileSchema(ps.shown)
		if err != nil {
			t.Errorf("%s: shown %s: %v", name, ps.shown, err)
			continue
		}
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(string(got)))
		if err != nil {
			t.Fatal(err)
		}
		if err := shown.Validate(v); err != nil {
			t.Errorf("%s: %s refuses %s: %v", name, ps.shown, got, err)
		}
	}
}

func FuzzShownSchema(f *testing.F) {
	f.Add(`{"$ref":"#/$defs/p","$defs":{"p":{"properties":{"n":{}}}},"properties":{"m":{}}}`)
	f.Add(`{"$ref":"#/$defs/p/%41/~01","$defs":{"p":[true,{}]}}`)
	f.Fuzz(func(t *testing.T, schema string) {
		ps, err := compileParams(json.RawMessage(schema), true)
		if err == nil && len(ps.shown) > 0 && !json.Valid(ps.shown) {
			t.Errorf("%q is shown as %q", schema, ps.shown)
		}
	})
}
