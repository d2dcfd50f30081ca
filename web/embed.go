// Package web owns what a browser gets: for now one start page with the version and the addresses of the appliance.
//
// Pages are embedded and complete in themselves: nothing is loaded from anywhere else, no script or style stands
// inline, so the strictest Content-Security-Policy holds. The package is apart because it is built and tested with
// other tools than the rest; it imports nothing of Wayside.
package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"
)

//go:embed start
var files embed.FS

// policy allows nothing but the page's own style sheet.
const policy = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// page is one rendered answer.
type page struct {
	mediaType string
	body      []byte
	tag       string
}

// Start is the handler of the start page and its style sheet.
type Start struct {
	pages map[string]page
}

// NewStart renders the start page of the appliance in that version.
func NewStart(version string) (*Start, error) {
	tmpl, err := template.ParseFS(files, "start/index.html")
	if err != nil {
		return nil, fmt.Errorf("parse start page: %w", err)
	}
	var html bytes.Buffer
	if err := tmpl.Execute(&html, struct{ Version string }{version}); err != nil {
		return nil, fmt.Errorf("render start page: %w", err)
	}
	css, err := files.ReadFile("start/start.css")
	if err != nil {
		return nil, fmt.Errorf("read style sheet: %w", err)
	}
	return &Start{pages: map[string]page{
		"/":                 newPage("text/html; charset=utf-8", html.Bytes()),
		"/assets/start.css": newPage("text/css; charset=utf-8", css),
	}}, nil
}

func newPage(mediaType string, body []byte) page {
	sum := sha256.Sum256(body)
	return page{mediaType: mediaType, body: body, tag: `"` + hex.EncodeToString(sum[:16]) + `"`}
}

// Has reports whether there is a page at the path.
func (s *Start) Has(path string) bool {
	_, ok := s.pages[path]
	return ok
}

// ServeHTTP serves the page at the path.
func (s *Start) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p, ok := s.pages[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", p.mediaType)
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache")
	h.Set("Etag", p.tag)
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(p.body)))
}
