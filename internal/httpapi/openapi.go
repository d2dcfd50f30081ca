package httpapi

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
	"github.com/labstack/echo/v4"
)

// operation describes a route.
type operation struct {
	id      string
	method  string
	path    string // under /api/v1
	summary string
	detail  string
	scope   scope
	created bool  // answers 201 for something new, 200 for something that was there
	whole   bool  // its answer is not trimmed by fields
	keyed   bool  // looks at the Idempotency-Key itself; else Server.once does, where something is created
	secret  bool  // the answer holds a secret, which is told once
	limit   int64 // most bytes of a body, 0 = 1 MiB
	params  []*huma.Param
	answers map[string]*huma.Response // documented only: the handler writes the answer itself
}

// newAPI makes the huma side of the router. Its own pages and hooks are off: they load from other sites and add
// members to every answer.
func (s *Server) newAPI() huma.API {
	cfg := huma.DefaultConfig("Wayside", s.cfg.Version)
	cfg.CreateHooks, cfg.SchemasPath, cfg.DocsPath, cfg.OpenAPIPath = nil, "", "", ""
	cfg.Info.Description = documentText
	cfg.Servers = []*huma.Server{{URL: pathPrefix}}
	cfg.Formats = map[string]huma.Format{jsonType: limitedJSON(), "json": limitedJSON()}
	cfg.Transformers = []huma.Transformer{s.transform}
	cfg.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"bearer": {Type: "http", Scheme: "bearer"},
		"key":    {Type: "apiKey", In: "header", Name: "X-API-Key"},
		"cookie": {Type: "apiKey", In: "cookie", Name: cookieName},
	}
	api := humaecho.NewWithGroup(s.echo, s.echo.Group(pathPrefix), cfg)
	api.UseMiddleware(s.soundQuery)
	api.UseMiddleware(func(ctx huma.Context, next func(huma.Context)) {
		a := &answer{humaContext: ctx, server: s, body: s.compressors.buffer()}
		defer s.compressors.keep(a.body)
		if body := ctx.Operation().RequestBody; body != nil && len(body.Content) == 1 && body.Content[jsonType] != nil {
			hurryBody(humaecho.Unwrap(ctx).Request())
		}
		next(a)
		a.send()
	})
	return api
}

// transform turns the errors that huma raises itself into problems.
func (s *Server) transform(ctx huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := fromHuma(humaecho.Unwrap(ctx).Request(), m)
	if a, ok := ctx.(*answer); ok {
		a.override = p.Status
	}
	return p, nil
}

// register adds a route whose handler gives its answer as a value. GET routes answer HEAD too.
func register[I, O any](s *Server, api huma.API, op operation, handler func(context.Context, *I) (*O, error)) {
	var members []string
	if op.method == http.MethodGet && op.answers == nil && !op.whole {
		members = trimmable[O]()
	}
	wrapped := func(ctx context.Context, in *I) (*O, error) {
		fields, err := wantedFields(requestOf(ctx), members)
		if err != nil {
			return nil, s.refuse(ctx, err)
		}
		done, err := s.precondition(ctx)
		if err != nil {
			return nil, s.refuse(ctx, err)
		}
		defer done()
		out, err := handler(ctx, in)
		if err != nil {
			return nil, s.refuse(ctx, err)
		}
		stateOf(ctx).fields = fields
		return out, nil
	}
	if members != nil {
		op.params = append(slices.Clone(op.params), fieldsParam())
	}
	if conditional(op.method) {
		op.params = append(slices.Clone(op.params), conditionParams()...)
	}
	o := s.describe(api, op)
	if op.answers == nil && op.created {
		documentBoth[O](api, &o)
	}
	huma.Register(api, o, wrapped)
	s.scopes[op.method+" "+echoPath(pathPrefix+op.path)] = op.scope
	if op.created && !op.keyed {
		s.onceRules[echoPath(pathPrefix+op.path)] = onceRule{secret: op.secret}
	}
	if op.method != http.MethodGet {
		return
	}
	head := s.describe(api, op)
	head.Method, head.Hidden = http.MethodHead, true
	huma.Register(api, head, wrapped)
	s.scopes[http.MethodHead+" "+echoPath(pathPrefix+op.path)] = op.scope
}

