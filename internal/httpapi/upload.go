package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/ingest"
)

// bodyInput takes the request of a route whose body is streamed. It reads nothing: the handler does.
type bodyInput struct {
	request *http.Request
}

// Resolve takes the request. The name is huma's.
func (b *bodyInput) Resolve(ctx huma.Context) []error {
	b.request = humaecho.Unwrap(ctx).Request()
	return nil
}

type uploadInput struct {
	bodyInput
	Name    string  `query:"name" maxLength:"4096" doc:"file name, with a raw body"`
	Decoder string  `query:"decoder" maxLength:"255" doc:"plugin or format id; without it the content decides"`
	Decode  bool    `query:"decode" default:"true" doc:"false: store only"`
	Force   bool    `query:"force" doc:"decode anew even where a result exists"`
	Bundle  bool    `query:"bundle" doc:"the parts of the form, or the files of an archive, are one recording: they become one file"`
	Wait    float64 `query:"wait" minimum:"0" maximum:"30" doc:"seconds to wait for the decode to end"`

	accept acceptFunc
}

// acceptFunc does with a recording what the request is for: it stores it, or looks only what it is.
type acceptFunc func(ctx context.Context, u ingest.Upload) (ingest.Accepted, error)

type uploadOutput struct {
	Status   int
	Location string `header:"Location"`
	Replayed string `header:"Idempotent-Replayed"`
	Body     uploadBody
}

// uploadBody is the answer to one part, or to many.
type uploadBody struct {
	one   *Accepted
	items []Accepted
	batch *BatchDetail
}

// Accepted is one file that came in, and its decode.
type Accepted struct {
	File   File          `json:"file"`
	Decode maybe[Decode] `json:"decode" doc:"null with decode=false"`
}

// AcceptedMany is the answer to several parts.
type AcceptedMany struct {
	Items []Accepted         `json:"items" nullable:"false" doc:"in the order of the parts"`
	Batch maybe[BatchDetail] `json:"batch" doc:"the parts as one piece of work; null with decode=false"`
}

// MarshalJSON writes the one or the many.
func (b uploadBody) MarshalJSON() ([]byte, error) {
	if b.one != nil {
		return jsonBytes(b.one)
	}
	return jsonBytes(AcceptedMany{Items: b.items, Batch: maybe[BatchDetail]{b.batch}})
}

// Schema describes both forms.
func (uploadBody) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{AnyOf: []*huma.Schema{schemaOf[Accepted](r), schemaOf[AcceptedMany](r)}}
}

func (s *Server) routeUpload(api huma.API, bodies map[string]*huma.RequestBody) {
	const id = "upload-file"
	register(s, api, operation{
		id: id, method: http.MethodPost, path: "/files", scope: scopeUpload, created: true, keyed: true,
		summary: "Upload a recording, or several as multipart/form-data",
		detail: "The body is stored while it arrives. Answers 201, or 200 when the same bytes with the same name, decoder and " +
			"parameters are there already. Parameters of the decoder are query parameters `param.<name>`. A format that no " +
			"decoder knows is stored too; its decode is failed with unknown_format.",
		params: []*huma.Param{decoderParam()},
	}, s.uploadFiles)
	bodies[id] = recordingBody()
}

func decoderParam() *huma.Param {
	return &huma.Param{
		Name: "param.{name}", In: "query", Description: "parameter `name` of the decoder; any number of them",
		Schema: &huma.Schema{Type: huma.TypeString},
	}
}

// recordingBody documents a body that is a recording, or several.
func recordingBody() *huma.RequestBody {
	binary := &huma.Schema{Type: huma.TypeString, Format: "binary"}
	return &huma.RequestBody{
		Description: "the bytes, or form data with parts named file", Required: true,
		Content: map[string]*huma.MediaType{
			anyBytes: {Schema: binary},
			"multipart/form-data": {Schema: &huma.Schema{
				Type: huma.TypeObject, Properties: map[string]*huma.Schema{"file": {Type: huma.TypeArray, Items: binary}},
				Required: []string{"file"},
			}},
		},
	}
}

