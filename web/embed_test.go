package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func console(t *testing.T) *Console {
	t.Helper()
	c, err := NewConsole()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func get(t *testing.T, at string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, at, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	console(t).ServeHTTP(w, r)
	return w
}

func TestPageIsCompleteInItself(t *testing.T) {
	w := get(t, "/")
	body := w.Body.String()
	if w.Code != http.StatusOK || !strings.Contains(body, `<div id="app">`) {
		t.Fatalf("status %d: %s", w.Code, body)
	}
	if csp := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'; script-src 'self';") || strings.Contains(csp, "unsafe") {
		t.Errorf("policy %q", csp)
	}
	for _, bad := range []string{"<style", " style=", " onload=", "//cdn", "https://", "http://"} {
		if strings.Contains(body, bad) {
			t.Errorf("page contains %q", bad)
		}
	}
	if inline := regexp.MustCompile(`<script[^>]*>[^<]`).FindString(body); inline != "" {
		t.Errorf("inline script %q", inline)
	}
	links := regexp.MustCompile(`(?:href|src)="([^"]+)"`).FindAllStringSubmatch(body, -1)
	if len(links) < 3 {
		t.Errorf("%d links", len(links))
	}
	for _, m := range links {
		if w := get(t, m[1]); w.Code != http.StatusOK || w.Body.Len() == 0 {
			t.Errorf("%s: status %d", m[1], w.Code)
		}
	}
}

func TestAddressesOfTheConsole(t *testing.T) {
	page := get(t, "/").Body.String()
	for _, at := range []string{"/files", "/files/f0000000001/records", "/jobs", "/settings/tokens"} {
		if w := get(t, at); w.Code != http.StatusOK || w.Body.String() != page {
			t.Errorf("%s: status %d", at, w.Code)
		}
	}
	for _, at := range []string{"/index.html", "/pages.json", "/filesx", "/api/v1/files", "/assets/none.js", "/assets/", "/dist/index.html", "/..", "/assets/../embed.go"} {
		if console(t).Has(at) {
			t.Errorf("%s is there", at)
		}
		if w := get(t, at); w.Code != http.StatusNotFound {
			t.Errorf("%s: status %d", at, w.Code)
		}
	}
}

// The appliance answers an address of the console only if it knows it.
func TestSectionsAreThoseOfTheRoutes(t *testing.T) {
	source, err := os.ReadFile("src/routes.ts")
	if err != nil {
		t.Fatal(err)
	}
	var routes []string
	for _, m := range regexp.MustCompile(`pattern: '/([a-z]+)`).FindAllSubmatch(source, -1) {
		routes = append(routes, string(m[1]))
	}
	slices.Sort(routes)
	if routes = slices.Compact(routes); !slices.Equal(routes, console(t).Sections()) {
		t.Errorf("routes %v, sections %v", routes, console(t).Sections())
	}
}

// A page says which scripts it needs before its first one runs, and they are there: those that its own script imports.
func TestScriptsOfAPageAreNamedWithIt(t *testing.T) {
	for at, want := range map[string]string{
		"/": "Overview", "/files": "Files", "/files/f0000000001": "File", "/files/f0000000001/records": "DataGrid",
		"/files/f0000000001/mission": "Mission", "/settings": "Settings", "/batches/b0000000001/mission": "chart",
	} {
		links := get(t, at).Header().Get("Link")
		if !strings.Contains(links, "</assets/"+want+".js>; rel=modulepreload") {
			t.Errorf("%s: %q", at, links)
		}
		for _, m := range regexp.MustCompile(`<([^>]+)>`).FindAllStringSubmatch(links, -1) {
			if w := get(t, m[1]); w.Code != http.StatusOK || w.Header().Get("Link") != "" {
				t.Errorf("%s: %s: status %d, links %q", at, m[1], w.Code, w.Header().Get("Link"))
			}
		}
	}
	for _, at := range []string{"/files/f0000000001/records/more", "/settings/a/b"} {
		if links := get(t, at).Header().Get("Link"); links != "" {
			t.Errorf("%s: %q", at, links)
		}
	}
	// As the browser matches them: a pattern that stands before another one comes first.
	source, err := os.ReadFile("src/routes.ts")
	if err != nil {
		t.Fatal(err)
	}
	var routes []string
	for _, m := range regexp.MustCompile(`pattern: '([^']+)'`).FindAllSubmatch(source, -1) {
		routes = append(routes, string(m[1]))
	}
	var built []string
	for _, p := range console(t).pages {
		built = append(built, p.Pattern)
	}
	if !slices.Equal(routes, built) {
		t.Errorf("routes %v, built %v", routes, built)
	}
}

