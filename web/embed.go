// Package web owns what a browser gets: the console, as its build left it in dist.
//
// The console is written in web/src and talks only to the public API. Its built files are committed and embedded, so that
// building the appliance needs no Node; `make web` builds them anew. Beside them are the licences of what others wrote
// (licenses.json, by go generate ./web). Nothing is loaded from anywhere else and no script
// stands inline, so a strict Content-Security-Policy holds. The package is apart because it is built and tested with other
// tools than the rest; it imports nothing of Wayside.
package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed all:dist
var files embed.FS

// policy allows the console's own files and the API beside them, and nothing inline. Charts are drawn on canvases and
// saved as blobs.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Sections are the first segments of the console's addresses: src/routes.ts has the same, and a test compares them.
func (*Console) Sections() []string {
	return []string{
		"batches", "charts", "files", "flows", "jobs", "keys", "logs", "monitor", "plugins", "queues", "schedules",
		"settings", "track", "workers",
	}
}

// file is one embedded file, as it is and compressed.
type file struct {
	mediaType   string
	plain, zip  []byte
	tag, zipTag string
}

// page is a kind of address of the console, and what its first view needs beside what the page itself names. The build
// writes them (web/vite.config.ts).
type page struct {
	Pattern string   `json:"pattern"` // /files/:id/:table?
	Scripts []string `json:"scripts"` // paths below dist
}

// Console serves the files of the console, and its page at every address of it.
type Console struct {
	files    map[string]file
	sections map[string]bool
	pages    []page
}

// NewConsole reads the embedded files.
func NewConsole() (*Console, error) {
	c, err := newConsole(files)
	if err != nil {
		return nil, err
	}
	c.files[licensesPath], err = newFile(licensesPath, licensesFile)
	return c, err
}

func newConsole(from fs.FS) (*Console, error) {
	c := &Console{files: map[string]file{}, sections: map[string]bool{}}
	for _, s := range c.Sections() {
		c.sections[s] = true
	}
	err := fs.WalkDir(from, "dist", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := fs.ReadFile(from, name)
		if err != nil {
			return err //nolint:wrapcheck // wrapped below
		}
		f, err := newFile(name, body)
		c.files[strings.TrimPrefix(name, "dist")] = f
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the console: %w", err)
	}
	for _, needed := range []string{"/index.html", pagesFile} {
		if _, ok := c.files[needed]; !ok {
			return nil, fmt.Errorf("read the console: %w: dist%s", fs.ErrNotExist, needed)
		}
	}
	if err := json.Unmarshal(c.files[pagesFile].plain, &c.pages); err != nil {
		return nil, fmt.Errorf("read the console: dist%s: %w", pagesFile, err)
	}
	return c, nil
}

// pagesFile is for this package, not for browsers.
const pagesFile = "/pages.json"

// newFile prepares a file. Its tag is that of its bytes, so browsers ask each time and are told that nothing has changed.
func newFile(name string, body []byte) (file, error) {
	sum := sha256.Sum256(body)
	tag := hex.EncodeToString(sum[:16])
	f := file{mediaType: mediaType(name), plain: body, tag: `"` + tag + `"`, zipTag: `"` + tag + `-gzip"`}
	var zipped bytes.Buffer
	w, err := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
	if err != nil {
		return f, fmt.Errorf("compress %s: %w", name, err)
	}
	if _, err := w.Write(body); err != nil {
		return f, fmt.Errorf("compress %s: %w", name, err)
	}
	if err := w.Close(); err != nil {
		return f, fmt.Errorf("compress %s: %w", name, err)
	}
	if zipped.Len() < len(body) {
		f.zip = zipped.Bytes()
	}
	return f, nil
}

func mediaType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".json":
		return "application/json"
	}
	return "application/octet-stream"
}

// find gives the file for a path: its own, or the page for an address of the console.
func (c *Console) find(at string) (file, bool) {
	if f, ok := c.files[at]; ok && at != "/index.html" && at != pagesFile {
		return f, true
	}
	section, _, _ := strings.Cut(strings.TrimPrefix(at, "/"), "/")
	if at == "/" || c.sections[section] {
		return c.files["/index.html"], true
	}
	return file{}, false
}

// links names the scripts that the first view at an address needs, so that a browser asks for them with those that the page
// names, and not when these have run: over a slow network that is a round trip less.
func (c *Console) links(at string) string {
	for _, p := range c.pages {
		if !p.matches(at) {
			continue
		}
		links := make([]string, len(p.Scripts))
		for i, script := range p.Scripts {
			links[i] = "</" + script + ">; rel=modulepreload"
		}
		return strings.Join(links, ", ")
	}
	return ""
}

// matches is what matchRoute in web/src/lib/router.svelte.ts does: a segment with a colon is any, one with a question mark
// may be left out.
func (p page) matches(at string) bool {
	parts := strings.FieldsFunc(at, func(r rune) bool { return r == '/' })
	pattern := strings.FieldsFunc(p.Pattern, func(r rune) bool { return r == '/' })
	if len(parts) > len(pattern) {
		return false
	}
	for i, want := range pattern {
		switch {
		case i >= len(parts):
			if !strings.HasSuffix(want, "?") {
				return false
			}
		case !strings.HasPrefix(want, ":") && want != parts[i]:
			return false
		}
	}
	return true
}

// Has reports whether there is something at the path.
func (c *Console) Has(at string) bool {
	_, ok := c.find(at)
	return ok
}

// ServeHTTP serves what is at the path.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := c.find(r.URL.Path)
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.mediaType)
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache")
	h.Add("Vary", "Accept-Encoding")
	if _, own := c.files[r.URL.Path]; !own {
		if links := c.links(r.URL.Path); links != "" {
			h.Set("Link", links)
		}
	}
	body, tag := f.plain, f.tag
	if f.zip != nil && acceptsGzip(r.Header.Values("Accept-Encoding")) {
		body, tag = f.zip, f.zipTag
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Etag", tag)
	if match := r.Header.Get("If-None-Match"); match != "" && has(match, tag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // whom it does not reach is gone
	}
}

// acceptsGzip says whether a client named gzip, or everything, without refusing it.
func acceptsGzip(values []string) bool {
	for part := range strings.SplitSeq(strings.Join(values, ","), ",") {
		coding, params, _ := strings.Cut(part, ";")
		coding = strings.ToLower(strings.TrimSpace(coding))
		if coding != "gzip" && coding != "*" {
			continue
		}
		name, q, found := strings.Cut(strings.TrimSpace(params), "=")
		weight, err := strconv.ParseFloat(strings.TrimSpace(q), 64)
		return !found || !strings.EqualFold(strings.TrimSpace(name), "q") || err != nil || weight > 0
	}
	return false
}

// has says whether a list of tags has this one.
func has(list, tag string) bool {
	for part := range strings.SplitSeq(list, ",") {
		part = strings.TrimPrefix(strings.TrimSpace(part), "W/")
		if part == tag || part == "*" {
			return true
		}
	}
	return false
}
