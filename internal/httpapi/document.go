package httpapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// refusals are the codes of an operation that do not follow from its parameters, its body and its scope.
type refusals struct {
	also  []errcode.Code
	never []errcode.Code       // would follow, but cannot be
	as    map[int]errcode.Code // statuses of a protocol that has more of them than there are codes
}

// refusalsOf is what a new route adds a line to where its documentation would else lack a code.
func refusalsOf() map[string]refusals {
	conflict := refusals{also: []errcode.Code{errcode.Conflict}}
	makes := refusals{also: []errcode.Code{errcode.Conflict}, never: []errcode.Code{errcode.NotFound}}
	unknown := []errcode.Code{errcode.UnsupportedMediaType, errcode.UnknownFormat, errcode.DecodeFailed}
	out := map[string]refusals{
		"upload-file":        {also: []errcode.Code{errcode.UnsupportedMediaType, errcode.NotFound, errcode.DecoderDisabled}},
		"create-decode":      {also: []errcode.Code{errcode.NotFound, errcode.DecoderDisabled}},
		"decode-directly":    {also: append(unknown, errcode.DecoderDisabled)},
		"detect":             {also: unknown},
		"get-file-hex":       {also: []errcode.Code{errcode.RangeNotSatisfiable, errcode.Conflict}},
		"install-plugin":     {also: []errcode.Code{errcode.Conflict, errcode.UnsupportedMediaType}},
		"import-jobs":        {also: []errcode.Code{errcode.ValidationFailed, errcode.Conflict, errcode.DiskFull}},
		"sign-in":            {also: []errcode.Code{errcode.Unauthorized}},
		"create-batch":       {also: []errcode.Code{errcode.NotFound, errcode.UnsupportedMediaType, errcode.UnknownFormat, errcode.DecodeFailed}},
		"get-batch-rows":     {also: []errcode.Code{errcode.Conflict}},
		"export-batch-table": {also: []errcode.Code{errcode.TooLarge}},
		"pause-queue":        makes, "resume-queue": makes, "drain-queue": makes, "put-queue": makes, "change-queue": makes,
		"put-cached-value":  {never: []errcode.Code{errcode.NotFound}},
		"get-cached-values": {also: []errcode.Code{errcode.TooLarge}},
		"put-schedule":      {also: []errcode.Code{errcode.Conflict, errcode.DiskFull}, never: []errcode.Code{errcode.NotFound}},
	}
	maps.Copy(out, tusRefusals())
	for _, id := range []string{
		"cancel-decode", "delete-file", "create-jobs", "create-flow", "edit-job", "delete-job", "cancel-job", "retry-job", "promote-job",
		"create-schedule", "run-schedule", "delete-queue", "remove-plugin", "enable-plugin", "disable-plugin", "reload-plugin", "create-token",
		"cancel-batch", "retry-batch",
	} {
		out[id] = conflict
	}
	return out
}

// documentRefusals writes into every operation which errors it answers with, and which headers its answers have. What
// follows from an operation's own description is derived, so that a new route has most of it without a line here.
func documentRefusals(doc *huma.OpenAPI) {
	table := refusalsOf()
	c := doc.Components
	c.Headers = documentedHeaders()
	if p := c.Schemas.Map()["Problem"]; p != nil {
		for _, info := range Codes() {
			p.Properties["code"].Enum = append(p.Properties["code"].Enum, string(info.Code))
		}
	}
	for path, item := range doc.Paths {
		for method, op := range operationsOf(item) {
			delete(op.Responses, "default")
			delete(op.Responses, "422")
			delete(op.Responses, "500")
			documentAnswers(method, op)
			extra := table[op.OperationID]
			codes := append(derivedCodes(path, op), extra.also...)
			for _, status := range []int{400, 401, 403, 404, 409, 412, 413, 415, 416, 422, 429, 500, 503, 507} {
				if of := codesWith(status, codes, extra.never); len(of) > 0 {
					op.Responses[strconv.Itoa(status)] = &huma.Response{Ref: problemRef(c, status, of)}
				}
			}
			for status, code := range extra.as {
				op.Responses[strconv.Itoa(status)] = &huma.Response{Ref: problemRef(c, status, []errcode.Code{code})}
			}
		}
	}
}

// operationsOf gives the operations of a path by their methods.
func operationsOf(item *huma.PathItem) map[string]*huma.Operation {
	all := map[string]*huma.Operation{
		http.MethodGet: item.Get, http.MethodPut: item.Put, http.MethodPost: item.Post, http.MethodDelete: item.Delete,
		http.MethodPatch: item.Patch, http.MethodHead: item.Head, http.MethodOptions: item.Options,
	}
	for method, op := range all {
		if op == nil {
			delete(all, method)
		}
	}
	return all
}

