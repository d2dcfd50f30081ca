package httpapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"reflect"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime"
	"github.com/wayside-edge/wayside/internal/table"
)

const (
	// detectHead is how much of a body /detect looks at.
	detectHead = 64 << 10
	// maxWhole is the most input of a decode that answers all tables as one JSON document: it is built in memory.
	maxWhole = 64 << 20
)

// EncodeParams are the parameters of every route that writes a table. Exported for the same reason as IDParam.
type EncodeParams struct {
	Int64     string `query:"int64" enum:"number,string" default:"number" doc:"json, ndjson: how 64-bit integers are written"`
	BOM       bool   `query:"bom" doc:"csv: begin with a byte-order mark"`
	ExcelSafe bool   `query:"excel_safe" doc:"csv: make cells harmless that a spreadsheet would take for a formula"`
}

func (p EncodeParams) options() table.EncodeOptions {
	return table.EncodeOptions{Int64AsString: p.Int64 == "string", BOM: p.BOM, ExcelSafe: p.ExcelSafe}
}

type directInput struct {
	bodyInput
	EncodeParams
	Name    string `query:"name" maxLength:"4096" doc:"file name, a hint for recognition"`
	To      string `query:"to" enum:"ndjson,csv,json,parquet,arrow" default:"json" doc:"form of the answer"`
	Table   string `query:"table" maxLength:"63" doc:"the table to answer; may be left out with to=json, which then answers all"`
	Decoder string `query:"decoder" maxLength:"255" doc:"plugin or format id; without it the content decides"`
}

type detectInput struct {
	bodyInput
	Name string `query:"name" maxLength:"4096" doc:"file name, a hint for recognition"`
}

// Detection is what a file was recognised as, on the wire.
type Detection struct {
	Format     string      `json:"format"`
	Decoder    string      `json:"decoder" doc:"plugin id"`
	Confidence float64     `json:"confidence" minimum:"0" maximum:"1"`
	Candidates []Candidate `json:"candidates" nullable:"false" doc:"the best first"`
}

// Candidate is one possible recognition, on the wire.
type Candidate struct {
	Format     string  `json:"format"`
	Decoder    string  `json:"decoder"`
	Confidence float64 `json:"confidence"`
}

type detectOutput struct{ Body Detection }

func schemaOf[T any](r huma.Registry) *huma.Schema { return r.Schema(reflect.TypeFor[T](), true, "") }

func (s *Server) routeDirect(api huma.API, bodies map[string]*huma.RequestBody) {
	register(s, api, operation{
		id: "decode-directly", method: http.MethodPost, path: "/decode", scope: scopeUpload,
		summary: "Decode the body and answer a table; nothing is stored",
		detail: "The header Wayside-Decode-Status says done, or partial where the recording is damaged or the decoder was stopped " +
			"after some rows; Wayside-Decode-Issues counts the issues, Wayside-Decode-Children the files found inside, which are not decoded. With to=json and without table the answer is {decode, tables: {name: [rows]}}, for at most 64 MiB of input. " +
			"Parameters of the decoder are query parameters `param.<name>`. A form has one file: a recording of several comes as an archive.",
		params:  []*huma.Param{decoderParam()},
		answers: map[string]*huma.Response{"200": streams("The table", mediaTypes()...)},
	}, s.decodeDirectly)
	bodies["decode-directly"] = recordingBody()
	register(s, api, operation{
		id: "detect", method: http.MethodPost, path: "/detect", scope: scopeUpload,
		summary: "Find out what the body is; nothing is stored",
	}, s.detect)
	bodies["detect"] = recordingBody()
}

func mediaTypes() []string {
	var out []string
	for _, f := range table.Formats() {
		out = append(out, f.MediaType())
	}
	return out
}

func (s *Server) decodeDirectly(ctx context.Context, in *directInput) (*huma.StreamResponse, error) {
	to := table.Format(in.To)
	if in.Table == "" && to != table.JSON {
		return nil, errcode.Invalid("table", "is needed, but with to=json")
	}
	if in.Table != "" && !table.ValidName(in.Table) {
		return nil, errcode.Invalid("table", "%q is no name of a table", in.Table)
	}
	params, err := s.decoderParams(in.request)
	if err != nil {
		return nil, err
	}
	req := DirectRequest{
		Decoder: in.Decoder, Params: params, To: to, Table: in.Table, Limit: s.cfg.MaxUpload, Options: in.options(),
	}
	if in.Table == "" && (req.Limit == 0 || req.Limit > maxWhole) {
		req.Limit = maxWhole
	}
	body, name, err := openBody(in.request, in.Name)
	if err != nil {
		return nil, err
	}
	limited := &limitedBody{r: body, left: req.Limit, limit: req.Limit}
	req.Body, req.Name = limited, name
	stateOf(ctx).stream = true
	return s.stream(func(c echo.Context) error { //nolint:contextcheck // the request in c carries it
		out := s.newTableWriter(c, to.MediaType())
		defer out.end()
		err := s.deps.Direct.Direct(ctx, req, out)
		if err == nil {
			return out.close()
		}
		if cut := bodyFailure(in.request); cut != nil {
			return cut
		}
		if limited.failed != nil {
			return limited.failed
		}
		return fmt.Errorf("decode directly: %w", err)
	}), nil
}

