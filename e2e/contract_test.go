//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/wayside-edge/wayside/plugins/rail/railtest"
)

// step is one request of the replay. A new route adds its steps to contractSteps; errors that every route has (wrong Host,
// no token, too many requests, shutting down, broken bodies, unknown ids) are tried for every documented operation without
// a line here.
type step struct {
	request string // "POST /api/v1/files?name=x"; {name} is what an earlier step kept
	body    string
	want    int
	keep    string // "file=file.id": what later steps name {file}
	locate  string // "upload": what later steps name {upload}, from the end of Location
	header  string // "Range: bytes=0-0"

	optional bool // of a route that this appliance may not have
}

const jsonCT = "Content-Type: application/json"

// unseenBecause says which documented answers this test does not bring about, and why.
func unseenBecause() map[string]string {
	const (
		clash   = "needs a clash within milliseconds; the tests of the packages below make it"
		many    = "needs as many as there may be; the tests of the queue make them"
		space   = "needs a disk that fills up after something was stored: TestFullDisk"
		lock    = "needs a request that holds on to an upload for ten seconds; the tests of httpapi have one"
		differs = "may be another answer each time, so that no tag holds"
	)
	return map[string]string{
		"* 500":                  "nothing that a caller sends may bring one about",
		"create-batch 507":       "the full disk of this test has no file that it could name",
		"export-batch-table 304": "is made of many tables each time and has no tag",
		"delete-file 409":        clash,
		"get-batch-rows 409":     "needs a file that is decoded anew between two pages; the tests of httpapi make it",
		"export-batch-table 413": "needs more rows than a worksheet has; the tests of httpapi have them",
		"drain-queue 409":        clash,
		"run-schedule 409":       clash,
		"reload-plugin 409":      clash,
		"enable-plugin 409":      clash,
		"import-jobs 409":        clash,
		"create-batch 404":       "needs a batch of thousands of files that was deleted; the tests of httpapi have one",
		"pause-queue 409":        many,
		"resume-queue 409":       many,
		"put-queue 409":          many,
		"change-queue 409":       many,
		"put-schedule 409":       many,
		"create-token 409":       many,
		"upload-offset 423":      lock,
		"append-upload 423":      lock,
		"end-upload 423":         lock,
		"upload-offset 409":      "needs an upload that could not become a file; internal/upload has it",
		"upload-offset 507":      space,
		"append-upload 507":      space,
		"import-jobs 507":        space,
		"create-decode 507":      space,
		"install-plugin 507":     space,
		"create-silence 507":     "needs a disk without a byte: a silence is small, and kept where recordings are refused",
		"get-file-hex 409":       "needs a stored archive that cannot be unwrapped any more; internal/decode has it",
		"install-plugin 409":     "needs plugins.dirs without the data folder's; internal/runtime has it",
		"disable-plugin 409":     "needs a decoder that is disabled in the configuration; internal/runtime has it",
		"get-metrics 401":        "open from loopback, where this test is",
		"get-metrics-older 401":  "as get-metrics",
		"get-metrics-oldest 401": "as get-metrics",
		"get-docs-asset 422":     "any name is one that is not there",
		"get-asset 422":          "any name is one that is not there",
		"export-jobs 304":        "it is streamed, without a tag",
		"export-tables 304":      "it is made of many tables each time and has no tag",
		"get-metrics 304":        "it has no tag",
		"get-metrics-older 304":  "it has no tag",
		"get-metrics-oldest 304": "it has no tag",
		"get-health 304":         differs,
		"get-health-ready 304":   differs,
		"get-system 304":         differs,
		"get-overview 304":       differs,
		"get-queue 304":          differs,
		"list-queues 304":        differs,
		"list-workers 304":       differs,
		"get-session 304":        differs,
		"get-cached-value 304":   differs,
	}
}

// TestContract replays every documented operation and every documented error against the built appliance, checks each answer
// against the document, and fails if a documented answer was never seen.
func TestContract(t *testing.T) {
	a := start(t, t.TempDir(), "--kv-listen", kvAddress(t))
	c := newContract(t, a)
	p := c.on(a)
	p.prepare()
	for _, s := range contractSteps() {
		p.step(s)
	}
	p.everywhere("/")
	c.withTokens(t)
	c.limited(t)
	c.small(t)
	c.full(t)
	c.draining(t)
	except := unseenBecause()
	for _, s := range c.unseen(except) {
		t.Errorf("documented, and never seen: %s", s)
	}
}