// derivedCodes are the codes that follow from the description of an operation.
func derivedCodes(path string, op *huma.Operation) []errcode.Code {
	codes := []errcode.Code{errcode.Forbidden, errcode.Internal}
	if !always(path) {
		codes = append(codes, errcode.RateLimited, errcode.ShuttingDown, errcode.Unavailable)
	}
	if len(op.Security) > 0 {
		codes = append(codes, errcode.Unauthorized)
	}
	for _, p := range op.Parameters {
		switch {
		case p.In == "header" && (p.Name == "If-Match" || p.Name == "If-Unmodified-Since"):
			codes = append(codes, errcode.PreconditionFailed)
		case p.In == "header" && p.Name == keyHeader:
			codes = append(codes, errcode.Conflict)
		case p.In == "header":
		case p.In == "path":
			codes = append(codes, errcode.NotFound, errcode.ValidationFailed)
		case p.Name == "cursor":
			codes = append(codes, errcode.Malformed, errcode.ValidationFailed)
		default:
			codes = append(codes, errcode.ValidationFailed)
		}
	}
	if body := op.RequestBody; body != nil {
		codes = append(codes, errcode.Malformed, errcode.TooLarge)
		if body.Content[jsonType] != nil {
			codes = append(codes, errcode.UnsupportedMediaType, errcode.ValidationFailed)
		}
	}
	if op.Responses["201"] != nil {
		codes = append(codes, errcode.DiskFull)
	}
	if op.Responses["206"] != nil {
		codes = append(codes, errcode.RangeNotSatisfiable, errcode.PreconditionFailed)
	}
	return codes
}

// codesWith gives those of codes that have the status, each once, in the order of the documentation.
func codesWith(status int, codes, never []errcode.Code) []errcode.Code {
	var out []errcode.Code
	for _, info := range Codes() {
		if info.Status == status && slices.Contains(codes, info.Code) && !slices.Contains(never, info.Code) {
			out = append(out, info.Code)
		}
	}
	return out
}

// problemRef names the shared response for a status with these codes, and makes it the first time.
func problemRef(c *huma.Components, status int, codes []errcode.Code) string {
	var names, lines []string
	var enum []any
	examples := map[string]*huma.Example{}
	for _, code := range codes {
		info := codeInfo(code)
		if info.Status != status {
			names, info.Status = append(names, strconv.Itoa(status)), status
		}
		names = append(names, string(code))
		enum = append(enum, string(code))
		lines = append(lines, "`"+string(code)+"`: "+info.When)
		examples[string(code)] = &huma.Example{Summary: info.Title, Value: exampleProblem(info)}
	}
	key := strings.Join(names, ".")
	ref := "#/components/responses/" + key
	if c.Responses[key] != nil {
		return ref
	}
	headers := answerHeaders()
	switch status {
	case http.StatusUnauthorized:
		headers["WWW-Authenticate"] = headerRef("WWW-Authenticate")
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusInsufficientStorage:
		headers["Retry-After"] = headerRef("Retry-After")
	}
	c.Responses[key] = &huma.Response{
		Description: strings.Join(lines, "\n\n"), Headers: headers,
		Content: map[string]*huma.MediaType{problemType: {Examples: examples, Schema: &huma.Schema{AllOf: []*huma.Schema{
			{Ref: "#/components/schemas/Problem"},
			{Type: huma.TypeObject, Properties: map[string]*huma.Schema{
				"status": {Type: huma.TypeInteger, Enum: []any{status}}, "code": {Type: huma.TypeString, Enum: enum},
			}},
		}}}},
	}
	return ref
}

// exampleProblem is what a problem with the code looks like.
func exampleProblem(info CodeInfo) Problem {
	p := Problem{
		Type: "urn:wayside:error:" + string(info.Code), Title: info.Title, Status: info.Status, Detail: info.When,
		Instance: pathPrefix + "/files", Code: string(info.Code), RequestID: "4bf92f3577b34da6a3ce929d0e0e4736",
		RetryAfter: int64(info.Retry.Seconds()),
	}
	if info.Code == errcode.ValidationFailed {
		p.Detail = "limit: expected number <= 1000"
		p.Errors = []errcode.Field{{Field: "limit", Message: "expected number <= 1000"}}
	}
	return p
}

