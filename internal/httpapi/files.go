package httpapi

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
)

// IDParam is the id in a path. It is exported only because huma passes over embedded structs that are not.
type IDParam struct {
	ID string `path:"id" maxLength:"26" doc:"opaque id"`
}

type noContent struct{}

type fileOutput struct{ Body File }

type filesInput struct {
	PageParams
	Name   string `query:"name" maxLength:"255" doc:"contained in the name, whatever the case"`
	Format string `query:"format" maxLength:"255" doc:"format id"`
	SHA256 string `query:"sha256" maxLength:"64" doc:"of the bytes"`
	Source string `query:"source" enum:"api,tus,watch,child,cli"`
	Parent string `query:"parent" maxLength:"26" doc:"id of the file in which they were found"`
}

type filesOutput struct{ Body List[File] }

// maxHex is the most bytes of one answer of /hex.
const maxHex = 1 << 20

type hexInput struct {
	IDParam
	Offset int64 `query:"offset" minimum:"0" default:"0" doc:"first byte"`
	Length int64 `query:"length" minimum:"1" maximum:"1048576" default:"4096" doc:"most bytes of the answer"`
	Raw    bool  `query:"raw" doc:"the stored bytes, also where the file is wrapped"`
}

type hexOutput struct {
	Body struct {
		Offset int64  `json:"offset"`
		Length int    `json:"length" doc:"bytes of this answer"`
		Size   int64  `json:"size" doc:"bytes of the file, without its wrapping where it came wrapped"`
		Hex    string `json:"hex" doc:"the bytes, two lower-case digits each"`
	}
}

func (s *Server) routeFiles(api huma.API, bodies map[string]*huma.RequestBody) {
	s.routeUpload(api, bodies)
	register(s, api, operation{
		id: "list-files", method: http.MethodGet, path: "/files", scope: scopeRead, summary: "List files, the newest first",
	}, s.listFiles)
	register(s, api, operation{
		id: "get-file", method: http.MethodGet, path: "/files/{id}", scope: scopeRead, summary: "Get a file",
	}, s.getFile)
	register(s, api, operation{
		id: "delete-file", method: http.MethodDelete, path: "/files/{id}", scope: scopeAdmin,
		summary: "Delete a file with its decodes and tables, and the files found inside; running jobs are cancelled",
	}, func(ctx context.Context, in *IDParam) (*noContent, error) {
		if err := s.deps.Ingester.DeleteFile(ctx, in.ID); err != nil {
			return nil, fmt.Errorf("delete file: %w", err)
		}
		return nil, nil //nolint:nilnil // huma's way to say: no body
	})
	register(s, api, operation{
		id: "get-file-content", method: http.MethodGet, path: "/files/{id}/content", scope: scopeRaw,
		summary: "Get the bytes of a file", detail: "Takes Range and If-None-Match. Needs scope admin, or read where files.raw is set.",
		answers: map[string]*huma.Response{
			"200": streams("The bytes", anyBytes), "206": streams("A part of the bytes", anyBytes), "304": {Description: "Not modified"},
		},
	}, s.getContent)
	register(s, api, operation{
		id: "get-file-hex", whole: true, method: http.MethodGet, path: "/files/{id}/hex", scope: scopeRaw,
		summary: "Get some bytes of a file as hexadecimal digits",
	}, s.getHex)
}

func (s *Server) listFiles(ctx context.Context, in *filesInput) (*filesOutput, error) {
	if err := checkFields[File](in.Fields); err != nil {
		return nil, err
	}
	items, next, err := s.deps.Files.Files(ctx, catalog.FileQuery{
		Name: in.Name, Format: in.Format, SHA256: in.SHA256, Source: catalog.Source(in.Source), Parent: in.Parent, Limit: in.Limit, Cursor: in.Cursor,
	})
	if err != nil {
		return nil, fmt.Errorf("list files: %w", err)
	}
	out := &filesOutput{Body: List[File]{Items: make([]File, 0, len(items)), NextCursor: text(next), fields: in.Fields}}
	for _, f := range items {
		var decodes []string
		if in.Fields == nil || slices.Contains(in.Fields, "decodes") {
			if decodes, err = s.deps.Files.DecodesOf(ctx, f.ID); err != nil {
				return nil, fmt.Errorf("list decodes of %s: %w", f.ID, err)
			}
		}
		out.Body.Items = append(out.Body.Items, fileDTO(f, decodes))
	}
	return out, nil
}

func (s *Server) getFile(ctx context.Context, in *IDParam) (*fileOutput, error) {
	f, err := s.deps.Files.File(ctx, in.ID)
	if err != nil {
		return nil, fmt.Errorf("get file: %w", err)
	}
	dto, err := s.fileWithDecodes(ctx, f)
	if err != nil {
		return nil, err
	}
	return &fileOutput{Body: dto}, nil
}

func (s *Server) fileWithDecodes(ctx context.Context, f catalog.File) (File, error) {
	decodes, err := s.deps.Files.DecodesOf(ctx, f.ID)
	if err != nil {
		return File{}, fmt.Errorf("list decodes of %s: %w", f.ID, err)
	}
	return fileDTO(f, decodes), nil
}

