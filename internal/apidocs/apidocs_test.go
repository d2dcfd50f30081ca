package apidocs

import (
	"strings"
	"testing"
)

const sample = `{"openapi":"3.1.0","info":{"title":"T","version":"1","description":"one\n\ntwo <b>"},"servers":[{"url":"/api"}],
"paths":{"/a/{id}":{"post":{"operationId":"make-a","summary":"Make","tags":["a"],"security":[{"key":[]}],"x-scope":"admin",
"parameters":[{"name":"limit","in":"query","schema":{"type":"integer","minimum":1,"maximum":1000,"default":100}}],
"requestBody":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/A"},"example":{"it":"it's"}}}},
"responses":{"201":{"description":"Made","content":{"application/json":{"schema":{"type":"array","items":{"$ref":"#/components/schemas/A"}}}}},
"404":{"$ref":"#/components/responses/none"}}}},"/z":{"get":{"operationId":"z","responses":{}}},"/health":{"servers":[{"url":"/"}],"get":{"operationId":"health","responses":{}}}},
"components":{"schemas":{"A":{"type":"object","required":["it"],"properties":{"it":{"type":["string","null"],"enum":["x","y"]}}}},
"responses":{"none":{"description":"No such thing"}}}}`

func TestRender(t *testing.T) {
	page, err := Render([]byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`<article id="make-a">`, "/api/a/{id}", "at least 1; at most 1000; default 100", "No such thing", "two &lt;b&gt;",
		`href="#schema-A">array of A`, "string or null", "one of x, y", "<em>required</em>", "needs no token",
		"http://127.0.0.1:8000/api/a/ID", "it&#39;\\&#39;&#39;s", "http://127.0.0.1:8000/health&#39;", "http://127.0.0.1:8000/api/z&#39;", "scope <code>admin</code>",
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

func TestRenderRefuses(t *testing.T) {
	for _, doc := range []string{"", "[]", `{"paths":{"/a":{"get":[]}}}`, `{"paths":7}`} {
		if _, err := Render([]byte(doc)); err == nil {
			t.Errorf("%q became a page", doc)
		}
	}
}

func FuzzRender(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte(`{"paths":{"/a":{"get":{"parameters":[{"schema":null}]}}},"components":{"schemas":{"A":{"properties":{"b":{}}}}}}`))
	f.Add([]byte(`{"paths":{"/a":{"get":{"requestBody":{"content":{"x":null}},"responses":{"2":null}}}},"components":{"schemas":{"A":null}}}`))
	f.Fuzz(func(_ *testing.T, doc []byte) { _, _ = Render(doc) })
}
