package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/ingest"
	"github.com/wayside-edge/wayside/internal/runtime"
)

// Wrapping looks into recordings that come wrapped.
type Wrapping interface {
	// Unwrapped gives the bytes of a stored file without its wrapping, those that offsets count in.
	Unwrapped(ctx context.Context, f catalog.File) (Content, error)
	// DetectWrapped recognises what a body of at most limit bytes (0 = no limit) holds.
	DetectWrapped(ctx context.Context, body io.Reader, name string, limit int64) (runtime.Detection, error)
}

// Content is bytes to read.
type Content interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// acceptBundle stores the parts of a form as one file.
func (s *Server) acceptBundle(ctx context.Context, in *uploadInput, up ingest.Upload) (ingest.Accepted, error) {
	parts, err := multipartOf(in.request)
	if err != nil {
		return ingest.Accepted{}, err
	}
	up.Together = true
	if parts == nil {
		up.Name, up.MediaType, up.Body = safeName(in.Name), mediaType(in.request.Header.Get("Content-Type")), in.request.Body
		return s.accept(ctx, in, up)
	}
	first, err := nextFile(in.request, parts)
	if errors.Is(err, io.EOF) {
		return ingest.Accepted{}, errcode.Invalid("file", "the form has no part named file")
	}
	if err != nil {
		return ingest.Accepted{}, err
	}
	part, count := first, 0
	up.Body = ingest.Bundle(func() (string, io.Reader, error) {
		if count++; count > maxParts {
			return "", nil, errcode.Invalid("file", "a bundle may have at most %d parts", maxParts)
		}
		if count > 1 {
			var err error
			if part, err = nextFile(in.request, parts); err != nil {
				return "", nil, err
			}
		}
		return partName(part), part, nil
	})
	up.Name, up.MediaType = safeName(in.Name), "application/zip"
	if in.Name == "" {
		up.Name = bundleName(partName(first))
	}
	return s.accept(ctx, in, up)
}

// bundleName names a bundle after its first part.
func bundleName(first string) string {
	const ext = ".zip"
	return cutUTF8(first, maxName-len(ext)) + ext
}

// unwrapped opens the bytes that offsets of a file's rows count in.
func (s *Server) unwrapped(ctx context.Context, f catalog.File) (Content, error) {
	c, err := s.deps.Wrapping.Unwrapped(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("unwrap file %s: %w", f.ID, err)
	}
	return c, nil
}

// detectWrapped recognises a body whose beginning was read already.
func (s *Server) detectWrapped(ctx context.Context, r *http.Request, body *limitedBody, name string) (*detectOutput, error) {
	d, err := s.deps.Wrapping.DetectWrapped(ctx, body, name, s.cfg.MaxUpload)
	if err == nil {
		return &detectOutput{Body: detectionDTO(d)}, nil
	}
	if cut := bodyFailure(r); cut != nil {
		return nil, cut
	}
	if body.failed != nil {
		return nil, body.failed
	}
	return nil, fmt.Errorf("detect: %w", err)
}
