package httpapi

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/apidocs"
)

// TestDocsStandAlone checks that the page has every operation, loads nothing from elsewhere and needs no inline script.
func TestDocsStandAlone(t *testing.T) {
	w := newWorld(t).start()
	res := w.do(http.MethodGet, "/docs", nil)
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != htmlType || res.Header.Get("Content-Security-Policy") != apidocs.Policy {
		t.Fatalf("%d %v", res.StatusCode, res.Header)
	}
	c := newContract(t, w)
	for _, op := range c.operations() {
		method, path, _ := strings.Cut(op, " ")
		id, _ := at(c.doc, "paths", path, strings.ToLower(method), "operationId").(string)
		if !bytes.Contains(res.body, []byte(`<article id="`+id+`">`)) {
			t.Errorf("%s (%s) is not on the page", op, id)
		}
	}
	for _, no := range []string{"<style", " style=", "onclick", `src="http`, `href="http`, "<script>", "{{", "&lt;nil&gt;", "<nil>", "%!"} {
		if bytes.Contains(res.body, []byte(no)) {
			t.Errorf("the page has %q", no)
		}
	}
	for _, name := range []string{"docs.css", "docs.js"} {
		if !bytes.Contains(res.body, []byte(`"/docs/`+name+`"`)) {
			t.Errorf("the page does not load %s", name)
		}
		asset := w.do(http.MethodGet, "/docs/"+name, nil)
		if asset.StatusCode != http.StatusOK || len(asset.body) == 0 {
			t.Errorf("%s: %d", name, asset.StatusCode)
		}
		again := w.do(http.MethodGet, "/docs/"+name, nil, header("If-None-Match", asset.Header.Get("Etag")))
		if again.StatusCode != http.StatusNotModified {
			t.Errorf("%s again: %d", name, again.StatusCode)
		}
	}
	wantProblem(t, w.do(http.MethodGet, "/docs/none.js", nil), 404, "not_found")
}
