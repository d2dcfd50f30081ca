package runtime

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// A schema of parameters comes with a module, and values from a caller, and both meet in the serving process, before any
// worker. The bounds here keep that in proportion: without them a module of a few hundred bytes stops the appliance.

const (
	// maxSchemaCost bounds a schema with every $ref written out. Twenty pairs of $ref, each to the next pair, are a
	// million schemas to hold a value against.
	maxSchemaCost = 4096
	maxDigits     = 100 // of a number's text
	maxExponent   = 400 // a float64 has 308 and, with what is close to zero, 324
)

var errManySchemas = errors.New("compile schema: it is too large when every $ref is written out, or one leads back to where it stands")

// checkNumbers refuses numbers that package big would write out for long, or not at all: validation takes those for
// numbers that it can compare.
func checkNumbers(v any) error {
	switch v := v.(type) {
	case json.Number:
		if !plainNumber(string(v)) {
			return fmt.Errorf("the number %.40s is too large or too long", v)
		}
	case []any:
		for _, e := range v {
			if err := checkNumbers(e); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, e := range v {
			if err := checkNumbers(e); err != nil {
				return err
			}
		}
	}
	return nil
}

// plainNumber reports whether a JSON number can be compared at little cost.
func plainNumber(text string) bool {
	if len(text) > maxDigits {
		return false
	}
	_, exponent, has := strings.Cut(strings.ToLower(text), "e")
	if !has {
		return true
	}
	n, err := strconv.Atoi(exponent)
	return err == nil && n >= -maxExponent && n <= maxExponent
}

// costs counts what a value is held against, with every $ref written out.
type costs struct {
	known map[*jsonschema.Schema]int // 0 = being counted
}

// checkCost refuses a schema that is large when written out, or endless.
func checkCost(s *jsonschema.Schema) error {
	c := costs{known: map[*jsonschema.Schema]int{}}
	if c.of(s) > maxSchemaCost {
		return errManySchemas
	}
	return nil
}

// of gives the cost of a schema, at most one more than the limit.
func (c *costs) of(s *jsonschema.Schema) int {
	if n, ok := c.known[s]; ok {
		if n == 0 { // it leads back to itself
			return maxSchemaCost + 1
		}
		return n
	}
	c.known[s] = 0
	n := 1
	for _, sub := range subschemas(s) {
		if n += c.of(sub); n > maxSchemaCost {
			n = maxSchemaCost + 1
			break
		}
	}
	c.known[s] = n
	return n
}

// subschemas gives what a value, or a part of it, is also held against.
func subschemas(s *jsonschema.Schema) []*jsonschema.Schema {
	out := []*jsonschema.Schema{
		s.Ref, s.RecursiveRef, s.Not, s.If, s.Then, s.Else, s.PropertyNames, s.UnevaluatedProperties, s.Contains, s.Items2020,
		s.UnevaluatedItems, s.ContentSchema,
	}
	if s.DynamicRef != nil {
		out = append(out, s.DynamicRef.Ref)
	}
	for _, list := range [][]*jsonschema.Schema{s.AllOf, s.AnyOf, s.OneOf, s.PrefixItems} {
		out = append(out, list...)
	}
	out = slices.AppendSeq(out, maps.Values(s.Properties))
	out = slices.AppendSeq(out, maps.Values(s.PatternProperties))
	out = slices.AppendSeq(out, maps.Values(s.DependentSchemas))
	for _, v := range append(slices.Collect(maps.Values(s.Dependencies)), s.Items, s.AdditionalItems, s.AdditionalProperties) {
		switch v := v.(type) {
		case *jsonschema.Schema:
			out = append(out, v)
		case []*jsonschema.Schema:
			out = append(out, v...)
		}
	}
	return slices.DeleteFunc(out, func(s *jsonschema.Schema) bool { return s == nil })
}
