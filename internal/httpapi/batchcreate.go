package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/wayside-edge/wayside/internal/batch"
	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/ingest"
	"github.com/wayside-edge/wayside/internal/runtime"
)

// Archives takes the files out of archives, each for itself; it is decode.Decoder. What is wrong with an archive is a
// validation_failed error on the field "archive", before each is called.
type Archives interface {
	// Members unpacks a body of at most limit bytes (0 = no limit).
	Members(ctx context.Context, body io.Reader, limit int64, each func(name string, r io.Reader) error) error
	StoredMembers(ctx context.Context, f catalog.File, each func(name string, r io.Reader) error) error
}

// NewBatch is the body of POST /batches that is about stored files.
type NewBatch struct {
	Name           string                `json:"name,omitempty" maxLength:"256"`
	FileIDs        []string              `json:"file_ids,omitempty" maxItems:"10000" doc:"stored files; their order is kept"`
	Archive        string                `json:"archive,omitempty" maxLength:"26" doc:"in the place of file_ids: a stored archive, whose files become the files of the batch"`
	Decoder        string                `json:"decoder,omitempty" maxLength:"255" doc:"plugin or format id; unless given the content of each decides"`
	Params         map[string]paramValue `json:"params,omitempty" doc:"of the decoder"`
	Concurrency    int                   `json:"concurrency,omitempty" minimum:"0" maximum:"1000" doc:"files that are decoded at a time; 16 unless given"`
	TimeoutPerFile float64               `json:"timeout_per_file,omitempty" minimum:"0" maximum:"86400" doc:"seconds from the moment its decode runs, at least 1"`
	Combine        bool                  `json:"combine,omitempty" doc:"the files are one recording: they become one file with one decode, in their order, or in that of what is in them where their format has one"`
}

// newBatchInput has in its query what NewBatch has, for bodies that are files.
type newBatchInput struct {
	bodyInput
	Name           string  `query:"name" maxLength:"256" doc:"of the batch; this and what follows is for bodies that are files"`
	Decoder        string  `query:"decoder" maxLength:"255" doc:"plugin or format id; unless given the content of each decides"`
	Concurrency    int     `query:"concurrency" minimum:"0" maximum:"1000" doc:"files that are decoded at a time; 16 unless given"`
	TimeoutPerFile float64 `query:"timeout_per_file" minimum:"0" maximum:"86400" doc:"seconds from the moment its decode runs, at least 1"`
	Combine        bool    `query:"combine" doc:"the files are one recording: they become one file with one decode"`
}

func (s *Server) routeNewBatch(api huma.API, bodies map[string]*huma.RequestBody) {
	const id = "create-batch"
	register(s, api, operation{
		id: id, method: http.MethodPost, path: "/batches", scope: scopeUpload, created: true,
		summary: "Decode many files as one piece of work",
		detail: "A JSON body names stored files, a form has the files, any other body is an archive of them. The batch is durable " +
			"before the answer, and goes on after a restart where it was. A file that cannot be decoded does not hold the others up.",
		params: []*huma.Param{decoderParam()},
	}, s.createBatch)
	route := pathPrefix + "/batches"
	s.onceRules[route] = onceRule{large: true, show: func(ctx context.Context, location string) (any, error) {
		return s.batchUntil(ctx, strings.TrimPrefix(location, route+"/"), 0, time.Time{})
	}}
	body := recordingBody()
	body.Description = "what the batch is to be, or form data with parts named file, or an archive"
	body.Content[jsonType] = &huma.MediaType{Schema: schemaOf[NewBatch](api.OpenAPI().Components.Schemas)}
	bodies[id] = body
}

func (s *Server) createBatch(ctx context.Context, in *newBatchInput) (*newBatchOutput, error) {
	stateOf(ctx).stream = true
	n, err := s.newBatch(ctx, in)
	if err != nil {
		return nil, err
	}
	b, err := s.deps.Batches.Create(ctx, n)
	if err != nil {
		return nil, fmt.Errorf("create batch: %w", err)
	}
	detail, err := s.batchDetail(ctx, &b, 0, batch.MaxItems)
	if err != nil {
		return nil, err
	}
	return &newBatchOutput{Location: pathPrefix + "/batches/" + b.ID, Body: detail}, nil
}