// step sends a request, and what follows from a good answer to a read: the conditions and ranges that it documents.
func (p *replay) step(s step) {
	p.t.Helper()
	method, path, _ := strings.Cut(s.request, " ")
	if s.optional && p.find(method, p.named(path)) == nil {
		return
	}
	h := http.Header{}
	if s.body != "" && s.header == "" && (strings.HasPrefix(s.body, "{") || strings.HasPrefix(s.body, "[")) {
		s.header = jsonCT
	}
	for line := range strings.SplitSeq(s.header, "\n") {
		if name, v, ok := strings.Cut(line, ": "); ok {
			h[name] = []string{v}
		}
	}
	if op := p.find(method, p.named(path)); op != nil && method != http.MethodGet && op.takes("If-Match") && s.want < 300 {
		conditional := h.Clone()
		conditional.Set("If-Match", `"another"`)
		p.also(method, path, s.body, conditional) // nothing is changed
	}
	res, body := p.send(method, path, s.body, h) //nolint:bodyclose // send closes it
	if res.StatusCode != s.want {
		p.t.Errorf("%s: %d, want %d: %.300s", s.request, res.StatusCode, s.want, body)
		return
	}
	if s.keep != "" {
		p.keep(s.keep, body)
	}
	if at := res.Header.Get("Location"); s.locate != "" {
		p.vars[s.locate] = at[strings.LastIndexByte(at, '/')+1:]
	}
	if method != http.MethodGet || s.want != http.StatusOK {
		return
	}
	if head, _ := p.send(http.MethodHead, path, "", h); head.StatusCode != http.StatusOK { //nolint:bodyclose // send closes it
		p.t.Errorf("HEAD %s: %d", path, head.StatusCode)
	}
	op := p.find(method, p.named(path))
	if op == nil {
		return
	}
	if tag := res.Header.Get("ETag"); tag != "" {
		p.also(method, path, "", http.Header{"If-None-Match": {tag}})
	}
	if op.documents("412") {
		p.also(method, path, "", http.Header{"If-Match": {`"another"`}})
	}
	if op.documents("206") && strings.HasPrefix(res.Header.Get("Accept-Ranges"), "bytes") {
		p.also(method, path, "", http.Header{"Range": {"bytes=0-0"}})
		p.also(method, path, "", http.Header{"Range": {"bytes=99999999999-"}})
	}
}

// also sends a request whose answer is only checked against the document.
func (p *replay) also(method, path, body string, header http.Header) {
	p.t.Helper()
	p.send(method, path, body, header) //nolint:bodyclose // send closes it
}

// named gives a path with what was kept, without its query.
func (p *replay) named(path string) string {
	for name, v := range p.vars {
		path = strings.ReplaceAll(path, "{"+name+"}", v)
	}
	path, _, _ = strings.Cut(path, "?")
	return path
}

func (p *replay) prepare() {
	p.vars["example"] = string(example(p.t))
	p.vars["none"] = "zzzz"
}

// everywhere tries what every documented operation may be refused with.
func (p *replay) everywhere(of string) {
	for _, op := range p.ops {
		if !strings.HasPrefix(op.path, of) {
			continue
		}
		path := op.path
		fill := func(id string) string {
			for _, q := range op.params("path") {
				path = strings.ReplaceAll(path, "{"+q["name"].(string)+"}", id)
			}
			return strings.Replace(path, "zzzz.zzzz", "zzzz.csv", 1)
		}
		missing := fill("zzzz")
		body, isJSON := op.jsonBody()
		good := ""
		if isJSON {
			raw, err := json.Marshal(body)
			if err != nil {
				p.t.Fatal(err)
			}
			good = string(raw)
		}
		json := requiredHeaders(op)
		json["Content-Type"] = []string{bodyType(op)}
		p.also(op.method, missing+required(op), good, http.Header{"Host": {"rebound.example"}})
		if op.documents("404") {
			p.also(op.method, missing+required(op), good, json)
		}
		if op.documents("422") {
			p.also(op.method, longPath(op)+wrongQuery(op), good, json)
		}
		if op.documents("400") && len(op.params("query")) > 0 {
			p.also(op.method, missing+"?cursor=%21%21", "", nil)
		}
		if isJSON {
			p.also(op.method, missing, "{", json)
			p.also(op.method, missing, `{"no_such_member": 1}`, json)
			p.also(op.method, missing, "[", json)
			p.also(op.method, missing, good, http.Header{"Content-Type": {"text/plain"}})
			p.also(op.method, missing, strings.Repeat(" ", 17<<20)+good, json)
		}
	}
}

