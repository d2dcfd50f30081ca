//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// contract holds answers of the built appliance against the OpenAPI document that it gives. It is a RoundTripper: every
// answer that passes is checked, and which operation gave which status is counted.
type contract struct {
	t        testing.TB
	doc      map[string]any
	compiler *jsonschema.Compiler
	ops      []*contractOp

	mu   sync.Mutex
	seen map[string]bool // "operation status"
}

// contractOp is one documented operation.
type contractOp struct {
	id, method string
	path       string // with its server's: /api/v1/files/{id}
	pointer    []string
	doc        map[string]any
}

func newContract(tb testing.TB, a *appliance) *contract {
	tb.Helper()
	_, body := a.raw("/api/v1/openapi.json", nil) //nolint:bodyclose // raw closes it
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	c := &contract{t: tb, doc: doc.(map[string]any), compiler: jsonschema.NewCompiler(), seen: map[string]bool{}}
	c.compiler.DefaultDraft(jsonschema.Draft2020)
	c.compiler.AssertFormat()
	if err := c.compiler.AddResource("openapi.json", doc); err != nil {
		tb.Fatal(err)
	}
	for path, item := range c.doc["paths"].(map[string]any) {
		base := "/api/v1"
		if within(item, "servers") != nil {
			base = ""
		}
		for key, op := range item.(map[string]any) {
			if method := strings.ToUpper(key); slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}, method) {
				m := op.(map[string]any)
				c.ops = append(c.ops, &contractOp{
					id: m["operationId"].(string), method: method, path: base + path, pointer: []string{"paths", path, key}, doc: m,
				})
			}
		}
	}
	slices.SortFunc(c.ops, func(a, b *contractOp) int { return strings.Compare(a.id, b.id) })
	return c
}

// within walks into a JSON value.
func within(v any, keys ...string) any {
	for _, k := range keys {
		m, _ := v.(map[string]any)
		v = m[k]
	}
	return v
}

