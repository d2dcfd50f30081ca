package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/wayside-edge/wayside/internal/catalog"
)

// contract checks answers against the OpenAPI document that the server gives.
type contract struct {
	t        *testing.T
	doc      map[string]any
	compiler *jsonschema.Compiler
	seen     map[string]bool // operations that answered well
}

func newContract(t *testing.T, w *world) *contract {
	t.Helper()
	res := w.get("/api/v1/openapi.json")
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(res.body))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	if err := c.AddResource("openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	return &contract{t: t, doc: doc.(map[string]any), compiler: c, seen: map[string]bool{}}
}

// at walks into the document.
func at(v any, keys ...string) any {
	for _, k := range keys {
		m, _ := v.(map[string]any)
		v = m[k]
	}
	return v
}

// operations lists "METHOD /path" of all documented operations.
func (c *contract) operations() []string {
	var out []string
	for path, item := range at(c.doc, "paths").(map[string]any) {
		if at(item, "servers") != nil || path == "/openapi.json" {
			continue // beside the API, without huma: the test of the built binary asks for them
		}
		for method := range item.(map[string]any) {
			out = append(out, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(out)
	return out
}

// check holds an answer against the documentation of an operation.
func (c *contract) check(op string, res reply) {
	c.t.Helper()
	method, path, _ := strings.Cut(op, " ")
	keys := []string{"paths", path, strings.ToLower(method), "responses"}
	status := fmt.Sprint(res.StatusCode)
	if at(c.doc, append(keys, status)...) == nil {
		c.t.Errorf("%s: status %s is not documented: %s", op, status, res.body)
		return
	}
	if ref, _ := at(c.doc, append(keys, status, "$ref")...).(string); ref != "" {
		keys, status = []string{"components", "responses"}, ref[strings.LastIndexByte(ref, '/')+1:]
	}
	if res.StatusCode < 400 {
		c.seen[op] = true
	}
	if len(res.body) == 0 {
		return
	}
	mediaType := res.Header.Get("Content-Type")
	keys = append(keys, status, "content", mediaType)
	if at(c.doc, keys...) == nil {
		c.t.Errorf("%s %s: media type %q is not documented", op, status, mediaType)
		return
	}
	if strings.HasSuffix(mediaType, "json") && mediaType != "application/x-ndjson" {
		c.validate(op, append(keys, "schema"), res.body)
	}
}

func (c *contract) validate(op string, keys []string, body []byte) {
	c.t.Helper()
	if at(c.doc, append(slices.Clone(keys), "format")...) == "binary" {
		return
	}
	escape := strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace
	pointer := "openapi.json#"
	for _, k := range keys {
		pointer += "/" + escape(k)
	}
	schema, err := c.compiler.Compile(pointer)
	if err != nil {
		c.t.Fatalf("%s: %v", op, err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		c.t.Fatalf("%s: %v", op, err)
	}
	if err := schema.Validate(v); err != nil {
		c.t.Errorf("%s: %v\n%s", op, err, body)
	}
}

// TestEveryRouteIsDocumented walks the router and the document, and wants the same in both.
func TestEveryRouteIsDocumented(t *testing.T) {
	w := newWorld(t)
	w.cfg.Metrics, w.cfg.Console, w.cfg.Auth = http.NotFoundHandler(), noPages{}, realAccess(t, false)
	w.cfg.Deps.Uploads = newFakeUploads()
	w.start()
	c := newContract(t, w)
	documented := map[string]bool{}
	for path, item := range at(c.doc, "paths").(map[string]any) {
		base := pathPrefix
		if at(item, "servers") != nil {
			base = ""
		}
		for method := range operationsIn(item) {
			documented[method+" "+base+echoPath(strings.NewReplacer(exportPath, exportRoute, batchExportPath, batchExportRoute).Replace(path))] = true
		}
	}
	var asDocumented []string // what the document says in words
	const uploads = "/api/v1/uploads"
	for _, key := range []string{"POST " + uploads, "PATCH " + uploads + "/:id", "DELETE " + uploads + "/:id", "OPTIONS " + uploads} {
		asDocumented = append(asDocumented, key+"/")
	}
	for _, method := range []string{http.MethodPost, http.MethodOptions} {
		asDocumented = append(asDocumented, method+" "+uploads+"/:id", method+" "+uploads+"/:id/")
	}
	routed := map[string]bool{}
	for _, r := range w.server.echo.Routes() {
		if r.Method == http.MethodHead {
			if !documented["GET "+r.Path] && !documented["HEAD "+strings.TrimSuffix(r.Path, "/")] {
				t.Errorf("HEAD %s: what it is the head of is not documented", r.Path)
			}
			continue
		}
		key := r.Method + " " + r.Path
		if routed[key] = true; !documented[key] && !slices.Contains(asDocumented, key) {
			t.Errorf("%s is served and not documented", key)
		}
		if _, ok := w.server.scopes[key]; !ok {
			t.Errorf("%s has no scope", key)
		}
		if r.Method == http.MethodGet && !slices.ContainsFunc(w.server.echo.Routes(), func(h *echo.Route) bool {
			return h.Method == http.MethodHead && h.Path == r.Path
		}) {
			t.Errorf("%s does not answer HEAD", key)
		}
	}
	for key := range documented {
		if !routed[key] && !strings.HasPrefix(key, http.MethodHead) {
			t.Errorf("%s is documented and not served", key)
		}
	}
}

// operationsIn gives the operations of a path of the document, by their methods in capitals.
func operationsIn(item any) map[string]any {
	out := map[string]any{}
	for key, op := range item.(map[string]any) {
		if method := strings.ToUpper(key); slices.Contains([]string{"GET", "PUT", "POST", "DELETE", "PATCH", "HEAD", "OPTIONS"}, method) {
			out[method] = op
		}
	}
	return out
}

type noPages struct{}

func (noPages) ServeHTTP(http.ResponseWriter, *http.Request) {}
func (noPages) Has(string) bool                              { return false }
func (noPages) Sections() []string                           { return nil }

// TestExamplesAreValid holds the examples of the document against their schemas, and the lines of the tables in
// document.go against the operations.
func TestExamplesAreValid(t *testing.T) {
	w := newWorld(t)
	w.cfg.Auth, w.cfg.Deps.Uploads = realAccess(t, false), newFakeUploads()
	w.start()
	c := newContract(t, w)
	ids := map[string]bool{}
	for _, op := range c.operations() {
		method, path, _ := strings.Cut(op, " ")
		keys := []string{"paths", path, strings.ToLower(method)}
		id, _ := at(c.doc, append(keys, "operationId")...).(string)
		ids[id] = true
		keys = append(keys, "requestBody", "content", jsonType)
		body := at(c.doc, keys...)
		if body == nil {
			continue
		}
		example := at(body, "example")
		if example == nil {
			t.Errorf("%s (%s): no example of its body", op, id)
			continue
		}
		raw, err := json.Marshal(example)
		if err != nil {
			t.Fatal(err)
		}
		c.validate(op, append(keys, "schema"), raw)
	}
	for id := range exampleBodies() {
		if !ids[id] {
			t.Errorf("an example for %s, which is no operation", id)
		}
	}
	for id := range refusalsOf() {
		if !ids[id] {
			t.Errorf("codes for %s, which is no operation", id)
		}
	}
	for name, r := range at(c.doc, "components", "responses").(map[string]any) {
		for code, example := range at(r, "content", problemType, "examples").(map[string]any) {
			raw, err := json.Marshal(at(example, "value"))
			if err != nil {
				t.Fatal(err)
			}
			c.validate(name+" "+code, []string{"components", "responses", name, "content", problemType, "schema"}, raw)
		}
	}
}

func TestAnswersKeepTheContract(t *testing.T) {
	w := newWorld(t)
	w.direct = func(_ context.Context, _ DirectRequest, out io.Writer) error {
		_, err := io.WriteString(out, "[]")
		return err
	}
	w.start()
	c := newContract(t, w)
	ct := header("Content-Type", "application/json")
	fields, formType := form(t, "x.ru", "RU8", "y.ru", "RU9")
	one, oneType := form(t, "z.ru", "RU10")
	_, d := w.addDecode(catalog.Done, "RU1")
	w.writeTable(d, 100)
	w.finish(d.ID, catalog.Partial)
	w.addDecode(catalog.Queued, "RU2")
	for _, tc := range []struct {
		op, path, body string
		opts           []option
	}{
		{"POST /files", "/files?name=q.ru", "RU3", nil},
		{"POST /files", "/files?name=q.ru", "RU3", nil},
		{"POST /files", "/files?name=q.unknown", "??", nil},
		{"POST /files", "/files?decode=false", "only", nil},
		{"POST /files", "/files", fields, []option{formType}},
		{"POST /files", "/files", one, []option{oneType}},
		{"POST /files", "/files?wait=x", "", nil},
		{"GET /files", "/files", "", nil},
		{"GET /files", "/files?limit=0", "", nil},
		{"GET /files/{id}", "/files/f0001", "", nil},
		{"GET /files/{id}", "/files/zz", "", nil},
		{"GET /files/{id}/content", "/files/f0001/content", "", nil},
		{"GET /files/{id}/content", "/files/f0001/content", "", []option{header("Range", "bytes=0-0")}},
		{"GET /files/{id}/content", "/files/f0001/content", "", []option{header("Range", "bytes=9-")}},
		{"GET /files/{id}/hex", "/files/f0001/hex", "", nil},
		{"GET /decodes", "/decodes", "", nil},
		{"GET /decodes/{id}", "/decodes/d0001", "", nil},
		{"POST /decodes", "/decodes", `{"file_id":"f0001"}`, []option{ct}},
		{"POST /decodes", "/decodes", `{"file_id":"f0001","force":true}`, []option{ct}},
		{"POST /decodes", "/decodes", `{`, []option{ct}},
		{"POST /decodes/{id}/cancel", "/decodes/d0002/cancel", "", nil},
		{"POST /decodes/{id}/cancel", "/decodes/d0001/cancel", "", nil},
		{"GET /decodes/{id}/tables", "/decodes/d0001/tables", "", nil},
		{"GET /decodes/{id}/tables/{table}/rows", "/decodes/d0001/tables/points/rows", "", nil},
		{"GET /decodes/{id}/tables/{table}/series", "/decodes/d0001/tables/points/series?y=speed,kind", "", nil},
		{"GET /decodes/{id}/tables/{table}/series", "/decodes/d0001/tables/points/series?y=seq&points=3&from=-5", "", nil},
		{"GET /decodes/{id}/tables/{table}/series", "/decodes/d0001/tables/points/series?y=name", "", nil},
		{"GET /decodes/{id}/tables/{table}.{format}", "/decodes/d0001/tables/points.csv", "", nil},
		{"GET /decodes/{id}/tables/{table}.{format}", "/decodes/d0001/tables/points.json", "", nil},
		{"GET /decodes/{id}/tables/{table}.{format}", "/decodes/d0001/tables/points.parquet", "", []option{header("Range", "bytes=0-3")}},
		{"GET /decodes/{id}/tables/{table}.{format}", "/decodes/d0001/tables/points.xlsx", "", nil},
		{"GET /decodes/{id}/issues", "/decodes/d0001/issues", "", nil},
		{"POST /decode", "/decode", "RU", nil},
		{"POST /detect", "/detect", "RU", nil},
		{"POST /detect", "/detect", "??", nil},
		{"GET /plugins", "/plugins", "", nil},
		{"GET /plugins/{id}", "/plugins/rail", "", nil},
		{"POST /plugins", "/plugins?wait=1", "\x00asm new", nil},
		{"POST /plugins", "/plugins", "\x00asm new", nil},
		{"POST /plugins", "/plugins", "text", nil},
		{"POST /plugins/{id}/disable", "/plugins/rail/disable", "", nil},
		{"POST /plugins/{id}/enable", "/plugins/rail/enable", "", nil},
		{"POST /plugins/{id}/reload", "/plugins/rail/reload", "", nil},
		{"POST /plugins/{id}/reload", "/plugins/none/reload", "", nil},
		{"DELETE /plugins/{id}", "/plugins/new", "", nil},
		{"DELETE /plugins/{id}", "/plugins/rail", "", nil},
		{"GET /system", "/system", "", nil},
		{"GET /system", "/system?limits=true", "", nil},
		{"GET /decodes/{id}/tables.zip", "/decodes/d0001/tables.zip", "", nil},
		{"GET /overview", "/overview", "", nil},
		{"GET /readings", "/readings?points=24", "", nil},
		{"DELETE /decodes/{id}", "/decodes/d0001", "", nil},
		{"DELETE /files/{id}", "/files/f0001", "", nil},
	} {
		method, _, _ := strings.Cut(tc.op, " ")
		c.check(tc.op, w.do(method, tc.path, strings.NewReader(tc.body), tc.opts...))
	}
	checkCalls(t, w, c, queueCalls())
	checkCalls(t, w, c, cacheCalls())
	checkCalls(t, w, c, kvCalls())
	checkCalls(t, w, c, observeCalls())
	c.seen["GET /events"] = true // has no end: events_test.go
	checkBatches(t, w, c)
	for _, op := range c.operations() {
		if !c.seen[op] {
			t.Errorf("%s is documented, but no good answer of it was checked", op)
		}
	}
}

// TestDocumentIsWhole looks for what clients made from the document would trip over.
func TestDocumentIsWhole(t *testing.T) {
	w := newWorld(t).start()
	c := newContract(t, w)
	if at(c.doc, "openapi") != "3.1.0" {
		t.Errorf("openapi %v", at(c.doc, "openapi"))
	}
	for _, op := range c.operations() {
		method, path, _ := strings.Cut(op, " ")
		o := at(c.doc, "paths", path, strings.ToLower(method))
		if at(o, "responses", "500", "$ref") == nil || at(o, "responses", "default") != nil {
			t.Errorf("%s: errors are not documented", op)
		}
		if s, _ := at(o, "summary").(string); s == "" {
			t.Errorf("%s: no summary", op)
		}
		named := map[string]bool{}
		params, _ := at(o, "parameters").([]any)
		for _, p := range params {
			if at(p, "in") == "path" {
				named[at(p, "name").(string)] = true
			}
		}
		for _, part := range strings.FieldsFunc(path, func(r rune) bool { return r == '/' || r == '.' }) {
			if name, ok := strings.CutPrefix(part, "{"); ok && !named[strings.TrimSuffix(name, "}")] {
				t.Errorf("%s: %s is not among the parameters %v", op, part, sorted(named))
			}
		}
		if len(named) != strings.Count(path, "{") {
			t.Errorf("%s: parameters %v", op, sorted(named))
		}
	}
	for _, op := range []string{"/files", "/decode", "/detect"} {
		body := at(c.doc, "paths", op, "post", "requestBody", "content")
		if at(body, "application/octet-stream") == nil || at(body, "multipart/form-data") == nil {
			t.Errorf("%s: body %v", op, body)
		}
	}
	if res := w.get("/api/v1/openapi.json"); res.Header.Get("Etag") == "" || !json.Valid(res.body) {
		t.Errorf("%v", res.Header)
	}
	if res := w.do(http.MethodHead, "/api/v1/openapi.json", nil); res.StatusCode != 200 {
		t.Errorf("HEAD: %d", res.StatusCode)
	}
}