// The build leaves the sum of its sources behind: vite.config.ts says how it is made.
func TestBuiltFilesAreThoseOfTheSources(t *testing.T) {
	names := []string{"index.html", "package-lock.json", "svelte.config.js", "vite.config.ts"}
	for _, dir := range []string{"src", "public"} {
		err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
			if err == nil && !entry.IsDir() && !strings.HasSuffix(name, ".test.ts") {
				names = append(names, filepath.ToSlash(name))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(names)
	sum := sha256.New()
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Fprintf(sum, "%s %d\n%s", name, len(content), content)
	}
	want, err := os.ReadFile("dist/sources.sha256")
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != strings.TrimSpace(string(want)) {
		t.Errorf("web/dist was not built from these sources: make web")
	}
}

func TestCompressedAndConditional(t *testing.T) {
	const at = "/assets/style.css"
	plain, zipped := get(t, at), get(t, at, "Accept-Encoding", "br, gzip;q=0.5")
	if plain.Header().Get("Content-Encoding") != "" || zipped.Header().Get("Content-Encoding") != "gzip" {
		t.Fatalf("encodings %q, %q", plain.Header().Get("Content-Encoding"), zipped.Header().Get("Content-Encoding"))
	}
	r, err := gzip.NewReader(bytes.NewReader(zipped.Body.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, plain.Body.Bytes()) {
		t.Errorf("compressed: %d bytes, %v; plain %d", len(got), err, plain.Body.Len())
	}
	if refused := get(t, at, "Accept-Encoding", "gzip;q=0"); refused.Header().Get("Content-Encoding") != "" {
		t.Error("compressed though it was refused")
	}
	tag := zipped.Header().Get("Etag")
	if tag == "" || tag == plain.Header().Get("Etag") {
		t.Errorf("tag %q of both forms", tag)
	}
	again := get(t, at, "Accept-Encoding", "gzip", "If-None-Match", `"x", W/`+tag)
	if again.Code != http.StatusNotModified || again.Body.Len() != 0 {
		t.Errorf("status %d with %d bytes", again.Code, again.Body.Len())
	}
}

// The licences are taken from the binary too, small on the way.
func TestLicenses(t *testing.T) {
	const most = 40_000
	w := get(t, licensesPath, "Accept-Encoding", "gzip")
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Content-Encoding") != "gzip" {
		t.Fatalf("status %d, %v", w.Code, w.Header())
	}
	if w.Body.Len() > most {
		t.Errorf("%d bytes, at most %d", w.Body.Len(), most)
	}
	if plain := get(t, licensesPath); !bytes.Equal(plain.Body.Bytes(), licensesFile) {
		t.Error("not the embedded file")
	}
}

// What the first view takes: the script of the page, what it imports at once, the words, and the first page.
func TestSizeOfScripts(t *testing.T) {
	const first, all = 60_000, 310_000 // of all pages in all languages; 150,000 are meant (docs/roadmap.md)
	c := console(t)
	total := 0
	for at, f := range c.files {
		if strings.HasSuffix(at, ".js") {
			total += min(len(f.zip)+len(f.plain)*btoi(f.zip == nil), len(f.plain))
		}
	}
	seen := map[string]bool{}
	var walk func(at string)
	imports := regexp.MustCompile(`(?:from|import)\s*["']\./([A-Za-z0-9_.-]+\.js)["']`)
	walk = func(at string) {
		if seen[at] {
			return
		}
		seen[at] = true
		for _, m := range imports.FindAllSubmatch(c.files[at].plain, -1) {
			walk("/assets/" + string(m[1]))
		}
	}
	for _, at := range []string{"/assets/theme.js", "/assets/index.js", "/assets/words-en.js", "/assets/Overview.js"} {
		if len(c.files[at].plain) == 0 {
			t.Fatalf("%s is not there", at)
		}
		walk(at)
	}
	view := 0
	for at := range seen {
		view += len(c.files[at].zip)
	}
	t.Logf("first view %d bytes of %d, all %d of %d", view, first, total, all)
	if view > first || total > all {
		t.Errorf("compressed scripts: first view %d of %d bytes, all %d of %d", view, first, total, all)
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestBrokenBuildIsNoConsole(t *testing.T) {
	if _, err := newConsole(os.DirFS(t.TempDir())); err == nil {
		t.Error("no error without files")
	}
	dir := t.TempDir()
	if err := os.MkdirAll(dir+"/dist/assets", 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := newConsole(os.DirFS(dir)); err == nil || !strings.Contains(err.Error(), fs.ErrNotExist.Error()) {
		t.Errorf("error %v", err)
	}
}