func (o *contractOp) statuses() []string {
	var out []string
	for s := range o.doc["responses"].(map[string]any) {
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}

func (o *contractOp) documents(status string) bool { return slices.Contains(o.statuses(), status) }

func (o *contractOp) jsonBody() (example any, ok bool) {
	m, ok := within(o.doc, "requestBody", "content", "application/json").(map[string]any)
	return m["example"], ok
}

// params lists the parameters in a place: path, query, header.
func (o *contractOp) params(in string) []map[string]any {
	var out []map[string]any
	all, _ := o.doc["parameters"].([]any)
	for _, p := range all {
		if m := p.(map[string]any); m["in"] == in {
			out = append(out, m)
		}
	}
	return out
}

// takes reports whether an operation has a header among its parameters.
func (o *contractOp) takes(header string) bool {
	return slices.ContainsFunc(o.params("header"), func(p map[string]any) bool { return p["name"] == header })
}

// find gives the operation of a request: the one with the fewest parameters among those whose path fits.
func (c *contract) find(method, path string) *contractOp {
	var best *contractOp
	for _, op := range c.ops {
		if (op.method == method || method == http.MethodHead && op.method == http.MethodGet) && fits(op.path, path) &&
			(best == nil || strings.Count(op.path, "{") < strings.Count(best.path, "{")) {
			best = op
		}
	}
	return best
}

func fits(template, path string) bool {
	want, got := strings.Split(template, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		switch {
		case want[i] == got[i]:
		case strings.Contains(want[i], "}.{"):
			if !strings.Contains(got[i], ".") {
				return false
			}
		case !strings.HasPrefix(want[i], "{") || got[i] == "":
			return false
		}
	}
	return true
}

// RoundTrip sends a request and checks its answer.
func (c *contract) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	op := c.find(r.Method, r.URL.EscapedPath())
	if op == nil {
		c.t.Errorf("%s %s is not documented", r.Method, r.URL.Path)
		return res, nil
	}
	if mediaType(res.Header.Get("Content-Type")) == "text/event-stream" {
		c.check(op, r, res, nil) // it does not end
		return res, nil
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil {
		return nil, err
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	c.check(op, r, res, body)
	return res, nil
}

// check holds one answer against the documentation of its operation.
func (c *contract) check(op *contractOp, r *http.Request, res *http.Response, body []byte) {
	status := strconv.Itoa(res.StatusCode)
	what := fmt.Sprintf("%s: %s %s: %s", op.id, r.Method, r.URL.RequestURI(), status)
	keys := append(slices.Clone(op.pointer), "responses", status)
	answer, ok := within(c.doc, keys...).(map[string]any)
	if !ok {
		c.t.Errorf("%s is not documented: %.300s", what, body)
		return
	}
	if ref, ok := answer["$ref"].(string); ok {
		keys = strings.Split(strings.TrimPrefix(ref, "#/"), "/")
		answer = within(c.doc, keys...).(map[string]any)
	}
	c.mu.Lock()
	c.seen[op.id+" "+status] = true
	c.mu.Unlock()
	headers, _ := answer["headers"].(map[string]any)
	for name, h := range headers {
		if ref, ok := within(h, "$ref").(string); ok {
			h = within(c.doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
		}
		if within(h, "required") == true && res.Header.Get(name) == "" {
			c.t.Errorf("%s has no %s", what, name)
		}
	}
	content, _ := answer["content"].(map[string]any)
	if len(body) == 0 {
		if len(content) > 0 && r.Method != http.MethodHead && res.StatusCode >= 400 {
			c.t.Errorf("%s has no body", what)
		}
		return
	}
	got, key := res.Header.Get("Content-Type"), ""
	for name := range content {
		if name == got || key == "" && mediaType(name) == mediaType(got) {
			key = name
		}
	}
	if key == "" {
		c.t.Errorf("%s: Content-Type %q is not documented", what, got)
		return
	}
	if r.URL.Query().Has("fields") && res.StatusCode < 400 {
		return // members that were not asked for are left out, which the document says in words
	}
	if strings.HasSuffix(mediaType(got), "json") && mediaType(got) != "application/x-ndjson" {
		c.validate(what, append(keys, "content", key, "schema"), body)
	}
}

func mediaType(s string) string {
	t, _, err := mime.ParseMediaType(s)
	if err != nil {
		return s
	}
	return t
}

// validate holds a body against the schema at a place of the document.
func (c *contract) validate(what string, keys []string, body []byte) {
	if within(within(c.doc, keys...), "format") == "binary" {
		return
	}
	pointer := "openapi.json#"
	for _, k := range keys {
		pointer += "/" + strings.ReplaceAll(url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(k)), "%2F", "/")
	}
	c.mu.Lock()
	schema, err := c.compiler.Compile(pointer)
	c.mu.Unlock()
	if err != nil {
		c.t.Errorf("%s: %v", what, err)
		return
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		c.t.Errorf("%s: %v: %.300s", what, err, body)
		return
	}
	if err := schema.Validate(v); err != nil {
		c.t.Errorf("%s: %v\n%.500s", what, err, body)
	}
}

// unseen lists the documented answers that nothing has seen, without those that are excepted.
func (c *contract) unseen(except map[string]string) []string {
	var out []string
	used := map[string]bool{}
	for _, op := range c.ops {
		for _, status := range op.statuses() {
			key := op.id + " " + status
			for _, k := range []string{key, "* " + status} {
				if except[k] != "" {
					used[k] = true
				}
			}
			if !c.seen[key] && except[key] == "" && except["* "+status] == "" {
				out = append(out, key)
			}
			if c.seen[key] && except[key] != "" && !strings.HasPrefix(except[key], "may ") {
				out = append(out, key+" is seen: it needs no exception")
			}
		}
	}
	for k := range except {
		if !used[k] {
			out = append(out, "exception for "+k+", which is not documented")
		}
	}
	return out
}

// replay is a session with an appliance whose answers are checked.
type replay struct {
	*contract
	a      *appliance
	client *http.Client
	vars   map[string]string // what answers gave, for {name} in later paths and bodies
	header http.Header       // of every request
}

func (c *contract) on(a *appliance) *replay {
	return &replay{contract: c, a: a, client: &http.Client{Transport: c}, vars: map[string]string{}, header: http.Header{}}
}

// send sends one request. The answer's body is given whole, but for a stream of events.
func (p *replay) send(method, path, body string, header http.Header) (*http.Response, []byte) {
	p.t.Helper()
	for name, v := range p.vars {
		path, body = strings.ReplaceAll(path, "{"+name+"}", v), strings.ReplaceAll(body, "{"+name+"}", v)
	}
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.a.url+path, r)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, h := range []http.Header{p.header, header} {
		maps.Copy(req.Header, h)
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	res, err := p.client.Do(req)
	if err != nil {
		p.t.Errorf("%s %s: %v", method, path, err)
		return &http.Response{Header: http.Header{}}, nil
	}
	defer res.Body.Close()
	if mediaType(res.Header.Get("Content-Type")) == "text/event-stream" {
		return res, nil
	}
	data, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Errorf("%s %s: %v", method, path, err)
	}
	return res, data
}

// keep takes what later steps name: "job=id" or "lease=jobs.0.lease".
func (p *replay) keep(what string, data []byte) {
	p.t.Helper()
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		p.t.Errorf("keep %s: %v", what, err)
		return
	}
	for one := range strings.FieldsSeq(what) {
		name, path, _ := strings.Cut(one, "=")
		at := v
		for key := range strings.SplitSeq(path, ".") {
			if i, err := strconv.Atoi(key); err == nil {
				list, _ := at.([]any)
				if i >= len(list) {
					p.t.Errorf("keep %s: no %s in %.300s", one, key, data)
					return
				}
				at = list[i]
				continue
			}
			at = within(at, key)
		}
		p.vars[name] = fmt.Sprint(at)
	}
}

func jsonText(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return "{}"
	}
	return string(raw)
}
