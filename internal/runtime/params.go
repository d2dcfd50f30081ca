package runtime

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/module"
	"github.com/wayside-edge/wayside/internal/zone"
)

const (
	paramsURL   = "wayside:params"
	paramPrefix = "param."
	// revealParam asks for sensitive values. Every plugin has it, whether its schema names it or not; it is kept in
	// the parameters only when true, so that a decode without it has the same identity as ever.
	revealParam = "reveal"
	maxProblems = 20
	maxRefs     = 32
)

// paramSchema is the compiled JSON Schema of a plugin's parameters.
type paramSchema struct {
	schema *jsonschema.Schema // nil = no parameters
	naive  bool               // the plugin has times without a zone, so it takes one
	shown  json.RawMessage    // the schema with what the host adds, nil = no parameters
}

// noLoader refuses to load documents: a $ref may point into the schema itself only.
type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("a $ref to %.200q is not allowed", url)
}

// compileParams reads the schema of a manifest; naive says that its tables have times without a zone.
func compileParams(raw json.RawMessage, naive bool) (*paramSchema, error) {
	ps := &paramSchema{naive: naive}
	var err error
	if len(raw) > 0 && string(raw) != "null" {
		if ps.schema, err = compileSchema(raw); err != nil {
			return nil, err
		}
	}
	if ps.shown, err = ps.show(raw); err != nil {
		return nil, err
	}
	return ps, nil
}

func compileSchema(raw json.RawMessage) (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("parse schema: %w", err)
	}
	if _, ok := doc.(map[string]any); !ok {
		return nil, errors.New("the schema is not an object")
	}
	if err := checkNumbers(doc); err != nil {
		return nil, fmt.Errorf("parse schema: %w", err)
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(noLoader{})
	var patterns module.Patterns
	c.UseRegexpEngine(func(text string) (jsonschema.Regexp, error) {
		re, err := patterns.Compile(text)
		if err != nil {
			return nil, err //nolint:wrapcheck // the compiler says where it stands
		}
		return re, nil
	})
	if err := c.AddResource(paramsURL, doc); err != nil {
		return nil, fmt.Errorf("compile schema: %w", err)
	}
	s, err := c.Compile(paramsURL)
	if err != nil {
		return nil, fmt.Errorf("compile schema: %w", err)
	}
	return s, checkCost(s)
}

// Params checks the parameters given for a plugin (texts, as they stand in a query), coerces them to the types of its
// schema, fills in the defaults (of the plugin's settings, then of its schema) and gives their canonical JSON: sorted keys, no spaces. What is wrong is a
// ValidationFailed error with a field param.<name> each.
func (r *Registry) Params(pluginID string, given map[string]string) (json.RawMessage, error) {
	v := r.now.Load()
	i, ok := v.byID[pluginID]
	if !ok {
		return nil, errcode.Newf(errcode.NotFound, "there is no decoder %.80q", pluginID)
	}
	ps := v.entries[i].params.Load()
	if ps == nil { // the manifest is not known yet
		ps = &paramSchema{}
	}
	pl := &v.plugins[i]
	out, err := ps.canonical(pl.withDefaultParams(given))
	if e, ok := errors.AsType[*errcode.Error](err); ok {
		for i := range e.Fields {
			e.Fields[i].Message += pl.fromSettings(e.Fields[i].Field, given)
		}
		e.Text += pl.fromSettings(e.Fields[0].Field, given)
	}
	return out, err
}