// required gives the query parameters that an operation cannot do without.
func required(op *contractOp) string {
	var q []string
	for _, p := range op.params("query") {
		if p["required"] == true {
			v := "x"
			if enum, _ := within(p, "schema", "enum").([]any); len(enum) > 0 {
				v = fmt.Sprint(enum[0])
			}
			q = append(q, fmt.Sprintf("%s=%s", p["name"], v))
		}
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + strings.Join(q, "&")
}

// requiredHeaders gives the headers that an operation cannot do without.
func requiredHeaders(op *contractOp) http.Header {
	h := http.Header{}
	for _, p := range op.params("header") {
		if p["required"] == true {
			v := fmt.Sprint(p["example"])
			if enum, _ := within(p, "schema", "enum").([]any); len(enum) > 0 {
				v = fmt.Sprint(enum[0])
			}
			h[p["name"].(string)] = []string{v}
		}
	}
	return h
}

// bodyType gives the type of an operation's body: JSON where it takes that.
func bodyType(op *contractOp) string {
	content, _ := within(op.doc, "requestBody", "content").(map[string]any)
	if _, ok := content["application/offset+octet-stream"]; ok {
		return "application/offset+octet-stream"
	}
	return "application/json"
}

// longPath gives the path of an operation with ids that are too long.
func longPath(op *contractOp) string {
	path := op.path
	for _, q := range op.params("path") {
		path = strings.ReplaceAll(path, "{"+q["name"].(string)+"}", strings.Repeat("z", 300))
	}
	return path
}

// wrongQuery gives a query in which every number, truth and choice is wrong.
func wrongQuery(op *contractOp) string {
	var q []string
	for _, p := range op.params("query") {
		kind := fmt.Sprint(within(p, "schema", "type"))
		if p["name"] == "fields" || within(p, "schema", "items", "enum") != nil || kind == "integer" || kind == "number" || kind == "boolean" || within(p, "schema", "enum") != nil {
			q = append(q, fmt.Sprintf("%s=wrong", p["name"]))
		}
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + strings.Join(q, "&")
}

// each sends every operation once, with a body if it has one, and wants a status of those that document it.
func (p *replay) each(status int, skip func(*contractOp) bool) {
	p.t.Helper()
	for _, op := range p.ops {
		if skip != nil && skip(op) || !op.documents(fmt.Sprint(status)) {
			continue
		}
		path := op.path
		for _, q := range op.params("path") {
			path = strings.ReplaceAll(path, "{"+q["name"].(string)+"}", "zzzz")
		}
		body, h := "", requiredHeaders(op)
		if example, ok := op.jsonBody(); ok {
			raw, err := json.Marshal(example)
			if err != nil {
				p.t.Fatal(err)
			}
			body = string(raw)
			h.Set("Content-Type", "application/json")
		} else if within(op.doc, "requestBody") != nil {
			body = "bytes"
		}
		res, got := p.send(op.method, strings.Replace(path, "zzzz.zzzz", "zzzz.csv", 1)+required(op), body, h) //nolint:bodyclose // send closes it
		if res.StatusCode != status {
			p.t.Errorf("%s: %d, want %d: %.200s", op.id, res.StatusCode, status, got)
		}
	}
}

func secured(op *contractOp) bool { s, _ := op.doc["security"].([]any); return len(s) > 0 }

// withTokens asks an appliance that wants tokens without one, with a wrong one, and with one that has another scope.
func (c *contract) withTokens(t *testing.T) {
	t.Helper()
	t.Setenv("WAYSIDE_AUTH_REQUIRED", "true")
	dir := t.TempDir()
	a := start(t, dir)
	none := c.on(a)
	none.each(http.StatusUnauthorized, func(op *contractOp) bool { return !secured(op) || strings.HasPrefix(op.id, "get-metrics") })
	none.step(step{request: "GET /api/v1/session", want: 200})
	none.step(step{request: "POST /api/v1/session", body: `{"token":"wrong"}`, want: 401})
	raw, err := os.ReadFile(filepath.Join(dir, "secrets", "admin-token"))
	if err != nil {
		t.Fatal(err)
	}
	admin := c.on(a)
	admin.header.Set("Authorization", "Bearer "+strings.TrimSpace(string(raw)))
	admin.vars["admin"] = strings.TrimSpace(string(raw))
	for _, s := range []step{
		{request: "POST /api/v1/tokens", body: `{"name":"worker","scopes":["work"]}`, want: 201, keep: "token=id secret=secret"},
		{request: "GET /api/v1/tokens", want: 200},
		{request: "GET /api/v1/tokens/{token}", want: 200},
		{request: "POST /api/v1/session", body: `{"token":"{admin}"}`, want: 200},
		{request: "DELETE /api/v1/session", want: 204},
	} {
		admin.step(s)
	}
	admin.everywhere("/api/v1/tokens")
	worker := c.on(a)
	worker.header.Set("X-API-Key", admin.vars["secret"])
	worker.each(http.StatusForbidden, func(op *contractOp) bool {
		return !secured(op) || op.doc["x-scope"] == "work" || strings.HasPrefix(op.id, "get-metrics")
	})
	admin.step(step{request: "DELETE /api/v1/tokens/{token}", want: 204})
	admin.step(step{request: "GET /api/v1/tokens/{token}", want: 404})
}

// limited asks an appliance more often than it allows.
func (c *contract) limited(t *testing.T) {
	t.Helper()
	t.Setenv("WAYSIDE_AUTH_REQUIRED", "false")
	t.Setenv("WAYSIDE_SERVER_RATE_LIMIT", "0.001")
	t.Setenv("WAYSIDE_SERVER_RATE_BURST", "1")
	p := c.on(start(t, t.TempDir()))
	p.also(http.MethodGet, "/api/v1/files", "", nil)
	p.each(http.StatusTooManyRequests, nil)
	t.Setenv("WAYSIDE_SERVER_RATE_LIMIT", "0")
}

// small sends recordings that are larger than an appliance takes.
func (c *contract) small(t *testing.T) {
	t.Helper()
	t.Setenv("WAYSIDE_SERVER_MAX_UPLOAD", "1000")
	p := c.on(start(t, t.TempDir()))
	large := strings.Repeat("x", 2000)
	for _, s := range []step{
		{request: "POST /api/v1/files?name=large", body: large, want: 413},
		{request: "POST /api/v1/decode?to=csv&table=records", body: large, want: 413},
		{request: "POST /api/v1/detect", body: large, want: 413},
		{request: "POST /api/v1/uploads", header: "Tus-Resumable: 1.0.0\nUpload-Length: 1001", want: 413},
	} {
		p.step(s)
	}
	t.Setenv("WAYSIDE_SERVER_MAX_UPLOAD", "none")
}

// full asks an appliance to store something that may leave nothing free.
func (c *contract) full(t *testing.T) {
	t.Helper()
	t.Setenv("WAYSIDE_STORE_RESERVE", "1 TiB")
	p := c.on(start(t, t.TempDir()))
	p.each(http.StatusInsufficientStorage, func(op *contractOp) bool { return unseenBecause()[op.id+" 507"] != "" })
	t.Setenv("WAYSIDE_STORE_RESERVE", "1 MiB")
}

// draining asks an appliance that waits for a long decode to end.
func (c *contract) draining(t *testing.T) {
	t.Helper()
	t.Setenv("WAYSIDE_SHUTDOWN_DRAIN", "20s")
	a := start(t, t.TempDir())
	p := c.on(a)
	r, w := io.Pipe()
	go func() { w.CloseWithError(railtest.WriteLarge(w, 150<<20, railtest.Options{Seed: 3})) }()
	var up Uploaded
	if status, problem, err := a.call(t.Context(), http.MethodPost, "/api/v1/files?name=long.RU", r, &up); err != nil || problem != nil {
		t.Fatalf("upload: %d %+v %v", status, problem, err)
	}
	for up.Decode.Rows == 0 && up.Decode.Status != "failed" { // until it runs: a drain waits for what runs only
		a.get("/api/v1/decodes/"+up.Decode.ID, up.Decode)
	}
	p.vars["long"] = up.File.ID
	p.step(step{request: "POST /api/v1/decodes", body: `{"file_id":"{long}","force":true}`, want: 201, keep: "second=id"})
	p.step(step{request: "POST /api/v1/decodes/{second}/cancel", want: 200})
	if err := a.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for {
		res, _ := p.send(http.MethodGet, "/health/ready", "", nil) //nolint:bodyclose // send closes it
		if res.StatusCode != http.StatusOK {
			break
		}
	}
	p.each(http.StatusServiceUnavailable, nil)
}