// newBatch stores the files of a body and says what the batch of them is to be. What the batch is to be like is checked
// before anything is stored.
func (s *Server) newBatch(ctx context.Context, in *newBatchInput) (batch.New, error) {
	if t, _, err := mime.ParseMediaType(in.request.Header.Get("Content-Type")); err == nil && t == jsonType {
		return s.newBatchOfStored(ctx, in)
	}
	params, err := s.decoderParams(in.request)
	if err != nil {
		return batch.New{}, err
	}
	n := batch.New{
		Name: in.Name, Decoder: in.Decoder, Params: params, Concurrency: in.Concurrency, Timeout: span(in.TimeoutPerFile),
		Trace: RequestIDs(ctx).trace(),
	}
	if err := s.checkBatch(&n); err != nil {
		return n, err
	}
	up := ingest.Upload{Source: catalog.SourceAPI, Trace: n.Trace}
	parts, err := multipartOf(in.request)
	if err != nil {
		return n, err
	}
	switch {
	case in.Combine:
		up.Decoder, up.Params, up.Decode = n.Decoder, n.Params, true
		one, err := s.acceptBundle(ctx, &uploadInput{bodyInput: in.bodyInput, accept: s.deps.Ingester.Accept, Name: combinedName(n.Name)}, up)
		if err != nil {
			return n, err
		}
		n.Items = []batch.NewItem{itemOf(one)}
	case parts != nil:
		got, _, err := s.acceptBody(ctx, &uploadInput{bodyInput: in.bodyInput, accept: s.deps.Ingester.Accept}, up)
		if err != nil {
			return n, err
		}
		for _, a := range got {
			n.Items = append(n.Items, itemOf(a))
		}
	default:
		body := &limitedBody{r: in.request.Body, left: s.cfg.MaxUpload, limit: s.cfg.MaxUpload}
		err := s.deps.Archives.Members(ctx, body, s.cfg.MaxUpload, s.member(ctx, up, &n))
		if cut := bodyFailure(in.request); err != nil && cut != nil {
			return n, cut
		}
		if err != nil && body.failed != nil {
			return n, body.failed
		}
		return n, err //nolint:wrapcheck // its words are for the caller
	}
	return n, nil
}

func (s *Server) newBatchOfStored(ctx context.Context, in *newBatchInput) (batch.New, error) {
	var body NewBatch
	if err := s.readJSON(in.request, batchBody, &body); err != nil {
		return batch.New{}, err
	}
	n := batch.New{
		Name: body.Name, Decoder: body.Decoder, Concurrency: body.Concurrency, Timeout: span(body.TimeoutPerFile),
		Trace: RequestIDs(ctx).trace(),
	}
	if len(body.Params) > maxParams {
		return n, errcode.Invalid("params", "at most %d parameters are taken", maxParams)
	}
	for k, v := range body.Params {
		if n.Params == nil {
			n.Params = map[string]string{}
		}
		n.Params[k] = string(v)
	}
	if err := s.checkReveal(in.request, n.Params); err != nil {
		return n, err
	}
	if (len(body.FileIDs) == 0) == (body.Archive == "") {
		return n, errcode.Invalid("file_ids", "name stored files, or an archive of them")
	}
	if len(body.FileIDs) > batch.MaxItems {
		return n, errcode.Invalid("file_ids", "%d files are more than %d", len(body.FileIDs), batch.MaxItems)
	}
	if err := s.checkBatch(&n); err != nil {
		return n, err
	}
	up := ingest.Upload{Source: catalog.SourceAPI, Trace: n.Trace}
	switch {
	case body.Archive != "" && body.Combine:
		n.Items = []batch.NewItem{{FileID: body.Archive}}
	case body.Archive != "":
		f, err := s.deps.Files.File(ctx, body.Archive)
		if err != nil {
			return n, missingFile("archive", err)
		}
		return n, s.deps.Archives.StoredMembers(ctx, f, s.member(ctx, up, &n))
	case body.Combine:
		up.Decoder, up.Params, up.Decode = n.Decoder, n.Params, true
		one, err := s.combine(ctx, body.FileIDs, n.Name, up)
		if err != nil {
			return n, err
		}
		n.Items = []batch.NewItem{itemOf(one)}
	default:
		for _, id := range body.FileIDs {
			n.Items = append(n.Items, batch.NewItem{FileID: id})
		}
	}
	return n, nil
}

// batchBody is the most bytes of a JSON body: 10,000 ids, and parameters.
const batchBody = 1 << 20

// checkBatch checks what is said about a batch before its files are stored.
func (s *Server) checkBatch(n *batch.New) error {
	if err := n.CheckOptions(); err != nil {
		return err //nolint:wrapcheck // its words are for the caller
	}
	if n.Decoder == "" {
		return nil
	}
	for _, p := range s.deps.Plugins.Plugins() {
		if p.ID == n.Decoder || slices.ContainsFunc(p.Formats, func(f runtime.Format) bool { return f.ID == n.Decoder }) {
			return nil
		}
	}
	return errcode.Invalid("decoder", "no decoder or format %q is installed", n.Decoder)
}