// documentAnswers writes what answers below 400 have in common.
func documentAnswers(method string, op *huma.Operation) {
	if op.Responses["200"] != nil && method == http.MethodGet && op.Responses["200"].Content["text/event-stream"] == nil {
		if op.Responses["304"] == nil {
			op.Responses["304"] = &huma.Response{Description: "Not modified: If-None-Match names what there is"}
		}
		setHeader(op.Responses["200"], "ETag", headerRef("ETag"))
	}
	for _, r := range op.Responses {
		if r.Ref != "" {
			continue
		}
		for name, h := range answerHeaders() {
			setHeader(r, name, h)
		}
	}
	if body := op.RequestBody; body != nil {
		if m := body.Content[jsonType]; m != nil && m.Example == nil {
			if example, ok := exampleBodies()[op.OperationID]; ok {
				m.Example = example
			}
		}
	}
}

func setHeader(r *huma.Response, name string, h *huma.Header) {
	if r.Headers == nil {
		r.Headers = map[string]*huma.Header{}
	}
	r.Headers[name] = h
}

// documentedHeaders are the headers that many answers have.
func documentedHeaders() map[string]*huma.Header {
	text := func(required bool, description string) *huma.Header {
		return &huma.Header{Description: description, Required: required, Schema: &huma.Schema{Type: huma.TypeString}}
	}
	return map[string]*huma.Header{
		"X-Request-ID":     text(true, "id of the request: the one that was sent, or a new one. The log has it too"),
		"X-Correlation-ID": text(true, "id of what the request belongs to: the one that was sent, else that of the request"),
		"Traceparent":      text(false, "W3C trace context, where one was sent: the same trace, and the request as a span of it"),
		"X-Response-Time":  text(false, "seconds until the answer began, with an s; not of event streams"),
		"ETag":             text(false, "tag of the answer, for If-None-Match"),
		"WWW-Authenticate": text(true, "how to sign in"),
		"Retry-After": {
			Description: "seconds after which to come back", Required: true, Schema: &huma.Schema{Type: huma.TypeInteger},
		},
	}
}

func answerHeaders() map[string]*huma.Header {
	out := map[string]*huma.Header{}
	for _, name := range []string{"X-Request-ID", "X-Correlation-ID", "Traceparent", "X-Response-Time"} {
		out[name] = headerRef(name)
	}
	return out
}

func headerRef(name string) *huma.Header { return &huma.Header{Ref: "#/components/headers/" + name} }

// documentPlain documents the routes that are served without huma. Those beside the API have their own server.
func (s *Server) documentPlain(doc *huma.OpenAPI) {
	doc.Components.Responses = map[string]*huma.Response{}
	health := schemaOf[healthAnswer](doc.Components.Schemas)
	ok := func(mediaType string, schema *huma.Schema) map[string]*huma.Response {
		return map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{mediaType: {Schema: schema}}}}
	}
	text := &huma.Schema{Type: huma.TypeString}
	add := func(path, id, summary string, secured bool, answers map[string]*huma.Response) *huma.PathItem {
		op := &huma.Operation{OperationID: id, Summary: summary, Responses: answers, Tags: []string{"appliance"}}
		if secured {
			op.Security, op.Extensions = security(), map[string]any{"x-scope": string(scopeRead)}
		}
		item := &huma.PathItem{Get: op}
		doc.Paths[path] = item
		return item
	}
	root := []*huma.Server{{URL: "/"}}
	add("/openapi.json", "get-openapi", "Get this document", true, ok(openAPIType, &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}))
	add("/health", "get-health", "See how the parts are; 200 as long as the process answers", false, ok(jsonType, health)).Servers = root
	add("/health/live", "get-health-live", "See whether the process answers", false, ok(jsonType, health)).Servers = root
	ready := add("/health/ready", "get-health-ready", "See whether the appliance takes work", false, ok(jsonType, health))
	ready.Servers, ready.Get.Description = root, "200, also while decoders are compiled; 503 with the parts if not"
	ready.Get.Responses["503"] = &huma.Response{Ref: problemRef(doc.Components, http.StatusServiceUnavailable, []errcode.Code{errcode.Unavailable, errcode.ShuttingDown})}
	if s.cfg.Metrics != nil {
		for i, path := range metricsPaths() {
			id := []string{"get-metrics", "get-metrics-older", "get-metrics-oldest"}[i]
			m := add(path, id, "Get the metrics, for Prometheus", true, map[string]*huma.Response{"200": streams("The metrics", metricsTypes()...)})
			m.Servers, m.Get.Description = root, "Open from the appliance itself, else with scope read; with metrics.token only with that token, or one with scope read."
		}
	}
	add("/docs", "get-docs", "Read this document as a page", false, ok(htmlType, text)).Servers = root
	add("/docs/{name}", "get-docs-asset", "Get what the page needs", false, map[string]*huma.Response{"200": streams("The file", "text/css; charset=utf-8", "text/javascript; charset=utf-8")})
	doc.Paths["/docs/{name}"].Servers = root
	doc.Paths["/docs/{name}"].Get.Parameters = []*huma.Param{nameParam("docs.css", "docs.js")}
	if s.cfg.Console != nil {
		add("/", "get-console", "Get the page of the console", false, ok(htmlType, text)).Servers = root
		add("/assets/{name}", "get-asset", "Get what the console needs", false, map[string]*huma.Response{"200": streams("The file", "text/css; charset=utf-8", "text/javascript; charset=utf-8", "image/svg+xml")})
		doc.Paths["/assets/{name}"].Servers = root
		doc.Paths["/assets/{name}"].Get.Parameters = []*huma.Param{nameParam("style.css", "index.js", "icon.svg")}
	}
}