func (s *Server) uploadFiles(ctx context.Context, in *uploadInput) (*uploadOutput, error) {
	st := stateOf(ctx)
	st.stream = true
	params, err := s.decoderParams(in.request)
	if err != nil {
		return nil, err
	}
	if s.cfg.MaxUpload > 0 && in.request.ContentLength > s.cfg.MaxUpload+formOverhead(in.request) {
		return nil, errcode.Newf(errcode.TooLarge, "an upload may have at most %d bytes", s.cfg.MaxUpload)
	}
	watch := s.watchDecodes()
	defer watch.close()
	up := ingest.Upload{
		Source: catalog.SourceAPI, Decoder: in.Decoder, Params: params, Decode: in.Decode, Force: in.Force,
		Trace: st.ids.trace(),
	}
	in.accept = s.deps.Ingester.Accept
	call, err := s.beginOnce(in.request)
	if err != nil {
		return nil, err
	}
	if call != nil {
		defer call.End()
		return s.uploadOnce(ctx, watch, in, call, up)
	}
	got, many, err := s.acceptAll(ctx, in, up)
	if err != nil {
		return nil, err
	}
	batchID, err := s.uploadedBatch(ctx, in, got, many)
	if err != nil {
		return nil, err
	}
	return s.uploaded(ctx, watch, in, got, many, batchID)
}

// acceptAll takes the recordings of a request.
func (s *Server) acceptAll(ctx context.Context, in *uploadInput, up ingest.Upload) (got []ingest.Accepted, many bool, err error) {
	if !in.Bundle {
		return s.acceptBody(ctx, in, up)
	}
	one, err := s.acceptBundle(ctx, in, up)
	return []ingest.Accepted{one}, false, err
}

// uploaded makes the answer, after the wait that was asked for.
func (s *Server) uploaded(
	ctx context.Context, watch *decodeWatch, in *uploadInput, got []ingest.Accepted, many bool, batchID string,
) (*uploadOutput, error) {
	out := &uploadOutput{Status: http.StatusOK}
	until := time.Now().Add(time.Duration(in.Wait * float64(time.Second)))
	for _, a := range got {
		if !a.Existing {
			out.Status = http.StatusCreated
		}
		item := Accepted{}
		if a.Decode != nil {
			d := *a.Decode
			if in.Wait > 0 {
				var err error
				if d, err = watch.final(ctx, d.ID, until); err != nil {
					return nil, err
				}
			}
			dto := decodeDTO(d)
			item.Decode.v = &dto
		}
		var err error
		if item.File, err = s.fileWithDecodes(ctx, a.File); err != nil {
			return nil, err
		}
		out.Body.items = append(out.Body.items, item)
	}
	if batchID != "" {
		var err error
		if out.Body.batch, err = s.batchUntil(ctx, batchID, in.Wait, until); err != nil {
			return nil, err
		}
	}
	if !many {
		out.Body.one = &out.Body.items[0]
		out.Location = pathPrefix + "/files/" + out.Body.one.File.ID
	}
	return out, nil
}

// acceptBody stores the recordings of a body, one after the other as they arrive.
func (s *Server) acceptBody(ctx context.Context, in *uploadInput, up ingest.Upload) (got []ingest.Accepted, many bool, err error) {
	parts, err := multipartOf(in.request)
	if err != nil {
		return nil, false, err
	}
	if parts == nil {
		up.Name, up.MediaType, up.Body = safeName(in.Name), mediaType(in.request.Header.Get("Content-Type")), in.request.Body
		one, err := s.accept(ctx, in, up)
		if err != nil {
			return nil, false, err
		}
		return []ingest.Accepted{one}, false, nil
	}
	for {
		part, err := nextFile(in.request, parts)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, false, err
		}
		up.Name, up.MediaType, up.Body = partName(part), mediaType(part.Header.Get("Content-Type")), part
		if len(got) == maxParts {
			return nil, false, errcode.Invalid("file", "one form may have at most %d parts; those before this one are stored", maxParts)
		}
		one, err := s.accept(ctx, in, up)
		if err != nil {
			return nil, false, fmt.Errorf("part %d: %w", len(got)+1, err)
		}
		got = append(got, one)
	}
	if len(got) == 0 {
		return nil, false, errcode.Invalid("file", "the form has no part named file")
	}
	return got, len(got) > 1, nil
}

// accept stores one recording. Whatever the store makes of a body that broke off, the caller is told that it did.
func (s *Server) accept(ctx context.Context, in *uploadInput, up ingest.Upload) (ingest.Accepted, error) {
	body := &limitedBody{r: up.Body, left: s.cfg.MaxUpload, limit: s.cfg.MaxUpload}
	up.Body = body
	got, err := in.accept(ctx, up)
	if err == nil {
		return got, nil
	}
	if cut := bodyFailure(in.request); cut != nil {
		return got, cut
	}
	if body.failed != nil {
		return got, body.failed
	}
	return got, fmt.Errorf("accept upload: %w", err)
}