// refuse turns the error of a handler into the problem that huma writes.
func (s *Server) refuse(ctx context.Context, err error) error {
	r := requestOf(ctx)
	err = withCause(ctx, err)
	s.logFailure(r, err)
	if gone(ctx, err) {
		panic(http.ErrAbortHandler) // as fail does: nobody is told, and it counts as left, not as a fault
	}
	return problemOf(r, err)
}

type requestKey struct{}

// requestOf gives the request a handler works on. observe and withRequest put it there.
func requestOf(ctx context.Context) *http.Request {
	if r, ok := ctx.Value(requestKey{}).(*http.Request); ok {
		return r
	}
	return (&http.Request{}).WithContext(ctx)
}

func (s *Server) describe(api huma.API, op operation) huma.Operation {
	o := huma.Operation{
		OperationID: op.id, Method: op.method, Path: op.path, Summary: op.summary, Description: op.detail,
		Parameters: op.params, Responses: map[string]*huma.Response{}, BodyReadTimeout: -1, MaxBodyBytes: op.limit,
		Tags: []string{strings.Split(op.path, "/")[1]},
	}
	if op.created && op.method == http.MethodPost && !documented(op.params, keyHeader) {
		o.Parameters = append(slices.Clone(o.Parameters), &huma.Param{
			Name: keyHeader, In: "header", Schema: &huma.Schema{Type: huma.TypeString},
			Description: "the same key and request within 24 h give the same answer, and make nothing new; another request with it is 409",
		})
	}
	if op.scope != scopeOpen {
		o.Security = security()
		o.Extensions = map[string]any{"x-scope": documentedScope(op.scope)}
	}
	maps.Copy(o.Responses, op.answers)
	if op.created {
		o.DefaultStatus = http.StatusCreated
	}
	o.Responses["default"] = problemResponse(api) // documentRefusals puts the statuses in its place
	return o
}

// documentedScope is a scope as tokens have it.
func documentedScope(need scope) string {
	if need == scopeTokens {
		need = scopeAdmin
	}
	return string(need)
}

// documented reports whether a parameter is among those that a route documents itself.
func documented(params []*huma.Param, name string) bool {
	return slices.ContainsFunc(params, func(p *huma.Param) bool { return p.Name == name })
}

func problemResponse(api huma.API) *huma.Response {
	schema := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	return &huma.Response{
		Description: "What went wrong; `code` is one of docs/api-errors.md",
		Content:     map[string]*huma.MediaType{problemType: {Schema: schema}},
	}
}

// documentBoth documents that the answer is the same for 200 and 201, of a handler that gives either.
func documentBoth[O any](api huma.API, o *huma.Operation) {
	field, ok := reflect.TypeFor[O]().FieldByName("Body")
	if _, either := reflect.TypeFor[O]().FieldByName("Status"); !ok || !either {
		return
	}
	schema := api.OpenAPI().Components.Schemas.Schema(field.Type, true, o.OperationID+"Response")
	o.Responses["200"] = &huma.Response{
		Description: "It was there already",
		Content:     map[string]*huma.MediaType{"application/json": {Schema: schema}},
	}
}

// streams makes a documented answer whose body is not described by a type.
func streams(description string, mediaTypes ...string) *huma.Response {
	r := &huma.Response{Description: description, Content: map[string]*huma.MediaType{}}
	for _, m := range mediaTypes {
		r.Content[m] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}
	}
	return r
}

// stream makes the answer of a handler that writes to the response itself. An error before the first byte becomes a
// problem; one after it cuts the connection.
func (s *Server) stream(write func(c echo.Context) error) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		if a, ok := ctx.(*answer); ok {
			a.direct = true
		}
		c := humaecho.Unwrap(ctx)
		if err := write(c); err != nil {
			s.fail(c, err)
		}
	}}
}

