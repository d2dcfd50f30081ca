package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/wayside-edge/wayside/internal/errcode"
)

const jsonType = "application/json"

// lean adds a route that is called thousands of times a second: it is documented from the types In and Out like every
// other, but reads and answers without huma, which takes longer to look at a request than the queue takes to keep a job.
// The handler gets the body read into In and gives the status and the document.
func lean[In, Out any](s *Server, api huma.API, op operation, limit int64, handler func(c echo.Context, in *In) (status int, body []byte, err error)) {
	o := s.describe(api, op)
	schemas := api.OpenAPI().Components.Schemas
	o.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		jsonType: {Schema: schemas.Schema(reflect.TypeFor[In](), true, op.id+"Request")},
	}}
	answer := &huma.Response{Description: "OK", Content: map[string]*huma.MediaType{
		jsonType: {Schema: schemas.Schema(reflect.TypeFor[Out](), true, op.id+"Response")},
	}}
	if o.Responses["200"] = answer; op.created {
		o.Responses["200"] = &huma.Response{Description: "It was there already", Content: answer.Content}
		o.Responses["201"] = &huma.Response{Description: "Created", Content: answer.Content}
	}
	api.OpenAPI().AddOperation(&o)
	path := pathPrefix + echoPath(op.path)
	s.echo.Add(op.method, path, func(c echo.Context) error {
		in := new(In)
		hurryBody(c.Request())
		if err := s.readJSON(c.Request(), limit, in); err != nil {
			return err
		}
		status, body, err := handler(c, in)
		if err != nil {
			return err
		}
		s.sendBytes(c, status, jsonType, body)
		return nil
	})
	s.scopes[op.method+" "+path] = op.scope
}

// keptBody is the largest buffer that is kept for the next request.
const keptBody = 64 << 10

// readJSON reads a body of at most limit bytes into v. Members that v does not have are refused, as is what is no JSON.
func (s *Server) readJSON(r *http.Request, limit int64, v any) error {
	if t := r.Header.Get("Content-Type"); t != "" && t != jsonType {
		if m, _, err := mime.ParseMediaType(t); err != nil || m != jsonType {
			return errcode.New(errcode.UnsupportedMediaType, "this route takes a body of type application/json")
		}
	}
	buf, ok := s.bodies.Get().(*bytes.Buffer)
	if !ok {
		buf = new(bytes.Buffer)
	}
	defer func() {
		if buf.Cap() <= keptBody {
			buf.Reset()
			s.bodies.Put(buf)
		}
	}()
	if _, err := buf.ReadFrom(io.LimitReader(r.Body, limit+1)); err != nil {
		if cut := bodyFailure(r); cut != nil {
			return cut
		}
		return errcode.Wrap(errcode.Malformed, err, "the request body was cut off")
	}
	if int64(buf.Len()) > limit {
		return errcode.Newf(errcode.TooLarge, "the body is larger than %d bytes", limit)
	}
	return decodeJSON(buf.Bytes(), v)
}

// decodeJSON decodes one JSON document strictly.
func decodeJSON(data []byte, v any) error {
	if !utf8.Valid(data) {
		return errcode.New(errcode.Malformed, "the request body is not valid JSON: it is not UTF-8")
	}
	if err := checkDepth(data); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return jsonProblem(data, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errcode.New(errcode.Malformed, "the request body is not valid JSON: something follows the document")
	}
	return nil
}

// jsonProblem says what is wrong with a document.
func jsonProblem(data []byte, err error) error {
	if coded, ok := errors.AsType[*errcode.Error](err); ok {
		return coded
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		field := or(or(fieldAt(data, wrong.Offset), wrong.Field), "body")
		return errcode.Invalid(field, "expected %s, not %s", jsonKind(wrong.Type), strings.TrimPrefix(wrong.Value, "number "))
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return errcode.Invalid(strings.Trim(name, `"`), "unexpected property")
	}
	return errcode.Wrap(errcode.Malformed, err, "the request body is not valid JSON: "+jsonTrouble(err))
}

// jsonTrouble says in words for callers what encoding/json found: where it speaks of types of Go, less.
func jsonTrouble(err error) string {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		return "it ends early"
	case strings.Contains(err.Error(), "json: "):
		return "a value does not fit where it stands"
	default:
		return err.Error()
	}
}

// jsonKind names what JSON has in the place of a type of Go.
func jsonKind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int64:
		return "integer"
	case reflect.Float64:
		return "number"
	case reflect.Slice:
		return "array"
	default:
		return "object"
	}
}