func (ps *paramSchema) canonical(given map[string]string) (json.RawMessage, error) {
	props := ps.properties()
	values := map[string]any{}
	var fields []errcode.Field
	bad := func(key, format string, args ...any) {
		fields = append(fields, errcode.Field{Field: paramPrefix + key, Message: fmt.Sprintf(format, args...)})
	}
	for _, key := range slices.Sorted(maps.Keys(given)) {
		p, known := props[key]
		switch {
		case known:
			values[key] = coerce(given[key], p)
		case key == zone.Param && ps.naive:
			values[key] = given[key]
		case key != revealParam:
			bad(key, "unknown parameter%s", ps.knownList())
		case given[key] == "true":
			values[key] = true
		case given[key] != "false":
			bad(key, "is true or false")
		}
	}
	for key, v := range ps.defaults() {
		if _, ok := values[key]; !ok {
			values[key] = v
		}
	}
	if problem := settleZone(values); problem != "" {
		bad(zone.Param, "%s", problem)
	}
	fields = append(fields, ps.validate(values)...)
	if len(fields) > 0 {
		return nil, &errcode.Error{
			Code: errcode.ValidationFailed, Text: fields[0].Field + ": " + fields[0].Message, Fields: fields,
		}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(values); err != nil {
		return nil, fmt.Errorf("encode parameters: %w", err)
	}
	return bytes.TrimSpace(b.Bytes()), nil
}

func (ps *paramSchema) properties() map[string]*jsonschema.Schema {
	out := map[string]*jsonschema.Schema{}
	if ps.schema == nil {
		return out
	}
	for name, p := range resolved(ps.schema).Properties {
		out[name] = resolved(p)
	}
	return out
}

// defaults gives the default of each parameter that has one, beside a $ref or behind it.
func (ps *paramSchema) defaults() map[string]any {
	out := map[string]any{}
	if ps.schema == nil {
		return out
	}
	for name, p := range resolved(ps.schema).Properties {
		for range maxRefs {
			if p.Default != nil {
				out[name] = *p.Default
				break
			}
			if p = p.Ref; p == nil {
				break
			}
		}
	}
	return out
}

// resolved follows $ref.
func resolved(s *jsonschema.Schema) *jsonschema.Schema {
	for range maxRefs {
		if s.Ref == nil {
			break
		}
		s = s.Ref
	}
	return s
}

func (ps *paramSchema) knownList() string {
	props := ps.properties()
	if ps.naive {
		props[zone.Param] = nil
	}
	if len(props) == 0 {
		return ": the decoder has none"
	}
	return "; there are " + strings.Join(slices.Sorted(maps.Keys(props)), ", ")
}

// coerce makes of a text what the schema wants; a text that is nothing of that stays one, for validation to name.
func coerce(text string, s *jsonschema.Schema) any {
	types := []string{"string"}
	if s.Types != nil && !s.Types.IsEmpty() {
		types = s.Types.ToStrings()
	}
	has := func(t string) bool { return slices.Contains(types, t) }
	if has("boolean") && (text == "true" || text == "false") {
		return text == "true"
	}
	if has("null") && text == "null" {
		return nil
	}
	if has("integer") || has("number") {
		if n, ok := number(text); ok {
			return n
		}
	}
	if has("array") || has("object") {
		if v, err := jsonschema.UnmarshalJSON(strings.NewReader(text)); err == nil && checkNumbers(v) == nil {
			return v
		}
		if has("array") && !has("string") {
			return list(text, s)
		}
	}
	return text
}

// list reads a,b,c as an array.
func list(text string, s *jsonschema.Schema) []any {
	item := &jsonschema.Schema{}
	switch items := s.Items.(type) {
	case *jsonschema.Schema:
		item = resolved(items)
	default:
		if s.Items2020 != nil {
			item = resolved(s.Items2020)
		}
	}
	out := []any{}
	if text == "" {
		return out
	}
	for part := range strings.SplitSeq(text, ",") {
		out = append(out, coerce(part, item))
	}
	return out
}

// number reads a JSON number and gives it one spelling.
func number(text string) (json.Number, bool) {
	if !json.Valid([]byte(text)) || text == "" || (text[0] != '-' && (text[0] < '0' || text[0] > '9')) || len(text) > maxDigits {
		return "", false
	}
	if n, ok := new(big.Int).SetString(text, 10); ok {
		return json.Number(n.String()), true
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return "", false
	}
	b, err := json.Marshal(f)
	return json.Number(b), err == nil
}

// validate gives what the schema has against the values.
func (ps *paramSchema) validate(values map[string]any) []errcode.Field {
	if ps.schema == nil {
		return nil
	}
	seen, props := maps.Clone(values), ps.properties()
	for _, key := range []string{revealParam, zone.Param} { // the host's own, which the schema need not allow
		if _, named := props[key]; !named {
			delete(seen, key)
		}
	}
	err := ps.schema.Validate(seen)
	var ve *jsonschema.ValidationError
	if !errors.As(err, &ve) {
		if err != nil {
			return []errcode.Field{{Field: "param", Message: err.Error()}}
		}
		return nil
	}
	var out []errcode.Field
	collect(ve, message.NewPrinter(language.English), &out)
	return out
}

// collect gathers the leaves of a validation error.
func collect(ve *jsonschema.ValidationError, p *message.Printer, out *[]errcode.Field) {
	if len(*out) >= maxProblems {
		return
	}
	for _, c := range ve.Causes {
		collect(c, p, out)
	}
	if len(ve.Causes) > 0 {
		return
	}
	if req, ok := ve.ErrorKind.(*kind.Required); ok && len(ve.InstanceLocation) == 0 {
		for _, name := range req.Missing {
			*out = append(*out, errcode.Field{Field: paramPrefix + name, Message: "is required"})
		}
		return
	}
	field := strings.TrimSuffix(paramPrefix, ".")
	if len(ve.InstanceLocation) > 0 {
		field = paramPrefix + strings.Join(ve.InstanceLocation, ".")
	}
	*out = append(*out, errcode.Field{Field: field, Message: ve.ErrorKind.LocalizedString(p)})
}