func echoPath(path string) string {
	return strings.NewReplacer("{", ":", "}", "").Replace(path)
}

// finishDocument adds what types cannot say, and renders the document once.
func (s *Server) finishDocument(api huma.API, bodies map[string]*huma.RequestBody) error {
	doc := api.OpenAPI()
	for id, body := range bodies {
		op := findOperation(doc, id)
		if op == nil {
			return fmt.Errorf("no operation %s to document", id)
		}
		op.RequestBody = body
	}
	if item := doc.Paths[exportRoute]; item != nil {
		delete(doc.Paths, exportRoute)
		doc.Paths[exportPath] = item
	}
	if item := doc.Paths[batchExportRoute]; item != nil {
		delete(doc.Paths, batchExportRoute)
		doc.Paths[batchExportPath] = item
	}
	s.documentPlain(doc)
	documentRefusals(doc)
	out, err := renderDocument(doc)
	if err != nil {
		return err
	}
	s.openapi = out
	return s.routeDocs()
}

func findOperation(doc *huma.OpenAPI, id string) *huma.Operation {
	for _, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete, item.Head} {
			if op != nil && op.OperationID == id {
				return op
			}
		}
	}
	return nil
}

// route makes the router.
func (s *Server) route() error {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.IPExtractor = s.clientIP
	e.HTTPErrorHandler = func(err error, c echo.Context) { s.fail(c, err) }
	e.Logger.SetOutput(io.Discard)
	e.Use(s.observe, s.admit, s.once, withRequest)
	s.echo = e
	api := s.newAPI()
	bodies := map[string]*huma.RequestBody{}
	s.routeFiles(api, bodies)
	s.routeDecodes(api)
	s.routeTables(api)
	s.routeDirect(api, bodies)
	s.routePlugins(api, bodies)
	s.routeQueue(api, bodies)
	s.routeBatches(api, bodies)
	s.routeCache(api)
	s.routeKV(api)
	s.routeSystem(api)
	s.routeOverview(api)
	s.routeTokens(api)
	s.routeEvents(api)
	if s.deps.Alerts != nil {
		s.routeAlerts(api)
	}
	if s.deps.Readings != nil {
		s.routeReadings(api)
	}
	if s.deps.Logs != nil {
		s.routeLogs(api)
	}
	if err := s.routeTus(api); err != nil {
		return err
	}
	if err := s.finishDocument(api, bodies); err != nil {
		return err
	}
	s.show(pathPrefix+"/openapi.json", scopeRead, s.serveOpenAPI)
	if s.cfg.Metrics != nil {
		for _, path := range metricsPaths() {
			s.show(path, scopeRead, echo.WrapHandler(s.cfg.Metrics))
		}
	}
	if s.cfg.Console != nil {
		s.show("/", scopeOpen, s.servePage)
		s.show("/assets/:name", scopeOpen, s.servePage)
		for _, section := range s.cfg.Console.Sections() {
			s.show("/"+section, scopeOpen, s.servePage)
			s.show("/"+section+"/*", scopeOpen, s.servePage)
		}
	}
	return nil
}

// show adds a route for reading outside of the OpenAPI document.
func (s *Server) show(path string, need scope, h echo.HandlerFunc) {
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		s.echo.Add(method, path, h)
		s.scopes[method+" "+path] = need
	}
}

func withRequest(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		c.SetRequest(r.WithContext(context.WithValue(r.Context(), requestKey{}, r)))
		return next(c)
	}
}

func (s *Server) servePage(c echo.Context) error {
	if !s.cfg.Console.Has(c.Request().URL.Path) {
		return echo.ErrNotFound
	}
	s.cfg.Console.ServeHTTP(c.Response(), c.Request())
	return nil
}

func (s *Server) serveOpenAPI(c echo.Context) error {
	s.sendBytes(c, http.StatusOK, openAPIType, s.openapi)
	return nil
}
