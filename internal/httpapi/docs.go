package httpapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/wayside-edge/wayside/internal/apidocs"
)

// routeDocs serves the document as a page, which is made from it once.
func (s *Server) routeDocs() error {
	html, err := apidocs.Render(s.openapi)
	if err != nil {
		return fmt.Errorf("make the page of the api: %w", err)
	}
	assets, err := apidocs.Assets()
	if err != nil {
		return fmt.Errorf("make the page of the api: %w", err)
	}
	s.show("/docs", scopeOpen, func(c echo.Context) error {
		s.serveDoc(c, htmlType, html)
		return nil
	})
	s.show("/docs/:name", scopeOpen, func(c echo.Context) error {
		for _, a := range assets {
			if a.Name == c.Param("name") {
				s.serveDoc(c, a.MediaType, a.Body)
				return nil
			}
		}
		return echo.ErrNotFound
	})
	return nil
}

func (s *Server) serveDoc(c echo.Context, mediaType string, body []byte) {
	h := c.Response().Header()
	h.Set("Content-Type", mediaType)
	h.Set("Content-Security-Policy", apidocs.Policy)
	h.Set("Cache-Control", "no-cache")
	sum := sha256.Sum256(body)
	h.Set("Etag", `"`+hex.EncodeToString(sum[:16])+`"`)
	s.serveRanges(c, time.Time{}, bytes.NewReader(body))
}

// documentText stands before the operations.
const documentText = `Recordings in, typed tables out. Requests and answers are JSON unless said; times are RFC 3339 in UTC, sizes bytes, durations seconds, ids opaque.

Lists take limit and cursor, and answer items with next_cursor, null at the end. Every GET answers HEAD, has an ETag and takes If-None-Match. Answers over 1 KiB are compressed where Accept-Encoding takes zstd or gzip.

Errors are application/problem+json with a stable code; docs/api-errors.md lists them. Where the appliance asks for a token it is sent as Authorization: Bearer or X-API-Key; x-scope says which scope an operation needs.`