func nameParam(names ...string) *huma.Param {
	p := &huma.Param{Name: "name", In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}}
	for _, n := range names {
		p.Schema.Examples = append(p.Schema.Examples, n)
	}
	return p
}

const (
	openAPIType = "application/openapi+json"
	htmlType    = "text/html; charset=utf-8"
)

// security says that a token is needed, or none where the appliance asks for none.
func security() []map[string][]string {
	return []map[string][]string{{"bearer": {}}, {"key": {}}, {"cookie": {}}, {}}
}

// renderDocument gives the document as it is served.
func renderDocument(doc *huma.OpenAPI) ([]byte, error) {
	out, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("render openapi document: %w", err)
	}
	return out, nil
}

// exampleBodies are bodies of requests by operation; the contract test holds them against their schemas.
func exampleBodies() map[string]any {
	out := map[string]any{}
	for id, text := range map[string]string{ //nolint:gosec // none of them is a secret
		"create-decode":     `{"file_id": "f00000000001", "params": {"timezone": "Europe/Berlin"}}`,
		"create-batch":      `{"name": "night run", "file_ids": ["f00000000001", "f00000000002"], "concurrency": 4}`,
		"create-token":      `{"name": "dashboard", "scopes": ["read"]}`,
		"create-silence":    `{"rule": "cpu", "seconds": 3600, "comment": "a long decode"}`,
		"set-log-level":     `{"level": "debug", "logger": "queue"}`,
		"sign-in":           `{"token": "wst_…"}`,
		"create-jobs":       `{"type": "thumbnail", "payload": {"file": "f00000000001"}, "priority": 7}`,
		"act-on-jobs":       `{"action": "retry", "filter": {"status": ["dead"]}}`,
		"edit-job":          `{"priority": 9}`,
		"lease-jobs":        `{"worker": "camera-1", "queues": ["default"], "max": 4, "wait": 30, "lease_seconds": 60}`,
		"heartbeat":         `{"worker": "camera-1", "leases": [{"id": "j00000000001", "lease": "1", "progress": 0.5}]}`,
		"finish-jobs":       `{"ack": [{"id": "j00000000001", "lease": "1", "result": {"pixels": 640}}]}`,
		"put-queue":         `{"weight": 2, "max_active": 4}`,
		"change-queue":      `{"paused": true}`,
		"change-queue-mode": `{"mode": "strict", "ageing": 300}`,
		"create-schedule":   `{"id": "nightly", "cron": "0 3 * * *", "timezone": "Europe/Berlin", "job": {"type": "report"}}`,
		"put-schedule":      `{"cron": "*/5 * * * *", "job": {"type": "probe"}}`,
		"put-cached-value":  `{"value": {"mean": 21.5}, "ttl_seconds": 600}`,
		"get-cached-values": `{"keys": ["report:2026-01", "report:2026-02"]}`,
		"invalidate-cache":  `{"pattern": "report:*"}`,
		"put-kv-key":        `{"type": "zset", "members": [{"value": {"text": "a"}, "score": "1.5"}], "ttl_ms": 60000}`,
		"create-flow":       `{"jobs": [{"key": "a", "type": "fetch"}, {"key": "b", "type": "report", "depends_on": ["a"]}]}`,
	} {
		var v any
		if err := json.Unmarshal([]byte(text), &v); err == nil { // a test reads each
			out[id] = v
		}
	}
	return out
}