// limitedBody counts one recording, and keeps why it could not be read.
type limitedBody struct {
	r           io.Reader
	left, limit int64 // limit 0 = none
	failed      error
}

func (l *limitedBody) Read(p []byte) (int, error) {
	if l.failed != nil {
		return 0, l.failed
	}
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.limit > 0 && l.left < 0 {
		l.failed = errcode.Newf(errcode.TooLarge, "an upload may have at most %d bytes", l.limit)
		return 0, l.failed
	}
	if coded, ok := errors.AsType[*errcode.Error](err); ok { // the parts of a bundle say what is wrong with them
		l.failed = coded
		return n, l.failed
	}
	if err != nil && !isEOF(err) {
		l.failed = errcode.Wrap(errcode.Malformed, err, "the upload was cut off")
		return n, l.failed
	}
	return n, err //nolint:wrapcheck // io.EOF has to stay what it is
}

// isEOF reports the regular end of a body; a multipart part that ends early is an unexpected one.
func isEOF(err error) bool { return errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) }

// multipartOf gives the parts of a form, nil if the body is the recording itself.
func multipartOf(r *http.Request) (*multipart.Reader, error) {
	t, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || !strings.HasPrefix(t, "multipart/") {
		return nil, nil //nolint:nilerr,nilnil // a type that cannot be read says nothing about the bytes
	}
	if t != "multipart/form-data" {
		return nil, errcode.New(errcode.UnsupportedMediaType, "of multipart bodies only multipart/form-data is taken")
	}
	if params["boundary"] == "" {
		return nil, errcode.New(errcode.Malformed, "the Content-Type of the form has no boundary")
	}
	return multipart.NewReader(newFormBody(r.Body, params["boundary"]), params["boundary"]), nil
}

// nextFile gives the next part that is a file; other fields of the form are skipped. io.EOF is the end.
func nextFile(r *http.Request, parts *multipart.Reader) (*multipart.Part, error) {
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, io.EOF
		}
		if err != nil {
			if cut := bodyFailure(r); cut != nil {
				return nil, cut
			}
			return nil, errcode.Wrap(errcode.Malformed, err, "the form cannot be read")
		}
		if part.FormName() == "file" || hasFileName(part) {
			return part, nil
		}
	}
}

func hasFileName(p *multipart.Part) bool {
	_, params, err := mime.ParseMediaType(p.Header.Get("Content-Disposition"))
	return err == nil && params["filename"] != ""
}

// partName gives the name of a part as it was sent; Part.FileName would already have taken its last element.
func partName(p *multipart.Part) string {
	_, params, err := mime.ParseMediaType(p.Header.Get("Content-Disposition"))
	if err != nil {
		return safeName(p.FileName())
	}
	return safeName(params["filename"])
}

// formOverhead is what a form may be larger than the file in it, when its length alone decides.
func formOverhead(r *http.Request) int64 {
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") {
		return r.ContentLength // the parts are counted as they come
	}
	return 0
}

const (
	paramPrefix = "param."
	maxParams   = 100
	maxParts    = 10_000 // of one form: the answer names each
)

// decoderParams gives the parameters param.<name> of a request. Revealing sensitive values needs scope admin.
func (s *Server) decoderParams(r *http.Request) (map[string]string, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, errcode.Wrap(errcode.Malformed, err, "the query cannot be read")
	}
	var out map[string]string
	for key, values := range query {
		name, ok := strings.CutPrefix(key, paramPrefix)
		if !ok {
			continue
		}
		if name == "" || len(values) != 1 {
			return nil, errcode.Invalid(key, "is to be given once, with a name")
		}
		if out == nil {
			out = map[string]string{}
		}
		out[name] = values[0]
	}
	if len(out) > maxParams {
		return nil, errcode.Invalid(paramPrefix, "at most %d parameters are taken", maxParams)
	}
	return out, s.checkReveal(r, out)
}

func (s *Server) checkReveal(r *http.Request, params map[string]string) error {
	v, ok := params["reveal"]
	if !ok {
		return nil
	}
	if on, err := strconv.ParseBool(v); err == nil && !on {
		return nil
	}
	if err := s.require(r, scopeAdmin); err != nil {
		return err
	}
	st := stateOf(r.Context())
	st.audited, st.reveal = true, true
	return nil
}