func (s *Server) detect(ctx context.Context, in *detectInput) (*detectOutput, error) {
	stateOf(ctx).stream = true
	body, name, err := openBody(in.request, in.Name)
	if err != nil {
		return nil, err
	}
	limited := &limitedBody{r: body, left: s.cfg.MaxUpload, limit: s.cfg.MaxUpload}
	head := make([]byte, detectHead)
	n, err := io.ReadFull(limited, head)
	size := int64(n)
	if (err == nil || isEOF(err) || errors.Is(err, io.ErrUnexpectedEOF)) && limited.failed == nil && runtime.MaybeWrapped(head[:n]) {
		limited.r = io.MultiReader(bytes.NewReader(head[:n]), limited.r)
		limited.left += size
		return s.detectWrapped(ctx, in.request, limited, name)
	}
	if err == nil {
		var rest int64
		rest, err = io.Copy(io.Discard, limited)
		size += rest
	}
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) || limited.failed != nil {
		if cut := bodyFailure(in.request); cut != nil {
			return nil, cut
		}
		return nil, errors.Join(limited.failed, err)
	}
	d, err := s.deps.Plugins.Detect(ctx, head[:n], size, name)
	if err != nil {
		return nil, fmt.Errorf("detect: %w", err)
	}
	return &detectOutput{Body: detectionDTO(d)}, nil
}

func detectionDTO(d runtime.Detection) Detection {
	out := Detection{Format: d.Format, Decoder: d.Decoder, Confidence: d.Confidence, Candidates: make([]Candidate, 0, len(d.Candidates))}
	for _, c := range d.Candidates {
		out.Candidates = append(out.Candidates, Candidate(c))
	}
	return out
}

// openBody gives the recording in a body and its name: the body itself, or the file of a form. A form of several files
// cannot be read to its end: none of them is passed over silently.
func openBody(r *http.Request, name string) (io.Reader, string, error) {
	parts, err := multipartOf(r)
	if err != nil {
		return nil, "", err
	}
	if parts == nil {
		return r.Body, safeName(name), nil
	}
	part, err := nextFile(r, parts)
	if errors.Is(err, io.EOF) {
		return nil, "", errcode.Invalid("file", "the form has no part named file")
	}
	if err != nil {
		return nil, "", err
	}
	return &onlyPart{part, func() error { return noMoreFiles(r, parts) }}, partName(part), nil
}

// onlyPart is the one file of a form.
type onlyPart struct {
	io.Reader
	end func() error // looks at what follows it, nil = nothing does
}

// Read gives the next bytes of the file.
func (o *onlyPart) Read(p []byte) (int, error) {
	n, err := o.Reader.Read(p)
	if isEOF(err) {
		if more := o.end(); more != nil {
			return 0, more
		}
	}
	return n, err //nolint:wrapcheck // io.EOF has to stay what it is
}

func noMoreFiles(r *http.Request, parts *multipart.Reader) error {
	_, err := nextFile(r, parts)
	switch {
	case isEOF(err):
		return nil
	case err != nil:
		return err
	}
	return errcode.Invalid("file", "the form has several files, and this takes one: send those of one recording as a zip archive, or to /files with bundle=true")
}

// tableWriter writes a table as it is made. Headers go out with the first byte, so that an error before it can still
// become a problem; the form is compressed where the caller takes that.
type tableWriter struct {
	server    *Server
	c         echo.Context
	mediaType string
	w         io.Writer   // nil until the first byte
	packed    *compressor // nil = it is not compressed
}

func (s *Server) newTableWriter(c echo.Context, mediaType string) *tableWriter {
	return &tableWriter{server: s, c: c, mediaType: mediaType}
}

// Describe puts the status of the decode and the numbers of its issues and of the files found inside into the answer's headers.
func (t *tableWriter) Describe(status runtime.Status, issues runtime.IssueCounts, children int) {
	h := t.c.Response().Header()
	h.Set("Wayside-Decode-Status", string(status))
	h.Set("Wayside-Decode-Issues", fmt.Sprintf("infos=%d, warnings=%d, errors=%d", issues.Infos, issues.Warnings, issues.Errors))
	h.Set("Wayside-Decode-Children", strconv.Itoa(children))
}

func (t *tableWriter) start() {
	res := t.c.Response()
	h := res.Header()
	h.Set("Content-Type", t.mediaType)
	t.w = res
	if compressible(t.mediaType) {
		h.Add("Vary", "Accept-Encoding")
		enc := pickEncoding(t.c.Request().Header)
		if t.c.Request().Method == http.MethodHead && enc.name != "" {
			h.Set("Content-Encoding", enc.name) // and there is nothing to compress
		} else if t.packed = t.server.compressors.stream(enc.name, res); t.packed != nil {
			h.Set("Content-Encoding", enc.name)
			t.w = t.packed
		}
	}
	res.WriteHeader(http.StatusOK)
}

// Write writes a piece of the table.
func (t *tableWriter) Write(p []byte) (int, error) {
	if t.w == nil {
		t.start()
	}
	n, err := t.w.Write(p)
	if err != nil {
		return n, fmt.Errorf("send table: %w", err)
	}
	return n, nil
}

// close completes the answer.
func (t *tableWriter) close() error {
	if t.w == nil {
		t.start()
	}
	if t.packed == nil {
		return nil
	}
	defer t.end()
	if err := t.packed.Close(); err != nil {
		return fmt.Errorf("send table: %w", err)
	}
	return nil
}

// end gives back what the answer was compressed with. It may be called more than once.
func (t *tableWriter) end() {
	if t.packed != nil {
		t.packed.release()
		t.packed = nil
	}
}
