package apidocs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// methods are those of a path, in the order of the page.
const methods = "get post put patch delete head options"

// view is what the template shows.
type view struct {
	Title, Version string
	Text           []string
	Groups         []group
	Schemas        []schemaView
}

type group struct {
	Name       string
	Operations []operationView
}

type operationView struct {
	ID, Method, Path, Summary, Scope string
	Text                             []string
	Open                             bool
	Parameters                       []row
	Body                             *bodyView
	Answers                          []answerView
	Curl                             string
}

type row struct {
	Name, In, Type, Text string
	Link                 string // of the schema it refers to
	Required             bool
}

type bodyView struct {
	Text  string
	Forms []formView
}

type formView struct {
	Media string
	Type  typeView
	Rows  []row
	JSON  string
}

type typeView struct{ Name, Link string }

type answerView struct {
	Status, Text string
	Headers      []string
	Forms        []formView
}

type schemaView struct {
	Name, Text string
	Rows       []row
}

func (d *document31) view() (view, error) {
	v := view{Title: d.Info.Title, Version: d.Info.Version, Text: paragraphs(d.Info.Description)}
	byTag := map[string]*group{}
	for _, path := range sortedKeys(d.Paths) {
		base, item := d.base(path), d.Paths[path]
		for method := range strings.FieldsSeq(methods) {
			raw, ok := item[method]
			if !ok {
				continue
			}
			var op operation
			if err := json.Unmarshal(raw, &op); err != nil {
				return v, fmt.Errorf("read %s %s: %w", method, path, err)
			}
			tag := "other"
			if len(op.Tags) > 0 {
				tag = op.Tags[0]
			}
			if byTag[tag] == nil {
				byTag[tag] = &group{Name: tag}
			}
			byTag[tag].Operations = append(byTag[tag].Operations, d.operation(strings.ToUpper(method), base+path, &op))
		}
	}
	tags := sortedKeys(byTag)
	slices.SortStableFunc(tags, func(a, b string) int { return last(a) - last(b) })
	for _, tag := range tags {
		v.Groups = append(v.Groups, *byTag[tag])
	}
	for _, name := range sortedKeys(d.Components.Schemas) {
		s := d.Components.Schemas[name]
		if s == nil {
			continue
		}
		v.Schemas = append(v.Schemas, schemaView{Name: name, Text: s.Description, Rows: d.properties(s)})
	}
	return v, nil
}

// last puts what is beside the API to the end.
func last(tag string) int {
	if tag == "appliance" || tag == "other" {
		return 1
	}
	return 0
}

// base is what stands before a path.
func (d *document31) base(path string) string {
	servers := d.Servers
	if raw, ok := d.Paths[path]["servers"]; ok {
		var own []server // not onto servers: that is the document's
		if json.Unmarshal(raw, &own) == nil {
			servers = own
		}
	}
	if len(servers) == 0 {
		return ""
	}
	return strings.TrimSuffix(servers[0].URL, "/")
}

func (d *document31) operation(method, path string, op *operation) operationView {
	out := operationView{
		ID: op.ID, Method: method, Path: path, Summary: op.Summary, Scope: op.Scope, Text: paragraphs(op.Description),
		Open: len(op.Security) == 0,
	}
	for _, in := range []string{"path", "query", "header", "cookie"} {
		for _, p := range op.Parameters {
			if p.In != in {
				continue
			}
			t := typeOf(p.Schema)
			out.Parameters = append(out.Parameters, row{
				Name: p.Name, In: p.In, Type: t.Name, Link: t.Link, Text: describe(p.Description, p.Schema), Required: p.Required,
			})
		}
	}
	if op.Body != nil {
		out.Body = &bodyView{Text: op.Body.Description, Forms: d.forms(op.Body.Content)}
	}
	for _, status := range sortedKeys(op.Responses) {
		out.Answers = append(out.Answers, d.answer(status, op.Responses[status]))
	}
	out.Curl = curl(method, path, op)
	return out
}

func (d *document31) answer(status string, r response) answerView {
	if name, ok := strings.CutPrefix(r.Ref, "#/components/responses/"); ok {
		r = d.Components.Responses[name]
	}
	out := answerView{Status: status, Text: r.Description, Headers: sortedKeys(r.Headers)}
	if s, err := strconv.Atoi(status); err == nil && s >= 400 {
		return out // all are problems, which the page shows once
	}
	out.Forms = d.forms(r.Content)
	return out
}

func (d *document31) forms(content map[string]media) []formView {
	var out []formView
	for _, name := range sortedKeys(content) {
		m := content[name]
		f := formView{Media: name, Type: typeOf(m.Schema), JSON: indented(m.Example)}
		if m.Schema != nil && f.Type.Link == "" {
			f.Rows = d.properties(m.Schema)
		}
		out = append(out, f)
	}
	return out
}

// properties lists the members of an object.
func (d *document31) properties(s *schema) []row {
	var out []row
	for _, name := range sortedKeys(s.Properties) {
		p := s.Properties[name]
		t := typeOf(p)
		out = append(out, row{Name: name, Type: t.Name, Link: t.Link, Text: describe("", p), Required: slices.Contains(s.Required, name)})
	}
	return out
}