func (s *Server) getContent(ctx context.Context, in *IDParam) (*huma.StreamResponse, error) {
	f, blob, err := s.openFile(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return s.stream(func(c echo.Context) error { //nolint:contextcheck // the request in c carries it
		defer func() { _ = blob.Close() }()
		h := c.Response().Header()
		h.Set("Content-Type", anyBytes)
		h.Set("Content-Disposition", attachment(f.Name))
		h.Set("Content-Security-Policy", "sandbox")
		h.Set("Etag", `"`+f.SHA256+`"`)
		s.serveRanges(c, f.CreatedAt, blob)
		return nil
	}), nil
}

// openFile opens the bytes of a file; the caller closes them.
func (s *Server) openFile(ctx context.Context, id string) (catalog.File, *os.File, error) {
	f, err := s.deps.Files.File(ctx, id)
	if err != nil {
		return f, nil, fmt.Errorf("get file: %w", err)
	}
	blob, err := s.deps.Blobs.Open(f.SHA256)
	if err != nil {
		return f, nil, fmt.Errorf("open the bytes of file %s: %w", id, err)
	}
	return f, blob, nil
}

func (s *Server) getHex(ctx context.Context, in *hexInput) (*hexOutput, error) {
	f, blob, err := s.openFile(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	defer func() { _ = blob.Close() }()
	var content io.ReaderAt = blob
	size := f.Size
	if f.Wrapped != "" && !in.Raw {
		c, err := s.unwrapped(ctx, f)
		if err != nil {
			return nil, err
		}
		defer func() { _ = c.Close() }()
		content, size = c, c.Size()
	}
	if in.Offset > size {
		return nil, errcode.Newf(errcode.RangeNotSatisfiable, "the file has %d bytes", size)
	}
	part := make([]byte, min(in.Length, size-in.Offset, maxHex))
	n, err := content.ReadAt(part, in.Offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the bytes of file %s: %w", in.ID, err)
	}
	out := &hexOutput{}
	out.Body.Offset, out.Body.Length, out.Body.Size, out.Body.Hex = in.Offset, n, size, hex.EncodeToString(part[:n])
	return out, nil
}

// serveRanges serves a file with Range, conditions and HEAD. The headers set before say what it is.
func (s *Server) serveRanges(c echo.Context, modified time.Time, content io.ReadSeeker) {
	r := c.Request()
	stateOf(r.Context()).stream = true
	w := &rangeWriter{Response: c.Response(), server: s, request: r}
	if asksForNothing(r.Header.Get("Range")) {
		if size, err := content.Seek(0, io.SeekEnd); err == nil {
			c.Response().Header().Set("Content-Range", "bytes */"+strconv.FormatInt(size, 10))
		}
		w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		return
	}
	http.ServeContent(w, r, "", modified, content)
}

// asksForNothing reports whether a Range is of the last zero bytes. net/http answers that with a part that ends before it
// begins; RFC 9110 has no such part, so it cannot be satisfied.
func asksForNothing(header string) bool {
	suffix, ok := strings.CutPrefix(strings.ReplaceAll(header, " ", ""), "bytes=-")
	return ok && suffix != "" && strings.Trim(suffix, "0") == ""
}

// rangeWriter turns the plain-text refusals of http.ServeContent into problems.
type rangeWriter struct {
	*echo.Response
	server  *Server
	request *http.Request
	refused bool
}

// WriteHeader sends the status, or the problem that belongs to it.
func (w *rangeWriter) WriteHeader(status int) {
	switch status {
	case http.StatusRequestedRangeNotSatisfiable:
		w.refuse(errcode.New(errcode.RangeNotSatisfiable, "the range lies outside of the resource"))
	case http.StatusPreconditionFailed:
		w.refuse(errcode.New(errcode.PreconditionFailed, "the resource is not the one that was asked for"))
	case http.StatusInternalServerError:
		w.refuse(errcode.New(errcode.Internal, "the bytes could not be read"))
	default:
		w.Response.WriteHeader(status)
	}
}

func (w *rangeWriter) refuse(err *errcode.Error) {
	w.refused = true
	w.server.writeProblem(w.Response, w.request, problemOf(w.request, err))
}

// Write passes the content on; the text of a refusal is dropped, the problem was sent already.
func (w *rangeWriter) Write(p []byte) (int, error) {
	if w.refused {
		return len(p), nil
	}
	n, err := w.Response.Write(p)
	if err != nil {
		return n, fmt.Errorf("send content: %w", err)
	}
	return n, nil
}

// ReadFrom lets the kernel copy the file where it can: past the layer that counts, so the count is made here.
func (w *rangeWriter) ReadFrom(src io.Reader) (int64, error) {
	if w.refused {
		return 0, nil
	}
	n, err := io.Copy(w.Writer, src)
	w.Size += n
	if err != nil {
		return n, fmt.Errorf("send content: %w", err)
	}
	return n, nil
}