func missingFile(field string, err error) error {
	if errcode.Is(err, errcode.NotFound) {
		return errcode.Invalid(field, "there is no such file")
	}
	return fmt.Errorf("find file: %w", err)
}

// itemOf makes a file that came in one of a batch.
func itemOf(a ingest.Accepted) batch.NewItem {
	it := batch.NewItem{FileID: a.File.ID, Shared: a.Existing}
	if a.Decode != nil {
		it.DecodeID = a.Decode.ID
	}
	return it
}

// member stores a file of an archive and adds it to a batch.
func (s *Server) member(ctx context.Context, up ingest.Upload, n *batch.New) func(string, io.Reader) error {
	return func(name string, r io.Reader) error {
		up.Name, up.MediaType, up.Body = safeName(path.Base(name)), anyBytes, r
		one, err := s.deps.Ingester.Accept(ctx, up)
		if err != nil {
			return fmt.Errorf("store file %d of the archive: %w", len(n.Items)+1, err)
		}
		n.Items = append(n.Items, itemOf(one))
		return nil
	}
}

// combinedName names the file that the files of a batch become.
func combinedName(name string) string {
	const ext = ".zip"
	if name = strings.TrimSpace(name); name == "" {
		return ""
	}
	return cutUTF8(name, maxName-len(ext)) + ext
}

// combine makes one file of stored ones, and its decode.
func (s *Server) combine(ctx context.Context, ids []string, name string, up ingest.Upload) (ingest.Accepted, error) {
	files := make([]catalog.File, len(ids))
	for i, id := range ids {
		f, err := s.deps.Files.File(ctx, id)
		if err != nil {
			return ingest.Accepted{}, missingFile(fmt.Sprintf("file_ids[%d]", i), err)
		}
		if f.Wrapped == "zip" || f.Wrapped == "tar" {
			return ingest.Accepted{}, errcode.Invalid(fmt.Sprintf("file_ids[%d]", i), "an archive cannot be a part of a recording")
		}
		files[i] = f
	}
	var open io.Closer
	leave := func() error {
		if open == nil {
			return nil
		}
		err := open.Close()
		open = nil
		return err
	}
	at := 0
	up.Body = ingest.Bundle(func() (string, io.Reader, error) {
		if err := leave(); err != nil {
			return "", nil, fmt.Errorf("close part: %w", err)
		}
		if at == len(files) {
			return "", nil, io.EOF
		}
		f := files[at]
		at++
		c, err := s.unwrapped(ctx, f)
		if err != nil {
			return "", nil, err
		}
		open = c
		return innerName(f), io.NewSectionReader(c, 0, c.Size()), nil
	})
	up.Together, up.MediaType = true, "application/zip"
	if up.Name = safeName(combinedName(name)); name == "" {
		up.Name = bundleName(innerName(files[0]))
	}
	one, err := s.deps.Ingester.Accept(ctx, up)
	if err = errors.Join(err, leave()); err != nil {
		return one, fmt.Errorf("combine files: %w", err)
	}
	return one, nil
}

// innerName is the name of a file without that of the stream it came in.
func innerName(f catalog.File) string {
	if f.Wrapped == "" {
		return f.Name
	}
	if ext := path.Ext(f.Name); ext == ".gz" || ext == ".zst" {
		return or(strings.TrimSuffix(f.Name, ext), f.Name)
	}
	return f.Name
}

// uploadedBatch makes a batch of the files of a form, whose decodes have begun, and gives its id; "" where there is none.
func (s *Server) uploadedBatch(ctx context.Context, in *uploadInput, got []ingest.Accepted, many bool) (string, error) {
	if !many || !in.Decode {
		return "", nil
	}
	params, err := s.decoderParams(in.request)
	if err != nil {
		return "", err
	}
	n := batch.New{Name: "upload " + time.Now().UTC().Format(time.RFC3339), Decoder: in.Decoder, Params: params, Trace: RequestIDs(ctx).trace()}
	for _, a := range got {
		n.Items = append(n.Items, itemOf(a))
	}
	b, err := s.deps.Batches.Create(ctx, n)
	if err != nil {
		return "", fmt.Errorf("the files are stored, but make no batch: %w", err)
	}
	return b.ID, nil
}

// batchUntil gives a batch with its files, where a wait was asked for once it has ended or at a time.
func (s *Server) batchUntil(ctx context.Context, id string, wait float64, until time.Time) (*BatchDetail, error) {
	if wait > 0 {
		wait = max(time.Until(until).Seconds(), 0)
	}
	b, err := s.batchOnce(ctx, id, wait)
	if err != nil {
		return nil, fmt.Errorf("get batch: %w", err)
	}
	detail, err := s.batchDetail(ctx, &b, 0, batch.MaxItems)
	return &detail, err
}