// typeOf names the type of a schema as people write it.
func typeOf(s *schema) typeView {
	switch {
	case s == nil:
		return typeView{Name: "any"}
	case s.Ref != "":
		name := s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
		return typeView{Name: name, Link: name}
	case s.Items != nil:
		t := typeOf(s.Items)
		return typeView{Name: "array of " + t.Name, Link: t.Link}
	case len(s.AnyOf)+len(s.OneOf) > 0:
		return either(append(slices.Clone(s.AnyOf), s.OneOf...))
	case len(s.Type) == 0:
		return typeView{Name: "any"}
	}
	name := strings.Join(s.Type, " or ")
	if s.Format != "" {
		name += " (" + s.Format + ")"
	}
	return typeView{Name: name}
}

func either(all []*schema) typeView {
	var out typeView
	var names []string
	for _, s := range all {
		t := typeOf(s)
		names = append(names, t.Name)
		if out.Link == "" {
			out.Link = t.Link
		}
	}
	out.Name = strings.Join(names, " or ")
	return out
}

// describe joins a description with the bounds of a schema.
func describe(text string, s *schema) string {
	if s == nil {
		return text
	}
	var parts []string
	if text == "" {
		text = s.Description
	}
	if text != "" {
		parts = append(parts, text)
	}
	if len(s.Enum) > 0 {
		parts = append(parts, "one of "+joined(s.Enum))
	}
	if s.Items != nil && len(s.Items.Enum) > 0 {
		parts = append(parts, "each one of "+joined(s.Items.Enum))
	}
	parts = append(parts, bounds(s)...)
	if s.Default != nil {
		parts = append(parts, "default "+compact(s.Default))
	}
	return strings.Join(parts, "; ")
}

func bounds(s *schema) []string {
	var parts []string
	number := func(words string, v *float64) {
		if v != nil {
			parts = append(parts, words+" "+strconv.FormatFloat(*v, 'f', -1, 64))
		}
	}
	count := func(words string, v *int, unit string) {
		if v != nil {
			parts = append(parts, words+" "+strconv.Itoa(*v)+" "+unit)
		}
	}
	number("at least", s.Minimum)
	number("at most", s.Maximum)
	count("at least", s.MinLength, "characters")
	count("at most", s.MaxLength, "characters")
	count("at least", s.MinItems, "items")
	count("at most", s.MaxItems, "items")
	if s.Pattern != "" {
		parts = append(parts, "pattern "+s.Pattern)
	}
	return parts
}

// curl gives a command that sends the request.
func curl(method, path string, op *operation) string {
	var b strings.Builder
	b.WriteString("curl ")
	if method != "GET" && (method != "POST" || op.Body == nil) {
		b.WriteString("-X " + method + " ")
	}
	if len(op.Security) > 0 {
		b.WriteString(`-H "Authorization: Bearer $TOKEN" `)
	}
	if op.Body != nil {
		b.WriteString(curlBody(op.Body))
	}
	path = strings.NewReplacer("{", "", "}", "").Replace(placeholders(path))
	sep := "?"
	for _, p := range op.Parameters {
		if p.In == "query" && p.Required {
			path += sep + p.Name + "=" + strings.ToUpper(p.Name)
			sep = "&"
		}
	}
	b.WriteString("'http://127.0.0.1:8000" + path + "'")
	return b.String()
}

// placeholders writes parameters of a path in capitals.
func placeholders(path string) string {
	var b strings.Builder
	in := false
	for _, r := range path {
		switch r {
		case '{':
			in = true
		case '}':
			in = false
		}
		if in && r >= 'a' && r <= 'z' {
			r -= 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}

func curlBody(body *requestBody) string {
	if m, ok := body.Content["application/json"]; ok {
		text := "{}"
		if len(m.Example) > 0 {
			text = string(m.Example)
		}
		return "-H 'Content-Type: application/json' -d '" + strings.ReplaceAll(text, "'", `'\''`) + "' "
	}
	for _, name := range sortedKeys(body.Content) {
		if name != "multipart/form-data" {
			return "-H 'Content-Type: " + name + "' --data-binary @FILE "
		}
	}
	return "-F file=@FILE "
}

func indented(raw json.RawMessage) string {
	if len(raw) == 0 {
		return ""
	}
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		return string(raw)
	}
	return b.String()
}

func compact(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

func joined(values []any) string {
	var out []string
	for _, v := range values {
		out = append(out, compact(v))
	}
	return strings.Join(out, ", ")
}

// span is a piece of a text: as it is, or between backticks.
type span struct {
	Text string
	Code bool
}

func inline(text string) []span {
	var out []span
	for i, piece := range strings.Split(strings.ReplaceAll(text, "\n\n", "\n"), "`") {
		if piece != "" {
			out = append(out, span{Text: piece, Code: i%2 == 1})
		}
	}
	return out
}

func paragraphs(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n\n")
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
